"""How long stages are expected to take: as in the last run here, else as versions/ says."""

from __future__ import annotations

from collections.abc import Mapping

from alpypy.core.project import Project
from alpypy.core.tables import Table, read_table
from alpypy.recipes.recipe import Recipe
from alpypy.recipes.spec import PypyVersion


def translation_title(recipe: Recipe) -> str:
    """What a translation is called in plans, logs and records."""
    small = " ".join(recipe.target_options).strip("-")
    return " ".join(filter(None, ["translate", recipe.target.release, small]))


class Estimates:
    """Expected seconds of stages.

    Raises:
        DataError: versions/durations.toml is not usable; methods raise it too.
    """

    def __init__(self, project: Project) -> None:
        self._table = read_table(project.data, "durations.toml")
        self._records = list(project.store.records())

    def stage(self, name: str) -> float:
        """Seconds of a stage that is no translation: ``bootstrap``, ``self_hosted``, ..."""
        for record in reversed(self._records):
            if record.get("stage") == name:
                return float(record["seconds"])
        return self._table.table("stages").amount(name)

    def phases(self, recipe: Recipe, translator: str, jobs: int) -> Mapping[str, float]:
        """Seconds of a translation by phase; ``translator`` is ``cpython`` or ``pypy``."""
        title = translation_title(recipe)
        for record in reversed(self._records):
            if record.get("title") == title and record.get("translator") == translator:
                return {one["name"]: one["seconds"] for one in record["phases"]}
        listed = self._listed(recipe, translator)
        return {
            name: seconds / (jobs if name.endswith("compile") else 1)
            for name, seconds in listed.items()
        }

    def _listed(self, recipe: Recipe, translator: str) -> Mapping[str, float]:
        if recipe.programs:
            programs = self._table.table("rpython")
            return {
                f"{program.name} {phase}": seconds
                for program in recipe.programs
                for phase, seconds in _amounts(programs.table(program.name)).items()
            }
        language = PypyVersion.parse(recipe.target.release).language
        for entry in self._table.tables("translations"):
            fits = entry.range("language").contains(language)
            if fits and entry.text("translator") == translator:
                return _amounts(entry.table("phases"))
        raise self._table.error(f"no [[translations]] for {language} by {translator}", "add one")


def _amounts(table: Table) -> Mapping[str, float]:
    return {name: table.amount(name) for name in table.names()}
