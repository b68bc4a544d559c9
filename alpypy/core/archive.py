"""Reproducible tarballs: the same folder gives the same bytes. And a file out of a tarball."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import os
import shutil
from io import BufferedIOBase
from pathlib import Path, PurePosixPath
from typing import IO

from alpypy.core.errors import ArchiveError, DigestError
from alpypy.core.files import file_digest, whole_file
from alpypy.core.tar import tarfile

# In seconds. 1980 is the first year that a zip file can record; some users zip the tree.
_MTIME = 315532800
# gzip's level: 9 takes four times as long, for one percent (98 MB: 3.6 s and 13.5 s).
_LEVEL = 6
_PIECE = 1 << 20  # bytes
# For a damaged tarball, tarfile raises whatever error it runs into: at invalid or too large
# numbers, endlessly nested headers, links to missing members.
BROKEN = (
    ArithmeticError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
    tarfile.TarError,
)


def write_tarball(folder: Path, tarball: Path) -> str:
    """Pack ``folder`` under its own name and return the tarball's SHA-256.

    Members are sorted, belong to root and have the same time. The file gets its name only when it
    is complete.
    """
    temporary = tarball.with_name(f".{tarball.name}.part")
    with tarfile.open(temporary, "w:bz2", format=tarfile.PAX_FORMAT) as archive:
        for path in [folder, *sorted(folder.rglob("*"))]:
            _add(archive, path, str(path.relative_to(folder.parent)))
    temporary.rename(tarball)
    return file_digest(tarball)


def gzip_writer(file: IO[bytes]) -> gzip.GzipFile:
    """What packs into a file, with neither a name nor a time: one zlib always makes the same bytes
    of the same content."""
    return gzip.GzipFile("", "wb", _LEVEL, file, mtime=0)


def compress_again(tarball: Path, target: Path) -> None:
    """Write the tar of a ``.tar.bz2`` as a ``.tar.gz``.

    Raises:
        DigestError: what was written does not unpack to the same tar.
    """
    with whole_file(target) as temporary:
        with (
            bz2.open(tarball) as tar,
            temporary.open("wb") as file,
            gzip_writer(file) as packed,
        ):
            digest = _copied(tar, packed)
        with gzip.open(temporary) as tar:
            if hashlib.file_digest(tar, "sha256").hexdigest() != digest:
                raise DigestError(
                    f"{target} does not unpack to the tar in {tarball}",
                    remedy="check the disk and the memory, then run the command again",
                )


def _copied(source: BufferedIOBase, copy: BufferedIOBase) -> str:
    """Copy a file piece by piece; gives its SHA-256."""
    digest = hashlib.sha256()
    while piece := source.read(_PIECE):
        digest.update(piece)
        copy.write(piece)
    return digest.hexdigest()


def _add(archive: tarfile.TarFile, path: Path, name: str) -> None:
    member = archive.gettarinfo(path, name)
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    member.mtime = _MTIME
    executable = member.isdir() or os.access(path, os.X_OK)
    member.mode = 0o777 if member.issym() else 0o755 if executable else 0o644
    if not member.isfile():
        archive.addfile(member)
        return
    with path.open("rb") as content:
        archive.addfile(member, content)


def publish(tarball: Path, folder: Path, sha256: str) -> Path:
    """Copy a finished tarball into ``folder``, with its ``.sha256`` beside it.

    Raises:
        DigestError: the tarball's digest is not ``sha256``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / tarball.name
    with whole_file(target) as temporary:
        copy_verified(tarball, temporary, sha256)
        with whole_file(_digest_file(target)) as beside:
            beside.write_text(_digest_line(target, sha256), encoding="ascii")
    return target


def copy_verified(file: Path, copy: Path, sha256: str) -> None:
    """Copy a tarball or a wheel, if it is still the file that was verified earlier.

    Raises:
        DigestError: the copy's digest is not ``sha256``.
    """
    shutil.copyfile(file, copy)
    if file_digest(copy) != sha256:
        raise DigestError(
            f"{file} is not the file that was verified: its SHA-256 is not {sha256}",
            remedy="run the command again: alpypy builds or verifies a changed file again",
        )


def published(target: Path, sha256: str) -> bool:
    """Whether the tarball exists with this digest, and its ``.sha256`` file too."""
    if not (target.is_file() and _digest_file(target).is_file()):
        return False
    line = _digest_file(target).read_bytes()
    return line == _digest_line(target, sha256).encode() and file_digest(target) == sha256


def _digest_file(target: Path) -> Path:
    return target.with_name(f"{target.name}.sha256")


def _digest_line(target: Path, sha256: str) -> str:
    return f"{sha256}  {target.name}\n"


def read_member(tarball: Path, *paths: str) -> bytes:
    """The first file of a tarball that has one of these paths below the top folder.

    Raises:
        ArchiveError: the tarball is damaged, or has none of them.
    """
    try:
        content = _member(tarball, {PurePosixPath(path).parts for path in paths})
    except BROKEN as error:
        raise ArchiveError(
            f"{tarball} is truncated or damaged: {error}", remedy="build or fetch it again"
        ) from error
    if content is None:
        raise ArchiveError(
            f"{tarball} has no {' and no '.join(paths)}", remedy="give a tarball that alpypy made"
        )
    return content


def _member(tarball: Path, paths: set[tuple[str, ...]]) -> bytes | None:
    """The first one, after which nothing is read."""
    end = 0
    with tarfile.open(tarball) as archive:
        for member in archive:
            if member.offset < end:  # a negative size, with which tarfile would loop forever
                return None
            end = member.offset_data
            if member.isreg() and PurePosixPath(member.name).parts[1:] in paths:
                content = archive.extractfile(member)
                return content.read() if content else None
    return None
