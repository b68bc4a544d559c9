"""Where values and times are drawn."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpypy.pipeline.chart import Axis, Tick, area, time_ticks, value_ticks

ACROSS = Axis(100.0, 200.0, 400.0)
UP = Axis(2.0, 150.0, 50.0)


@pytest.mark.parametrize(("value", "at"), [(0, 200), (50, 300), (100, 400), (-5, 200), (101, 400)])
def test_a_value_beyond_an_end_is_drawn_at_the_end(value: float, at: float) -> None:
    assert ACROSS.at(value) == at


def test_heights_count_from_the_top() -> None:
    assert [UP.at(value) for value in (0, 1, 2)] == [150, 100, 50]


def test_an_axis_without_values_has_everything_at_its_start() -> None:
    empty = Axis(0.0, 200.0, 400.0)
    assert empty.at(5.0) == 200
    assert list(value_ticks(empty)) == [Tick(200, "0")]
    assert list(time_ticks(empty)) == [Tick(200, "0:00")]


@pytest.mark.parametrize(
    ("seconds", "texts"),
    [
        (4.5, ["0:00", "0:01", "0:02", "0:03", "0:04"]),
        (130, ["0:00", "0:20", "0:40", "1:00", "1:20", "1:40", "2:00"]),
        (5400, [f"{minutes}:00" for minutes in range(0, 91, 10)]),
    ],
)
def test_times_are_round(seconds: float, texts: list[str]) -> None:
    assert [tick.text for tick in time_ticks(Axis(seconds, 0, 100))] == texts


@pytest.mark.parametrize(
    ("most", "texts"),
    [
        (2, ["0", "0.5", "1", "1.5", "2"]),
        (8.6, ["0", "2", "4", "6", "8"]),
        (6.83, ["0", "2", "4", "6"]),
        (0.4, ["0", "0.1", "0.2", "0.3", "0.4"]),
        (64, ["0", "20", "40", "60"]),
    ],
)
def test_values_are_round(most: float, texts: list[str]) -> None:
    assert [tick.text for tick in value_ticks(Axis(most, 0, 100))] == texts


@given(st.floats(0.001, 1e6), st.integers(1, 20))
def test_there_are_no_more_ticks_than_fit(most: float, number: int) -> None:
    assert 1 <= len(list(value_ticks(Axis(most, 0, 100), number))) <= number + 1


def test_an_area_stands_on_the_floor_at_both_ends() -> None:
    path = area([(0, 1), (50, 2), (100, 0.5)], ACROSS, UP)
    assert path == "M200.0 150.0V50.0H300.0V125.0H400.0V150.0Z"
    assert area([], ACROSS, UP) == ""
