"""Which phase a translation is in, read from its log, and how that is shown."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from alpypy.core import log
from alpypy.core.progress import Progress, clock

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


@dataclass(frozen=True)
class Span:
    """A phase, and when it was: in seconds since the start of the translation."""

    name: str
    start: float
    end: float

    @property
    def seconds(self) -> float:
        """How long it lasted."""
        return self.end - self.start


@dataclass(frozen=True)
class Phase:
    """One phase's cost. Memory is that of all processes, without the page cache.

    ``processor_seconds`` is the time of all processors together that it used, ``processors`` how
    many it could use. Both are None if the engine did not tell, and in records of older versions.
    """

    name: str
    seconds: float
    peak_memory_mib: int
    processor_seconds: float | None = None
    processors: int | None = None

    @property
    def idle(self) -> float | None:
        """The share of its processors' time that it did not use, from 0 to 1; None if unknown."""
        if self.processor_seconds is None or not self.processors or not self.seconds:
            return None
        return max(0.0, 1 - self.processor_seconds / (self.seconds * self.processors))


def total(phases: Sequence[Phase]) -> Phase:
    """What all phases cost together. There must be one."""
    known = all(phase.processor_seconds is not None for phase in phases)
    return Phase(
        "all",
        sum(phase.seconds for phase in phases),
        max(phase.peak_memory_mib for phase in phases),
        sum(phase.processor_seconds or 0.0 for phase in phases) if known else None,
        phases[0].processors,
    )


def table(phases: Sequence[Phase]) -> Iterator[str]:
    """Phases as lines of text: time, peak memory, and the share of idle processor time."""
    rows = (*phases, total(phases))
    width = max(len(phase.name) for phase in rows)
    yield f"{'':{width}}  {'m:ss':>7}  {'peak memory':>11}  {'idle':>5}"
    for phase in rows:
        memory = f"{phase.peak_memory_mib} MiB"
        yield (
            f"{phase.name:{width}}  {clock(phase.seconds):>7}  {memory:>11}"
            f"  {percent(phase.idle):>5}"
        )


def percent(share: float | None) -> str:
    """A share such as 0.25 as text: ``25 %``; a dash for None."""
    return "-" if share is None else f"{share:.0%}".replace("%", " %")


class Phases:
    """Follows the log of one translation, or of several programs one after another, line by line.
    Times are seconds since the start."""

    def __init__(self) -> None:
        self.current = START
        self.done: list[Span] = []
        self._program = ""
        self._since = 0.0

    def program(self, name: str, elapsed: float) -> None:
        """The next program's translation starts; its phases carry its name."""
        if self._program:
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

    def end(self, elapsed: float) -> tuple[Span, ...]:
        """All phases, the last one ended now."""
        self._close(elapsed)
        return tuple(self.done)

    def _close(self, elapsed: float) -> None:
        self.done.append(Span(self.current, self._since, elapsed))
        self._since = elapsed


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
