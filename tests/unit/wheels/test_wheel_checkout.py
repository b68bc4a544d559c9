"""Which checkout a project's folder belongs to, with repositories that git itself made."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from alpypy.engine.job import Mount
from alpypy.wheels.checkout import Checkout, find_checkout

PERSON = ("-c", "user.name=a person", "-c", "user.email=person@example.org")


def git(folder: Path, *words: str) -> None:
    trusted = ("-c", "protocol.file.allow=always")
    subprocess.run(["git", "-C", folder, *PERSON, *trusted, *words], check=True)


def project(folder: Path, settings: str = "[tool.setuptools_scm]\n") -> Path:
    folder.mkdir(parents=True)
    (folder / "pyproject.toml").write_text(settings)
    return folder


def repository(folder: Path) -> Path:
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "begin")
    return folder


def test_a_folder_without_a_repository(tmp_path: Path) -> None:
    assert find_checkout(project(tmp_path / "plain")) is None


def test_a_source_distribution(tmp_path: Path) -> None:
    repository(project(tmp_path / "one"))
    (tmp_path / "one/thing-1.0.tar.gz").touch()
    assert find_checkout(tmp_path / "one/thing-1.0.tar.gz") is None


@pytest.mark.parametrize("settings", ["[tool.setuptools_scm]\n", ""])
def test_a_project_at_the_top(tmp_path: Path, settings: str) -> None:
    top = repository(project(tmp_path / "one", settings))
    assert find_checkout(top) == Checkout(top, Path())


def test_a_project_in_a_subfolder(tmp_path: Path) -> None:
    inner = project(tmp_path / "top/python/own")
    assert find_checkout(inner) is None
    repository(tmp_path / "top")
    assert find_checkout(inner) == Checkout(tmp_path / "top", Path("python/own"))


def test_a_project_in_a_subfolder_that_asks_nothing_of_git(tmp_path: Path) -> None:
    inner = project(tmp_path / "top/own", '[project]\nname = "own"\nversion = "1"\n')
    repository(tmp_path / "top")
    assert find_checkout(inner) is None


def test_a_linked_worktree(tmp_path: Path) -> None:
    top = repository(project(tmp_path / "one"))
    git(top, "worktree", "add", "-q", str(tmp_path / "other"))
    found = find_checkout(tmp_path / "other")
    assert found == Checkout(tmp_path / "other", Path(), top / ".git")
    assert found.mounts == (Mount(top / ".git", str(top / ".git")),)


def test_a_submodule(tmp_path: Path) -> None:
    inner = repository(project(tmp_path / "inner"))
    top = repository(project(tmp_path / "top"))
    git(top, "submodule", "--quiet", "add", str(inner), "deep/inner")
    assert find_checkout(top / "deep/inner") == Checkout(top, Path("deep/inner"))
