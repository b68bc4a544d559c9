"""The driver and the runs, for real: on an interpreter of this machine with test modules of every
kind (tests/fixtures/check)."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from alpypy.core.errors import CheckError
from alpypy.suites.checker import Checker, Scope
from alpypy.suites.host import HostRunner, _ordinary_user
from alpypy.suites.outcomes import ModuleResult, read
from alpypy.suites.plan import Limits, TestModule
from alpypy.suites.run import TIMED_OUT, RawRun, run_module
from alpypy.suites.suite import run_all
from tests.workspaces import project

ROOT = Path(__file__).resolve().parents[3]
DRIVER = ROOT / "dockerfiles/check/drive.py"
FIXTURES = ROOT / "tests/fixtures/check"
RESOURCES = "all,-network,-urlfetch,-gui,-largefile"
INTERPRETERS = (sys.executable, "/usr/bin/python3", "/usr/bin/pypy3")


def usable(interpreter: str) -> bool:
    """Whether the user that tests run as can run it, and it has regrtest."""
    command = [interpreter, "-c", "import test.regrtest"]
    try:
        done = subprocess.run(command, cwd="/", capture_output=True, **_ordinary_user())
    except OSError:
        return False
    return done.returncode == 0


@pytest.fixture(scope="module")
def interpreter() -> Iterator[Path]:
    """An interpreter of this machine that has the fixtures' tests."""
    found = next(filter(usable, INTERPRETERS), None)
    if found is None:
        pytest.skip("apt-get install pypy3 pypy3-lib-testsuite: no Python here has test.regrtest")
    folder = Path(tempfile.mkdtemp(prefix="alpypy-test-"))
    folder.chmod(0o755)
    shutil.copytree(FIXTURES, folder / "path")
    script = folder / "python"
    script.write_text(f'#!/bin/sh\nPYTHONPATH={folder}/path exec {found} "$@"\n')
    script.chmod(0o755)
    yield script
    shutil.rmtree(folder)


@pytest.fixture
def limit() -> int:
    """Seconds that a module may take, on a busy machine too."""
    return 120


little_time = pytest.mark.parametrize("limit", [8], ids=["8 seconds"])


@pytest.fixture
def runner(interpreter: Path, limit: int) -> HostRunner:
    """A runner with little memory."""
    return HostRunner(interpreter, DRIVER, Limits(limit, 2048, RESOURCES))


Check = Callable[[str], ModuleResult]


@pytest.fixture
def check(runner: HostRunner) -> Check:
    """Run one module, and keep it in between as a check does."""

    def run(name: str) -> ModuleResult:
        raw = run_module(runner, TestModule(name, "stdlib"))
        assert RawRun.from_json(raw.to_json()) == raw
        return read(raw)

    return run


def outcomes(result: ModuleResult) -> dict[str, str]:
    """Outcomes by the last part of the test's name."""
    return {test.id.rpartition(".")[2]: test.outcome for test in result.tests}


def test_the_driver_says_what_there_is(runner: HostRunner) -> None:
    found = runner.describe()
    assert {"test_good", "test_crash", "test_plain"} <= set(found["modules"])
    assert "__init__" not in found["modules"]
    assert found["language"].startswith("3.")


def test_every_good_outcome(check: Check) -> None:
    result = check("test_good")
    assert outcomes(result) == {
        "test_passes": "passed",
        "test_skipped": "skipped",
        "test_expected": "expected failure",
        "test_runs_others": "passed",
        "setUpClass": "skipped",
    }
    assert result.verdict == "passed"
    assert result.finished
    assert result.tests[0].id.startswith("test_good.Good.")
    assert {test.message for test in result.tests if test.outcome == "skipped"} == {
        "no such machine",
        "the whole class",
    }


def test_every_bad_outcome(check: Check) -> None:
    result = check("test_bad")
    assert outcomes(result) == {
        "test_fails": "failed",
        "test_errs": "error",
        "test_fails_and_errs": "error",
        "test_unexpected": "unexpected success",
        "test_passes": "passed",
        "setUpClass": "error",
    }
    assert result.verdict == "error"
    messages = {test.id: test.message for test in result.bad}
    assert "one is not two: \xe9" in messages["test_bad.Bad.test_fails"]
    assert messages["test_bad.Broken.setUpClass"].endswith("no class today")
    assert "test_bad.py" in next(test.trace for test in result.bad if test.trace)


def test_subtests_count_as_their_test(check: Check) -> None:
    result = check("test_subtests")
    assert outcomes(result) == {"test_some_fail": "failed", "test_all_pass": "passed"}


def test_what_ends_the_process_does_not_hide_the_rest(check: Check) -> None:
    result = check("test_crash")
    assert outcomes(result) == {
        "test_1": "passed",
        "test_2_signal": "crashed",
        "test_3_exit": "crashed",
        "test_4": "failed",
    }
    assert result.verdict == "crashed"
    assert result.finished
    messages = {test.id.rpartition(".")[2]: test.message for test in result.bad}
    assert "SIGKILL" in messages["test_2_signal"]
    assert "exit code 0" in messages["test_3_exit"]


