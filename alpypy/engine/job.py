"""A command in a container: how to run it, and how it ended."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_PROXY_NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY")


@dataclass(frozen=True)
class Mount:
    """A folder or file of the host, and its path in the container."""

    source: Path
    target: str
    writable: bool = False


@dataclass(frozen=True)
class Job:
    """A command in a container. ``timeout`` is in seconds; None waits forever.

    ``last_words`` is the signal that the command gets at the timeout, 5 seconds before its end.
    ``network`` is Docker's name of it: none, bridge or host.
    """

    image: str
    command: Sequence[str]
    mounts: Sequence[Mount] = ()
    environment: Mapping[str, str] | None = None
    user: str | None = None
    workdir: str | None = None
    timeout: float | None = 600
    memory_mib: int | None = None
    last_words: str | None = None
    network: str = "none"


@dataclass(frozen=True)
class MeasuredJob(Job):
    """A command whose time counts. ``in_memory`` are empty folders that all users may write to, and
    that no disk slows down; ``processors`` is a list in Linux's form, such as 1 or 0-2."""

    in_memory: Sequence[str] = ()
    processors: str | None = None


@dataclass(frozen=True)
class Completed:
    """How a command ended. ``exit_code`` is 124 after a timeout, as with timeout(1)."""

    exit_code: int
    output: str


def proxy_environment() -> dict[str, str]:
    """The user's proxy settings, for image builds (never kept in an image)."""
    settings = {}
    for name in _PROXY_NAMES:
        value = os.environ.get(name) or os.environ.get(name.lower())
        if value:
            settings[name] = settings[name.lower()] = value
    return settings
