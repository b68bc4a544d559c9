"""The facts in an ELF file that decide whether it runs on an Alpine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path, PurePosixPath
from typing import IO, TypeVar

from elftools.common.exceptions import ELFError
from elftools.construct.core import ConstructError
from elftools.elf.dynamic import DynamicSegment
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection
from elftools.elf.sections import SymbolTableSection
from elftools.elf.segments import InterpSegment

from alpypy.core.errors import ArchiveError

_Facts = TypeVar("_Facts")
_ARCHITECTURES = {"EM_X86_64": "x86_64", "EM_AARCH64": "aarch64"}
_TEXTREL = 0x4  # DF_TEXTREL in DT_FLAGS: ELF specification, "Dynamic Section"
_EXECUTABLE = 0x1  # PF_X
_RELR = ("DT_RELR", 36)  # older pyelftools know no name for the number


class Stack(Enum):
    """What PT_GNU_STACK asks for; without that header the kernel makes the stack executable."""

    PLAIN = "not executable"
    EXECUTABLE = "executable"
    ABSENT = "executable by default (PT_GNU_STACK is missing)"


@dataclass(frozen=True)
class ElfFile:
    """The facts of a file. ``name`` is its path below the folder that was searched.

    ``arch`` is x86_64, aarch64 or, for other machines, the ELF name. ``versions`` are the symbol
    versions that it needs from other libraries, such as GLIBC_2.17. ``packed_relocations`` are
    those of DT_RELR.
    """

    name: str
    arch: str
    interpreter: str | None
    soname: str | None
    needed: tuple[str, ...]
    rpath: tuple[str, ...]
    versions: tuple[str, ...]
    text_relocations: bool
    stack: Stack
    packed_relocations: bool = False

    @property
    def provides(self) -> str:
        """The name by which other files need it."""
        return self.soname or PurePosixPath(self.name).name

    def search_folders(self) -> tuple[PurePosixPath | None, ...]:
        """The folders of the rpath, relative to the top folder; None for a folder outside it."""
        origin = PurePosixPath(self.name).parent
        return tuple(_below_origin(origin, entry) for entry in self.rpath)


@dataclass(frozen=True)
class Symbols:
    """Names of dynamic symbols: those that a file defines for others, which of them are functions,
    and those that another file must define. A weak one may stay undefined, and is not among them.
    """

    defined: frozenset[str]
    functions: frozenset[str]
    needed: frozenset[str]


def loader(arch: str) -> str:
    """Path of musl's loader, which is also its C library."""
    return f"/lib/ld-musl-{arch}.so.1"


def is_elf(path: Path) -> bool:
    """Whether a file begins like an ELF file."""
    with path.open("rb") as stream:
        return stream.read(4) == b"\x7fELF"


def find(folder: Path) -> Iterator[Path]:
    """Every ELF file below a folder, sorted, without symbolic links."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink() and is_elf(path):
            yield path


def read(path: Path, name: str) -> ElfFile:
    """The facts of a file; ``name`` is its path in the result and in messages.

    Raises:
        ArchiveError: the file begins like an ELF file but is damaged.
    """
    return _parsed(path, name, lambda stream: _read(stream, name))


def exported(path: Path, name: str) -> frozenset[str]:
    """Names of the symbols that a file exports; ``name`` is its path in messages.

    Raises:
        ArchiveError: the file begins like an ELF file but is damaged.
    """
    return symbols(path, name).defined


def symbols(path: Path, name: str) -> Symbols:
    """The dynamic symbols of a file; ``name`` is its path in messages.

    Raises:
        ArchiveError: the file begins like an ELF file but is damaged.
    """
    return _parsed(path, name, _symbols)


def outside_needs(files: Iterable[ElfFile]) -> tuple[str, ...]:
    """The sonames that the files need from the system, without musl's and their own; sorted."""
    files = tuple(files)
    inside = {name for file in files for name in (file.provides, PurePosixPath(file.name).name)}
    needed = {soname for file in files for soname in file.needed}
    return tuple(sorted(name for name in needed - inside if not is_musl(name)))


def is_musl(soname: str) -> bool:
    """Whether a NEEDED name is the C library itself: Alpine's name for it, or plain musl's."""
    return soname == "libc.so" or soname.startswith("libc.musl-")


