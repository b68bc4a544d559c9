"""Compile the kit's libraries: several at once, each in a container of the kit's toolchain."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from alpypy.core.errors import KitError
from alpypy.core.progress import Tally
from alpypy.core.source import Source
from alpypy.core.unpack import unpack
from alpypy.engine.container import Running
from alpypy.engine.job import Job, Mount
from alpypy.engine.workspace import Workspace
from alpypy.offline.contents import Library
from alpypy.offline.given import SCRIPTS

GCC = "gcc"  # whose own library is finished with it
_SCRIPT = "build-library.sh"
_LONGEST = 3600.0  # seconds that a library may take, on a machine that does other things too


@dataclass(frozen=True)
class Times:
    """How many seconds each library should take on one processor, and all of them together."""

    libraries: Mapping[str, float]
    together: float


def compile_libraries(
    workspace: Workspace, image: str, libraries: Sequence[Library], times: Times, scratch: Path
) -> Path:
    """The folder with a tree for each library and for what gcc lacks.

    Args:
        image: the toolchain's.
        scratch: a folder to work in.

    Raises:
        KitError: one does not compile; the message has the last lines of its output.
    """
    for name in ("sources", "out"):
        (scratch / name).mkdir()
    sources = {library.name: library.source for library in libraries}
    weights = {name: times.libraries.get(name, 1.0) for name in (*sources, GCC)}
    workspace.say(f"kit: compiling {', '.join(weights)}")
    with Tally("kit: compiling", weights, expected=times.together, say=workspace.say) as tally:
        _Compilers(workspace, image, sources, scratch).run(weights, tally)
    return scratch / "out"


def script_of(data: Path, name: str) -> Path:
    """The script that compiles a library: its own, or the one for all others.

    Args:
        data: the folder with dockerfiles/.
    """
    own = data / SCRIPTS / f"{name}.sh"
    return own if own.is_file() else data / "dockerfiles/kit" / _SCRIPT


class _Compilers:
    """The containers at work, as many at once as there are processors."""

    def __init__(
        self, workspace: Workspace, image: str, sources: Mapping[str, Source], scratch: Path
    ) -> None:
        self._workspace = workspace
        self._image = image
        self._sources = sources
        self._scratch = scratch
        self._jobs = workspace.engine.usable_processors
        self._running = set[Running]()
        self._stopped = threading.Event()

    def run(self, weights: Mapping[str, float], tally: Tally) -> None:
        """Compile all, those first that take longest."""
        with ThreadPoolExecutor(self._jobs) as pool:
            ordered = sorted(weights, key=lambda name: -weights[name])
            futures = {pool.submit(self._compile, name): name for name in ordered}
            try:
                for future in as_completed(futures):
                    future.result()
                    tally.finish(futures[future])
            except BaseException:
                self._stop()
                raise

    def _stop(self) -> None:
        self._stopped.set()
        for running in list(self._running):
            running.kill()

    def _compile(self, name: str) -> None:
        if self._stopped.is_set():
            return
        if name in self._sources:
            self._unpack(name)
        with self._workspace.engine.started(self._job(name)) as running:
            self._running.add(running)
            if self._stopped.is_set():  # after those that ran then were ended
                running.kill()
            lines = list(running.lines())
            code = running.wait()
            self._running.discard(running)
        if code:
            tail = "\n".join(f"    {line}" for line in lines[-30:])
            script = script_of(self._workspace.data, name)
            raise KitError(
                f"{name} of the kit did not compile:\n{tail}",
                remedy=f"{name} is compiled by {script}; correct what its output above says",
            )

    def _unpack(self, name: str) -> None:
        archive = self._workspace.fetcher.fetch(self._sources[name])
        with tempfile.TemporaryDirectory(dir=self._scratch) as folder:
            shutil.move(unpack(archive, Path(folder)), self._scratch / "sources" / name)

    def _job(self, name: str) -> Job:
        script = script_of(self._workspace.data, name)
        mounts = [
            Mount(self._scratch / "sources", "/sources"),
            Mount(self._scratch / "out", "/out", writable=True),
            Mount(script, f"/{_SCRIPT}"),
        ]
        jobs = {"JOBS": str(self._jobs)}
        return Job(self._image, ["sh", f"/{_SCRIPT}", name], mounts, jobs, timeout=_LONGEST)
