"""What several commands share: the folders, the engine, and what is printed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from alpypy.core.folders import ROOT, artifacts_folder, cache_folder
from alpypy.core.log import say

if TYPE_CHECKING:
    from pathlib import Path

    from alpypy.core.project import Project
    from alpypy.engine.workspace import Workspace
    from alpypy.recipes.choice import Wanted
    from alpypy.recipes.manifest import LeftOutPatch
    from alpypy.recipes.patches import Patch
    from alpypy.recipes.spec import Target


def show(line: str) -> None:
    """Print one line of a command's result at once, also into a pipe."""
    print(line, flush=True)


def say_patches(
    applied: Sequence[Patch], left_out: Sequence[LeftOutPatch], no_errata: Sequence[str]
) -> None:
    """Say which patches a source takes at other lines or not at all."""
    for patch in filter(lambda patch: patch.moved, applied):
        say(f"{patch.name} fits at other lines than it says")
    for left in left_out:
        say(f"{left.name} is left out: {left.reason}")
    for topic in no_errata:
        say(f"{topic} is left out: --no-errata")


def target(wanted: Wanted, sources: Sequence[Path] = ()) -> Target:
    """What is to be built for which Alpine; says what it chose of it.

    Args:
        sources: the user's own, which say what a mere language means.
    """
    from alpypy.recipes.choice import choose
    from alpypy.recipes.local_source import stated_version

    cache = cache_folder()
    choice = choose(ROOT, wanted, (stated_version(path, cache) for path in sources))
    if choice.words:
        say(choice.words)
    return choice.target


def made(wanted: Wanted) -> Target:
    """The PyPy in artifacts/ that is meant; says what it chose of it. A language means its newest
    release that alpypy knows, whether artifacts/ has it or not."""
    from alpypy.recipes.artifacts import with_commit

    return with_commit(artifacts_folder(), target(wanted))


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
