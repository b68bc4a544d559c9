"""Headers of patch files, their selection, and exact application to a tree or not at all."""

from __future__ import annotations

import difflib
import os
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path

import patch_ng
import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from alpypy.core.errors import DataError, PatchError
from alpypy.recipes import patches
from alpypy.recipes.patches import Patch, apply, load_patches, ranges, select, topics

ROOT = Path(__file__).parents[3]
KNOWN = (
    "2.7-7.0.0",
    "2.7-7.1.0",
    "2.7-7.3.9",
    "2.7-7.3.10",
    "3.6-7.0.0",
    "3.6-7.3.3",
    "rpython-0.2.1",
)
FIELDS = {
    "Title": "stat instead of stat64",
    "Why": "musl 1.2.4 has no stat64",
    "Releases": "2.7-7.0.0",
    "Origin": "own",
    "Upstream": "not fixed",
    "Glibc": "not affected",
}
OLD = [f"line {n}\n" for n in range(1, 31)]
NEW = [*OLD[:9], "ten\n", *OLD[10:24], "between\n", *OLD[24:]]


def diff(old: Sequence[str], new: Sequence[str], file: str = "rpython/rlib/a.py") -> str:
    return "".join(difflib.unified_diff(old, new, f"a/{file}", f"b/{file}"))


def header(**changed: str | None) -> str:
    fields = {name: changed.get(name, value) for name, value in FIELDS.items()} | changed
    return "".join(f"{name}: {value}\n" for name, value in fields.items() if value is not None)


def load(folder: Path, text: str, name: str = "topic.patch") -> Patch:
    (folder / name).write_text(text)
    (patch,) = load_patches(folder, KNOWN)
    return patch


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(DataError) as error:
        load(folder, text)
    assert str(folder / "topic.patch") in error.value.remedy
    assert error.value.what.startswith("topic.patch: ")
    return error.value.what


def tree_of(folder: Path) -> dict[str, tuple[bytes, int, int]]:
    """All that can be seen of the files: content, mode and time of modification."""
    return {
        str(path.relative_to(folder)): (
            path.read_bytes(),
            path.stat().st_mode,
            path.stat().st_mtime_ns,
        )
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    for file in ("rpython/rlib/a.py", "lib_pypy/b.py"):
        (tree / file).parent.mkdir(parents=True)
        (tree / file).write_text("".join(OLD))
    (tree / "lib_pypy/b.py").chmod(0o751)
    return tree


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "patches"
    folder.mkdir()
    return folder


class TestHeader:
    def test_every_field_is_read(self, folder: Path) -> None:
        text = header(Why="first\n    second", Alpine=">=3.18") + "\n" + diff(OLD, NEW)
        patch = load(folder, text, "stat64@2.7-7.0.0.patch")
        assert (patch.name, patch.topic) == ("stat64@2.7-7.0.0", "stat64")
        assert patch.path == folder / "stat64@2.7-7.0.0.patch"
        assert patch.title == FIELDS["Title"]
        assert patch.why == "first second"
        assert patch.releases == ("2.7-7.0.0",)
        assert (patch.origin, patch.upstream) == ("own", "not fixed")
        assert patch.alpine == SpecifierSet(">=3.18")
        assert patch.body == diff(OLD, NEW).encode()
        assert patch.files == ("rpython/rlib/a.py",)

    def test_the_digest_is_that_of_the_diff(self, folder: Path) -> None:
        first = load(folder, header() + diff(OLD, NEW))
        reworded = load(folder, header(Why="another reason") + "\n" + diff(OLD, NEW))
        other = load(folder, header() + diff(OLD, [*NEW, "end\n"]))
        assert first.digest == reworded.digest != other.digest

    def test_a_patch_is_for_musl_unless_it_says_erratum(self, folder: Path) -> None:
        patch = load(folder, header() + diff(OLD, NEW))
        assert (patch.kind, patch.is_erratum, patch.issues) == ("musl", False, ())
        text = header(Kind="erratum", Issue="pypy/pypy#5490, uqfoundation/dill#756")
        erratum = load(folder, text + diff(OLD, NEW))
        assert (erratum.kind, erratum.is_erratum) == ("erratum", True)
        assert erratum.issues == ("pypy/pypy#5490", "uqfoundation/dill#756")

    @pytest.mark.parametrize("name", FIELDS)
    def test_a_field_may_not_be_missing_or_empty(self, folder: Path, name: str) -> None:
        for value in (None, ""):
            assert f"field {name} is missing" in refusal(
                folder, header(**{name: value}) + diff(OLD, NEW)
            )

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            (header() + header(), "the header has the field Title twice"),
            ("unindented text\n" + header(), "'unindented text' is not a header field"),
            ("    indented text\n" + header(), "is not a header field"),
            (header() + "Reason: none\n", "'Reason: none' is not a header field"),
            (header(Origin="a friend"), "field Origin: 'a friend'"),
            (header(Origin="upstream e1c1"), "field Origin: 'upstream e1c1'"),
            (header(Alpine="3.18"), "field Alpine"),
            (header(Kind="glibc"), "field Kind: 'glibc'"),
            (header(Kind="erratum"), "an erratum without the field Issue"),
            (header(Issue="5490"), "field Issue: '5490'"),
        ],
    )
    def test_refused_headers(self, folder: Path, text: str, says: str) -> None:
        assert says in refusal(folder, text + diff(OLD, NEW))

    def test_a_header_that_is_not_utf_8(self, folder: Path) -> None:
        (folder / "topic.patch").write_bytes(b"Title: \xff\n" + diff(OLD, NEW).encode())
        with pytest.raises(DataError, match="header is not UTF-8"):
            load_patches(folder, KNOWN)

    def test_no_folder(self, folder: Path) -> None:
        with pytest.raises(DataError, match="missing is not a folder"):
            load_patches(folder / "missing", KNOWN)

    @given(st.text())
    def test_any_text_for_a_header_is_a_data_error(self, text: str) -> None:
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "topic.patch").write_bytes(text.encode() + diff(OLD, NEW).encode())
            with pytest.raises(DataError):
                load_patches(Path(folder), KNOWN)


