"""Compile the kit's libraries: several at once, each in a container of the kit's toolchain."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from alpypy.core.errors import KitError
from alpypy.core.progress import Tally
from alpypy.core.source import Source
from alpypy.core.unpack import unpack
from alpypy.engine.job import Job, Mount
from alpypy.engine.pool import JobPool
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
    """The containers at work."""

    def __init__(
        self, workspace: Workspace, image: str, sources: Mapping[str, Source], scratch: Path
    ) -> None:
        self._workspace = workspace
        self._image = image
        self._sources = sources
        self._scratch = scratch
        self._jobs = workspace.engine.usable_processors
        self._pool = JobPool(workspace.engine)

    def run(self, weights: Mapping[str, float], tally: Tally) -> None:
        """Compile all, those first that take longest."""
        ordered = sorted(weights, key=lambda name: -weights[name])
        self._pool.work(ordered, self._compile, tally.finish)

    def _compile(self, name: str) -> None:
        if name in self._sources:
            self._unpack(name)
        done = self._pool.run(self._job(name))
        if done.exit_code:
            tail = "\n".join(f"    {line}" for line in done.output.splitlines()[-30:])
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
