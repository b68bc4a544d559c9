"""The folders that a command works with, and its downloads and messages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from alpypy.core.fetch import Fetcher
from alpypy.core.store import Store


@dataclass(frozen=True)
class Project:
    """The context of a command that needs no container engine.

    ``data`` holds versions/, patches/ and dockerfiles/. ``artifacts`` receives the results.
    ``cache`` keeps downloads, finished stages and logs. ``say`` prints one line about the work.
    """

    data: Path
    artifacts: Path
    cache: Path
    fetcher: Fetcher
    say: Callable[[str], None]

    @property
    def store(self) -> Store:
        """The finished stages."""
        return Store(self.cache)

    @property
    def logs(self) -> Path:
        """The folder of logs; alpypy creates it here if it is missing."""
        folder = self.cache / "logs"
        folder.mkdir(parents=True, exist_ok=True)
        return folder
