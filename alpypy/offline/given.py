"""Libraries of the kit whose source the user gives, because neither Debian nor PyPI has it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from alpypy.core.errors import SpecError
from alpypy.core.files import file_digest
from alpypy.core.source import Source
from alpypy.core.structs import read_toml
from alpypy.core.unpack import read_through, unpack_some
from alpypy.offline.contents import Library, SourceLibrary, SourceList

SCRIPTS = Path("dockerfiles/kit-sources")  # below the data folder: one script for each library


@dataclass(frozen=True)
class GivenSource:
    """An archive that the user gave, and the library that it is the source of. ``file`` is its own
    name; ``verified`` says that it is the archive that the library's publisher lists."""

    library: str
    version: str
    file: str
    sha256: str
    verified: bool


def load_offered(data: Path) -> tuple[SourceLibrary, ...]:
    """The libraries of versions/kit-sources.toml.

    Args:
        data: the folder with versions/.

    Raises:
        DataError: the file is missing or not TOML, or an entry is not usable.
    """
    return read_toml(data / "versions/kit-sources.toml", SourceList).libraries


def identify(archive: Path, offered: Sequence[SourceLibrary], alpine: str) -> GivenSource:
    """Find out which library's source an archive is.

    Raises:
        SpecError: it does not exist, or is the source of no library for this Alpine.
        ArchiveError: it is truncated or damaged.
    """
    fitting = [library for library in offered if alpine in library.alpine]
    takes = ", ".join(f"{library.name} {library.version}" for library in fitting)
    if not archive.is_file():
        raise SpecError(
            f"{archive} is not a file",
            remedy=f"give --source an archive, of {takes}" if takes else "leave --source out",
        )
    for library in fitting:
        if _is_source(archive, library):
            read_through(archive)  # a missing end would show only when it is unpacked
            digest = file_digest(archive)
            verified = digest == library.sha256
            return GivenSource(library.name, library.version, archive.name, digest, verified)
    hint = "; ".join(f"{library.name} is published as {library.url}" for library in fitting)
    raise SpecError(
        f"{archive} is not the source of a library that the kit for Alpine {alpine} can take:"
        f" {takes or 'it takes none'}",
        remedy=hint or "leave --source out",
    )


def _is_source(archive: Path, library: SourceLibrary) -> bool:
    with tempfile.TemporaryDirectory(prefix="alpypy-source-") as scratch:
        unpack_some(archive, [library.file], Path(scratch))
        file = Path(scratch, library.file)
        return file.is_file() and library.says in file.read_text(encoding="utf-8", errors="replace")


def libraries(
    offered: Sequence[SourceLibrary], given: Iterable[GivenSource]
) -> tuple[Library, ...]:
    """What a kit compiles and packs of given sources, without those that are no longer offered."""
    by_name = {source.library: source for source in given}
    return tuple(
        _library(library, by_name[library.name].sha256)
        for library in offered
        if library.name in by_name
    )


def _library(library: SourceLibrary, sha256: str) -> Library:
    return Library(
        path=Source(library.url, library.sha256).file_name,
        sha256=sha256,
        name=library.name,
        version=f"{library.version}-r0",
        runtime=library.runtime,
        description=library.description,
        license=library.license,
    )


def scripts(data: Path, chosen: Iterable[Library]) -> dict[str, str]:
    """The digests of the scripts that compile these libraries, by their paths."""
    paths = [SCRIPTS / f"{library.name}.sh" for library in chosen]
    return {str(path): file_digest(data / path) for path in paths}
