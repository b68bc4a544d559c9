"""Checks of a portable PyPy's files: it runs on every musl, and needs nothing that is installed.

Its libraries are inside, and nobody else may see them. A program that embeds it, or an extension
module, can bring another version of the same library.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from alpypy.core import elf
from alpypy.core.elf import ElfFile, Symbols
from alpypy.core.errors import ArchiveError
from alpypy.recipes.manifest import FILE_NAME, Manifest
from alpypy.recipes.musl import Musl
from alpypy.verify.findings import Recorder
from alpypy.verify.static import Unpacked

LICENSES = "licenses"  # the folder that has one for each library
_SHOWN = 3  # names that a message quotes


def check(unpacked: Unpacked, manifest: Manifest, musl: Musl, recorder: Recorder) -> None:
    """Run the checks that only a portable PyPy must pass.

    Args:
        musl: the oldest that it must run on.
    """
    _check_manifest(manifest, recorder)
    _check_libraries(unpacked.folder, manifest, recorder)
    symbols = _read_symbols(unpacked)
    files = [file for file in unpacked.elf_files if file.name in symbols]
    for file in files:
        _check_needed(file, files, musl, recorder)
        _check_exported(file.name, symbols[file.name], recorder)
        known = musl.symbols.union(
            *(symbols[name].defined for name in _loaded(file, files, unpacked))
        )
        unknown = sorted(symbols[file.name].needed - known)
        message = f"needs {_some(unknown)}, which musl {musl.version} lacks"
        recorder.check(not unknown, "portable.symbols", file.name, message)
    _check_build_paths(unpacked.folder, recorder)


def _check_manifest(manifest: Manifest, recorder: Recorder) -> None:
    wanted = (*(need.soname for need in manifest.needed), *manifest.runtime_packages)
    message = f"says that the portable PyPy needs {_some(sorted(set(wanted)))}"
    recorder.check(not wanted, "portable.manifest", FILE_NAME, message)
    message = "names no library that is inside"
    recorder.check(bool(manifest.libraries), "portable.manifest", FILE_NAME, message)


def _check_libraries(folder: Path, manifest: Manifest, recorder: Recorder) -> None:
    """Check that each library has its licence, and that its symbols are known here."""
    known = {entry.library for entry in recorder.policy.portable.hidden}
    for library in manifest.libraries:
        place = folder / LICENSES / library.name
        files = [path for path in place.rglob("*") if path.is_file() and path.stat().st_size]
        message = f"has no licence in {LICENSES}/{library.name}"
        recorder.check(bool(files), "portable.license", library.name, message)
        message = "is inside, but versions/verify.toml does not know its symbols"
        recorder.check(library.name in known, "portable.library", library.name, message)


def _check_needed(file: ElfFile, files: Sequence[ElfFile], musl: Musl, recorder: Recorder) -> None:
    allowed = {musl.soname, *(other.provides for other in files)}
    outside = sorted(set(file.needed) - allowed)
    recorder.check(not outside, "portable.needed", file.name, f"needs {_some(outside)}")
    message = "has DT_RELR, which musl reads from 1.2.4 on only"
    recorder.check(not file.packed_relocations, "portable.relr", file.name, message)


def _check_exported(name: str, symbols: Symbols, recorder: Recorder) -> None:
    """Look at functions only: the module for OpenSSL has null pointers for functions that its
    OpenSSL lacks, under their names."""
    for entry in recorder.policy.portable.hidden:
        shown = sorted(
            symbol
            for symbol in symbols.functions
            if any(fnmatchcase(symbol, pattern) for pattern in entry.symbols)
        )
        message = f"exports {_some(shown)} of {entry.library}"
        recorder.check(not shown, "portable.exports", name, message)


def _read_symbols(unpacked: Unpacked) -> dict[str, Symbols]:
    """The symbols of each file; those of a damaged one are a finding already, of its own check."""
    found = {}
    for file in unpacked.elf_files:
        try:
            found[file.name] = elf.symbols(unpacked.folder / file.name, file.name)
        except ArchiveError:
            continue
    return found


def _loaded(file: ElfFile, files: Sequence[ElfFile], unpacked: Unpacked) -> set[str]:
    """Names of the tarball's files where the loader looks for a file's symbols: the programs with
    their libraries, then the file with its own."""
    by_name = {other.name: other for other in files}
    by_soname = {other.provides: other for other in files}
    waiting = [file, *(by_name[name] for name in unpacked.programs.values() if name in by_name)]
    loaded: set[str] = set()
    while waiting:
        current = waiting.pop()
        if current.name not in loaded:
            loaded.add(current.name)
            waiting += [by_soname[soname] for soname in current.needed if soname in by_soname]
    return loaded


def _check_build_paths(folder: Path, recorder: Recorder) -> None:
    """Look for the build's paths in every file, and in the targets of links."""
    paths = [entry.path for entry in recorder.policy.portable.build_paths]
    for file in sorted(folder.rglob("*")):
        if file.is_symlink():
            content = str(file.readlink()).encode(errors="surrogateescape")
        elif file.is_file():
            content = file.read_bytes()
        else:
            continue
        name = str(file.relative_to(folder))
        for path in paths:
            found = _folders_with(path, content)
            recorder.check(not found, "portable.build_path", name, f"has {', '.join(found)}")


def _folders_with(path: str, content: bytes) -> list[str]:
    """The folders that begin with a path, up to their next slash: /work/tree of /work/tree/bin."""
    found = re.finditer(re.escape(path).encode() + rb"[\w.+-]*", content)
    return sorted({match.group().decode("ascii") for match in found})


def _some(names: Sequence[str]) -> str:
    """The first names of a list, and how many there are more."""
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
