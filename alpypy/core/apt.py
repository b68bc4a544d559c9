"""The repositories that the apt of this machine is set up for; its settings are only read."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

# Without --no-release-info those are missing that apt-get update has not yet been run for.
_COMMAND = ("apt-get", "indextargets", "--no-release-info", "--format")
_FORM = "$(REPO_URI) $(RELEASE) $(SOURCESENTRY)"
_OPTION = re.compile(r"\[[^]]*\bsigned-by=([^]\s]+)", re.IGNORECASE)
_FIELD = re.compile(r"^Signed-By:(.*(?:\n[ \t].*)*)", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class Repository:
    """A repository: where it is, and how apt is to trust it.

    ``suffix`` is what follows the release's name in the suite, such as ``-security``; ``signed_by``
    the value of Signed-By, empty where every key counts that apt trusts.
    """

    address: str
    suffix: str
    signed_by: str


def repositories() -> tuple[Repository, ...]:
    """Those that are reached over http or https; none on a machine without apt."""
    try:
        done = subprocess.run([*_COMMAND, _FORM], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ()
    return tuple(dict.fromkeys(_read(dict.fromkeys(done.stdout.splitlines()))))


def _read(lines: Iterable[str]) -> Iterator[Repository]:
    for line in lines:
        address, release, entry = line.split(" ", 2)
        if address.startswith(("http://", "https://")):
            _, dash, rest = release.partition("-")
            yield Repository(address.rstrip("/"), dash + rest, _signed_by(entry))


def _signed_by(entry: str) -> str:
    """Which keys apt takes for an entry ``<file>:<number>`` of its sources; see sources.list(5).

    The number counts lines, and in a file in deb822's form its stanzas.
    """
    name, _, number = entry.rpartition(":")
    lines = Path(name).read_text(encoding="utf-8").splitlines()
    if not name.endswith(".sources"):
        option = _OPTION.search(lines[int(number) - 1])
        return option[1].replace(",", " ") if option else ""
    text = "\n".join(line.rstrip() for line in lines if not line.startswith("#"))
    stanzas = [stanza for stanza in re.split(r"\n{2,}", text) if stanza.strip()]
    field = _FIELD.search(stanzas[int(number) - 1])
    return field[1].lstrip(" \t") if field else ""
