"""versions/durations.toml: seconds that work took where it was measured."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from packaging.specifiers import SpecifierSet

from alpypy.core.fields import Record
from alpypy.core.structs import read_toml

Seconds = Mapping[str, int | float]  # by phase, by library


class TranslationTimes(Record, frozen=True):
    """How long CPython or a PyPy takes to translate some languages."""

    language: SpecifierSet
    translator: Literal["cpython", "pypy"]
    phases: Seconds


class KitTimes(Record, frozen=True):
    """What making the kit takes: its steps, and each library on one processor."""

    steps: Seconds
    libraries: Seconds


class DurationData(Record, frozen=True):
    """versions/durations.toml; the programs of ``rpython`` are those of versions/rpython.toml, the
    ``libraries`` those of versions/libraries.toml."""

    stages: Seconds
    kit: KitTimes
    libraries: Seconds
    translations: tuple[TranslationTimes, ...]
    rpython: Mapping[str, Seconds]


def read_durations(data: Path) -> DurationData:
    """Read the file.

    Args:
        data: the folder with versions/.

    Raises:
        DataError: it is not usable.
    """
    return read_toml(data / "versions/durations.toml", DurationData)
