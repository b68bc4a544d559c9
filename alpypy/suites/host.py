"""Runs test modules of an interpreter of this machine, each in a process of an ordinary user."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from alpypy.core.errors import CheckError
from alpypy.suites.plan import Limits, TestModule
from alpypy.suites.run import ENVIRONMENT, LAST_WORDS, TIMED_OUT, Attempt, DriverPaths, Runner, tail

_NOBODY = 65534
_LAST_WORDS_TIME = 5  # seconds
_PAUSE = 0.1  # seconds
_PIPE = 1 << 16  # bytes, the capacity of a pipe on Linux: pipe(7)
_ROUNDS = 20  # searches for processes that started while others were killed


class HostRunner(Runner):
    """Runs modules of an interpreter of the host, each in a process of an ordinary user."""

    def __init__(self, interpreter: Path, driver: Path, limits: Limits) -> None:
        super().__init__(limits)
        self._interpreter = interpreter
        self._driver = driver

    def _description(self) -> tuple[str, str]:
        command = [str(self._interpreter), str(self._driver), json.dumps({"mode": "describe"})]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError as error:
            raise CheckError(
                f"{self._interpreter} cannot be run: {error}",
                remedy="install it (on Debian: apt-get install pypy3 pypy3-lib-testsuite), or name"
                " another interpreter",
            ) from error
        return done.stderr + done.stdout, str(self._interpreter)

    def attempt(self, module: TestModule, skip: Sequence[str]) -> Attempt:
        """Run a module once, in a home folder that is removed afterwards."""
        home = Path(tempfile.mkdtemp(prefix="alpypy-check-"))
        try:
            for folder in (home, home / "tmp"):
                folder.mkdir(exist_ok=True)
                folder.chmod(0o777)  # the process may have another user
            driver = shutil.copy(self._driver, home)
            record = home / "record"
            request = self.request(module, skip, DriverPaths(str(record)), own_limit=True)
            command = [str(self._interpreter), str(driver), request]
            code, seconds, output = self._run(command, home)
            lines = record.read_text(encoding="utf-8").splitlines() if record.exists() else ()
            return Attempt(code, seconds, tuple(lines), output, tuple(skip))
        finally:
            shutil.rmtree(home, ignore_errors=True)

    def _run(self, command: Sequence[str], home: Path) -> tuple[int, float, tuple[str, ...]]:
        started, late = time.monotonic(), threading.Event()
        with self._started(command, home) as process:
            arguments = (process, home, self.limits.timeout, late)
            watcher = threading.Thread(target=_watch, args=arguments)
            watcher.start()
            assert process.stdout is not None
            output = tail(_lines(process.stdout, watcher))
            watcher.join()
            code = process.wait()
        seconds = round(time.monotonic() - started, 1)
        return TIMED_OUT if late.is_set() else _as_shell(code), seconds, output

    @contextlib.contextmanager
    def _started(self, command: Sequence[str], home: Path) -> Iterator[subprocess.Popen[bytes]]:
        """The process, in a session of its own, which is killed at the end."""
        with subprocess.Popen(
            command,
            cwd=home,
            env={"PATH": os.environ["PATH"], **ENVIRONMENT, **_home(home)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **_ordinary_user(),
        ) as process:
            try:
                with self.following(lambda: _kill(process, home)):
                    yield process
            finally:
                _kill(process, home)


def _home(home: Path) -> dict[str, str]:
    return {"HOME": str(home), "TMPDIR": str(home / "tmp")}


def _ordinary_user() -> dict[str, Any]:
    """Arguments that run a process as nobody if this one is root's: some tests pass or are skipped
    only for root."""
    if os.geteuid() != 0:
        return {}
    return {"user": _NOBODY, "group": _NOBODY, "extra_groups": ()}


def _watch(
    process: subprocess.Popen[bytes], home: Path, timeout: float, late: threading.Event
) -> None:
    """Kill the process at its time limit, and at its end all processes that it leaves behind."""
    try:
        process.wait(timeout)
    except subprocess.TimeoutExpired:
        late.set()
        process.send_signal(LAST_WORDS)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_LAST_WORDS_TIME)
    _kill(process, home)


def _lines(pipe: IO[bytes], watcher: threading.Thread) -> Iterator[str]:
    """The lines of a pipe, until it is closed, or until the watcher is done and the pipe is empty.

    A process that escapes may keep the pipe open for ever, and write to it.
    """
    rest, left = b"", _PIPE
    while left > 0:
        last = not watcher.is_alive()
        if not select.select([pipe], [], [], 0 if last else _PAUSE)[0]:
            if last:
                break
            continue
        piece = os.read(pipe.fileno(), _PIPE)
        if not piece:
            break
        left -= len(piece) if last else 0
        *whole, rest = (rest + piece).split(b"\n")
        yield from (line.decode(errors="replace") for line in whole)
    if rest:
        yield rest.decode(errors="replace")


def _kill(process: subprocess.Popen[bytes], home: Path) -> None:
    """Kill the process with its session, and processes of other sessions that have its home."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    for _ in range(_ROUNDS):
        found = tuple(_processes_with(home))
        for number in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(number, signal.SIGKILL)
        if not found:
            break
        time.sleep(_PAUSE)  # the next round finds processes that were starting meanwhile


def _processes_with(home: Path) -> Iterator[int]:
    """The processes that have the folder in their environment, by /proc."""
    for file in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):  # the process has ended, or is another user's
            if os.fsencode(home) in file.read_bytes():
                yield int(file.parent.name)


def _as_shell(code: int) -> int:
    """An exit code as shells and containers give it: 128 + n after signal n."""
    return 128 - code if code < 0 else code
