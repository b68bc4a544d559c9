"""Where the project's data is, where what is made goes, and where the cache is."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from alpypy.core.errors import SpecError

_PACKAGE = Path(__file__).resolve().parents[1]
_INSTALLED = _PACKAGE / "data"  # where a wheel has the folders that a checkout has at its top
CHECKOUT = None if _INSTALLED.is_dir() else _PACKAGE.parent
# The one place that knows it: versions/, patches/, dockerfiles/ and templates/ are below it.
ROOT = CHECKOUT or _INSTALLED


def artifacts_folder() -> Path:
    """Folder for tarballs, wheels and reports: ``artifacts`` of the checkout.

    An installed alpypy has no folder of its own that may be written to: it is ``artifacts`` of the
    folder where the command is run.
    """
    return (CHECKOUT or Path.cwd()) / "artifacts"


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
