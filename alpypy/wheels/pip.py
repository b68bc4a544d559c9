"""versions/pip.toml: newer pips for PyPys whose own pip is too old to build wheels."""

from __future__ import annotations

from pathlib import Path

from packaging.specifiers import SpecifierSet

from alpypy.core.fields import Record
from alpypy.core.source import Source
from alpypy.core.structs import read_toml
from alpypy.recipes.spec import PypyVersion

FILE_NAME = "pip.toml"


class Pip(Source, frozen=True, kw_only=True):
    """A wheel of pip, for some Pythons of some releases of PyPy."""

    python: SpecifierSet
    pypy: SpecifierSet


class PipData(Record, frozen=True):
    """versions/pip.toml."""

    pips: tuple[Pip, ...]


def newer_pip(root: Path, version: PypyVersion) -> Source | None:
    """The pip that a PyPy gets instead of its own; None if its own is new enough.

    Raises:
        DataError: ``root``/versions/pip.toml lacks a field, or has one that is not usable.
    """
    pips = read_toml(root / "versions" / FILE_NAME, PipData).pips
    newer = (pip for pip in pips if version.language in pip.python and version.release in pip.pypy)
    return next(newer, None)
