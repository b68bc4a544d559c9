"""Interpreters that can be run: each run is a process of its own, on this machine or in a
container."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from alpypy.bench.counting import Counter
from alpypy.bench.subject import Subject
from alpypy.core.errors import BenchError
from alpypy.engine.docker import Engine
from alpypy.engine.job import MeasuredJob, Mount

RESULT = "result.json"  # what pyperf writes, in the folder that it is told
_COUNT = "instructions"  # what a counter writes there
TIMED_OUT = 124  # the exit code, as with timeout(1)
_NOBODY = "65534:65534"
_TMP = "/tmp"  # noqa: S108 - the container's
_PLACE = "/bench"  # in containers: below it are the wheels, the own programs, results, bytecode


@dataclass(frozen=True)
class Folders:
    """Folders, as a process sees them: installed wheels, own programs, results, bytecode that the
    interpreter keeps, so that only its first process compiles what it imports, and the counter's.
    """

    wheels: str
    own: str
    results: str
    bytecode: str
    counter: str = ""

    def environment(self, seed: int) -> Mapping[str, str]:
        """The environment of a process. The order of sets is the same for all that get the same
        ``seed``."""
        return {
            "LANG": "C.UTF-8",
            "PYTHONHASHSEED": str(seed),
            "PYTHONPATH": self.wheels,
            "PYTHONPYCACHEPREFIX": self.bytecode,
        }


@dataclass(frozen=True)
class Ended:
    """How a process ended, the file that pyperf wrote, and the instructions that were counted."""

    exit_code: int
    output: str
    result: str | None
    instructions: int | None = None


class Interpreter(ABC):
    """An interpreter, and the folders that its processes see."""

    def __init__(self, subject: Subject, shared: Shared, command: Sequence[str]) -> None:
        self.name = subject.name
        self._command = command
        self._results = shared.results(subject)
        self._counter = shared.counter
        self._cpu = shared.cpu

    @property
    @abstractmethod
    def folders(self) -> Folders:
        """The folders, as its processes see them."""

    def run(
        self, arguments: Sequence[str], *, seed: int, timeout: float, counted: bool = False
    ) -> Ended:
        """Run it with these arguments in a process of its own.

        Args:
            seed: of the hashes of strings.
            timeout: in seconds; afterwards the process is killed, and its exit code is 124.
            counted: count its instructions, if ``Shared`` has a counter.
        """
        folders, command = self.folders, [*self._command, *arguments]
        environment = folders.environment(seed)
        if counted and self._counter:
            output = f"{folders.results}/{_COUNT}"
            command = [*self._counter.command(folders.counter, output), *command]
            environment = {**environment, **self._counter.environment(folders.counter)}
        code, text = self._run(command, environment, timeout)
        result, count = _take(self._results / RESULT), _take(self._results / _COUNT)
        number = self._counter.read(count) if self._counter and count else None
        return Ended(code, text, result, number)

    @abstractmethod
    def _run(
        self, command: Sequence[str], environment: Mapping[str, str], timeout: float
    ) -> tuple[int, str]:
        """Run a command, and give its exit code and its output."""


class HostInterpreter(Interpreter):
    """An executable of this machine. It runs in an empty folder, with few variables."""

    def __init__(self, subject: Subject, shared: Shared) -> None:
        super().__init__(subject, shared, [str(Path(subject.what).absolute())])
        counter = shared.counter.folder if shared.counter else None
        self._folders = Folders(
            str(shared.wheels),
            str(shared.own),
            str(self._results),
            str(shared.bytecode(subject)),
            str(counter or ""),
        )

    @property
    def folders(self) -> Folders:
        """The folders of this machine."""
        return self._folders

    def _run(
        self, command: Sequence[str], environment: Mapping[str, str], timeout: float
    ) -> tuple[int, str]:
        with tempfile.TemporaryDirectory(prefix="alpypy-bench-") as home:
            pinned = [] if self._cpu is None else ["taskset", "-c", str(self._cpu)]
            own = {"PATH": os.environ.get("PATH", os.defpath), "HOME": home, "TMPDIR": home}
            return _run([*pinned, *command], Path(home), {**environment, **own}, timeout)


class ContainerInterpreter(Interpreter):
    """An interpreter in a container, which has no network, no privilege, and /tmp in memory.

    ``command`` runs it there; ``mounts`` are what it needs besides the folders of benchmarks.
    """

    def __init__(
        self,
        subject: Subject,
        engine: Engine,
        image: str,
        command: Sequence[str],
        shared: Shared,
        mounts: Sequence[Mount] = (),
    ) -> None:
        super().__init__(subject, shared, command)
        self._engine = engine
        self._image = image
        folders = self.folders
        counter = shared.counter.folder if shared.counter else None
        self._mounts = (
            *mounts,
            Mount(shared.wheels, folders.wheels),
            Mount(shared.own, folders.own),
            Mount(self._results, folders.results, writable=True),
            Mount(shared.bytecode(subject), folders.bytecode, writable=True),
            *((Mount(counter, folders.counter),) if counter else ()),
        )

    @property
    def folders(self) -> Folders:
        """The folders in the container."""
        parts = ("wheels", "own", "results", "bytecode", "counter")
        return Folders(*(f"{_PLACE}/{part}" for part in parts))

    @property
    def _user(self) -> str | None:
        """An ordinary user: the one who runs alpypy, who must be able to remove what is written;
        nobody, if that is root, who can remove everything."""
        return None if self._engine.rootless or os.getuid() else _NOBODY

    def _run(
        self, command: Sequence[str], environment: Mapping[str, str], timeout: float
    ) -> tuple[int, str]:
        job = MeasuredJob(
            self._image,
            command,
            mounts=self._mounts,
            environment={**environment, "HOME": _TMP},
            user=self._user,
            workdir=_TMP,
            timeout=timeout,
            in_memory=(_TMP,),
            processors=None if self._cpu is None else str(self._cpu),
        )
        done = self._engine.run(job)
        return done.exit_code, done.output


@dataclass(frozen=True)
class Shared:
    """The folders of a run: wheels and own programs, which all interpreters read, and a scratch
    folder, in which each has its own. ``counter`` counts instructions, where it is asked to;
    ``cpu`` is the only processor to use."""

    wheels: Path
    own: Path
    scratch: Path
    counter: Counter | None = None
    cpu: int | None = None

    def results(self, subject: Subject) -> Path:
        """Where an interpreter's processes write results."""
        return self._writable(subject, "out")

    def bytecode(self, subject: Subject) -> Path:
        """Where an interpreter keeps bytecode."""
        return self._writable(subject, "cache")

    def _writable(self, subject: Subject, kind: str) -> Path:
        folder = self.scratch / subject.file_name / kind
        folder.mkdir(parents=True)
        folder.chmod(0o777)
        return folder


def _run(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], timeout: float
) -> tuple[int, str]:
    try:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        raise BenchError(
            f"{command[0]} cannot be run: {error}", remedy="give the path of an interpreter"
        ) from error
    with process:
        try:
            output, _ = process.communicate(timeout=timeout)
            code = process.returncode
        except subprocess.TimeoutExpired:
            output, code = b"", TIMED_OUT
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    return code, output.decode(errors="replace")


def _take(path: Path) -> str | None:
    """A file that a process has left, which is removed, so that the next one can write it."""
    if not path.exists():
        return None
    content = path.read_text(encoding="utf-8")
    path.unlink()
    return content
