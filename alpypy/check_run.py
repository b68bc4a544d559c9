"""Runs one test module in a process of its own: in a container, or on an interpreter of the host.

What comes back is raw: exit code, the driver's lines, the last of the output. A test that ends the
process is left out when the module is run again, so that it does not hide those after it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from alpypy.check_plan import Limits, TestModule
from alpypy.engine import Engine, Job, Mount, Running
from alpypy.errors import CheckError

TIMED_OUT = 124
_ATTEMPTS = 5  # runs of one module, each without the tests that ended those before
_TAIL, _LINE = 60, 400  # lines of the output that are kept, characters of each
_DRIVER = "/check/drive.py"
_RECORD = "/check/record"
_SOURCE = "/check/source"
_WHEELS = "/check/wheels"
_USER, _HOME = "1000:1000", "/home/checker"  # as dockerfiles/check makes it
_NOBODY = 65534
_LAST_WORDS_TIME = 5  # seconds
# regrtest lets PyPy 3 print where it is on this signal; Python 2.7 ends by it, a moment early.
_LAST_WORDS = signal.SIGUSR1
_LOCALE = {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}


@dataclass(frozen=True)
class Attempt:
    """One process: how it ended, what the driver wrote, what it printed last, which tests were left
    out."""

    exit_code: int
    seconds: float
    lines: tuple[str, ...]
    output: tuple[str, ...]
    skip: tuple[str, ...] = ()

    def events(self) -> Iterator[dict[str, Any]]:
        """The driver's lines as objects; a last one may have been cut."""
        for line in self.lines:
            with contextlib.suppress(ValueError):
                yield json.loads(line)

    @property
    def ended(self) -> bool:
        """Whether the process came to its end by itself."""
        return any("exit" in event for event in self.events())

    @property
    def running(self) -> str | None:
        """The test that ran when the process ended; None when there was none."""
        test = None
        for event in self.events():
            test = event["start"] if "start" in event else None
        return test


@dataclass(frozen=True)
class RawRun:
    """All runs of one module."""

    module: TestModule
    attempts: tuple[Attempt, ...]

    def to_json(self) -> str:
        """The document, for ``from_json``."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> RawRun:
        """What ``to_json`` gave."""
        document = json.loads(text)
        attempts = (
            Attempt(**{**one, **{name: tuple(one[name]) for name in ("lines", "output", "skip")}})
            for one in document["attempts"]
        )
        return cls(TestModule(**document["module"]), tuple(attempts))


class Runner(Protocol):
    """A place where test modules run."""

    def describe(self) -> dict[str, Any]:
        """What the driver says of the interpreter."""
        ...

    def attempt(self, module: TestModule, skip: Sequence[str]) -> Attempt:
        """Run a module once, without the tests ``skip``."""
        ...

    def stop(self) -> None:
        """End all that runs; what ``attempt`` gives afterwards does not count."""
        ...


def run_module(runner: Runner, module: TestModule) -> RawRun:
    """Run a module to its end, if need be without tests that end the process."""
    attempts: list[Attempt] = []
    skip: list[str] = []
    while len(attempts) < _ATTEMPTS:
        attempts.append(runner.attempt(module, skip))
        guilty = None if attempts[-1].ended else attempts[-1].running
        if guilty is None or guilty in skip:
            break
        skip.append(guilty)
    return RawRun(module, tuple(attempts))


def _request(
    module: TestModule,
    skip: Sequence[str],
    limits: Limits,
    record: str,
    source: str,
    wheels: str,
    *,
    own_limit: bool = False,
) -> str:
    """The driver's argument. ``own_limit``: it has to keep the memory limit itself."""
    request = {"record": record, "mode": module.kind, "skip": list(skip)}
    request |= {"memory_mib": limits.memory_mib if own_limit else None}
    if module.kind == "stdlib":
        return json.dumps({**request, "module": module.name, "resources": limits.resources})
    return json.dumps({**request, "file": module.file, "root": source, "wheels": wheels})


def _tail(lines: Iterable[str]) -> tuple[str, ...]:
    return tuple(deque((line[:_LINE] for line in lines), _TAIL))


def _description(output: str, what: str) -> dict[str, Any]:
    lines = output.strip().splitlines() or [""]
    try:
        found = json.loads(lines[-1])
    except ValueError:
        found = None
    if isinstance(found, dict):
        return found
    raise CheckError(
        f"{what} did not run the test driver: {' | '.join(lines[-3:])}",
        remedy="it must be a working Python with its standard library's tests, the package `test`",
    )


@dataclass(frozen=True)
class Images:
    """The image of the run-time packages and the one that has a compiler besides, by ID."""

    clean: str
    compiler: str


