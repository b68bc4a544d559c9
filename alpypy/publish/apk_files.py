"""The files of an Alpine repository in the folder of a release."""

from __future__ import annotations

import contextlib
from pathlib import Path

APK, KEYS = "apk", "keys"
INDEX = "APKINDEX.tar.gz"


def repository_files(folder: Path) -> list[Path]:
    """The files of a release's repository, below its folder; indexes come last."""
    patterns = (f"{KEYS}/alpypy-*.rsa.pub", f"{APK}/v*/*/*.apk", f"{APK}/v*/*/{INDEX}")
    return [
        path.relative_to(folder) for pattern in patterns for path in sorted(folder.glob(pattern))
    ]


def remove_repository(folder: Path) -> bool:
    """Remove the repository of a release; whether there was one."""
    files = repository_files(folder)
    for file in files:
        (folder / file).unlink()
        for parent in file.parents[:-1]:
            with contextlib.suppress(OSError):  # something is left in it
                (folder / parent).rmdir()
    return bool(files)
