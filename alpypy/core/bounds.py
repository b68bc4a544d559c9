"""Bounds of what benchmarks measure: the ratio that something may have at most."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum

from alpypy.core.errors import SpecError

_BOUND = re.compile(
    r"(?:(?P<kind>best|instructions):)?(?P<name>[a-z][a-z0-9_.]*)"
    r"=(?P<ratio>[0-9]{1,7}(?:\.[0-9]{1,6})?)",
    re.ASCII,
)


class Measure(StrEnum):
    """What a bound is for: the median of times, the smallest times, or instructions."""

    TIME = "time"
    BEST = "best"
    INSTRUCTIONS = "instructions"


@dataclass(frozen=True)
class Bound:
    """The ratio that something may have at most."""

    name: str
    ratio: float
    kind: Measure = Measure.TIME

    def __str__(self) -> str:
        return self.name if self.kind is Measure.TIME else f"{self.kind}:{self.name}"


@dataclass(frozen=True)
class Exceeded:
    """A bound that a subject exceeds, or whose ratio is not known (None)."""

    subject: str
    bound: Bound
    ratio: float | None

    def __str__(self) -> str:
        found = "has no result" if self.ratio is None else f"is {self.ratio:.3f}"
        return f"{self.subject}: {self.bound} {found}, and may be {self.bound.ratio:g} at most"


def read_bounds(
    texts: Iterable[str],
    known: Collection[str],
    *,
    example: str,
    remedy: str,
    kinds: Collection[Measure] = tuple(Measure),
) -> tuple[Bound, ...]:
    """Read bounds such as ``mean=1.05`` or ``best:strings.join=1.2``.

    Args:
        known: the names that there can be a ratio of.
        example: what to write if a bound has another form.
        remedy: what to do if the name is not known.
        kinds: what there can be a bound for.

    Raises:
        SpecError: a bound has another form, or its name or kind is not known.
    """
    bounds = []
    for text in texts:
        match = _BOUND.fullmatch(text)
        if match is None or float(match["ratio"]) == 0:
            raise SpecError(f"--bound {text} is not a name and a ratio", remedy=f"write {example}")
        kind = Measure(match["kind"] or "time")
        if match["name"] not in known or kind not in kinds:
            raise SpecError(f"--bound {text} names nothing that is run", remedy=remedy)
        bounds.append(Bound(match["name"], float(match["ratio"]), kind))
    return tuple(bounds)
