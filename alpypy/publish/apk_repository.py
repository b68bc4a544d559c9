"""The Alpine repository of a release: ``apk add --repository URL/apk/v3.23 pypy3``.

Each PyPy is three packages, such as pypy3.11, pypy3.11-dev and pypy3.11-tests, so that several can
be installed together. pypy3, pypy3-dev and pypy3-tests stand for the default of them.
"""

from __future__ import annotations

import contextlib
import itertools
import tempfile
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from alpypy.core.errors import ReleaseError, SpecError
from alpypy.core.tar import tarfile
from alpypy.publish.apk_files import APK, KEYS, remove_repository, repository_files
from alpypy.publish.apk_format import (
    DataSegment,
    SignedPackage,
    SignedPackageInfo,
    data_segment,
    write_index,
    write_package,
)
from alpypy.publish.apk_key import ApkKey
from alpypy.publish.apk_layout import (
    DEV,
    PARTS,
    clean_up,
    default_version,
    package_name,
    package_version,
    place,
    unfit,
)
from alpypy.publish.index import ReleasedTarball, ReleaseIndex
from alpypy.recipes.manifest import Manifest

_TITLE = "PyPy for Alpine Linux"
_URL, _LICENSE = "https://pypy.org/", "MIT"
_DEFAULT = "pypy3"
_KIT = " (made with alpypy's kit)"
_ABOUT = {
    "": "Python {language} with a JIT compiler: PyPy {version}",
    "-dev": "C headers of PyPy {version}",
    "-tests": "test suite of PyPy {version}",
}


@dataclass(frozen=True)
class _Writer:
    """Writes the packages of one Alpine and architecture."""

    key: ApkKey
    folder: Path
    scratch: Path

    def pypy(self, tarball: Path, made: ReleasedTarball) -> list[SignedPackage]:
        """The packages of a PyPy."""
        files = [self.scratch / f"data{part}" for part in PARTS]
        with contextlib.ExitStack() as stack:
            segments = [stack.enter_context(data_segment(file)) for file in files]
            _fill(dict(zip(PARTS, segments, strict=True)), tarball, made.build)
        return [
            write_package(_info(made, part), file, segment.size, self.key, self.folder)
            for part, file, segment in zip(PARTS, files, segments, strict=True)
        ]

    def default(self, made: ReleasedTarball) -> Iterator[SignedPackage]:
        """The packages that stand for a PyPy: pypy3 has the program's short name."""
        data = self.scratch / "default"
        for part in PARTS:
            with data_segment(data) as segment:
                if not part:
                    segment.add_link(f"usr/bin/{_DEFAULT}", package_name(made.target.release))
            info = _default_info(made, part)
            yield write_package(info, data, segment.size, self.key, self.folder)


def write_repository(
    index: ReleaseIndex,
    folder: Path,
    key: ApkKey,
    stable: Container[str],
    say: Callable[[str], None],
) -> int:
    """Write ``apk/`` and ``keys/`` of a release again; the number of packages in them.

    Args:
        folder: the release's, with the tarballs of ``index``.
        stable: the releases of which the newest is the default.

    Raises:
        SpecError: no PyPy in the release can be an Alpine package.
        ReleaseError: two PyPys would be the same package.
    """
    chosen = list(_chosen(index, say))
    if not chosen:
        raise SpecError(
            f"no PyPy in {folder} can be an Alpine package",
            remedy="build one from Python 3.8 on, or leave --apk-key out",
        )
    _refuse_twice(chosen)
    number = 0
    with tempfile.TemporaryDirectory(prefix=".apk-", dir=folder) as name:
        scratch, new = Path(name), Path(name, "new")
        (new / KEYS).mkdir(parents=True)
        (new / KEYS / key.name).write_bytes(key.public)
        for (alpine, arch), made in itertools.groupby(sorted(chosen, key=_platform), _platform):
            say(f"apk: packages for Alpine {alpine} on {arch}")
            target = new / APK / f"v{alpine}" / arch
            target.mkdir(parents=True)
            packages = [*_packages(_Writer(key, target, scratch), folder, [*made], stable)]
            write_index(packages, _TITLE, key, target)
            number += len(packages)
        remove_repository(folder)
        _move(new, folder)
    return number


def _move(new: Path, folder: Path) -> None:
    for file in repository_files(new):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (new / file).replace(folder / file)


def _packages(
    writer: _Writer, folder: Path, made: Sequence[ReleasedTarball], stable: Container[str]
) -> Iterator[SignedPackage]:
    for tarball in made:
        yield from writer.pypy(folder / tarball.file, tarball)
    newest = [tarball for tarball in made if tarball.target.release in stable]
    yield from writer.default(next(iter(newest), made[0]))


def _chosen(index: ReleaseIndex, say: Callable[[str], None]) -> Iterator[ReleasedTarball]:
    for tarball in index.tarballs:
        if reason := unfit(tarball.build):
            say(f"not in {APK}/: {tarball.file}: {reason}")
        else:
            yield tarball


def _refuse_twice(chosen: Sequence[ReleasedTarball]) -> None:
    files: dict[tuple[str, ...], str] = {}
    for tarball in chosen:
        name, version = package_name(tarball.target.release), _version(tarball)
        package = (*_platform(tarball), name, version)
        if package in files:
            raise ReleaseError(
                f"{files[package]} and {tarball.file} would both be {name}-{version}.apk",
                remedy="move one of them out of artifacts/, or leave --apk-key out",
            )
        files[package] = tarball.file


def _platform(tarball: ReleasedTarball) -> tuple[str, str]:
    return tarball.target.alpine, tarball.target.arch


def _version(made: ReleasedTarball) -> str:
    return package_version(made.target, made.date)


def _fill(segments: Mapping[str, DataSegment], tarball: Path, manifest: Manifest) -> None:
    """Pack each file of a tarball into the data of its package."""
    with tarfile.open(tarball) as archive:
        for member in archive:
            name = member.name.partition("/")[2]
            placed = place(name, manifest) if name and not member.isdir() else None
            if placed and member.issym():
                segments[placed[0]].add_link(placed[1], member.linkname)
            elif placed and (content := archive.extractfile(member)):
                segments[placed[0]].add(placed[1], content.read(), member)


def _info(made: ReleasedTarball, part: str) -> SignedPackageInfo:
    pypy, version = package_name(made.target.release), _version(made)
    sonames = (f"libc.musl-{made.target.arch}.so.1", *(need.soname for need in made.build.needed))
    return SignedPackageInfo(
        name=f"{pypy}{part}",
        version=version,
        arch=made.target.arch,
        description=_about(made, part),
        origin=pypy,
        url=_URL,
        license=_LICENSE,
        depends=[f"{pypy}={version}"] if part else [f"so:{name}" for name in sonames],
        provides=[] if part else [f"cmd:{pypy}={version}"],
        scripts={} if part == DEV else clean_up(pypy),
    )


def _default_info(made: ReleasedTarball, part: str) -> SignedPackageInfo:
    version = default_version(made.target, made.date)
    return SignedPackageInfo(
        name=f"{_DEFAULT}{part}",
        version=version,
        arch=made.target.arch,
        description=_about(made, part),
        origin=_DEFAULT,
        url=_URL,
        license=_LICENSE,
        depends=[f"{package_name(made.target.release)}{part}={_version(made)}"],
        provides=[] if part else [f"cmd:{_DEFAULT}={version}"],
    )


def _about(made: ReleasedTarball, part: str) -> str:
    language, _, version = made.target.version.partition("-")
    text = _ABOUT[part].format(language=language, version=version)
    return text + (_KIT if made.kit else "")
