"""versions/update.toml: the pages to read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from alpypy.core.fields import FileUrl, Record, text
from alpypy.core.structs import read_toml

ReleaseNumber = Annotated[
    str, text(r"[0-9]{1,4}(\.[0-9]{1,4}){2}", "the number of a release of PyPy, such as 7.3.22")
]


class PypyPages(Record, frozen=True):
    """PyPy's pages, and how far back they go."""

    versions: FileUrl
    checksums: tuple[FileUrl, ...]
    archives: FileUrl
    versions_since: ReleaseNumber
    checksums_since: ReleaseNumber
    withdrawn: frozenset[str] = frozenset()


class AlpinePages(Record, frozen=True):
    """The root of Alpine's mirrors."""

    mirror: FileUrl


class UpdatePages(Record, frozen=True):
    """versions/update.toml; ``libraries`` are pages by the names of libraries."""

    pypy: PypyPages
    alpine: AlpinePages
    libraries: dict[str, FileUrl]


def load_pages(root: Path) -> UpdatePages:
    """Read ``root``/versions/update.toml.

    Raises:
        DataError: it is missing or not TOML, or a field is not usable.
    """
    return read_toml(root / "versions/update.toml", UpdatePages)
