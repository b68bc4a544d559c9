"""What stands in a container engine's place where a test looks at jobs alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import docker

from alpypy.engine.docker import Engine
from alpypy.engine.job import Completed, Job


class EngineThatRecords(Engine):
    """No engine: it keeps each job, lets a function of the test do its work, and gives its end."""

    def __init__(self, folder: Path, does: Callable[[Job], Completed]) -> None:
        client = docker.DockerClient(base_url="unix:///nowhere", version="1.41")
        super().__init__(client, folder / "lease")
        self.jobs: list[Job] = []
        self._does = does

    def run(self, job: Job) -> Completed:
        """Keep the job, and do what the test says."""
        self.jobs.append(job)
        return self._does(job)
