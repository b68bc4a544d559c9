"""The packages installed in an Alpine, from apk's own database.

Format of the database: https://wiki.alpinelinux.org/wiki/Apk_spec
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

PATH = "/lib/apk/db/installed"
_SONAME = "so:"


@dataclass(frozen=True)
class Installed:
    """The installed packages, and the shared libraries that they provide.

    ``versions`` maps a package to its version, ``providers`` a soname to the package that provides
    it, and ``places`` a soname to the path of the library's file below the top folder.
    """

    versions: Mapping[str, str]
    providers: Mapping[str, str]
    places: Mapping[str, str]


def read(database: str) -> Installed:
    """Read the text of a database, without the lines whose format is unknown."""
    versions: dict[str, str] = {}
    providers: dict[str, str] = {}
    places: dict[str, str] = {}
    for entry in database.split("\n\n"):
        lines = entry.splitlines()
        fields = dict(line.split(":", 1) for line in lines if line[1:2] == ":")
        if "P" not in fields:
            continue
        versions[fields["P"]] = fields.get("V", "")
        sonames = set(_sonames(fields.get("p", "")))
        providers |= dict.fromkeys(sonames, fields["P"])
        paths = {path.rpartition("/")[2]: path for path in _paths(lines)}
        places |= {name: path for name, path in paths.items() if name in sonames}
    return Installed(versions, providers, places)


def unknown_packages(apk_output: str) -> tuple[str, ...]:
    """The packages that apk reports as missing; empty if apk could not read a repository.

    Without an index, apk reports every package as missing.
    """
    if re.search(r"(WARNING: (Ignoring|fetching|opening|updating)|temporary error)", apk_output):
        return ()
    return tuple(re.findall(r"(\S+) \(no such package\)", apk_output))


def _sonames(provides: str) -> Iterator[str]:
    for word in provides.split():
        if word.startswith(_SONAME):
            yield word.removeprefix(_SONAME).partition("=")[0]


def _paths(lines: Sequence[str]) -> Iterator[str]:
    folder = ""
    for line in lines:
        if line.startswith("F:"):
            folder = line[2:]
        elif line.startswith("R:"):
            yield f"{folder}/{line[2:]}"
