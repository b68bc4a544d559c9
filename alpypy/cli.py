"""What all tasks share: the folders, the engine, and how errors and signals end a command."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import NoReturn

from alpypy.bootstrap import Builder
from alpypy.engine import Engine, connect
from alpypy.errors import AlpypyError
from alpypy.order import Order, understand
from alpypy.plan import Stage
from alpypy.progress import clock
from alpypy.sources import Fetcher, cache_folder

ROOT = Path(__file__).resolve().parent.parent


def say(line: str) -> None:
    """Print one line at once, also into a pipe."""
    print(line, flush=True)


@contextlib.contextmanager
def command() -> Iterator[None]:
    """Run a task: errors become a message and an exit code, a signal ends it cleanly."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    except AlpypyError as error:
        print(f"alpypy: error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print(
            "alpypy: interrupted; finished stages are kept, run it again to go on", file=sys.stderr
        )
        sys.exit(130)


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


def stage_lines(stages: tuple[Stage, ...]) -> Iterator[str]:
    """The table of ``invoke plan``."""
    width = max(len(stage.title) for stage in stages)
    for stage in stages:
        state = "done" if stage.done else f"about {clock(stage.seconds)}"
        yield f"{stage.title:{width}}  {stage.key[:12] or '-':12}  {state}"
    left = sum(stage.seconds for stage in stages if not stage.done)
    yield f"{'left':{width}}  {'':12}  {'nothing' if not left else f'about {clock(left)} (m:ss)'}"
