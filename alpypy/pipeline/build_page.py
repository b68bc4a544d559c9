"""The page of a build: stages, memory and processors over time, and what each phase cost."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from alpypy.build.phases import START, TITLES, Phase, percent, total
from alpypy.build.usage import Point, curve, used_at
from alpypy.core.pages import render
from alpypy.core.progress import clock
from alpypy.pipeline.chart import Axis, Tick, area, time_ticks, value_ticks
from alpypy.pipeline.recorder import BuildRun, StageRun

# In the units of the drawing, which are pixels on a wide screen.
_LEFT, _RIGHT = 250.0, 990.0
_ROW, _PANEL, _GAP = 26.0, 130.0, 34.0
_LETTER = 7.0
_GIBI_OF_MEBI = 1024
_KINDS = frozenset((START, *TITLES.values()))  # phases that have a colour of their own


@dataclass(frozen=True)
class Bar:
    """A piece of time. The name is left out if there is no room for it; ``hint`` always shows."""

    x: float
    width: float
    name: str
    kind: str
    hint: str


@dataclass(frozen=True)
class Line:
    """A stage's line in the drawing: its bars, or words in their place."""

    title: str
    y: float
    bars: tuple[Bar, ...]
    words: str


@dataclass(frozen=True)
class Panel:
    """Curves over time: of the whole machine, and of each translation."""

    title: str
    top: float
    bottom: float
    ticks: tuple[Tick, ...]
    machine: str
    translations: tuple[str, ...]


@dataclass(frozen=True)
class Drawing:
    """All that is drawn, one below the other over the same time."""

    height: float
    lines: tuple[Line, ...]
    panels: tuple[Panel, ...]
    times: tuple[Tick, ...]
    starts: tuple[float, ...]
    left: float = _LEFT
    right: float = _RIGHT
    row: float = _ROW


@dataclass(frozen=True)
class Row:
    """A line of the table: a stage, or a phase of the one above it, which has a ``kind``."""

    name: str
    state: str
    time: str
    memory: str
    idle: str
    machine_idle: str
    kind: str = ""


def file_name(build: BuildRun) -> str:
    """The page's name, with the build's start: a later build of the same has a page of its own."""
    return f"build-{build.name}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(build.started))}.html"


def page(build: BuildRun) -> str:
    """The page, which needs no other file."""
    return render(
        "build.html",
        title=f"Build of {build.name}",
        summary=summary(build),
        drawing=draw(build),
        rows=tuple(row for stage in build.stages for row in _rows(build, stage)),
    )


def summary(build: BuildRun) -> str:
    """When the build was, how long it took, and how busy the machine was."""
    date = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(build.started))
    failed = "".join(f"; {one.title} failed" for one in build.stages if one.state == "failed")
    words = f"Began {date}, took {clock(build.seconds)} (m:ss){failed}."
    idle = _machine_idle(build, 0.0, build.seconds)
    if idle is None:
        return words
    processors = f"The processors of this machine ({build.processors})"
    return f"{words} {processors} were idle for {percent(idle)} of that time."


def draw(build: BuildRun) -> Drawing:
    """Place everything."""
    across = Axis(build.seconds, _LEFT, _RIGHT)
    lines = tuple(
        Line(stage.title, number * _ROW, tuple(_bars(stage, across)), _words(stage))
        for number, stage in enumerate(build.stages)
    )
    top = len(lines) * _ROW + _GAP
    panels = (_memory(build, across, top), _processors(build, across, top + _PANEL + _GAP))
    return Drawing(
        panels[-1].bottom + _GAP,
        lines,
        panels,
        tuple(time_ticks(across)),
        tuple(across.at(stage.start) for stage in build.stages if _ran(stage)),
    )


def _ran(stage: StageRun) -> bool:
    return stage.state in ("made", "failed")


def _words(stage: StageRun) -> str:
    return "" if stage.state == "made" else stage.state


