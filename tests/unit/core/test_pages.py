"""Templates: what is filled in is text, and nothing that is missing is left out silently."""

from __future__ import annotations

import pytest
from jinja2 import UndefinedError

from alpypy.core.folders import ROOT
from alpypy.core.pages import render

TEMPLATES = sorted(path.name for path in (ROOT / "templates").glob("*.html"))


def test_what_is_filled_in_is_text() -> None:
    page = render("simple.html", title="<b>&", links=[])
    assert "<title>&lt;b&gt;&amp;</title>" in page


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_value_that_is_missing_is_an_error(name: str) -> None:
    with pytest.raises(UndefinedError, match="is undefined"):
        render(name)
