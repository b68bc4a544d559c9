"""What all stages of a build have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from alpypy.build.estimates import Estimates
from alpypy.core.files import data_files
from alpypy.core.store import Stage


class BuildStage(Stage[Any], Protocol):
    """A stage that knows the stages before it and how long it should take."""

    @property
    def needs(self) -> Sequence[BuildStage]:
        """The stages whose results it uses."""

    def expected(self, estimates: Estimates) -> float:
        """How many seconds it should take."""


def texts(folder: Path) -> Mapping[str, str]:
    """The files of a folder by name, for keys."""
    return {path.name: path.read_text(encoding="utf-8") for path in data_files(folder)}


def build_steps(say: Callable[[str], None]) -> Callable[[str], None]:
    """A function that reads the output of an image's build, and says which step runs."""

    def take(line: str) -> None:
        if line.startswith("Step "):
            say(f"  {line[:100]}")

    return take
