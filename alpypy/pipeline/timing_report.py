"""The report of two ways to build: tables for terminals and for docs, and JSON."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec import to_builtins

from alpypy.build.phases import START, TITLES, Phase, percent, table, total
from alpypy.core import bounds
from alpypy.core.bounds import Bound, Exceeded, Measure
from alpypy.core.files import whole_file
from alpypy.core.progress import clock
from alpypy.pipeline.timing import Way, WayTime

SCHEMA = 1
# What there is a ratio of beside the phases: all translations, all stages, the second PyPy.
TRANSLATE, BUILD, SECOND = "translate", "build", "second"
PEAK = "peak_mib"  # a bound for the memory of alpypy's way, in MiB
_NAMES = (START, *TITLES.values(), TRANSLATE, BUILD, SECOND, PEAK)
_TITLES = ("", "seeds", "memory", "idle", "ours", "memory", "idle", "ratio")


def read_bounds(texts: Iterable[str]) -> tuple[Bound, ...]:
    """Read bounds such as ``build=0.45``.

    Raises:
        SpecError: a bound has another form, or names nothing that is measured.
    """
    return bounds.read_bounds(
        texts,
        _NAMES,
        example="--bound build=0.45",
        remedy=f"name one of {', '.join(_NAMES)}",
        kinds=(Measure.TIME,),
    )


@dataclass(frozen=True)
class Row:
    """Something that both ways do, and what it cost in each; None where a way does not do it."""

    name: str
    seeds: Phase | None
    ours: Phase | None

    @property
    def ratio(self) -> float | None:
        """The time of alpypy's way divided by that of the seeds' way."""
        if not (self.seeds and self.ours and self.seeds.seconds):
            return None
        return self.ours.seconds / self.seeds.seconds

    @property
    def cells(self) -> tuple[str, ...]:
        """As text."""
        ratio = "-" if self.ratio is None else f"{self.ratio:.3f}"
        return (self.name, *_cost(self.seeds), *_cost(self.ours), ratio)


@dataclass(frozen=True)
class TimingReport:
    """What is known of the ways, and the bounds to keep."""

    ways: Mapping[Way, WayTime]
    bounds: tuple[Bound, ...] = ()

    @property
    def rows(self) -> tuple[Row, ...]:
        """The phases, all translations, all stages."""
        seeds, ours = (_costs(self.ways.get(way)) for way in (Way.SEEDS, Way.OURS))
        names = {*seeds, *ours}
        order = (START, *TITLES.values(), TRANSLATE, BUILD)
        return tuple(Row(name, seeds.get(name), ours.get(name)) for name in order if name in names)

    @property
    def second(self) -> float | None:
        """The time of the second PyPy divided by that of the first."""
        first, second = self.ways.get(Way.OURS), self.ways.get(Way.SECOND)
        return second.seconds / first.seconds if first and second and first.seconds else None

    def value(self, name: str) -> float | None:
        """What a bound of this name is for; None if it is not known."""
        if name == SECOND:
            return self.second
        rows = {row.name: row for row in self.rows}
        if name == PEAK:
            ours = rows[TRANSLATE].ours if TRANSLATE in rows else None
            return ours.peak_memory_mib if ours else None
        return rows[name].ratio if name in rows else None

    @property
    def exceeded(self) -> tuple[Exceeded, ...]:
        """The bounds that are not kept."""
        values = ((bound, self.value(bound.name)) for bound in self.bounds)
        return tuple(
            Exceeded(str(Way.OURS), bound, value)
            for bound, value in values
            if value is None or value > bound.ratio
        )

    @property
    def exit_code(self) -> int:
        """1 if a bound is not kept or verify refused a tarball, else 0."""
        return 1 if self.exceeded or any(way.findings for way in self.ways.values()) else 0

    def to_text(self) -> str:
        """Each way with its stages and phases, the ratios, and what is wrong."""
        lines = [line for way in self.ways.values() for line in _way_lines(way)]
        lines += _aligned([_TITLES, *(row.cells for row in self.rows)])
        if self.second is not None:
            lines.append(f"second: {self.second:.3f} of the time of the first")
        for way in self.ways.values():
            lines += [f"note  {way.way}: {note}" for note in way.notes]
            lines += [f"FAIL  {way.way}: {line}" for line in way.findings.splitlines()]
        lines += [f"FAIL  {found}" for found in self.exceeded]
        return "\n".join(lines)

    def to_markdown(self) -> str:
        """The table of ratios, for docs."""
        rows = [_TITLES, ("---", *["---:"] * (len(_TITLES) - 1)), *(r.cells for r in self.rows)]
        lines = [f"| {' | '.join(cells)} |" for cells in rows]
        if self.second is not None:
            second = self.ways[Way.SECOND]
            lines += ["", f"{second.build} after it: {clock(second.seconds)}, {self.second:.3f}."]
        return "\n".join(lines) + "\n"

    def to_json(self) -> str:
        """The report for programs."""
        document: dict[str, Any] = {
            "schema": SCHEMA,
            "passed": not self.exit_code,
            "kernel": platform.release(),
            "ways": {str(name): to_builtins(way) for name, way in self.ways.items()},
            "rows": [{**to_builtins(row), "ratio": row.ratio} for row in self.rows],
            "second": self.second,
            "exceeded": to_builtins(self.exceeded),
        }
        return json.dumps(document, indent=1) + "\n"

    def write(self, folder: Path) -> Path:
        """Write ``results.json`` and ``results.md`` into ``folder``; returns the latter's path."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in {
            "results.json": self.to_json(),
            "results.md": self.to_markdown(),
        }.items():
            with whole_file(folder / name) as temporary:
                temporary.write_text(text, encoding="utf-8")
        return folder / "results.md"


def _costs(way: WayTime | None) -> dict[str, Phase]:
    """What a way cost by name. Phases of the same name count together, in whichever translation."""
    if way is None:
        return {}
    by_name: dict[str, list[Phase]] = {}
    for phase in way.phases:
        by_name.setdefault(phase.name.rsplit(" ", 1)[-1], []).append(phase)
    found = {name: total(phases) for name, phases in by_name.items()}
    if way.phases:
        found[TRANSLATE] = whole = total(way.phases)
        found[BUILD] = Phase(BUILD, way.seconds, whole.peak_memory_mib)
    return found


def _cost(phase: Phase | None) -> tuple[str, str, str]:
    if phase is None:
        return ("-", "-", "-")
    return (clock(phase.seconds), f"{phase.peak_memory_mib} MiB", percent(phase.idle))


def _way_lines(way: WayTime) -> Iterator[str]:
    """A way's stages, and below each translation its phases."""
    jobs = f"{way.jobs} C compiler{'s' if way.jobs > 1 else ''} at once"
    yield f"{way.way}: {way.build}, {jobs}, {way.processors} processors"
    width = max(len(stage.title) for stage in way.stages)
    for stage in way.stages:
        time = "from the cache" if stage.cached else clock(stage.seconds)
        yield f"  {stage.title:{width}}  {time:>7}"
        for line in table(stage.phases) if stage.phases else ():
            yield f"    {line}"
    yield f"  {'all':{width}}  {clock(way.seconds):>7}"
    yield ""


def _aligned(rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    rows = tuple(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *rest in rows:
        cells = (cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))
        yield "  ".join((first.ljust(widths[0]), *cells)).rstrip()
