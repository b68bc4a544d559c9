"""Pages made of the templates in templates/. Each page is one file, without scripts, that needs
nothing but itself."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from alpypy.core.folders import ROOT


def render(template: str, **values: object) -> str:
    """A page. Every value is text: what in it could be HTML is escaped.

    Args:
        template: a file of templates/.
        values: what the template asks for. A value that it asks for and does not get is an error.
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
