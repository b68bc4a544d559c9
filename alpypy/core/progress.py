"""How far the work is: bars on a terminal, elsewhere lines, with the time that is left."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from functools import partial
from types import TracebackType
from typing import Any, Self

from tqdm import tqdm

from alpypy.core import log

INTERVAL = 12.0  # seconds between two lines: with what is quick beside it, nobody waits 20 for one
# Parts of the work, from which on its own speed tells how long the rest takes: several things at
# once count only when they are finished, and tell late.
_ENOUGH, _ENOUGH_AT_ONCE = 0.1, 0.5
_ENOUGH_SECONDS = 5.0  # of finished work, to tell how fast the next goes
_LATER: ContextVar[float] = ContextVar("seconds of what comes after the work", default=0.0)


def clock(seconds: float) -> str:
    """Minutes and seconds: ``17:03``."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


@contextlib.contextmanager
def followed_by(seconds: float) -> Iterator[None]:
    """While this lasts, what is shown also counts the seconds of the work that comes after it."""
    token = _LATER.set(_LATER.get() + seconds)
    try:
        yield
    finally:
        _LATER.reset(token)


class Progress:
    """How far a piece of work is: a bar on a terminal; elsewhere a line every 12 seconds.

    Threads may share it. ``expected`` is how many seconds the work should take, ``total`` how much
    work there is, in any unit; either is 0 where nobody knows. The time that is left is told from
    what is done, once that is enough to tell by.
    """

    def __init__(
        self,
        title: str,
        *,
        total: float = 0.0,
        expected: float = 0.0,
        say: Callable[[str], None] = log.say,
    ) -> None:
        self._title = title
        self._total = total
        self._expected = expected
        self._later = _LATER.get()
        self._say = say
        self._enough = _ENOUGH
        self._done = 0.0
        self._words = ""
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._ends = contextlib.ExitStack()
        self._bar: Any = None
        self._thread = threading.Thread(target=self._tell, daemon=True)
        self._watch = Stopwatch()

    def __enter__(self) -> Self:
        self._watch = Stopwatch()
        if log.show_bars():
            self._bar = self._make_bar()
            self._ends.enter_context(log.through(partial(tqdm.write, file=sys.stderr)))
            self._ends.callback(self._bar.close)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._ends.close()

    def add(self, amount: float) -> None:
        """So much more of the total is done."""
        with self._lock:
            self._done += amount

    def step(self, words: str) -> None:
        """Another step has begun: it is said, or stands in the bar."""
        self._words = words
        if self._bar is None:
            self._say(f"{self._title}: {words}")

    def line(self, elapsed: float) -> str:
        """What is said of the work this many seconds after its start."""
        parts = filter(None, (clock(elapsed), self._what(), self._left(elapsed)))
        return f"{self._title}: {', '.join(parts)}"

    def _what(self) -> str:
        """What the work is at."""
        return self._words

    def _fraction(self, elapsed: float) -> float:
        """How much of the work is done, from 0 to 1; 0 where nobody knows."""
        return min(self._done / self._total, 1.0) if self._total else 0.0

    def _left(self, elapsed: float) -> str:
        fraction = self._fraction(elapsed)
        if fraction >= self._enough and elapsed:
            left, pace = elapsed * (1 - fraction) / fraction, self._pace(elapsed / fraction)
        elif elapsed < self._expected:
            left, pace = self._expected - elapsed, 1.0
        else:
            return self._overdue(elapsed)
        if not self._later:
            return f"about {clock(left)} left"
        return f"about {clock(left)} left here, {clock(left + self._later * pace)} to the end"

    def _overdue(self, elapsed: float) -> str:
        after = f"about {clock(self._later * self._pace(elapsed))} after it" if self._later else ""
        usual = f"longer than the expected {clock(self._expected)}" if self._expected else ""
        return ", ".join(filter(None, (usual, after)))

    def _pace(self, seconds: float) -> float:
        """How many times as long as expected all takes here, if this work takes ``seconds``."""
        return min(max(seconds / self._expected, 0.25), 4.0) if self._expected else 1.0

    def _make_bar(self) -> Any:
        form = "{desc}: {bar} {elapsed}{postfix}"
        return tqdm(total=1.0, desc=self._title, bar_format=form)

    def _tell(self) -> None:
        while not self._stop.wait(1.0 if self._bar is not None else INTERVAL):
            elapsed = self._watch.seconds
            if self._bar is not None:
                self._draw(elapsed)
                continue
            try:
                self._say(self.line(elapsed))
            except BrokenPipeError:  # the next line of the program itself ends it properly
                return

    def _draw(self, elapsed: float) -> None:
        by_time = elapsed / self._expected if self._expected else 0.0
        self._bar.n = self._fraction(elapsed) or min(by_time, 1.0)
        postfix = ", ".join(filter(None, (self._what(), self._left(elapsed))))
        self._bar.set_postfix_str(postfix, refresh=True)


