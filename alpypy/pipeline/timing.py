"""Times two ways to build the same PyPy, each from nothing, one after another.

The seeds' way is how a PyPy for Alpine was built before: in one pass, with one C compiler at a
time. Images that are made of what is there, and downloads, are no part of either way.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from pathlib import Path

import msgspec

from alpypy.build.images import BootstrapImage, SelfHostedImage
from alpypy.build.libraries import Libraries
from alpypy.build.phases import Phase
from alpypy.build.plan import pending
from alpypy.build.stage import BuildStage
from alpypy.core.errors import SpecError
from alpypy.core.fields import Record
from alpypy.core.files import whole_file
from alpypy.core.locks import one_at_a_time
from alpypy.core.project import Project
from alpypy.core.store import key_of
from alpypy.core.structs import convert, read_json
from alpypy.engine.workspace import Workspace
from alpypy.pipeline.bootstrap import Builder
from alpypy.pipeline.request import BuildRequest, ResolvedBuild, resolve
from alpypy.recipes.local_source import identify, refuse_unused
from alpypy.recipes.spec import Target

_FOLDER = "timing"  # below the cache: a folder for each way, with stages of its own
_LOGS = "logs"


class Way(StrEnum):
    """How a PyPy is built. ``second`` is another PyPy, with the translator that ``ours`` made."""

    SEEDS = "seeds"
    OURS = "ours"
    SECOND = "second"


class StageTime(Record, frozen=True):
    """What a stage took. ``cached``: the engine had its image. A translation has ``phases``."""

    title: str
    seconds: float = 0.0
    cached: bool = False
    phases: tuple[Phase, ...] = ()


class WayTime(Record, frozen=True):
    """What a way took. ``key`` stands for all that went into it, ``jobs`` is how many C compilers
    ran at once. ``findings`` are verify's, if it refused the tarball."""

    key: str
    way: Way
    build: str
    jobs: int
    processors: int
    stages: tuple[StageTime, ...]
    notes: tuple[str, ...] = ()
    findings: str = ""

    @property
    def seconds(self) -> float:
        """Of all stages."""
        return sum(stage.seconds for stage in self.stages)

    @property
    def phases(self) -> tuple[Phase, ...]:
        """Of all translations."""
        return tuple(phase for stage in self.stages for phase in stage.phases)

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as temporary:
            temporary.write_bytes(msgspec.json.format(msgspec.json.encode(self)) + b"\n")

    @classmethod
    def read(cls, path: Path) -> WayTime | None:
        """Read what ``write`` wrote; None if the file does not exist, or is of another version."""
        try:
            return convert(read_json(path.read_bytes()), cls)
        except (FileNotFoundError, ValueError):
            return None


@dataclass(frozen=True)
class Comparison:
    """What to build in two ways. ``build`` is alpypy's way. ``second`` is another PyPy for the same
    Alpine."""

    build: BuildRequest
    second: Target | None = None

    @property
    def requests(self) -> dict[Way, BuildRequest]:
        """The build of each way, in order."""
        ours = replace(self.build, direct=False)
        one_pass = ours.with_pypy is None
        found = {Way.SEEDS: replace(ours, direct=one_pass, jobs=1, optimize=None), Way.OURS: ours}
        if self.second:
            found[Way.SECOND] = replace(ours, target=self.second)
        return found


def resolve_all(project: Project, comparison: Comparison) -> dict[Way, ResolvedBuild]:
    """Work out what each way means, before there is an engine.

    Raises:
        AlpypyError: ``resolve`` raises it for a way, or no way uses one of the sources.
    """
    ours = comparison.build
    if comparison.second and ours.with_pypy is not None:
        raise SpecError(
            "--second is built with the translator that a bootstrap makes, and --with-pypy gives"
            " one",
            remedy="give one of the two",
        )
    builds = {
        way: resolve(project, request, spare_sources=True)
        for way, request in comparison.requests.items()
    }
    local = [identify(path, project.cache) for path in ours.sources]
    refuse_unused(local, {name: None for build in builds.values() for name in build.sources})
    return builds


@dataclass(frozen=True)
class Trial:
    """A way to time, in a workspace with stages of its own. Its result is kept in ``path``."""

    way: Way
    workspace: Workspace
    build: ResolvedBuild
    path: Path

    @cached_property
    def builder(self) -> Builder:
        """The build, planned."""
        return Builder(self.workspace, self.build)

    @property
    def jobs(self) -> int:
        """How many C compilers run at once."""
        return self.build.request.jobs or self.workspace.engine.usable_processors

    @cached_property
    def key(self) -> str:
        """Covers the stages, and what their time depends on."""
        return key_of(
            way=self.way,
            stages=[stage.key for stage in self.builder.plan],
            jobs=self.jobs,
            processors=self.workspace.engine.usable_processors,
        )

    @property
    def known(self) -> WayTime | None:
        """What it took, if an earlier run has finished it with the same inputs."""
        found = WayTime.read(self.path)
        return found if found and found.key == self.key else None

    def run(self) -> WayTime:
        """Build, and keep what it took.

        Raises:
            AlpypyError: a stage failed.
        """
        plan, first = self.builder.plan, self.way is not Way.SECOND
        stages = unfinished(plan) if first else pending(plan)
        self.workspace.say(f"bench: {self.way}")
        outcome = self.builder.run(stages)
        findings = outcome.report.to_text() if outcome.report.exit_code else ""
        took = WayTime(
            self.key,
            self.way,
            self.builder.package.recipe.target.folder,
            self.jobs,
            self.workspace.engine.usable_processors,
            tuple(stage_times(self.workspace, plan, stages)),
            tuple(other_translators(plan, stages)),
            findings,
        )
        took.write(self.path)
        return took


