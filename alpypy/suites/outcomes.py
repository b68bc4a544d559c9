"""The outcomes of a test module's runs: for each test, and for the module as a whole."""

from __future__ import annotations

import re
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from alpypy.suites.plan import EXTRA
from alpypy.suites.run import TIMED_OUT, Attempt, RawRun

PASSED, SKIPPED, CRASHED, HUNG = "passed", "skipped", "crashed", "hung"
# From the best to the worst. The driver reports all but the last two.
OUTCOMES = (
    PASSED,
    "expected failure",
    SKIPPED,
    "unexpected success",
    "failed",
    "error",
    HUNG,
    CRASHED,
)
BAD = frozenset(OUTCOMES[OUTCOMES.index("unexpected success") :])
_FIXTURE = re.compile(r"(?P<name>\w+) \((?P<of>.+)\)")
_SHOWN = 12  # lines of a trace that the report shows first


@dataclass(frozen=True)
class CaseOutcome:
    """How one test ended. ``id`` is ``test_os.FileTests.test_access``, or the module's own name."""

    id: str
    outcome: str
    message: str = ""
    trace: str = ""

    @property
    def bad(self) -> bool:
        """Whether the test failed in any way."""
        return self.outcome in BAD


@dataclass(frozen=True)
class ModuleResult:
    """How one module ended, with its tests in the order in which they ran.

    ``finished`` is False when tests after a crash or a hang were never run.
    """

    name: str
    seconds: float
    finished: bool
    compiler: bool
    tests: tuple[CaseOutcome, ...]

    @property
    def bad(self) -> tuple[CaseOutcome, ...]:
        """The tests that failed in any way."""
        return tuple(test for test in self.tests if test.bad)

    @property
    def counts(self) -> dict[str, int]:
        """The number of tests with each outcome."""
        counts = Counter(test.outcome for test in self.tests)
        return {outcome: counts[outcome] for outcome in OUTCOMES if counts[outcome]}

    @property
    def verdict(self) -> str:
        """The worst outcome; skipped only if no test ran."""
        if self.bad:
            return max((test.outcome for test in self.bad), key=OUTCOMES.index)
        ran = any(test.outcome != SKIPPED for test in self.tests)
        return PASSED if ran or not self.tests else SKIPPED


def read(run: RawRun) -> ModuleResult:
    """The result of all runs of a module. For a test that ran more than once, the worst counts."""
    name = run.module.name
    tests: dict[str, CaseOutcome] = {}
    for attempt in run.attempts:
        left_out = {identity(name, test) for test in attempt.skip}
        for test in _attempt(name, attempt).values():
            if test.id not in left_out:
                _add(tests, test)
    last = run.attempts[-1]
    return ModuleResult(
        name=name,
        seconds=round(sum(attempt.seconds for attempt in run.attempts), 1),
        finished=last.ended,
        compiler=run.module.compiler,
        tests=tuple(tests.values()),
    )


def identity(module: str, test: str) -> str:
    """A test's name below its module, from the name that unittest or pytest gives it.

    ``test.test_os.FileTests.test_access`` and ``setUpClass (test.test_os.FileTests)`` become
    ``test_os.FileTests.test_access`` and ``test_os.FileTests.setUpClass``.
    """
    if module.startswith(f"{EXTRA}."):
        _, *inner = test.split("::")
        # Old releases of pytest also name the class's instance, "()".
        return ".".join((module, *(part for part in inner if part != "()")))
    if fixture := _FIXTURE.fullmatch(test):
        test = f"{fixture['of']}.{fixture['name']}"
    test = test.removeprefix("test.").replace("\n", " ")
    if test == module or test.startswith(f"{module}."):
        return test
    return f"{module}.{test}"


def _attempt(module: str, attempt: Attempt) -> dict[str, CaseOutcome]:
    tests: dict[str, CaseOutcome] = {}
    for event in attempt.events():
        if "test" in event:
            _add(tests, _outcome(module, event))
    code = next((event["exit"] for event in attempt.events() if "exit" in event), None)
    if code is None:
        _add(tests, _interrupted(module, attempt))
    elif not any(test.bad for test in tests.values()):
        whole = _whole(module, attempt, code)
        if whole.bad or not tests:
            _add(tests, whole)
    return tests


def _add(tests: dict[str, CaseOutcome], test: CaseOutcome) -> None:
    """Add a test; if there is one with the same name, keep the worse."""
    before = tests.get(test.id)
    if before is None or OUTCOMES.index(test.outcome) > OUTCOMES.index(before.outcome):
        tests[test.id] = test


def _outcome(module: str, event: dict[str, Any]) -> CaseOutcome:
    texts = {name: _clean(event.get(name, "")) for name in ("message", "trace")}
    return CaseOutcome(identity(module, _clean(event["test"])), event["outcome"], **texts)


def _clean(text: str) -> str:
    """The text without lone surrogates: tests of Unicode use them, but UTF-8 cannot encode them."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _interrupted(module: str, attempt: Attempt) -> CaseOutcome:
    """The outcome of the test that was running when the process ended, or else of the module."""
    running = attempt.running
    test = module if running is None else identity(module, _clean(running))
    trace = "\n".join(attempt.output)
    if attempt.exit_code == TIMED_OUT:
        return CaseOutcome(test, HUNG, f"killed after {attempt.seconds:.0f} seconds", trace)
    return CaseOutcome(test, CRASHED, _cause(attempt.exit_code), trace)


def _cause(code: int) -> str:
    if code <= 128:
        return f"the process ended with exit code {code} before the tests did"
    names = {number.value: number.name for number in signal.Signals}
    name = names.get(code - 128, f"signal {code - 128}")
    # The kernel kills a process with this signal if it exceeds the memory limit.
    return f"killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")


def _whole(module: str, attempt: Attempt, code: int) -> CaseOutcome:
    """The outcome of a module as a whole: skipped, or as its exit code says."""
    reason = next(_skip_reasons(module, attempt.output), None)
    if reason is not None:
        return CaseOutcome(module, SKIPPED, reason)
    if code != 0:
        return CaseOutcome(module, "failed", _message(attempt), "\n".join(attempt.output))
    return CaseOutcome(module, PASSED)


def _skip_reasons(module: str, output: Sequence[str]) -> Iterator[str]:
    for line in output:
        if line.startswith(f"{module} skipped -- "):
            yield line.partition(" skipped -- ")[2]


def _message(attempt: Attempt) -> str:
    """The last line of a traceback in the output, else its last lines."""
    errors = [line for line in attempt.output if re.match(r"(\w+\.)*\w*(Error|Exception)\b", line)]
    return errors[-1] if errors else " | ".join(attempt.output[-3:])


def shortened(test: CaseOutcome) -> CaseOutcome:
    """The outcome with only the last lines of its trace, which a reader needs first."""
    return replace(test, trace="\n".join(test.trace.splitlines()[-_SHOWN:]))
