"""A caching proxy for builds: squid, for this machine and its containers, until it is ended."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import shlex
import shutil
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from alpypy.core.errors import ProxyError, ResourceError
from alpypy.core.files import disk
from alpypy.engine.docker import Engine
from alpypy.engine.job import proxy_environment
from alpypy.proxy.authority import BUNDLE, write_authority
from alpypy.proxy.config import Listen, Settings, Upstream, configuration
from alpypy.proxy.files import hand_over, no_link, write_new
from alpypy.proxy.log import Traffic, traffic
from alpypy.proxy.squid import Process, Squid, find_squid

_CONFIGURATION, _LOG, _ANSWERS, _STORE = "squid.conf", "squid.log", "access.log", "store"
_START_SECONDS = 60
_RESERVE, _LEAST = 1024, 128  # MiB: what others keep of the disk, what a cache needs
_LOGIN = re.compile(r"login=\S+")


@dataclass(frozen=True)
class Wanted:
    """A proxy: its folder, where it listens, the hosts whose https connections it opens, and the
    image that squid comes from (None for the installed one)."""

    folder: Path
    root: Path
    settings: Settings
    port: int
    opened: tuple[str, ...]
    image: str | None = None


@dataclass(frozen=True)
class Running:
    """A proxy that listens."""

    process: Process
    listen: Listen
    folder: Path

    def traffic(self) -> Traffic:
        """What it gave out, once it has ended: squid logs an answer after it gave it."""
        path = self.folder / _ANSWERS
        with open(path, encoding="utf-8", errors="replace", opener=no_link) as lines:
            return traffic(lines)


def serve(engine: Engine, wanted: Wanted, say: Callable[[str], None]) -> Traffic:
    """Run squid for this machine and the engine's containers until it is interrupted (Ctrl-C,
    SIGTERM), and tell what it gave out.

    Raises:
        ProxyError: squid is not installed, cannot listen there, or ended by itself.
        ResourceError: the disk is full.
        SpecError: squid cannot use the proxy that this machine needs.
    """
    squid = find_squid(engine, wanted.image, opening=bool(wanted.opened))
    with running(wanted, squid, find_listen(engine, wanted.port)) as proxy:
        _wait(proxy, hints(wanted, proxy.listen), say)
    return proxy.traffic()


def _wait(proxy: Running, hints: Iterator[str], say: Callable[[str], None]) -> None:
    with contextlib.suppress(KeyboardInterrupt):
        for line in hints:
            say(line)
        proxy.process.wait()
        raise _ended(proxy.folder)


@contextlib.contextmanager
def running(wanted: Wanted, squid: Squid, listen: Listen) -> Iterator[Running]:
    """squid, from when it listens on; it has ended when this is left.

    Raises:
        ProxyError, ResourceError, SpecError: as ``serve`` does.
    """
    folder = wanted.folder
    with _alone(folder) as lock, _private(folder / _CONFIGURATION):
        with disk(folder):
            _prepare(wanted, squid, listen, upstream_of(listen))
        command = _squid(squid, listen)
        process = squid.start(command, folder, folder / _LOG, [lock.fileno()])
        try:
            _wait_until_up(process, folder, listen)
            (folder / _CONFIGURATION).unlink()  # it has been read
            yield Running(process, listen, folder)
        finally:
            process.terminate()
            process.wait()


@contextlib.contextmanager
def _private(path: Path) -> Iterator[None]:
    """A file with a password in it goes, whatever happens."""
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def find_listen(engine: Engine, port: int) -> Listen:
    """Where both this machine and the engine's containers reach the proxy, and no other machine.

    Raises:
        ProxyError: the engine has no such address, or the port is taken.
    """
    address, network = _bridge(engine)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
            probe.listen()
        except OSError as error:
            raise _cannot_listen(address, port, error) from error
        port = probe.getsockname()[1]  # 0 stands for a free one
        # Docker rewrites where this machine's own connections to its bridge come from.
        with socket.create_connection((address, port)), probe.accept()[0] as accepted:
            own = str(accepted.getpeername()[0])
    return Listen(address, port, tuple(dict.fromkeys((network, own))))


def _bridge(engine: Engine) -> tuple[str, str]:
    """Address and network of the bridge that containers are on by default."""
    for bridge in engine.bridges():
        if "." in bridge.get("Gateway", ""):
            return bridge["Gateway"], bridge["Subnet"]
    raise ProxyError(
        "the engine has no bridge network that its containers reach this machine by",
        remedy="use an engine with Docker's usual network; rootless ones have none",
    )


def _cannot_listen(address: str, port: int, error: OSError) -> ProxyError:
    if error.errno == errno.EADDRINUSE:
        return ProxyError(
            f"port {port} of {address} is taken",
            remedy="end what listens there (an earlier `invoke proxy`?), or choose another --port",
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return ProxyError(
            f"the engine's bridge has the address {address}, which this machine has not",
            remedy="run `invoke proxy` where the engine runs; with a rootless one it does not work",
        )
    return ProxyError(
        f"squid cannot listen at {address}:{port}: {error.strerror}",
        remedy="choose another --port",
    )


def upstream_of(listen: Listen) -> Upstream:
    """The proxies of the environment, but for the one that is about to be started: who starts it a
    second time in the same shell has it there."""
    found = proxy_environment()
    others = {name: "" if value == listen.url else value for name, value in found.items()}
    names = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
    return Upstream(*(others.get(name, "") for name in names))


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[IO[str]]:
    """One proxy at a time uses a folder. squid holds the lock too: one whose alpypy was killed
    is noticed."""
    with disk(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = open(folder / "lock", "a+", opener=no_link)  # noqa: SIM115 - closed below
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ProxyError(
                f"another proxy runs with the cache {folder}",
                remedy="use that one, or end it first (`ps aux` shows it as squid ... alpypy);"
                " ALPYPY_CACHE gives this one another cache",
            ) from error
        yield lock


def _prepare(wanted: Wanted, squid: Squid, listen: Listen, upstream: Upstream) -> None:
    """Lay out the folder for squid, as the user that it runs as."""
    folder = wanted.folder
    megabytes = _megabytes(folder, wanted.settings.megabytes)
    text = configuration(wanted.root, listen, megabytes, upstream, wanted.opened, squid.helpers)
    owner = squid.owner if os.getuid() == 0 else None
    if owner and folder.stat().st_uid != owner[0]:  # else it is its: a cache is long to go through
        hand_over(folder, owner)
    for name, content in ((_CONFIGURATION, text.encode()), (_LOG, b""), (_ANSWERS, b"")):
        write_new(folder / name, content, owner)
    if wanted.opened:
        write_authority(folder, wanted.opened, owner)
        shutil.rmtree(folder / "certificates", ignore_errors=True)
        helper = f"{squid.helpers}/security_file_certgen"
        _run([helper, "-c", "-s", "certificates", "-M", "4MB"], squid, folder)
    _run([*_squid(squid, listen), "-z"], squid, folder)


def _squid(squid: Squid, listen: Listen) -> list[str]:
    """squid in the foreground, under a name of its own: its shared memory is called by that."""
    user = squid.owner[0] if squid.owner else os.getuid()
    return [squid.program, "-N", "-n", f"alpypy{user}at{listen.port}", "-f", _CONFIGURATION]


def _megabytes(folder: Path, most: int) -> int:
    """How big the cache may get so that it does not fill the disk."""
    files = (path.stat().st_blocks * 512 for path in (folder / _STORE).rglob("*") if path.is_file())
    room = (sum(files) + shutil.disk_usage(folder).free) // 2**20 - _RESERVE
    if room < _LEAST:
        raise ResourceError(
            f"the disk that holds {folder} is full: a cache needs {_LEAST} MiB, and {_RESERVE} MiB"
            " are left to others",
            remedy="free some space there; ALPYPY_CACHE moves the cache to another disk",
        )
    return min(most, room)


def _run(command: Sequence[str], squid: Squid, folder: Path) -> None:
    if squid.start(command, folder, folder / _LOG, ()).wait():
        raise _ended(folder)


def _wait_until_up(process: Process, folder: Path, listen: Listen) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        with contextlib.suppress(OSError), socket.create_connection((listen.address, listen.port)):
            return
        if process.poll() is not None or time.monotonic() > deadline:
            raise _ended(folder)
        time.sleep(0.05)


def _ended(folder: Path) -> ProxyError:
    """squid ended by itself. Where it quotes its configuration, a password may be in the line."""
    log = folder / _LOG
    with open(log, encoding="utf-8", errors="replace", opener=no_link) as lines:
        text = _LOGIN.sub("login=...", lines.read())
    write_new(log, text.encode())
    wrong = [line for line in text.splitlines() if re.search("FATAL|ERROR", line)]
    last = "".join(f"\n    {line}" for line in wrong[-3:] or text.splitlines()[-3:])
    return ProxyError(f"squid ended:{last}", remedy=f"its log is {log}")


def hints(wanted: Wanted, listen: Listen) -> Iterator[str]:
    """What to type where builds are started."""
    yield f"squid listens at {listen.url}, with its cache in {wanted.folder}; Ctrl-C ends it."
    yield "Where builds are started:"
    yield f"  export HTTP_PROXY={listen.url} HTTPS_PROXY={listen.url}"
    yield f"  export NO_PROXY={_with_loopback(os.environ)}"
    if wanted.opened:
        bundle = shlex.quote(str(wanted.folder / BUNDLE))
        yield f"  export REQUESTS_CA_BUNDLE={bundle} PIP_CERT={bundle}"


def _with_loopback(environment: Mapping[str, str]) -> str:
    """NO_PROXY with this machine's own servers, which the proxy refuses to ask."""
    given = environment.get("NO_PROXY") or environment.get("no_proxy") or ""
    words = [*filter(None, re.split(r"[,\s]+", given)), "localhost", "127.0.0.1"]
    return ",".join(dict.fromkeys(words))
