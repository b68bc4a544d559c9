"""What the measurements come to: ratios, their spread, geometric means, and bounds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import geometric_mean, median

import pyperf

from alpypy.bench.catalog import MEAN, Benchmark
from alpypy.core import bounds
from alpypy.core.bounds import Bound, Exceeded, Measure


@dataclass(frozen=True)
class Times:
    """A benchmark's times on one interpreter, in seconds for one loop.

    ``rounds`` has the median of each round's values, ``seconds`` that of all values, ``best`` the
    smallest value. ``warmup`` is the sum of the warm-up's values in a round, the median of all.
    """

    seconds: float
    best: float
    rounds: tuple[float, ...]
    warmup: float


@dataclass(frozen=True)
class Ratio:
    """Times that are held against those of the reference: above 1 is slower.

    ``low`` and ``high`` are the smallest and the largest ratio of a round, ``best`` is that of the
    smallest values.
    """

    value: float
    low: float
    high: float
    best: float


@dataclass(frozen=True)
class Row:
    """A benchmark that both have run. ``warmup`` is the ratio of the times of the warm-up,
    ``instructions`` that of the instructions, if they were counted."""

    benchmark: Benchmark
    times: Times
    reference: Times
    ratio: Ratio
    warmup: float
    instructions: float | None = None


@dataclass(frozen=True)
class Mean:
    """The geometric mean of the ratios of some benchmarks: a group, a suite, or all.
    ``instructions`` is the mean of those whose instructions were counted."""

    name: str
    number: int
    ratio: Ratio
    instructions: float | None = None


@dataclass(frozen=True)
class Comparison:
    """An interpreter held against the reference."""

    subject: str
    reference: str
    rows: tuple[Row, ...]

    @property
    def groups(self) -> dict[str, tuple[Row, ...]]:
        """The rows by group."""
        return _by(self.rows, lambda row: row.benchmark.group)

    @property
    def means(self) -> tuple[Mean, ...]:
        """Of each group, of each suite, and of all."""
        suites = _by(self.rows, lambda row: row.benchmark.suite)
        found = {**self.groups, **suites, MEAN: self.rows}
        return tuple(mean(name, rows) for name, rows in found.items() if rows)

    def ratio(self, bound: Bound) -> float | None:
        """The ratio that a bound is for; None without one."""
        means: dict[str, Row | Mean] = {mean.name: mean for mean in self.means}
        found = {**means, **{row.benchmark.name: row for row in self.rows}}.get(bound.name)
        if found is None:
            return None
        if bound.kind is Measure.INSTRUCTIONS:
            return found.instructions
        return found.ratio.best if bound.kind is Measure.BEST else found.ratio.value

    @property
    def counted(self) -> bool:
        """Whether instructions were counted."""
        return any(row.instructions is not None for row in self.rows)


def times(measured: pyperf.Benchmark) -> Times:
    """The times of all rounds of a benchmark; each is a run of pyperf's."""
    runs = measured.get_runs()
    rounds = tuple(median(run.values) for run in runs)
    warmups = [sum(value for _, value in run.warmups) for run in runs]
    return Times(measured.median(), min(measured.get_values()), rounds, median(warmups))


def row(
    benchmark: Benchmark,
    measured: pyperf.Benchmark,
    reference: pyperf.Benchmark,
    instructions: float | None = None,
) -> Row:
    """Hold a benchmark against the reference, round by round.

    Args:
        instructions: the ratio of the instructions, if they were counted.
    """
    own, other = times(measured), times(reference)
    pairs = [mine / theirs for mine, theirs in zip(own.rounds, other.rounds, strict=True)]
    best = own.best / other.best
    ratio = Ratio(own.seconds / other.seconds, min(pairs), max(pairs), best)
    warmup = own.warmup / other.warmup if other.warmup else 1.0
    return Row(benchmark, own, other, ratio, warmup, instructions)


def mean(name: str, rows: Sequence[Row]) -> Mean:
    """The geometric mean of some rows, and its smallest and largest value in a round."""
    pairs = [
        [mine / theirs for mine, theirs in zip(r.times.rounds, r.reference.rounds, strict=True)]
        for r in rows
    ]
    rounds = [geometric_mean(ratios) for ratios in zip(*pairs, strict=True)]
    value = geometric_mean([row.ratio.value for row in rows])
    best = geometric_mean([row.ratio.best for row in rows])
    counted = [row.instructions for row in rows if row.instructions]
    instructions = geometric_mean(counted) if counted else None
    return Mean(name, len(rows), Ratio(value, min(rounds), max(rounds), best), instructions)


def read_bounds(texts: Iterable[str], benchmarks: Iterable[Benchmark]) -> tuple[Bound, ...]:
    """Read bounds such as ``mean=1.05`` or ``strings.join=1.2``.

    Args:
        benchmarks: those that are to be run.

    Raises:
        SpecError: a bound has another form, or names nothing that is run.
    """
    known = {name for benchmark in benchmarks for name in benchmark.names} | {MEAN}
    return bounds.read_bounds(
        texts,
        known,
        example="--bound mean=1.05, or the name of a benchmark or a group",
        remedy=f"name a benchmark, a group or a suite that --only does not leave out, or {MEAN}",
    )


def exceeded(comparisons: Iterable[Comparison], limits: Iterable[Bound]) -> tuple[Exceeded, ...]:
    """The bounds that are not kept."""
    limits = tuple(limits)
    found = []
    for comparison in comparisons:
        for bound in limits:
            ratio = comparison.ratio(bound)
            if ratio is None or ratio > bound.ratio:
                found.append(Exceeded(comparison.subject, bound, ratio))
    return tuple(found)


def _by(rows: Iterable[Row], key: Callable[[Row], str]) -> dict[str, tuple[Row, ...]]:
    found: dict[str, tuple[Row, ...]] = {}
    for row in rows:
        found[key(row)] = (*found.get(key(row), ()), row)
    return found
