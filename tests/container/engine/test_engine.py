"""Containers: what they may do, how they end, what they leave."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from docker.errors import NotFound
from docker.models.containers import Container

from alpypy.cli.ending import ended_well
from alpypy.core.errors import EngineError
from alpypy.engine.connection import connect
from alpypy.engine.container import LEASE_LABEL
from alpypy.engine.docker import Engine
from alpypy.engine.job import Job, Mount

pytestmark = pytest.mark.timeout(300)
Shell = Callable[[str], str]


@pytest.fixture
def shell(engine: Engine, base_image: str) -> Shell:
    """Output of a line of shell in a container."""

    def run(script: str) -> str:
        done = engine.run(Job(base_image, ["sh", "-c", script]))
        assert done.exit_code == 0, done.output
        return done.output

    return run


def test_output_and_exit_code(engine: Engine, base_image: str) -> None:
    done = engine.run(Job(base_image, ["sh", "-c", "echo out; echo err >&2; exit 3"]))
    assert done.exit_code == 3
    assert sorted(done.output.splitlines()) == ["err", "out"]


@pytest.mark.parametrize("attempt", range(4))
def test_a_last_line_without_an_end_counts(engine: Engine, base_image: str, attempt: int) -> None:
    script = "echo out; printf 'half' >&2; printf 'no end'; exit 3"
    done = engine.run(Job(base_image, ["sh", "-c", script]))
    assert sorted(done.output.splitlines()) == ["half", "no end", "out"]


def test_words_of_a_command_are_no_shell(engine: Engine, base_image: str) -> None:
    words = ["$(id)", "a b", "", "'", "*"]
    done = engine.run(Job(base_image, ["printf", "%s\n", *words]))
    assert done.output.splitlines() == words


def test_environment_and_working_directory(engine: Engine, base_image: str) -> None:
    job = Job(base_image, ["sh", "-c", 'echo "$A"; pwd'], environment={"A": "b c"}, workdir="/etc")
    assert engine.run(job).output == "b c\n/etc\n"


def test_a_command_that_takes_too_long_ends_as_with_timeout(
    engine: Engine, base_image: str
) -> None:
    started = time.monotonic()
    done = engine.run(Job(base_image, ["sh", "-c", "echo begun; sleep 200"], timeout=2))
    assert (done.exit_code, done.output) == (124, "begun\n")
    assert time.monotonic() - started < 180


def test_a_name_that_no_image_can_have_is_told_in_plain_words(
    engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as caught, ended_well():
        engine.image_id("a b")
    signal.signal(signal.SIGTERM, before)
    assert caught.value.code == EngineError.exit_code
    said = capsys.readouterr().err
    assert "the engine refused: " in said
    assert "a b: invalid reference format" in said
    assert "--" not in said  # not every command has an option for it


def test_an_image_that_is_not_there_is_an_error(engine: Engine) -> None:
    with pytest.raises(EngineError, match=r"alpypy-test:none"):
        engine.run(Job("alpypy-test:none", ["true"]))


def test_a_command_that_is_not_there_fails(engine: Engine, base_image: str) -> None:
    done = engine.run(Job(base_image, ["/no/such/program"]))
    assert done.exit_code == 127
    assert "/no/such/program" in done.output


def test_there_is_no_network(shell: Shell) -> None:
    assert shell("ls /sys/class/net") == "lo\n"


@pytest.mark.skipif(
    not Path("/proc/sys/net/ipv6").is_dir(), reason="the kernel has no IPv6: modprobe ipv6"
)
def test_the_loopback_interface_has_both_addresses(shell: Shell) -> None:
    shown = shell("ip -o addr show dev lo")
    assert "inet 127.0.0.1/8" in shown
    assert "inet6 ::1/128" in shown


def test_there_is_no_capability_and_none_to_be_had(shell: Shell) -> None:
    status = dict(line.split(":\t") for line in shell("cat /proc/self/status").splitlines())
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[name], 16) == 0, name
    assert status["NoNewPrivs"] == "1"


def test_files_in_a_mounted_folder_belong_to_the_caller(
    engine: Engine, base_image: str, tmp_path: Path
) -> None:
    job = Job(base_image, ["touch", "/work/made"], [Mount(tmp_path, "/work", writable=True)])
    assert engine.run(job).exit_code == 0
    status = (tmp_path / "made").stat()
    assert (status.st_uid, status.st_gid) == (os.getuid(), os.getgid())


def test_a_mount_is_read_only_unless_said_otherwise(
    engine: Engine, base_image: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("content")
    mounts = [Mount(tmp_path, "/work")]
    job = Job(base_image, ["sh", "-c", "cat /work/file; ! touch /work/made"], mounts)
    done = engine.run(job)
    assert done.exit_code == 0
    assert "content" in done.output.splitlines()
    assert "Read-only file system" in done.output
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.fixture
def tag(engine: Engine) -> Iterator[str]:
    """A name for an image; the image goes after the test."""
    name = f"alpypy-test:{uuid.uuid4().hex}"
    yield name
    engine.remove_image(name)


def test_proxy_settings_reach_a_build_and_stay_out_of_the_image(
    engine: Engine, base_image: str, tag: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = "http://user:secret@127.0.0.1:9"
    monkeypatch.setenv("HTTPS_PROXY", address)
    (tmp_path / "Dockerfile").write_text(
        "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\n"
        'RUN test "$https_proxy" = "$HTTPS_PROXY" && echo "$https_proxy" | sha256sum\n'
    )
    lines: list[str] = []
    engine.build(
        tmp_path,
        tag=tag,
        arguments={"BASE_IMAGE": base_image},
        labels={},
        network=True,
        on_line=lines.append,
    )
    digest = subprocess.run(
        ["sha256sum"], input=f"{address}\n", capture_output=True, text=True, check=True
    ).stdout
    assert digest.strip() in lines
    image = engine.client.images.get(tag)
    assert "secret" not in str(image.history()) + str(image.attrs)


def test_an_image_is_found_by_its_id_when_another_run_takes_its_name(
    engine: Engine, base_image: str, tag: str, tmp_path: Path
) -> None:
    (tmp_path / "Dockerfile").write_text(f"FROM {base_image}\nRUN echo {tag} >/mine\n")
    other = engine.client.images.get(base_image)

    def take(line: str) -> None:
        if line.startswith("Successfully tagged"):
            other.tag(*tag.split(":"))

    made = engine.build(tmp_path, tag=tag, arguments={}, labels={}, network=False, on_line=take)
    assert engine.image_id(tag) == other.id
    assert engine.run(Job(made, ["cat", "/mine"])).output == f"{tag}\n"
    engine.remove_image(made)


def test_an_image_in_use_is_not_removed_and_that_is_no_error(
    engine: Engine, base_image: str, tag: str, tmp_path: Path
) -> None:
    (tmp_path / "Dockerfile").write_text(f"FROM {base_image}\nRUN echo {tag} >/mine\n")
    engine.build(tmp_path, tag=tag, arguments={}, labels={}, network=False)
    with engine.started(Job(tag, ["sleep", "500"])):
        engine.remove_image(tag)
        assert engine.image_id(tag)
    engine.remove_image(tag)
    assert engine.image_id(tag) is None


def test_an_image_with_several_labels_is_found_by_all_of_them(
    engine: Engine, base_image: str, tag: str, tmp_path: Path
) -> None:
    """The classic builder leaves an image behind for each label that it sets."""
    (tmp_path / "Dockerfile").write_text(f"FROM {base_image}\n")
    labels = {"org.alpypy.test.first": tag, "org.alpypy.test.second": "yes"}
    made = engine.build(tmp_path, tag=tag, arguments={}, labels=labels, network=False)
    first = engine.first_labelled(f"org.alpypy.test.first={tag}", "org.alpypy.test.second")
    assert first == made
    assert engine.first_labelled(f"org.alpypy.test.first={tag}", "org.alpypy.test.third") is None


# Runs a container that never ends by itself, as a task does.
OWNER = """\
import sys
from alpypy.cli.ending import ended_well
from alpypy.core.folders import cache_folder
from alpypy.engine.connection import connect
from alpypy.engine.job import Job
image, token = sys.argv[1:]
with ended_well(), connect(cache_folder()) as engine:
    with engine.started(Job(image, ["sh", "-c", "echo up; sleep 500", token])) as running:
        for line in running.lines():
            print(line, flush=True)