class Pace:
    """How fast work goes here: how long it took, held against what was expected of it."""

    def __init__(self) -> None:
        self._expected = 0.0
        self._taken = 0.0

    def add(self, expected: float, taken: float) -> None:
        """A piece of work is done."""
        self._expected += expected
        self._taken += taken

    @property
    def factor(self) -> float:
        """How many times as long as expected work takes; 1 until there is enough to tell."""
        if self._expected < _ENOUGH_SECONDS:
            return 1.0
        return min(max(self._taken / self._expected, 0.25), 8.0)


_PACE = Pace()  # of this process: what it has done tells of the machine, and of what else runs


class Agenda:
    """Pieces of work one after another, each with the seconds that it should take."""

    def __init__(self, seconds: Mapping[str, float], pace: Pace = _PACE) -> None:
        self._left = dict(seconds)
        self._pace = pace

    @contextlib.contextmanager
    def begin(self, name: str) -> Iterator[float]:
        """The next piece, and its seconds at the pace of those before it; what is shown meanwhile
        counts those that follow."""
        expected, factor = self._left.pop(name), self._pace.factor
        watch = Stopwatch()
        with followed_by(factor * sum(self._left.values())):
            yield factor * expected
        self._pace.add(expected, watch.seconds)


class Tally(Progress):
    """Several things to do: how many are done. ``weights`` has each one's part of the work."""

    def __init__(
        self,
        title: str,
        weights: Mapping[str, float],
        *,
        expected: float = 0.0,
        say: Callable[[str], None] = log.say,
    ) -> None:
        super().__init__(title, total=sum(weights.values()), expected=expected, say=say)
        self._weights = weights
        self._number = 0
        self._enough = _ENOUGH_AT_ONCE if expected else _ENOUGH

    def finish(self, name: str, words: str = "") -> None:
        """One more is done; ``words`` say what came of it."""
        with self._lock:
            self._number += 1
            self._done += self._weights[name]
            self._words = f"{self._number} of {len(self._weights)}, last {words or name}"


class Transfer(Progress):
    """Bytes on their way; the total is 0 where nobody knows it."""

    def __init__(self, title: str, *, have: int = 0, total: int = 0) -> None:
        super().__init__(title, total=total)
        self._have = self._done = have

    def grow(self, size: int, total: int) -> None:
        """So many bytes are there now, of a total that is known better meanwhile."""
        with self._lock:
            self._done, self._total = size, total

    def _what(self) -> str:
        size = f" of {self._total / 1e6:.1f}" if self._total else ""
        return f"{self._done / 1e6:.1f}{size} MB"

    def _fraction(self, elapsed: float) -> float:
        here = self._total - self._have
        return min((self._done - self._have) / here, 1.0) if here > 0 else 0.0

    def _make_bar(self) -> Any:
        total = self._total or None
        return tqdm(desc=self._title, initial=self._have, total=total, unit="B", unit_scale=True)

    def _draw(self, elapsed: float) -> None:
        self._bar.total = self._total or None
        self._bar.update(self._done - self._bar.n)


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds until now."""
        return time.monotonic() - self._start
