"""What is shown of work: how far it is, and how long the rest should take."""

from __future__ import annotations

import io
import queue
import sys
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpypy.core import log, progress
from alpypy.core.progress import Agenda, Pace, Progress, Tally, Transfer, clock, followed_by


def test_the_time_left_is_what_was_expected_until_the_work_tells_better() -> None:
    work = Progress("x", total=100, expected=60.0)
    assert work.line(20.0) == "x: 0:20, about 0:40 left"
    work.add(9)
    assert work.line(20.0) == "x: 0:20, about 0:40 left"
    work.add(1)
    assert work.line(20.0) == "x: 0:20, about 3:00 left"
    work.add(90)
    assert work.line(20.0) == "x: 0:20, about 0:00 left"


def test_work_that_nobody_can_measure_says_when_it_takes_longer_than_usual() -> None:
    assert Progress("x", expected=60.0).line(75.0) == "x: 1:15, longer than the expected 1:00"
    assert Progress("x").line(75.0) == "x: 1:15"


@pytest.mark.parametrize(
    ("done", "line"),
    [
        (0, "x: 0:20, about 0:40 left here, 2:20 to the end"),
        (50, "x: 0:20, about 0:20 left here, 1:26 to the end"),  # faster than expected, all is
        (25, "x: 0:20, about 1:00 left here, 3:13 to the end"),
        (10, "x: 0:20, about 3:00 left here, 8:33 to the end"),
    ],
)
def test_what_comes_after_it_counts_at_the_pace_of_the_work(done: int, line: str) -> None:
    with followed_by(40.0), followed_by(60.0):
        work = Progress("x", total=100, expected=60.0)
    work.add(done)
    assert work.line(20.0) == line
    assert "to the end" not in Progress("x", expected=60.0).line(20.0)


def test_what_comes_after_overdue_work_counts_at_its_pace_too() -> None:
    with followed_by(40.0):
        work, other = Progress("x", expected=60.0), Progress("x")
    assert work.line(90.0) == "x: 1:30, longer than the expected 1:00, about 1:00 after it"
    assert other.line(90.0) == "x: 1:30, about 0:40 after it"


def test_an_agenda_counts_what_follows_and_learns_how_fast_work_goes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(progress, "Stopwatch", lambda: SimpleNamespace(seconds=16.0))
    agenda = Agenda({"a": 8.0, "b": 40.0, "c": 30.0}, Pace())
    with agenda.begin("a") as expected:
        assert expected == 8.0
        line = Progress("a", expected=expected).line(2.0)
        assert line == "a: 0:02, about 0:06 left here, 1:16 to the end"
    # It took twice as long as expected, and so does what follows.
    with agenda.begin("c") as expected:
        assert expected == 60.0
        line = Progress("c", expected=expected).line(0.0)
        assert line == "c: 0:00, about 1:00 left here, 2:20 to the end"


def test_a_piece_of_work_that_fails_tells_nothing_of_the_pace() -> None:
    pace = Pace()
    with pytest.raises(ValueError), Agenda({"a": 100.0}, pace).begin("a"):  # noqa: PT011
        raise ValueError
    assert pace.factor == 1.0
    pace.add(5.0, 100.0)
    assert pace.factor == 8.0


def test_a_tally_counts_and_weighs() -> None:
    tally = Tally("libraries", {"a": 3.0, "b": 1.0}, expected=8.0)
    tally.finish("b")
    assert tally.line(4.0) == "libraries: 0:04, 1 of 2, last b, about 0:04 left"  # as expected
    tally.finish("a", "a in 5 s")
    assert tally.line(9.0) == "libraries: 0:09, 2 of 2, last a in 5 s, about 0:00 left"
    tests = Tally("tests", {"a": 1.0, "b": 1.0, "c": 1.0, "d": 1.0})
    tests.finish("c")
    assert tests.line(4.0) == "tests: 0:04, 1 of 4, last c, about 0:12 left"


def test_a_transfer_that_goes_on_does_not_count_what_it_had() -> None:
    transfer = Transfer("file", have=50_000_000, total=100_000_000)
    assert transfer.line(10.0) == "file: 0:10, 50.0 of 100.0 MB"
    transfer.add(25_000_000)
    assert transfer.line(10.0) == "file: 0:10, 75.0 of 100.0 MB, about 0:10 left"
    transfer.grow(90_000_000, 120_000_000)
    assert transfer.line(20.0) == "file: 0:20, 90.0 of 120.0 MB, about 0:15 left"
    assert Transfer("file").line(1.0) == "file: 0:01, 0.0 MB"


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> queue.Queue[str]:
    """What work says that starts now, as if the time between two lines were nothing."""
    monkeypatch.setattr(progress, "INTERVAL", 0.001)
    return queue.Queue()


def test_without_a_terminal_lines_come_by_themselves_until_the_work_ends(
    lines: queue.Queue[str],
) -> None:
    with Progress("x", total=2, say=lines.put) as work:
        assert lines.get() == "x: 0:00"
        work.step("half of it")
        while lines.get() != "x: 0:00, half of it":
            pass
        thread = work._thread
    assert not thread.is_alive()


def test_work_whose_reader_has_gone_goes_on(lines: queue.Queue[str]) -> None:
    def say(line: str) -> None:
        lines.put(line)
        raise BrokenPipeError

    with Progress("x", say=say) as work:
        assert lines.get() == "x: 0:00"
        work._thread.join()
    assert lines.empty()


def test_on_a_terminal_there_is_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(log, "show_bars", lambda: True)
    said: list[str] = []
    with Progress("x", total=4, say=said.append) as work:
        work.add(1)
        work.step("the first quarter")
        work._draw(3.0)
        log.configure()
        log.say("beside the bar")
    drawn = screen.getvalue()
    assert "beside the bar\n" in drawn
    assert "x: " in drawn
    assert "the first quarter, about 0:09 left" in drawn
    assert said == []


@given(st.integers(min_value=0, max_value=10**6))
def test_clock_is_minutes_and_seconds(seconds: int) -> None:
    minutes, _, rest = clock(seconds).partition(":")
    assert len(rest) == 2
    assert int(minutes) * 60 + int(rest) == seconds
