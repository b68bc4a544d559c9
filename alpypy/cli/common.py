"""What several commands share: the folders, the engine, and what is printed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from alpypy.core.folders import cache_folder

if TYPE_CHECKING:
    from alpypy.engine.docker import Engine


def show(line: str) -> None:
    """Print one line of a command's result at once, also into a pipe."""
    print(line, flush=True)


@contextlib.contextmanager
def engine() -> Iterator[Engine]:
    """An engine, with the cache folder that its data may need."""
    from alpypy.engine.connection import connect

    with connect(cache_folder()) as connected:
        yield connected
