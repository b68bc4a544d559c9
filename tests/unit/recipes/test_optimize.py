"""The levels of --optimize: which there are, and what they add to names."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from alpypy.core.errors import DataError, SpecError
from alpypy.pipeline.request import BuildRequest, resolve
from alpypy.recipes.optimize import OptimizationData, OptimizationLevel, load_optimizations
from alpypy.recipes.recipe import load_catalog
from alpypy.recipes.spec import Target
from tests.workspaces import ROOT, project

CATALOG = load_catalog(ROOT)
LEVELS = tuple(level.name for level in CATALOG.optimizations.levels)
TARGET = Target("3.11-7.3.22", "3.23")
TWO = OptimizationData(
    default="b",
    levels=(OptimizationLevel(name="a", why="w"), OptimizationLevel(name="b", why="w")),
)


def test_without_a_name_it_is_the_default() -> None:
    assert TWO.level(None) == TWO.level("b") == TWO.levels[1]
    assert TWO.level("a") == TWO.levels[0]


def test_an_unknown_level_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(SpecError, match="--optimize is 'fast'") as caught:
        CATALOG.recipe(TARGET, optimize="fast")
    assert caught.value.remedy == f"choose one of {', '.join(LEVELS)}"


def test_the_level_is_in_the_recipe() -> None:
    assert {CATALOG.recipe(TARGET, optimize=name).optimize for name in LEVELS} == set(
        CATALOG.optimizations.levels
    )
    assert CATALOG.recipe(TARGET).optimize == CATALOG.optimizations.level(None)


def test_the_pypy_that_translates_is_not_optimized() -> None:
    assert CATALOG.translator_recipe(TARGET).optimize is None


@pytest.mark.parametrize(
    ("target", "tls", "level", "version"),
    [
        (TARGET, None, None, "3.11-7.3.22"),
        (TARGET, None, "stock", "3.11-7.3.22"),
        (TARGET, None, "pgo", "3.11-7.3.22-pgo"),
        (TARGET, None, "pgo+lto", "3.11-7.3.22-pgo-lto"),
        (Target("2.7-7.0.0", "3.9"), "libressl", "pgo", "2.7-7.0.0-libressl-pgo"),
        (Target("3.11-7.3.22", "3.23", release_version="mine"), None, "pgo", "mine"),
        (Target("3.11-7.3.22", "3.23", release_version="mine"), None, None, "mine"),
    ],
)
def test_a_level_other_than_the_default_is_in_the_version(
    target: Target, tls: str | None, level: str | None, version: str
) -> None:
    recipe = CATALOG.recipe(target, tls, level)
    assert (recipe.target.version, recipe.target.release) == (version, target.release)


def test_no_two_levels_have_one_name_of_a_tarball() -> None:
    names = {CATALOG.recipe(TARGET, optimize=name).target.tarball for name in LEVELS}
    assert len(names) == len(LEVELS)


def test_a_portable_pypy_has_levels_too() -> None:
    target = Target("3.11-7.3.22", "3.23", portable=True)
    recipe = CATALOG.recipe(target, optimize="pgo")
    assert recipe.target.folder == "pypy-3.11-7.3.22-pgo-musllinux_1_2_x86_64"


def test_the_quickstart_has_no_levels() -> None:
    target = Target("rpython-0.2.1", "3.23")
    assert CATALOG.recipe(target).optimize is None
    with pytest.raises(SpecError, match=r"--optimize is 'pgo', but rpython-0\.2\.1") as caught:
        CATALOG.recipe(target, optimize="pgo")
    assert caught.value.remedy == "leave --optimize out"


def test_a_request_names_the_level(tmp_path: Path) -> None:
    for name in ("versions", "patches"):
        (tmp_path / name).symlink_to(ROOT / name)
    build = resolve(project(tmp_path), BuildRequest(TARGET, optimize="pgo"))
    assert build.recipe.optimize == CATALOG.optimizations.level("pgo")
    assert build.recipe.target.version == "3.11-7.3.22-pgo"
    assert build.small is not None
    assert build.small.optimize is None


def test_a_default_that_no_level_has_is_refused(tmp_path: Path) -> None:
    path = Path(shutil.copy(ROOT / "versions/optimize.toml", tmp_path))
    default = f'default = "{CATALOG.optimizations.default}"'
    text = path.read_text(encoding="utf-8")
    assert default in text
    path.write_text(text.replace(default, 'default = "none"'), encoding="utf-8")
    with pytest.raises(DataError, match="no level has the default's name, 'none'"):
        load_optimizations(tmp_path)


def test_the_docs_have_each_level_and_the_default() -> None:
    text = (ROOT / "docs/how-it-works.md").read_text(encoding="utf-8")
    for name in LEVELS:
        default = " (default)" if name == CATALOG.optimizations.default else ""
        assert f"\n| `{name}`{default} | " in text


def test_a_level_with_half_of_the_flags_is_refused(tmp_path: Path) -> None:
    path = Path(shutil.copy(ROOT / "versions/optimize.toml", tmp_path))
    half = '[[levels]]\nname = "half"\nwhy = "a test"\nuse = ["-O2"]\n'
    path.write_text(path.read_text(encoding="utf-8") + half, encoding="utf-8")
    with pytest.raises(DataError, match="half has only one of generate and use"):
        load_optimizations(tmp_path)
