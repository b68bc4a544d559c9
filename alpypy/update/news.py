"""What a publisher has that versions/ lacks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from alpypy.core.errors import AlpypyError, DigestError

# The names of the publishers, in the order in which they are asked.
NAMES = ("pypy", "alpine", "pypi", "debian", "libraries")


def all_but(name: str) -> str:
    """The options that ask all publishers but this."""
    return " ".join(f"--only {other}" for other in NAMES if other != name)


@dataclass(frozen=True)
class Edit:
    """A change of a file in versions/. ``what`` says what is new and where its digest is from,
    ``apply`` makes the file's new text of its text. ``cost`` is what a maintainer has to do after
    it; a report says it once for all edits."""

    file: str
    what: str
    apply: Callable[[str], str]
    cost: str = ""


@dataclass(frozen=True)
class News:
    """What is to be written, what a maintainer has to decide, and what alpypy refuses. ``notes``
    say what could not be compared, ``passed_over`` what is newer and not taken; both do not count
    as news."""

    edits: tuple[Edit, ...] = ()
    decisions: tuple[str, ...] = ()
    refusals: tuple[AlpypyError, ...] = ()
    notes: tuple[str, ...] = ()
    passed_over: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether there is anything new."""
        return bool(self.edits or self.decisions or self.refusals)


def together(parts: Iterable[News]) -> News:
    """All news in one."""
    whole = tuple(parts)
    return News(
        tuple(edit for part in whole for edit in part.edits),
        tuple(decision for part in whole for decision in part.decisions),
        tuple(refusal for part in whole for refusal in part.refusals),
        tuple(note for part in whole for note in part.notes),
        tuple(line for part in whole for line in part.passed_over),
    )


def decide(line: str) -> News:
    """Something that a maintainer has to decide."""
    return News(decisions=(line,))


def refuse(what: str, replaced: Sequence[str], remedy: str) -> None:
    """Raise DigestError if a publisher has replaced listed files.

    Args:
        replaced: for each file a line with its name, and each digest with the place that has it.
    """
    if replaced:
        raise DigestError("\n    ".join([f"{what}:", *replaced]), remedy=remedy)
