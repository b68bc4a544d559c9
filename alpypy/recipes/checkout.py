"""The user's own source: an archive or a checkout, its tree and its digest."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from alpypy.core.errors import SpecError
from alpypy.core.files import disk, file_digest, whole_file
from alpypy.core.unpack import pax_comment, unpack, unpack_some
from alpypy.recipes.recipe import PYPY_GOAL

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True)
class LocalTree:
    """The user's own source: its tree, the path it came from, and its digest (not verified)."""

    tree: Path
    path: Path
    sha256: str


def local_source(path: Path, scratch: Path) -> LocalTree:
    """Unpack or copy the user's own archive or checkout into ``scratch``.

    From a git checkout alpypy copies the files that git tracks, with their bytes on disk; from
    another folder all but .git and .hg. The digest is that of the archive, or of the names, modes
    and bytes of the tree.

    Raises:
        SpecError: ``path`` does not exist, or is neither PyPy nor RPython.
        ArchiveError: the archive is damaged.
    """
    if path.is_file():
        return LocalTree(_require_pypy(unpack(path, scratch), path), path, file_digest(path))
    if not path.is_dir():
        raise SpecError(f"{path} does not exist", remedy="give --source an archive or a checkout")
    _require_pypy(path, path)
    names = sorted(_names(path))
    tree = scratch / path.resolve().name
    with disk(scratch):
        scratch.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".copy-", dir=scratch) as copy:
            for name in names:
                _copy(path / name, Path(copy, "tree", name))
            Path(copy, "tree").rename(tree)
    return LocalTree(tree, path, tree_digest(tree, names))


def is_bare(path: Path) -> bool:
    """Whether a folder is a git repository without files of its own."""
    return (path / "HEAD").is_file() and (path / "objects").is_dir()


def archived_commit(archive: Path) -> str | None:
    """The commit that git archive wrote into a tar archive; None for other archives.

    Source: https://git-scm.com/docs/git-archive, on the comment of the global pax header.

    Raises:
        ArchiveError: the archive is damaged at its beginning.
    """
    comment = pax_comment(archive)
    return comment if comment and _COMMIT.fullmatch(comment) else None


def checked_out_commit(folder: Path) -> str | None:
    """The commit of a git checkout, with ``-dirty`` behind it if tracked files were changed since.

    None if the folder is not the top of a checkout, or has no commit yet.

    Raises:
        SpecError: git is not installed, or refuses the folder.
    """
    if not (folder / ".git").exists():
        return None
    if not git(folder, "rev-list", "--max-count=1", "--all"):
        return None
    commit = os.fsdecode(git(folder, "rev-parse", "HEAD")).strip()
    changed = git(folder, "status", "--porcelain", "--untracked-files=no")
    return f"{commit}-dirty" if changed else commit


def commit_archive(repository: Path, ref: str, folder: Path) -> Path:
    """An archive in ``folder`` of the commit that a branch, tag or other ref of a repository names.

    Raises:
        SpecError: git is not installed, or the repository has no such ref.
    """
    words = ("rev-parse", "--verify", "--end-of-options", f"{ref}^{{commit}}")
    commit = os.fsdecode(git(repository, *words)).strip()
    path = folder / f"pypy-{commit}.tar.gz"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as temporary:
            options = ("--format=tar.gz", f"--prefix=pypy-{commit}/", f"--output={temporary}")
            git(repository, "archive", *options, commit)
    return path


def copy_files(source: Path, files: Sequence[str], folder: Path) -> None:
    """Copy those of the files that an archive or checkout has into ``folder``, at their paths.

    Raises:
        ArchiveError: the archive is truncated or damaged.
    """
    if not source.is_dir():
        unpack_some(source, files, folder)
        return
    for file in files:
        if (source / file).is_file():
            _copy(source / file, folder / file)


def _require_pypy(tree: Path, path: Path) -> Path:
    if (tree / PYPY_GOAL).is_file() or (tree / "rpython").is_dir():
        return tree
    raise SpecError(
        f"{path} is not a source tree of PyPy: it has neither {PYPY_GOAL} nor rpython/",
        remedy="give --source the top folder of a checkout, or a source archive of PyPy",
    )


def _names(folder: Path) -> Iterator[str]:
    """The paths of the source's files, relative to ``folder``."""
    names = _git_names(folder) if (folder / ".git").exists() else _walked_names(folder)
    for name in names:
        # git also lists files that were deleted since, and submodules.
        path = folder / name
        if path.is_symlink() or path.is_file():
            yield name


def _git_names(folder: Path) -> list[str]:
    listed = git(folder, "ls-files", "-z")
    return [name for name in os.fsdecode(listed).split("\0") if name]


def git(folder: Path, *arguments: str) -> bytes:
    """The output of a git command in a checkout or a bare repository.

    Raises:
        SpecError: git is not installed, or the command fails.
    """
    command = ["git", "-C", str(folder), *arguments]
    try:
        return subprocess.run(command, capture_output=True, check=True).stdout
    except FileNotFoundError as error:
        raise SpecError(
            f"{folder} is a git repository, but git is not installed", remedy="install git"
        ) from error
    except subprocess.CalledProcessError as error:
        raise SpecError(
            f"git {arguments[0]} fails in {folder}: {os.fsdecode(error.stderr).strip()}",
            remedy="correct what git names, or give an archive",
        ) from error


def _walked_names(folder: Path) -> Iterator[str]:
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in (".git", ".hg")]
        links = [name for name in folders if Path(parent, name).is_symlink()]
        for name in (*files, *links):
            yield str(Path(parent, name).relative_to(folder))


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target, follow_symlinks=False)


def tree_digest(tree: Path, names: Sequence[str]) -> str:
    """SHA-256 of the files ``names`` of a tree: their names, kinds (link, program, file), bytes."""
    total = hashlib.sha256()
    for name in sorted(names):
        path = tree / name
        if path.is_symlink():
            kind, content = "link", os.fsencode(os.readlink(path))
        else:
            kind = "program" if path.stat().st_mode & stat.S_IXUSR else "file"
            content = path.read_bytes()
        total.update(os.fsencode(f"{kind} {len(content)} {name}\0"))
        total.update(content)
    return total.hexdigest()
