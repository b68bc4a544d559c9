"""squid itself: the one that is installed, or one in an image, and how its programs are started."""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from alpypy.core.errors import ProxyError
from alpypy.engine.docker import Engine
from alpypy.engine.job import Job, Mount
from alpypy.proxy.files import Owner, no_link

_INSTALL = (
    "install it: apt-get install -y --no-install-recommends squid-openssl   (or name an image that"
    " has it with --image)"
)
_NOBODY = 65534


class Process(Protocol):
    """A program at work, on this machine or in a container."""

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""

    def terminate(self) -> None:
        """Tell it to end."""

    def wait(self) -> int:
        """Its exit code, once it has ended."""


@dataclass(frozen=True)
class Squid:
    """A squid: what it is called by, the folder of its own programs, whether it can open https, the
    user and group that it runs as (None for those of who runs alpypy).

    ``start`` takes a command, the folder to run it in, a file for what it says, and descriptors
    to hold on to.
    """

    program: str
    helpers: str
    opens: bool
    owner: Owner | None
    start: Callable[[Sequence[str], Path, Path, Sequence[int]], Process]


def find_squid(engine: Engine, image: str | None, *, opening: bool) -> Squid:
    """The squid of an image, or the one that is installed.

    Args:
        opening: it has to be one that can open https connections.

    Raises:
        ProxyError: there is none, or it was compiled without OpenSSL.
    """
    squid = _in_image(engine, image) if image else installed()
    if opening and not squid.opens:
        raise ProxyError(
            "this squid cannot open https connections: it was compiled without OpenSSL",
            remedy="use Debian's squid-openssl in its place, or leave --https out",
        )
    return squid


def installed() -> Squid:
    """The squid of this machine.

    Raises:
        ProxyError: there is none, or its user is missing.
    """
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin"
    program = shutil.which("squid", path=path)
    if program is None:
        raise ProxyError("squid is not installed", remedy=_INSTALL)
    done = subprocess.run([program, "-v"], capture_output=True, text=True, check=False)
    options = _options(done.stdout)
    owner = _account(options.get("with-default-user", "nobody")) if os.getuid() == 0 else None

    def start(
        command: Sequence[str], folder: Path, log: Path, kept: Sequence[int]
    ) -> subprocess.Popen[bytes]:
        return _start_here(command, folder, log, kept, owner)

    return Squid(program, options.get("libexecdir", ""), _opens(options), owner, start)


def _options(version: str) -> dict[str, str]:
    """What squid was compiled with, as `squid -v` tells it."""
    return dict(re.findall(r"'--([\w-]+)(?:=([^']*))?'", version))


def _opens(options: dict[str, str]) -> bool:
    return "enable-ssl-crtd" in options and "with-openssl" in options


def _account(name: str) -> tuple[int, int]:
    try:
        found = pwd.getpwnam(name)
    except KeyError as error:
        raise ProxyError(
            f"squid does not run as root, and its user {name} is not on this machine",
            remedy="run `invoke proxy` as an ordinary user, or install squid's package",
        ) from error
    return found.pw_uid, found.pw_gid


def _start_here(
    command: Sequence[str],
    folder: Path,
    log: Path,
    kept: Sequence[int],
    owner: Owner | None,
) -> subprocess.Popen[bytes]:
    """In a session of its own, so that Ctrl-C reaches alpypy alone."""
    user, group = owner or (None, None)
    with open(log, "ab", opener=no_link) as output:
        return subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=kept,
            start_new_session=True,
            user=user,
            group=group,
            extra_groups=[] if owner else None,
        )


def _in_image(engine: Engine, image: str) -> Squid:
    if engine.image_id(image) is None and engine.pull(image) is None:
        raise ProxyError(
            f"the engine holds no image {image} and cannot pull it",
            remedy="check the name, or bring it with docker load",
        )
    done = engine.run(Job(image, ["squid", "-v"]))
    if done.exit_code:
        last = done.output.strip().rpartition("\n")[2]
        raise ProxyError(
            f"{image} has no squid that runs: {last}",
            remedy="name an image that has squid, sh and flock, on an Alpine or Debian of today",
        )
    options = _options(done.output)
    owner = (os.getuid(), os.getgid()) if os.getuid() else (_NOBODY, _NOBODY)

    def start(command: Sequence[str], folder: Path, log: Path, kept: Sequence[int]) -> Process:
        job = Job(
            image,
            command,
            mounts=[Mount(folder, str(folder), writable=True)],
            user=f"{owner[0]}:{owner[1]}",
            workdir=str(folder),
            timeout=None,
            network="host",  # it listens at an address of the host
        )
        return _Contained(engine, job, log)

    return Squid("squid", options.get("libexecdir", ""), _opens(options), owner, start)


class _Contained:
    """A program in a container, which ends with alpypy whatever happens."""

    def __init__(self, engine: Engine, job: Job, log: Path) -> None:
        self._stack = contextlib.ExitStack()
        self._running = self._stack.enter_context(engine.started(job))
        self._code: int | None = None
        self._reader = threading.Thread(target=self._read, args=(log,), daemon=True)
        self._reader.start()

    def _read(self, log: Path) -> None:
        with open(log, "a", encoding="utf-8", opener=no_link) as output:
            for line in self._running.lines():
                print(line, file=output, flush=True)

    def poll(self) -> int | None:
        return None if self._reader.is_alive() else self.wait()

    def terminate(self) -> None:
        if self._code is None:
            self._running.signal("TERM")

    def wait(self) -> int:
        self._reader.join()
        if self._code is None:
            self._code = self._running.wait()
            self._stack.close()
        return self._code
