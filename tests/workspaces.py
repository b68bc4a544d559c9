"""Projects and workspaces of tests: folders of their own, and an engine where one is needed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import docker

from alpypy.core.fetch import Fetcher
from alpypy.core.project import Project
from alpypy.engine.docker import Engine
from alpypy.engine.workspace import Workspace

ROOT = Path(__file__).parents[1]


def project(root: Path, cache: Path | None = None, say: Callable[[str], None] = print) -> Project:
    """A project with its data in ``root`` and its artifacts below it."""
    cache = cache or root / "cache"
    return Project(root, root / "artifacts", cache, Fetcher(cache), say)


def workspace(
    root: Path, engine: Engine, cache: Path | None = None, say: Callable[[str], None] = print
) -> Workspace:
    """The workspace of such a project."""
    return Workspace.of(project(root, cache, say), engine)


def without_engine(root: Path, cache: Path) -> Workspace:
    """A workspace whose engine nobody can reach, for what must not ask it."""
    client = docker.DockerClient(base_url="unix:///nowhere", version="1.41")
    return workspace(root, Engine(client, cache / "lease"), cache)
