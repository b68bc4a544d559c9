"""versions/libraries.toml: the libraries that builds have inside, portable ones most."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from alpypy.core.errors import DataError
from alpypy.core.fields import FileUrl, PackageName, PublishedSha256, Record, Text, text
from alpypy.core.source import Source
from alpypy.core.structs import read_toml

FILE_NAME = "libraries.toml"
_Name = Annotated[str, text("[a-z][a-z0-9]*", "a word of lower-case letters and digits")]
_Line = Annotated[str, text(r"[0-9]+(\.[0-9]+)*", "the beginning of a version, such as 3.5")]
_BelowTop = Annotated[
    str, text(r"(?!.*\.\.)[A-Za-z0-9_][A-Za-z0-9_./-]*", "a path below the top folder")
]


class DebianSource(Record, frozen=True):
    """Debian's copy of a library's source. ``folder`` is the one of its archive that upstream's
    archive has at its top; ``version`` is upstream's version of it, by default the library's."""

    release: str
    path: str
    sha256: PublishedSha256
    folder: _BelowTop | None = None
    version: Text | None = None


class StaticLibrary(Record, frozen=True):
    """A library, by upstream's archive and by Debian's. ``license`` is an SPDX expression,
    ``license_files`` are below the archive's top folder. ``line`` is the release line that it stays
    in, such as 3.5; None takes every newer version. ``every`` PyPy has it inside, or else portable
    ones alone. ``packages`` are Alpine packages that only it needs to be compiled."""

    name: _Name
    version: Text
    license: Text
    license_files: tuple[_BelowTop, ...]
    url: FileUrl
    sha256: PublishedSha256
    debian: DebianSource
    line: _Line | None = None
    every: bool = False
    packages: tuple[PackageName, ...] = ()

    @property
    def debian_version(self) -> str:
        """Upstream's version of Debian's source."""
        return self.debian.version or self.version

    @property
    def upstream(self) -> Source:
        """Upstream's archive; where Debian has the same file, apt's mirrors serve it too."""
        same = self.debian.sha256 == self.sha256
        return Source(self.url, self.sha256, debian=self.debian.path if same else None)

    @property
    def packed_by_debian(self) -> Source:
        """Debian's archive, from apt's mirrors alone."""
        return Source("", self.debian.sha256, debian=self.debian.path)


class StaticLibraryList(Record, frozen=True):
    """versions/libraries.toml: the libraries, and the Alpine packages that compile them."""

    packages: tuple[PackageName, ...]
    libraries: tuple[StaticLibrary, ...]


def load_static_libraries(path: Path) -> StaticLibraryList:
    """Read versions/libraries.toml, or a file that replaces it.

    Raises:
        DataError: it is missing or not TOML, or an entry is not usable or comes twice.
    """
    read = read_toml(path, StaticLibraryList)
    names = [library.name for library in read.libraries]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"{path} lists {', '.join(twice)} twice", remedy="leave one of the two")
    return read


def refuse_missing(path: Path, whole: Path) -> None:
    """Raise DataError if a list of libraries lacks one of another list.

    Args:
        path: the list, which replaces ``whole``.
    """
    names = {library.name for library in load_static_libraries(path).libraries}
    listed = (library.name for library in load_static_libraries(whole).libraries)
    missing = [name for name in listed if name not in names]
    if missing:
        raise DataError(
            f"{path} lacks {', '.join(missing)}, which a portable PyPy is linked with",
            remedy=f"begin with a copy of {whole}, and change what is to be another version",
        )
