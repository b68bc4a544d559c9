"""Publishing a release's Alpine repository to a folder. GitHub Releases cannot serve one."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from alpypy.core.errors import ReleaseError
from alpypy.core.files import file_digest, whole_file
from alpypy.publish.apk_format import INDEX, read_index
from alpypy.publish.apk_repository import APK, KEYS, repository_files
from alpypy.publish.release import place


def refuse_replacing(folder: Path, there: Path | None) -> None:
    """Raise ReleaseError if a published package or key has other bytes than that of the release.

    Args:
        folder: the release.
        there: the folder where releases are published; None if that is no folder.
    """
    if there is None:
        return
    for file in _lasting(folder):
        published = there / file
        if published.is_file() and file_digest(published) != file_digest(folder / file):
            raise ReleaseError(
                f"{published} is published with other bytes than {folder / file}",
                remedy="sign with the key of the published packages; or, if they are to get"
                f" another key, remove {there / APK} first",
            )


def publish_repository(folder: Path, there: Path | None, say: Callable[[str], None]) -> None:
    """Add the packages of a release to those published, then replace the indexes.

    Published packages stay. The index lists those of the release alone: only the maintainer's key
    could sign one that lists others too. The arguments are those of ``refuse_replacing``.
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


def _lasting(folder: Path) -> list[Path]:
    return [file for file in repository_files(folder) if file.name != INDEX]


def _indexes(folder: Path) -> list[Path]:
    return [file for file in repository_files(folder) if file.name == INDEX]
