"""Samples over time, and what is made of them."""

from __future__ import annotations

import itertools
import queue
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpypy.build.phases import Phase, Span
from alpypy.build.usage import (
    Machine,
    Meter,
    Point,
    Recording,
    Sample,
    costs,
    curve,
    peak,
    used_at,
)
from alpypy.core.progress import Stopwatch
from alpypy.engine.container import Usage

MEBI = 1 << 20
# One processor for 10 seconds, then two.
SAMPLES = (
    Sample(0.0, 0, 0.0),
    Sample(4.0, 100 * MEBI, 4.0),
    Sample(8.0, 300 * MEBI, 8.0),
    Sample(12.0, 200 * MEBI, 14.0),
    Sample(16.0, 50 * MEBI, 22.0),
)
RECORDING = Recording(
    1.76e9, 2, (Phase("start", 10.0, 300, 11.0, 2), Phase("rtype", 6.0, 200)), curve(SAMPLES)
)


class Told:
    """Uses what a test says, until it says None."""

    def __init__(self) -> None:
        self._said = queue.Queue[Usage | None]()
        self._taken = queue.Queue[None]()

    def usage(self) -> Iterator[Usage]:
        for usage in iter(self._said.get, None):
            yield usage
            self._taken.put(None)

    def say(self, memory: int, processor_seconds: float) -> None:
        """Tell a sample, and wait until the meter has dealt with it."""
        self._said.put(Usage(memory, processor_seconds))
        self._taken.get(timeout=600)

    def say_too_late(self, memory: int, processor_seconds: float) -> None:
        self._said.put(Usage(memory, processor_seconds))


class Clock(Stopwatch):
    """Shows the time that a test sets."""

    now = 0.0

    @property
    def seconds(self) -> float:
        """That time."""
        return self.now


def follow(meter: Meter, clock: Clock, *said: tuple[float, int, float], until: float) -> Told:
    """Let a container run that uses this: time, memory, processor time so far."""
    told = Told()
    with meter.following(told):
        for clock.now, memory, used in said:
            told.say(memory, used)
        clock.now = until
    return told


def test_a_meter_adds_up_the_time_of_containers_one_after_another() -> None:
    clock = Clock()
    meter = Meter(clock)
    follow(meter, clock, (1.0, 10, 0.5), (2.0, 30, 2.5), until=2.0)
    clock.now = 3.0
    follow(meter, clock, (4.0, 20, 1.5), until=4.0)
    assert meter.samples == (
        Sample(0.0, 0, 0.0),
        Sample(1.0, 10, 0.5),
        Sample(2.0, 30, 2.5),
        Sample(3.0, 0, 2.5),
        Sample(4.0, 20, 4.0),
    )


@pytest.mark.parametrize(("until", "seconds", "used"), [(2.5, 2.5, 3.5), (9.0, 3.0, 4.5)])
def test_the_time_after_the_last_sample_is_taken_to_be_like_that_before(
    until: float, seconds: float, used: float
) -> None:
    clock = Clock()
    meter = Meter(clock)
    follow(meter, clock, (1.0, 10, 0.5), (2.0, 30, 2.5), until=until)
    assert meter.samples[-1] == Sample(seconds, 30, used)


def test_without_a_sample_nothing_is_known() -> None:
    clock = Clock()
    meter = Meter(clock)
    follow(meter, clock, until=0.5)
    assert meter.samples == (Sample(0.0, 0, 0.0),)


def test_a_sample_that_comes_too_late_counts_for_nothing() -> None:
    clock = Clock()
    meter = Meter(clock)
    told = follow(meter, clock, (1.0, 1, 2.0), until=1.0)
    told.say_too_late(9, 9.0)
    follow(meter, clock, (2.0, 2, 1.0), until=2.0)
    assert [sample.used for sample in meter.samples] == [0.0, 2.0, 2.0, 3.0]


def test_this_machine_tells_what_it_uses_since_it_was_asked() -> None:
    first, second = itertools.islice(Machine().usage(), 2)
    assert first.memory > 0
    assert 0 <= first.processor_seconds <= second.processor_seconds


@pytest.mark.parametrize(
    ("seconds", "used"), [(-1, 0), (0, 0), (2, 2), (8, 8), (10, 11), (14, 18), (16, 22), (99, 22)]
)
def test_time_between_two_samples_is_shared_out(seconds: float, used: float) -> None:
    assert used_at(SAMPLES, seconds) == used
    assert used_at((), seconds) == 0


def test_the_peak_is_that_of_the_samples_between_or_of_the_one_before() -> None:
    assert peak(SAMPLES, 0, 16) == 300 * MEBI
    assert peak(SAMPLES, 8, 12) == 200 * MEBI
    assert peak(SAMPLES, 9, 10) == 300 * MEBI
    assert peak((), 0, 5) == 0


def test_each_phase_gets_what_was_used_in_it() -> None:
    spans = (Span("start", 0.0, 10.0), Span("rtype", 10.0, 14.0), Span("compile", 14.0, 16.04))
    assert costs(spans, SAMPLES, 2) == (
        Phase("start", 10.0, 300, 11.0, 2),
        Phase("rtype", 4.0, 200, 7.0, 2),
        Phase("compile", 2.0, 50, 4.0, 2),
    )


@pytest.mark.parametrize("samples", [(), (Sample(0.0, 0, 0.0),)])
def test_without_samples_the_idle_time_is_unknown(samples: tuple[Sample, ...]) -> None:
    [phase] = costs((Span("start", 0.0, 10.0),), samples, 2)
    assert phase == Phase("start", 10.0, 0)
    assert phase.idle is None


def test_a_curve_has_the_most_memory_and_the_processors_between_its_points() -> None:
    assert curve(SAMPLES) == (
        Point(0.0, 0, 0.0),
        Point(4.0, 100, 1.0),
        Point(8.0, 300, 1.0),
        Point(12.0, 200, 1.5),
        Point(16.0, 50, 2.0),
    )
    assert curve(SAMPLES, 3) == (Point(0.0, 0, 0.0), Point(8.0, 300, 1.0), Point(16.0, 200, 1.75))
    assert curve(SAMPLES[:1]) == (Point(0.0, 0, 0.0),)
    assert curve(()) == ()


@given(st.lists(st.floats(0.01, 5), max_size=50), st.integers(2, 20))
def test_a_curve_has_no_more_points_and_the_same_time_and_peak(
    steps: list[float], most: int
) -> None:
    times = [0.0, *itertools.accumulate(steps)]
    samples = [
        Sample(time, (number * 37 % 11) * MEBI if number else 0, time)
        for number, time in enumerate(times)
    ]
    points = curve(samples, most)
    assert len(points) <= most
    assert max(point.memory_mib for point in points) == peak(samples, -1, 1e9) // MEBI
    assert points[-1].seconds == round(times[-1], 1)
    assert all(point.processors == 1.0 for point in points[1:])


def test_a_recording_is_read_as_it_was_written(tmp_path: Path) -> None:
    RECORDING.write(tmp_path / "recording.json")
    assert Recording.read(tmp_path / "recording.json") == RECORDING
    assert [path.name for path in tmp_path.iterdir()] == ["recording.json"]
    assert RECORDING.seconds == 16.0


@pytest.mark.parametrize("content", [None, b"", b"[1]", b'{"started": 1}', b"\xff"])
def test_what_is_no_recording_is_none(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "recording.json").write_bytes(content)
    assert Recording.read(tmp_path / "recording.json") is None
