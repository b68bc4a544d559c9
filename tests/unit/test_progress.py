"""The log of a real translation: PyPy 2.7-7.3.22 with --translationmodules, on Alpine 3.23.

The recording keeps every line that changes the phase and a sample of the rest, with their times.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpypy.progress import TITLES, Display, Phase, Phases, clock, read_log, stamped

LOG = Path(__file__).parents[1] / "fixtures/translate-2.7-7.3.22.log"
TEXT = LOG.read_text(encoding="utf-8")
FIRST = [
    "start", "annotate", "rtype", "jit", "backendopt", "stackcheck", "database", "source",
    "compile",
]


def test_the_recorded_log_has_every_phase_in_its_order() -> None:
    names = [phase.name for phase in read_log(TEXT)]
    assert names[: len(FIRST)] == FIRST
    assert set(names) <= {"start", *TITLES.values()}
    assert len(set(names)) == len(names)


def test_the_phases_of_the_recorded_log_add_up_to_its_time() -> None:
    phases = read_log(TEXT)
    last = float(TEXT.splitlines()[-1].split()[0])
    assert sum(phase.seconds for phase in phases) == pytest.approx(last, abs=1)
    seconds = {phase.name: phase.seconds for phase in phases}
    assert seconds["start"] == 10.0
    assert seconds["annotate"] == pytest.approx(142.7)
    assert seconds["jit"] == max(seconds[name] for name in FIRST[:5])


def test_what_is_written_while_translating_is_what_is_read_later() -> None:
    phases, again, elapsed = Phases(), "", 0.0
    for line in TEXT.splitlines():
        elapsed, text = float(line[:9]), line[10:]
        phases.line(text, elapsed)
        again += stamped(text, elapsed)
    assert again == TEXT
    assert phases.end(elapsed) == read_log(TEXT)


def test_a_log_cut_in_the_middle_ends_in_the_phase_it_had_reached() -> None:
    whole = read_log(TEXT)
    cut = TEXT[: TEXT.index("[translation:info] lltype back-end optimisations...")]
    assert [phase.name for phase in read_log(cut)] == FIRST[:4]
    assert read_log(cut)[:3] == whole[:3]


@given(st.text())
def test_no_other_line_changes_the_phase(text: str) -> None:
    phases = Phases()
    phases.line(text, 1.0)
    assert phases.current == "start"
    assert phases.end(1.0) == (Phase("start", 1.0, 0),)


@pytest.mark.parametrize(
    "line",
    [
        "[translation:info] Annotating&simplifying... ",  # 7.x
        "[translation] Annotating&simplifying...",  # PyPI's rpython-0.2.1, without a level
    ],
)
def test_both_forms_of_a_title_are_known(line: str) -> None:
    phases = Phases()
    phases.line(line, 2.0)
    assert phases.current == "annotate"


def test_memory_is_the_peak_of_each_phase() -> None:
    phases = Phases()
    for size in (100, 300, 200):
        phases.memory(size << 20)
    phases.line("[translation:info] RTyping...", 10.0)
    phases.memory(50 << 20)
    assert phases.end(15.0) == (Phase("start", 10.0, 300), Phase("rtype", 5.0, 50))


def test_without_a_terminal_one_line_a_minute_tells_where_it_is() -> None:
    said: list[str] = []
    phases = Phases()
    with Display("translate x", {"start": 60.0, "rtype": 240.0}, said.append) as display:
        for second in range(1, 200):
            if second == 100:
                phases.line("[translation:info] RTyping...", 100.0)
            display.show(phases, float(second))
    assert said == [
        "translate x: 1:00 of about 5:00, start",
        "translate x: 2:00 of about 5:00, rtype",
        "translate x: 3:00 of about 5:00, rtype",
    ]


@given(st.integers(min_value=0, max_value=10**6))
def test_clock_is_minutes_and_seconds(seconds: int) -> None:
    minutes, _, rest = clock(seconds).partition(":")
    assert len(rest) == 2
    assert int(minutes) * 60 + int(rest) == seconds