class TestReleases:
    @pytest.mark.parametrize(
        ("text", "names"),
        [
            ("2.7-7.0.0..7.3.10", KNOWN[:4]),
            ("2.7-7.1.0..7.3.9", KNOWN[1:3]),
            ("3.6-7.0.0..7.3.3", KNOWN[4:6]),
            ("rpython-0.2.1, 3.6-7.0.0, 2.7-7.3.9..7.3.10", (*KNOWN[2:5], KNOWN[6])),
            (
                "3.6-7.0.0, 3.6-7.0.0-rc1, 3.6-7.0.0-alpha",
                ("3.6-7.0.0-alpha", "3.6-7.0.0-rc1", "3.6-7.0.0"),
            ),
        ],
    )
    def test_ranges_go_by_release_within_a_language(
        self, folder: Path, text: str, names: tuple[str, ...]
    ) -> None:
        assert load(folder, header(Releases=text) + diff(OLD, NEW)).releases == names

    @given(st.integers(0, 3), st.integers(0, 3))
    def test_a_range_holds_both_ends_and_all_between(self, one: int, two: int) -> None:
        with tempfile.TemporaryDirectory() as folder:
            text = f"{KNOWN[one]}..{KNOWN[two].partition('-')[2]}"
            path = Path(folder, "topic.patch")
            path.write_text(header(Releases=text) + diff(OLD, NEW))
            if one < two:
                (patch,) = load_patches(Path(folder), KNOWN)
                assert patch.releases == KNOWN[one : two + 1]
            else:
                with pytest.raises(DataError, match="does not go upwards"):
                    load_patches(Path(folder), KNOWN)

    @given(st.sets(st.sampled_from((*KNOWN, f"{KNOWN[5]}-alpha", f"{KNOWN[0]}-rc1")), min_size=1))
    def test_what_is_written_as_ranges_is_read_back(self, names: set[str]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            text = header(Releases=ranges(names, KNOWN)) + diff(OLD, NEW)
            assert set(load(Path(folder), text).releases) == names

    def test_ranges_are_as_short_as_they_can_be(self) -> None:
        assert ranges(KNOWN, KNOWN) == "2.7-7.0.0..7.3.10, 3.6-7.0.0..7.3.3, rpython-0.2.1"
        assert ranges([KNOWN[2], KNOWN[0]], KNOWN) == "2.7-7.0.0, 2.7-7.3.9"
        assert ranges([], KNOWN) == ""

    def test_a_tree_stands_behind_the_releases(self) -> None:
        tree = f"{KNOWN[0]}-alpha"
        assert ranges([tree, KNOWN[0]], KNOWN) == f"{KNOWN[0]}, {tree}"

    def test_a_topic_has_its_variants_from_old_to_new(self, folder: Path) -> None:
        for release in ("3.6-7.0.0", "2.7-7.3.10", "2.7-7.3.9"):
            text = header(Releases=release) + diff(OLD, NEW)
            (folder / f"stdio@{release}.patch").write_text(text)
        (folder / "comp.patch").write_text(header() + diff(OLD, NEW))
        found = topics(load_patches(folder, KNOWN), KNOWN)
        assert {topic: [patch.releases[0] for patch in same] for topic, same in found.items()} == {
            "comp": ["2.7-7.0.0"],
            "stdio": ["2.7-7.3.9", "2.7-7.3.10", "3.6-7.0.0"],
        }

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("3.6-7.0.1", "'3.6-7.0.1' is not a known release"),
            ("3.6-7.0.0..7.3.9", "'3.6-7.3.9' is not a known release"),
            ("2.7-6.0.0..7.3.9", "'2.7-6.0.0' is not a known release"),
            ("3.6-7..7.3.3", "'3.6-7' is not a PyPy version"),
            ("3.6-7.0.0,", "'' is not a known release"),
            ("all", "'all' is not a known release"),
            ("3.6-7.9.9-alpha", "'3.6-7.9.9-alpha' is not a known release"),
            ("2.7-7.0.0..7.1.0-alpha", "'2.7-7.0.0..7.1.0-alpha' is not a known release"),
            ("3.6-7.0.0-alpha0", "'3.6-7.0.0-alpha0' is not a known release"),
            ("3.6-7.0.0, 3.6-7.0.0..7.3.3", "3.6-7.0.0 is listed twice"),
        ],
    )
    def test_refused_releases(self, folder: Path, text: str, says: str) -> None:
        assert says in refusal(folder, header(Releases=text) + diff(OLD, NEW))

    def test_errata_and_other_patches_fit_without_each_other(self, folder: Path) -> None:
        erratum = header(Kind="erratum", Issue="pypy/pypy#1", Releases="2.7-7.1.0..7.3.10")
        (folder / "erratum.patch").write_text(erratum + diff(OLD, NEW))
        (folder / "musl.patch").write_text(header() + diff(OLD, NEW))
        assert len(load_patches(folder, KNOWN)) == 2
        for releases in ("2.7-7.3.9", "2.7-7.3.9-alpha"):
            (folder / "musl.patch").write_text(header(Releases=releases) + diff(OLD, NEW))
            with pytest.raises(DataError, match=r"musl changes rpython/rlib/a.py of 2.7-7.3.9 too"):
                load_patches(folder, KNOWN)

    def test_two_variants_of_a_topic_for_one_release(self, folder: Path) -> None:
        text = header(Releases="2.7-7.0.0..7.1.0") + diff(OLD, NEW)
        (folder / "topic@2.7-7.0.0.patch").write_text(text)
        (folder / "topic@2.7-7.1.0.patch").write_text(text)
        with pytest.raises(DataError, match=r"2\.7-7\.0\.0 already has topic@2\.7-7\.0\.0"):
            load_patches(folder, KNOWN)

    def test_different_topics_share_a_release(self, folder: Path) -> None:
        for name in ("topic-two.patch", "topic.patch"):
            (folder / name).write_text(header() + diff(OLD, NEW))
        assert [p.name for p in load_patches(folder, KNOWN)] == ["topic-two", "topic"]

    def test_selection_by_release_and_alpine(self, folder: Path) -> None:
        (folder / "a.patch").write_text(header(Alpine=">=3.9,<3.17") + diff(OLD, NEW))
        (folder / "b.patch").write_text(header() + diff(OLD, NEW))
        loaded = load_patches(folder, KNOWN)
        assert [p.name for p in select(loaded, "2.7-7.0.0", "3.9")] == ["a", "b"]
        assert [p.name for p in select(loaded, "2.7-7.0.0", "3.17")] == ["b"]
        assert select(loaded, "2.7-7.1.0", "3.9") == ()


