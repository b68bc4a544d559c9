"""Real ELF files, broken on purpose: a file's bytes come back with one thing changed."""

from __future__ import annotations

import io
import struct

from elftools.elf.dynamic import DynamicSegment
from elftools.elf.elffile import ELFFile

_DYNAMIC_ENTRY = struct.Struct("<qQ")  # Elf64_Dyn: tag, value
_DT_RUNPATH, _DT_TEXTREL = 29, 22
_P_FLAGS_OFFSET = 4  # in Elf64_Phdr
_E_MACHINE_OFFSET = 18  # in Elf64_Ehdr
AARCH64 = 183


def with_machine(data: bytes, machine: int) -> bytes:
    """Named as made for another machine."""
    return _put(data, _E_MACHINE_OFFSET, struct.pack("<H", machine))


def with_stack(data: bytes, *, executable: bool) -> bytes:
    """With an executable stack, or with nothing said of the stack."""
    elf = ELFFile(io.BytesIO(data))
    number = [segment["p_type"] for segment in elf.iter_segments()].index("PT_GNU_STACK")
    offset = elf["e_phoff"] + number * elf["e_phentsize"]
    if executable:
        return _put(data, offset + _P_FLAGS_OFFSET, struct.pack("<I", 7))
    return _put(data, offset, bytes(4))  # PT_NULL


def with_interpreter(data: bytes, path: str) -> bytes:
    """Asking for another loader, whose path is not longer."""
    segment = next(ELFFile(io.BytesIO(data)).iter_segments("PT_INTERP"))
    text = path.encode().ljust(segment["p_filesz"], b"\0")
    assert len(text) == segment["p_filesz"], "the path is too long"
    return _put(data, segment["p_offset"], text)


def with_needed(data: bytes, old: str, new: str) -> bytes:
    """Needing ``new``, which is not longer, instead of ``old``."""
    assert len(new) <= len(old), "the name is too long"
    return _put(data, _string_offset(data, old), new.encode().ljust(len(old), b"\0"))


def with_text_relocations(data: bytes) -> bytes:
    """Marked as having text relocations."""
    return _put(data, _debug_entry(data), _DYNAMIC_ENTRY.pack(_DT_TEXTREL, 0))


def with_runpath(data: bytes, text: str) -> bytes:
    """Looking for libraries in ``text``, a string that the file has already."""
    table = next(_dynamic(data).iter_tags("DT_STRTAB"))["d_val"]
    elf = ELFFile(io.BytesIO(data))
    start = next(iter(elf.address_offsets(table)))
    value = _string_offset(data, text) - start
    return _put(data, _debug_entry(data), _DYNAMIC_ENTRY.pack(_DT_RUNPATH, value))


def _dynamic(data: bytes) -> DynamicSegment:
    segment = next(ELFFile(io.BytesIO(data)).iter_segments("PT_DYNAMIC"))
    assert isinstance(segment, DynamicSegment)
    return segment


def _debug_entry(data: bytes) -> int:
    """Offset of DT_DEBUG, the one entry that a program runs without."""
    segment = _dynamic(data)
    tags = [tag.entry.d_tag for tag in segment.iter_tags()]
    return int(segment["p_offset"]) + tags.index("DT_DEBUG") * _DYNAMIC_ENTRY.size


def _string_offset(data: bytes, text: str) -> int:
    """Offset of a whole string of the dynamic string table."""
    elf = ELFFile(io.BytesIO(data))
    table = elf.get_section_by_name(".dynstr")
    assert table is not None, "the file has no sections"
    return int(table["sh_offset"]) + table.data().index(b"\0" + text.encode() + b"\0") + 1


def _put(data: bytes, offset: int, piece: bytes) -> bytes:
    return data[:offset] + piece + data[offset + len(piece) :]
