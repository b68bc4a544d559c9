"""Which phase a translation is in, read from its log, and how that is shown."""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from tqdm import tqdm

# RPython's own titles (rpython/translator/driver.py) and the names that alpypy shows.
TITLES = {
    "Annotating&simplifying": "annotate",
    "RTyping": "rtype",
    "JIT compiler generation": "jit",
    "lltype back-end optimisations": "backendopt",
    "inserting stack checks": "stackcheck",
    "Creating database for generating c source": "database",
    "Generating c source": "source",
    "Compiling c source": "compile",
    "Create cffi bindings for modules": "cffi",
}
START = "start"
_TITLE = re.compile(r"^\[translation(?::info)?\] (?P<title>.+?)\.\.\.\s*$")
_ELAPSED = re.compile(r"^ *(?P<seconds>\d+\.\d) (?P<text>.*)$")
_PEAK = 1 << 20


@dataclass(frozen=True)
class Phase:
    """One phase's cost. Memory is that of all processes, without the page cache."""

    name: str
    seconds: float
    peak_memory_mib: int


class Phases:
    """Follows the log of one translation, or of several programs one after another, line by line.
    Times are seconds since the start."""

    def __init__(self) -> None:
        self.current = START
        self.done: list[Phase] = []
        self._program = ""
        self._since = 0.0
        self._peak = 0

    def program(self, name: str, elapsed: float) -> None:
        """The next program's translation starts; its phases carry its name."""
        if elapsed > self._since:
            self._close(elapsed)
        self._program = f"{name} "
        self.current = self._program + START

    def line(self, text: str, elapsed: float) -> None:
        """Take one line of RPython's log."""
        match = _TITLE.match(text)
        title = TITLES.get(match["title"]) if match else None
        if title and self._program + title != self.current:
            self._close(elapsed)
            self.current = self._program + title

    def memory(self, size: int) -> None:
        """Take a sample of the memory in use, in bytes."""
        self._peak = max(self._peak, size)

    def end(self, elapsed: float) -> tuple[Phase, ...]:
        """All phases, the last one ended now."""
        self._close(elapsed)
        return tuple(self.done)

    def _close(self, elapsed: float) -> None:
        seconds = round(elapsed - self._since, 1)
        self.done.append(Phase(self.current, seconds, self._peak // _PEAK))
        self._since, self._peak = elapsed, 0


def stamped(text: str, elapsed: float) -> str:
    """A line as it stands in a log file: seconds since the start, then the text."""
    return f"{elapsed:9.1f} {text}\n"


def read_log(text: str) -> tuple[Phase, ...]:
    """The phases of a log file that alpypy wrote."""
    phases, elapsed = Phases(), 0.0
    for line in text.splitlines():
        match = _ELAPSED.match(line)
        if match:
            elapsed = float(match["seconds"])
            phases.line(match["text"], elapsed)
    return phases.end(elapsed)


def clock(seconds: float) -> str:
    """Minutes and seconds: ``17:03``."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


class Display:
    """A bar on a terminal; elsewhere one line a minute.

    ``expected`` has the seconds of each phase, from an earlier run or versions/durations.toml.
    """

    def __init__(
        self, title: str, expected: Mapping[str, float], say: Callable[[str], None]
    ) -> None:
        self._title = title
        self._expected = expected
        self._say = say
        self._total = sum(expected.values())
        self._next_line = 60.0
        self._bar: Any = None

    def __enter__(self) -> Display:
        if sys.stderr.isatty():
            self._bar = tqdm(
                total=round(self._total) or None,
                desc=self._title,
                bar_format="{desc}: {bar} {elapsed}{postfix}",
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def show(self, phases: Phases, elapsed: float) -> None:
        """Bring what is shown up to date."""
        if self._bar is not None:
            self._bar.n = min(self._reached(phases, elapsed), self._bar.total or 0)
            self._bar.set_postfix_str(self._words(phases), refresh=True)
        elif elapsed >= self._next_line:
            self._next_line = (elapsed // 60 + 1) * 60
            self._say(f"{self._title}: {clock(elapsed)} {self._words(phases)}")

    def _reached(self, phases: Phases, elapsed: float) -> float:
        """Expected seconds that lie behind; no phase counts for more than was expected of it."""
        before = sum(self._expected.get(phase.name, 0.0) for phase in phases.done)
        here = elapsed - sum(phase.seconds for phase in phases.done)
        return before + min(here, self._expected.get(phases.current, 0.0))

    def _words(self, phases: Phases) -> str:
        return f"of about {clock(self._total)}, {phases.current}"


class Tally:
    """How many of ``total`` things are done: a bar on a terminal; elsewhere one line a minute.

    Threads may share it.
    """

    def __init__(self, title: str, total: int, say: Callable[[str], None]) -> None:
        self._title = title
        self._total = total
        self._say = say
        self._done = 0
        self._watch = Stopwatch()
        self._next_line = 60.0
        self._lock = threading.Lock()
        self._bar: Any = None

    def __enter__(self) -> Tally:
        if sys.stderr.isatty():
            self._bar = tqdm(total=self._total, desc=self._title, unit="")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def add(self, words: str) -> None:
        """One more is done; ``words`` say which."""
        with self._lock:
            self._done += 1
            if self._bar is not None:
                self._bar.set_postfix_str(words, refresh=False)
                self._bar.update()
            elif self._watch.seconds >= self._next_line:
                self._next_line = (self._watch.seconds // 60 + 1) * 60
                so_far = f"{clock(self._watch.seconds)} {self._done} of {self._total}"
                self._say(f"{self._title}: {so_far}, last {words}")


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds until now."""
        return time.monotonic() - self._start
