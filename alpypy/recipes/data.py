"""The files of versions/ that recipes come from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from msgspec import field
from msgspec.structs import replace
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from alpypy.core.errors import DataError, SpecError
from alpypy.core.fields import Reason, Record, text
from alpypy.core.source import Rootfs, Source
from alpypy.core.structs import read_toml
from alpypy.recipes.spec import ARCHITECTURES, PypyVersion

Arch = Annotated[str, text("|".join(ARCHITECTURES), " or ".join(ARCHITECTURES))]
_AlpineName = Annotated[str, text(r"[0-9]+\.[0-9]+", "an Alpine release such as 3.9 or 3.24")]
_PypyName = Annotated[
    str, text(r"[23]\.[0-9]{1,4}-[0-9]{1,4}(\.[0-9]{1,4}){2}", "a PyPy version such as 3.11-8.0.0")
]
_VariantName = Annotated[str, text(r"[a-z][a-z0-9]*", "a word of lower-case letters")]
_RpythonName = Annotated[str, text(r"rpython-[0-9.]+", "a version such as rpython-0.2.1")]


class PypyRelease(Source, frozen=True, kw_only=True):
    """A PyPy's source, and whether PyPy calls the release stable, and not alpha or beta.

    ``checked`` is False as long as nobody has tried the listed patches on this source. They are
    then matched with it like those of a branch.
    """

    stable: bool = True
    checked: bool = True


class AlpineEntry(Record, frozen=True):
    """An Alpine release: the newest point release, and the digests of its root file systems."""

    release: str
    rootfs: Mapping[Arch, Rootfs] = {}


@dataclass(frozen=True)
class Alpine:
    """An Alpine release; ``rootfs`` by architecture, empty when no digest is known."""

    version: str
    release: str
    rootfs: Mapping[Arch, Rootfs]


class Check(Record, frozen=True):
    """A run of a translated program, and what its output or errors must contain.

    ``expect`` is a regular expression in which ^ and $ are the ends of a line (re.MULTILINE).
    ``{name}`` in an argument stands for the path of the program's input of that file name.
    """

    arguments: tuple[str, ...]
    expect: str
    environment: Mapping[str, str] = {}


class RpythonProgram(Record, frozen=True):
    """An RPython program to translate: its goal below the source tree, and the file to write."""

    name: str
    goal: str
    options: tuple[str, ...]
    output: str
    inputs: tuple[Path, ...]
    checks: tuple[Check, ...]


class Variant(Record, frozen=True):
    """Other programs to translate with the same RPython, and the memory and disk for them."""

    programs: tuple[RpythonProgram, ...]
    memory_mib: int
    disk_mib: int


class QuickstartEntry(Source, frozen=True, kw_only=True):
    """An RPython release: its imports, programs to translate, and the memory and disk for them."""

    requires: tuple[Source, ...]
    programs: tuple[RpythonProgram, ...]
    memory_mib: int
    disk_mib: int
    variants: Mapping[_VariantName, Variant] = {}


@dataclass(frozen=True)
class Quickstart:
    """RPython without PyPy: its imports, programs to translate, and the memory and disk for them.

    ``release`` is the name of the source in patches' headers.
    """

    release: str
    source: Source
    requires: tuple[Source, ...]
    programs: tuple[RpythonProgram, ...]
    memory_mib: int
    disk_mib: int


class Python2(Source, frozen=True, kw_only=True):
    """CPython's source, and the wheels that a translation imports."""

    wheels: tuple[Source, ...]


class BuildPackages(Record, frozen=True):
    """Packages to build with, for a range of Alpines."""

    why: Reason
    names: tuple[str, ...]
    alpine: SpecifierSet = field(default_factory=SpecifierSet)


class PackageData(Record, frozen=True):
    """versions/packages.toml."""

    packages: tuple[BuildPackages, ...]


class TlsLibrary(Record, frozen=True):
    """A TLS library in a range of Alpines."""

    name: str
    version: Version
    package: str
    alpine: SpecifierSet = field(default_factory=SpecifierSet)


class TlsNeed(Record, frozen=True):
    """The TLS libraries that some PyPy releases can be built with, best first."""

    language: str
    takes: tuple[Requirement, ...]
    why: Reason
    releases: SpecifierSet = field(default_factory=SpecifierSet)

    def covers(self, pypy: PypyVersion) -> bool:
        """Whether the entry is for this release."""
        return self.language == pypy.language and pypy.release in self.releases


class TlsData(Record, frozen=True):
    """versions/tls.toml."""

    libraries: tuple[TlsLibrary, ...]
    pypy: tuple[TlsNeed, ...]


