"""Sources that the user brings: archives and checkouts made here."""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from alpypy.core import fetch
from alpypy.core.errors import ArchiveError, DigestError, DownloadError, SpecError
from alpypy.core.fetch import Fetcher
from alpypy.core.files import file_digest
from alpypy.recipes.local_source import LocalSource, identify, open_source, refuse_unused
from alpypy.recipes.recipe import PYPY_GOAL, load_catalog
from alpypy.recipes.spec import Target
from tests.trees import write_archive, write_tree

CATALOG = load_catalog(Path(__file__).parents[3])
RECIPE, SOURCE = CATALOG.recipe(Target("3.6-7.0.0", "3.9")), CATALOG.pypys["3.6-7.0.0"]
VERSION = "pypy/module/sys/version.py"
TEXT = (
    "#XXX # sync CPYTHON_VERSION with patchlevel.h\n"
    'CPYTHON_VERSION            = (3, 6, 1, "final", 42)\n'
    'PYPY_VERSION               = (7, 0, 0, "final", 0)\n'
)
FILES = {VERSION: TEXT, PYPY_GOAL: "", "rpython/__init__.py": ""}


def commit(tree: Path) -> str:
    """Make a git checkout of a tree, and return its commit."""
    run_git(tree, "init", "-q")
    run_git(tree, "add", ".")
    run_git(tree, "commit", "-q", "-m", "all")
    return run_git(tree, "rev-parse", "HEAD")


