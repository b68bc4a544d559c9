"""What alpypy says about its work: lines on stderr, more or fewer of them by ``-v`` and ``-q``."""

from __future__ import annotations

import logging
import sys

_LOG = logging.getLogger("alpypy")


class _Lines(logging.Handler):
    """Writes each line at once. A reader that has gone is an error for the caller, as in print."""

    def emit(self, record: logging.LogRecord) -> None:
        print(record.getMessage(), file=sys.stderr, flush=True)


def configure(*, verbose: bool = False, quiet: bool = False) -> None:
    """Say what is being done on stderr; ``verbose`` adds details, ``quiet`` leaves errors only."""
    chosen = (verbose and logging.DEBUG) or (quiet and logging.WARNING) or logging.INFO
    _LOG.setLevel(chosen)
    _LOG.handlers[:] = [_Lines()]


def say(line: str) -> None:
    """Tell what is being done."""
    _LOG.info("%s", line)


def detail(line: str) -> None:
    """Tell what only ``-v`` shows."""
    _LOG.debug("%s", line)


def show_bars() -> bool:
    """Whether a bar can be drawn: somebody watches, and does not want it quiet."""
    return sys.stderr.isatty() and _LOG.isEnabledFor(logging.INFO)
