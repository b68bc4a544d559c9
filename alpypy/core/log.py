"""alpypy's log: lines on stderr, more of them with ``-v``, fewer with ``-q``."""

from __future__ import annotations

import logging
import sys

_LOG = logging.getLogger("alpypy")


class _Lines(logging.Handler):
    """Writes each line at once. A closed stderr is an error for the caller, as with print."""

    def emit(self, record: logging.LogRecord) -> None:
        print(record.getMessage(), file=sys.stderr, flush=True)


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


def show_bars() -> bool:
    """Whether to draw progress bars: stderr is a terminal, and ``-q`` was not given."""
    return sys.stderr.isatty() and _LOG.isEnabledFor(logging.INFO)
