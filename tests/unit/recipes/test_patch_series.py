"""Patches as ``git am``, patch(1) and quilt take them: on a small tree, with the real programs."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from alpypy.core.errors import SpecError
from alpypy.recipes.checkout import copy_files
from alpypy.recipes.patch_check import AvailableSource
from alpypy.recipes.patch_series import SERIES, series_patches, source_of, write_series
from alpypy.recipes.patches import Patch, apply, load_patches
from alpypy.recipes.recipe import Catalog, load_catalog
from tests.trees import write_tree

ROOT = Path(__file__).parents[3]
REAL = load_catalog(ROOT)
RELEASE = "3.11-7.3.23"
KNOWN = ("3.11-7.3.22", RELEASE, "3.11-8.0.0")
CRYPT, STDIO = "lib_pypy/_crypt.py", "rpython/rlib/rfile.py"
DIFF = "--- a/{file}\n+++ b/{file}\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n"
TREE = {CRYPT: "one\ntwo\nthree\n", STDIO: "one\ntwo\nthree\nfour\nfive\nsix\nseven\neight\n"}
MAIL = """\
From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001
From: alpypy <alpypy@alpypy.invalid>
Date: Tue, 01 Jan 1980 00:00:00 +0000
Subject: [PATCH 1/2] crypt() in the C library
MIME-Version: 1.0
Content-Type: text/plain; charset="UTF-8"
Content-Transfer-Encoding: 8bit

musl has crypt() in its C library, and no libcrypt.so to load, so that
import crypt ended with ImportError.

Origin: https://github.com/pypy/pypy/commit/f7ca2e5afe8
Upstream: fixed in 8.0.0 (f7ca2e5afe8), the same change; 3.11 ended
 before
Issue: https://github.com/pypy/pypy/issues/5454
Issue: https://github.com/python-trio/trio/issues/3433
Glibc: not affected
Alpine: >=3.17
---
diff --git a/lib_pypy/_crypt.py b/lib_pypy/_crypt.py
--- a/lib_pypy/_crypt.py
+++ b/lib_pypy/_crypt.py
@@ -1,3 +1,3 @@
 one
-two
+2
 three
