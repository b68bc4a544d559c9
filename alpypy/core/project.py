"""The folders that a command works with, and what fetches files into them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from alpypy.core.fetch import Fetcher
from alpypy.core.store import Store


@dataclass(frozen=True)
class Project:
    """What a command works with that needs no container engine.

    ``data`` holds versions/, patches/ and dockerfiles/. ``artifacts`` takes what comes out.
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
        """Where logs are kept; the folder is made when it is asked for."""
        folder = self.cache / "logs"
        folder.mkdir(parents=True, exist_ok=True)
        return folder
