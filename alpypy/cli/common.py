"""What all tasks share: the folders, the engine, and how errors and signals end a command."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import NoReturn

from alpypy.build.plan import Stage
from alpypy.build.translate import default_jobs
from alpypy.core.errors import AlpypyError, ResourceError, SpecError
from alpypy.core.fetch import Fetcher
from alpypy.core.folders import ROOT, artifacts_folder, cache_folder
from alpypy.core.progress import clock
from alpypy.engine.connection import ENGINE_FAILURES, connect, engine_error
from alpypy.engine.docker import Engine
from alpypy.pipeline.bootstrap import Builder
from alpypy.pipeline.request import Order, understand
from alpypy.proxy.config import load_settings as load_proxy_settings
from alpypy.proxy.server import Wanted as WantedProxy
from alpypy.publish.index import Settings, public_address
from alpypy.recipes.spec import Target
from alpypy.suites.checker import Checker, Scope

ARTIFACTS = artifacts_folder()
RELEASE = ARTIFACTS / "release"
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")  # colours and the like, of tools that are quoted


def say(line: str) -> None:
    """Print one line at once, also into a pipe."""
    print(line, flush=True)


@contextlib.contextmanager
def command() -> Iterator[None]:
    """Run a task: errors become a message and an exit code, a signal ends it cleanly."""
    signal.signal(signal.SIGTERM, _interrupt)
    with _while_read():
        try:
            with _as_errors():
                yield
        except AlpypyError as error:
            print(f"alpypy: error: {_CONTROL.sub('', str(error))}", file=sys.stderr)
            sys.exit(error.exit_code)
        except KeyboardInterrupt:
            print(
                "alpypy: interrupted; finished stages are kept, run it again to go on",
                file=sys.stderr,
            )
            sys.exit(130)


@contextlib.contextmanager
def _while_read() -> Iterator[None]:
    """End quietly when who reads the output has gone, as in ``| head``."""
    try:
        yield
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)  # for what is left to be written at the end
        os.dup2(nowhere, sys.stdout.fileno())
        os.dup2(nowhere, sys.stderr.fileno())
        sys.exit(128 + signal.SIGPIPE)


@contextlib.contextmanager
def _as_errors() -> Iterator[None]:
    """What the engine and the system say becomes an error with a remedy."""
    try:
        yield
    except BrokenPipeError:
        raise
    except ENGINE_FAILURES as error:
        raise engine_error(error) from error
    except OSError as error:
        raise _system_error(error) from error


def _system_error(error: OSError) -> ResourceError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    where = f"{error.filename}: " if error.filename else ""
    return ResourceError(
        f"{where}{error.strerror or error}",
        remedy="free some space on that disk; ALPYPY_CACHE moves the cache to another one"
        if full
        else "check that path and its permissions; ALPYPY_CACHE moves the cache elsewhere",
    )


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


@contextlib.contextmanager
def engine() -> Iterator[Engine]:
    """An engine, with the cache folder that its data may need."""
    with connect(cache_folder()) as found:
        yield found


@contextlib.contextmanager
def builder(order: Order) -> Iterator[Builder]:
    """A build that is planned and not begun. What is wrong with the order is said first."""
    cache = cache_folder()
    fetcher = Fetcher(cache, order.mirrors)
    build = understand(ROOT, cache, fetcher, order)
    with engine() as found:
        yield Builder(ROOT, cache, found, fetcher, build, say)


def scope(tests: str, jobs: int | None, timeout: int | None, against: str) -> Scope:
    """What `invoke check` is asked for; ``tests`` and ``against`` as they are typed."""
    return Scope(
        tests=tuple(filter(None, tests.split(","))),
        jobs=jobs or default_jobs(),
        timeout=timeout,
        against=Path(against) if against else None,
    )


def checker(asked: Scope) -> Checker:
    """A checker of this project's tarballs."""
    cache = cache_folder()
    return Checker(ROOT, cache, Fetcher(cache), asked, say)


def refuse_beside_reference(**given: object) -> None:
    """Refuse options of `invoke check` that say which tarball is checked, and how.

    Raises:
        SpecError: one of them is given.
    """
    names = [f"--{name.replace('_', '-')}" for name, value in given.items() if value]
    if names:
        raise SpecError(
            f"--reference does not go with {', '.join(names)}",
            remedy="leave either out: a reference is an interpreter of this machine, as it is",
        )


def check_target(pypy: str, alpine: str, arch: str, release_version: str) -> Target:
    """Which tarball is to be checked.

    Raises:
        SpecError: neither it nor a reference was named.
    """
    if not (pypy and alpine):
        raise SpecError(
            "there is nothing to check",
            remedy="name a tarball with --pypy 3.11-7.3.22 --alpine 3.23, or an interpreter of this"
            " machine with --reference /usr/bin/pypy3",
        )
    return Target(pypy, alpine, arch, release_version or None)


def default_url(settings: Settings) -> str:
    """Where downloads come from when nothing else is said.

    Raises:
        SpecError: versions/release.toml names no address.
    """
    if not settings.url:
        raise SpecError(
            "there is no address to download from",
            remedy="give it with --from, or write it into versions/release.toml",
        )
    return settings.url


def release_url(url: str, settings: Settings) -> str | None:
    """The address that stands in a release's page: the one that is given, else the settings'.

    Raises:
        SpecError: it is none.
    """
    return public_address(url or settings.url) if url or settings.url else None


def image_target(pypy: str, alpine: str, arch: str, release_version: str) -> Target:
    """Which tarball an image is to be made of.

    Raises:
        SpecError: --pypy or --alpine is missing.
    """
    if not (pypy and alpine):
        raise SpecError(
            "invoke image needs --pypy and --alpine",
            remedy="name a verified tarball of artifacts/: --pypy 3.11-7.3.22 --alpine 3.23",
        )
    return Target(pypy, alpine, arch, release_version or None)


def stage_lines(stages: tuple[Stage, ...]) -> Iterator[str]:
    """The table of ``invoke plan``."""
    width = max(len(stage.title) for stage in stages)
    for stage in stages:
        state = "done" if stage.done else f"about {clock(stage.seconds)}"
        yield f"{stage.title:{width}}  {stage.key[:12] or '-':12}  {state}"
    left = sum(stage.seconds for stage in stages if not stage.done)
    yield f"{'left':{width}}  {'':12}  {'nothing' if not left else f'about {clock(left)} (m:ss)'}"


def wanted_proxy(port: str, image: str, *, https: bool) -> WantedProxy:
    """The proxy that is asked for, from its options as they are typed.

    Raises:
        SpecError: the port is none that squid can listen at.
    """
    # Below are those of root, and squid never runs as root.
    if port and not (port.isascii() and port.isdigit() and 1024 <= int(port) < 65536):
        raise SpecError(f"--port is {port!r}", remedy="give a number from 1024 to 65535")
    settings = load_proxy_settings(ROOT)
    opened = settings.https if https else ()
    chosen = int(port) if port else settings.port
    return WantedProxy(cache_folder() / "proxy", ROOT, settings, chosen, opened, image or None)
