"""The page of a build: what is on it, and where."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from bs4 import BeautifulSoup

from alpypy.build.phases import TITLES, Phase
from alpypy.build.usage import Point, Recording, Sample
from alpypy.core.folders import ROOT
from alpypy.pipeline.build_page import draw, file_name, kind_of, page, summary
from alpypy.pipeline.recorder import BuildRun, StageRun

GIBI = 1 << 30
PHASES = (
    Phase("start", 10.0, 100, 10.0, 2),
    Phase("annotate", 390.0, 3000, 390.0, 2),
    Phase("compile", 200.0, 5000, 400.0, 2),
)
POINTS = (Point(0.0, 0, 0.0), Point(300.0, 2048, 1.0), Point(600.0, 5120, 1.5))
TRANSLATION = StageRun(
    "translate <3.11>", "made", 100.0, 720.0, PHASES, Recording(1.76e9, 2, PHASES, POINTS), 120.0
)
OLD = (Phase("start", 60.0, 900),)
BUILD = BuildRun(
    "pypy-3.11-8.0.0-alpine3.24",
    1.76e9,
    1000.0,
    2,
    (
        StageRun("bootstrap image", "made", 0.0, 100.0),
        StageRun("translate 2.7", "from the cache", phases=OLD),
        StageRun("self-hosted image", "not needed"),
        TRANSLATION,
        StageRun("package 3.11", "made", 720.0, 900.0),
        StageRun("verify", "failed", 900.0, 1000.0),
    ),
    # One processor until the translation compiles, then both.
    (Sample(0.0, GIBI, 0.0), Sample(520.0, 8 * GIBI, 520.0), Sample(1000.0, 2 * GIBI, 1480.0)),
)
SOUP = BeautifulSoup(page(BUILD), "html.parser")
ROWS = {
    cells[0]: cells[1:]
    for cells in (
        [cell.get_text(strip=True) for cell in row.find_all("td")] for row in SOUP.find_all("tr")
    )
    if cells
}


def test_the_page_needs_no_script_and_no_other_file() -> None:
    text = page(BUILD)
    assert not re.search(r"<script|\bsrc=|\bhref=|@import|url\(", text)
    assert "translate &lt;3.11&gt;" in text
    assert "<3.11>" not in text


def test_the_drawing_is_well_formed() -> None:
    [svg] = re.findall(r"<svg.*?</svg>", page(BUILD), re.DOTALL)
    root = ET.fromstring(svg)
    assert root.get("role") == "img"
    assert len(root.findall("path")) == 4


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("bootstrap image", ["made", "1:40", "", "", "50 %"]),
        ("translate 2.7", ["from the cache", "1:00", "900 MiB", "-", ""]),
        ("self-hosted image", ["not needed", "", "", "", ""]),
        # Its phases lasted 600 seconds on two processors, and used 800.
        ("translate <3.11>", ["made", "10:20", "5000 MiB", "33 %", "34 %"]),
        ("annotate", ["", "6:30", "3000 MiB", "50 %", "50 %"]),
        ("compile", ["", "3:20", "5000 MiB", "0 %", "0 %"]),
        ("verify", ["failed", "1:40", "", "", "0 %"]),
    ],
)
def test_the_table_tells_what_each_stage_and_phase_cost(name: str, cells: list[str]) -> None:
    assert ROWS[name] == cells


def test_a_sentence_tells_when_how_long_and_how_busy() -> None:
    assert summary(BUILD) == (
        "Began 2025-10-09 08:53 UTC, took 16:40 (m:ss); verify failed. The processors of this"
        " machine (2) were idle for 26 % of that time."
    )


def test_each_build_has_a_page_of_its_own() -> None:
    assert file_name(BUILD) == "build-pypy-3.11-8.0.0-alpine3.24-20251009T085320Z.html"
    assert file_name(replace(BUILD, started=BUILD.started + 1)) > file_name(BUILD)


def test_stages_and_phases_are_drawn_where_they_were() -> None:
    drawing = draw(BUILD)
    lines = {line.title: line for line in drawing.lines}
    across = (drawing.right - drawing.left) / BUILD.seconds
    stage, start, annotate, compile_ = lines["translate <3.11>"].bars
    for bar, begin, end in (
        (stage, 100, 720),
        (start, 120, 130),
        (annotate, 130, 520),
        (compile_, 520, 720),
    ):
        assert bar.x == pytest.approx(drawing.left + across * begin, abs=0.1)
        assert bar.width == pytest.approx(across * (end - begin), abs=0.1)
    assert [bar.name for bar in (stage, start, annotate, compile_)] == [
        "",
        "",
        "annotate",
        "compile",
    ]
    assert [bar.hint for bar in (start, annotate)] == ["start 0:10", "annotate 6:30"]
    [failed] = lines["verify"].bars
    assert failed.kind == "failed"


def test_what_did_not_run_has_words_in_place_of_a_bar() -> None:
    lines = {line.title: line for line in draw(BUILD).lines}
    assert (lines["translate 2.7"].bars, lines["translate 2.7"].words) == ((), "from the cache")
    words = [text.get_text() for text in SOUP.select("svg text.soft")]
    assert words == ["from the cache", "not needed"]


def test_memory_and_processors_share_the_time_below() -> None:
    drawing = draw(BUILD)
    memory, processors = drawing.panels
    assert memory.bottom < processors.top < processors.bottom < drawing.height
    assert [tick.text for tick in memory.ticks] == ["0", "2", "4", "6", "8"]
    assert [tick.text for tick in processors.ticks] == ["0", "0.5", "1", "1.5", "2"]
    end = drawing.left + (drawing.right - drawing.left) * 0.72  # of the translation
    for panel in (memory, processors):
        [path] = panel.translations
        assert path.endswith(f"H{end:.1f}V{panel.bottom}Z")
        assert panel.machine.endswith(f"H{drawing.right}V{panel.bottom}Z")


def test_a_build_of_an_instant_can_be_drawn() -> None:
    build = replace(BUILD, seconds=0.0, samples=(), stages=(StageRun("verify", "made"),))
    assert summary(build) == "Began 2025-10-09 08:53 UTC, took 0:00 (m:ss)."
    [line] = draw(build).lines
    assert [bar.x for bar in line.bars] == [250.0]
    assert "<svg" in page(build)


def test_phases_of_programs_have_the_colour_of_their_phase() -> None:
    style = (ROOT / "templates/build.css").read_text(encoding="utf-8")
    for name in ("start", *TITLES.values(), "other"):
        kind = kind_of(Phase(f"pystone {name}", 1.0, 1))
        assert kind == name
        assert f"--{kind}:" in style or f"rect.{kind}" in style
        assert f'"{kind}"' in style or f".swatch.{kind}" in style
    assert kind_of(Phase("pystone something", 1.0, 1)) == "other"
