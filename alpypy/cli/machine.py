"""Sets this machine up for builds: an engine where there is none, and the kit where Alpine's
mirrors are out of reach.

``python -m alpypy.cli.machine`` does it for the tests.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence

import requests
import urllib3

from alpypy.cli import common
from alpypy.cli.ending import ended_well
from alpypy.core import log
from alpypy.core.errors import EngineError
from alpypy.core.folders import ROOT
from alpypy.core.progress import Progress, followed_by
from alpypy.core.project import Project
from alpypy.core.redact import without_passwords
from alpypy.core.source import Source
from alpypy.engine.address import default_sockets, refusal
from alpypy.engine.connection import engine_answers
from alpypy.engine.private import nothing_to_start
from alpypy.engine.workspace import Workspace
from alpypy.offline import kit
from alpypy.offline.wheel_disk import missing_packages
from alpypy.recipes.choice import newest_alpine

_ENGINE = ("docker.io", "iptables")
_MIRROR = "https://dl-cdn.alpinelinux.org/alpine"  # as Alpine's own images name it
_TIMEOUT = (5, 10)  # seconds: until connected, between two pieces
_UPDATE_SECONDS, _INSTALL_SECONDS = 5.0, 30.0  # that apt-get takes


@contextlib.contextmanager
def ready(project: Project, alpine: str | None, needed: Sequence[Source]) -> Iterator[Workspace]:
    """A workspace that can build: the engine is installed, and the kit made, where either lacks.

    Args:
        alpine: the Alpine whose packages are needed; None where the image to build on is given.
        needed: files that the build asks for later; they are fetched while this waits.

    Raises:
        AlpypyError: something can be neither installed nor made.
    """
    with contextlib.ExitStack() as stack:
        if engine_missing():
            offline = alpine is not None and out_of_reach(alpine)
            early = (*needed, *(kit.sources(project.data) if offline else ()))
            packages = (*_ENGINE, *(missing_packages() if offline else ()))
            with followed_by(kit.expected_seconds(project.data) if offline else 0.0):
                install(*packages, meanwhile=project.fetcher.ahead(early))
        own = stack.enter_context(common.workspace(project))
        if alpine is not None and _needs_kit(own, alpine):
            stack.enter_context(project.fetcher.ahead(needed))
            install(*missing_packages())
            own.say(f"Alpine's mirrors are out of reach: making the kit for Alpine {alpine}")
            kit.prepare(own, alpine)
        yield own


def _needs_kit(own: Workspace, alpine: str) -> bool:
    """Whether the kit has to be made; one that another version of alpypy made is made again."""
    if own.engine.image_id(kit.reference(alpine)):
        return not kit.is_current(own.engine, own.data, alpine)
    return out_of_reach(alpine)


def engine_missing() -> bool:
    """Whether no container engine answers and none that alpypy could start is installed.

    Raises:
        EngineError: ``DOCKER_HOST`` or Docker's current context names one that does not answer, or
            there is one that this user may not use.
    """
    if engine_answers() or shutil.which("dockerd") or shutil.which("podman"):
        return False
    if any(map(refusal, default_sockets())):
        raise nothing_to_start()
    return True


def alpine_in_reach(project: Project) -> str | None:
    """The Alpine for who names none: None, for the newest, where Alpine's mirrors have it; else the
    one that the kit can be made of without them."""
    newest, own = newest_alpine(project.data), kit.wheel_alpine(project.data)
    if not out_of_reach(newest):
        return None
    project.say(
        f"Alpine's mirrors do not answer, so this builds for Alpine {own}, whose kit needs no"
        " mirror"
    )
    return own


@functools.cache  # where nothing answers, asking takes seconds
def out_of_reach(alpine: str) -> bool:
    """Whether Alpine's mirror does not answer for a version's packages."""
    index = f"{_MIRROR}/v{alpine}/main/x86_64/APKINDEX.tar.gz"
    try:
        return not requests.head(index, timeout=_TIMEOUT, allow_redirects=True).ok
    except (requests.RequestException, urllib3.exceptions.HTTPError):
        return True


def install(
    *packages: str, meanwhile: contextlib.AbstractContextManager[None] | None = None
) -> None:
    """Install packages of Debian, where this user may; elsewhere what needs them says so.

    Args:
        meanwhile: what goes on in the background while this waits for apt-get.

    Raises:
        EngineError: apt-get fails.
    """
    if not packages or os.getuid() != 0 or shutil.which("apt-get") is None:
        return
    options = ("-y", "--no-install-recommends")
    _apt_get("update", seconds=_UPDATE_SECONDS)
    with meanwhile or contextlib.nullcontext():
        _apt_get("install", *options, *packages, seconds=_INSTALL_SECONDS)


def _apt_get(*words: str, seconds: float) -> None:
    command = ["apt-get", "-qq", *words]
    title = " ".join(["apt-get", *(word for word in words if not word.startswith("-"))])
    log.say(title)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with Progress(title, expected=seconds):
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        said = without_passwords(done.stderr.strip())
        tail = "\n".join(f"    {line}" for line in said.splitlines()[-10:])
        raise EngineError(
            f"{title} failed:\n{tail}",
            remedy="correct what it says, or install the packages by hand; then run this again",
        )


if __name__ == "__main__":
    log.configure()
    with ended_well(), ready(common.project(), kit.wheel_alpine(ROOT), ()):
        pass
