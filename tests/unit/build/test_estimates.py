"""How long stages are expected to take."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from alpypy.build.estimates import Estimates, translation_title
from alpypy.build.phases import TITLES
from alpypy.core.errors import DataError
from alpypy.core.store import Store, key_of
from alpypy.recipes.recipe import load_catalog
from alpypy.recipes.spec import Target
from tests.workspaces import project

ROOT = Path(__file__).parents[3]
CATALOG = load_catalog(ROOT)
RECIPE = CATALOG.recipe(Target("3.6-7.0.0", "3.9"))


def record(store: Store, name: str, translator: str, seconds: float) -> None:
    key = key_of(name=name, translator=translator, seconds=seconds)
    phases = [{"name": "annotate", "seconds": seconds, "peak_memory_mib": 1}]
    record = {"title": name, "translator": translator, "phases": phases}
    store.folder(key).mkdir(parents=True)
    (store.folder(key) / "record.json").write_text(json.dumps(record), encoding="utf-8")


@pytest.mark.parametrize(
    "name", ["bootstrap", "self_hosted", "package", "verify", "package_programs", "verify_programs"]
)
def test_every_other_stage_has_a_time(name: str, tmp_path: Path) -> None:
    assert Estimates(project(ROOT, tmp_path)).stage(name) > 0


@pytest.mark.parametrize("translator", ["cpython", "pypy"])
@pytest.mark.parametrize("release", CATALOG.pypys)
def test_every_release_has_times_for_every_phase(
    release: str, translator: str, tmp_path: Path
) -> None:
    recipe = replace(RECIPE, target=Target(release, "3.9"))
    phases = Estimates(project(ROOT, tmp_path)).phases(recipe, translator, 1)
    assert set(phases) == {"start", *TITLES.values()}
    assert all(seconds > 0 for seconds in phases.values())


@pytest.mark.parametrize("name", CATALOG.quickstarts)
def test_every_program_of_a_quickstart_has_times_and_no_other_has(
    name: str, tmp_path: Path
) -> None:
    recipe = CATALOG.recipe(Target(name, "3.23"))
    phases = Estimates(project(ROOT, tmp_path)).phases(recipe, "cpython", 1)
    assert {phase.partition(" ")[0] for phase in phases} == {one.name for one in recipe.programs}


def test_the_c_compiler_is_faster_with_more_jobs(tmp_path: Path) -> None:
    durations = Estimates(project(ROOT, tmp_path))
    one, four = (durations.phases(RECIPE, "pypy", jobs) for jobs in (1, 4))
    assert four["compile"] == one["compile"] / 4
    assert {name for name in one if one[name] != four[name]} == {"compile"}


def test_an_earlier_run_tells_better_and_the_last_one_best(tmp_path: Path) -> None:
    store = Store(tmp_path)
    record(store, translation_title(RECIPE), "pypy", 11.0)
    record(store, translation_title(RECIPE), "cpython", 33.0)
    record(store, "translate something-else", "pypy", 44.0)
    assert Estimates(project(ROOT, tmp_path)).phases(RECIPE, "pypy", 1) == {"annotate": 11.0}
    record(store, translation_title(RECIPE), "pypy", 22.0)
    assert Estimates(project(ROOT, tmp_path)).phases(RECIPE, "pypy", 1) == {"annotate": 22.0}
    assert Estimates(project(ROOT, tmp_path)).phases(RECIPE, "cpython", 1) == {"annotate": 33.0}


def test_the_small_translation_is_told_from_the_whole_one(tmp_path: Path) -> None:
    small = CATALOG.translator_recipe(Target("2.7-7.3.22", "3.23"))
    whole = CATALOG.recipe(Target("2.7-7.3.22", "3.23"))
    store = Store(tmp_path)
    record(store, translation_title(small), "cpython", 11.0)
    assert Estimates(project(ROOT, tmp_path)).phases(small, "cpython", 1) == {"annotate": 11.0}
    assert "compile" in Estimates(project(ROOT, tmp_path)).phases(whole, "cpython", 1)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("[stages]", "[stages", "line "),
        ("package = 90", 'package = "x"', "[stages]: package is 'x'"),
        ("package = 90", "", "[stages]: package is missing"),
        ("[stages]", "[stage]", "stage is unknown"),
        ("[[translations]]", "[[others]]", "others is unknown"),
        ("start = 20", "start = true", "[phases]: start is True"),
        ('language = ">=3"', 'language = ">=4"', "no [[translations]] for 3.6 by pypy"),
        ('language = ">=3"', 'language = "3"', "number 4 (3): language is '3'"),
    ],
)
def test_a_table_that_is_not_usable_is_a_data_error(
    old: str, new: str, says: str, tmp_path: Path
) -> None:
    path = tmp_path / "versions/durations.toml"
    path.parent.mkdir()
    text = (ROOT / "versions/durations.toml").read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(DataError) as caught:
        durations = Estimates(project(tmp_path))
        durations.stage("package")
        durations.phases(RECIPE, "pypy", 1)
    assert says in caught.value.what
    assert "durations.toml" in caught.value.what


def test_no_table_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"durations\.toml does not exist"):
        Estimates(project(tmp_path))