class TestDiff:
    @pytest.mark.parametrize(
        ("file", "application_level"),
        [
            ("rpython/rlib/rfile.py", False),
            ("pypy/module/cpyext/include/pyport.h", False),
            ("pypy/tool/release/package.py", True),
            ("lib_pypy/_dbm.py", True),
            ("lib-python/2.7/ctypes/util.py", True),
            ("lib-python/3/importlib/_bootstrap.py", False),
        ],
    )
    def test_what_the_translation_does_not_see(
        self, folder: Path, file: str, application_level: bool
    ) -> None:
        alone = load(folder, header() + diff(OLD, NEW, file))
        with_core = load(folder, header() + diff(OLD, NEW, file) + diff(OLD, NEW, "rpython/x.py"))
        assert alone.application_level is application_level
        assert not with_core.application_level

    @pytest.mark.parametrize(
        "body",
        [
            "",
            "--- a/x\n+++ b/x\n",
            diff(OLD, NEW).replace("-line 10\n", ""),
            diff(OLD, NEW) + "a line too many\n",
        ],
    )
    def test_empty_or_damaged(self, folder: Path, body: str) -> None:
        assert "the diff is empty or damaged" in refusal(folder, header() + body)

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("/dev/null", "b/new.py"),
            ("a/gone.py", "/dev/null"),
            ("a/one.py", "b/two.py"),
            ("one.py", "one.py"),
            ("a/../../etc/passwd", "b/../../etc/passwd"),
            ("/etc/passwd", "/etc/passwd"),
        ],
    )
    def test_anything_but_a_change_in_place(self, folder: Path, old: str, new: str) -> None:
        body = "".join(difflib.unified_diff(OLD, NEW, old, new))
        with pytest.raises(DataError):
            load(folder, header() + body)

    def test_a_file_that_is_named_twice(self, folder: Path) -> None:
        assert "names a file twice" in refusal(folder, header() + diff(OLD, NEW) + diff(NEW, OLD))


