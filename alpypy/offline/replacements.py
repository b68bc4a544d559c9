"""The stage that downloads tested files of Debian, or what the mirrors have in their place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alpypy.core.store import key_of
from alpypy.core.structs import list_from_text, list_to_text
from alpypy.engine.workspace import Workspace
from alpypy.offline.pins import Pin, Replacement, settle


@dataclass(frozen=True)
class Replacements:
    """The stage that downloads the files of ``whole``.

    Its record lets the next run find what was made of them without the mirrors. Making it raises
    DownloadError or DigestError if a file could not be downloaded; see ``pins.settle``.
    """

    workspace: Workspace
    whole: str
    pins: tuple[Pin, ...]

    @property
    def title(self) -> str:
        """Such as ``the files of the kit for wheels``."""
        return f"the files of {self.whole}"

    @property
    def key(self) -> str:
        """Of the tested files."""
        digests = [pin.source.sha256 for pin in self.pins]
        return key_of(step=f"replacements in {self.whole}", tested=digests)

    def load(self) -> tuple[Replacement, ...] | None:
        """The replacements that the last run took; None before the first run."""
        record = self.workspace.store.record(self.key)
        return list_from_text(record["replacements"], Replacement) if record else None

    def make(self, work: Path) -> Mapping[str, Any]:
        """Download the files."""
        replacements = settle(self.workspace.fetcher, self.pins, self.workspace.say)
        return {"replacements": list_to_text(replacements)}
