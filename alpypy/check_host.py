"""Runs test modules of an interpreter of this machine, each as a process of an ordinary user."""

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
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from alpypy.check_plan import Limits, TestModule
from alpypy.check_run import (
    ENVIRONMENT,
    LAST_WORDS,
    TIMED_OUT,
    Attempt,
    Runner,
    request_for,
    tail,
)
from alpypy.errors import CheckError

_NOBODY = 65534
_LAST_WORDS_TIME = 5  # seconds


class HostRunner(Runner):
    """Runs modules of an interpreter of the host, each as a process of an ordinary user."""

    def __init__(self, interpreter: Path, driver: Path, limits: Limits) -> None:
        super().__init__()
        self._interpreter = interpreter
        self._driver = driver
        self._limits = limits

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
                folder.chmod(0o777)  # the user may be another one
            driver = shutil.copy(self._driver, home)
            record = home / "record"
            request = request_for(
                module, skip, self._limits, str(record), "", "", self.without, own_limit=True
            )
            command = [str(self._interpreter), str(driver), request]
            code, seconds, output = self._run(command, home)
            lines = record.read_text(encoding="utf-8").splitlines() if record.exists() else ()
            return Attempt(code, seconds, tuple(lines), output, tuple(skip))
        finally:
            shutil.rmtree(home, ignore_errors=True)

    def _run(self, command: Sequence[str], home: Path) -> tuple[int, float, tuple[str, ...]]:
        started, late = time.monotonic(), threading.Event()
        with self._started(command, home) as process:
            watcher = threading.Thread(target=_watch, args=(process, self._limits.timeout, late))
            watcher.start()
            output = tail(line.rstrip("\n") for line in process.stdout or ())
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
            env={"PATH": os.environ["PATH"], **ENVIRONMENT, **_home(home)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
            **_ordinary_user(),
        )
        try:
            with self.following(lambda: _kill(process)):
                yield process
        finally:
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
        process.send_signal(LAST_WORDS)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_LAST_WORDS_TIME)
    _kill(process)


def _kill(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _as_shell(code: int) -> int:
    """An exit code as a shell and a container give it: 128 + n after signal n."""
    return 128 - code if code < 0 else code