class TestApply:
    def test_files_change_and_keep_their_mode(self, folder: Path, tree: Path) -> None:
        text = header() + diff(OLD, NEW) + diff(OLD, NEW, "lib_pypy/b.py")
        apply([load(folder, text)], tree, "2.7-7.0.0")
        assert (tree / "rpython/rlib/a.py").read_text() == "".join(NEW)
        assert (tree / "lib_pypy/b.py").read_text() == "".join(NEW)
        assert (tree / "lib_pypy/b.py").stat().st_mode & 0o777 == 0o751
        assert set(tree_of(tree)) == {"rpython/rlib/a.py", "lib_pypy/b.py"}

    def test_later_patches_see_the_result_of_earlier_ones(self, folder: Path, tree: Path) -> None:
        last = [*NEW[:9], "10\n", *NEW[10:]]
        (folder / "a.patch").write_text(header() + diff(OLD, NEW))
        (folder / "b.patch").write_text(header() + diff(NEW, last))
        apply(load_patches(folder, KNOWN), tree, "2.7-7.0.0")
        assert (tree / "rpython/rlib/a.py").read_text() == "".join(last)

    def test_nothing_changes_when_the_last_patch_fails(self, folder: Path, tree: Path) -> None:
        (folder / "a.patch").write_text(header() + diff(OLD, NEW, "lib_pypy/b.py"))
        (folder / "b.patch").write_text(header() + diff([*OLD[:25], "other\n"], OLD))
        before = tree_of(tree)
        with pytest.raises(PatchError) as error:
            apply(load_patches(folder, KNOWN), tree, "2.7-7.0.0")
        assert "b.patch does not fit 2.7-7.0.0 at hunk 1 of rpython/rlib/a.py" in error.value.what
        assert tree_of(tree) == before

    @pytest.mark.parametrize(("line", "hunk"), [(9, 1), (23, 2)])
    def test_the_message_names_the_hunk(
        self, folder: Path, tree: Path, line: int, hunk: int
    ) -> None:
        patch = load(folder, header() + diff(OLD, NEW))
        changed = [*OLD[:line], "changed\n", *OLD[line + 1 :]]
        (tree / "rpython/rlib/a.py").write_text("".join(changed))
        with pytest.raises(PatchError, match=f"hunk {hunk} of rpython/rlib/a.py"):
            apply([patch], tree, "2.7-7.0.0")

    @pytest.mark.parametrize("content", [NEW, ["moved\n", *OLD], OLD[1:], OLD[:20], []])
    def test_only_the_exact_source_is_accepted(
        self, folder: Path, tree: Path, content: list[str]
    ) -> None:
        """Neither what is patched already, nor the same lines elsewhere, nor a shorter file."""
        (tree / "rpython/rlib/a.py").write_text("".join(content))
        before = tree_of(tree)
        with pytest.raises(PatchError):
            apply([load(folder, header() + diff(OLD, NEW))], tree, "2.7-7.0.0")
        assert tree_of(tree) == before

    def test_a_missing_file_or_a_link(self, folder: Path, tree: Path) -> None:
        patch = load(folder, header() + diff(OLD, NEW))
        (tree / "rpython/rlib/a.py").unlink()
        with pytest.raises(PatchError, match=r"a\.py, which does not exist"):
            apply([patch], tree, "2.7-7.0.0")
        (tree / "rpython/rlib/a.py").symlink_to(tree / "lib_pypy/b.py")
        with pytest.raises(PatchError, match=r"a\.py, which does not exist"):
            apply([patch], tree, "2.7-7.0.0")
        assert (tree / "lib_pypy/b.py").read_text() == "".join(OLD)

    def test_no_patch_changes_nothing(self, tree: Path) -> None:
        before = tree_of(tree)
        apply([], tree, "2.7-7.0.0")
        assert tree_of(tree) == before

    def test_an_error_while_files_are_replaced_puts_them_back(
        self, tree: Path, tmp_path: Path
    ) -> None:
        new = tmp_path / "new"
        (new / "lib_pypy").mkdir(parents=True)
        (new / "lib_pypy/b.py").write_text("new\n")  # and nothing for the second file
        before = tree_of(tree)
        with pytest.raises(FileNotFoundError):
            patches._swap(["lib_pypy/b.py", "rpython/rlib/a.py"], new, tmp_path / "old", tree)
        assert tree_of(tree) == before

    @given(data=st.data())
    def test_every_diff_gives_what_it_was_made_from(self, data: st.DataObject) -> None:
        line = st.sampled_from(["a\n", "b\n", "\n", "-- c\n", "++ d\n", "\\ e\n", "@@ f\n"])
        old = data.draw(st.lists(line, min_size=1, max_size=40))
        new = data.draw(st.lists(line, min_size=1, max_size=40).filter(lambda x: x != old))
        with tempfile.TemporaryDirectory() as scratch:
            tree, folder = Path(scratch, "tree"), Path(scratch, "patches")
            folder.mkdir()
            tree.mkdir()
            (tree / "x").write_text("".join(old))
            apply([load(folder, header() + diff(old, new, "x"))], tree, "2.7-7.0.0")
            assert (tree / "x").read_text() == "".join(new)
            assert os.listdir(tree) == ["x"]


