"""alpypy's own container engine, for a machine where an engine is installed but none runs."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import requests
from docker.errors import DockerException
from filelock import FileLock

from alpypy.core.errors import EngineError
from alpypy.engine.address import default_sockets, refusal
from alpypy.engine.client import open_client

_START_SECONDS, _STOP_SECONDS = 60, 30
_LONGEST_SOCKET = 107  # bytes; unix(7)
_INSTALL = "install one: apt-get install -y docker.io iptables   (or podman, or Docker Desktop)"


@contextlib.contextmanager
def private_engine(folder: Path) -> Iterator[str]:
    """Start an engine with its own socket and data below ``folder``; give its address.

    Runs at the same time share an engine, and the last to finish stops it. If a run was killed,
    the next run uses and stops its engine.

    Raises:
        EngineError: no engine is installed, or it did not start.
    """
    folder.mkdir(parents=True, exist_ok=True)
    address = f"unix://{_socket(folder)}"
    changing = FileLock(folder / "changing.lock")
    with (folder / "users").open("a") as users:
        with changing:
            if not _answers(address):
                _start(folder, address)
            fcntl.flock(users, fcntl.LOCK_SH)
        try:
            yield address
        finally:
            with changing:
                _stop_if_last(folder, users)


def _socket(folder: Path) -> Path:
    path = folder / "engine.sock"
    if len(os.fsencode(path)) > _LONGEST_SOCKET:
        raise EngineError(
            f"a private engine's socket would be {path}, longer than Linux allows",
            remedy="set ALPYPY_CACHE to a folder with a shorter path",
        )
    return path


def _start(folder: Path, address: str) -> None:
    command = _command(folder, address)
    _wait_until_gone(folder)
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    (folder / "pid").write_text(str(process.pid))
    try:
        _wait_until_up(process, folder, address)
    except BaseException:  # Ctrl-C too: nobody else knows of this process
        process.terminate()
        raise


def _wait_until_up(process: subprocess.Popen[bytes], folder: Path, address: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not _answers(address):
        if process.poll() is not None or time.monotonic() > deadline:
            raise EngineError(
                f"the private engine did not start (its log is {folder / 'log'})",
                remedy="start an engine by hand and set DOCKER_HOST to its address",
            )
        time.sleep(0.02)


def _command(folder: Path, address: str) -> Sequence[str]:
    if os.getuid() == 0 and shutil.which("dockerd"):
        data, state = f"--data-root={folder / 'data'}", f"--exec-root={folder / 'exec'}"
        return ["dockerd", data, state, "-p", str(folder / "docker.pid"), "-H", address]
    if shutil.which("podman"):
        return ["podman", f"--root={folder / 'podman'}", "system", "service", "--time=0", address]
    raise nothing_to_start()


def nothing_to_start() -> EngineError:
    """The error that says why alpypy can start no engine."""
    refusals = filter(None, map(refusal, default_sockets()))
    if shutil.which("dockerd"):
        other = EngineError(
            "no container engine answers, and only root can start the dockerd that is installed",
            remedy="start it (sudo systemctl start docker), or run as root, or install podman",
        )
    else:
        other = EngineError("no container engine answers and none is installed", remedy=_INSTALL)
    return next(refusals, other)


def _answers(address: str) -> bool:
    try:
        open_client(address).close()
    except (DockerException, requests.RequestException):
        return False
    return True


def _stop_if_last(folder: Path, users: IO[str]) -> None:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    if pid := _running(folder):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    (folder / "engine.sock").unlink(missing_ok=True)  # so that nobody finds an engine that ends


def _wait_until_gone(folder: Path) -> None:
    """Wait for the previous run's engine, which takes a second to end."""
    deadline = time.monotonic() + _STOP_SECONDS
    while _running(folder) and time.monotonic() < deadline:
        time.sleep(0.02)


def _running(folder: Path) -> int | None:
    """The engine's process ID, unless it ended and another process has this ID now."""
    try:
        pid = int((folder / "pid").read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError, ValueError):  # the last: a file half written
        return None
    return pid if os.fsencode(folder) in command else None
