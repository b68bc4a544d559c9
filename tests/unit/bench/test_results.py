"""Ratios, means and bounds, of times that pyperf holds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pyperf
import pytest

from alpypy.bench.catalog import OWN, PYPERFORMANCE, Benchmark
from alpypy.bench.measure import Failure
from alpypy.bench.report import Report, bar, number
from alpypy.bench.results import (
    Comparison,
    Ratio,
    exceeded,
    mean,
    read_bounds,
    row,
    times,
)
from alpypy.core.bounds import Bound, Measure
from alpypy.core.errors import SpecError

JOIN = Benchmark("strings.join", "strings", OWN, "bench_strings.py", ("join",))
FIND = Benchmark("strings.find", "strings", OWN, "bench_strings.py", ("find",))
NBODY = Benchmark("nbody", "numbers", PYPERFORMANCE, "nbody")


def measured(name: str, *rounds: Sequence[float], warmup: float = 1.0) -> pyperf.Benchmark:
    """A benchmark with these values, a run for each round."""
    runs = [
        pyperf.Run(
            values,
            warmups=[(8, warmup), (8, warmup)],
            metadata={"name": name, "loops": 8, "cpu_model_name": "a <fast> one"},
            collect_metadata=False,
        )
        for values in rounds
    ]
    return pyperf.Benchmark(runs)


def comparison() -> Comparison:
    """One benchmark is 1.2 times as slow, one takes half the time, one is equal."""
    return Comparison(
        "new",
        "old",
        (
            row(NBODY, measured("nbody", [2.0]), measured("nbody", [2.0])),
            row(JOIN, measured("strings.join", [1.2]), measured("strings.join", [1.0])),
            row(FIND, measured("strings.find", [0.5]), measured("strings.find", [1.0])),
        ),
    )


def test_warm_up_is_apart_from_what_counts() -> None:
    found = times(measured("x", [1.0, 3.0, 2.0], [5.0, 5.0, 6.0], warmup=10.0))
    assert found.seconds == 4.0  # of all values: 1, 2, 3, 5, 5, 6
    assert found.rounds == (2.0, 5.0)
    assert found.warmup == 20.0


def test_the_spread_is_of_pairs_of_one_round() -> None:
    own = measured("x", [2.0], [4.0], [8.0], warmup=3.0)
    other = measured("x", [1.0], [4.0], [4.0], warmup=2.0)
    found = row(NBODY, own, other)
    assert found.ratio == Ratio(1.0, 1.0, 2.0, best=2.0)
    assert found.warmup == 1.5


def test_means_are_geometric() -> None:
    found = comparison()
    assert {mean.name: mean.number for mean in found.means} == {
        "numbers": 1,
        "strings": 2,
        "pyperformance": 1,
        "own": 2,
        "mean": 3,
    }
    assert found.means[1].ratio.value == pytest.approx(0.6**0.5)
    assert found.means[-1].ratio.value == pytest.approx(0.6 ** (1 / 3))


def test_the_spread_of_a_mean_is_that_of_rounds() -> None:
    rows = [
        row(JOIN, measured("a", [2.0], [1.0]), measured("a", [1.0], [1.0])),
        row(FIND, measured("b", [1.0], [8.0]), measured("b", [2.0], [1.0])),
    ]
    found = mean("strings", rows)
    assert (found.ratio.low, found.ratio.high) == pytest.approx((1.0, 8.0**0.5))


def test_a_ratio_is_found_by_any_name() -> None:
    found = comparison()
    names = ("strings.join", "strings", "own", "mean", "x")
    values = {name: found.ratio(Bound(name, 1.0)) for name in names}
    assert values["strings.join"] == 1.2
    assert values["strings"] == values["own"]
    assert values["x"] is None


def test_bounds_that_are_not_kept() -> None:
    bounds = [Bound("strings.join", 1.1), Bound("strings", 1.0), Bound("nbody", 1.0)]
    [found] = exceeded([comparison()], bounds)
    assert str(found) == "new: strings.join is 1.200, and may be 1.1 at most"
    [found] = exceeded([comparison()], [Bound("sort", 2.0)])
    assert str(found) == "new: sort has no result, and may be 2 at most"


def test_bounds_for_the_smallest_times() -> None:
    rows = (row(NBODY, measured("nbody", [2.0, 6.0, 6.0]), measured("nbody", [1.0, 6.0, 6.0])),)
    found = Comparison("new", "old", rows)
    [told] = exceeded([found], read_bounds(["nbody=1", "best:mean=1.5"], [NBODY]))
    assert str(told) == "new: best:mean is 2.000, and may be 1.5 at most"


def test_bounds_for_instructions() -> None:
    rows = (row(NBODY, measured("nbody", [2.0]), measured("nbody", [2.0]), instructions=1.02),)
    found = Comparison("new", "old", rows)
    kept, broken = (Bound("mean", ratio, Measure.INSTRUCTIONS) for ratio in (1.03, 1.01))
    assert exceeded([found], [kept]) == ()
    [told] = exceeded([found], [broken])
    assert str(told) == "new: instructions:mean is 1.020, and may be 1.01 at most"
    [told] = exceeded([comparison()], [broken])
    assert str(told) == "new: instructions:mean has no result, and may be 1.01 at most"
    assert read_bounds(["instructions:nbody=1.01"], [NBODY]) == (
        Bound("nbody", 1.01, Measure.INSTRUCTIONS),
    )


def test_the_tables_have_a_column_for_instructions_if_they_were_counted() -> None:
    rows = (
        row(NBODY, measured("nbody", [2.0]), measured("nbody", [2.0]), instructions=1.02),
        row(JOIN, measured("strings.join", [2.0]), measured("strings.join", [2.0])),
    )
    counted = replace(report(), comparisons=(Comparison("new", "old", rows),))
    table = counted.to_markdown().splitlines()
    assert {line.count("|") for line in table[2:10]} == {9}
    assert table[2].endswith("| instructions |")
    assert table[4].endswith("| 1.0200 |")
    assert table[5].endswith("| 1.00 |  |")
    assert counted.to_html().count("1.0200") == 1 + 3  # nbody, its group and suite, all
    assert "instructions" not in report().to_html()


def test_bounds_as_typed() -> None:
    benchmarks = (JOIN, NBODY)
    typed = ["mean=1.05", "strings.join=2", "own=1", "numbers=1.1"]
    assert [bound.ratio for bound in read_bounds(typed, benchmarks)] == [1.05, 2, 1, 1.1]
    for wrong in ("mean", "mean=", "mean=x", "mean=0", "mean=-1", "mean=1e9", "=1"):
        with pytest.raises(SpecError, match="is not a name and a ratio"):
            read_bounds([wrong], benchmarks)
    with pytest.raises(SpecError, match="names nothing that is run"):
        read_bounds(["strings.find=1"], benchmarks)


def report(*, bounds: Sequence[Bound] = (), failures: Sequence[Failure] = ()) -> Report:
    suite = pyperf.BenchmarkSuite([measured("nbody", [2.0])])
    facts = {"new": {"interpreter": "PyPy <7>"}, "old": {"interpreter": "CPython"}}
    return Report((comparison(),), {"new": suite}, facts, tuple(failures), tuple(bounds), rounds=1)


def test_the_exit_code_is_1_if_a_bound_is_not_kept_or_a_benchmark_failed() -> None:
    skipped = Failure("new", "calls.cffi", "No module named 'cffi'", skipped=True)
    failed = Failure("new", "telco", "ValueError: no")
    assert report(bounds=[Bound("mean", 1.0)], failures=[skipped]).exit_code == 0
    assert report(bounds=[Bound("strings.join", 1.0)]).exit_code == 1
    assert report(failures=[failed]).exit_code == 1
    text = report(failures=[skipped, failed]).to_text()
    assert "note  new cannot run calls.cffi: No module named 'cffi'" in text
    assert "FAIL  new failed in telco: ValueError: no" in text


def test_the_table_for_terminals_has_a_line_for_each_benchmark_and_mean() -> None:
    lines = report().to_text().splitlines()
    assert lines[0] == "new against old: a ratio above 1 is slower"
    assert lines[1].split() == [
        "benchmark",
        "time",
        "reference",
        "ratio",
        "best",
        "spread",
        "warm-up",
    ]
    assert " ".join(lines[3].split()) == "strings.join 1.2 s 1 s 1.200 1.200 1.200 to 1.200 1.00"
    assert lines[-1].split()[:4] == ["mean:", "mean", "of", "3"]


def test_the_table_for_docs_is_markdown() -> None:
    lines = report().to_markdown().splitlines()
    assert lines[2].startswith("| benchmark | time |")
    assert {line.count("|") for line in lines[2:10]} == {8}
    assert "| strings.find | 500 ms | 1 s | 0.500 | 0.500 | 0.500 to 0.500 | 1.00 |" in lines


class Balanced(HTMLParser):
    """Follows which elements are open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        assert tag in ("line", "rect")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_is_one_file_that_escapes_what_it_shows() -> None:
    page = report(bounds=[Bound("nbody", 0.5)]).to_html()
    assert "<script" not in page
    assert "src=" not in page
    parser = Balanced()
    parser.feed(page)
    assert parser.open == []
    for shown in ("PyPy <7>", "a <fast> one", "nbody is 1.000, and may be 0.5 at most"):
        assert shown in parser.text
    assert page.count("<svg") == 3 + 5


