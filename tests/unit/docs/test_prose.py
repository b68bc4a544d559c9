"""How the project's pages are written: the width of prose, and words that docs/STYLE.md avoids."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pages import PAGES, ROOT, page_name, tokens

WIDTH = 120  # of prose; tables and code may be wider
AVOIDED = re.compile(
    r"\b(?:anew|for want of|as it stands|the like|has no more|(?:is|are) told)\b",
    re.IGNORECASE,
)
# Written from the headers of the patches; examples of what to avoid; the past's own words.
EXEMPT = {ROOT / "docs/patches.md", ROOT / "docs/STYLE.md", ROOT / "CHANGELOG.md"}


def prose_lines(text: str) -> dict[int, str]:
    """Lines of paragraphs and list items by their number, from 1 on."""
    lines = text.splitlines()
    paragraphs = (
        token.map for token in tokens(text) if token.type == "paragraph_open" and token.map
    )
    return {number + 1: lines[number] for start, end in paragraphs for number in range(start, end)}


def too_wide(text: str) -> list[str]:
    return [f"{n}: {line}" for n, line in prose_lines(text).items() if len(line) > WIDTH]


def avoided(text: str) -> Iterator[str]:
    """Avoided words in what a reader reads: neither code blocks nor code spans."""
    for token in tokens(text):
        pieces = [child.content for child in token.children or () if child.type != "code_inline"]
        yield from AVOIDED.findall(" ".join(" ".join(pieces).split()))


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_prose_is_not_too_wide(page: Path) -> None:
    assert too_wide(page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("page", [page for page in PAGES if page not in EXEMPT], ids=page_name)
def test_avoided_words_are_not_used(page: Path) -> None:
    assert list(avoided(page.read_text(encoding="utf-8"))) == []


def test_a_wide_line_is_seen_in_prose_alone() -> None:
    wide = "word " * 30
    text = (
        f"# {wide}\n\n- {wide}\n\n```\n{wide}\n```\n\n| a |\n|---|\n| {wide} |\n\nshort\n{wide}\n"
    )
    assert [line.partition(":")[0] for line in too_wide(text)] == ["3", "14"]


def test_an_avoided_word_is_seen_where_it_is_read() -> None:
    text = "# Made anew\n\n`anew` both are\ntold\n\n    anew\n\n| a |\n|---|\n| for want of it |\n"
    assert list(avoided(text)) == ["anew", "are told", "for want of"]
