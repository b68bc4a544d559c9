"""versions/benchmarks.toml: names mean one thing each, and each file of the own set is listed."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

from alpypy.bench.catalog import MEAN, OWN, PYPERFORMANCE, Benchmark, benchmarks, choose, load
from alpypy.core.errors import SpecError

ROOT = Path(__file__).parents[3]
ALL = benchmarks(load(ROOT))
FOLDER = ROOT / "benchmarks/own"


def in_file(path: Path) -> list[str]:
    """The keys of a file's BENCHMARKS, in their order."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "BENCHMARKS":
            assert isinstance(node.value, ast.Dict)
            return [str(ast.literal_eval(key)) for key in node.value.keys if key]
    raise AssertionError(f"{path.name} has no BENCHMARKS")


def test_every_file_of_the_own_set_is_listed_with_all_its_benchmarks() -> None:
    listed = {f"bench_{group.group}.py": list(group.benchmarks) for group in load(ROOT).own}
    assert listed == {path.name: in_file(path) for path in sorted(FOLDER.glob("bench_*.py"))}


def test_names_mean_one_thing_each() -> None:
    names = Counter(benchmark.name for benchmark in ALL)
    assert [name for name, number in names.items() if number > 1] == []
    groups = {benchmark.group: benchmark.suite for benchmark in ALL}
    others = {*groups, OWN, PYPERFORMANCE, MEAN}
    assert not others & set(names)
    assert len(others) == len(groups) + 3
    assert all(groups[benchmark.group] == benchmark.suite for benchmark in ALL)


def test_there_are_enough_of_both_suites() -> None:
    suites = Counter(benchmark.suite for benchmark in ALL)
    assert suites[PYPERFORMANCE] >= 25
    assert suites[OWN] >= 40


def names(*patterns: str) -> list[str]:
    return [benchmark.name for benchmark in choose(ALL, patterns)]


def test_patterns_name_benchmarks_groups_and_suites() -> None:
    assert choose(ALL, ()) == ALL
    assert names("nbody", "sort") == ["nbody", "sort.numbers", "sort.strings", "sort.keys"]
    assert names("strings.j*") == ["strings.join"]
    assert names("own") == [b.name for b in ALL if b.suite == OWN]
    assert names("regex_*") == ["regex_compile", "regex_dna", "regex_effbot", "regex_v8"]


def test_a_pattern_that_names_nothing_is_refused() -> None:
    with pytest.raises(SpecError) as caught:
        choose(ALL, ["nbody", "nbdy"])
    assert caught.value.what == "--only nbdy names no benchmark"
    assert "strings" in caught.value.remedy


def test_a_program_of_pyperformance_may_share_its_script() -> None:
    [found] = choose(ALL, ["scimark_fft"])
    script = "pyperformance/data-files/benchmarks/bm_scimark/run_benchmark.py"
    assert found == Benchmark("scimark_fft", "numbers", PYPERFORMANCE, script, ("fft",))
