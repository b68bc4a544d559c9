"""Translate: an image and a source tree give an executable, a log and what each phase cost."""

from __future__ import annotations

import os
import re
import shutil
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from alpypy.core.errors import ResourceError, TranslationError
from alpypy.core.fetch import Fetcher
from alpypy.core.progress import Display, Phase, Phases, Stopwatch, stamped
from alpypy.core.store import Store, key_of
from alpypy.core.unpack import unpack_wheel
from alpypy.engine.container import Running
from alpypy.engine.docker import Engine
from alpypy.engine.job import Job, Mount
from alpypy.recipes import patches
from alpypy.recipes.data import Program
from alpypy.recipes.recipe import Recipe

# PyPy's own starter finds its tree by itself; the PyPI release has only the program behind it.
_STARTER = "/work/tree/rpython/bin/rpython"
_TRANSLATE = "/work/tree/rpython/translator/goal/translate.py"
_MEBI = 1 << 20
_TELLING = re.compile(r"Traceback|\[translation:ERROR\]|\berror:|Error\b|undefined reference")


@dataclass(frozen=True)
class Translation:
    """A finished translation: the folder with its ``tree``, and what it cost."""

    key: str
    folder: Path
    phases: tuple[Phase, ...]


def translation_key(recipe: Recipe, image_key: str, source_digest: str) -> str:
    """What a translation is made of. Patches that packaging applies are no part of it."""
    return key_of(
        image=image_key,
        source=source_digest,
        patches=[patch.digest for patch in recipe.patches if not patch.application_level],
        goal=recipe.goal,
        options=[recipe.options, recipe.target_options],
        environment=dict(recipe.environment),
        programs=[(one.goal, one.options) for one in recipe.programs],
        requires=[source.sha256 for source in recipe.requires],
    )


def finished(store: Store, key: str) -> Translation | None:
    """The translation with this key, if it is there."""
    record = store.record(key)
    if record is None:
        return None
    return Translation(key, store.folder(key), tuple(Phase(**one) for one in record["phases"]))


@dataclass(frozen=True)
class Task:
    """A translation to do: ``source`` puts the source into a folder and gives its top folder,
    ``translator`` is what the image translates with, ``cpython`` or ``pypy``."""

    key: str
    recipe: Recipe
    image: str
    translator: str
    source: Callable[[Path], Path]


def translate(
    engine: Engine,
    fetcher: Fetcher,
    store: Store,
    task: Task,
    *,
    expected: Mapping[str, float],
    jobs: int,
    keep: bool,
    say: Callable[[str], None],
) -> Translation:
    """Run RPython in a container.

    Args:
        expected: seconds by phase, for what is shown.
        jobs: C compilers at once.
        keep: leave the working directory after a failure.

    Raises:
        ResourceError: too little memory or disk, before anything starts.
        PatchError: a patch does not apply.
        TranslationError: RPython or the C compiler failed.
    """
    with store.making(task.key, keep=keep) as work:
        done = finished(store, task.key)
        if done:  # by a run that this one waited for
            return done
        check_resources(task.recipe, work)
        _lay_out(fetcher, task, work)
        phases = _Run(engine, task, work, _log_path(store, task), jobs).all(
            expected, say, keep=keep
        )
        shutil.rmtree(work / "usession", ignore_errors=True)
        record = {
            "title": title(task.recipe),
            "translator": task.translator,
            "jobs": jobs,
            "phases": [asdict(one) for one in phases],
        }
        return Translation(task.key, store.finish(task.key, record), phases)


def title(recipe: Recipe) -> str:
    """What a translation is called in plans, logs and records."""
    small = " ".join(recipe.target_options).strip("-")
    return " ".join(filter(None, ["translate", recipe.target.release, small]))


def check_resources(recipe: Recipe, folder: Path) -> None:
    """Raise ResourceError when memory or the disk of ``folder`` is known to be too small."""
    memory, disk = _available_memory() // _MEBI, shutil.disk_usage(folder).free // _MEBI
    if memory < recipe.memory_mib:
        raise ResourceError(
            f"{title(recipe)} peaks at about {recipe.memory_mib} MiB of memory,"
            f" and {memory} MiB are available",
            remedy="close other programs, add swap space, or use a larger machine",
        )
    if disk < recipe.disk_mib:
        raise ResourceError(
            f"{title(recipe)} needs about {recipe.disk_mib} MiB of disk,"
            f" and {folder} has {disk} MiB free",
            remedy="free some space, or set ALPYPY_CACHE to a folder on another disk",
        )


def _available_memory() -> int:
    """Bytes of memory and swap that programs can still have (proc_meminfo(5))."""
    fields = dict(
        line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines() if ":" in line
    )
    return sum(int(fields[name].split()[0]) for name in ("MemAvailable", "SwapFree")) * 1024


def default_jobs() -> int:
    """C compilers at once: as many as there are processors for this process."""
    return len(os.sched_getaffinity(0))


