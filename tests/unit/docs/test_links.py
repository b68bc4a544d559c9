"""Every relative link in the project's pages leads to a file, or to a heading in one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from markdown_it.token import Token

from tests.pages import PAGES, ROOT, page_name, tokens

LOG = ROOT / "docs/evidence"  # its commands and paths are those of the day
# Folders of this repository whose files a page may name in backticks.
NAMED = re.compile(r"(?:\.ci|alpypy|docs|dockerfiles|ledger|patches|tests|versions)/[\w./+-]+")


def parse(page: Path) -> tuple[Token, ...]:
    return tokens(page.read_text(encoding="utf-8"))


def inline(page: Path) -> Iterator[Token]:
    """The pieces of text, links and code spans of a page; code blocks have none."""
    for token in parse(page):
        yield from token.children or ()


def links(page: Path) -> list[str]:
    hrefs = (token.attrGet("href") or token.attrGet("src") for token in inline(page))
    return [str(href) for href in hrefs if href is not None]


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    seen: Counter[str] = Counter()
    result = set()
    for opening, heading in pairwise(parse(page)):
        if opening.type != "heading_open":
            continue
        text = "".join(child.content for child in heading.children or ())
        anchor = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        result.add(f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor)
        seen[anchor] += 1
    return result


def leads_somewhere(page: Path, href: str) -> bool:
    address = urlsplit(href)
    if address.scheme or address.netloc:
        return True  # other sites are not asked
    target = (page.parent / unquote(address.path)).resolve() if address.path else page
    if not address.fragment:
        return target.exists()
    return target.suffix == ".md" and target.is_file() and address.fragment in anchors(target)


def named_files(page: Path) -> Iterator[str]:
    for token in inline(page):
        if token.type == "code_inline" and NAMED.fullmatch(token.content):
            yield token.content


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    assert [href for href in links(page) if not leads_somewhere(page, href)] == []


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if LOG not in page.parents and page.name != "CHANGELOG.md"],
    ids=page_name,
)
def test_files_named_in_backticks_exist(page: Path) -> None:
    assert [name for name in named_files(page) if not (ROOT / name).exists()] == []


def test_what_leads_nowhere_is_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A `b` (c)\n## Twice\n## Twice\n\n[1](#a-b-c) [2](#twice-1) [3](page.md#twice)\n"
        "[4](#twice-2) [5](gone.md) [6](gone.md#a) ![7](gone.png) [8](https://example.org/x#y)\n\n"
        "```\n[not a link](gone.md)\n```\n\n| [9](#a) |\n|---|\n| [10](#a-b-c) |\n",
        encoding="utf-8",
    )
    broken = [href for href in links(page) if not leads_somewhere(page, href)]
    assert broken == ["#twice-2", "gone.md", "gone.md#a", "gone.png", "#a"]
    page.write_text("`versions/gone.toml` `versions/` `docs/<name>.md`", encoding="utf-8")
    assert list(named_files(page)) == ["versions/gone.toml"]