"""


def write_patch(folder: Path, name: str, diff: str, **changed: str) -> None:
    fields = {
        "Title": "t",
        "Why": "w",
        "Releases": RELEASE,
        "Origin": "own",
        "Upstream": "not fixed",
        "Glibc": "not affected",
        **changed,
    }
    text = "".join(f"{field}: {value}\n" for field, value in fields.items())
    (folder / f"{name}.patch").write_bytes(f"{text}\n{diff}".encode("latin-1"))


def catalog_of(folder: Path, release: str = RELEASE) -> Catalog:
    """An erratum about crypt, then a patch whose second hunk has less context behind it."""
    write_patch(
        folder,
        "crypt",
        DIFF.format(file=CRYPT),
        Title="crypt() in the C library",
        Why="musl has crypt() in its C library, and no libcrypt.so to load, so that import crypt"
        " ended with ImportError.",
        Origin="upstream f7ca2e5afe8",
        Upstream="fixed in 8.0.0 (f7ca2e5afe8), the same change; 3.11 ended before",
        Kind="erratum",
        Issue="pypy/pypy#5454, python-trio/trio#3433",
        Alpine=">=3.17",
        Releases=release,
    )
    uneven = "@@ -4,5 +4,5 @@\n four\n five\n six\n-seven\n+7\n eight\n"
    write_patch(folder, f"stdio@{RELEASE}", DIFF.format(file=STDIO) + uneven, Releases=release)
    pypys = {name: REAL.pypys[name] for name in KNOWN}
    return replace(REAL, pypys=pypys, patches=load_patches(folder, KNOWN))


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    (tmp_path / "patches").mkdir()
    return catalog_of(tmp_path / "patches")


def listed(catalog: Catalog, *, errata: bool = True) -> Sequence[Patch]:
    return series_patches(catalog, RELEASE, None, errata=errata).applied


def source(tree: Path, release: str = RELEASE) -> AvailableSource:
    return AvailableSource(release, str(tree), lambda files, to: copy_files(tree, files, to))


def run(folder: Path, *command: str) -> str:
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "GIT_CONFIG_GLOBAL": os.devnull}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, (done.stdout, done.stderr)
    return done.stdout.decode()


def repository(folder: Path, files: dict[str, str] = TREE) -> Path:
    """A git repository with these files in its only commit."""
    write_tree(folder, files)
    run(folder, "git", "init", "-q")
    for name, value in {"user.name": "n", "user.email": "e@example.org"}.items():
        run(folder, "git", "config", name, value)
    run(folder, "git", "add", ".")
    run(folder, "git", "commit", "-q", "-m", "source")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in TREE}


def expected(folder: Path, patches: Sequence[Patch]) -> dict[str, bytes]:
    """The tree as a build patches it."""
    tree = write_tree(folder, TREE)
    apply(patches, tree, RELEASE)
    return contents(tree)


class TestTheFolder:
    def test_a_mail(self, catalog: Catalog, tmp_path: Path) -> None:
        first, _ = write_series(listed(catalog), tmp_path / "out")
        assert first.read_text() == MAIL

    def test_its_files(self, catalog: Catalog, tmp_path: Path) -> None:
        out = tmp_path / "new" / "out"
        paths = write_series(listed(catalog), out)
        assert [path.name for path in paths] == ["0001-crypt.patch", "0002-stdio.patch"]
        assert (out / SERIES).read_text() == "0001-crypt.patch\n0002-stdio.patch\n"
        assert {path.name for path in out.iterdir()} == {SERIES, *(path.name for path in paths)}
        assert list(out.parent.iterdir()) == [out]

    def test_numbers_have_the_width_of_the_last(self, catalog: Catalog, tmp_path: Path) -> None:
        twelve = write_series([*listed(catalog)] * 6, tmp_path / "out")
        assert b"\nSubject: [PATCH 02/12] t\n" in twelve[1].read_bytes()

    def test_an_earlier_series_is_replaced(self, catalog: Catalog, tmp_path: Path) -> None:
        out = tmp_path / "out"
        write_series(listed(catalog), out)
        first = {path.name: path.read_bytes() for path in out.iterdir()}
        write_series(listed(catalog, errata=False), out)
        assert {path.name for path in out.iterdir()} == {SERIES, "0001-stdio.patch"}
        write_series(listed(catalog), out)
        assert {path.name: path.read_bytes() for path in out.iterdir()} == first

    @pytest.mark.parametrize(
        ("files", "has"),
        [
            ({"notes": ""}, "notes"),
            ({SERIES: "0001-a.patch\n", "notes": ""}, "notes"),
            ({SERIES: "mine.patch\n", "mine.patch": "x"}, "mine.patch"),
            ({SERIES: "mine.patch -p0\n"}, SERIES),
            ({SERIES: "mine.patch\n", "mine.patch": MAIL.replace("alpypy", "n")}, "mine.patch"),
            ({SERIES: "other.patch\n", "mine.patch": MAIL}, "mine.patch"),
            ({f"{SERIES}/mine.patch": MAIL}, SERIES),
        ],
    )
    def test_another_folder_stays(
        self, files: dict[str, str], has: str, catalog: Catalog, tmp_path: Path
    ) -> None:
        out = write_tree(tmp_path / "out", files)
        with pytest.raises(
            SpecError, match=f"is not a series of patches from alpypy: it has {has}"
        ):
            write_series(listed(catalog), out)
        assert {name: (out / name).read_text() for name in files} == files

    @pytest.mark.parametrize("out", [".", "{}"])
    def test_the_current_folder_is_refused(
        self, out: str, catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        current = tmp_path / "current"
        current.mkdir()
        monkeypatch.chdir(current)
        with pytest.raises(SpecError, match="is the current folder, which alpypy cannot replace"):
            write_series(listed(catalog), Path(out.format(current)))
        assert list(current.iterdir()) == []

    def test_a_mount_is_refused(self, catalog: Catalog) -> None:
        with pytest.raises(SpecError, match=r"/proc is a mount, .*\n.*: --out /proc/musl"):
            write_series(listed(catalog), Path("/proc"))


class TestTools:
    def test_git_am(self, catalog: Catalog, tmp_path: Path) -> None:
        patches = listed(catalog)
        mails = write_series(patches, tmp_path / "out")
        git = repository(tmp_path / "git")
        run(git, "git", "am", *map(str, mails))
        assert contents(git) == expected(tmp_path / "own", patches)
        assert run(git, "git", "status", "--porcelain") == ""
        log = run(git, "git", "log", "-1", "--format=%an <%ae>|%at|%s|%b", "HEAD~1")
        about, message = log.rsplit("|", 1)
        assert about == "alpypy <alpypy@alpypy.invalid>|315532800|crypt() in the C library"
        assert message.rstrip() == MAIL.partition("\n\n")[2].partition("\n---\n")[0]

    def test_patch_without_fuzz(self, catalog: Catalog, tmp_path: Path) -> None:
        patches = listed(catalog)
        tree = write_tree(tmp_path / "tree", {**TREE, STDIO: TREE[STDIO] + "nine\n"})
        for mail in write_series(patches, tmp_path / "out"):
            said = run(tree, "patch", "-p1", "--fuzz=0", "--input", str(mail))
            assert "offset" not in said
        own = expected(tmp_path / "own", patches)
        assert contents(tree) == {**own, STDIO: own[STDIO] + b"nine\n"}

    def test_quilt(self, catalog: Catalog, tmp_path: Path) -> None:
        if shutil.which("quilt") is None:
            pytest.skip("apt-get install quilt")
        patches = listed(catalog)
        tree = write_tree(tmp_path / "tree", TREE)
        write_series(patches, tree / "patches")
        said = run(tree, "quilt", "--quiltrc", "-", "push", "-a", "--fuzz=0")
        assert said.endswith("Now at patch 0002-stdio.patch\n")
        assert contents(tree) == expected(tmp_path / "own", patches)
        run(tree, "quilt", "--quiltrc", "-", "pop", "-a")
        assert contents(tree) == {name: text.encode() for name, text in TREE.items()}

    def test_a_source_that_is_not_utf8_and_a_title_that_is_not_ascii(self, tmp_path: Path) -> None:
        diff = DIFF.format(file=CRYPT).replace("one", "ein\xdf")
        write_patch(tmp_path, "crypt", diff)
        (patch,) = load_patches(tmp_path, KNOWN)
        patch = replace(patch, title="C\u2019s crypt()", why="caf\u00e9 " * 30)
        (mail,) = write_series([patch], tmp_path / "out")
        git = repository(tmp_path / "git")
        (git / CRYPT).write_bytes(b"ein\xdf\ntwo\nthree\n")
        run(git, "git", "commit", "-q", "-a", "-m", "latin-1")
        run(git, "git", "am", str(mail))
        assert (git / CRYPT).read_bytes() == b"ein\xdf\n2\nthree\n"
        log = run(git, "git", "log", "-1", "--format=%s|%b")
        assert log.startswith("C\u2019s crypt()|" + "caf\u00e9 caf\u00e9 ")

    def test_git_reads_every_patch_of_the_project(self, tmp_path: Path) -> None:
        for mail, patch in zip(
            write_series(REAL.patches, tmp_path / "out"), REAL.patches, strict=True
        ):
            with mail.open("rb") as file:
                said = subprocess.run(
                    ["git", "mailinfo", "message", "diff"],
                    stdin=file,
                    cwd=tmp_path,
                    check=True,
                    capture_output=True,
                ).stdout.decode()
            message = " ".join((tmp_path / "message").read_text().split())
            assert f"\nSubject: {patch.title}\n" in said
            assert message.startswith(f"{patch.why} Origin: ")
            assert f" Glibc: {patch.glibc}" in message
            assert (tmp_path / "diff").read_bytes().count(b"\n+++ b/") == len(patch.files)


class TestWhichPatches:
    def test_those_that_list_the_release(self, catalog: Catalog) -> None:
        fitted = series_patches(catalog, RELEASE, None)
        assert [patch.topic for patch in fitted.applied] == ["crypt", "stdio"]
        fitted = series_patches(catalog, RELEASE, None, errata=False)
        assert [patch.topic for patch in fitted.applied] == ["stdio"]
        assert fitted.no_errata == ("crypt",)
        assert series_patches(catalog, "3.11-8.0.0", None).applied == ()

    @pytest.mark.parametrize(
        ("version", "what"),
        [
            ("3.11-8.0.0-alpha", "is not a release"),
            ("3.11-8.0.0-alpha+762c531b493", "is not a release"),
            ("3.11-9.0.0", "versions/ has no release"),
            ("3.11-8.0.0+762c531b493", "versions/ has no release"),
            ("rpython-0.2.1", "is not a PyPy version"),
        ],
    )
    def test_what_has_no_series(self, version: str, what: str, catalog: Catalog) -> None:
        with pytest.raises(SpecError, match=what):
            series_patches(catalog, version, None)

    def test_a_releases_own_source_takes_what_lists_it(
        self, catalog: Catalog, tmp_path: Path
    ) -> None:
        tree = write_tree(tmp_path / "tree", TREE)
        fitted = series_patches(catalog, RELEASE, source(tree))
        assert fitted == series_patches(catalog, RELEASE, None)

    def test_what_a_tree_has_is_left_out_and_what_moved_is_written_where_it_fits(
        self, tmp_path: Path
    ) -> None:
        (tmp_path / "patches").mkdir()
        catalog = catalog_of(tmp_path / "patches", "3.11-8.0.0")
        files = {CRYPT: "one\n2\nthree\n", STDIO: "zero\n" + TREE[STDIO]}
        tree = repository(tmp_path / "git", files)
        fitted = series_patches(catalog, "3.11-8.0.0-alpha", source(tree))
        (left,) = fitted.left_out
        assert (left.name, left.reason) == ("crypt", "the tree has the same change already")
        (mail,) = write_series(fitted.applied, tmp_path / "out")
        assert b"\n@@ -2,3 +2,3 @@\n one\n" in mail.read_bytes()
        run(tree, "git", "am", str(mail))
        assert (tree / STDIO).read_text() == "zero\none\n2\nthree\nfour\nfive\nsix\n7\neight\n"

    def test_a_changed_source_of_a_checked_release_is_matched(
        self, catalog: Catalog, tmp_path: Path
    ) -> None:
        tree = write_tree(tmp_path / "tree", {**TREE, CRYPT: "zero\n" + TREE[CRYPT]})
        moved, unmoved = series_patches(catalog, RELEASE, source(tree)).applied
        assert (moved.moved, unmoved.moved) == (True, False)
        tree = write_tree(tmp_path / "tree", {CRYPT: "other\n"})
        (misfit,) = series_patches(catalog, RELEASE, source(tree)).misfits
        assert misfit.startswith("crypt.patch does not fit 3.11-7.3.23")


def test_the_source_of_a_version(tmp_path: Path) -> None:
    commits = ("3.12-8.0.0-alpha+1111111", "3.12-8.0.0-alpha+2222222")
    sources = [source(tmp_path, release) for release in ("3.11-8.0.0", *commits)]
    assert source_of("3.11-8.0.0", sources) is sources[0]
    assert source_of("3.12-8.0.0-alpha", sources) is sources[2]
    assert source_of(commits[0], sources) is sources[1]
    assert source_of("3.12-8.0.0", sources) is None
