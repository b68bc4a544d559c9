"""The report of `invoke check`: JSON for programs and for comparisons, a page for people."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from msgspec import to_builtins

from alpypy.core.errors import SpecError
from alpypy.core.pages import render
from alpypy.core.program import typed
from alpypy.core.progress import clock
from alpypy.suites.ledger import Classified
from alpypy.suites.outcomes import PASSED, SKIPPED, CaseOutcome, ModuleResult, shortened
from alpypy.verify.findings import Finding

SCHEMA = 1
_NOT_RUN = "not run"


@dataclass(frozen=True)
class Difference:
    """A test with another outcome in another report, and its outcome there."""

    test: CaseOutcome
    there: str


@dataclass(frozen=True)
class Comparison:
    """What is worse here than in another report: tests that failed only here, and tests that
    passed there and were skipped or not run here."""

    against: str
    failing: tuple[Difference, ...]
    left_out: tuple[Difference, ...]


@dataclass(frozen=True)
class SuiteReport:
    """The result of a check.

    ``classified`` has every test that failed, ``outdated`` the findings about entries in ledger/. A
    ``reference`` is only for comparisons, so it has no findings.
    """

    title: str
    environment: Mapping[str, Any]
    results: tuple[ModuleResult, ...]
    classified: tuple[Classified, ...]
    outdated: tuple[Finding, ...] = ()
    reference: bool = False
    comparison: Comparison | None = None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Failures without an entry, modules that did not finish, entries that are outdated."""
        if self.reference:
            return ()
        unexplained = (failure.finding for failure in self.classified if failure.entry is None)
        return (*unexplained, *map(_unfinished, self.unfinished), *self.outdated)

    @property
    def unfinished(self) -> tuple[str, ...]:
        """Modules that did not finish."""
        return tuple(result.name for result in self.results if not result.finished)

    @property
    def exit_code(self) -> int:
        """1 if there is a finding, else 0."""
        return 1 if self.findings else 0

    @property
    def counts(self) -> dict[str, int]:
        """The number of tests with each outcome."""
        total: Counter[str] = Counter()
        for result in self.results:
            total.update(result.counts)
        return dict(total)

    def summary(self) -> str:
        """The result in a line."""
        tests = sum(self.counts.values())
        explained = sum(failure.entry is not None for failure in self.classified)
        parts = f" ({len(self.unfinished)} not finished)" if self.unfinished else ""
        return (
            f"{self.title}: {len(self.results)} modules{parts}, {tests} tests,"
            f" {self.counts.get(PASSED, 0)} passed, {self.counts.get(SKIPPED, 0)} skipped,"
            f" {len(self.classified)} failed, {explained} of them explained,"
            f" {len(self.findings)} findings, {clock(self.seconds)} of test time"
        )

    @property
    def seconds(self) -> float:
        """The sum of the modules' times."""
        return sum(result.seconds for result in self.results)

    def to_text(self) -> str:
        """The findings, the tests that fail only here, how many run only there, and the summary."""
        lines = [f"FAIL  {_cut(str(finding))}" for finding in self.findings]
        if other := self.comparison:
            for difference in other.failing:
                test, there = difference.test.id, difference.there
                lines.append(f"only here  {test} ({there} in {other.against})")
            lines.append(
                f"{len(other.left_out)} tests passed in {other.against} and were not run here"
            )
        return "\n".join([*lines, self.summary()])

    def to_json(self) -> str:
        """The report for programs, and for ``compare``."""
        other = self.comparison or Comparison("", (), ())
        document = {
            "schema": SCHEMA,
            "title": self.title,
            "passed": not self.findings,
            "environment": dict(self.environment),
            "counts": self.counts,
            "findings": to_builtins(self.findings),
            "modules": [_module_record(result, self.classified) for result in self.results],
            "against": other.against or None,
            "only_here": [
                {"id": difference.test.id, "there": difference.there}
                for difference in other.failing
            ],
            "left_out_here": [
                {"id": test.id, "here": test.outcome, "message": test.message}
                for test in (difference.test for difference in other.left_out)
            ],
        }
        return json.dumps(document, indent=1) + "\n"

    def to_html(self) -> str:
        """The report as a page that needs no other file."""
        rows = list(_rows(self))
        return render("check.html", title=self.title, report=self, rows=rows, cut=_cut)


