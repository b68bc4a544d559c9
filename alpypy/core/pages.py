"""HTML pages from templates/. Each page is a single file, without scripts or other resources."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from alpypy.core.folders import ROOT


def render(template: str, **values: object) -> str:
    """Render a page. Values are text: HTML in them is escaped.

    Args:
        template: the name of a file in templates/.
        values: the template's variables. A missing one is an error.
    """
    return _environment().get_template(template).render(values)


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(ROOT / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