class TestOurs:
    """The patches of this project, without any source."""

    @pytest.fixture
    def known(self) -> list[str]:
        files = (ROOT / "versions/pypy.toml", ROOT / "versions/rpython.toml")
        return [name for file in files for name in tomllib.loads(file.read_text())]

    def test_all_are_usable(self, known: list[str]) -> None:
        loaded = load_patches(ROOT / "patches", known)
        assert {p.path for p in loaded} == set((ROOT / "patches").iterdir())

    def test_a_topic_skips_no_release_of_a_language(self, known: list[str]) -> None:
        """A fix is needed up to the release that has it, so a hole is a release forgotten."""
        loaded = load_patches(ROOT / "patches", known)
        for topic in {p.topic for p in loaded}:
            covered = {release for p in loaded if p.topic == topic for release in p.releases}
            for language in {release.partition("-")[0] for release in covered}:
                releases = [name for name in known if name.startswith(f"{language}-")]
                places = [n for n, name in enumerate(releases) if name in covered]
                between = range(min(places, default=0), max(places, default=-1) + 1)
                assert places == list(between), (topic, language)

    def test_every_hunk_changes_something(self, known: list[str]) -> None:
        for patch in load_patches(ROOT / "patches", known):
            for item in patch_ng.fromstring(patch.body).items:
                for hunk in item.hunks:
                    old = [line[1:] for line in hunk.text if line[:1] in (b" ", b"-")]
                    new = [line[1:] for line in hunk.text if line[:1] in (b" ", b"+")]
                    assert old != new, (patch.name, hunk.startsrc)

    def test_the_variant_is_named_after_its_first_release(self, known: list[str]) -> None:
        for patch in load_patches(ROOT / "patches", known):
            first = patch.name.partition("@")[2]
            assert first in ("", patch.releases[0]), patch.name