def test_bars_are_as_long_for_twice_as_slow_as_for_twice_as_fast() -> None:
    slow, fast = bar(Ratio(2.0, 1.5, 100.0, 2.0)), bar(Ratio(0.5, 0.001, 0.6, 0.5))
    assert (slow.start, slow.width, slow.slower) == (50.0, 25.0, True)
    assert (fast.start, fast.width, fast.slower) == (25.0, 25.0, False)
    assert (slow.high, fast.low) == (100.0, 0.0)


def test_times_have_units() -> None:
    shown = [number(seconds) for seconds in (12.3456, 0.0123456, 4.2e-5, 1e-7)]
    assert shown == ["12.3 s", "12.3 ms", "42 µs", "100 ns"]


def test_all_files_are_written(tmp_path: Path) -> None:
    page = report().write(tmp_path / "out")
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert files == {"index.html", "results.json", "results.md", "new.pyperf.json"}
    assert page.name == "index.html"
    document = json.loads((tmp_path / "out/results.json").read_text())
    assert document["passed"] is True
    assert document["comparisons"][0]["benchmarks"][1]["ratio"]["value"] == 1.2
    kept = pyperf.BenchmarkSuite.load(str(tmp_path / "out/new.pyperf.json"))
    assert kept.get_benchmark("nbody").get_values() == (2.0,)
    report().write(tmp_path / "out")  # again, over what is there
