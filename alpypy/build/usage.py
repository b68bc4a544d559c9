"""What a build uses over time: memory and processors, sampled about once a second."""

from __future__ import annotations

import contextlib
import math
import os
import threading
import time
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec

from alpypy.build.phases import Phase, Span
from alpypy.core import procfs
from alpypy.core.fields import Record
from alpypy.core.files import whole_file
from alpypy.core.progress import Stopwatch
from alpypy.core.structs import convert, read_json
from alpypy.engine.container import Usage

_MOST = 600  # points of a recording: as many as a page can show side by side
_MEBI = 1 << 20


class Measured(Protocol):
    """Something that tells from time to time what it uses: a container, or this machine."""

    def usage(self) -> Iterator[Usage]:
        """What it uses, as long as it runs."""


class Machine:
    """This machine, with everything that runs on it."""

    processors = os.cpu_count() or 1

    def usage(self) -> Iterator[Usage]:
        """What all programs use, once a second and without an end."""
        before = procfs.busy_seconds()
        while True:
            yield Usage(procfs.used_memory(), procfs.busy_seconds() - before)
            time.sleep(1.0)


@dataclass(frozen=True)
class Sample:
    """What was used ``seconds`` after the start: memory, in bytes, and processor time so far."""

    seconds: float
    memory: int
    used: float


class Meter:
    """Samples of containers that run one after another. Times are seconds of ``watch``."""

    def __init__(self, watch: Stopwatch) -> None:
        self._watch = watch
        self._lock = threading.Lock()
        self._samples = list[Sample]()

    @property
    def samples(self) -> tuple[Sample, ...]:
        """All samples so far, in order."""
        with self._lock:
            return tuple(self._samples)

    @contextlib.contextmanager
    def following(self, measured: Measured) -> Iterator[None]:
        """While this lasts, take the samples of what has just started."""
        stop, first = threading.Event(), len(self._samples)
        before = self._samples[-1].used if self._samples else 0.0
        self._add(Usage(0, 0.0), before, stop)
        words = (measured, before, stop)
        threading.Thread(target=self._follow, args=words, daemon=True).start()
        try:
            yield
        finally:
            with self._lock:  # no sample comes after that, although the thread may still wait
                stop.set()
                self._round_off(first)

    def _follow(self, measured: Measured, before: float, stop: threading.Event) -> None:
        for usage in measured.usage():
            if not self._add(usage, before, stop):
                return

    def _round_off(self, first: int) -> None:
        """Add what was used after the last sample: as much as in the same time before it. ``first``
        is the number of the sample at the start."""
        if len(self._samples) - first < 2:
            return
        before, last = self._samples[-2:]
        gap = last.seconds - before.seconds
        rest = min(self._watch.seconds - last.seconds, gap)
        if rest > 0:
            used = last.used + (last.used - before.used) * rest / gap
            self._samples.append(Sample(last.seconds + rest, last.memory, used))

    def _add(self, usage: Usage, before: float, stop: threading.Event) -> bool:
        """Take a sample, unless it is too late for it."""
        with self._lock:
            if stop.is_set():
                return False
            used = before + usage.processor_seconds
            self._samples.append(Sample(self._watch.seconds, usage.memory, used))
            return True


def used_at(samples: Sequence[Sample], seconds: float) -> float:
    """Processor time that was used up to a moment, between two samples in proportion."""
    number = bisect_right(samples, seconds, key=lambda sample: sample.seconds)
    if number == 0:
        return 0.0
    before = samples[number - 1]
    if number == len(samples):
        return before.used
    after = samples[number]
    share = (seconds - before.seconds) / (after.seconds - before.seconds)
    return before.used + share * (after.used - before.used)


def peak(samples: Sequence[Sample], start: float, end: float) -> int:
    """The most memory in use between two moments, in bytes. Where there is no sample between them,
    the one before counts."""
    first = bisect_right(samples, start, key=lambda sample: sample.seconds)
    last = bisect_right(samples, end, key=lambda sample: sample.seconds)
    within = samples[first:last] or samples[max(0, first - 1) : first]
    return max((sample.memory for sample in within), default=0)


def costs(spans: Sequence[Span], samples: Sequence[Sample], processors: int) -> tuple[Phase, ...]:
    """What each phase cost.

    Args:
        processors: how many the containers could use.
    """
    known = any(sample.used for sample in samples)
    return tuple(
        Phase(
            span.name,
            round(span.seconds, 1),
            peak(samples, span.start, span.end) // _MEBI,
            round(used_at(samples, span.end) - used_at(samples, span.start), 1) if known else None,
            processors if known else None,
        )
        for span in spans
    )


class Point(Record, frozen=True):
    """A point of a curve: the most memory since the point before, and how many processors were busy
    since then on average."""

    seconds: float
    memory_mib: int
    processors: float


class Recording(Record, frozen=True):
    """A translation, or what there was of it before a failure.

    ``started`` is in seconds since 1970, the points' times in seconds since then. ``processors`` is
    how many it could use.
    """

    started: float
    processors: int
    phases: tuple[Phase, ...]
    points: tuple[Point, ...]

    @property
    def seconds(self) -> float:
        """How long it lasted."""
        return sum(phase.seconds for phase in self.phases)

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        with whole_file(path) as temporary:
            temporary.write_bytes(msgspec.json.encode(self) + b"\n")

    @classmethod
    def read(cls, path: Path) -> Recording | None:
        """Read what ``write`` wrote; None if the file does not exist, or is not a recording."""
        try:
            return convert(read_json(path.read_bytes()), cls)
        except (FileNotFoundError, ValueError):
            return None


def curve(samples: Sequence[Sample], most: int = _MOST) -> tuple[Point, ...]:
    """Samples as at most so many points, two or more. At the first one nothing is known yet."""
    size = max(1, math.ceil((len(samples) - 1) / (most - 1)))
    starts = range(1, len(samples), size)
    points = (_point(samples[start - 1], samples[start : start + size]) for start in starts)
    return (*(Point(round(sample.seconds, 1), 0, 0.0) for sample in samples[:1]), *points)


def _point(before: Sample, samples: Sequence[Sample]) -> Point:
    last = samples[-1]
    seconds = last.seconds - before.seconds
    busy = (last.used - before.used) / seconds if seconds else 0.0
    memory = max(sample.memory for sample in samples) // _MEBI
    return Point(round(last.seconds, 1), memory, round(max(busy, 0.0), 2))