def require_tls(wanted: str | None, known: Iterable[str]) -> str | None:
    """The TLS library that the user chose with ``--tls``, if any.

    Args:
        known: those that there are; a name may come several times.

    Raises:
        SpecError: it is none of them.
    """
    names = tuple(dict.fromkeys(known))
    if wanted in (None, *names):
        return wanted
    raise SpecError(f"--tls is {wanted!r}", remedy=f"choose {' or '.join(names)}")


class Options(Record, frozen=True):
    """Options of translate.py: before the goal, and after it."""

    options: tuple[str, ...]
    target_options: tuple[str, ...]


class TranslatorOptions(Options, frozen=True):
    """The PyPy that translates the others, its options, and the CPython that translates it."""

    release: str
    python2: str


class Flag(Record, frozen=True):
    """A flag for the C compiler or the linker, for a range of Alpines. One that is not ``portable``
    needs a newer musl than the oldest that a portable PyPy runs on."""

    flag: str
    why: Reason
    portable: bool = True
    alpine: SpecifierSet = field(default_factory=SpecifierSet)


class PortableReleases(Record, frozen=True):
    """The releases of PyPy of which there can be a portable one."""

    releases: SpecifierSet


class ResourceNeed(Record, frozen=True):
    """Memory and disk in MiB that the translation of a language needs."""

    language: SpecifierSet
    memory_mib: int
    disk_mib: int


class PackagingWheel(Source, frozen=True, kw_only=True):
    """A wheel that PyPy's package.py installs first, for a range of languages."""

    language: SpecifierSet
    why: Reason


class TranslationData(Record, frozen=True):
    """versions/translation.toml."""

    translator: TranslatorOptions
    target: Options
    portable: PortableReleases
    cflags: tuple[Flag, ...]
    ldflags: tuple[Flag, ...]
    needs: tuple[ResourceNeed, ...]
    packaging: tuple[PackagingWheel, ...]


AlpineData = dict[_AlpineName, AlpineEntry]
PypyData = dict[_PypyName, PypyRelease]
QuickstartData = dict[_RpythonName, QuickstartEntry]
Python2Data = dict[str, Python2]


def load_pypys(folder: Path) -> dict[str, PypyRelease]:
    """The PyPys of pypy.toml, oldest first.

    Raises:
        DataError: the file cannot be used.
    """
    pypys = read_toml(folder / "pypy.toml", PypyData)
    return dict(sorted(pypys.items(), key=lambda item: PypyVersion.parse(item[0]).sort_key))


def load_alpines(folder: Path) -> dict[str, Alpine]:
    """The Alpines of alpine.toml, oldest first.

    Raises:
        DataError: the file cannot be used.
    """
    entries = read_toml(folder / "alpine.toml", AlpineData)
    return {
        name: Alpine(name, entries[name].release, entries[name].rootfs)
        for name in sorted(entries, key=Version)
    }


def load_quickstarts(folder: Path) -> dict[str, Quickstart]:
    """The releases of rpython.toml and their variants, ``rpython-0.2.1-jit`` for the variant jit.

    The inputs of their programs are below ``folder``.

    Raises:
        DataError: the file cannot be used, or an input does not exist.
    """
    quickstarts = {}
    for release, entry in read_toml(folder / "rpython.toml", QuickstartData).items():
        quickstarts[release] = _quickstart(release, entry, entry, folder)
        for name, variant in entry.variants.items():
            quickstarts[f"{release}-{name}"] = _quickstart(release, entry, variant, folder)
    return quickstarts


def _quickstart(
    release: str, entry: QuickstartEntry, variant: QuickstartEntry | Variant, folder: Path
) -> Quickstart:
    return Quickstart(
        release=release,
        source=entry,
        requires=entry.requires,
        programs=tuple(_checked(program, release, folder) for program in variant.programs),
        memory_mib=variant.memory_mib,
        disk_mib=variant.disk_mib,
    )


def _checked(program: RpythonProgram, release: str, folder: Path) -> RpythonProgram:
    """The program with its inputs below ``folder``, after checks that no type can do."""
    where = f"versions/rpython.toml [{release}] [programs] ({program.name})"
    inputs = tuple(folder / path for path in program.inputs)
    for path in inputs:
        if not path.is_file():
            raise DataError(f"{where}: {path} does not exist", remedy="correct the field inputs")
    for check in program.checks:
        try:
            re.compile(check.expect, re.MULTILINE)
        except re.error as error:
            raise DataError(
                f"{where}: expect is {check.expect!r}: {error}",
                remedy="write a regular expression",
            ) from error
    return replace(program, inputs=inputs)
