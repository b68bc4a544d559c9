"""Patches matched with a tree that is no release: what applies, what is left out and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from alpypy.core.errors import PatchError
from alpypy.recipes.checkout import copy_files
from alpypy.recipes.fitting import FittedPatches, fitted_patches, require_fit
from alpypy.recipes.patches import apply, load_patches, select
from alpypy.recipes.recipe import Catalog, load_catalog
from tests.trees import write_tree

ROOT = Path(__file__).parents[3]
REAL = load_catalog(ROOT)
KNOWN = ("3.11-7.3.22", "3.11-7.3.23", "3.11-8.0.0", "3.12-8.0.0")
FILE = "lib_pypy/_crypt.py"
OLD, NEW, ELSE = "one\ntwo\nthree\n", "one\n2\nthree\n", "one\nzwei\nthree\n"
DIFF = f"--- a/{FILE}\n+++ b/{FILE}\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n"
OTHER = DIFF.replace("-two\n+2", "-zwei\n+2")


def patch(folder: Path, name: str, releases: str, diff: str = DIFF, **more: str) -> None:
    fields = {
        "Title": "t",
        "Why": "w",
        "Releases": releases,
        "Origin": "own",
        "Upstream": "not fixed",
        "Glibc": "not affected",
        **more,
    }
    text = "".join(f"{name}: {value}\n" for name, value in fields.items())
    (folder / f"{name}.patch").write_text(f"{text}\n{diff}")


def catalog(folder: Path) -> Catalog:
    pypys = {name: REAL.pypys[name] for name in KNOWN}
    return replace(REAL, pypys=pypys, patches=load_patches(folder, KNOWN))


def fit(
    folder: Path, content: str, release: str = "3.11-8.0.0-alpha", *, errata: bool = True
) -> FittedPatches:
    tree = write_tree(folder / "tree", {FILE: content})
    patches = catalog(folder)

    def copy(files: Sequence[str], to: Path) -> None:
        copy_files(tree, files, to)

    fitted = fitted_patches(patches, release, "3.23", copy, errata=errata)
    assert (tree / FILE).read_text() == content
    return fitted


def names(fitted: FittedPatches) -> list[str]:
    return [patch.name for patch in fitted.applied]


def test_the_patches_of_the_release_that_the_tree_is_on_the_way_to(tmp_path: Path) -> None:
    patch(tmp_path, "topic", "3.11-8.0.0")
    assert names(fit(tmp_path, OLD)) == ["topic"]


def test_a_change_that_the_tree_has_is_left_out_wherever_it_is(tmp_path: Path) -> None:
    patch(tmp_path, "topic", "3.11-8.0.0")
    fitted = fit(tmp_path, "zero\n" + NEW)
    (left,) = fitted.left_out
    assert (names(fitted), fitted.misfits) == ([], ())
    assert (left.name, left.reason) == ("topic", "the tree has the same change already")


def test_a_mark_shows_upstreams_own_change_even_where_the_patch_fits(tmp_path: Path) -> None:
    patch(tmp_path, "topic", "3.11-8.0.0", **{"Upstream-mark": f"{FILE}: four = 4"})
    assert names(fit(tmp_path, OLD)) == ["topic"]
    (left,) = fit(tmp_path, OLD + "four = 4\n").left_out
    assert left.reason == f"{FILE} has upstream's own change"


def test_a_required_patch_moves_to_the_only_place_with_its_context(tmp_path: Path) -> None:
    patch(tmp_path, "topic", "3.11-8.0.0")
    fitted = fit(tmp_path, "zero\n" + OLD)
    (moved,) = fitted.applied
    assert b"@@ -2,3 +2,3 @@" in moved.body
    tree = write_tree(tmp_path / "unpacked", {FILE: "zero\n" + OLD})
    apply(fitted.applied, tree, "3.11-8.0.0-alpha")
    assert (tree / FILE).read_text() == "zero\n" + NEW


def test_hunks_move_one_by_one_and_the_later_ones_count_what_was_added(tmp_path: Path) -> None:
    first = DIFF.replace("+1,3", "+1,4").replace("+2\n", "+2\n+2.5\n")
    second = "@@ -7,2 +8,3 @@\n seven\n+7.5\n eight\n"
    patch(tmp_path, "topic", "3.11-8.0.0", first + second)
    content = OLD + "four\nfive\nsix\nmore\nseven\neight\n"
    (moved,) = fit(tmp_path, content).applied
    assert moved.moved
    assert b"@@ -1,3 +1,4 @@" in moved.body
    assert b"@@ -8,2 +9,3 @@" in moved.body
    assert names(fit(tmp_path, "seven\neight\n" + OLD)) == []


def test_a_hunk_that_is_at_its_line_stays_there(tmp_path: Path) -> None:
    second = "@@ -7,2 +7,3 @@\n seven\n+7.5\n eight\n"
    patch(tmp_path, "topic", "3.11-8.0.0", DIFF + second)
    (moved,) = fit(tmp_path, OLD + OLD + "more\nseven\neight\n").applied
    assert b"@@ -1,3 +1,3 @@" in moved.body


def test_the_end_of_a_file_is_no_line(tmp_path: Path) -> None:
    patch(tmp_path, "topic", "3.11-8.0.0", DIFF.replace(" three\n", " \n"))
    assert names(fit(tmp_path, "zero\none\ntwo\n")) == []
    assert names(fit(tmp_path, "zero\none\ntwo\n\n")) == ["topic"]


def test_a_patch_of_two_files_moves_in_both(tmp_path: Path) -> None:
    other = "lib_pypy/_md5.py"
    patch(tmp_path, "topic", "3.11-8.0.0", DIFF + DIFF.replace(FILE, other))
    tree = write_tree(tmp_path / "two", {FILE: OLD, other: "zero\n" + OLD})
    (moved,) = fitted_patches(
        catalog(tmp_path), "3.11-8.0.0", "3.23", lambda files, to: copy_files(tree, files, to)
    ).applied
    apply([moved], tree, "3.11-8.0.0")
    assert [(tree / file).read_text() for file in (FILE, other)] == [NEW, "zero\n" + NEW]


def test_a_second_patch_of_the_file_moves_by_what_the_first_added(tmp_path: Path) -> None:
    first = DIFF.replace("+1,3", "+1,4").replace("+2\n", "+2\n+2.5\n")
    patch(tmp_path, "first", "3.11-8.0.0", first)
    second = "@@ -6,2 +6,2 @@\n five\n-six\n+6\n"
    patch(tmp_path, "second", "3.11-8.0.0", DIFF[: DIFF.index("@@")] + second)
    fitted = fit(tmp_path, "zero\n" + OLD + "four\nfive\nsix\n")
    assert b"@@ -7,2 +7,2 @@" in fitted.applied[1].body


def test_a_symbolic_link_is_a_misfit(tmp_path: Path) -> None:
    patch(tmp_path, "topic", "3.11-8.0.0")

    def copy(files: Sequence[str], to: Path) -> None:
        write_tree(to, {"real": "zero\n" + OLD})
        (to / FILE).parent.mkdir(parents=True)
        (to / FILE).symlink_to(to / "real")

    (misfit,) = fitted_patches(catalog(tmp_path), "3.11-8.0.0", "3.23", copy).misfits
    assert misfit == f"topic.patch does not fit 3.11-8.0.0 at {FILE}, which does not exist"


@pytest.mark.parametrize("content", [f"zero\n{OLD}{OLD}", "zero\n", ""])
def test_a_patch_does_not_move_to_one_of_two_places_or_to_none(
    tmp_path: Path, content: str
) -> None:
    patch(tmp_path, "topic", "3.11-8.0.0")
    fitted = fit(tmp_path, content)
    assert (names(fitted), len(fitted.misfits)) == ([], 1)


def test_a_patch_that_is_not_listed_for_the_release_does_not_move(tmp_path: Path) -> None:
    """Upstream has fixed it by the release, perhaps in another way: the place alone may differ."""
    patch(tmp_path, "topic", "3.11-7.3.23")
    (left,) = fit(tmp_path, "zero\n" + OLD).left_out
    assert left.reason == "no longer listed for this release, and does not fit the tree"


def test_neither_is_a_misfit(tmp_path: Path) -> None:
    patch(tmp_path, "topic", "3.11-8.0.0")
    fitted = fit(tmp_path, ELSE)
    assert fitted.misfits == (
        f"topic.patch does not fit 3.11-8.0.0-alpha at hunk 1 of {FILE} (line 1)",
    )
    with pytest.raises(PatchError, match=r"do not fit /src/pypy") as caught:
        require_fit(fitted, "3.11-8.0.0-alpha", "/src/pypy")
    assert fitted.misfits[0] in caught.value.what
    assert "has fixed it in another way" in caught.value.remedy
    assert "Upstream-mark: FILE: TEXT" in caught.value.remedy


def test_an_erratum_that_the_user_does_not_want_need_not_fit(tmp_path: Path) -> None:
    patch(tmp_path, "fault", "3.11-8.0.0", Kind="erratum", Issue="pypy/pypy#1")
    for content in (OLD, ELSE):
        fitted = fit(tmp_path, content, errata=False)
        assert fitted == FittedPatches((), (), (), ("fault",))
    (left,) = fit(tmp_path, NEW, errata=False).left_out
    assert left.name == "fault"
    assert fit(tmp_path, ELSE).misfits


def test_the_other_patches_fit_without_the_errata(tmp_path: Path) -> None:
    """The erratum was settled before this release, so both may change one file."""
    patch(tmp_path, "fault", "3.11-7.3.23", Kind="erratum", Issue="pypy/pypy#1")
    patch(tmp_path, "topic", "3.11-8.0.0")
    fitted = fit(tmp_path, OLD, errata=False)
    assert (names(fitted), fitted.misfits) == (["topic"], ())


def test_what_upstream_mended_just_before_the_release_may_still_be_needed(tmp_path: Path) -> None:
    patch(tmp_path, "topic", "3.11-7.3.22..7.3.23")
    for release in ("3.11-8.0.0-alpha", "3.12-8.0.0-alpha"):
        assert names(fit(tmp_path, OLD, release)) == ["topic"]
        (left,) = fit(tmp_path, ELSE, release).left_out
        assert left.reason == "no longer listed for this release, and does not fit the tree"


def test_what_only_an_older_language_needs_is_not_tried(tmp_path: Path) -> None:
    """Upstream did not fix it before the release: Python 3.12 never had the fault."""
    patch(tmp_path, "topic", "3.11-7.3.23, 3.11-8.0.0")
    assert fit(tmp_path, OLD, "3.12-8.0.0-alpha") == FittedPatches((), (), ())
    assert names(fit(tmp_path, OLD, "3.11-8.0.0-alpha")) == ["topic"]


def test_what_was_mended_long_before_the_release_is_not_tried(tmp_path: Path) -> None:
    patch(tmp_path, "topic", "3.11-7.3.22")
    assert fit(tmp_path, OLD) == FittedPatches((), (), ())


def test_the_variant_for_the_release_before_serves_an_earlier_commit(tmp_path: Path) -> None:
    patch(tmp_path, "topic@3.11-7.3.22", "3.11-7.3.22..7.3.23")
    patch(tmp_path, "topic@3.11-8.0.0", "3.11-8.0.0, 3.12-8.0.0", OTHER)
    assert names(fit(tmp_path, ELSE)) == ["topic@3.11-8.0.0"]
    assert names(fit(tmp_path, OLD)) == ["topic@3.11-7.3.22"]


def test_a_variant_for_trees_alone_comes_first(tmp_path: Path) -> None:
    """Upstream fixed it between this alpha and its release, which needs no patch."""
    patch(tmp_path, "topic", "3.11-7.3.23")
    patch(tmp_path, "topic@3.11-8.0.0-alpha", "3.11-8.0.0-alpha", DIFF.replace("+2", "+deux"))
    assert names(fit(tmp_path, OLD)) == ["topic@3.11-8.0.0-alpha"]
    assert names(fit(tmp_path, OLD, "3.11-8.0.0-beta")) == ["topic"]
    assert not select(catalog(tmp_path).patches, "3.11-8.0.0", "3.23")


def test_a_patch_that_is_listed_for_the_tree_must_fit(tmp_path: Path) -> None:
    patch(tmp_path, "topic", "3.11-8.0.0-alpha")
    (misfit,) = fit(tmp_path, ELSE).misfits
    assert "does not fit 3.11-8.0.0-alpha" in misfit
    assert fit(tmp_path, ELSE, "3.11-8.0.0-beta") == FittedPatches((), (), ())


@pytest.mark.parametrize("release", ["3.11-8.1.0-alpha", "3.11-8.0.1", "3.12-9.0.0-rc1"])
def test_a_version_that_is_not_listed_takes_the_newest_before_it(
    release: str, tmp_path: Path
) -> None:
    patch(tmp_path, "old", "3.11-7.3.23")
    patch(tmp_path, "topic", "3.11-8.0.0, 3.12-8.0.0")
    assert names(fit(tmp_path, OLD, release)) == ["topic"]


def test_a_patch_sees_what_those_before_it_made(tmp_path: Path) -> None:
    patch(tmp_path, "a", "3.11-8.0.0")
    patch(tmp_path, "b", "3.11-8.0.0", DIFF.replace("-two\n+2", "-2\n+deux"))
    assert names(fit(tmp_path, OLD)) == ["a", "b"]
    assert names(fit(tmp_path, NEW)) == ["b"]


def test_a_patch_for_other_alpines_is_no_candidate(tmp_path: Path) -> None:
    patch(tmp_path, "topic", "3.11-8.0.0", Alpine="<3.17")
    assert fit(tmp_path, ELSE) == FittedPatches((), (), ())
