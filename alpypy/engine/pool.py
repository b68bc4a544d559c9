"""Several containers at work, as many at once as there are processors."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed

from alpypy.engine.container import Running
from alpypy.engine.docker import Engine
from alpypy.engine.job import Completed, Job


class JobPool:
    """Runs works at once that run jobs. When one fails or the user stops it, the others end."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._running = set[Running]()
        self._stopped = threading.Event()

    def work(
        self,
        names: Iterable[str],
        work: Callable[[str], object],
        finished: Callable[[str], object],
    ) -> None:
        """Call ``work`` with each name, in their order, and ``finished`` when it is done."""
        with ThreadPoolExecutor(self._engine.usable_processors) as pool:
            futures = {pool.submit(self._unless_stopped, work, name): name for name in names}
            try:
                for future in as_completed(futures):
                    future.result()
                    finished(futures[future])
            except BaseException:
                self._stop()
                raise

    def run(self, job: Job) -> Completed:
        """Run a command to its end and give its output, as ``Engine.run`` does."""
        with self._engine.started(job) as running:
            self._running.add(running)
            if self._stopped.is_set():  # after those that ran then were ended
                running.kill()
            output = "".join(f"{line}\n" for line in running.lines())
            code = running.wait()
            self._running.discard(running)
        return Completed(code, output)

    def _unless_stopped(self, work: Callable[[str], object], name: str) -> None:
        if not self._stopped.is_set():
            work(name)

    def _stop(self) -> None:
        self._stopped.set()
        for running in list(self._running):
            running.kill()
