"""What several commands share: the folders, the engine, and what is printed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from alpypy.core.folders import ROOT, artifacts_folder, cache_folder
from alpypy.core.log import say

if TYPE_CHECKING:
    from alpypy.core.project import Project
    from alpypy.engine.workspace import Workspace


def show(line: str) -> None:
    """Print one line of a command's result at once, also into a pipe."""
    print(line, flush=True)


def project(mirrors: Sequence[str] = ()) -> Project:
    """The folders that commands work with, and a fetcher that looks at ``mirrors`` first."""
    from alpypy.core.fetch import Fetcher
    from alpypy.core.project import Project

    cache = cache_folder()
    return Project(ROOT, artifacts_folder(), cache, Fetcher(cache, mirrors), say)


@contextlib.contextmanager
def workspace(project: Project) -> Iterator[Workspace]:
    """A project with an engine that answers."""
    from alpypy.engine.connection import connect
    from alpypy.engine.workspace import Workspace

    with connect(project.cache) as engine:
        yield Workspace.of(project, engine)
