"""How a command ends: errors become a message and an exit code, signals end it cleanly."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import signal
import sys
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn

from alpypy.core.errors import AlpypyError, ResourceError

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")  # colours and the like, of tools that are quoted


@contextlib.contextmanager
def ended_well() -> Iterator[None]:
    """Run a command's body, and end the program in alpypy's own way when it fails."""
    signal.signal(signal.SIGTERM, _interrupt)
    with _while_read():
        try:
            with _as_errors():
                yield
        except AlpypyError as error:
            end_with(error)
        except KeyboardInterrupt:
            print(
                "alpypy: interrupted; finished stages are kept, run it again to go on",
                file=sys.stderr,
            )
            sys.exit(130)


def end_with(error: AlpypyError) -> NoReturn:
    """End the program with an error's message and exit code."""
    print(f"alpypy: error: {_CONTROL.sub('', str(error))}", file=sys.stderr)
    sys.exit(error.exit_code)


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
    except (AlpypyError, BrokenPipeError):
        raise
    except Exception as error:
        # Only now: the docker SDK takes longer to import than most commands to refuse an option.
        from alpypy.engine.connection import ENGINE_FAILURES, engine_error

        if isinstance(error, ENGINE_FAILURES):
            raise engine_error(error) from error
        if isinstance(error, OSError):
            raise _system_error(error) from error
        raise


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