def _bars(stage: StageRun, across: Axis) -> Iterator[Bar]:
    """A stage's time, and over it the times of its phases."""
    if not _ran(stage):
        return
    yield _bar("", "failed" if stage.state == "failed" else "stage", stage.start, stage.end, across)
    if stage.recording:
        for phase, start in _starts(stage.phases, stage.offset):
            yield _bar(phase.name, kind_of(phase), start, start + phase.seconds, across)


def _starts(phases: Sequence[Phase], start: float) -> Iterator[tuple[Phase, float]]:
    for phase in phases:
        yield phase, start
        start += phase.seconds


def _bar(name: str, kind: str, start: float, end: float, across: Axis) -> Bar:
    x, width = across.at(start), round(across.at(end) - across.at(start), 1)
    short = name.rpartition(" ")[2]  # without RPython's program
    shown = short if len(short) * _LETTER < width else ""
    return Bar(x, max(width, 0.5), shown, kind, f"{name} {clock(end - start)}".strip())


def kind_of(phase: Phase) -> str:
    """The name that a phase's colour goes by; those of several programs share theirs."""
    kind = phase.name.rpartition(" ")[2]
    return kind if kind in _KINDS else "other"


def _memory(build: BuildRun, across: Axis, top: float) -> Panel:
    def gibibytes(points: Sequence[Point], offset: float) -> list[tuple[float, float]]:
        return [(point.seconds + offset, point.memory_mib / _GIBI_OF_MEBI) for point in points]

    machine = gibibytes(curve(build.samples), 0.0)
    translations = [gibibytes(*points) for points in _translations(build)]
    most = max((y for curve in (machine, *translations) for _, y in curve), default=0.0)
    return _panel("memory, GiB", machine, translations, across, Axis(most, top + _PANEL, top))


def _processors(build: BuildRun, across: Axis, top: float) -> Panel:
    def busy(points: Sequence[Point], offset: float) -> list[tuple[float, float]]:
        return [(point.seconds + offset, point.processors) for point in points]

    machine = busy(curve(build.samples), 0.0)
    translations = [busy(*points) for points in _translations(build)]
    up = Axis(build.processors, top + _PANEL, top)
    return _panel("processors busy", machine, translations, across, up)


def _translations(build: BuildRun) -> Iterator[tuple[Sequence[Point], float]]:
    for stage in build.stages:
        if stage.recording:
            yield stage.recording.points, stage.offset


def _panel(
    title: str,
    machine: Sequence[tuple[float, float]],
    translations: Sequence[Sequence[tuple[float, float]]],
    across: Axis,
    up: Axis,
) -> Panel:
    return Panel(
        title,
        up.end,
        up.start,
        tuple(value_ticks(up)),
        area(machine, across, up),
        tuple(area(one, across, up) for one in translations),
    )


def _rows(build: BuildRun, stage: StageRun) -> Iterator[Row]:
    """A stage and its phases. One that ran before has the times of then."""
    cost = total(stage.phases) if stage.phases else None
    then = clock(cost.seconds) if cost else ""
    yield Row(
        stage.title,
        stage.state,
        clock(stage.end - stage.start) if _ran(stage) else then,
        f"{cost.peak_memory_mib} MiB" if cost else "",
        percent(cost.idle) if cost else "",
        percent(_machine_idle(build, stage.start, stage.end)) if _ran(stage) else "",
    )
    for phase, start in _starts(stage.phases, stage.offset):
        end = start + phase.seconds
        yield Row(
            phase.name,
            "",
            clock(phase.seconds),
            f"{phase.peak_memory_mib} MiB",
            percent(phase.idle),
            percent(_machine_idle(build, start, end)) if stage.recording else "",
            kind_of(phase),
        )


def _machine_idle(build: BuildRun, start: float, end: float) -> float | None:
    """The share of its processors' time that this machine was idle between two moments."""
    possible = (end - start) * build.processors
    if start < 0 or possible <= 0 or not build.samples:
        return None
    used = used_at(build.samples, end) - used_at(build.samples, start)
    return min(max(1 - used / possible, 0.0), 1.0)
