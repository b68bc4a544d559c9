"""The list of PyPys that uv installs from, if UV_PYTHON_DOWNLOADS_JSON_URL names it.

It has the form of uv's own list: JsonPythonDownload in uv's crates/uv-python/src/downloads.rs. uv
knows Pythons by version, architecture and libc, not by the Alpine that they are for; and it accepts
whole addresses only ("relative URL without a base").
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from alpypy.publish.index import ReleasedTarball, ReleaseIndex

FILE_NAME = "uv-downloads.json"
# uv writes EXTERNALLY-MANAGED into lib/pypy3.8. Earlier PyPys have no such folder, and uv fails.
_OLDEST = (3, 8)


def pages(index: ReleaseIndex) -> dict[str, str]:
    """The list, by its name; nothing if the release has no address."""
    if index.url is None:
        return {}
    entries = {_key(tarball): _entry(tarball, index.url) for tarball in choose(index)}
    return {FILE_NAME: json.dumps(entries, indent=1) + "\n"}


def choose(index: ReleaseIndex) -> list[ReleasedTarball]:
    """The PyPys in the list: one for each version of Python and architecture, the newest.

    Of several Alpines it is the oldest one whose PyPy needs the same libraries as that for the
    newest Alpine: it runs on both, and on those in between. A portable one of that PyPy comes
    first. Releases of a language come before trees; among these, PyPys made with Alpine's own
    packages come before those that need the kit's.
    """
    usable = [tarball for tarball in index.tarballs if _is_usable(tarball)]
    best: dict[tuple[str, str], tuple[bool, bool]] = {}
    for tarball in usable:
        language = (tarball.language, tarball.target.arch)
        best[language] = min(_rank(tarball), best.get(language, (True, True)))
    chosen: dict[str, ReleasedTarball] = {}
    for tarball in usable:  # the newest first
        if _rank(tarball) == best[tarball.language, tarball.target.arch]:
            newer = chosen.setdefault(_key(tarball), tarball)
            if _is_alike(newer, tarball):
                chosen[_key(tarball)] = tarball
    return list(chosen.values())


def _is_usable(tarball: ReleasedTarball) -> bool:
    if not (tarball.gzip and tarball.python):
        return False
    return tuple(map(int, tarball.language.split("."))) >= _OLDEST


def _rank(tarball: ReleasedTarball) -> tuple[bool, bool]:
    return tarball.target.names_tree, tarball.kit


def _is_alike(tarball: ReleasedTarball, other: ReleasedTarball) -> bool:
    """Whether they are the same PyPy and need the same libraries."""
    same = tarball.target.version == other.target.version
    return same and _needs(tarball) == _needs(other)


def _needs(tarball: ReleasedTarball) -> set[str]:
    return {need.soname for need in tarball.build.needed}


def _key(tarball: ReleasedTarball) -> str:
    return f"pypy-{tarball.python}-linux-{tarball.target.arch}-musl"


def _entry(tarball: ReleasedTarball, url: str) -> dict[str, Any]:
    assert tarball.python
    assert tarball.gzip
    major, minor, patch = map(int, tarball.python.split("."))
    return {
        "name": "pypy",
        "arch": {"family": tarball.target.arch, "variant": None},
        "os": "linux",
        "libc": "musl",
        "major": major,
        "minor": minor,
        "patch": patch,
        "prerelease": "",  # of Python, not of PyPy
        "url": f"{url}/{quote(tarball.gzip.name)}",
        "sha256": tarball.gzip.sha256,
        "variant": None,
        "build": tarball.target.version.partition("-")[2],
    }
