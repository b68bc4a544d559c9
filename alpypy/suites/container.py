"""Runs test modules of a PyPy for Alpine, each in a container of its own."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from alpypy.engine.job import Job, Mount
from alpypy.engine.workspace import Workspace
from alpypy.suites.plan import Limits, TestModule
from alpypy.suites.prepare import CONTEXT, WHEELS, PreparedPypy
from alpypy.suites.run import ENVIRONMENT, LAST_WORDS, Attempt, DriverPaths, Runner, tail

_DRIVER = "/check/drive.py"
_RECORD = "/check/record"
_SOURCE = "/check/source"
_USER, _HOME = "4242:4242", "/home/checker"  # as dockerfiles/check makes it


class ContainerRunner(Runner):
    """Runs modules of an unpacked PyPy, each in a container of its own."""

    def __init__(
        self,
        workspace: Workspace,
        prepared: PreparedPypy,
        limits: Limits,
        environment: Mapping[str, str],
    ) -> None:
        super().__init__(limits)
        tree, extra = prepared.tree, prepared.extra
        self._engine = workspace.engine
        self._images = prepared.images
        self._executable = f"{tree.place}/{tree.manifest.executables[0]}"
        self._own = environment
        driver = workspace.data / CONTEXT / "drive.py"
        # Mounted writable: on a read-only mount, removing a missing file fails with another error,
        # and tests compare it. The tests' user still has no right to write there.
        self._mounts = [Mount(tree.folder, tree.place, writable=True), Mount(driver, _DRIVER)]
        self._mounts += [Mount(extra.source, _SOURCE)] if extra.source else []
        self._mounts += [Mount(extra.wheels, WHEELS)] if extra.wheels else []

    def _description(self) -> tuple[str, str]:
        request = json.dumps({"mode": "describe"})
        job = Job(
            self._images.clean,
            [self._executable, _DRIVER, request],
            mounts=self._mounts,
            environment=self._environment,
            user=_USER,
        )
        return self._engine.run(job).output, self._executable

    def attempt(self, module: TestModule, skip: Sequence[str]) -> Attempt:
        """Run a module once, without the tests ``skip``."""
        request = self.request(module, skip, DriverPaths(_RECORD, _SOURCE, WHEELS))
        # The container has another user; on this machine the folder lets nobody else to the file.
        with tempfile.TemporaryDirectory(prefix="alpypy-check-") as folder:
            record = Path(folder) / "record"
            record.touch()
            record.chmod(0o666)
            job = Job(
                self._images.compiler if module.compiler else self._images.clean,
                [self._executable, _DRIVER, request],
                mounts=[*self._mounts, Mount(record, _RECORD, writable=True)],
                environment=self._environment,
                user=_USER,
                workdir=_HOME,
                timeout=self.limits.timeout,
                memory_mib=self.limits.memory_mib,
                last_words=LAST_WORDS.name,
            )
            started = time.monotonic()
            with self._engine.started(job) as running, self.following(running.kill):
                output = tail(running.lines())
                code = running.wait()
            seconds = round(time.monotonic() - started, 1)
            lines = record.read_text(encoding="utf-8").splitlines()
            return Attempt(code, seconds, tuple(lines), output, tuple(skip))

    @property
    def _environment(self) -> Mapping[str, str]:
        user = {"HOME": _HOME, "USER": "checker", "LOGNAME": "checker"}
        return {**ENVIRONMENT, **user, **self._own}
