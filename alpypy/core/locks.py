"""Locks that keep two runs from making the same thing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from alpypy.core import log


@contextlib.contextmanager
def one_at_a_time(path: Path, what: str) -> Iterator[None]:
    """Among runs with this lock file, let only one make ``what``; others say so and wait."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log.say(f"another run is making {what}; waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
