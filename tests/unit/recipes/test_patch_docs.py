"""The table of the patches, and docs/patches.md, which is made from their headers."""

from __future__ import annotations

from pathlib import Path

import pytest

from alpypy.recipes.patch_docs import PAGE, page, table
from alpypy.recipes.patches import Patch, load_patches
from alpypy.recipes.recipe import load_catalog

ROOT = Path(__file__).parents[3]
CATALOG = load_catalog(ROOT)
KNOWN = ("2.7-7.0.0", "2.7-7.1.0", "3.6-7.0.0", "rpython-0.2.1")
HEADER = (
    "Title: {title}\nWhy: {why}\nReleases: {releases}\nOrigin: {origin}\nUpstream: {upstream}\n"
    "Glibc: {glibc}\n\n"
)
DIFF = "--- a/{file}\n+++ b/{file}\n@@ -1 +1 @@\n-1\n+2\n"
FIELDS = {
    "title": "stat instead of stat64",
    "why": "gone in <sys/stat.h> of musl 1.2.4",
    "origin": "upstream 2bc938f8077",
    "upstream": "fixed in 7.3.14 (2bc938f8077)",
    "glibc": "not affected",
    "file": "rpython/rlib/rposix_stat.py",
}


@pytest.fixture
def patches(tmp_path: Path) -> tuple[Patch, ...]:
    """Two topics; the second has two variants, of which the newer says something else."""

    def write(name: str, releases: str, **changed: str) -> None:
        fields = {**FIELDS, **changed, "releases": releases}
        (tmp_path / f"{name}.patch").write_text((HEADER + DIFF).format(**fields))

    write("crypt", "3.6-7.0.0", title="crypt()", origin="own", upstream="not fixed")
    write("stat@2.7-7.0.0", "2.7-7.0.0..7.1.0, rpython-0.2.1")
    write("stat@3.6-7.0.0", "3.6-7.0.0", glibc="*changed* alike", file="lib_pypy/_stat.py")
    return load_patches(tmp_path, KNOWN)


def test_the_table_says_which_file_serves_which_release(patches: tuple[Patch, ...]) -> None:
    assert list(table(patches, KNOWN)) == [
        " 1  crypt: crypt()",
        "      a  patches/crypt.patch",
        " 2  stat: stat instead of stat64",
        "      a  patches/stat@2.7-7.0.0.patch",
        "      b  patches/stat@3.6-7.0.0.patch",
        "              12",
        "2.7-7.0.0     .a",
        "2.7-7.1.0     .a",
        "3.6-7.0.0     ab",
        "rpython-0.2.1 .a",
    ]


def test_errata_have_a_table_of_their_own(patches: tuple[Patch, ...], tmp_path: Path) -> None:
    erratum = (HEADER + DIFF).replace("Glibc:", "Kind: erratum\nIssue: pypy/pypy#1\nGlibc:")
    fields = {**FIELDS, "title": "match", "releases": "2.7-7.1.0", "file": "lib_pypy/a.py"}
    (tmp_path / "match.patch").write_text(erratum.format(**fields))
    lines = list(table(load_patches(tmp_path, KNOWN), KNOWN))
    assert lines[:-6] == list(table(patches, KNOWN))
    assert lines[-4:] == [
        " 1  match: match",
        "      a  patches/match.patch",
        "              1",
        "2.7-7.1.0     a",
    ]


def test_a_tree_has_a_row_behind_the_releases(patches: tuple[Patch, ...], tmp_path: Path) -> None:
    fields = {**FIELDS, "releases": "3.6-7.0.0-alpha", "file": "lib_pypy/a.py"}
    (tmp_path / "alone.patch").write_text((HEADER + DIFF).format(**fields))
    lines = list(table(load_patches(tmp_path, KNOWN), KNOWN))
    assert lines[-2:] == ["rpython-0.2.1   ..a", "3.6-7.0.0-alpha a.."]


def test_every_patch_is_in_the_table_where_it_is_for() -> None:
    lines = list(table(CATALOG.patches, CATALOG.releases))
    rows = [words for words in map(str.split, lines) if words and words[0] in CATALOG.releases]
    shown: dict[str, int] = {}
    for release, *groups in rows:
        letters = "".join(groups).replace(".", "")
        shown[release] = shown.get(release, 0) + len(letters)
    assert shown == {
        release: sum(release in patch.releases for patch in CATALOG.patches)
        for release in CATALOG.releases
    }
    releases = [line for line in lines if line.split()[:1] in [[name] for name in shown]]
    assert max(map(len, releases)) <= 80


def test_a_section_has_all_that_the_headers_say(patches: tuple[Patch, ...]) -> None:
    section = page(patches, KNOWN).split("### stat\n")[1]
    link = "[2bc938f8077](https://github.com/pypy/pypy/commit/2bc938f8077)"
    assert section.splitlines() == [
        "",
        "**stat instead of stat64**",
        "",
        r"gone in \<sys/stat.h> of musl 1.2.4",
        "",
        "- Releases: 2.7-7.0.0..7.1.0, 3.6-7.0.0, rpython-0.2.1",
        "- Files: `lib_pypy/_stat.py`, `rpython/rlib/rposix_stat.py`",
        f"- Origin: upstream {link}",
        f"- Upstream: fixed in 7.3.14 ({link})",
        "- glibc: not affected",
        r"- glibc: (`stat@3.6-7.0.0`) \*changed\* alike",
        "",
        "| patch | releases |",
        "|---|---|",
        "| [stat@2.7-7.0.0](../patches/stat@2.7-7.0.0.patch) | 2.7-7.0.0..7.1.0, rpython-0.2.1 |",
        "| [stat@3.6-7.0.0](../patches/stat@3.6-7.0.0.patch) | 3.6-7.0.0 |",
    ]


def test_an_alpine_is_told_where_a_patch_is_not_for_all(tmp_path: Path) -> None:
    text = HEADER.replace("Glibc:", "Alpine: >=3.17\nGlibc:") + DIFF
    (tmp_path / "a.patch").write_text(text.format(**FIELDS, releases="2.7-7.0.0"))
    assert "- Alpine: >=3.17\n" in page(load_patches(tmp_path, KNOWN), KNOWN)


def test_the_page_is_what_the_headers_say() -> None:
    """`invoke patches --write-docs` writes it anew."""
    assert (ROOT / PAGE).read_text(encoding="utf-8") == page(CATALOG.patches, CATALOG.releases)
