"""Which phase a translation is in, read from its log, and how that is shown."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from alpypy.core import log
from alpypy.core.progress import Progress

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


class Display(Progress):
    """A translation, whose phases follow its log. ``expected`` has the seconds of each phase, from
    an earlier run or versions/durations.toml."""

    def __init__(
        self,
        title: str,
        phases: Phases,
        expected: Mapping[str, float],
        say: Callable[[str], None] = log.say,
    ) -> None:
        super().__init__(title, expected=sum(expected.values()), say=say)
        self._phases = phases
        self._phase_seconds = expected

    def _what(self) -> str:
        return self._phases.current

    def _fraction(self, elapsed: float) -> float:
        """Expected seconds that lie behind; no phase counts for more than was expected of it."""
        done, current = list(self._phases.done), self._phases.current
        before = sum(self._phase_seconds.get(phase.name, 0.0) for phase in done)
        here = elapsed - sum(phase.seconds for phase in done)
        reached = before + min(here, self._phase_seconds.get(current, 0.0))
        return reached / self._expected if self._expected else 0.0