class ContainerRunner:
    """Runs modules of a PyPy that is unpacked in ``folder``, each in a container of its own."""

    def __init__(
        self,
        engine: Engine,
        images: Images,
        folder: Path,
        executable: str,
        driver: Path,
        limits: Limits,
        source: Path | None = None,
        wheels: Path | None = None,
    ) -> None:
        self._engine = engine
        self._images = images
        self._place = f"/opt/{folder.name}"
        self._executable = f"{self._place}/{executable}"
        self._limits = limits
        self._mounts = [Mount(folder, self._place), Mount(driver, _DRIVER)]
        self._mounts += [Mount(source, _SOURCE)] if source else []
        self._mounts += [Mount(wheels, _WHEELS)] if wheels else []
        self._running: set[Running] = set()
        self._lock = threading.Lock()

    def describe(self) -> dict[str, Any]:
        """What the driver says of the interpreter.

        Raises:
            CheckError: the interpreter did not run it.
        """
        request = json.dumps({"mode": "describe"})
        job = Job(
            self._images.clean,
            [self._executable, _DRIVER, request],
            mounts=self._mounts,
            environment=self._environment,
            user=_USER,
        )
        return _description(self._engine.run(job).output, f"the PyPy in {self._place}")

    def attempt(self, module: TestModule, skip: Sequence[str]) -> Attempt:
        """Run a module once."""
        request = _request(module, skip, self._limits, _RECORD, _SOURCE, _WHEELS)
        with tempfile.NamedTemporaryFile("w+", prefix="alpypy-check-", encoding="utf-8") as record:
            os.chmod(record.name, 0o666)  # the container's user is another one
            job = Job(
                self._images.compiler if module.compiler else self._images.clean,
                [self._executable, _DRIVER, request],
                mounts=[*self._mounts, Mount(Path(record.name), _RECORD, writable=True)],
                environment=self._environment,
                user=_USER,
                workdir=_HOME,
                timeout=self._limits.timeout,
                memory_mib=self._limits.memory_mib,
                last_words=_LAST_WORDS.name,
            )
            started = time.monotonic()
            with self._engine.started(job) as running, self._following(running):
                output = _tail(running.lines())
                code = running.wait()
            seconds = round(time.monotonic() - started, 1)
            return Attempt(code, seconds, tuple(record.read().splitlines()), output, tuple(skip))

    def stop(self) -> None:
        """End all containers that run."""
        with self._lock:
            for running in self._running:
                running.kill()

    @property
    def _environment(self) -> Mapping[str, str]:
        return {**_LOCALE, "HOME": _HOME, "USER": "checker", "LOGNAME": "checker"}

    @contextlib.contextmanager
    def _following(self, running: Running) -> Iterator[None]:
        with self._lock:
            self._running.add(running)
        try:
            yield
        finally:
            with self._lock:
                self._running.discard(running)


class HostRunner:
    """Runs modules of an interpreter of the host, each as a process of an ordinary user."""

    def __init__(self, interpreter: Path, driver: Path, limits: Limits) -> None:
        self._interpreter = interpreter
        self._driver = driver
        self._limits = limits
        self._running: set[subprocess.Popen[str]] = set()
        self._lock = threading.Lock()

    def describe(self) -> dict[str, Any]:
        """What the driver says of the interpreter.

        Raises:
            CheckError: there is no such program, or it did not run the driver.
        """
        command = [str(self._interpreter), str(self._driver), json.dumps({"mode": "describe"})]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError as error:
            raise CheckError(
                f"{self._interpreter} cannot be run: {error}",
                remedy="install it (on Debian: apt-get install pypy3 pypy3-lib-testsuite), or name"
                " another interpreter",
            ) from error
        return _description(done.stdout + done.stderr, str(self._interpreter))

    def attempt(self, module: TestModule, skip: Sequence[str]) -> Attempt:
        """Run a module once, in a home folder that is removed afterwards."""
        home = Path(tempfile.mkdtemp(prefix="alpypy-check-"))
        try:
            for folder in (home, home / "tmp"):
                folder.mkdir(exist_ok=True)
                folder.chmod(0o777)  # the user may be another one
            driver = shutil.copy(self._driver, home)
            record = home / "record"
            request = _request(module, skip, self._limits, str(record), "", "", own_limit=True)
            command = [str(self._interpreter), str(driver), request]
            code, seconds, output = self._run(command, home)
            lines = record.read_text(encoding="utf-8").splitlines() if record.exists() else ()
            return Attempt(code, seconds, tuple(lines), output, tuple(skip))
        finally:
            shutil.rmtree(home, ignore_errors=True)

    def stop(self) -> None:
        """End all processes that run."""
        with self._lock:
            for process in self._running:
                _kill(process)

    def _run(self, command: Sequence[str], home: Path) -> tuple[int, float, tuple[str, ...]]:
        started, late = time.monotonic(), threading.Event()
        with self._started(command, home) as process:
            watcher = threading.Thread(target=_watch, args=(process, self._limits.timeout, late))
            watcher.start()
            output = _tail(line.rstrip("\n") for line in process.stdout or ())
            watcher.join()
            code = process.wait()
        seconds = round(time.monotonic() - started, 1)
        return TIMED_OUT if late.is_set() else _as_shell(code), seconds, output

    @contextlib.contextmanager
    def _started(self, command: Sequence[str], home: Path) -> Iterator[subprocess.Popen[str]]:
        """The process, in a session of its own that is ended with it."""
        process = subprocess.Popen(
            command,
            cwd=home,
            env={"PATH": os.environ["PATH"], **_LOCALE, **_home(home)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
            **_ordinary_user(),
        )
        with self._lock:
            self._running.add(process)
        try:
            yield process
        finally:
            with self._lock:
                self._running.discard(process)
            _kill(process)
            process.wait()


def _home(home: Path) -> dict[str, str]:
    return {"HOME": str(home), "TMPDIR": str(home / "tmp")}


def _ordinary_user() -> dict[str, Any]:
    """Root's rights would let tests pass, or be skipped, that an ordinary user's do not."""
    if os.geteuid() != 0:
        return {}
    return {"user": _NOBODY, "group": _NOBODY, "extra_groups": ()}


def _watch(process: subprocess.Popen[str], timeout: float, late: threading.Event) -> None:
    """End the process at its time limit, and what it leaves behind, which keeps its output open."""
    try:
        process.wait(timeout)
    except subprocess.TimeoutExpired:
        late.set()
        process.send_signal(_LAST_WORDS)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_LAST_WORDS_TIME)
    _kill(process)


def _kill(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _as_shell(code: int) -> int:
    """An exit code as a shell and a container give it: 128 + n after signal n."""
    return 128 - code if code < 0 else code