@little_time
def test_a_test_that_hangs(check: Check, limit: int) -> None:
    result = check("test_hang")
    assert outcomes(result) == {
        "test_1_leaves_a_process": "passed",
        "test_2_hangs": "hung",
        "test_3": "passed",
    }
    assert limit < result.seconds < 300, "it waits for no process that the test left, for 600 s"
    trace = next(test.trace for test in result.bad)
    assert "test_hang.py" in trace, "regrtest lets the interpreter say where it is"


@little_time
def test_what_a_test_leaves_behind_does_not_hold_up_the_run(runner: HostRunner) -> None:
    attempt = runner.attempt(TestModule("test_escape", "stdlib"), ())
    try:
        assert attempt.exit_code == TIMED_OUT
        assert attempt.seconds < 300, "what is left behind lives for 600 s"
    finally:
        found = re.findall(r"left behind: (\d+)", "\n".join(attempt.output))
        living = [number for number in map(int, found) if _is_alive(number)]
        for number in living:
            os.kill(number, signal.SIGKILL)
    # The other one has nothing to be known by.
    assert len(found) == 2
    assert living == [int(found[1])]


def _is_alive(number: int) -> bool:
    try:
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_a_child_is_not_the_test_run(check: Check) -> None:
    assert set(outcomes(check("test_fork")).values()) == {"passed"}


def test_the_memory_limit(check: Check) -> None:
    assert outcomes(check("test_memory")) == {"test_much": "passed"}


@pytest.mark.parametrize(
    ("name", "outcome", "message"),
    [
        ("test_skipped", "skipped", "not on this planet"),
        ("test_denied", "skipped", "network"),
        ("test_plain", "passed", ""),
        ("test_plain_bad", "failed", "ValueError: cannot be imported"),
        ("test_of_nothing", "failed", "test_of_nothing"),
    ],
)
def test_modules_without_tests_of_their_own(
    check: Check, name: str, outcome: str, message: str
) -> None:
    (test,) = check(name).tests
    assert (test.id, test.outcome) == (name, outcome)
    assert message in test.message


def test_modules_that_were_run_are_not_run_again(runner: HostRunner, tmp_path: Path) -> None:
    modules = [TestModule(name, "stdlib") for name in ("test_good", "test_bad")]
    said: list[str] = []
    first = run_all(runner, modules, lambda module: tmp_path / "kept", 2, said.append)
    assert [result.name for result in first] == ["test_good", "test_bad"]
    (tmp_path / "kept/test_bad.json").unlink()
    before = (tmp_path / "kept/test_good.json").stat().st_mtime_ns
    second = run_all(runner, modules, lambda module: tmp_path / "kept", 2, said.append)
    assert [result.counts for result in second] == [result.counts for result in first]
    assert (tmp_path / "kept/test_good.json").stat().st_mtime_ns == before
    assert said == ["reusing the results of 1 of 2 modules"]
    assert not list(tmp_path.glob("kept/.*"))


def test_what_is_stopped_is_not_kept(runner: HostRunner, limit: int, tmp_path: Path) -> None:
    modules = [TestModule(name, "stdlib") for name in ("test_hang", "test_good")]
    # The first module would take all its time; the second has not begun.
    threading.Timer(2, runner.stop).start()
    started = time.monotonic()
    with pytest.raises(FileNotFoundError):
        run_all(runner, modules, lambda module: tmp_path / "kept", 1, print)
    assert time.monotonic() - started < limit
    assert not list(tmp_path.glob("kept/*"))


def test_a_module_that_is_given_a_compiler_is_run_again(interpreter: Path, tmp_path: Path) -> None:
    for name in ("versions", "dockerfiles/check"):
        shutil.copytree(ROOT / name, tmp_path / name)
    said: list[str] = []

    def check() -> None:
        scope = Scope(("test_good", "test_plain"), 1, 60)
        cache = tmp_path / "cache"
        Checker(project(tmp_path, cache, said.append), scope).reference(interpreter)

    check()
    with (tmp_path / "versions/check.toml").open("a", encoding="utf-8") as file:
        file.write('[[compiler]]\ntests = ["test_good"]\n')
    check()
    assert said == ["reusing the results of 1 of 2 modules"]


@pytest.mark.skipif(os.geteuid() != 0, reason="run as root: an ordinary user stays who it is")
def test_root_becomes_an_ordinary_user() -> None:
    done = subprocess.run(["id", "-u"], capture_output=True, text=True, **_ordinary_user())
    assert done.stdout.strip() == "65534"


def test_an_interpreter_that_is_none(tmp_path: Path) -> None:
    limits = Limits(8, 2048, RESOURCES)
    with pytest.raises(CheckError, match="cannot be run"):
        HostRunner(tmp_path / "none", DRIVER, limits).describe()
    with pytest.raises(CheckError, match="did not run the test driver"):
        HostRunner(Path("/bin/true"), DRIVER, limits).describe()
