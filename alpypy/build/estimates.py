"""How long stages should take: as long as in the last run here, else as versions/ says."""

from __future__ import annotations

from collections.abc import Mapping

from alpypy.core.durations import Seconds, read_durations
from alpypy.core.errors import DataError
from alpypy.core.project import Project
from alpypy.recipes.recipe import Recipe
from alpypy.recipes.spec import PypyVersion


def translation_title(recipe: Recipe) -> str:
    """The name of a translation in plans, logs and records."""
    small = " ".join(recipe.target_options).strip("-")
    return " ".join(filter(None, ["translate", recipe.target.release, small]))


def stage_name(stage: str, recipe: Recipe) -> str:
    """What the times of ``package`` or ``verify`` are known by: a PyPy takes much longer."""
    return f"{stage}_programs" if recipe.programs else stage


class Estimates:
    """Expected seconds of stages.

    Raises:
        DataError: versions/durations.toml is not usable. Methods raise it for a missing entry.
    """

    def __init__(self, project: Project) -> None:
        self._data = read_durations(project.data)
        self._records = list(project.store.records())

    def stage(self, name: str) -> float:
        """Seconds of a stage other than a translation: ``bootstrap``, ``self_hosted``, and what
        ``stage_name`` gives."""
        for record in reversed(self._records):
            if record.get("stage") == name:
                return float(record["seconds"])
        if name not in self._data.stages:
            raise _missing(f"[stages]: {name} is missing")
        return self._data.stages[name]

    def phases(self, recipe: Recipe, translator: str, jobs: int) -> Mapping[str, float]:
        """Seconds of a translation by phase; ``translator`` is ``cpython`` or ``pypy``."""
        title = translation_title(recipe)
        for record in reversed(self._records):
            if record.get("title") == title and record.get("translator") == translator:
                return {phase["name"]: phase["seconds"] for phase in record["phases"]}
        listed = self._listed(recipe, translator)
        return {
            name: seconds / (jobs if name.endswith("compile") else 1)
            for name, seconds in listed.items()
        }

    def _listed(self, recipe: Recipe, translator: str) -> Mapping[str, float]:
        if recipe.programs:
            return {
                f"{program.name} {phase}": seconds
                for program in recipe.programs
                for phase, seconds in self._program(program.name).items()
            }
        language = PypyVersion.parse(recipe.target.release).language
        for entry in self._data.translations:
            if language in entry.language and translator == entry.translator:
                return entry.phases
        raise _missing(f"no [[translations]] for {language} by {translator}")

    def _program(self, name: str) -> Seconds:
        if name not in self._data.rpython:
            raise _missing(f"[rpython]: {name} is missing")
        return self._data.rpython[name]


def _missing(what: str) -> DataError:
    return DataError(f"versions/durations.toml: {what}", remedy="add it there, with its seconds")
