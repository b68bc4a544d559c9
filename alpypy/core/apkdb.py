"""What is installed in an Alpine, out of apk's own database.

The form of the database: https://wiki.alpinelinux.org/wiki/Apk_spec
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

PATH = "/lib/apk/db/installed"
_SONAME = "so:"


@dataclass(frozen=True)
class Installed:
    """The installed packages and the shared libraries that they say to provide.

    ``versions`` has a version by the name of its package, ``providers`` a package by soname, and
    ``places`` the path of the library's file by soname, below the top folder.
    """

    versions: Mapping[str, str]
    providers: Mapping[str, str]
    places: Mapping[str, str]


def read(database: str) -> Installed:
    """Read the text of a database; lines of no known form count for nothing."""
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
    """Packages that apk says do not exist; none when it could not read a repository.

    apk says of every package that it does not exist when it has no index to look in.
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
