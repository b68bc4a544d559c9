"""Translate: make an executable from a source tree in an image, and record each phase's cost."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any

from alpypy.build import objects
from alpypy.build.estimates import Estimates, translation_title
from alpypy.build.images import TranslatingStage, require_image
from alpypy.build.phases import Display, Phase, Phases, stamped, table
from alpypy.build.stage import BuildStage
from alpypy.build.usage import Meter, Recording, costs, curve
from alpypy.core import procfs
from alpypy.core.errors import ResourceError, TranslationError
from alpypy.core.progress import Stopwatch
from alpypy.core.store import key_of
from alpypy.core.unpack import unpack_wheel
from alpypy.engine.job import Job, Mount
from alpypy.engine.workspace import Workspace
from alpypy.recipes import patches
from alpypy.recipes.data import RpythonProgram
from alpypy.recipes.local_source import OpenedSource
from alpypy.recipes.recipe import Recipe

# PyPy's own starter finds its tree by itself; the PyPI release has only the program that it starts.
_STARTER = "/work/tree/rpython/bin/rpython"
_TRANSLATE = "/work/tree/rpython/translator/goal/translate.py"
_MEBI = 1 << 20
_ERROR = re.compile(r"Traceback|\[translation:ERROR\]|\berror:|Error\b|undefined reference")


@dataclass(frozen=True)
class TranslatedTree:
    """A finished translation: the folder with its ``tree``, and the cost of its phases."""

    key: str
    folder: Path
    phases: tuple[Phase, ...]

    @property
    def objects(self) -> Path:
        """The folder with what the last link needs."""
        return self.folder / objects.FOLDER


def translation_key(recipe: Recipe, image_key: str, source_digest: str) -> str:
    """A digest of all inputs of a translation. Patches that packaging applies do not count."""
    return key_of(
        image=image_key,
        source=source_digest,
        patches=[patch.digest for patch in recipe.patches if not patch.application_level],
        goal=recipe.goal,
        options=[recipe.options, recipe.target_options],
        environment=dict(recipe.environment),
        programs=[(program.goal, program.options) for program in recipe.programs],
        requires=[source.sha256 for source in recipe.requires],
    )


@dataclass(frozen=True)
class Translation:
    """The stage that runs RPython in a container, with up to ``jobs`` C compilers at once.
    A PyPy that is not ``linked_again`` keeps neither its objects nor its C sources.

    ``make`` raises ResourceError if memory or disk is too small, PatchError if a patch does not
    apply, and TranslationError if RPython or the C compiler fails.
    """

    workspace: Workspace
    recipe: Recipe
    image: TranslatingStage
    source: OpenedSource
    jobs: int
    linked_again: bool = True

    @property
    def title(self) -> str:
        """Such as ``translate 3.11-7.3.22``."""
        return translation_title(self.recipe)

    @property
    def needs(self) -> Sequence[BuildStage]:
        """The image that translates."""
        return (self.image,)

    @cached_property
    def key(self) -> str:
        """Covers the image, the source, the patches, goal, options and environment."""
        return translation_key(self.recipe, self.image.key, self.source.digest)

    @property
    def identity(self) -> str:
        """The digest that stands for the translated PyPy in the keys of what it translates; its
        layout and packing do not count."""
        patches = [patch.digest for patch in self.recipe.patches if patch.application_level]
        return key_of(translation=self.key, patches=patches)

    @property
    def log(self) -> Path:
        """The log of its last run. Beside it, ``recording`` has what that run used over time."""
        name = f"{self.title.replace(' ', '-')}-alpine{self.recipe.target.alpine}"
        return self.workspace.logs / f"{name}-{self.key[:8]}.log"

    @property
    def recording(self) -> Path:
        """The file of a ``Recording``, which is also there after a failure."""
        return self.log.with_suffix(".json")

    def expected(self, estimates: Estimates) -> float:
        """Seconds of all phases."""
        phases = estimates.phases(self.recipe, self.image.interpreter, self.jobs)
        return sum(phases.values())

    def load(self) -> TranslatedTree | None:
        """The tree, if the translation is finished."""
        store = self.workspace.store
        record = store.record(self.key)
        if record is None or not self._has_objects(store.folder(self.key)):
            return None
        phases = tuple(Phase(**phase) for phase in record["phases"])
        return TranslatedTree(self.key, store.folder(self.key), phases)

    @property
    def _keeps_objects(self) -> bool:
        return self.linked_again and not self.recipe.programs

    def _has_objects(self, folder: Path) -> bool:
        """Whether it has what the last link and the optimization need. Translations by older
        versions of alpypy have not."""
        wanted = (objects.FOLDER, objects.SOURCES) if self._keeps_objects else ()
        return all((folder / name).exists() for name in wanted)

    def prepare(self) -> None:
        """Check now what would fail only up to an hour later: memory, disk, sources.

        Raises:
            ResourceError: memory or disk is too small.
            DownloadError, DigestError: a source could not be downloaded.
        """
        if not self.workspace.store.being_made(self.key):  # else this run only waits for it
            check_resources(self.recipe, self.workspace.cache)
        self.source.fetch()
        for wheel in (*self.recipe.requires, *self.recipe.packaging):
            self.workspace.fetcher.fetch(wheel)

    def make(self, work: Path) -> Mapping[str, Any]:
        """Lay out the source, patch it, translate it."""
        check_resources(self.recipe, work)
        self._lay_out(work)
        phases = _Run(self, work).all()
        if self._keeps_objects:
            objects.keep(work)
        shutil.rmtree(work / "usession", ignore_errors=True)
        return {
            "translator": self.image.interpreter,
            "jobs": self.jobs,
            "phases": [asdict(phase) for phase in phases],
        }

    def _lay_out(self, work: Path) -> None:
        recipe = self.recipe
        self.source.lay_out(work).rename(work / "tree")
        core = [patch for patch in recipe.patches if not patch.application_level]
        patches.apply(core, work / "tree", recipe.target.release)
        for name in ("usession", "out", "site"):
            (work / name).mkdir()
        for wheel in recipe.requires:
            unpack_wheel(self.workspace.fetcher.fetch(wheel), work / "site")


def check_resources(recipe: Recipe, folder: Path) -> None:
    """Raise ResourceError if memory or the disk of ``folder`` is too small."""
    memory, disk = _available_memory() // _MEBI, shutil.disk_usage(folder).free // _MEBI
    if memory < recipe.memory_mib:
        raise ResourceError(
            f"{translation_title(recipe)} needs about {recipe.memory_mib} MiB of memory,"
            f" but only {memory} MiB are available",
            remedy="close other programs, add swap space, or use a larger machine",
        )
    if disk < recipe.disk_mib:
        raise ResourceError(
            f"{translation_title(recipe)} needs about {recipe.disk_mib} MiB of disk,"
            f" but {folder} has only {disk} MiB free",
            remedy="free some space, or set ALPYPY_CACHE to a folder on another disk",
        )


def _available_memory() -> int:
    """Bytes of memory and swap that programs can still use."""
    sizes = procfs.memory()
    return sizes["MemAvailable"] + sizes["SwapFree"]


def default_jobs() -> int:
    """How many C compilers to run at once: the number of processors for this process."""
    return len(os.sched_getaffinity(0))


def pypy_job(recipe: Recipe, image: str, work: Path, jobs: int) -> Job:
    """The command that translates a PyPy.

    Args:
        image: the ID of the image that translates.
        work: the folder with the source.
        jobs: how many C compilers to run at once.
    """
    words = [_STARTER, *recipe.options, f"--make-jobs={jobs}", f"/work/tree/{recipe.goal}"]
    return _job(recipe, image, work, [*words, *recipe.target_options], "/work/tree/pypy/goal")


def program_job(recipe: Recipe, program: RpythonProgram, image: str, work: Path, jobs: int) -> Job:
    """The command that translates one of RPython's programs; arguments as for ``pypy_job``."""
    words = [_TRANSLATE, *program.options, f"--make-jobs={jobs}", f"/work/tree/{program.goal}"]
    return _job(recipe, image, work, words, "/work/out")


