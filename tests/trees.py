"""Archives and folders of a few files, as sources that somebody brings."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

MODES: dict[str, Literal["w:bz2", "w:gz", "w:xz"]] = {
    ".bz2": "w:bz2",
    ".gz": "w:gz",
    ".xz": "w:xz",
}


def write_archive(path: Path, files: Mapping[str, str]) -> Path:
    """An archive compressed as its name says, with the files below one folder."""
    with tarfile.open(path, MODES[path.suffix]) as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(f"pypy-release/{name}")
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return path


def write_tree(folder: Path, files: Mapping[str, str]) -> Path:
    """The files below a folder."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder
