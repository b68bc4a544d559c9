"""Runs benchmarks on several interpreters in turn: round by round, benchmark by benchmark."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyperf

from alpypy.bench import catalog, results
from alpypy.bench.catalog import Benchmark, Counting, Timing
from alpypy.bench.counting import Counter, find_counter
from alpypy.bench.interpreter import Shared
from alpypy.bench.measure import Failure, Plan, calibrate, count, measure
from alpypy.bench.prepare import Ready, ready
from alpypy.bench.report import Report
from alpypy.bench.results import Comparison
from alpypy.bench.subject import Subject, parse_all
from alpypy.bench.wheels import FOLDER, InstalledWheels
from alpypy.core.bounds import Bound, Measure
from alpypy.core.errors import SpecError
from alpypy.core.progress import Tally
from alpypy.core.project import Project
from alpypy.engine.workspace import Workspace

_STARTING = 1.5  # seconds for a process to start and to prepare its data, about


@dataclass(frozen=True)
class Request:
    """What to measure: interpreters, the one that all are held against, benchmarks, and how many
    rounds. ``counting`` says how instructions are counted, if they are; ``cpu`` is the only
    processor to use."""

    subjects: tuple[Subject, ...]
    reference: Subject
    benchmarks: tuple[Benchmark, ...]
    timing: Timing
    rounds: int = 3
    bounds: tuple[Bound, ...] = ()
    counting: Counting | None = None
    cpu: int | None = None

    @property
    def all(self) -> tuple[Subject, ...]:
        """In the order in which a round runs them."""
        return (*self.subjects, self.reference)


@dataclass
class Measured:
    """What is known so far: the number of rounds, runs and instructions by interpreter and
    benchmark, plans by benchmark, and failures."""

    rounds: int = 0
    counts: dict[tuple[str, str], float] = field(default_factory=dict)
    runs: dict[tuple[str, str], pyperf.Benchmark] = field(default_factory=dict)
    plans: dict[str, Plan] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)

    def failed(self, subject: str, benchmark: str) -> bool:
        """Whether an interpreter could not run a benchmark; then it is not asked again."""
        return any((f.subject, f.benchmark) == (subject, benchmark) for f in self.failures)

    def instructions(self, subject: str, reference: str, benchmark: str) -> float | None:
        """The ratio of the instructions, if both were counted."""
        own, other = (self.counts.get((name, benchmark)) for name in (subject, reference))
        return own / other if own and other and min(own, other) > 0 else None

    def add(self, subject: str, benchmark: str, found: pyperf.Benchmark | Failure) -> None:
        """Add a round's run. After a failure, the rounds before it do not count either."""
        if isinstance(found, Failure):
            self.failures.append(found)
            self.runs.pop((subject, benchmark), None)
        elif known := self.runs.get((subject, benchmark)):
            known.add_runs(found)
        else:
            self.runs[subject, benchmark] = found


def bench(
    project: Project,
    workspace: Workspace | None,
    request: Request,
    keep: Callable[[Report], object] = lambda report: None,
) -> Report:
    """Measure, and hold each interpreter against the reference.

    Args:
        workspace: may be None if no subject needs a container.
        keep: is called after each round with the report so far, as all rounds may take an hour.

    Raises:
        SpecError, ArchiveError, ImageError, BenchError: a subject cannot be run.
        DownloadError: the wheels could not be installed.
    """
    wheels = project.store.run(InstalledWheels(project.store, project.data))
    with _scratch() as folder:
        own, counter = project.data / FOLDER / "own", _counter(request)
        shared = Shared(wheels, own, folder, counter, request.cpu)
        with ready(request.all, workspace, shared) as interpreters:
            project.say(f"{len(request.benchmarks)} benchmarks, {request.rounds} rounds")
            for measured in rounds(interpreters, request):
                keep(_report(request, interpreters, measured))
            if request.counting:
                count_all(interpreters, request.benchmarks, request.counting, measured)
            return _report(request, interpreters, measured)


def _counter(request: Request) -> Counter | None:
    containers = any(subject.in_container for subject in request.all)
    return find_counter(containers=containers) if request.counting else None


def _report(request: Request, interpreters: Sequence[Ready], measured: Measured) -> Report:
    return Report(
        comparisons=compare(request, measured),
        suites=_suites(request, measured),
        facts={found.subject.name: found.facts for found in interpreters},
        failures=tuple(measured.failures),
        bounds=request.bounds,
        rounds=measured.rounds,
    )


def rounds(interpreters: Sequence[Ready], request: Request) -> Iterator[Measured]:
    """Run all rounds, and give what is known after each; it is the same object, which grows.

    A benchmark that fails on one interpreter is not run on it again.
    """
    measured = Measured()
    each = request.timing.warmup + request.timing.steady + _STARTING
    steps = {
        (number, benchmark): f"{benchmark.name}, round {number}"
        for number in range(1, request.rounds + 1)
        for benchmark in request.benchmarks
    }
    weights = dict.fromkeys(steps.values(), each)
    with Tally("bench", weights, expected=len(steps) * len(interpreters) * each) as progress:
        for (number, benchmark), title in steps.items():
            _round(interpreters, benchmark, number, request.timing, measured)
            progress.finish(title)
            if benchmark is request.benchmarks[-1]:
                measured.rounds = number
                yield measured


