"""Where things are in a drawing over time: positions and paths for SVG, in its own units."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from alpypy.core.progress import clock

_STEPS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 43200)  # seconds


@dataclass(frozen=True)
class Tick:
    """A line across a drawing: where it is, and what is written beside it."""

    at: float
    text: str


@dataclass(frozen=True)
class Axis:
    """Values from 0 to ``most``, drawn from ``start`` to ``end``; ``end`` may be the smaller one,
    as in a drawing heights are counted from the top."""

    most: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Where a value is drawn; one beyond an end is drawn at the end."""
        share = min(max(value / self.most, 0.0), 1.0) if self.most else 0.0
        return round(self.start + share * (self.end - self.start), 1)


def time_ticks(axis: Axis, most: int = 12) -> Iterator[Tick]:
    """Round times on an axis of seconds, at most so many after 0."""
    step = next((step for step in _STEPS if axis.most / step <= most), _STEPS[-1])
    for seconds in range(0, int(axis.most) + 1, step):
        yield Tick(axis.at(seconds), clock(seconds))


def value_ticks(axis: Axis, most: int = 5) -> Iterator[Tick]:
    """Round values on an axis, at most so many after 0."""
    step = _round_up(axis.most / most)
    for number in range(int(axis.most / step) + 1 if step else 1):
        yield Tick(axis.at(number * step), f"{number * step:g}")


def _round_up(value: float) -> float:
    """The next number from there on that is 1, 2 or 5 times a power of ten; 0 of 0."""
    if value <= 0:
        return 0.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= value)


def area(points: Sequence[tuple[float, float]], across: Axis, up: Axis) -> str:
    """The path of the area under a curve, in steps: a point's value counts from the point before
    on. The first one is only a start. Empty without points."""
    if not points:
        return ""
    start, floor = across.at(points[0][0]), up.at(0)
    steps = "".join(f"V{up.at(y)}H{across.at(x)}" for x, y in points[1:])
    return f"M{start} {floor}{steps}V{floor}Z"
