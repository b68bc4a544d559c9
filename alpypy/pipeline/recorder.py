"""When each stage of a build ran, and what the machine did meanwhile."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from alpypy.build.phases import Phase
from alpypy.build.stage import BuildStage
from alpypy.build.translate import TranslatedTree, Translation
from alpypy.build.usage import Machine, Meter, Recording, Sample
from alpypy.core.progress import Stopwatch

State = Literal["made", "failed", "not reached", "from the cache", "not needed"]


@dataclass(frozen=True)
class StageRun:
    """What became of a stage. Times are seconds since the start of the build, of a stage that ran.

    ``phases`` are those of a translation, also of one from the cache. Its ``recording`` began at
    ``offset``; before 0, if another build had begun it.
    """

    title: str
    state: State
    start: float = 0.0
    end: float = 0.0
    phases: tuple[Phase, ...] = ()
    recording: Recording | None = None
    offset: float = 0.0


@dataclass(frozen=True)
class BuildRun:
    """What became of a build. ``samples`` are of this whole machine, which has so many
    ``processors``; ``started`` is in seconds since 1970."""

    name: str
    started: float
    seconds: float
    processors: int
    stages: tuple[StageRun, ...]
    samples: tuple[Sample, ...]


@dataclass(frozen=True)
class _Times:
    start: float
    end: float
    failed: bool


class Recorder:
    """Records a build. ``pending`` are the stages of its plan that have to run."""

    def __init__(self, plan: Sequence[BuildStage], pending: Sequence[BuildStage]) -> None:
        self._plan = plan
        self._pending = {stage.key for stage in pending}
        others = (stage for stage in plan if stage.key not in self._pending)
        # Now, and only if there will be a page: later the engine may be out of reach.
        self._done = {stage.key: stage.load() for stage in others} if pending else {}
        self._times = dict[str, _Times]()
        self._started, self._watch = time.time(), Stopwatch()
        self._meter = Meter(self._watch)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """While this lasts, the build runs."""
        with self._meter.following(Machine()):
            yield

    @contextlib.contextmanager
    def stage(self, stage: BuildStage) -> Iterator[None]:
        """While this lasts, the stage runs."""
        start, failed = self._watch.seconds, True
        try:
            yield
            failed = False
        finally:
            self._times[stage.key] = _Times(start, self._watch.seconds, failed)

    @property
    def worth_a_page(self) -> bool:
        """Whether a stage was made, or a translation got so far that it has a recording."""
        runs = [self._run_of(stage) for stage in self._plan if stage.key in self._times]
        return any(run.state == "made" or run.recording for run in runs)

    def build(self, name: str) -> BuildRun:
        """The build until now."""
        stages = tuple(map(self._run_of, self._plan))
        seconds = self._watch.seconds
        return BuildRun(
            name, self._started, seconds, Machine.processors, stages, self._meter.samples
        )

    def _run_of(self, stage: BuildStage) -> StageRun:
        times = self._times.get(stage.key)
        if times is None:
            return self._without_times(stage)
        state: State = "failed" if times.failed else "made"
        if not isinstance(stage, Translation):
            return StageRun(stage.title, state, times.start, times.end)
        recording = Recording.read(stage.recording)
        offset = recording.started - self._started if recording else 0.0
        if recording is None or offset + recording.seconds < times.start:  # of an earlier run
            return StageRun(stage.title, state, times.start, times.end)
        return StageRun(
            stage.title, state, times.start, times.end, recording.phases, recording, offset
        )

    def _without_times(self, stage: BuildStage) -> StageRun:
        if stage.key in self._pending:
            return StageRun(stage.title, "not reached")
        done = self._done.get(stage.key)
        if done is None:
            return StageRun(stage.title, "not needed")
        phases = done.phases if isinstance(done, TranslatedTree) else ()
        return StageRun(stage.title, "from the cache", phases=phases)