def _parsed(path: Path, name: str, reader: Callable[[IO[bytes]], _Facts]) -> _Facts:
    try:
        with path.open("rb") as stream:
            return reader(stream)
    # For a damaged file, pyelftools raises whatever error its parser runs into.
    except (
        ELFError,
        ConstructError,
        ArithmeticError,
        AttributeError,
        LookupError,
        MemoryError,
        OSError,
        TypeError,
        ValueError,
    ) as error:
        raise ArchiveError(
            f"{name} is a damaged ELF file: {error or type(error).__name__}",
            remedy="build it again; strip and patchelf are known to damage files",
        ) from error


def _read(stream: IO[bytes], name: str) -> ElfFile:
    elf = ELFFile(stream)
    machine = str(elf["e_machine"])
    dynamic = _dynamic(elf)
    return ElfFile(
        name=name,
        arch=_ARCHITECTURES.get(machine, machine),
        interpreter=_interpreter(elf),
        soname=next(iter(_strings(dynamic, "DT_SONAME")), None),
        needed=_strings(dynamic, "DT_NEEDED"),
        rpath=tuple(
            entry
            for tag in ("DT_RPATH", "DT_RUNPATH")
            for text in _strings(dynamic, tag)
            for entry in text.split(":")
        ),
        versions=_versions(elf),
        text_relocations=_has_text_relocations(dynamic),
        stack=_stack(elf),
        packed_relocations=_has_packed_relocations(dynamic),
    )


def _symbols(stream: IO[bytes]) -> Symbols:
    section = ELFFile(stream).get_section_by_name(".dynsym")
    every = list(section.iter_symbols()) if isinstance(section, SymbolTableSection) else []
    defined = [symbol for symbol in every if symbol["st_shndx"] != "SHN_UNDEF"]
    needed = [symbol for symbol in every if symbol["st_shndx"] == "SHN_UNDEF" and symbol.name]
    return Symbols(
        defined=frozenset(str(symbol.name) for symbol in defined),
        functions=frozenset(
            str(symbol.name) for symbol in defined if symbol["st_info"]["type"] == "STT_FUNC"
        ),
        needed=frozenset(
            str(symbol.name) for symbol in needed if symbol["st_info"]["bind"] != "STB_WEAK"
        ),
    )


def _interpreter(elf: ELFFile) -> str | None:
    segment = next(elf.iter_segments("PT_INTERP"), None)
    return segment.get_interp_name() if isinstance(segment, InterpSegment) else None


def _dynamic(elf: ELFFile) -> DynamicSegment | None:
    segment = next(elf.iter_segments("PT_DYNAMIC"), None)
    return segment if isinstance(segment, DynamicSegment) else None


def _strings(dynamic: DynamicSegment | None, tag: str) -> tuple[str, ...]:
    attribute = tag.removeprefix("DT_").lower()
    entries = dynamic.iter_tags(tag) if dynamic else ()
    return tuple(str(getattr(entry, attribute)) for entry in entries)


def _versions(elf: ELFFile) -> tuple[str, ...]:
    return tuple(
        str(version.name)
        for section in elf.iter_sections()
        if isinstance(section, GNUVerNeedSection)
        for _, versions in section.iter_versions()
        for version in versions
    )


def _has_text_relocations(dynamic: DynamicSegment | None) -> bool:
    if dynamic is None:
        return False
    flags = sum(tag["d_val"] for tag in dynamic.iter_tags("DT_FLAGS"))
    return bool(flags & _TEXTREL) or any(dynamic.iter_tags("DT_TEXTREL"))


def _has_packed_relocations(dynamic: DynamicSegment | None) -> bool:
    return dynamic is not None and any(tag["d_tag"] in _RELR for tag in dynamic.iter_tags())


def _stack(elf: ELFFile) -> Stack:
    segment = next(elf.iter_segments("PT_GNU_STACK"), None)
    if segment is None:
        return Stack.ABSENT
    return Stack.EXECUTABLE if segment["p_flags"] & _EXECUTABLE else Stack.PLAIN


def _below_origin(origin: PurePosixPath, entry: str) -> PurePosixPath | None:
    head, _, rest = entry.partition("/")
    if head not in ("$ORIGIN", "${ORIGIN}"):
        return None
    parts: list[str] = [part for part in origin.parts if part != "."]
    for part in PurePosixPath(rest).parts:
        if part == ".." and not parts:
            return None
        if part == "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return PurePosixPath(*parts)
