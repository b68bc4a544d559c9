"""The repositories in this machine's apt settings. alpypy only reads these settings."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

# Without --no-release-info, apt leaves out repositories that apt-get update has not fetched.
_COMMAND = ("apt-get", "indextargets", "--no-release-info", "--format")
_FORMAT = "$(REPO_URI) $(RELEASE) $(SOURCESENTRY)"
_OPTION = re.compile(r"\[[^]]*\bsigned-by=([^]\s]+)", re.IGNORECASE)
_FIELD = re.compile(r"^Signed-By:(.*(?:\n[ \t].*)*)", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class Repository:
    """A repository: its address, and the keys that sign it.

    ``suffix`` is the part of the suite after the release's name, such as ``-security``.
    ``signed_by`` is the value of Signed-By; if it is empty, any key that apt trusts may sign.
    """

    address: str
    suffix: str
    signed_by: str


def repositories() -> tuple[Repository, ...]:
    """The repositories with an http or https address; empty on a machine without apt."""
    try:
        completed = subprocess.run(
            [*_COMMAND, _FORMAT], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return ()
    return tuple(dict.fromkeys(_read(dict.fromkeys(completed.stdout.splitlines()))))


def _read(lines: Iterable[str]) -> Iterator[Repository]:
    for line in lines:
        address, release, entry = line.split(" ", 2)
        if address.startswith(("http://", "https://")):
            _, dash, rest = release.partition("-")
            yield Repository(address.rstrip("/"), dash + rest, _signed_by(entry))


def _signed_by(entry: str) -> str:
    """Signed-By of the entry ``<file>:<number>`` of apt's sources; see sources.list(5).

    The number counts lines; in a file in deb822 format it counts stanzas.
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
