"""The release, libraries and packages of an Alpine.

``dockerfiles/verify/probes/system.sh`` prints them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from alpypy.core import apkdb


@dataclass(frozen=True)
class System:
    """An Alpine, the names of its libraries, and its packages with the sonames they provide."""

    release: str
    arch: str
    libraries: frozenset[str]
    packages: frozenset[str]
    providers: Mapping[str, str]


def read_system(output: str) -> System:
    """Read what ``system.sh`` prints."""
    parts = dict(sections(output))
    installed = apkdb.read("\n".join(parts.get("installed", ())))
    return System(
        release="".join(parts.get("release", ())).strip(),
        arch="".join(parts.get("arch", ())).strip(),
        libraries=frozenset(line.rpartition("/")[2] for line in parts.get("libraries", ())),
        packages=frozenset(installed.versions),
        providers=installed.providers,
    )


def sections(output: str) -> Iterator[tuple[str, list[str]]]:
    """The sections of a script's output: the name in a line ``== <name>``, then its lines."""
    lines: list[str] = []
    for line in output.splitlines():
        if line.startswith("== "):
            lines = []
            yield line.removeprefix("== "), lines
        else:
            lines.append(line)
