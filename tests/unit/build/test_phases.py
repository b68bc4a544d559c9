"""Logs of real translations: those in fixtures/ keep every line that changes the phase and a sample
of the rest, each with its time in seconds as alpypy wrote it.
"""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpypy.build.phases import (
    TITLES,
    Display,
    Phase,
    Phases,
    Span,
    percent,
    stamped,
    table,
    total,
)

LOGS = {
    path.stem: path.read_text(encoding="utf-8")
    for path in (Path(__file__).parents[2] / "fixtures").glob("translate-*.log")
}
PHASES = ["start", "annotate", "rtype", "jit", "backendopt", "stackcheck", "database", "source"]
PHASES += ["compile"]
_ELAPSED = re.compile(r"^ *(?P<seconds>\d+\.\d) (?P<text>.*)$")


def read_log(text: str) -> tuple[Span, ...]:
    """The phases of a log file that alpypy wrote."""
    phases, elapsed = Phases(), 0.0
    for line in text.splitlines():
        match = _ELAPSED.match(line)
        if match:
            elapsed = float(match["seconds"])
            phases.line(match["text"], elapsed)
    return phases.end(elapsed)


def phases_of(name: str) -> list[str]:
    """What a recording goes through: of RPython's own, that of pystone, which has no JIT."""
    return [phase for phase in PHASES if phase != "jit" or "rpython" not in name]


def test_there_is_a_recording() -> None:
    assert LOGS
    assert all(len(text) <= 60_000 for text in LOGS.values())


@pytest.mark.parametrize("name", LOGS)
def test_a_recorded_log_has_every_phase_in_its_order(name: str) -> None:
    names = [phase.name for phase in read_log(LOGS[name])]
    assert names[: len(phases_of(name))] == phases_of(name)
    assert set(names) <= {"start", *TITLES.values()}
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", LOGS)
def test_the_phases_of_a_recorded_log_last_as_long_as_it_says(name: str) -> None:
    lines = LOGS[name].splitlines()
    starts = {
        TITLES[title]: float(line[:9])
        for line in lines
        for title in TITLES
        if line[10:].removeprefix("[translation:info] ").rstrip() == f"{title}..."
    }
    times = [0.0, *starts.values(), float(lines[-1][:9])]
    expected = [end - start for start, end in itertools.pairwise(times)]
    assert [phase.seconds for phase in read_log(LOGS[name])] == pytest.approx(expected, abs=0.06)


@pytest.mark.parametrize("name", LOGS)
def test_what_is_written_while_translating_is_what_is_read_later(name: str) -> None:
    phases, again, elapsed = Phases(), "", 0.0
    for line in LOGS[name].splitlines():
        elapsed, text = float(line[:9]), line[10:]
        phases.line(text, elapsed)
        again += stamped(text, elapsed)
    assert again == LOGS[name]
    assert phases.end(elapsed) == read_log(LOGS[name])


@pytest.mark.parametrize("name", LOGS)
def test_a_log_cut_in_the_middle_ends_in_the_phase_it_had_reached(name: str) -> None:
    text = LOGS[name]
    cut = read_log(text[: text.index("[translation:info] lltype back-end optimisations...")])
    names = phases_of(name)
    reached = names.index("backendopt")
    assert [phase.name for phase in cut] == names[:reached]
    assert cut[:-1] == read_log(text)[: reached - 1]


@given(st.text())
def test_no_other_line_changes_the_phase(text: str) -> None:
    phases = Phases()
    phases.line(text, 1.0)
    assert phases.current == "start"
    assert phases.end(1.0) == (Span("start", 0.0, 1.0),)


@pytest.mark.parametrize(
    "line",
    [
        "[translation:info] Annotating&simplifying...",
        "[translation] Annotating&simplifying... ",
    ],
)
def test_a_title_is_known_with_and_without_its_level(line: str) -> None:
    phases = Phases()
    phases.line(line, 2.0)
    assert phases.current == "annotate"


def test_programs_one_after_another_have_their_names_in_their_phases() -> None:
    phases = Phases()
    phases.program("one", 0.0)
    phases.line("[translation:info] RTyping...", 10.0)
    phases.program("two", 15.0)
    assert phases.end(20.0) == (
        Span("one start", 0.0, 10.0),
        Span("one rtype", 10.0, 15.0),
        Span("two start", 15.0, 20.0),
    )


@pytest.mark.parametrize(
    ("used", "processors", "idle"),
    [
        (10.0, 2, 0.5),
        (20.0, 2, 0.0),
        (20.3, 2, 0.0),  # samples are not exact
        (0.0, 4, 1.0),
        (None, None, None),
    ],
)
def test_idle_is_the_share_of_all_processors(
    used: float | None, processors: int | None, idle: float | None
) -> None:
    assert Phase("rtype", 10.0, 1, used, processors).idle == idle


def test_no_time_has_no_share() -> None:
    assert Phase("rtype", 0.0, 1, 0.0, 2).idle is None


def test_the_whole_is_the_sum_of_times_and_the_most_memory() -> None:
    phases = (Phase("annotate", 10.0, 300, 10.0, 2), Phase("compile", 30.0, 200, 60.0, 2))
    assert total(phases) == Phase("all", 40.0, 300, 70.0, 2)
    assert total((*phases, Phase("cffi", 1.0, 1))).idle is None


def test_the_table_has_every_phase_and_the_whole() -> None:
    phases = (Phase("annotate", 100.0, 1300, 98.0, 2), Phase("compile", 61.0, 200))
    assert list(table(phases)) == [
        "             m:ss  peak memory   idle",
        "annotate     1:40     1300 MiB   51 %",
        "compile      1:01      200 MiB      -",
        "all          2:41     1300 MiB      -",
    ]


@given(st.floats(0, 1))
def test_a_share_is_at_most_four_letters_and_a_space(share: float) -> None:
    assert 0 <= int(percent(share).removesuffix(" %")) <= 100


def test_a_translation_tells_its_phase_and_what_is_left() -> None:
    phases = Phases()
    display = Display("translate x", phases, {"start": 60.0, "rtype": 240.0})
    assert display.line(0.0) == "translate x: 0:00, start, about 5:00 left"
    assert display.line(45.0) == "translate x: 0:45, start, about 4:15 left"
    # A phase that takes longer than expected counts for no more.
    assert display.line(120.0) == "translate x: 2:00, start, about 8:00 left"
    phases.line("[translation:info] RTyping...", 120.0)
    assert display.line(240.0) == "translate x: 4:00, rtype, about 2:40 left"