def run_git(tree: Path, *words: str) -> str:
    who = ("-c", "user.name=n", "-c", "user.email=e@example.org")
    command = ["git", "-C", str(tree), *who, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.parametrize(
    ("level", "release"),
    [
        ("final", "3.6-7.0.0"),
        ("alpha", "3.6-7.0.0-alpha"),
        ("beta", "3.6-7.0.0-beta"),
        ("candidate", "3.6-7.0.0-rc"),
    ],
)
def test_a_tree_on_the_way_is_not_the_release(level: str, release: str, tmp_path: Path) -> None:
    for serial, stage in (("0", release), ("2", release if level == "final" else f"{release}2")):
        text = TEXT.replace('0, "final", 0)', f'0, "{level}", {serial})')
        tree = write_tree(tmp_path / "pypy", {**FILES, VERSION: text})
        assert identify(tree, tmp_path / "cache").release == stage


def test_a_level_that_python_does_not_have_is_refused(tmp_path: Path) -> None:
    text = TEXT.replace('0, "final", 0)', '0, "gamma", 0)')
    with pytest.raises(SpecError, match="has the level 'gamma'"):
        identify(write_tree(tmp_path / "pypy", {**FILES, VERSION: text}), tmp_path / "cache")


def test_a_checkout_says_its_commit_and_whether_it_was_changed_since(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "pypy", FILES)
    sha = commit(tree)
    (tree / "usession").write_text("left by a translation")
    local = identify(tree, tmp_path / "cache")
    assert (local.commit, local.version) == (sha, f"3.6-7.0.0+{sha[:11]}")
    (tree / "rpython/__init__.py").write_text("changed = 1\n")
    local = identify(tree, tmp_path / "cache")
    assert local.commit == f"{sha}-dirty"
    assert local.version == f"3.6-7.0.0+{sha[:11]}.dirty.{local.sha256[:11]}"


def test_git_archive_says_its_commit_and_other_archives_have_a_digest(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "pypy", FILES)
    sha = commit(tree)
    path = tmp_path / "mine.tar.gz"
    run_git(tree, "archive", "--prefix=pypy/", "-o", str(path), "HEAD")
    for _ in range(2):  # the second time alpypy remembers it
        local = identify(path, tmp_path / "cache")
        assert (local.commit, local.version) == (sha, f"3.6-7.0.0+{sha[:11]}")
    local = identify(write_archive(tmp_path / "other.tar.gz", FILES), tmp_path / "cache")
    assert (local.commit, local.version) == (None, f"3.6-7.0.0+sha256.{local.sha256[:11]}")


@pytest.mark.parametrize("bare", [True, False])
def test_a_branch_of_a_repository(bare: bool, tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "pypy", FILES)
    sha = commit(tree)
    run_git(tree, "branch", "py3.6")
    (tree / VERSION).write_text(TEXT.replace("final", "alpha"))
    run_git(tree, "commit", "-q", "-a", "-m", "next")
    repository = tree
    if bare:
        repository = tmp_path / "pypy.git"
        run_git(tree, "clone", "-q", "--bare", ".", str(repository))
        with pytest.raises(SpecError, match="is a bare git repository") as caught:
            identify(repository, tmp_path / "cache")
        assert "pypy.git@py3.11" in caught.value.remedy
    local = identify(Path(f"{repository}@py3.6"), tmp_path / "cache")
    assert (local.release, local.commit) == ("3.6-7.0.0", sha)
    opened = open_source(RECIPE, [local], Fetcher(tmp_path / "cache"))
    assert (opened.lay_out(tmp_path / "work") / VERSION).read_text() == TEXT
    with pytest.raises(SpecError, match="git rev-parse fails"):
        identify(Path(f"{repository}@nowhere"), tmp_path / "cache")


def test_an_answer_of_an_older_alpypy_is_found_again(tmp_path: Path) -> None:
    text = TEXT.replace("final", "alpha")
    path = write_archive(tmp_path / "mine.tar.bz2", {**FILES, VERSION: text})
    memo = tmp_path / "cache/identified" / f"{file_digest(path)}.json"
    memo.parent.mkdir(parents=True)
    memo.write_text(json.dumps({"release": "3.6-7.0.0", "path": str(path), "sha256": "0"}))
    assert identify(path, tmp_path / "cache").release == "3.6-7.0.0-alpha"


def test_a_tree_without_its_source_is_refused(tmp_path: Path) -> None:
    target = replace(RECIPE.target, release="3.6-7.0.0-alpha")
    tree = replace(RECIPE, target=target, source=None)
    with pytest.raises(SpecError, match=r"3\.6-7\.0\.0-alpha is not a release") as caught:
        open_source(tree, [], Fetcher(tmp_path / "cache"))
    assert "--source" in caught.value.remedy
    assert "--pypy 3.6-7.0.0" in caught.value.remedy
    text = TEXT.replace("final", "alpha")
    local = identify(write_tree(tmp_path / "pypy", {**FILES, VERSION: text}), tmp_path / "cache")
    with pytest.raises(SpecError, match=rf"pypy is {re.escape(local.version)}"):  # another commit
        open_source(tree, [local], Fetcher(tmp_path / "cache"))
    right = replace(tree, target=replace(target, release_version=local.version))
    opened = open_source(right, [local], Fetcher(tmp_path / "cache"))
    assert opened.origin.sha256 == local.sha256


def test_a_source_that_cannot_be_fetched_may_be_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "_PAUSE", 0.0)
    source = structs.replace(SOURCE, url="https://localhost:9/pypy.tar.gz")
    with pytest.raises(DownloadError) as caught:
        open_source(replace(RECIPE, source=source), [], Fetcher(tmp_path)).fetch()
    assert "give the source of 3.6-7.0.0 with --source" in caught.value.remedy
    assert caught.value.remedy.endswith("pypy.git@release-pypy3.6-v7.0.0")


@pytest.mark.parametrize("kind", ["bz2", "gz", "xz"])
def test_an_archive_says_which_release_it_is(kind: str, tmp_path: Path) -> None:
    path = write_archive(tmp_path / f"mine.tar.{kind}", FILES)
    assert identify(path, tmp_path / "cache") == LocalSource(
        "3.6-7.0.0", str(path), file_digest(path)
    )


