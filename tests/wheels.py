"""The wheel of alpypy, built as a release's is."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
# What a folder of sources has that is no part of it.
_NOT_SOURCES = shutil.ignore_patterns(
    ".git", ".venv", ".*_cache", ".hypothesis", ".nox", "__pycache__", "*.pyc"
)


def build_wheel(folder: Path) -> Path:
    """The wheel of the sources as they are, without git: as of an archive of them."""
    sources = Path(shutil.copytree(ROOT, folder / "sources", ignore=_NOT_SOURCES))
    (sources / "artifacts/of-a-user.tar.bz2").touch()
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=sources, check=True, capture_output=True)
    [path] = folder.glob("*.whl")
    return path
