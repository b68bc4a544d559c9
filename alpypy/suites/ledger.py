"""ledger/: the tests that are expected to fail on a release, each with its cause and a reason.

A failure without an entry is a finding. So is an entry whose tests pass, or that matches no test.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, field
from packaging.specifiers import SpecifierSet

from alpypy.core.fields import Reason, Record
from alpypy.core.structs import read_toml
from alpypy.recipes.data import Arch
from alpypy.recipes.spec import Target
from alpypy.suites.outcomes import CRASHED, HUNG, PASSED, CaseOutcome, ModuleResult
from alpypy.suites.plan import EXTRA
from alpypy.verify.findings import Finding

FOLDER = "ledger"
# How the tests of an entry end. An entry for failures never covers a crash.
_ENDINGS = {"fails": None, "crashes": CRASHED, "hangs": HUNG}


class Expectation(Record, frozen=True):
    """Tests that are expected to fail from one cause. With ``sometimes``, they may also pass."""

    tests: Annotated[
        tuple[str, ...],
        Meta(min_length=1, description="a list of names of tests, or of patterns of names"),
    ]
    cause: Literal["musl", "pypy", "container", "test"]
    why: Reason
    ends: Literal["fails", "crashes", "hangs"] = "fails"
    sometimes: bool = False
    alpine: SpecifierSet = field(default_factory=SpecifierSet)
    arch: tuple[Arch, ...] = ()


class LedgerData(Record, frozen=True):
    """A file of ledger/."""

    expected: tuple[Expectation, ...]


@dataclass(frozen=True)
class Entry:
    """A test that is expected to fail, or all tests that match a pattern.

    ``test`` is the name or the pattern, ``test_os.FileTests.*``. With ``sometimes``, the test may
    also pass.
    """

    test: str
    cause: str
    why: str
    ends: str
    sometimes: bool
    alpine: SpecifierSet
    arch: tuple[str, ...]

    def is_for(self, target: Target) -> bool:
        """Whether the entry is for this Alpine and architecture."""
        return target.alpine in self.alpine and (not self.arch or target.arch in self.arch)

    def names(self, test: CaseOutcome) -> bool:
        """Whether the entry names the test."""
        return fnmatchcase(test.id, self.test)

    def explains(self, test: CaseOutcome) -> bool:
        """Whether the entry names the test, and the test ended as the entry says."""
        ending = test.outcome if test.outcome in (CRASHED, HUNG) else None
        return test.bad and _ENDINGS[self.ends] == ending and self.names(test)

    def may_be_in(self, module: str) -> bool:
        """Whether the pattern may match tests of this module, by its text before any wildcard.

        ``module`` may also be a folder of modules.
        """
        fixed = re.split(r"[*?[]", f"{self.test}.", maxsplit=1)[0]
        return fixed.startswith(f"{module}.") or f"{module}.".startswith(fixed)


@dataclass(frozen=True)
class Classified:
    """A test that failed, and the entry that explains it, if there is one."""

    test: CaseOutcome
    entry: Entry | None

    @property
    def finding(self) -> Finding:
        """The finding to report for it."""
        allowed = f"{self.entry.cause}: {self.entry.why}" if self.entry else None
        message = self.test.message.replace("\n", " ")
        return Finding(
            f"test.{self.test.outcome.replace(' ', '_')}", self.test.id, message, allowed
        )


def load_ledger(root: Path, release: str) -> tuple[Entry, ...]:
    """The entries of ``root``/ledger/``release``.toml; none if that file does not exist.

    Raises:
        DataError: an entry lacks a cause or a reason, or has an unknown field or a wrong value.
    """
    path = root / FOLDER / f"{release}.toml"
    if not path.is_file():
        return ()
    expected = read_toml(path, LedgerData).expected
    return tuple(entry for group in expected for entry in _entries(group))


def classify(entries: Sequence[Entry], results: Iterable[ModuleResult]) -> tuple[Classified, ...]:
    """Every test that failed, with the first entry that explains it."""
    return tuple(
        Classified(test, next((entry for entry in entries if entry.explains(test)), None))
        for result in results
        for test in result.bad
    )


def outdated(
    entries: Sequence[Entry], results: Sequence[ModuleResult], modules: Collection[str]
) -> tuple[Finding, ...]:
    """Findings for entries that are no longer right, as far as the modules that ran can tell.

    ``modules`` are the names of all modules, whether they ran or not. If it has none of PyPy's own
    tests, alpypy does not know these, and does not report entries for them.
    """
    return (*_passing(entries, results), *_unknown(entries, results, modules))


def _passing(entries: Sequence[Entry], results: Sequence[ModuleResult]) -> Iterator[Finding]:
    for entry in entries:
        message = f"passes now: remove it from the entry {entry.test}, which says: {entry.why}"
        for test in _named(entry, results):
            if test.outcome == PASSED and not entry.sometimes:
                yield Finding("ledger.passes", test.id, message)


def _unknown(
    entries: Sequence[Entry], results: Sequence[ModuleResult], modules: Collection[str]
) -> Iterator[Finding]:
    with_extra = any(name.startswith(f"{EXTRA}.") for name in modules)
    finished = {result.name for result in results if result.finished}
    for entry in entries:
        possible = {name for name in modules if entry.may_be_in(name)}
        seen = possible <= finished and (with_extra or not entry.may_be_in(EXTRA))
        if seen and not any(_named(entry, results)):
            what = "no test of its module" if possible else "no existing module"
            message = f"matches {what}: correct or remove the entry"
            yield Finding("ledger.unknown", entry.test, message)


def _named(entry: Entry, results: Sequence[ModuleResult]) -> Iterator[CaseOutcome]:
    possible = (result for result in results if entry.may_be_in(result.name))
    return (test for result in possible for test in result.tests if entry.names(test))


def _entries(group: Expectation) -> Iterator[Entry]:
    """An entry for each pattern, so that each is checked by itself."""
    for pattern in group.tests:
        yield Entry(
            test=pattern,
            cause=group.cause,
            why=group.why,
            ends=group.ends,
            sometimes=group.sometimes,
            alpine=group.alpine,
            arch=group.arch,
        )
