"""Runs a test module in a process of its own: in a container, or with an interpreter of the host.

The result is raw: exit code, the driver's lines, the end of the output. If a test ends the process,
the module runs again without that test, so that it does not hide the tests after it.
"""

from __future__ import annotations

import contextlib
import json
import signal
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from alpypy.core.errors import CheckError
from alpypy.core.structs import convert
from alpypy.suites.plan import Limits, TestModule

TIMED_OUT = 124
_ATTEMPTS = 5  # runs of a module, each without the tests that ended the earlier runs
_TAIL, _LINE = 160, 400  # last lines of the output to keep, characters of each
# On this signal, regrtest makes PyPy 3 print its tracebacks. Python 2.7 ends, a moment early.
LAST_WORDS = signal.SIGUSR1
# Without TERM, tests of curses and readline are skipped or fail.
ENVIRONMENT = {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "TERM": "xterm"}


@dataclass(frozen=True)
class Attempt:
    """A process: how it ended, what the driver wrote, the end of its output, and the tests that
    were left out."""

    exit_code: int
    seconds: float
    lines: tuple[str, ...]
    output: tuple[str, ...]
    skip: tuple[str, ...] = ()

    def events(self) -> Iterator[dict[str, Any]]:
        """The driver's lines as objects, without a last line that was cut off."""
        for line in self.lines:
            with contextlib.suppress(ValueError):
                yield json.loads(line)

    @property
    def ended(self) -> bool:
        """Whether the driver ran to its end."""
        return any("exit" in event for event in self.events())

    @property
    def running(self) -> str | None:
        """The test that was running when the process ended; None if there was none."""
        test = None
        for event in self.events():
            test = event.get("start")
        return test


@dataclass(frozen=True)
class RawRun:
    """All runs of a module."""

    module: TestModule
    attempts: tuple[Attempt, ...]

    def to_json(self) -> str:
        """The document, for ``from_json``."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> RawRun:
        """Read what ``to_json`` wrote."""
        return convert(json.loads(text), cls)


@dataclass(frozen=True)
class DriverPaths:
    """Paths for the driver: the file that it writes its record to, the folder of PyPy's own tests,
    and the folder of the wheels that run them."""

    record: str
    source: str = ""
    wheels: str = ""


class Runner(ABC):
    """A place where test modules run, also several at once."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.stopped = False
        self._without: tuple[str, ...] = ()
        self._ends: set[Callable[[], None]] = set()
        self._lock = threading.Lock()

    def describe(self) -> dict[str, Any]:
        """What the driver says about the interpreter.

        Raises:
            CheckError: the interpreter did not run the driver.
        """
        description = _read_description(*self._description())
        self._without = tuple(sorted(description["broken"]))
        return description

    @abstractmethod
    def _description(self) -> tuple[str, str]:
        """What the driver printed, and the interpreter's name."""

    @abstractmethod
    def attempt(self, module: TestModule, skip: Sequence[str]) -> Attempt:
        """Run a module once, without the tests ``skip``."""

    def request(
        self,
        module: TestModule,
        skip: Sequence[str],
        paths: DriverPaths,
        *,
        own_limit: bool = False,
    ) -> str:
        """The driver's argument.

        Args:
            skip: tests to leave out.
            own_limit: the driver has to set the memory limit itself.
        """
        request: dict[str, Any] = {"record": paths.record, "mode": module.kind, "skip": list(skip)}
        request["without"] = [] if module.compiler else list(self._without)
        request["memory_mib"] = self.limits.memory_mib if own_limit else None
        if module.kind == "stdlib":
            resources = self.limits.resources
            return json.dumps({**request, "module": module.name, "resources": resources})
        place = {"root": paths.source, "wheels": paths.wheels}
        return json.dumps({**request, "file": module.file, **place})

    def stop(self) -> None:
        """End all that runs. Results of ``attempt`` after this do not count."""
        with self._lock:
            self.stopped = True
            for end in self._ends:
                end()

    @contextlib.contextmanager
    def following(self, end: Callable[[], None]) -> Iterator[None]:
        """While something runs, let ``stop`` call ``end`` to end it."""
        with self._lock:
            self._ends.add(end)
            if self.stopped:
                end()
        try:
            yield
        finally:
            with self._lock:
                self._ends.discard(end)


def run_module(runner: Runner, module: TestModule) -> RawRun:
    """Run a module to its end; if a test ends the process, run the module again without it."""
    attempts = [runner.attempt(module, ())]
    skip: list[str] = []
    while len(attempts) < _ATTEMPTS and not runner.stopped:
        fatal = None if attempts[-1].ended else attempts[-1].running
        if fatal is None or fatal in skip:
            break
        skip.append(fatal)
        attempts.append(runner.attempt(module, skip))
    return RawRun(module, tuple(attempts))


def tail(lines: Iterable[str]) -> tuple[str, ...]:
    """The last lines of an output, each cut to a limit."""
    return tuple(deque((line[:_LINE] for line in lines), _TAIL))


def _read_description(output: str, what: str) -> dict[str, Any]:
    lines = output.strip().splitlines() or [""]
    try:
        description = json.loads(lines[-1])
    except ValueError:
        description = None
    if isinstance(description, dict):
        return description
    raise CheckError(
        f"{what} did not run the test driver: {' | '.join(lines[-3:])}",
        remedy="use a working Python that has its standard library's tests, the package `test`",
    )
