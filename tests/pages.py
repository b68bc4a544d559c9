"""The project's pages in Markdown, as a parser sees them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[1]
FOLDERS = (".", "changes", "docs", "docs/evidence", "docs/upstream", "ledger")
PAGES = sorted(page for folder in FOLDERS for page in (ROOT / folder).glob("*.md"))


@cache
def tokens(text: str) -> tuple[Token, ...]:
    """The blocks of a page; one of type "inline" has its text, links and code spans as children."""
    return tuple(MarkdownIt("commonmark").enable("table").parse(text))


def page_name(page: Path) -> str:
    return str(page.relative_to(ROOT))