def compare(results: Sequence[ModuleResult], path: Path) -> Comparison:
    """Find what is worse in ``results`` than in another check's JSON.

    Modules that the other check did not run do not count.

    Raises:
        SpecError: the file does not exist or is not a report.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        there = {module["name"]: module["tests"] for module in document["modules"]}
        title = str(document["title"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SpecError(
            f"--against {path} is not a report of `{typed('check')}`: {error}",
            remedy="give the .json file that an earlier check wrote; to make a reference, run"
            f" {typed('check')} --reference /usr/bin/pypy3",
        ) from error
    both = [(result, there[result.name]) for result in results if result.name in there]
    failing = (test for result, tests in both for test in _failing(result, tests))
    left_out = (test for result, tests in both for test in _left_out(result, tests))
    return Comparison(title, tuple(failing), tuple(left_out))


def _failing(result: ModuleResult, there: Mapping[str, str]) -> Iterator[Difference]:
    for test in result.bad:
        outcome = there.get(test.id, _NOT_RUN)
        if not CaseOutcome(test.id, outcome).bad:
            yield Difference(test, outcome)


def _left_out(result: ModuleResult, there: Mapping[str, str]) -> Iterator[Difference]:
    """Tests that passed there and did not run here. Those of a class or module that was skipped as
    a whole are not in ``result``."""
    here = {test.id: test for test in result.tests}
    for name, outcome in there.items():
        test = here.get(name, CaseOutcome(name, _NOT_RUN))
        if outcome == PASSED and test.outcome in (SKIPPED, _NOT_RUN):
            yield Difference(test, outcome)


def _unfinished(module: str) -> Finding:
    message = "did not finish: the tests after its last crash or hang never ran"
    return Finding("module.unfinished", module, message)


def _module_record(result: ModuleResult, classified: Sequence[Classified]) -> dict[str, Any]:
    reasons = {failure.test.id: failure.finding.allowed for failure in classified}
    bad = result.bad
    return {
        "name": result.name,
        "verdict": result.verdict,
        "finished": result.finished,
        "compiler": result.compiler,
        "seconds": result.seconds,
        "counts": result.counts,
        "first_failure": asdict(shortened(bad[0])) if bad else None,
        "failures": [
            {
                "id": test.id,
                "outcome": test.outcome,
                "message": test.message,
                "explained": reasons.get(test.id),
            }
            for test in bad
        ],
        "tests": {test.id: test.outcome for test in result.tests},
    }


def _cut(text: str, length: int = 200) -> str:
    return text if len(text) <= length else f"{text[:length]}..."


@dataclass(frozen=True)
class _Row:
    """A module in the page's table. ``numbers`` are the tests that passed, failed and were skipped,
    and the seconds."""

    module: str
    failures: tuple[Classified, ...]
    numbers: tuple[float, ...]
    verdict: str
    kind: str


def _rows(report: SuiteReport) -> Iterator[_Row]:
    classified: dict[str, list[Classified]] = {}
    for failure in report.classified:
        classified.setdefault(failure.test.id, []).append(failure)
    for result in report.results:
        failures = tuple(failure for test in result.bad for failure in classified.get(test.id, ()))
        counts = result.counts
        numbers = (counts.get(PASSED, 0), len(result.bad), counts.get(SKIPPED, 0), result.seconds)
        yield _Row(result.name, failures, numbers, *_verdict(result, failures))


def _verdict(result: ModuleResult, failures: Sequence[Classified]) -> tuple[str, str]:
    """A module's verdict in words, and its style on the page."""
    explained = all(failure.entry for failure in failures)
    kind = "fine" if not failures else "known" if explained else "bad"
    verdict = f"{result.verdict}, explained" if kind == "known" else result.verdict
    return (verdict, kind) if result.finished else (f"{verdict}, not finished", "bad")