def test_the_answer_is_kept_for_the_bytes_and_not_for_the_path(tmp_path: Path) -> None:
    path, cache = write_archive(tmp_path / "one.tar.bz2", FILES), tmp_path / "cache"
    one = identify(path, cache)
    copy = Path(shutil.copy(path, tmp_path / "two.tar.bz2"))
    two = identify(copy, cache)
    assert (two.release, two.sha256, two.path) == (one.release, one.sha256, str(copy))
    assert len(list((cache / "identified").iterdir())) == 1
    write_archive(path, {**FILES, VERSION: TEXT.replace("7, 0, 0", "7, 1, 1")})
    assert identify(path, cache).release == "3.6-7.1.1"


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"release": "3.6-7.0.0", "pa'])
def test_an_answer_that_was_half_kept_is_found_again(text: str, tmp_path: Path) -> None:
    path, cache = write_archive(tmp_path / "mine.tar.bz2", FILES), tmp_path / "cache"
    one = identify(path, cache)
    [memo] = (cache / "identified").iterdir()
    whole = memo.read_text()
    memo.write_text(text)
    assert identify(path, cache) == one
    assert memo.read_text() == whole


def test_an_answer_that_cannot_be_kept_leaves_nothing(tmp_path: Path) -> None:
    path, cache = write_archive(tmp_path / "mine.tar.bz2", FILES), tmp_path / "cache"
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from alpypy.recipes.local_source import identify\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({len(TEXT)}, {len(TEXT)}))\n"
        "identify(*map(Path, sys.argv[1:]))\n"
    )
    command = [sys.executable, "-c", code, str(path), str(cache)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "File too large" in done.stderr
    assert list((cache / "identified").iterdir()) == []
    assert identify(path, cache).release == "3.6-7.0.0"


def test_a_checkout_says_which_release_it_is_and_changes_digest_with_its_files(
    tmp_path: Path,
) -> None:
    tree = write_tree(tmp_path / "pypy", FILES)
    one = identify(tree, tmp_path / "cache")
    assert (one.release, one.path) == ("3.6-7.0.0", str(tree))
    (tree / "rpython/__init__.py").write_text("changed = 1\n")
    two = identify(tree, tmp_path / "cache")
    assert two.sha256 != one.sha256


def test_of_a_git_checkout_only_what_git_tracks_counts(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "pypy", FILES)
    for words in (["init", "-q"], ["add", "."]):
        subprocess.run(["git", "-C", str(tree), *words], check=True)
    one = identify(tree, tmp_path / "cache")
    (tree / "usession").write_text("left by a translation")
    assert identify(tree, tmp_path / "cache").sha256 == one.sha256


def test_nothing_at_the_path(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"none\.tar\.bz2 does not exist"):
        identify(tmp_path / "none.tar.bz2", tmp_path)


@pytest.mark.parametrize("kind", ["bz2", "gz", "xz"])
def test_a_truncated_archive(kind: str, tmp_path: Path) -> None:
    path = write_archive(tmp_path / f"mine.tar.{kind}", FILES)
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(ArchiveError, match="truncated or damaged"):
        identify(path, tmp_path / "cache")
    assert not list(tmp_path.glob("cache/identified/*"))


@pytest.mark.parametrize("cut", [5, 30_000])
@pytest.mark.parametrize("kind", ["bz2", "gz", "xz"])
def test_an_archive_truncated_after_the_version(kind: str, cut: int, tmp_path: Path) -> None:
    noise = "".join(random.Random(1).choices("0123456789abcdef", k=200_000))
    path = write_archive(tmp_path / f"mine.tar.{kind}", {**FILES, "rpython/last.py": noise})
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    with pytest.raises(ArchiveError, match="truncated or damaged"):
        identify(path, tmp_path / "cache")
    assert not list(tmp_path.glob("cache/identified/*"))
    path.write_bytes(whole)
    assert identify(path, tmp_path / "cache").release == "3.6-7.0.0"


def test_not_an_archive(tmp_path: Path) -> None:
    path = tmp_path / "mine.tar.bz2"
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(ArchiveError, match="truncated or damaged"):
        identify(path, tmp_path / "cache")


@pytest.mark.parametrize("files", [{"README": ""}, {VERSION: "nothing"}])
def test_another_project_is_refused(files: Mapping[str, str], tmp_path: Path) -> None:
    for path in (
        write_archive(tmp_path / "mine.tar.gz", files),
        write_tree(tmp_path / "tree", {**files, PYPY_GOAL: ""}),
    ):
        with pytest.raises(SpecError, match=r"version\.py"):
            identify(path, tmp_path / "cache")


def test_a_local_source_takes_the_place_of_the_listed_one(tmp_path: Path) -> None:
    fetcher = Fetcher(tmp_path / "cache")
    listed = open_source(RECIPE, [], fetcher)
    assert listed.digest == listed.origin.sha256 == SOURCE.sha256
    assert (listed.origin.verified, listed.origin.url) == (True, SOURCE.url)
    local = identify(write_archive(tmp_path / "mine.tar.bz2", FILES), tmp_path / "cache")
    opened = open_source(RECIPE, [local], fetcher)
    assert opened.digest == opened.origin.sha256 == local.sha256
    assert (opened.origin.verified, opened.origin.path) == (False, "mine.tar.bz2")
    tree = opened.lay_out(tmp_path / "work")
    assert (tree / VERSION).read_text() == TEXT


@pytest.mark.parametrize("kind", ["archive", "checkout"])
def test_a_source_that_changed_since_is_not_laid_out(kind: str, tmp_path: Path) -> None:
    path = tmp_path / ("mine.tar.bz2" if kind == "archive" else "mine")
    write = write_archive if kind == "archive" else write_tree
    local = identify(write(path, FILES), tmp_path / "cache")
    opened = open_source(RECIPE, [local], Fetcher(tmp_path / "cache"))
    write(path, {**FILES, "rpython/__init__.py": "changed = 1\n"})
    with pytest.raises(DigestError, match=r"mine.* has changed since") as caught:
        opened.lay_out(tmp_path / "work")
    assert local.sha256 in caught.value.what
    write(path, FILES)
    tree = opened.lay_out(tmp_path / "again")
    assert (tree / "rpython/__init__.py").read_text() == ""


def test_a_listed_source_can_be_fetched_before_it_is_laid_out(tmp_path: Path) -> None:
    path = write_archive(tmp_path / "mine.tar.bz2", FILES)
    (tmp_path / "cache" / "files" / file_digest(path)[:16]).mkdir(parents=True)
    source = structs.replace(SOURCE, url="https://localhost:9/mine.tar.bz2", sha256="0" * 64)
    fetcher = Fetcher(tmp_path / "cache")
    with pytest.raises(DownloadError, match=r"mine\.tar\.bz2"):
        open_source(replace(RECIPE, source=source), [], fetcher).fetch()
    source = structs.replace(source, sha256=file_digest(path))
    path.rename(tmp_path / "cache/files" / source.sha256[:16] / path.name)
    opened = open_source(replace(RECIPE, source=source), [], fetcher)
    opened.fetch()
    assert (opened.lay_out(tmp_path / "work") / VERSION).read_text() == TEXT


def test_a_source_that_nothing_translates_is_refused(tmp_path: Path) -> None:
    local = LocalSource("3.6-7.0.0", "mine.tar.bz2", "0" * 64)
    refuse_unused([local], {"3.6-7.0.0": 1, "2.7-7.3.22": 1})
    with pytest.raises(SpecError, match=r"is PyPy 3\.6-7\.0\.0, but .* 3\.11-7\.3\.22 and 2\.7"):
        refuse_unused([local], {"3.11-7.3.22": 1, "2.7-7.3.22": 1})
