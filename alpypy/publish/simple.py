"""The index that pip installs wheels from: PEP 503 in HTML, PEP 691 (with PEP 700) in JSON.

A static server gives ``index.html``, which every pip reads. ``index.v1_json`` is for one that
chooses by the header Accept; the name is the one that bandersnatch's mirrors use for it.
"""

from __future__ import annotations

import html
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

from alpypy.publish.index import Index, Wheel

FOLDER = "simple"
JSON_NAME = "index.v1_json"
JSON_TYPE = "application/vnd.pypi.simple.v1+json"
_META = {"api-version": "1.1"}


def pages(index: Index) -> dict[str, str]:
    """The files of the simple index, by their paths in the release's folder."""
    projects: dict[str, list[Wheel]] = defaultdict(list)
    for wheel in index.wheels:
        projects[wheel.name.project].append(wheel)
    found = {
        f"{FOLDER}/index.html": _page("Wheels", (_link(f"{name}/", name) for name in projects)),
        f"{FOLDER}/{JSON_NAME}": _document(projects=[{"name": name} for name in projects]),
    }
    for name, wheels in projects.items():
        found[f"{FOLDER}/{name}/index.html"] = _page(name, map(_wheel_link, wheels))
        found[f"{FOLDER}/{name}/{JSON_NAME}"] = _project(name, wheels)
    return found


def _page(title: str, links: Iterator[str]) -> str:
    shown = html.escape(title)
    lines = (
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="pypi:repository-version" content="1.0">',
        f"<title>{shown}</title></head><body>",
        f"<h1>{shown}</h1>",
        *links,
        "</body></html>",
    )
    return "\n".join(lines) + "\n"


def _link(address: str, text: str, more: str = "") -> str:
    return f'<a href="{html.escape(address)}"{more}>{html.escape(text)}</a><br>'


def _wheel_link(wheel: Wheel) -> str:
    asks = wheel.requires_python
    more = f' data-requires-python="{html.escape(asks)}"' if asks else ""
    return _link(f"{_address(wheel)}#sha256={wheel.sha256}", wheel.file, more)


def _address(wheel: Wheel) -> str:
    return f"../../{quote(wheel.file)}"


def _project(name: str, wheels: Sequence[Wheel]) -> str:
    versions = list(dict.fromkeys(wheel.name.version for wheel in wheels))
    return _document(name=name, versions=versions, files=[_file(wheel) for wheel in wheels])


def _file(wheel: Wheel) -> dict[str, Any]:
    file = {
        "filename": wheel.file,
        "url": _address(wheel),
        "hashes": {"sha256": wheel.sha256},
        "size": wheel.size,
    }
    asks = wheel.requires_python
    return file | ({"requires-python": asks} if asks else {})


def _document(**values: Any) -> str:
    return json.dumps({"meta": _META, **values}, indent=1) + "\n"
