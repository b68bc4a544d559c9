"""Where the project's data is, and where the cache is."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from alpypy.core.errors import SpecError

# The one place that knows it: versions/, patches/, dockerfiles/ and templates/ are below it.
ROOT = Path(__file__).resolve().parents[2]


def cache_folder() -> Path:
    """Folder of the cache: ``ALPYPY_CACHE``, else the user's cache folder of this platform.

    Its path is absolute, as mounts need it; a symbolic link in it stays, as it may be there to
    make it shorter.

    Raises:
        SpecError: ``ALPYPY_CACHE`` begins with the home folder of a user who is not there.
    """
    chosen = os.environ.get("ALPYPY_CACHE")
    if not chosen:
        return platformdirs.user_cache_path("alpypy").absolute()
    folder = os.path.expanduser(chosen)
    if folder.startswith("~"):
        raise SpecError(
            f"ALPYPY_CACHE is {chosen}, and there is no such user",
            remedy="set it to the path of a folder",
        )
    return Path(os.path.abspath(folder))
