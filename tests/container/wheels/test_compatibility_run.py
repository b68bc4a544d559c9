"""scripts/compatibility.py with a real PyPy, and packages of the index that pip here asks.

With ALPYPY_TEST_TARBALLS, a folder of tarballs that verify has passed: each PyPy of Python 3.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from alpypy.core.fetch import Fetcher
from alpypy.core.project import Project
from alpypy.engine.docker import Engine
from alpypy.engine.workspace import Workspace
from alpypy.recipes.manifest import Manifest
from alpypy.wheels.maker import WheelMaker
from alpypy.wheels.recipe import load_wheel_data
from alpypy.wheels.request import pypy_interpreter
from scripts.compatibility import Trial, try_all
from scripts.compatibility_page import read_results
from tests.tarballs import PROVIDED_BY, of_python_3, tarballs

pytestmark = pytest.mark.timeout(1800)
ROOT = Path(__file__).resolve().parents[3]
OF_PYTHON_3: list[str | None] = [path.name for path in tarballs() if of_python_3(path)]
# markupsafe leaves its C out on PyPy, and none of its wheels is for PyPy.
OUTCOMES = {"six": "pure", "pip": "pure", "cffi": "bundled", "markupsafe": "source"}


@pytest.fixture(params=OF_PYTHON_3 or [None])
def trial(
    request: pytest.FixtureRequest, engine: Engine, base_image: str, cache: Path, tmp_path: Path
) -> Trial:
    """For each PyPy of Python 3."""
    if request.param is None:
        pytest.skip(f"no PyPy of Python 3: {PROVIDED_BY}")
    tarball = next(path for path in tarballs() if path.name == request.param)
    project = Project(ROOT, tarball.parent.resolve(), cache, Fetcher(cache), print)
    maker = WheelMaker(Workspace.of(project, engine), load_wheel_data(ROOT))
    return Trial(maker.begin(pypy_interpreter(Manifest.of_tarball(tarball).target), tmp_path))


def test_packages_of_each_kind(trial: Trial, tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    try_all(trial, [*OUTCOMES], [], path)
    results = read_results(path)
    assert results is not None
    assert results.run == trial.run
    assert {name: result.outcome for name, result in results.of.items()} == OUTCOMES
    assert not any(result.compiled or result.error for result in results.of.values())


def test_a_result_stays_until_it_is_wanted_again(trial: Trial, tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    try_all(trial, ["six", "idna"], ["six"], path)
    path.write_text(path.read_text().replace('"pure"', '"broken"'))
    try_all(trial, ["six", "idna"], [], path)
    results = read_results(path)
    assert results is not None
    assert {name: result.outcome for name, result in results.of.items()} == {
        "six": "broken",
        "idna": "pure",
    }
    try_all(trial, ["six", "idna"], ["six"], path)
    again = read_results(path)
    assert again is not None
    assert again.of["six"].outcome == "pure"
