"""An engine of alpypy's own: started when none answers, shared, stopped by the last."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from docker import DockerClient

from alpypy.core.errors import EngineError
from alpypy.engine.private import private_engine

needs_dockerd = pytest.mark.skipif(
    os.getuid() != 0 or shutil.which("dockerd") is None,
    reason="needs root and dockerd: apt-get install -y docker.io iptables",
)
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="becomes another user")
pytestmark = pytest.mark.timeout(300)
# Uses the engine until its input ends.
USER = """\
import sys
from pathlib import Path
from alpypy.engine.private import private_engine
with private_engine(Path(sys.argv[1])) as address:
    print(address, flush=True)
    sys.stdin.read()
"""
# Asks for an engine, as a task does, as an ordinary user (who need not be able to start Python).
STRANGER = """\
import os, sys, tempfile
from pathlib import Path
from alpypy.cli.ending import ended_well
from alpypy.engine.connection import connect
from alpypy.cli.machine import engine_missing
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
with ended_well(), tempfile.TemporaryDirectory() as cache:
    if sys.argv[1:] == ["set up"]:
        engine_missing()
    else:
        with connect(Path(cache)):
            pass
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose path is short enough for a socket's name."""
    path = Path(tempfile.mkdtemp(prefix="alpypy-", dir="/tmp"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def other(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Another process that has started the engine, and the engine's address."""
    process = subprocess.Popen(
        [sys.executable, "-c", USER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    assert process.stdout is not None
    yield process, process.stdout.readline().strip()
    process.communicate()


def ends(folder: Path, seconds: float = 120) -> bool:
    """Whether an engine that was told to end does: it takes a second."""
    deadline = time.monotonic() + seconds
    while processes(folder) and time.monotonic() < deadline:
        time.sleep(0.1)
    return processes(folder) == []


def processes(folder: Path) -> list[str]:
    """Commands of the processes that name the folder and are not the test's own helper."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode()
        except OSError:  # it ended meanwhile
            continue
        if str(folder) in command and "-c import sys" not in command:
            found.append(command)
    return found


def answers(address: str) -> bool:
    client = DockerClient(base_url=address, version="auto", timeout=30)
    try:
        return bool(client.ping())
    finally:
        client.close()


@needs_dockerd
def test_two_share_one_and_the_last_stops_it(
    folder: Path, other: tuple[subprocess.Popen[str], str]
) -> None:
    process, address = other
    assert address == f"unix://{folder}/engine.sock"
    with private_engine(folder) as mine:
        assert mine == address
        process.communicate()
        assert process.returncode == 0
        assert answers(address)
        assert processes(folder)
    assert ends(folder)


@needs_dockerd
def test_the_next_run_waits_for_the_last_one_s_engine_to_end(folder: Path) -> None:
    for _ in range(3):
        with private_engine(folder) as address:
            assert answers(address)
    assert ends(folder)


@needs_dockerd
def test_the_engine_of_a_killed_run_is_taken_over_and_stopped(
    folder: Path, other: tuple[subprocess.Popen[str], str]
) -> None:
    process, address = other
    pid = (folder / "pid").read_text()
    process.kill()
    process.wait()
    with private_engine(folder) as mine:
        assert answers(address)
        assert mine == address
        assert (folder / "pid").read_text() == pid
    assert ends(folder)


@needs_dockerd
def test_an_engine_that_does_not_come_up_is_an_error_that_names_its_log(folder: Path) -> None:
    (folder / "data").write_text("not a folder")
    with pytest.raises(EngineError, match=f"its log is {folder}/log"), private_engine(folder):
        pass
    assert (folder / "log").read_text()
    assert processes(folder) == []


def test_none_installed_is_an_error_with_the_command_that_installs_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(folder))
    with pytest.raises(EngineError) as caught, private_engine(folder):
        pass
    assert "apt-get install -y docker.io iptables" in caught.value.remedy


def as_stranger(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", STRANGER, *words],
        cwd=Path(__file__).parents[3],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def closed_socket(folder: Path) -> Iterator[Path]:
    """An engine's socket that only root may use, where a user's engine would listen."""
    folder.chmod(0o755)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "docker.sock"))
        listening.listen()
        (folder / "docker.sock").chmod(0o600)
        yield folder / "docker.sock"


@needs_root
@pytest.mark.parametrize("there", ["nothing else", "dockerd", "DOCKER_HOST"])
def test_a_socket_that_the_user_may_not_use_is_said_to_be_that(
    there: str, closed_socket: Path
) -> None:
    folder = closed_socket.parent
    if there == "dockerd":
        (folder / "dockerd").touch(0o755)
    environment = {"PATH": str(folder), "XDG_RUNTIME_DIR": str(folder)}
    if there == "DOCKER_HOST":
        environment["DOCKER_HOST"] = f"unix://{closed_socket}"
    done = as_stranger(environment)
    assert done.returncode == 8
    assert "permission denied: this user may not use the container engine at " in done.stderr
    assert "usermod -aG docker" in done.stderr
    assert "Traceback" not in done.stderr


@needs_root
def test_setup_says_it_too_and_does_not_ask_for_another_engine(closed_socket: Path) -> None:
    folder = closed_socket.parent
    done = as_stranger({"PATH": str(folder), "XDG_RUNTIME_DIR": str(folder)}, "set up")
    assert done.returncode == 8
    assert "permission denied" in done.stderr


@needs_root
def test_a_folder_that_is_closed_to_the_user_has_no_socket_for_them(folder: Path) -> None:
    (folder / "closed").mkdir(mode=0o700)
    done = as_stranger({"PATH": str(folder), "XDG_RUNTIME_DIR": str(folder / "closed")})
    assert done.returncode == 8
    assert "Traceback" not in done.stderr


def test_a_path_too_long_for_a_socket_is_an_error_at_once(folder: Path) -> None:
    with pytest.raises(EngineError) as caught, private_engine(folder / ("long" * 30)):
        pass
    assert "ALPYPY_CACHE" in caught.value.remedy
