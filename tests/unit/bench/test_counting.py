"""Counting instructions: what perf and cachegrind write, and counts that are the same again."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pyperf
import pytest

from alpypy.bench.catalog import OWN, Benchmark, Counting
from alpypy.bench.counting import Cachegrind, Counter, Perf, find_counter
from alpypy.bench.interpreter import HostInterpreter, Shared
from alpypy.bench.measure import Failure, Plan, count, measure
from alpypy.bench.subject import parse
from alpypy.core.errors import SpecError

ROOT = Path(__file__).parents[3]
FEW = Counting(fewer=1, warmups=1, values=2, timeout=1200)
PROGRAM = """\
from own import run

def work(number):
    return lambda: sum(range(number))

run("try", {"one": lambda: work(20000), "more": lambda: work(20400)})
"""


@pytest.fixture
def cachegrind() -> Counter:
    """valgrind's counter, if this machine has it."""
    try:
        return find_counter(containers=True)
    except SpecError as error:
        pytest.skip(error.remedy)


@pytest.fixture
def python(cachegrind: Counter, tmp_path: Path) -> HostInterpreter:
    """This Python, whose instructions are counted."""
    own = tmp_path / "own"
    own.mkdir()
    (own / "bench_try.py").write_text(PROGRAM)
    (own / "own.py").write_text((ROOT / "benchmarks/own/own.py").read_text())
    wheels = Path(pyperf.__file__).parents[1]
    shared = Shared(wheels, own, tmp_path / "scratch", cachegrind)
    return HostInterpreter(parse(f"this={sys.executable}"), shared)


def program(name: str) -> Benchmark:
    return Benchmark(f"try.{name}", "try", OWN, "bench_try.py", (name,))


@pytest.mark.timeout(1200)
def test_a_change_of_two_percent_is_seen(python: HostInterpreter) -> None:
    plan = Plan(loops=16, warmups=9, values=9)
    measure(python, program("one"), plan, seed=1, timeout=600)  # compiles what is imported
    before, after = (count(python, program(name), plan, FEW) for name in ("one", "more"))
    assert not isinstance(before, Failure)
    assert not isinstance(after, Failure)
    assert before > 20000
    assert after / before == pytest.approx(1.02, abs=0.006)


def test_what_fails_is_not_counted(python: HostInterpreter) -> None:
    gone = Benchmark("try.gone", "try", OWN, "gone.py")
    found = count(python, gone, Plan(1, 1, 1), FEW)
    assert isinstance(found, Failure)
    assert "can't open file" in found.reason


def test_what_is_not_asked_for_is_not_counted(python: HostInterpreter) -> None:
    assert python.run(["-c", "pass"], seed=1, timeout=600).instructions is None
    assert python.run(["-c", "pass"], seed=1, timeout=600, counted=True).instructions


PERF_WROTE = "# started on Tue Dec  1 16:00:00 2026\n\n{},,instructions:u,1234567,100.00,,\n"


def test_what_perf_writes() -> None:
    assert Perf().read(PERF_WROTE.format("987654")) == 987654
    assert Perf().read(PERF_WROTE.format("<not supported>")) is None
    assert Perf().read(PERF_WROTE.format("<not counted>")) is None


def test_what_cachegrind_writes() -> None:
    text = "desc: I1 cache:\ncmd: x\nevents: Ir\nfl=x\nfn=y\n1 5\nsummary: 123456\n"
    assert Cachegrind(Path("/x")).read(text) == 123456
    assert Cachegrind(Path("/x")).read("events: Ir\n") is None


@pytest.mark.skipif(not shutil.which("perf"), reason="apt-get install linux-perf")
def test_perf_counts_what_every_machine_can_count(tmp_path: Path) -> None:
    counter, output = Perf("page-faults:u"), tmp_path / "count"
    command = [*counter.command("", str(output)), sys.executable, "-c", "pass"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"perf may not be used here: {done.stderr.strip()}")
    assert (counter.read(output.read_text()) or 0) > 100


def test_an_event_that_this_machine_lacks_does_not_work() -> None:
    assert not Perf("no-such-event").works


def test_without_valgrind_the_user_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alpypy.bench.counting._FOLDERS", ("/nowhere/{machine}",))
    with pytest.raises(SpecError, match="needs valgrind") as caught:
        find_counter(containers=True)
    assert "apt-get install" in caught.value.remedy
