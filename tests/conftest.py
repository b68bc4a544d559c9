"""What all tests share: how hypothesis looks for counter-examples, and what runs side by side."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from alpypy.core import log as told

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
def as_a_command_tells() -> None:
    """What is being done is told on stderr."""
    told.configure()


class Scheduling(LoadScopeScheduling):
    """Each test goes to the process that is free. But one process runs all tests with containers:
    they share images, and each fills the machine."""

    def _split_scope(self, nodeid: str) -> str:
        return "containers" if nodeid.startswith("tests/container/") else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling:
    """Hand tests out in that way when they run in parallel (-n)."""
    return Scheduling(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """With `-n auto`, two processes more than processors: some wait for servers and time limits."""
    return len(os.sched_getaffinity(0)) + 2
