"""Measures a benchmark on an interpreter with pyperf.

Each measurement is one worker of pyperf: a process that runs one benchmark, first for warm-up, then
for values that count, and writes both to a JSON file. pyperf's manager, which starts workers, is
not used: alpypy starts them itself, on several interpreters in turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyperf

from alpypy.bench.catalog import OWN, Benchmark, Counting, Timing
from alpypy.bench.interpreter import RESULT, TIMED_OUT, Ended, Interpreter

_SKIPPED = "skip: "  # how a program of benchmarks/own says that this Python cannot run it
_CALIBRATING = 4  # values after which a JIT has compiled most; calibration takes more if needed


@dataclass(frozen=True)
class Plan:
    """What each process does: so many loops for a value, values for warm-up, and values that count.
    It is the same for all interpreters."""

    loops: int
    warmups: int
    values: int


@dataclass(frozen=True)
class Failure:
    """Why an interpreter has no result: the last line of its output. ``skipped``: it lacks what the
    benchmark needs, such as a module."""

    subject: str
    benchmark: str
    reason: str
    skipped: bool = False

    def __str__(self) -> str:
        word = "cannot run" if self.skipped else "failed in"
        return f"{self.subject} {word} {self.benchmark}: {self.reason}"


def calibrate(interpreter: Interpreter, benchmark: Benchmark, timing: Timing) -> Plan | Failure:
    """Find out how many loops and values the timing comes to on this interpreter."""
    options = ["--calibrate-loops", f"--warmups={_CALIBRATING}", "--values=1"]
    options += [f"--min-time={timing.value}"]
    found = _worker(interpreter, benchmark, options, seed=1, timeout=timing.timeout)
    if isinstance(found, Failure):
        return found
    [run] = found.get_runs()
    loops = int(run.get_metadata()["calibrate_loops"])
    _, value = run.warmups[-1]
    return plan(loops, value * loops * run.get_inner_loops(), timing)


def plan(loops: int, seconds: float, timing: Timing) -> Plan:
    """How many values to take, if one with so many loops takes so many seconds."""

    def number(wanted: float) -> int:
        return max(timing.least, min(round(wanted / seconds), timing.most))

    return Plan(loops, number(timing.warmup), number(timing.steady))


def measure(
    interpreter: Interpreter, benchmark: Benchmark, plan: Plan, *, seed: int, timeout: float
) -> pyperf.Benchmark | Failure:
    """Run a benchmark once, in a process of its own.

    Args:
        seed: of the hashes of strings.
        timeout: in seconds.
    """
    options = [f"--loops={plan.loops}", f"--warmups={plan.warmups}", f"--values={plan.values}"]
    return _worker(interpreter, benchmark, options, seed=seed, timeout=timeout)


def count(
    interpreter: Interpreter, benchmark: Benchmark, plan: Plan, counting: Counting
) -> float | Failure:
    """The instructions of a loop in the steady state.

    Two processes differ only in the number of values, so what they need beside these, such as the
    start and the warm-up, does not count.
    """
    loops = max(1, plan.loops // counting.fewer)
    counts = []
    for values in (1, 1 + counting.values):
        options = [f"--loops={loops}", f"--warmups={counting.warmups}", f"--values={values}"]
        arguments = _arguments(interpreter, benchmark, options)
        ended = interpreter.run(arguments, seed=1, timeout=counting.timeout, counted=True)
        if ended.exit_code or ended.result is None or ended.instructions is None:
            return _failure(interpreter.name, benchmark, ended, counting.timeout)
        counts.append(ended.instructions)
    inner = int(pyperf.Benchmark.loads(ended.result).get_inner_loops())
    return (counts[1] - counts[0]) / (counting.values * loops * inner)


def _worker(
    interpreter: Interpreter,
    benchmark: Benchmark,
    options: Sequence[str],
    *,
    seed: int,
    timeout: float,
) -> pyperf.Benchmark | Failure:
    arguments = _arguments(interpreter, benchmark, options)
    ended = interpreter.run(arguments, seed=seed, timeout=timeout)
    if ended.exit_code or ended.result is None:
        return _failure(interpreter.name, benchmark, ended, timeout)
    found = pyperf.Benchmark.loads(ended.result)
    # Each container has another hostname, and pyperf adds up only runs of the same.
    found.update_metadata({"name": benchmark.name, "hostname": interpreter.name})
    return found


def _arguments(
    interpreter: Interpreter, benchmark: Benchmark, options: Sequence[str]
) -> Sequence[str]:
    folders = interpreter.folders
    script = f"{folders.own if benchmark.suite == OWN else folders.wheels}/{benchmark.script}"
    arguments = [script, "--worker", f"--worker-task={benchmark.task}", *options]
    return [*arguments, f"--output={folders.results}/{RESULT}", *benchmark.arguments]


def _failure(subject: str, benchmark: Benchmark, ended: Ended, timeout: float) -> Failure:
    lines = [line.strip() for line in ended.output.splitlines() if line.strip()]
    reason = lines[-1] if lines else f"exit code {ended.exit_code}"
    if ended.exit_code == TIMED_OUT:
        reason = f"it took longer than {timeout:.0f} s"
    skipped = reason.startswith(_SKIPPED)
    return Failure(subject, benchmark.name, reason.removeprefix(_SKIPPED), skipped)
