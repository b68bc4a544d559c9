"""Files: writing them completely or not at all, their digests, and failures of the disk."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alpypy.core.errors import ResourceError

COMPILED = "__pycache__"


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary path to write a file to. It becomes ``path`` at the end; a failure removes it.

    No other run has the same temporary path, so two runs can write the same file.
    """
    with _temporary(path) as temporary:
        yield temporary
        temporary.replace(path)


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """The same, but an existing file is never replaced.

    Raises:
        FileExistsError: ``path`` exists by then; it stays unchanged.
    """
    with _temporary(path) as temporary:
        yield temporary
        try:
            os.link(temporary, path)
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links, such as FAT: see link(2)
            path.touch(exist_ok=False)
            temporary.replace(path)


@contextlib.contextmanager
def _temporary(path: Path) -> Iterator[Path]:
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.part")
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def file_digest(path: Path, algorithm: str = "sha256") -> str:
    """Hexadecimal digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def data_files(folder: Path) -> list[Path]:
    """All files below a folder of the project's data, sorted.

    The bytecode that pip compiles when it installs alpypy is left out.
    """
    files = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in files if path.parent.name != COMPILED)


def copy_data(folder: Path, to: Path) -> Path:
    """Copy a folder of the project's data, without bytecode, and return the copy's path."""
    return Path(shutil.copytree(folder, to, ignore=shutil.ignore_patterns(COMPILED)))


@contextmanager
def disk(folder: Path) -> Iterator[None]:
    """Turn an OSError about files below ``folder`` into a ResourceError."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ResourceError(
                f"the disk that holds {folder} is full",
                remedy="free some space there; ALPYPY_CACHE moves the cache to another disk",
            ) from error
        raise ResourceError(
            f"{folder} cannot be used: {error}",
            remedy="check its permissions; ALPYPY_CACHE moves the cache to another folder",
        ) from error
