"""Publishing a release's Alpine repository to a folder. GitHub Releases cannot serve one."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from alpypy.core.errors import ReleaseError
from alpypy.core.files import file_digest, whole_file
from alpypy.core.program import typed
from alpypy.publish.apk_files import APK, INDEX, KEYS, repository_files
from alpypy.publish.apk_format import key_name, read_index
from alpypy.publish.apk_key import KEY_PREFIX
from alpypy.publish.release import place


def check_repository(folder: Path, there: Path | None) -> None:
    """Refuse a repository that cannot be published, before anything is.

    Args:
        folder: the release.
        there: the folder where releases are published; None if that is no folder.

    Raises:
        ReleaseError: a published package or key has other bytes than that of the release, or a
            published index is damaged or not alpypy's.
    """
    if there is None:
        return
    for file in _lasting(folder):
        if (there / file).is_file() and file_digest(there / file) != file_digest(folder / file):
            raise _other_bytes(file, folder, there)
    for file in _indexes(folder):
        read_index(folder / file)
        if (there / file).is_file():
            _check_own(there / file)


def publish_repository(folder: Path, there: Path | None, say: Callable[[str], None]) -> None:
    """Add the packages of a release to those published, then replace the indexes.

    Published packages stay. The index lists those of the release alone: only the maintainer's key
    could sign one that lists others too. The arguments are those of ``check_repository``, which
    comes first.
    """
    if there is None:
        if repository_files(folder):
            say(f"{APK}/ and {KEYS}/ are not published: GitHub Releases has no folders")
        return
    for file in _lasting(folder):
        (there / file).parent.mkdir(parents=True, exist_ok=True)
        place(folder / file, there / file, file_digest(folder / file))
    for file in _indexes(folder):
        if (there / file).is_file():
            for name in sorted({*read_index(there / file)} - {*read_index(folder / file)}):
                say(f"no longer in {file}: {name}, which is not in this release")
        with whole_file(there / file) as temporary:
            shutil.copyfile(folder / file, temporary)


def _check_own(index: Path) -> None:
    """Raise ReleaseError if a published index is damaged, or was not made by alpypy."""
    if not (key_name(index) or "").startswith(KEY_PREFIX):
        raise ReleaseError(
            f"{index} is not signed with a key of alpypy's: it belongs to another repository",
            remedy="give --to another place, such as a new folder in it, or move that one away",
        )
    read_index(index)


def _other_bytes(file: Path, folder: Path, there: Path) -> ReleaseError:
    """Why a published file and the one of the release differ."""
    what = f"{there / file} is published with other bytes than {folder / file}"
    if file.parts[0] == KEYS:
        return ReleaseError(f"{what}: it is damaged", remedy="remove it and publish again")
    published, own = key_name(there / file), key_name(folder / file)
    if published == own:
        return ReleaseError(
            f"{what}: it is another build of the same version, or another zlib packed it",
            remedy=f"move that PyPy out of artifacts/, run `{typed('release')}` and publish again;"
            " the published package stays. A tree that passes verify on another day has another"
            " version",
        )
    return ReleaseError(
        f"{what}: it is signed with {published}, and this one with {own}",
        remedy="sign with the key of the published packages; or, if they are to get another key,"
        f" remove {there / APK} first",
    )


def _lasting(folder: Path) -> list[Path]:
    return [file for file in repository_files(folder) if file.name != INDEX]


def _indexes(folder: Path) -> list[Path]:
    return [file for file in repository_files(folder) if file.name == INDEX]
