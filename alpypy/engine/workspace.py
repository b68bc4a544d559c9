"""The context of everything that works in containers."""

from __future__ import annotations

from dataclasses import dataclass

from alpypy.core.project import Project
from alpypy.engine.docker import Engine


@dataclass(frozen=True)
class Workspace(Project):
    """A project and a container engine that answers."""

    engine: Engine

    @classmethod
    def of(cls, project: Project, engine: Engine) -> Workspace:
        """The workspace of a project."""
        return cls(**vars(project), engine=engine)
