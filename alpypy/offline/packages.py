"""The kit's packages: Debian's programs and libraries laid out as Alpine's packages are.

How they differ from Alpine's own packages: docs/restricted-networks.md.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from alpypy.core import elf
from alpypy.core.errors import KitError
from alpypy.core.source import Source
from alpypy.offline.apk import ApkPackage, ApkPackageInfo, write_package
from alpypy.offline.contents import Data, Library, Openssl, Tool

ARCH = "x86_64"
OPENSSL = "openssl-dev"  # the package with OpenSSL's headers
_LOADER = "/lib/ld-musl-x86_64.so.1"
_UNWANTED = ("usr/share", "etc", "usr/lib/pkgconfig", "usr/lib/x86_64-linux-gnu/pkgconfig")


def lay_out_tool(tool: Tool, files: Callable[[Source], Path], overlays: Path, tree: Path) -> None:
    """Unpack a tool's Debian packages into ``tree`` and fit them to Alpine.

    Args:
        files: gives the path of a file.
        overlays: has, in a folder of the tool's name, files that Debian's packages lack.
    """
    tree.mkdir(parents=True)
    for deb in tool.debs:
        _unpack_deb(files(deb.source), tree)
    for name in _UNWANTED:
        if (tool.name, name) != ("tcl", "usr/share"):
            shutil.rmtree(tree / name, ignore_errors=True)
    fit = {"gcc": _fit_gcc, "musl-dev": _fit_musl_dev, "linux-headers": _fit_headers}.get(tool.name)
    if fit:
        fit(tree)
    _lay_over(overlays / tool.name, tree)
    if tool.name == "tcl":
        _link(tree / "usr/bin/tclsh", "tclsh8.6")


def write_tool(tool: Tool, tree: Path, repository: Path) -> ApkPackage:
    """Pack a tool's tree."""
    info = ApkPackageInfo(
        tool.name, tool.version, tool.description, tool.license, ARCH, depends=tool.depends
    )
    return write_package(info, tree, repository)


def write_data(data: Data, deb: Path, tree: Path, repository: Path) -> ApkPackage:
    """Pack the folders of a Debian package that a data package keeps."""
    whole = tree.with_name(f"{tree.name}.deb")
    _unpack_deb(deb, whole)
    for place, target in data.keep.items():
        (tree / target).parent.mkdir(parents=True, exist_ok=True)
        (whole / place).rename(tree / target)
    info = ApkPackageInfo(data.name, data.version, data.description, data.license, ARCH)
    return write_package(info, tree, repository)


def write_library(
    library: Library,
    tree: Path,
    repository: Path,
    owned: Mapping[str, str],
    data: Sequence[str],
) -> list[ApkPackage]:
    """Pack a built library as Alpine does: shared objects, programs and headers apart.

    ``owned`` has the sonames that the base image brings and where: of those only headers and the
    link for the linker are packed, so that what is built runs with Alpine's own library. ``data``
    are packages that the shared objects need.
    """
    runtime, programs = _split(tree)
    mine = {elf.read(path, path.name).provides: path for path in _objects(runtime)}
    info = ApkPackageInfo(
        library.name,
        library.version,
        library.description,
        library.license,
        ARCH,
        depends=tuple(f"so:{name}" for name in mine),
    )
    packages = []
    if mine.keys() <= owned.keys():
        _link_to_owned(tree, {name: owned[name] for name in mine})
    else:
        provides = tuple(f"so:{name}={_so_version(path)}" for name, path in mine.items())
        shared = replace(info, name=library.runtime, depends=data, provides=provides)
        packages.append(write_package(shared, runtime, repository))
    if programs.is_dir():
        packages.append(write_package(info, programs, repository))
    headers = replace(info, name=f"{library.name}-dev")
    return [*packages, write_package(headers, tree, repository)]


