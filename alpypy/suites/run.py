"""Runs one test module in a process of its own: in a container, or on an interpreter of the host.

What comes back is raw: exit code, the driver's lines, the last of the output. A test that ends the
process is left out when the module is run again, so that it does not hide those after it.
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
_ATTEMPTS = 5  # runs of one module, each without the tests that ended those before
_TAIL, _LINE = 160, 400  # lines of the output that are kept, characters of each
# regrtest lets PyPy 3 print where it is on this signal; Python 2.7 ends by it, a moment early.
LAST_WORDS = signal.SIGUSR1
# Without TERM, tests of curses and readline are skipped or fail.
ENVIRONMENT = {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "TERM": "xterm"}


@dataclass(frozen=True)
class Attempt:
    """One process: how it ended, what the driver wrote, what it printed last, which tests were left
    out."""

    exit_code: int
    seconds: float
    lines: tuple[str, ...]
    output: tuple[str, ...]
    skip: tuple[str, ...] = ()

    def events(self) -> Iterator[dict[str, Any]]:
        """The driver's lines as objects; a last one may have been cut."""
        for line in self.lines:
            with contextlib.suppress(ValueError):
                yield json.loads(line)

    @property
    def ended(self) -> bool:
        """Whether the process came to its end by itself."""
        return any("exit" in event for event in self.events())

    @property
    def running(self) -> str | None:
        """The test that ran when the process ended; None when there was none."""
        test = None
        for event in self.events():
            test = event.get("start")
        return test


@dataclass(frozen=True)
class RawRun:
    """All runs of one module."""

    module: TestModule
    attempts: tuple[Attempt, ...]

    def to_json(self) -> str:
        """The document, for ``from_json``."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> RawRun:
        """What ``to_json`` gave."""
        return convert(json.loads(text), cls)


@dataclass(frozen=True)
class DriverPaths:
    """What the driver is told about its surroundings: the file that it writes its record to, the
    folder of PyPy's own tests and that of the wheels that run them."""

    record: str
    source: str = ""
    wheels: str = ""


class Runner(ABC):
    """A place where test modules run, several at once if need be."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.stopped = False
        self._without: tuple[str, ...] = ()
        self._ends: set[Callable[[], None]] = set()
        self._lock = threading.Lock()

    def describe(self) -> dict[str, Any]:
        """What the driver says of the interpreter.

        Raises:
            CheckError: the interpreter did not run it.
        """
        found = _read_description(*self._description())
        self._without = tuple(sorted(found["broken"]))
        return found

    @abstractmethod
    def _description(self) -> tuple[str, str]:
        """What the driver printed, and what the interpreter is called."""

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
            skip: tests that are left out.
            own_limit: the driver has to keep the memory limit itself.
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
        """End all that runs; what ``attempt`` gives from now on does not count."""
        with self._lock:
            self.stopped = True
            for end in self._ends:
                end()

    @contextlib.contextmanager
    def following(self, end: Callable[[], None]) -> Iterator[None]:
        """For as long as something runs that ``end`` ends."""
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
    """Run a module to its end, if need be without tests that end the process."""
    attempts = [runner.attempt(module, ())]
    skip: list[str] = []
    while len(attempts) < _ATTEMPTS and not runner.stopped:
        guilty = None if attempts[-1].ended else attempts[-1].running
        if guilty is None or guilty in skip:
            break
        skip.append(guilty)
        attempts.append(runner.attempt(module, skip))
    return RawRun(module, tuple(attempts))


def tail(lines: Iterable[str]) -> tuple[str, ...]:
    """The last lines of an output, none too long."""
    return tuple(deque((line[:_LINE] for line in lines), _TAIL))


def _read_description(output: str, what: str) -> dict[str, Any]:
    lines = output.strip().splitlines() or [""]
    try:
        found = json.loads(lines[-1])
    except ValueError:
        found = None
    if isinstance(found, dict):
        return found
    raise CheckError(
        f"{what} did not run the test driver: {' | '.join(lines[-3:])}",
        remedy="it must be a working Python with its standard library's tests, the package `test`",
    )
