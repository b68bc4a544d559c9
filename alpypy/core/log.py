"""alpypy's log: lines on stderr, more of them with ``-v``, fewer with ``-q``."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Callable, Iterator

_LOG = logging.getLogger("alpypy")


def _print(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


_WRITERS: list[Callable[[str], object]] = [_print]  # the last one counts


class _Lines(logging.Handler):
    """Writes each line at once. A closed stderr is an error for the caller, as with print."""

    def emit(self, record: logging.LogRecord) -> None:
        _WRITERS[-1](record.getMessage())


def configure(*, verbose: bool = False, quiet: bool = False) -> None:
    """Log to stderr; ``verbose`` adds details, ``quiet`` leaves only warnings and errors."""
    chosen = (verbose and logging.DEBUG) or (quiet and logging.WARNING) or logging.INFO
    _LOG.setLevel(chosen)
    _LOG.handlers[:] = [_Lines()]


def say(line: str) -> None:
    """Log a line about the work."""
    _LOG.info("%s", line)


def detail(line: str) -> None:
    """Log a line that only ``-v`` shows."""
    _LOG.debug("%s", line)


@contextlib.contextmanager
def through(write: Callable[[str], object]) -> Iterator[None]:
    """Let lines go through ``write`` meanwhile, which keeps them apart from a bar."""
    _WRITERS.append(write)
    try:
        yield
    finally:
        _WRITERS.remove(write)


def show_bars() -> bool:
    """Whether to draw progress bars: stderr is a terminal, and ``-q`` was not given."""
    return sys.stderr.isatty() and _LOG.isEnabledFor(logging.INFO)