def write_openssl(
    openssl: Openssl,
    deb: Path,
    tree: Path,
    repository: Path,
    owned: Mapping[str, str],
    lacking: Iterable[str],
) -> ApkPackage:
    """Pack Debian's headers of OpenSSL for the library that Alpine brings.

    ``lacking`` are the parts that the library was built without, which the headers must not offer.
    """
    _unpack_deb(deb, tree)
    for name in ("usr/share", "usr/lib"):
        shutil.rmtree(tree / name)
    special = tree / "usr/include/x86_64-linux-gnu/openssl"
    for path in special.iterdir():
        path.rename(tree / "usr/include/openssl" / path.name)
    shutil.rmtree(special.parent)
    for part in lacking:
        _define(tree / "usr/include/openssl/opensslconf.h", part)
    names = (openssl.soname, openssl.soname.replace("libssl", "libcrypto"))
    _link_to_owned(tree, {name: owned[name] for name in names})
    info = ApkPackageInfo(
        OPENSSL,
        openssl.version,
        "headers of OpenSSL, for Alpine's own library",
        "OpenSSL",
        ARCH,
        depends=tuple(f"so:{name}" for name in names),
    )
    return write_package(info, tree, repository)


def _unpack_deb(deb: Path, tree: Path) -> None:
    tree.mkdir(parents=True, exist_ok=True)
    try:
        done = subprocess.run(
            ["dpkg-deb", "--extract", str(deb), str(tree)],
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise KitError(
            "dpkg-deb is not installed", remedy="install it: apt-get install -y dpkg"
        ) from error
    if done.returncode:
        raise KitError(
            f"{deb} could not be unpacked: {done.stderr.strip()}",
            remedy="remove the file and run the command again",
        )


def _fit_gcc(tree: Path) -> None:
    _link(tree / "usr/bin/cc", "gcc")
    _link(tree / "usr/bin/cpp", "x86_64-linux-gnu-cpp-12")


def _fit_musl_dev(tree: Path) -> None:
    _spread(tree / "usr/include/x86_64-linux-musl", tree / "usr/include")
    _spread(tree / "usr/lib/x86_64-linux-musl", tree / "usr/lib")
    for name in ("usr/bin", "usr/lib/musl", "lib"):
        shutil.rmtree(tree / name, ignore_errors=True)
    (tree / "usr/lib/musl-gcc.specs").unlink()
    (tree / "usr/lib/libcrypt.a").write_text("!<arch>\n")
    _link(tree / "usr/lib/libc.so", _LOADER)


def _fit_headers(tree: Path) -> None:
    _spread(tree / "usr/include/x86_64-linux-gnu", tree / "usr/include")
    for name in ("usr/lib",):
        shutil.rmtree(tree / name, ignore_errors=True)


def _lay_over(overlay: Path, tree: Path) -> None:
    for path in sorted(path for path in overlay.rglob("*") if path.is_file()):
        target = tree / path.relative_to(overlay)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        # git keeps no more than this of a file's mode, and a umask can take from that.
        target.chmod(0o755 if target.parent.name == "bin" else 0o644)


def _spread(folder: Path, target: Path) -> None:
    for path in list(folder.iterdir()):
        path.rename(target / path.name)
    folder.rmdir()


def _split(tree: Path) -> tuple[Path, Path]:
    """Move shared objects with their versioned names, and programs, out of ``tree``."""
    runtime, programs = tree.with_name(f"{tree.name}.so"), tree.with_name(f"{tree.name}.bin")
    (runtime / "usr/lib").mkdir(parents=True)
    for path in sorted((tree / "usr/lib").iterdir()):
        if ".so." in path.name:
            path.rename(runtime / "usr/lib" / path.name)
    if (tree / "usr/bin").is_dir():
        (programs / "usr").mkdir(parents=True)
        (tree / "usr/bin").rename(programs / "usr/bin")
    return runtime, programs


def _objects(runtime: Path) -> Iterator[Path]:
    return (path for path in sorted((runtime / "usr/lib").iterdir()) if not path.is_symlink())


def _so_version(path: Path) -> str:
    return path.name.partition(".so.")[2]


def _link_to_owned(development: Path, places: Mapping[str, str]) -> None:
    for name, place in places.items():
        stem = name.partition(".so")[0]
        _link(development / f"usr/lib/{stem}.so", f"/{place}")


def _define(header: Path, name: str) -> None:
    text = header.read_text()
    header.write_text(f"#ifndef {name}\n# define {name}\n#endif\n{text}")


def _link(path: Path, target: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(target)