"""


@pytest.fixture
def owner(base_image: str, cache: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process whose container is up, and the word that its container has in its command."""
    token = f"alpypy-test-{uuid.uuid4().hex}"
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, base_image, token],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "ALPYPY_CACHE": str(cache)},
        cwd=Path(__file__).parents[3],
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    yield process, token
    process.kill()
    process.communicate()


def containers(engine: Engine, token: str, *, stopped: bool) -> list[Container]:
    return [
        one
        for one in engine.client.containers.list(all=stopped, ignore_removed=True)
        if token in one.attrs["Config"]["Cmd"]
    ]


def test_a_killed_run_leaves_no_container_running_and_the_next_one_sweeps(
    engine: Engine, owner: tuple[subprocess.Popen[str], str], cache: Path
) -> None:
    process, token = owner
    [container] = containers(engine, token, stopped=False)
    lease = Path(container.labels["org.alpypy.lease"])
    with connect(cache):  # another run spares what is in use
        assert containers(engine, token, stopped=False)
    process.kill()
    process.wait()
    deadline = time.monotonic() + 120
    while containers(engine, token, stopped=False) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not containers(engine, token, stopped=False)
    with connect(cache):
        assert not containers(engine, token, stopped=True)
    assert not lease.exists()


@pytest.fixture
def foreign(engine: Engine, base_image: str, tmp_path: Path) -> Iterator[Container]:
    """A container at work whose lease is not on this machine, as of another one at this engine."""
    container = engine.client.containers.run(
        base_image,
        ["sleep", "500"],
        init=True,
        detach=True,
        labels={LEASE_LABEL: str(tmp_path / "elsewhere/run-1")},
    )
    yield container
    with contextlib.suppress(NotFound):
        container.remove(force=True)


def test_a_container_of_another_machine_is_swept_only_when_it_has_ended(
    foreign: Container, cache: Path
) -> None:
    with connect(cache):
        foreign.reload()
        assert foreign.status == "running"
    foreign.kill()
    foreign.wait()
    with connect(cache), pytest.raises(NotFound):
        foreign.reload()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_removes_the_container_at_once(
    engine: Engine, owner: tuple[subprocess.Popen[str], str], number: signal.Signals
) -> None:
    process, token = owner
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in said
    assert "Traceback" not in said
    assert not containers(engine, token, stopped=True)
