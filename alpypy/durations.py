"""How long stages are expected to take: as in the last run here, else as versions/ says."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from packaging.specifiers import SpecifierSet

from alpypy.recipe import Recipe
from alpypy.spec import PypyVersion
from alpypy.store import Store
from alpypy.translate import title


class Durations:
    """Expected seconds of stages."""

    def __init__(self, root: Path, store: Store) -> None:
        text = (root / "versions/durations.toml").read_text(encoding="utf-8")
        self._table: dict[str, Any] = tomllib.loads(text)
        self._records = list(store.records())

    def stage(self, name: str) -> float:
        """Seconds of a stage that is no translation: ``bootstrap``, ``self_hosted``, ..."""
        for record in reversed(self._records):
            if record.get("stage") == name:
                return float(record["seconds"])
        return float(self._table["stages"][name])

    def phases(self, recipe: Recipe, translator: str, jobs: int) -> Mapping[str, float]:
        """Seconds of a translation by phase; ``translator`` is ``cpython`` or ``pypy``."""
        for record in reversed(self._records):
            if record.get("title") == title(recipe) and record.get("translator") == translator:
                return {one["name"]: one["seconds"] for one in record["phases"]}
        listed = self._listed(recipe, translator)
        return {
            name: seconds / (jobs if name.endswith("compile") else 1)
            for name, seconds in listed.items()
        }

    def _listed(self, recipe: Recipe, translator: str) -> Mapping[str, float]:
        if recipe.programs:
            phases: Mapping[str, Mapping[str, float]] = self._table["rpython"]
            return {
                f"{program} {phase}": seconds
                for program, listed in phases.items()
                for phase, seconds in listed.items()
            }
        language = PypyVersion.parse(recipe.target.release).language
        entries = self._table["translations"]
        fitting = (
            one["phases"]
            for one in entries
            if language in SpecifierSet(one["language"]) and one["translator"] == translator
        )
        found: Mapping[str, float] = next(fitting)
        return found