def count_all(
    interpreters: Sequence[Ready],
    benchmarks: Sequence[Benchmark],
    counting: Counting,
    measured: Measured,
) -> None:
    """Count the instructions of the benchmarks that all interpreters can run."""
    names = [found.subject.name for found in interpreters]
    chosen = [
        benchmark
        for benchmark in benchmarks
        if benchmark.counted and all((name, benchmark.name) in measured.runs for name in names)
    ]
    with Tally("instructions", {benchmark.name: 1.0 for benchmark in chosen}) as progress:
        for benchmark in chosen:
            plan = measured.plans[benchmark.name]
            for found in interpreters:
                number = count(found.interpreter, benchmark, plan, counting)
                if isinstance(number, Failure):
                    title = f"{benchmark.name}, counted"
                    measured.failures.append(replace(number, benchmark=title))
                else:
                    measured.counts[found.subject.name, benchmark.name] = number
            progress.finish(benchmark.name)


def _refuse_missing(cpu: int | None) -> None:
    there = os.sched_getaffinity(0)
    if cpu is not None and cpu not in there:
        raise SpecError(
            f"--cpu {cpu} is not a processor that alpypy may use",
            remedy=f"choose one of {', '.join(map(str, sorted(there)))}",
        )


def _round(
    interpreters: Sequence[Ready],
    benchmark: Benchmark,
    number: int,
    timing: Timing,
    measured: Measured,
) -> None:
    """Run a benchmark once on each interpreter that can run it."""
    for found in interpreters:
        name = found.subject.name
        plan = _plan(interpreters[-1], benchmark, timing, measured)
        if plan and not measured.failed(name, benchmark.name):
            result = measure(
                found.interpreter, benchmark, plan, seed=number, timeout=timing.timeout
            )
            measured.add(name, benchmark.name, result)


def _plan(
    reference: Ready, benchmark: Benchmark, timing: Timing, measured: Measured
) -> Plan | None:
    """The plan for a benchmark, which is made once, on the reference. None if that cannot run it:
    then there is nothing to hold the others against."""
    name = reference.subject.name
    if benchmark.name not in measured.plans and not measured.failed(name, benchmark.name):
        made = calibrate(reference.interpreter, benchmark, timing)
        if isinstance(made, Failure):
            measured.failures.append(made)
        else:
            measured.plans[benchmark.name] = made
    return measured.plans.get(benchmark.name)


def compare(request: Request, measured: Measured) -> tuple[Comparison, ...]:
    """Hold each interpreter against the reference, in the benchmarks that both have run."""
    other = request.reference.name
    comparisons = []
    for subject in request.subjects:
        rows = (
            results.row(
                benchmark,
                measured.runs[subject.name, benchmark.name],
                measured.runs[other, benchmark.name],
                measured.instructions(subject.name, other, benchmark.name),
            )
            for benchmark in request.benchmarks
            if (subject.name, benchmark.name) in measured.runs
            and (other, benchmark.name) in measured.runs
        )
        comparisons.append(Comparison(subject.name, other, tuple(rows)))
    return tuple(comparisons)


def _suites(request: Request, measured: Measured) -> dict[str, pyperf.BenchmarkSuite]:
    """What pyperf measured, by the name of a file."""
    suites = {}
    for subject in request.all:
        runs = [found for (name, _), found in measured.runs.items() if name == subject.name]
        if runs:
            suites[subject.file_name] = pyperf.BenchmarkSuite(runs)
    return suites


@contextmanager
def _scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="alpypy-bench-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def request(
    data: Path,
    subjects: Sequence[str],
    reference: str,
    *,
    only: Sequence[str] = (),
    bounds: Sequence[str] = (),
    rounds: int = 3,
    fast: bool = False,
    instructions: bool = False,
    cpu: int | None = None,
) -> Request:
    """Read what the user typed.

    Args:
        data: the folder with versions/.

    Raises:
        SpecError: a subject, a pattern, a bound or the processor is not usable.
        DataError: versions/benchmarks.toml is not usable.
    """
    _refuse_missing(cpu)
    known = catalog.load(data)
    benchmarks = catalog.choose(catalog.benchmarks(known), only)
    *first, other = parse_all([*subjects, reference])
    limits = results.read_bounds(bounds, benchmarks)
    if not instructions and any(bound.kind is Measure.INSTRUCTIONS for bound in limits):
        raise SpecError(
            "a --bound is for instructions, which are not counted", remedy="add --instructions"
        )
    return Request(
        tuple(first),
        other,
        benchmarks,
        known.fast if fast else known.timing,
        rounds,
        limits,
        known.instructions if instructions else None,
        cpu,
    )
