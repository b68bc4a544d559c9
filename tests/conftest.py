"""What all tests share: how hypothesis looks for counter-examples, what runs side by side, and a
Debian mirror."""

from __future__ import annotations

import logging
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from alpypy.core import fetch
from alpypy.core import log as told
from tests.debian import Key, Repository, new_key
from tests.loopback import Handler, Site, serve

# No deadline: how long one example takes says how busy the machine is.
settings.register_profile("alpypy", deadline=None)
settings.load_profile("alpypy")


@pytest.fixture(autouse=True)
def unchanged_logger() -> Iterator[None]:
    """How much is told is as it was before the test."""
    logger = logging.getLogger("alpypy")
    level, handlers = logger.level, logger.handlers[:]
    yield
    logger.setLevel(level)
    logger.handlers[:] = handlers


@pytest.fixture
def sigterm() -> Iterator[None]:
    """What a command does with SIGTERM is undone."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def as_a_command_tells() -> None:
    """What is being done is told on stderr."""
    told.configure()


@pytest.fixture
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy of this machine between a test and its server; no waiting between attempts."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr(fetch, "_PAUSE", 0.0)


# One process runs all tests of such a group, and begins with it.
GROUPS = (
    "tests/container/",  # they share images, and each fills the machine
    "tests/unit/proxy/",  # they wait for squid to end
    "tests/unit/suites/test_suite_run.py",  # they wait for time limits
)


class Scheduling(LoadScopeScheduling):
    """Each test goes to the process that is free, but for groups."""

    def _split_scope(self, nodeid: str) -> str:
        return next((group for group in GROUPS if nodeid.startswith(group)), nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling:
    """Hand tests out in that way when they run in parallel (-n)."""
    return Scheduling(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """With `-n auto`, two processes more than processors: some wait for servers and time limits."""
    return len(os.sched_getaffinity(0)) + 2


@pytest.fixture(scope="session")
def signing_key() -> Iterator[Key]:
    """A key for Debian repositories of tests."""
    needed = {"apt-get": "apt", "dpkg-deb": "dpkg", "gpg": "gnupg"}
    missing = [package for program, package in needed.items() if shutil.which(program) is None]
    if missing:
        pytest.skip(f"apt-get install {' '.join(missing)}: this machine does not have it")
    with new_key() as key:
        yield key


@pytest.fixture
def repository(
    signing_key: Key, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Repository]:
    """A Debian mirror on loopback that is the only one of this machine's apt."""
    folder, site = tmp_path / "repository", Site()
    folder.mkdir()
    for address in serve(type("MirrorHandler", (Handler,), {"site": site})):
        site.address = address
        made = Repository(site, signing_key, folder)
        monkeypatch.setenv("APT_CONFIG", str(made.settings()))
        yield made
