"""The report of `invoke bench`: a table for terminals and one for docs, a page, and JSON."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyperf

from alpypy.bench.measure import Failure
from alpypy.bench.results import Comparison, Ratio, Row, exceeded
from alpypy.core.bounds import Bound, Exceeded
from alpypy.core.files import whole_file
from alpypy.core.pages import render

SCHEMA = 1
_TITLES = ("benchmark", "time", "reference", "ratio", "best", "spread", "warm-up", "instructions")
_WIDEST = 4.0  # the ratio at which a bar of the page ends; it has as much room for faster


@dataclass(frozen=True)
class Report:
    """What was measured and what it comes to. ``suites`` are pyperf's, by the name of a file;
    ``facts`` are about each interpreter."""

    comparisons: tuple[Comparison, ...]
    suites: Mapping[str, pyperf.BenchmarkSuite]
    facts: Mapping[str, Mapping[str, str]]
    failures: tuple[Failure, ...]
    bounds: tuple[Bound, ...]
    rounds: int

    @property
    def exceeded(self) -> tuple[Exceeded, ...]:
        """The bounds that are not kept."""
        return exceeded(self.comparisons, self.bounds)

    @property
    def exit_code(self) -> int:
        """1 if a bound is not kept or a benchmark failed, else 0."""
        failed = any(not failure.skipped for failure in self.failures)
        return 1 if self.exceeded or failed else 0

    @property
    def machine(self) -> dict[str, str]:
        """The machine that measured."""
        names = (suite.get_metadata().get("cpu_model_name") for suite in self.suites.values())
        return {"processor": str(next(names, "")), "kernel": platform.release()}

    def to_text(self) -> str:
        """Tables, failures, and bounds that are not kept."""
        lines = [line for comparison in self.comparisons for line in _text_table(comparison)]
        lines += [f"{'note' if f.skipped else 'FAIL'}  {f}" for f in self.failures]
        lines += [f"FAIL  {found}" for found in self.exceeded]
        return "\n".join(lines)

    def to_markdown(self) -> str:
        """The tables for docs."""
        lines = [line for comparison in self.comparisons for line in _markdown(comparison)]
        lines += [f"- {failure}" for failure in self.failures]
        return "\n".join(lines) + "\n"

    def to_json(self) -> str:
        """The report for programs."""
        document = {
            "schema": SCHEMA,
            "passed": not self.exit_code,
            "rounds": self.rounds,
            "machine": self.machine,
            "interpreters": {name: dict(facts) for name, facts in self.facts.items()},
            "comparisons": [_record(comparison) for comparison in self.comparisons],
            "failures": [asdict(failure) for failure in self.failures],
            "exceeded": [asdict(found) for found in self.exceeded],
        }
        return json.dumps(document, indent=1) + "\n"

    def to_html(self) -> str:
        """The report as a page that needs no other file."""
        title = " and ".join(f"{c.subject} against {c.reference}" for c in self.comparisons)
        return render("bench.html", title=title, report=self, bar=bar, number=number, exact=exact)

    def write(self, folder: Path) -> Path:
        """Write all files into ``folder`` and return the path of the page."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, suite in self.suites.items():
            suite.dump(str(folder / f"{name}.pyperf.json"), compact=False, replace=True)
        texts = {
            "results.md": self.to_markdown(),
            "results.json": self.to_json(),
            "index.html": self.to_html(),
        }
        for name, text in texts.items():
            with whole_file(folder / name) as temporary:
                temporary.write_text(text, encoding="utf-8")
        return folder / "index.html"


@dataclass(frozen=True)
class Bar:
    """A bar of the page, in percent of its width: it begins or ends at 50, where both are equal."""

    start: float
    width: float
    low: float
    high: float
    slower: bool


def bar(ratio: Ratio) -> Bar:
    """The bar of a ratio. Its length follows the logarithm: twice as slow and twice as fast are
    equally long."""
    place, low, high = (_place(value) for value in (ratio.value, ratio.low, ratio.high))
    return Bar(min(place, 50.0), abs(place - 50.0), low, high, ratio.value > 1)


def _place(ratio: float) -> float:
    place = 50 + 50 * math.log(ratio) / math.log(_WIDEST)
    return round(min(max(place, 0.0), 100.0), 2)


def number(seconds: float) -> str:
    """A time with its unit, in three digits or four: ``12.3 ms``."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def exact(instructions: float | None) -> str:
    """A ratio of instructions, which is worth more digits than one of times; empty without one."""
    return "" if instructions is None else f"{instructions:.4f}"


def _cells(row: Row) -> tuple[str, ...]:
    return (
        number(row.times.seconds),
        number(row.reference.seconds),
        f"{row.ratio.value:.3f}",
        f"{row.ratio.best:.3f}",
        _spread(row.ratio),
        f"{row.warmup:.2f}",
        exact(row.instructions),
    )


def _spread(ratio: Ratio) -> str:
    return f"{ratio.low:.3f} to {ratio.high:.3f}"


def _table(comparison: Comparison) -> Iterator[tuple[str, ...]]:
    """Rows of cells: first the titles, then the benchmarks, then the means."""
    columns = len(_TITLES) - (0 if comparison.counted else 1)
    yield _TITLES[:columns]
    for found in comparison.rows:
        yield (found.benchmark.name, *_cells(found))[:columns]
    for mean in comparison.means:
        name, ratio = f"{mean.name}: mean of {mean.number}", mean.ratio
        values = (f"{ratio.value:.3f}", f"{ratio.best:.3f}", _spread(ratio))
        yield (name, "", "", *values, "", exact(mean.instructions))[:columns]


def _text_table(comparison: Comparison) -> Iterator[str]:
    rows = list(_table(comparison))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    yield f"{comparison.subject} against {comparison.reference}: a ratio above 1 is slower"
    for first, *rest in rows:
        cells = (cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))
        yield "  ".join((first.ljust(widths[0]), *cells)).rstrip()


def _markdown(comparison: Comparison) -> Iterator[str]:
    titles, *rows = _table(comparison)
    yield f"{comparison.subject} against {comparison.reference}. A ratio above 1 is slower."
    yield ""
    yield f"| {' | '.join(titles)} |"
    yield f"|---|{'---:|' * (len(titles) - 1)}"
    for cells in rows:
        yield f"| {' | '.join(cells)} |"
    yield ""


def _record(comparison: Comparison) -> dict[str, Any]:
    return {
        "subject": comparison.subject,
        "reference": comparison.reference,
        "benchmarks": [
            {
                "name": row.benchmark.name,
                "group": row.benchmark.group,
                "suite": row.benchmark.suite,
                "times": asdict(row.times),
                "reference": asdict(row.reference),
                "ratio": asdict(row.ratio),
                "warmup_ratio": row.warmup,
                "instructions_ratio": row.instructions,
            }
            for row in comparison.rows
        ],
        "means": [asdict(mean) for mean in comparison.means],
    }
