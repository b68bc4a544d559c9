"""Measuring for real, with pyperf and this Python: what is kept, what fails, what is merged."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pyperf
import pytest

from alpypy.bench import results, run
from alpypy.bench.catalog import OWN, Benchmark, Timing, benchmarks, choose, load
from alpypy.bench.interpreter import HostInterpreter, Shared
from alpypy.bench.measure import Failure, Plan, calibrate, measure, plan
from alpypy.bench.prepare import ready
from alpypy.bench.subject import parse
from alpypy.core.errors import BenchError, SpecError

ROOT = Path(__file__).parents[3]
QUICK = Timing(value=0.002, warmup=0.004, steady=0.006, least=2, most=3, timeout=600)
PROGRAM = """\
import sys, time
from own import run

def quick():
    return lambda: sum(range(1000))

def broken():
    return lambda: [][1]

def lacking():
    import no_such_module

def endless():
    time.sleep(600)

def where():
    print(sys.argv[0], "is run")
    raise SystemExit(3)

run("try", {"quick": quick, "broken": broken, "lacking": lacking, "endless": endless,
            "where": where})
"""


@pytest.fixture
def shared(tmp_path: Path) -> Shared:
    """This environment's pyperf, and programs that end in every way."""
    own = tmp_path / "own"
    own.mkdir()
    (own / "bench_try.py").write_text(PROGRAM)
    (own / "own.py").write_text((ROOT / "benchmarks/own/own.py").read_text())
    scratch = tmp_path / "scratch"
    return Shared(Path(pyperf.__file__).parents[1], own, scratch)


@pytest.fixture
def python(shared: Shared) -> HostInterpreter:
    """This Python."""
    return HostInterpreter(parse(f"this={sys.executable}"), shared)


def program(name: str) -> Benchmark:
    return Benchmark(f"try.{name}", "try", OWN, "bench_try.py", (name,))


def test_runs_of_several_processes_become_one_benchmark(python: HostInterpreter) -> None:
    quick = program("quick")
    found = calibrate(python, quick, QUICK)
    assert isinstance(found, Plan)
    assert found.loops > 1
    assert 2 <= found.warmups <= found.values <= 3
    measured = [measure(python, quick, found, seed=seed, timeout=600) for seed in (1, 2)]
    first, second = measured
    assert isinstance(first, pyperf.Benchmark)
    assert isinstance(second, pyperf.Benchmark)
    first.add_runs(second)
    assert first.get_name() == "try.quick"
    assert first.get_nrun() == 2
    assert first.get_loops() == found.loops
    for measured_run in first.get_runs():
        assert len(measured_run.values) == found.values
        assert len(measured_run.warmups) == found.warmups
    assert len(results.times(first).rounds) == 2


def test_each_run_is_a_process_of_its_own(python: HostInterpreter) -> None:
    script = "import os; print(os.getpid(), os.environ['PYTHONHASHSEED'], os.getcwd())"
    first, second = (python.run(["-c", script], seed=seed, timeout=600) for seed in (7, 8))
    assert first.output.split()[0] != second.output.split()[0]
    assert [first.output.split()[1], second.output.split()[1]] == ["7", "8"]
    assert not Path(first.output.split()[2]).exists()


def test_a_process_runs_on_the_processor_that_was_chosen(shared: Shared) -> None:
    chosen = max(os.sched_getaffinity(0))
    python = HostInterpreter(parse(f"pinned={sys.executable}"), replace(shared, cpu=chosen))
    done = python.run(["-c", "import os; print(os.sched_getaffinity(0))"], seed=1, timeout=600)
    assert done.output == f"{{{chosen}}}\n"
    with pytest.raises(SpecError, match="--cpu 9999 is not a processor"):
        run.request(ROOT, [sys.executable], "/bin/sh", cpu=9999)


@pytest.mark.parametrize(
    ("name", "failure"),
    [
        ("broken", Failure("this", "try.broken", "IndexError: list index out of range")),
        ("lacking", Failure("this", "try.lacking", "No module named 'no_such_module'", True)),
        ("unknown", None),
    ],
)
def test_a_failure_is_told_by_the_last_line(
    python: HostInterpreter, name: str, failure: Failure | None
) -> None:
    found = measure(python, program(name), Plan(1, 1, 1), seed=1, timeout=600)
    assert isinstance(found, Failure)
    if failure:
        assert found == failure
    else:
        assert "invalid choice: 'unknown'" in found.reason


def test_a_process_that_takes_too_long_is_ended(python: HostInterpreter) -> None:
    started = time.monotonic()
    found = measure(python, program("endless"), Plan(1, 1, 1), seed=1, timeout=2)
    assert found == Failure("this", "try.endless", "it took longer than 2 s")
    assert time.monotonic() - started < 300


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0.05, (24, 36)), (1.0, (3, 3)), (0.001, (40, 40)), (0.4, (3, 4))],
)
def test_a_plan_keeps_to_the_time(seconds: float, expected: tuple[int, int]) -> None:
    timing = Timing(value=0.05, warmup=1.2, steady=1.8 - 0.01, least=3, most=40, timeout=300)
    found = plan(4, seconds, timing)
    assert (found.loops, found.warmups, found.values) == (4, *expected)


ONCE = """\
import sys
sys.path.insert(0, sys.argv[1])
import own
for group in sys.argv[2:]:
    for name, prepare in __import__(f"bench_{group}").BENCHMARKS.items():
        try:
            prepare()()
        except ImportError as error:
            print(f"{group}.{name}: {error}", file=sys.stderr)
        print(f"{group}.{name}")
"""


def test_all_own_benchmarks_run_on_this_python() -> None:
    groups = [group.group for group in load(ROOT).own]
    command = [sys.executable, "-c", ONCE, str(ROOT / "benchmarks/own"), *groups]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [b.name for b in choose(benchmarks(load(ROOT)), [OWN])]


def test_interpreters_that_cannot_be_measured(shared: Shared, tmp_path: Path) -> None:
    def script(name: str, text: str) -> str:
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return str(path)

    old = script(
        "old",
        'echo \'{"language": [2, 7], "implementation": "PyPy", "release": "7", "version": ""}\'',
    )
    with (
        pytest.raises(SpecError, match=r"old is a Python 2.7, and pyperf needs 3.9"),
        ready([parse(old)], None, shared),
    ):
        pass
    silent = script("silent", "exit 3")
    with (
        pytest.raises(BenchError, match="silent does not run as a Python: exit code 3"),
        ready([parse(silent)], None, shared),
    ):
        pass
    text = tmp_path / "text"
    text.write_text("no program")
    with pytest.raises(BenchError, match="cannot be run"), ready([parse(str(text))], None, shared):
        pass


def test_what_fails_on_one_is_reported_and_the_others_go_on(shared: Shared) -> None:
    this, other = parse(f"this={sys.executable}"), parse(f"other={sys.executable}")
    chosen = (program("broken"), program("quick"))
    request = run.Request((this,), other, chosen, QUICK, rounds=2)
    with ready(request.all, None, shared) as interpreters:
        *_, measured = run.rounds(interpreters, request)
    assert [(failure.subject, failure.benchmark) for failure in measured.failures] == [
        ("other", "try.broken")
    ]
    [comparison] = run.compare(request, measured)
    assert [row.benchmark.name for row in comparison.rows] == ["try.quick"]
    assert len(comparison.rows[0].times.rounds) == 2
