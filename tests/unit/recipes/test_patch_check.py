"""Patches held against archives, checkouts and git repositories made here."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from alpypy.core.errors import ArchiveError, SpecError
from alpypy.recipes.data import PypyRelease
from alpypy.recipes.patch_check import AvailableSource, available_sources, check, how_to_get, report
from alpypy.recipes.patches import load_patches
from alpypy.recipes.recipe import Catalog, load_catalog
from tests.trees import write_archive, write_tree

ROOT = Path(__file__).parents[3]
REAL = load_catalog(ROOT)
RELEASES = ("2.7-7.0.0", "3.6-7.0.0", "rpython-0.2.1")
STDIO = "rpython/rlib/rfile.py"
CRYPT = "lib_pypy/_crypt.py"
VERSION = "pypy/module/sys/version.py"
HEADER = (
    "Title: t\nWhy: w\nReleases: {releases}\nOrigin: own\nUpstream: not fixed\n"
    "Glibc: not affected\n\n"
)
DIFF = "--- a/{file}\n+++ b/{file}\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n"
PATCHES = {
    "crypt": (CRYPT, "3.6-7.0.0"),
    "stdio": (STDIO, "2.7-7.0.0, 3.6-7.0.0, rpython-0.2.1"),
}
GOOD = "one\ntwo\nthree\n"


def files_of(release: str, **changed: str) -> dict[str, str]:
    """A small source tree that says to be a release; ``changed`` by crypt, stdio."""
    files = {STDIO: changed.get("stdio", GOOD), CRYPT: changed.get("crypt", GOOD)}
    if release.startswith("rpython"):
        return files
    language, _, number = release.partition("-")
    words = (", ".join(language.split(".")), ", ".join(number.split(".")))
    version = f'CPYTHON_VERSION = ({words[0]}, 1, "final", 42)\nPYPY_VERSION = ({words[1]})\n'
    return {**files, VERSION: version}


def git(folder: Path, *words: str) -> None:
    who = ("-c", "user.name=n", "-c", "user.email=e@example.org")
    subprocess.run(["git", "-C", str(folder), *who, *words], check=True)


def write_repository(folder: Path, *releases: str, **changed: str) -> Path:
    """A git repository with a tag for each release."""
    folder.mkdir()
    git(folder, "init", "-q")
    for release in releases:
        write_tree(folder, files_of(release, **changed))
        git(folder, "add", ".")
        git(folder, "commit", "-q", "-m", release)
        git(folder, "tag", "release-pypy" + release.replace("-", "-v"))
    return folder


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def archives(tmp_path: Path) -> dict[str, Path]:
    """What versions/ lists, in a folder of its own."""
    folder = tmp_path / "published"
    folder.mkdir()
    return {name: write_archive(folder / f"{name}.tar.bz2", files_of(name)) for name in RELEASES}


@pytest.fixture
def catalog(tmp_path: Path, archives: Mapping[str, Path]) -> Catalog:
    folder = tmp_path / "patches"
    folder.mkdir()
    for topic, (file, releases) in PATCHES.items():
        text = HEADER.format(releases=releases) + DIFF.format(file=file)
        (folder / f"{topic}.patch").write_text(text)
    *pypys, rpython = (
        PypyRelease(url=f"https://example.org/{path.name}", sha256=digest(path))
        for path in archives.values()
    )
    quickstart = replace(
        REAL.quickstarts["rpython-0.2.1"],
        source=structs.replace(rpython, pypi="rpython==0.2.1"),
    )
    return replace(
        REAL,
        pypys=dict(zip(RELEASES, pypys, strict=False)),
        quickstarts={"rpython-0.2.1": quickstart},
        patches=load_patches(folder, RELEASES),
    )


def one(catalog: Catalog, path: Path) -> AvailableSource:
    (source,) = available_sources(catalog, [path], path.parent / "cache")
    return source


def place_in_cache(cache: Path, archive: Path) -> Path:
    """Where the cache has a file: see Fetcher."""
    folder = cache / "files" / digest(archive)[:16]
    folder.mkdir(parents=True)
    return Path(shutil.copy(archive, folder))


class TestAvailableSources:
    def test_nothing(self, catalog: Catalog, tmp_path: Path) -> None:
        assert available_sources(catalog, [], tmp_path / "cache") == ()

    def test_archives_in_the_cache(
        self, catalog: Catalog, archives: Mapping[str, Path], tmp_path: Path
    ) -> None:
        cache = tmp_path / "cache"
        for release in ("rpython-0.2.1", "2.7-7.0.0"):
            place_in_cache(cache, archives[release])
        found = available_sources(catalog, [], cache)
        assert [(source.release, source.where) for source in found] == [
            ("2.7-7.0.0", "the cache"),
            ("rpython-0.2.1", "the cache"),
        ]
        assert all(check(catalog, source).fits for source in found)

    def test_a_damaged_archive_in_the_cache_is_not_available(
        self, catalog: Catalog, archives: Mapping[str, Path], tmp_path: Path
    ) -> None:
        path = place_in_cache(tmp_path / "cache", archives["2.7-7.0.0"])
        path.write_bytes(path.read_bytes()[:-9])
        assert available_sources(catalog, [], tmp_path / "cache") == ()

    def test_a_published_archive_under_any_name(
        self, catalog: Catalog, archives: Mapping[str, Path], tmp_path: Path
    ) -> None:
        path = Path(shutil.copy(archives["rpython-0.2.1"], tmp_path / "download"))
        source = one(catalog, path)
        assert (source.release, source.where) == ("rpython-0.2.1", str(path))
        assert check(catalog, source).fits

    @pytest.mark.parametrize("kind", ["bz2", "gz", "xz"])
    def test_an_archive_of_ones_own(self, kind: str, catalog: Catalog, tmp_path: Path) -> None:
        files = {**files_of("3.6-7.0.0"), "README": "mine"}
        source = one(catalog, write_archive(tmp_path / f"mine.tar.{kind}", files))
        assert source.release == "3.6-7.0.0"
        assert check(catalog, source).fits

    def test_a_checkout_which_stays_as_it_is(self, catalog: Catalog, tmp_path: Path) -> None:
        tree = write_tree(tmp_path / "pypy", files_of("3.6-7.0.0"))
        source = one(catalog, tree)
        assert (source.release, source.where) == ("3.6-7.0.0", str(tree))
        result = check(catalog, source)
        assert (result.fits, result.patches) == (True, 2)
        assert {(tree / file).read_text() for file in (CRYPT, STDIO)} == {GOOD}
        assert sorted(os.listdir(tree)) == ["lib_pypy", "pypy", "rpython"]

    @pytest.mark.parametrize("bare", [True, False])
    def test_every_release_tag_of_a_repository(
        self, bare: bool, catalog: Catalog, tmp_path: Path
    ) -> None:
        path = write_repository(tmp_path / "pypy", "3.6-7.0.0", "2.7-7.0.0", "3.6-7.1.0")
        if bare:
            git(path, "clone", "-q", "--bare", ".", str(tmp_path / "pypy.git"))
            path = tmp_path / "pypy.git"
        found = available_sources(catalog, [path], tmp_path / "cache")
        assert [(source.release, source.where) for source in found] == [
            ("2.7-7.0.0", f"release-pypy2.7-v7.0.0 of {path}"),
            ("3.6-7.0.0", f"release-pypy3.6-v7.0.0 of {path}"),
        ]
        assert all(check(catalog, source).fits for source in found)

    def test_a_tag_counts_and_not_what_is_checked_out(
        self, catalog: Catalog, tmp_path: Path
    ) -> None:
        path = write_repository(tmp_path / "pypy", "2.7-7.0.0")
        (path / STDIO).write_text("edited")
        assert check(catalog, one(catalog, path)).fits

    def test_a_clone_without_tags_is_a_checkout(self, catalog: Catalog, tmp_path: Path) -> None:
        path = write_repository(tmp_path / "pypy", "2.7-7.0.0")
        git(path, "tag", "-d", "release-pypy2.7-v7.0.0")
        (path / STDIO).write_text("edited")
        source = one(catalog, path)
        assert source.where == str(path)
        assert not check(catalog, source).fits

    def test_a_tree_inside_another_repository_is_not_that_repository(
        self, catalog: Catalog, tmp_path: Path
    ) -> None:
        path = write_repository(tmp_path / "mine", "2.7-7.0.0")
        tree = write_tree(path / "build/pypy", files_of("3.6-7.0.0"))
        assert one(catalog, tree).release == "3.6-7.0.0"

    def test_cache_and_sources_in_their_order(
        self, catalog: Catalog, archives: Mapping[str, Path], tmp_path: Path
    ) -> None:
        place_in_cache(tmp_path / "cache", archives["3.6-7.0.0"])
        tree = write_tree(tmp_path / "pypy", files_of("3.6-7.0.0"))
        paths = [tree, archives["2.7-7.0.0"]]
        found = available_sources(catalog, paths, tmp_path / "cache")
        assert [source.where for source in found] == ["the cache", *map(str, paths)]


class TestRefused:
    def refusal(self, catalog: Catalog, path: Path) -> SpecError:
        with pytest.raises(SpecError) as error:
            available_sources(catalog, [path], path.parent / "cache")
        assert error.value.remedy
        return error.value

    def test_nothing_there(self, catalog: Catalog, tmp_path: Path) -> None:
        assert "does not exist" in self.refusal(catalog, tmp_path / "none").what

    def test_another_project(self, catalog: Catalog, tmp_path: Path) -> None:
        tree = write_tree(tmp_path / "tree", {"README": ""})
        assert "is not a checkout of PyPy" in self.refusal(catalog, tree).what
        archive = write_archive(tmp_path / "a.tar.gz", {"README": ""})
        assert "is not a source of PyPy" in self.refusal(catalog, archive).what

    def test_a_bare_repository_without_release_tags(self, catalog: Catalog, tmp_path: Path) -> None:
        git(tmp_path, "init", "-q", "--bare", "pypy.git")
        error = self.refusal(catalog, tmp_path / "pypy.git")
        assert "has no tag for any release" in error.what
        assert "fetch --tags" in error.remedy

    def test_a_broken_repository_says_what_git_says(self, catalog: Catalog, tmp_path: Path) -> None:
        tree = write_tree(tmp_path / "pypy", files_of("2.7-7.0.0"))
        (tree / ".git").write_text("gitdir: nowhere")
        assert "nowhere" in self.refusal(catalog, tree).what

    def test_a_truncated_archive(self, catalog: Catalog, tmp_path: Path) -> None:
        path = write_archive(tmp_path / "mine.tar.bz2", files_of("2.7-7.0.0"))
        path.write_bytes(path.read_bytes()[:60])
        with pytest.raises(ArchiveError, match="truncated or damaged"):
            available_sources(catalog, [path], tmp_path / "cache")


class TestCheck:
    @pytest.mark.parametrize("content", ["one\n2\nthree\n", "zero\n" + GOOD, "one\ntwo\n"])
    @pytest.mark.parametrize("kind", ["archive", "checkout", "repository"])
    def test_only_the_exact_source_fits_and_the_others_are_tried_too(
        self, kind: str, content: str, catalog: Catalog, tmp_path: Path
    ) -> None:
        """What is patched already, the same lines elsewhere, and what is too short."""
        files = files_of("3.6-7.0.0", crypt=content)
        if kind == "archive":
            path = write_archive(tmp_path / "a.tar.gz", files)
        elif kind == "checkout":
            path = write_tree(tmp_path / "pypy", files)
        else:
            path = write_repository(tmp_path / "pypy", "3.6-7.0.0", crypt=content)
        result = check(catalog, one(catalog, path))
        assert result.misfits == (
            f"crypt.patch does not fit 3.6-7.0.0 at hunk 1 of {CRYPT} (line 1)",
        )
        assert result.patches == 2

    def test_every_patch_that_does_not_fit_is_told(self, catalog: Catalog, tmp_path: Path) -> None:
        tree = write_tree(tmp_path / "pypy", files_of("3.6-7.0.0", crypt="", stdio=""))
        words = [line.partition(" ")[0] for line in check(catalog, one(catalog, tree)).misfits]
        assert words == ["crypt.patch", "stdio.patch"]

    @pytest.mark.parametrize("kind", ["archive", "checkout", "repository"])
    def test_a_file_that_is_missing(self, kind: str, catalog: Catalog, tmp_path: Path) -> None:
        files = files_of("3.6-7.0.0")
        del files[CRYPT]
        if kind == "archive":
            path = write_archive(tmp_path / "a.tar.gz", files)
        elif kind == "checkout":
            path = write_tree(tmp_path / "pypy", files)
        else:
            path = write_repository(tmp_path / "pypy", "2.7-7.0.0")
            (path / CRYPT).unlink()
            git(path, "commit", "-q", "-a", "-m", "next")
            git(path, "tag", "release-pypy3.6-v7.0.0")
            git(path, "tag", "-d", "release-pypy2.7-v7.0.0")
        assert check(catalog, one(catalog, path)).misfits == (
            f"crypt.patch does not fit 3.6-7.0.0 at {CRYPT}, which does not exist",
        )

    def test_a_later_patch_sees_what_an_earlier_one_made(
        self, catalog: Catalog, tmp_path: Path
    ) -> None:
        folder = tmp_path / "patches"
        second = DIFF.format(file=CRYPT).replace("-two\n+2\n", "-2\n+zwei\n")
        (folder / "crypt-next.patch").write_text(HEADER.format(releases="3.6-7.0.0") + second)
        catalog = replace(catalog, patches=load_patches(folder, RELEASES))
        tree = write_tree(tmp_path / "pypy", files_of("3.6-7.0.0"))
        assert [patch.name for patch in catalog.patches] == ["crypt-next", "crypt", "stdio"]
        assert len(check(catalog, one(catalog, tree)).misfits) == 1  # it is before crypt
        (folder / "crypt-next.patch").rename(folder / "later.patch")
        catalog = replace(catalog, patches=load_patches(folder, RELEASES))
        assert check(catalog, one(catalog, tree)).fits

    @pytest.mark.parametrize("kind", ["checkout", "repository"])
    def test_a_release_without_patches(self, kind: str, catalog: Catalog, tmp_path: Path) -> None:
        if kind == "checkout":
            path = write_tree(tmp_path / "pypy", files_of("2.7-7.0.0"))
        else:
            path = write_repository(tmp_path / "pypy", "2.7-7.0.0")
        result = check(replace(catalog, patches=()), one(catalog, path))
        assert (result.fits, result.patches) == (True, 0)


class TestReport:
    def said(self, catalog: Catalog, *paths: Path) -> tuple[int, list[str]]:
        lines: list[str] = []
        sources = available_sources(catalog, paths, paths[0].parent / "cache") if paths else ()
        return report(catalog, sources, lines.append), lines

    def test_all_fit(self, catalog: Catalog, archives: Mapping[str, Path]) -> None:
        code, lines = self.said(catalog, *archives.values())
        assert code == 0
        assert lines == [
            f"2.7-7.0.0      fits: 1 of 1 patches, {archives['2.7-7.0.0']}",
            f"3.6-7.0.0      fits: 2 of 2 patches, {archives['3.6-7.0.0']}",
            f"rpython-0.2.1  fits: 1 of 1 patches, {archives['rpython-0.2.1']}",
            "3 releases: 3 checked, 0 of them do not fit; 0 without a source on this machine",
        ]

    def test_one_does_not_fit(self, catalog: Catalog, tmp_path: Path) -> None:
        path = write_repository(tmp_path / "pypy", "2.7-7.0.0")
        tree = write_tree(tmp_path / "tree", files_of("2.7-7.0.0", stdio="other\n"))
        code, lines = self.said(catalog, path, tree)
        assert code == 1
        assert lines[:3] == [
            f"2.7-7.0.0      fits: 1 of 1 patches, release-pypy2.7-v7.0.0 of {path}",
            f"2.7-7.0.0      does not fit: 0 of 1 patches, {tree}",
            f"{'':17}stdio.patch does not fit 2.7-7.0.0 at hunk 1 of {STDIO} (line 1)",
        ]
        assert (
            "3 releases: 1 checked, 1 of them do not fit; 2 without a source on this machine"
            in lines
        )

    def test_a_release_that_nobody_has_checked(self, catalog: Catalog, tmp_path: Path) -> None:
        release = structs.replace(catalog.pypys["3.6-7.0.0"], checked=False)
        catalog = replace(catalog, pypys={**catalog.pypys, "3.6-7.0.0": release})
        files = files_of("3.6-7.0.0", crypt="zero\n" + GOOD)
        code, lines = self.said(catalog, write_archive(tmp_path / "a.tar.gz", files))
        assert code == 0
        assert lines[1:3] == [
            f"3.6-7.0.0      fits: 2 of 2 patches, {tmp_path / 'a.tar.gz'}",
            f"{'':17}crypt fits at other lines than it says",
        ]

    def test_what_such_a_release_takes_and_no_header_lists(
        self, catalog: Catalog, tmp_path: Path
    ) -> None:
        release = structs.replace(catalog.pypys["3.6-7.0.0"], checked=False)
        catalog = replace(catalog, pypys={**catalog.pypys, "3.6-7.1.0": release})
        archive = write_archive(tmp_path / "a.tar.gz", files_of("3.6-7.1.0"))
        code, lines = self.said(catalog, archive)
        assert code == 0
        assert f"{'':17}crypt fits, and does not list 3.6-7.1.0" in lines

    def test_a_tree_that_is_no_release(self, catalog: Catalog, tmp_path: Path) -> None:
        files = files_of("3.6-7.1.1", crypt=GOOD.replace("two", "2"))
        code, lines = self.said(catalog, write_archive(tmp_path / "a.tar.gz", files))
        assert code == 0
        assert lines[3].startswith("3.6-7.1.1+sha256.")
        assert lines[3].endswith(f"  fits: 1 of 1 patches, {tmp_path / 'a.tar.gz'}")
        assert lines[4].endswith("  crypt is left out: the tree has the same change already")
        assert lines[5].startswith("3 releases: 0 checked, 0 of them do not fit")

    def test_a_tree_that_a_patch_does_not_fit(self, catalog: Catalog, tmp_path: Path) -> None:
        tree = write_tree(tmp_path / "tree", files_of("3.6-7.1.1", crypt="other\n"))
        code, lines = self.said(catalog, tree)
        assert code == 1
        assert "  does not fit: 1 of 2 patches, " in lines[3]
        assert "crypt.patch does not fit 3.6-7.1.1 at hunk 1" in lines[4]

    def test_no_source_on_this_machine(self, catalog: Catalog) -> None:
        code, lines = self.said(catalog)
        assert code == 0
        assert [line.split("  ")[-1] for line in lines[:3]] == ["no source on this machine"] * 3
        assert lines[3:] == [
            "3 releases: 0 checked, 0 of them do not fit; 3 without a source on this machine",
            "  git clone --bare https://github.com/pypy/pypy.git pypy.git"
            " && invoke patches --source pypy.git",
            "  pip download --no-deps rpython==0.2.1"
            " && invoke patches --source rpython-0.2.1.tar.bz2",
        ]

    def test_the_command_for_every_release_that_is_listed(self) -> None:
        for release, source in REAL.sources.items():
            command, path = how_to_get(source)
            assert path in (source.file_name, "pypy.git"), release
            assert command.split()[0] in ("git", "pip"), release
