"""Wheel files: what they contain, new platform tags, and stand-ins for what a Python bundles."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import re
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from alpypy.core import elf
from alpypy.core.elf import ElfFile
from alpypy.core.errors import WheelError
from alpypy.core.unpack import unpack_wheel

# Packages that wheels contain by mistake, and tests, which may need more than users have.
_MISTAKES = {"benchmarks", "docs", "examples", "setup", "test", "tests"}
_TESTS = {"test", "tests"}
# Modules that only twisted loads, which is not installed with every project that has some.
_PLUGINS = ("twisted", "plugins")
_SPECIAL = ("__init__", "__main__")  # no modules by themselves
# The function that loads a compiled module: of Python 3, of Python 2, of PyPy for cffi's modules.
_LOADERS = ("PyInit_{}", "init{}", "_cffi_pypyinit_{}")


@dataclass(frozen=True)
class Wheel:
    """A wheel: its file, and the project and version in its name."""

    path: Path
    name: str
    version: str
    pure: bool

    def imports(self) -> tuple[str, ...]:
        """The names to import: top-level packages, and modules outside of any package."""
        with zipfile.ZipFile(self.path) as archive:
            return importable(archive.namelist())

    def extensions(self) -> tuple[str, ...]:
        """The names of its compiled modules, in any folder, as an import names them.

        Raises:
            ArchiveError: a module or the wheel is damaged.
        """
        with tempfile.TemporaryDirectory(prefix="alpypy-wheel-") as scratch:
            folder = Path(scratch)
            unpack_wheel(self.path, folder)
            return compiled_modules(folder)

    def libraries(self) -> tuple[str, ...]:
        """File names of the libraries that auditwheel has added."""
        with zipfile.ZipFile(self.path) as archive:
            files = [info for info in archive.infolist() if not info.is_dir()]
        paths = [PurePosixPath(info.filename) for info in files]
        return tuple(sorted(path.name for path in paths if path.parts[0].endswith(".libs")))

    def elf_files(self) -> tuple[ElfFile, ...]:
        """The ELF facts of its programs, libraries and compiled modules.

        Raises:
            ArchiveError: an ELF file or the wheel is damaged.
        """
        with tempfile.TemporaryDirectory(prefix="alpypy-wheel-") as scratch:
            unpack_wheel(self.path, Path(scratch))
            return tuple(
                elf.read(path, str(path.relative_to(scratch))) for path in elf.find(Path(scratch))
            )


def read_wheel(path: Path) -> Wheel:
    """Read a wheel's file name.

    Raises:
        WheelError: it is not the name of a wheel.
    """
    try:
        name, version, _, tags = parse_wheel_filename(path.name)
    except InvalidWheelFilename as error:
        raise WheelError(f"{error}", remedy="name the file as PEP 427 says") from error
    pure = all(tag.platform == "any" for tag in tags)
    return Wheel(path, canonicalize_name(name), str(version), pure)


def importable(members: Iterable[str]) -> tuple[str, ...]:
    """The names to import of a wheel or of what pip installed from it: top-level packages, and
    modules outside of any package.

    Args:
        members: the paths of its files, in the wheel or below site-packages.
    """
    places = [place for member in members if (place := _place(member))]
    return tuple(sorted({".".join(path.parts) for path in _importable(places)}))


def compiled_modules(folder: Path) -> tuple[str, ...]:
    """The names of the compiled modules in an unpacked wheel or in site-packages.

    Raises:
        ArchiveError: a module is damaged.
    """
    names = {_extension(path, str(path.relative_to(folder))) for path in elf.find(folder)}
    return tuple(sorted(name for name in names if name))


def _place(member: str) -> PurePosixPath | None:
    """Where pip puts a file below site-packages; None if it goes elsewhere or is not a module."""
    parts = PurePosixPath(member).parts
    if parts[0].endswith(".data") and parts[1:2] in (("purelib",), ("platlib",)):
        parts = parts[2:]
    if not parts or parts[0].endswith((".dist-info", ".data", ".libs")):
        return None
    return PurePosixPath(*parts)


def _importable(places: Sequence[PurePosixPath]) -> Iterator[PurePosixPath]:
    inits = (path for path in places if path.name.partition(".")[0] == "__init__")
    packages = {
        path.parent for path in inits if path.suffix in (".py", ".so") and path.parent.parts
    }
    modules = {path.with_suffix("") for path in places if path.suffix == ".py"} - packages
    for path in packages | modules:
        inside = any(parent in packages for parent in path.parents)
        left_out = path.parts[0] in _MISTAKES or not _TESTS.isdisjoint(path.parts)
        left_out |= path.parts[:2] == _PLUGINS
        if not inside and not left_out and path.name not in _SPECIAL and _has_import_name(path):
            yield path


def _has_import_name(place: PurePosixPath) -> bool:
    """Whether an import statement can name the path."""
    return all(part.isidentifier() for part in place.parts)


def _extension(path: Path, member: str) -> str | None:
    """The name to import a file by; None if it is not a compiled module, but a program or a library
    that something else loads."""
    place = _place(member)
    if place is None or place.suffix != ".so" or not _has_import_name(place.parent):
        return None
    name = place.name.partition(".")[0]
    if not _TESTS.isdisjoint(place.parts):
        return None
    if elf.exported(path, member).isdisjoint(loader.format(name) for loader in _LOADERS):
        return None
    return ".".join((*place.parent.parts, name))


def with_platforms(wheel: Path, platforms: Sequence[str], folder: Path) -> Path:
    """Copy a wheel with other platform tags, in its name and in its WHEEL file."""
    stem, _, _ = wheel.stem.rpartition("-")
    copy = folder / f"{stem}-{'.'.join(platforms)}.whl"
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(copy, "w", zipfile.ZIP_DEFLATED) as new:
        contents = {info.filename: old.read(info) for info in old.infolist()}
        [place] = [name for name in contents if re.fullmatch(r"[^/]+\.dist-info/WHEEL", name)]
        contents[place] = _tagged(contents[place].decode(), platforms).encode()
        record = place.replace("WHEEL", "RECORD")
        contents[record] = _record(contents, record)
        for info in old.infolist():
            new.writestr(info, contents[info.filename], zipfile.ZIP_DEFLATED)
    return copy


def _tagged(text: str, platforms: Sequence[str]) -> str:
    lines, pairs = list[str](), list[str]()
    for line in text.splitlines():
        if line.startswith("Tag: "):
            pairs.append(line.removeprefix("Tag: ").rpartition("-")[0])
        elif line.strip():
            lines.append(line)
    lines += [f"Tag: {pair}-{name}" for pair in dict.fromkeys(pairs) for name in platforms]
    return "\n".join(lines) + "\n"


def _record(contents: Mapping[str, bytes], record: str) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for name, content in contents.items():
        if name == record or name.endswith("/"):
            continue
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
        writer.writerow((name, f"sha256={digest}", len(content)))
    writer.writerow((record, "", ""))
    return text.getvalue().encode()


def write_stand_in(distribution: Mapping[str, str], folder: Path) -> Path:
    """Write a wheel with nothing but the metadata of a distribution that an interpreter bundles.

    Without it, pip would download that distribution for the modules that depend on it.
    """
    name = re.sub(r"[-_.]+", "_", distribution["name"])
    version = distribution["version"]
    place = f"{name}-{version}.dist-info"
    wheel = "Wheel-Version: 1.0\nGenerator: alpypy\nRoot-Is-Purelib: true\nTag: py2.py3-none-any\n"
    contents = {
        f"{place}/METADATA": distribution["metadata"].encode(),
        f"{place}/WHEEL": wheel.encode(),
    }
    path = folder / f"{name}-{version}-py2.py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in contents.items():
            archive.writestr(member, content)
        archive.writestr(f"{place}/RECORD", _record(contents, f"{place}/RECORD"))
    return path
