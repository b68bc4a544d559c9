"""The index that pip installs wheels from: PEP 503 in HTML, PEP 691 (with PEP 700) in JSON.

A static server sends ``index.html``, which every pip reads. ``index.v1_json`` is for servers that
choose by the header Accept; bandersnatch's mirrors use the same name.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from alpypy.core.pages import render
from alpypy.publish.index import ReleasedWheel, ReleaseIndex

FOLDER = "simple"
JSON_NAME = "index.v1_json"
_META = {"api-version": "1.1"}


@dataclass(frozen=True)
class _Link:
    text: str
    address: str
    requires_python: str | None = None


def pages(index: ReleaseIndex) -> dict[str, str]:
    """The files of the simple index, by their paths in the release's folder."""
    projects: dict[str, list[ReleasedWheel]] = defaultdict(list)
    for wheel in index.wheels:
        projects[wheel.name.project].append(wheel)
    links = [_Link(name, f"{name}/") for name in projects]
    made = {
        f"{FOLDER}/index.html": render("simple.html", title="Wheels", links=links),
        f"{FOLDER}/{JSON_NAME}": _document(projects=[{"name": name} for name in projects]),
    }
    for name, wheels in projects.items():
        links = [_wheel_link(wheel) for wheel in wheels]
        made[f"{FOLDER}/{name}/index.html"] = render("simple.html", title=name, links=links)
        made[f"{FOLDER}/{name}/{JSON_NAME}"] = _project(name, wheels)
    return made


def _wheel_link(wheel: ReleasedWheel) -> _Link:
    return _Link(wheel.file, f"{_address(wheel)}#sha256={wheel.sha256}", wheel.requires_python)


def _address(wheel: ReleasedWheel) -> str:
    return f"../../{quote(wheel.file)}"


def _project(name: str, wheels: Sequence[ReleasedWheel]) -> str:
    versions = list(dict.fromkeys(wheel.name.version for wheel in wheels))
    return _document(name=name, versions=versions, files=[_file(wheel) for wheel in wheels])


def _file(wheel: ReleasedWheel) -> dict[str, Any]:
    file = {
        "filename": wheel.file,
        "url": _address(wheel),
        "hashes": {"sha256": wheel.sha256},
        "size": wheel.size,
        "upload-time": wheel.date,
    }
    asks = wheel.requires_python
    return file | ({"requires-python": asks} if asks else {})


def _document(**values: Any) -> str:
    return json.dumps({"meta": _META, **values}, indent=1) + "\n"
