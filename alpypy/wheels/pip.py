"""versions/pip.toml: the pip for PyPys that bundle one which is too old to build wheels with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from packaging.specifiers import SpecifierSet

from alpypy.core.source import Source
from alpypy.core.tables import Table, read_table
from alpypy.recipes.recipe import load_source
from alpypy.recipes.spec import PypyVersion

FILE_NAME = "pip.toml"


@dataclass(frozen=True)
class Pip:
    """A wheel of pip, for some Pythons of some releases of PyPy."""

    source: Source
    languages: SpecifierSet
    releases: SpecifierSet


def newer_pip(root: Path, version: PypyVersion) -> Source | None:
    """The pip that a PyPy gets instead of its own; None where its own will do.

    Raises:
        DataError: ``root``/versions/pip.toml lacks a field, or has one that is not usable.
    """
    file = read_table(root, FILE_NAME)
    file.allow("pips")
    pips = map(_load, file.tables("pips"))
    wanted = (
        one.source
        for one in pips
        if version.language in one.languages and version.release in one.releases
    )
    return next(wanted, None)


def _load(entry: Table) -> Pip:
    source = load_source(entry, "python", "pypy")
    return Pip(source, entry.range("python"), entry.range("pypy"))
