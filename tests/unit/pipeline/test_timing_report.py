"""The tables, ratios and bounds of two ways to build."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from alpypy.build.phases import Phase
from alpypy.core.errors import SpecError
from alpypy.pipeline.timing import StageTime, Way, WayTime
from alpypy.pipeline.timing_report import TimingReport, read_bounds

# (name, seconds, MiB, processor seconds): one of two processors is busy, then both.
SEEDS = WayTime(
    "a" * 64,
    Way.SEEDS,
    "pypy-3.6-7.0.0-alpine3.9",
    1,
    2,
    (
        StageTime("bootstrap image", cached=True),
        StageTime(
            "translate 3.6-7.0.0",
            1010.0,
            phases=(
                Phase("annotate", 600.0, 2000, 600.0, 2),
                Phase("compile", 400.0, 3000, 400.0, 2),
            ),
        ),
        StageTime("verify", 90.0),
    ),
)
OURS = WayTime(
    "b" * 64,
    Way.OURS,
    "pypy-3.6-7.0.0-alpine3.9",
    2,
    2,
    (
        StageTime(
            "translate 2.7-7.3.22",
            151.0,
            phases=(Phase("annotate", 100.0, 900, 100.0, 2), Phase("compile", 50.0, 800, 100.0, 2)),
        ),
        StageTime(
            "translate 3.6-7.0.0",
            249.0,
            phases=(
                Phase("annotate", 50.0, 4000, 50.0, 2),
                Phase("compile", 150.0, 3500, 300.0, 2),
            ),
        ),
        StageTime("verify", 40.0),
    ),
)
AFTER = WayTime(
    "c" * 64,
    Way.SECOND,
    "pypy-2.7-7.3.23-alpine3.9",
    2,
    2,
    (StageTime("translate 2.7-7.3.23", 110.0, phases=(Phase("annotate", 100.0, 900),)),),
)


def report(*bounds: str) -> TimingReport:
    ways = {Way.SEEDS: SEEDS, Way.OURS: OURS, Way.SECOND: AFTER}
    return TimingReport(ways, read_bounds(bounds))


def test_phases_of_the_same_name_count_together() -> None:
    rows = {row.name: row for row in report().rows}
    assert list(rows) == ["annotate", "compile", "translate", "build"]
    assert {name: row.ratio for name, row in rows.items()} == {
        "annotate": 0.25,
        "compile": 0.5,
        "translate": 0.35,
        "build": 0.4,
    }
    annotate = rows["annotate"]
    assert annotate.ours == Phase("all", 150.0, 4000, 150.0, 2)
    assert annotate.cells == (
        *("annotate", "10:00", "2000 MiB", "50 %"),
        *("2:30", "4000 MiB", "50 %", "0.250"),
    )


def test_phases_of_a_program_count_without_its_name() -> None:
    phases = (Phase("pystone rtype", 2.0, 10), Phase("tl rtype", 3.0, 20))
    way = structs.replace(OURS, stages=(StageTime("translate rpython-0.2.1", 5.0, phases=phases),))
    [rtype, translate, build] = TimingReport({Way.OURS: way}).rows
    assert rtype.ours == Phase("all", 5.0, 20)
    assert (rtype.seeds, rtype.ratio) == (None, None)
    assert rtype.cells == ("rtype", "-", "-", "-", "0:05", "20 MiB", "-", "-")
    assert (translate.name, build.name) == ("translate", "build")


def test_bounds_of_phases_of_all_of_the_second_and_of_memory() -> None:
    kept = ("build=0.45", "annotate=0.25", "compile=0.5", "second=0.25", "peak_mib=4000")
    assert report(*kept).exit_code == 0
    broken = report("build=0.39", "translate=0.3", "second=0.2", "peak_mib=3999", "jit=1")
    assert [str(found) for found in broken.exceeded] == [
        "ours: build is 0.400, and may be 0.39 at most",
        "ours: translate is 0.350, and may be 0.3 at most",
        "ours: second is 0.250, and may be 0.2 at most",
        "ours: peak_mib is 4000.000, and may be 3999 at most",
        "ours: jit has no result, and may be 1 at most",
    ]
    assert broken.exit_code == 1


def test_a_bound_needs_both_ways() -> None:
    one = TimingReport({Way.OURS: OURS}, read_bounds(["build=1", "second=1"]))
    assert [found.ratio for found in one.exceeded] == [None, None]
    assert TimingReport({}, read_bounds(["peak_mib=1"])).exceeded[0].ratio is None


@pytest.mark.parametrize("text", ["builds=1", "instructions:build=1"])
def test_a_bound_names_what_is_measured(text: str) -> None:
    with pytest.raises(SpecError, match="names nothing that is run"):
        read_bounds([text])


def test_the_text_has_each_way_with_its_stages_and_phases_then_the_ratios() -> None:
    lines = report("build=0.3").to_text().splitlines()
    assert lines[0] == "seeds: pypy-3.6-7.0.0-alpine3.9, 1 C compiler at once, 2 processors"
    assert lines[1] == "  bootstrap image      from the cache"
    assert lines[2] == "  translate 3.6-7.0.0    16:50"
    assert lines[4] == "    annotate    10:00     2000 MiB   50 %"
    assert "  all                    18:20" in lines
    assert "ours: pypy-3.6-7.0.0-alpine3.9, 2 C compilers at once, 2 processors" in lines
    assert "compile     6:40  3000 MiB  50 %  3:20  3500 MiB   0 %  0.500" in lines
    assert lines[-2:] == [
        "second: 0.250 of the time of the first",
        "FAIL  ours: build is 0.400, and may be 0.3 at most",
    ]


def test_what_verify_refused_and_what_to_know_is_told() -> None:
    way = structs.replace(OURS, notes=("another translator",), findings="one\ntwo")
    found = replace(report(), ways={Way.OURS: way})
    assert found.exit_code == 1
    assert found.to_text().splitlines()[-3:] == [
        "note  ours: another translator",
        "FAIL  ours: one",
        "FAIL  ours: two",
    ]


def test_the_files_for_docs_and_for_programs(tmp_path: Path) -> None:
    assert report("build=0.3").write(tmp_path) == tmp_path / "results.md"
    table = (tmp_path / "results.md").read_text().splitlines()
    assert {line.count("|") for line in table[:6]} == {9}
    assert table[5] == "| build | 18:20 | 3000 MiB | - | 7:20 | 4000 MiB | - | 0.400 |"
    assert table[-1] == "pypy-2.7-7.3.23-alpine3.9 after it: 1:50, 0.250."
    document = json.loads((tmp_path / "results.json").read_text())
    assert document["passed"] is False
    assert document["second"] == 0.25
    assert [row["ratio"] for row in document["rows"]] == [0.25, 0.5, 0.35, 0.4]
    assert document["ways"]["seeds"]["jobs"] == 1
    assert document["ways"]["ours"]["stages"][1]["phases"][0]["peak_memory_mib"] == 4000
    assert document["exceeded"][0]["bound"]["name"] == "build"