def unfinished(plan: Sequence[BuildStage]) -> tuple[BuildStage, ...]:
    """All stages that are not finished: also those of the PyPy that translates, if the engine has
    the image with such a PyPy already."""
    return tuple(stage for stage in plan if stage.load() is None)


def stage_times(
    workspace: Workspace, plan: Sequence[BuildStage], ran: Sequence[BuildStage]
) -> Iterator[StageTime]:
    """What the stages of a plan took, in order.

    Args:
        ran: those that have run; the others were there.
    """
    keys = {stage.key for stage in ran}
    for stage in plan:
        if stage.key in keys:
            record = workspace.store.record(stage.key)
            if record is None:
                raise AssertionError(f"{stage.title} has run, and left no record")
            phases = tuple(Phase(**phase) for phase in record.get("phases", ()))
            yield StageTime(stage.title, record["seconds"], phases=phases)
        else:
            yield StageTime(stage.title, cached=True)


def other_translators(plan: Sequence[BuildStage], ran: Sequence[BuildStage]) -> Iterator[str]:
    """A note for each image that was there already, if the PyPy 2.7 in it is not the one that was
    just built."""
    keys = {stage.key for stage in ran}
    for stage in plan:
        if isinstance(stage, SelfHostedImage) and stage.pypy.stages and stage.key not in keys:
            image, own = stage.load(), stage.pypy.load()
            if image and own and image.translator.sha256 != own.sha256:
                yield (
                    f"{image.translator.name}, which translated, was linked or packaged otherwise"
                    f" than this way did: remove image {image.id[:19]} to time its own"
                )


def measure(
    workspace: Workspace,
    builds: Mapping[Way, ResolvedBuild],
    folder: Path,
    *,
    only: Way | None = None,
    keep: bool = False,
) -> dict[Way, WayTime]:
    """Time the ways that no earlier run has finished, each alone, and give all that are known.

    Args:
        builds: by way, in order.
        folder: where the results are kept.
        only: the way to time, if not all.
        keep: leave the stages of the ways in the cache.

    Raises:
        AlpypyError: a stage failed.
    """
    trials = {way: _trial(workspace, way, build, folder) for way, build in builds.items()}
    groups = {
        Way.SEEDS: [trials[Way.SEEDS]],
        Way.OURS: [trial for way, trial in trials.items() if way is not Way.SEEDS],
    }
    place = workspace.cache / _FOLDER
    place.mkdir(parents=True, exist_ok=True)
    with one_at_a_time(place / "lock", "a comparison of builds"):
        for way, group in groups.items():
            if only in (None, way):
                _time(workspace, group, keep=keep)
    return {way: known for way, trial in trials.items() if (known := trial.known)}


def _trial(workspace: Workspace, way: Way, build: ResolvedBuild, folder: Path) -> Trial:
    """A way; a second PyPy has the stages of the first."""
    store = Way.OURS if way is Way.SECOND else way
    cache = workspace.cache / _FOLDER / f"{folder.name}-{store}"
    own = replace(workspace, cache=cache, artifacts=cache / "artifacts")
    return Trial(way, own, build, folder / f"{way}.json")


def _time(workspace: Workspace, trials: Sequence[Trial], *, keep: bool) -> None:
    """Time ways that follow one another in the same workspace, the first of them from nothing."""
    left = [trial for trial in trials if trial.known is None]
    first = trials[0]
    if not left:
        workspace.say(f"bench: {first.way} is finished, see {first.path}")
        return
    if left[0] is first or unfinished(first.builder.plan):  # the second needs what the first made
        clear(first.workspace.cache)
        left = list(trials)
    first.workspace.cache.mkdir(parents=True, exist_ok=True)
    try:
        for trial in left:
            prepare(workspace, trial.builder.plan, trial.build)
            trial.run()
    finally:
        if not keep:
            clear(first.workspace.cache)


def prepare(workspace: Workspace, plan: Iterable[BuildStage], build: ResolvedBuild) -> None:
    """Do what is no part of a way: download, and make images of what is there, which are kept.

    Raises:
        AlpypyError: a download or an image failed.
    """
    for source in build.downloads:
        workspace.fetcher.fetch(source)
    for stage in plan:
        if isinstance(stage, BootstrapImage) or (
            isinstance(stage, SelfHostedImage) and not stage.pypy.stages
        ):
            workspace.store.run(stage)
        if isinstance(stage, Libraries):
            workspace.store.run(stage.stub.toolchain)
            for part in stage.parts:
                workspace.fetcher.fetch(part.archive.source)


def clear(cache: Path) -> None:
    """Remove all that a way made, except its logs."""
    for path in cache.glob("*"):
        if path.name != _LOGS:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
