"""Pages for people: one file each, readable on a phone and in the dark, without JavaScript."""

from __future__ import annotations

import html
from collections.abc import Iterable
from string import Template

from alpypy.core.folders import ROOT

_TEMPLATES = ROOT / "templates"


def page(title: str, body: Iterable[str], *styles: str) -> str:
    """A page that needs nothing but itself.

    Args:
        title: text; it is escaped here.
        body: lines of HTML.
        styles: files of templates/ whose rules come after those that all pages share.
    """
    style = "\n".join(_text(name).rstrip() for name in ("page.css", *styles))
    frame = Template(_text("page.html"))
    return frame.substitute(title=html.escape(title), style=style, body="\n".join(body))


def _text(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")
