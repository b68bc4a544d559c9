"""Unpacks archives without writing anything outside the target folder."""

from __future__ import annotations

import lzma
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from alpypy.core.errors import ArchiveError
from alpypy.core.files import disk
from alpypy.core.tar import tarfile

_PIECE = 1 << 16  # bytes


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack a tar archive into ``folder`` and return its single top folder.

    The top folder appears only when it is complete. Nothing is written outside ``folder``, no
    device is made, no set-user-id bit is kept, and every symbolic link stays inside.

    Raises:
        ArchiveError: the archive is truncated or damaged, has several top folders, or breaks
            those rules; or the top folder already exists.
        ResourceError: the disk is full.
    """
    with disk(folder):
        folder.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".unpack-", dir=folder))
        try:
            _extract(archive, scratch)
            return _move_single(archive, scratch, folder)
        finally:
            shutil.rmtree(scratch)


def unpack_some(archive: Path, names: Sequence[str], folder: Path) -> None:
    """Unpack the files ``names`` from a tar archive, if they exist below its top folder.

    Reading stops after the last of them. Links are left out.

    Raises:
        ArchiveError: the archive is truncated or damaged before that.
        ResourceError: the disk is full.
    """
    missing = set(names)
    with disk(folder), _reading(archive), tarfile.open(archive, "r|*") as tar:
        for member in tar:
            name = "/".join(_parts(member.name)[1:])
            if name not in missing:
                continue
            missing.remove(name)
            content = tar.extractfile(member) if member.isreg() else None
            if content:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(content.read())
            if not missing:
                return


def _extract(archive: Path, scratch: Path) -> None:
    guard = _Guard(archive)
    with _reading(archive), tarfile.open(archive) as tar:
        tar.extractall(scratch, filter=guard)
        _read_rest(tar)
    guard.check_links()


def read_through(archive: Path) -> None:
    """Read a tar archive to its end, to find damage.

    Raises:
        ArchiveError: it is truncated or damaged.
    """
    with _reading(archive), tarfile.open(archive) as tar:
        for _ in tar:
            pass
        _read_rest(tar)


def pax_comment(archive: Path) -> str | None:
    """The comment in the global pax header at the beginning of a tar archive, if it has one.

    Raises:
        ArchiveError: the archive is truncated or damaged there.
    """
    with _reading(archive), tarfile.open(archive) as tar:
        return tar.pax_headers.get("comment")


def _read_rest(tar: tarfile.TarFile) -> None:
    # tarfile stops at the end of the last member; the checksum comes after it.
    while tar.fileobj and tar.fileobj.read(_PIECE):
        pass


@contextmanager
def _reading(archive: Path) -> Iterator[None]:
    """Turn errors about an archive's bytes into an ArchiveError."""
    try:
        yield
    except tarfile.FilterError as error:
        raise _bad(archive, f"would write outside its folder or make a device: {error}") from error
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise _damaged(archive, error) from error
    except OSError as error:
        # For damaged data, bz2 and gzip raise an OSError without an error number.
        if error.errno is not None:
            raise
        raise _damaged(archive, error) from error


def _damaged(archive: Path, error: Exception) -> ArchiveError:
    with archive.open("rb") as file:
        if file.read(4) == b"PK\3\4":
            return _bad(archive, "is a zip archive, and a tar archive is needed")
    # The other lines say for each of tarfile's formats why it does not fit.
    reason = str(error).partition("\n")[0].rstrip(":")
    return _bad(archive, f"is truncated or damaged: {reason}")


def _bad(archive: Path, what: str) -> ArchiveError:
    return ArchiveError(
        f"{archive} {what}", remedy="remove it and fetch it again, or use another archive"
    )


def _move_single(archive: Path, scratch: Path, folder: Path) -> Path:
    entries = list(scratch.iterdir())
    if len(entries) != 1 or not entries[0].is_dir() or entries[0].is_symlink():
        raise _bad(archive, "must have exactly one top folder")
    target = folder / entries[0].name
    if target.exists():
        raise ArchiveError(
            f"{target} already exists", remedy=f"remove it to unpack {archive.name} again"
        )
    return entries[0].rename(target)


class _Guard:
    """Closes a gap in tarfile's own ``data`` filter: chains of symbolic links.

    That filter asks the file system where a path ends, and Pythons before 3.11.13 can be misled
    there (CVE-2025-4517). The guard writes and hard-links nothing through a symbolic link, and at
    the end follows each link by name.
    """

    def __init__(self, archive: Path) -> None:
        self._archive = archive
        self._links: dict[tuple[str, ...], str] = {}

    def __call__(self, member: tarfile.TarInfo, path: str) -> tarfile.TarInfo | None:
        name = _parts(member.name)
        self._refuse_through_link(name[:-1], member)
        if member.islnk():
            self._refuse_through_link(_parts(member.linkname), member)
        if member.issym():
            self._links[name] = member.linkname
        return tarfile.data_filter(member, path)

    def _refuse_through_link(self, name: tuple[str, ...], member: tarfile.TarInfo) -> None:
        if any(name[:end] in self._links for end in range(1, len(name) + 1)):
            raise _bad(self._archive, f"writes {member.name} through a symbolic link")

    def check_links(self) -> None:
        """Refuse links whose target is outside the folder or behind another link."""
        for name, target in self._links.items():
            place = list(name[:-1])
            for part in target.split("/"):
                if tuple(place) in self._links or (part == ".." and len(place) < 2):
                    raise _bad(self._archive, f"has a link {'/'.join(name)} to {target}")
                if part == "..":
                    place.pop()
                elif part not in ("", "."):
                    place.append(part)


def _parts(name: str) -> tuple[str, ...]:
    return tuple(part for part in name.split("/") if part not in ("", "."))


def unpack_wheel(wheel: Path, folder: Path) -> None:
    """Unpack a wheel into ``folder``. zipfile itself keeps every member inside.

    Raises:
        ArchiveError: it is truncated or damaged.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
    except (zipfile.BadZipFile, EOFError, zlib.error) as error:
        raise _bad(wheel, f"is truncated or damaged: {error}") from error
