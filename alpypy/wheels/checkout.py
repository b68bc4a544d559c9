"""Git checkouts among the sources of wheels: what a build must see of them to ask git.

Build backends such as setuptools_scm take a project's version and its list of files from git.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from alpypy.engine.job import Mount

_GIT = ".git"
_SETTINGS = ("pyproject.toml", "setup.cfg", "setup.py")
# Words in the settings of a project whose version comes from git: setuptools_scm, hatch-vcs,
# versioneer, pbr, versioningit, miniver and what calls git itself.
_ASKS_GIT = re.compile(rb"scm|vcs|git|versioneer|versioning|pbr|miniver", re.IGNORECASE)


@dataclass(frozen=True)
class Checkout:
    """The folder to copy for a build, and where the project is below it.

    ``elsewhere`` is the repository of a linked worktree, which is not below the folder.
    """

    top: Path
    project: Path
    elsewhere: Path | None = None

    @property
    def mounts(self) -> tuple[Mount, ...]:
        """The repository at its own path: the worktree's file .git names it so."""
        return (Mount(self.elsewhere, str(self.elsewhere)),) if self.elsewhere else ()


def find_checkout(source: Path) -> Checkout | None:
    """The checkout that a project's folder belongs to; None if it belongs to none.

    The repository may be in a folder above: of a project in a subfolder, of a submodule. Then the
    build sees that folder with all that is in it, so the project's settings must speak of git.

    Args:
        source: an absolute path.
    """
    tops = (folder for folder in (source, *source.parents) if (folder / _GIT).exists())
    top = next(tops, None) if source.is_dir() else None
    if top is None or (top != source and not _asks_git(source)):
        return None
    repository = _repository(top)
    for folder in (top, *top.parents):
        if repository.is_relative_to(folder / _GIT):
            return Checkout(folder, source.relative_to(folder))
    return Checkout(top, source.relative_to(top), repository)


def _repository(top: Path) -> Path:
    """The folder with the objects: .git, or where a file of that name leads (gitrepository-layout
    in git's documentation)."""
    entry = top / _GIT
    if entry.is_dir():
        return entry
    text = entry.read_text(encoding="utf-8", errors="surrogateescape")
    folder = (top / text.removeprefix("gitdir:").strip()).resolve()
    common = folder / "commondir"
    if not common.is_file():
        return folder
    return (folder / common.read_text(encoding="utf-8").strip()).resolve()


def _asks_git(project: Path) -> bool:
    files = (project / name for name in _SETTINGS)
    return any(_ASKS_GIT.search(path.read_bytes()) for path in files if path.is_file())
