"""The training program runs on every Python that PyPy has been: 2.7 and 3."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workspaces import ROOT

TRAINING = ROOT / "dockerfiles/optimize/training.py"
PYTHONS = {
    sys.executable: "",
    "/usr/bin/pypy3": "apt-get install pypy3",
    "python2.7": "pyenv install 2.7.18",
}


def run(python: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([python, *words], capture_output=True, text=True, check=False)


@pytest.fixture(params=PYTHONS)
def python(request: pytest.FixtureRequest) -> str:
    """An interpreter that runs; pyenv has names for some that it did not install."""
    name = str(request.param)
    if shutil.which(name) is None or run(name, "-c", "").returncode:
        pytest.skip(f"{PYTHONS[name]}: this machine does not have {name}")
    return name


def test_it_runs_to_its_end_and_says_nothing(python: str) -> None:
    done = run(python, str(TRAINING))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_it_takes_no_time_from_a_clock() -> None:
    """So that each run counts the same branches."""
    assert not re.search(r"\btime\b\.|perf_counter|urandom", TRAINING.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("total ^= number >> 3", "total ^= number >> 4"),
        ("caught += len(error.args)", "caught += 2"),
        ("count[0] += 1", "count[0] += 2"),
        ("reverse=True)", "reverse=False)"),
    ],
)
def test_a_wrong_result_ends_it(old: str, new: str, tmp_path: Path) -> None:
    text = TRAINING.read_text(encoding="utf-8")
    assert text.count(old) == 1
    other = tmp_path / "training.py"
    other.write_text(text.replace(old, new), encoding="utf-8")
    done = run(sys.executable, str(other))
    assert done.returncode == 1
    assert "AssertionError" in done.stderr