def _job(recipe: Recipe, image: str, work: Path, words: Sequence[str], workdir: str) -> Job:
    environment = {
        **recipe.environment,
        "HOME": "/work",
        "PYPY_USESSION_DIR": "/work/usession",
        "PYTHONPATH": "/work/tree:/work/site" if recipe.programs else "",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return Job(
        image,
        ["sh", "-c", 'exec "$TRANSLATOR" "$@"', "sh", *words],
        mounts=[Mount(work, "/work", writable=True)],
        environment=environment,
        workdir=workdir,
        timeout=None,
    )


class _Run:
    """Runs translate.py: once for a PyPy, or once for each of RPython's programs."""

    def __init__(self, stage: Translation, work: Path) -> None:
        self._stage = stage
        self._work = work
        self._started, self._watch = time.time(), Stopwatch()
        self._phases, self._meter = Phases(), Meter(self._watch)
        self._processors = stage.workspace.engine.usable_processors

    def all(self) -> tuple[Phase, ...]:
        """Every phase of every command, in order."""
        stage = self._stage
        stage.workspace.say(f"{stage.title}: log {stage.log}")
        try:
            self._run_jobs()
        finally:  # after a failure too: memory may be the reason
            recording = self._recording()
            with contextlib.suppress(OSError):  # nothing but a page is made of it
                recording.write(stage.recording)
        for line in table(recording.phases):
            stage.workspace.say(f"  {line}")
        return recording.phases

    def _run_jobs(self) -> None:
        stage = self._stage
        estimates = Estimates(stage.workspace)
        expected = estimates.phases(stage.recipe, stage.image.interpreter, stage.jobs)
        with (
            stage.log.open("w", encoding="utf-8") as log,
            Display(stage.title, self._phases, expected, stage.workspace.say),
        ):
            for name, job in self._jobs():
                if name:
                    self._phases.program(name, self._watch.seconds)
                self._run_job(job, log)

    def _recording(self) -> Recording:
        """All that there was until now."""
        spans, samples = self._phases.end(self._watch.seconds), self._meter.samples
        phases = costs(spans, samples, self._processors)
        return Recording(round(self._started, 1), self._processors, phases, curve(samples))

    def _jobs(self) -> Iterator[tuple[str, Job]]:
        """The commands, with the names of their programs; a PyPy's name is empty."""
        recipe, jobs, image = self._stage.recipe, self._stage.jobs, require_image(self._stage.image)
        if not recipe.programs:
            yield "", pypy_job(recipe, image.id, self._work, jobs)
        for program in recipe.programs:
            yield program.name, program_job(recipe, program, image.id, self._work, jobs)

    def _run_job(self, job: Job, log: IO[str]) -> None:
        tail = deque[str](maxlen=1000)
        with (
            self._stage.workspace.engine.started(job) as running,
            self._meter.following(running),
        ):
            for line in running.lines():
                log.write(stamped(line, self._watch.seconds))
                log.flush()
                self._phases.line(line, self._watch.seconds)
                tail.append(line)
            code = running.wait()
        if code:
            raise self._failure(code, list(tail))

    def _failure(self, code: int, tail: Sequence[str]) -> TranslationError:
        lines = "\n".join(f"    {line}" for line in error_excerpt(tail))
        how = "was killed, probably out of memory" if code == 137 else f"ended with {code}"
        return TranslationError(
            f"{self._stage.title} {how} in the phase {self._phases.current}:\n{lines}",
            remedy=f"the log is {self._stage.log}",
        )


def error_excerpt(tail: Sequence[str], most: int = 30) -> Sequence[str]:
    """The lines about the last error and what follows it; without an error, the last lines."""
    errors = [number for number, line in enumerate(tail) if _ERROR.search(line)]
    if not errors:
        return tail[-most:]
    last = errors[-1]
    first = next(number for number in errors if number > last - most)
    start = max(0, first - 2, last - most + 1)
    return tail[start : start + most]
