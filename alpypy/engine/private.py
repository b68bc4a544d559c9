"""A container engine of alpypy's own, for machines where one is installed but none answers."""

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
from docker import DockerClient
from docker.errors import DockerException
from filelock import FileLock

from alpypy.core.errors import EngineError
from alpypy.engine.address import default_sockets, refusal

_START_SECONDS = 60
_LONGEST_SOCKET = 107  # bytes; unix(7)
_INSTALL = "install one: apt-get install -y docker.io iptables   (or podman, or Docker Desktop)"


@contextlib.contextmanager
def private_engine(folder: Path) -> Iterator[str]:
    """Start an engine with its own socket and data below ``folder``; give its address.

    Runs at the same time share one; the last to finish stops it, so a run that was killed leaves
    it for the next one to use and stop.

    Raises:
        EngineError: none is installed, or it did not come up.
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
                f"the engine did not come up (its log is {folder / 'log'})",
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
    """Why no engine can be started: the error that says so."""
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
        client = DockerClient(base_url=address, version="auto", timeout=10)
    except (DockerException, requests.RequestException):
        return False
    client.close()
    return True


def _stop_if_last(folder: Path, users: IO[str]) -> None:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(int((folder / "pid").read_text()), signal.SIGTERM)
    (folder / "engine.sock").unlink(missing_ok=True)  # nobody is to find an engine that ends


def _wait_until_gone(folder: Path, seconds: float = 30) -> None:
    """Wait for the engine of the run before, which takes a second to end after it was told to."""
    try:
        pid = int((folder / "pid").read_text())
    except FileNotFoundError:
        return
    deadline = time.monotonic() + seconds
    while _runs(pid, folder) and time.monotonic() < deadline:
        time.sleep(0.02)


def _runs(pid: int, folder: Path) -> bool:
    """Whether the process is still there, and no other one that has its number now."""
    try:
        return os.fsencode(folder) in Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False
