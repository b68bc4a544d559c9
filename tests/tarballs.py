"""Real PyPys for the tests that can use one: a folder of tarballs, named by a variable."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "ALPYPY_TEST_TARBALLS"
PROVIDED_BY = f"invoke bootstrap --pypy 3.11-7.3.23 --alpine 3.23, then {VARIABLE}=artifacts"


def tarballs() -> list[Path]:
    """The tarballs, each with its receipt beside it."""
    folder = os.environ.get(VARIABLE)
    return sorted(Path(folder).glob("pypy-*.tar.bz2")) if folder else []
