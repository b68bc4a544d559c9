"""Pages of publishers as values. One that is not in the known form is an error that names it."""

from __future__ import annotations

from typing import TypeVar

import yaml
from bs4 import BeautifulSoup

from alpypy.core.errors import PageError
from alpypy.core.fetch import Page
from alpypy.core.structs import MismatchError, convert, read_json

_T = TypeVar("_T")
_SHOWN = 60  # characters of a page's beginning


def unusable(page: Page, complaint: str) -> PageError:
    """The error for a page that is not what it was."""
    begins = page.content[:_SHOWN].decode("utf-8", errors="replace")
    return PageError(
        f"{page.address} is not what it was: {complaint}\n    it begins with {begins!r}",
        remedy="look at it: if it is an error page or is cut off, try again later, or with another"
        " --mirror; if its form has changed, alpypy/update/ must learn the new one",
    )


def text_of(page: Page) -> str:
    """A page's text.

    Raises:
        PageError: it is empty, or not UTF-8.
    """
    try:
        text = page.content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise unusable(page, f"it is not UTF-8: {error.reason}") from error
    if not text.strip():
        raise unusable(page, "it is empty")
    return text


def json_of(page: Page, kind: type[_T]) -> _T:
    """A page in JSON as values of ``kind``.

    Raises:
        PageError: it is something else.
    """
    text = text_of(page)
    try:
        return convert(read_json(text), kind)
    except ValueError as error:  # MismatchError is one
        raise unusable(page, str(error)) from error


def yaml_of(page: Page, kind: type[_T]) -> _T:
    """A page in YAML as values of ``kind``.

    Raises:
        PageError: it is something else.
    """
    text = text_of(page)
    try:
        # The loader that makes text, lists and tables alone: a digest can look like a number.
        return convert(yaml.load(text, Loader=yaml.BaseLoader), kind)  # noqa: S506
    except MismatchError as error:
        raise unusable(page, str(error)) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise unusable(page, f"it is not YAML: {error}") from error


def html_of(page: Page) -> BeautifulSoup:
    """A page in HTML.

    Raises:
        PageError: it is empty, not UTF-8 or has no end.
    """
    text = text_of(page)
    if not text.rstrip().lower().endswith("</html>"):
        raise unusable(page, "it does not end as an HTML page does")
    return BeautifulSoup(text, "html.parser")
