"""The folders of the project's data, of results, and of the cache."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from alpypy.core.errors import SpecError

_PACKAGE = Path(__file__).resolve().parents[1]
_INSTALLED = _PACKAGE / "data"  # in a wheel; a checkout has the same folders at its top
CHECKOUT = None if _INSTALLED.is_dir() else _PACKAGE.parent
# Below it are dockerfiles/, ledger/, patches/, templates/ and versions/. All other code takes it
# from here.
ROOT = CHECKOUT or _INSTALLED


def artifacts_folder() -> Path:
    """Folder for tarballs, wheels and reports: ``artifacts`` of the checkout.

    An installed alpypy has no writable folder of its own. It uses ``artifacts`` below the folder
    where you run the command.
    """
    return (CHECKOUT or Path.cwd()) / "artifacts"


def cache_folder() -> Path:
    """Folder of the cache: ``ALPYPY_CACHE``, else the user's cache folder of this platform.

    The path is absolute, because mounts need that. Symbolic links in it stay: a user may have
    made one to shorten the path.

    Raises:
        SpecError: ``ALPYPY_CACHE`` begins with ``~USER``, and this user does not exist.
    """
    chosen = os.environ.get("ALPYPY_CACHE")
    if not chosen:
        return platformdirs.user_cache_path("alpypy").absolute()
    folder = os.path.expanduser(chosen)
    if folder.startswith("~"):
        raise SpecError(
            f"ALPYPY_CACHE is {chosen}, and that user does not exist",
            remedy="set it to the path of a folder",
        )
    return Path(os.path.abspath(folder))