def _log_path(store: Store, task: Task) -> Path:
    store.logs.mkdir(parents=True, exist_ok=True)
    name = title(task.recipe).replace(" ", "-")
    return store.logs / f"{name}-alpine{task.recipe.target.alpine}-{task.key[:8]}.log"


def _lay_out(fetcher: Fetcher, task: Task, work: Path) -> None:
    recipe = task.recipe
    task.source(work).rename(work / "tree")
    core = [patch for patch in recipe.patches if not patch.application_level]
    patches.apply(core, work / "tree", recipe.target.release)
    for name in ("usession", "out", "site"):
        (work / name).mkdir()
    for wheel in recipe.requires:
        unpack_wheel(fetcher.fetch(wheel), work / "site")


class _Run:
    """The run of translate.py, once for a PyPy, once a program for RPython's."""

    def __init__(self, engine: Engine, task: Task, work: Path, log: Path, jobs: int) -> None:
        self._engine = engine
        self._recipe = task.recipe
        self._image = task.image
        self._work = work
        self._log = log
        self._jobs = jobs

    def all(
        self, expected: Mapping[str, float], say: Callable[[str], None], *, keep: bool
    ) -> tuple[Phase, ...]:
        """Every phase of every command, in order."""
        say(f"{title(self._recipe)}: log {self._log}")
        phases, watch = Phases(), Stopwatch()
        with (
            self._log.open("w", encoding="utf-8") as log,
            Display(title(self._recipe), phases, expected, say),
        ):
            if not self._recipe.programs:
                self._one(self._pypy_job(), log, phases, watch, keep=keep)
            for program in self._recipe.programs:
                phases.program(program.name, watch.seconds)
                self._one(self._program_job(program), log, phases, watch, keep=keep)
        return phases.end(watch.seconds)

    def _pypy_job(self) -> Job:
        recipe = self._recipe
        words = [_STARTER, *recipe.options, self._make_jobs, f"/work/tree/{recipe.goal}"]
        return self._job([*words, *recipe.target_options], "/work/tree/pypy/goal")

    def _program_job(self, program: Program) -> Job:
        words = [_TRANSLATE, *program.options, self._make_jobs, f"/work/tree/{program.goal}"]
        return self._job(words, "/work/out")

    @property
    def _make_jobs(self) -> str:
        return f"--make-jobs={self._jobs}"

    def _job(self, words: Sequence[str], workdir: str) -> Job:
        environment = {
            **self._recipe.environment,
            "HOME": "/work",
            "PYPY_USESSION_DIR": "/work/usession",
            "PYTHONPATH": "/work/tree:/work/site" if self._recipe.programs else "",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        return Job(
            self._image,
            ["sh", "-c", 'exec "$TRANSLATOR" "$@"', "sh", *words],
            mounts=[Mount(self._work, "/work", writable=True)],
            environment=environment,
            workdir=workdir,
            timeout=None,
        )

    def _one(
        self,
        job: Job,
        log: IO[str],
        phases: Phases,
        watch: Stopwatch,
        *,
        keep: bool,
    ) -> None:
        tail = deque[str](maxlen=1000)
        stop = threading.Event()
        with self._engine.started(job) as running:
            threading.Thread(target=running.sample_memory, daemon=True).start()
            ticker = threading.Thread(
                target=_follow_memory, args=(stop, running, phases), daemon=True
            )
            ticker.start()
            try:
                for line in running.lines():
                    log.write(stamped(line, watch.seconds))
                    log.flush()
                    phases.line(line, watch.seconds)
                    tail.append(line)
                code = running.wait()
            finally:
                stop.set()
                ticker.join()
        if code:
            raise self._failure(code, phases.current, list(tail), keep=keep)

    def _failure(
        self, code: int, phase: str, tail: Sequence[str], *, keep: bool
    ) -> TranslationError:
        lines = "\n".join(f"    {line}" for line in telling_lines(tail))
        how = "was killed, most likely for want of memory" if code == 137 else f"ended with {code}"
        where = f"its working directory is {self._work}" if keep else "--keep leaves its tree"
        return TranslationError(
            f"{title(self._recipe)} {how} in the phase {phase}:\n{lines}",
            remedy=f"the log is {self._log}; {where}",
        )


def _follow_memory(stop: threading.Event, running: Running, phases: Phases) -> None:
    while not stop.wait(1.0):
        phases.memory(running.memory)


def telling_lines(tail: Sequence[str], most: int = 30) -> Sequence[str]:
    """The lines that say what went wrong: from the last error on, or just the last ones."""
    telling = [number for number, line in enumerate(tail) if _TELLING.search(line)]
    if not telling:
        return tail[-most:]
    last = telling[-1]
    first = next(number for number in telling if number > last - most)
    start = max(0, first - 2, last - most + 1)
    return tail[start : start + most]
