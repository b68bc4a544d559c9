"""What the driver's lines mean."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpypy.suites.outcomes import OUTCOMES, identity, read
from alpypy.suites.plan import TestModule
from alpypy.suites.run import TIMED_OUT, Attempt, RawRun

MODULE = TestModule("test_os", "stdlib")
Event = Mapping[str, object]


def attempt(*events: Event, code: int = 0, output: tuple[str, ...] = (), skip: str = "") -> Attempt:
    lines = tuple(json.dumps(event) for event in events)
    return Attempt(code, 1.0, lines, output, tuple(filter(None, [skip])))


def test_of(name: str, outcome: str) -> tuple[Event, Event]:
    return {"start": name}, {"test": name, "outcome": outcome}


test_of.__test__ = False  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("module", "said", "named"),
    [
        ("test_os", "test.test_os.FileTests.test_access", "test_os.FileTests.test_access"),
        ("test_os", "setUpClass (test.test_os.FileTests)", "test_os.FileTests.setUpClass"),
        ("test_os", "tearDownModule (test.test_os)", "test_os.tearDownModule"),
        (
            "test_unittest",
            "unittest.test.test_case.X.test",
            "test_unittest.unittest.test.test_case.X.test",
        ),
        ("test_asyncio", "test.test_asyncio.test_events.X.y", "test_asyncio.test_events.X.y"),
        ("test_doctest", "test_os", "test_doctest.test_os"),
        (
            "extra_tests.cffi_tests.cffi0.test_x",
            "extra_tests/cffi_tests/cffi0/test_x.py::TestX::test_y[a::b]",
            "extra_tests.cffi_tests.cffi0.test_x.TestX.test_y[a.b]",
        ),
        ("extra_tests.test_os", "extra_tests/test_os.py", "extra_tests.test_os"),
    ],
)
def test_names(module: str, said: str, named: str) -> None:
    assert identity(module, said) == named


@given(st.text(), st.sampled_from(["test_os", "extra_tests.test_os"]))
def test_a_name_is_below_its_module(said: str, module: str) -> None:
    assert f"{identity(module, said)}.".startswith(f"{module}.")


def test_a_crash_outside_of_any_test_is_the_modules() -> None:
    run = RawRun(MODULE, (attempt(*test_of("test.test_os.A.b", "passed"), code=139),))
    result = read(run)
    assert [(test.id, test.outcome) for test in result.tests] == [
        ("test_os.A.b", "passed"),
        ("test_os", "crashed"),
    ]
    assert result.bad[0].message == "killed by SIGSEGV"
    assert not result.finished


def test_a_hang_at_the_import_is_the_modules() -> None:
    (test,) = read(RawRun(MODULE, (attempt(code=TIMED_OUT),))).tests
    assert (test.id, test.outcome) == ("test_os", "hung")


def test_who_is_left_out_keeps_its_crash() -> None:
    first = attempt({"start": "test.test_os.A.b"}, code=139)
    left_out = test_of("test.test_os.A.b", "skipped")
    second = attempt(
        *left_out, *test_of("test.test_os.A.c", "passed"), {"exit": 0}, skip="test.test_os.A.b"
    )
    result = read(RawRun(MODULE, (first, second)))
    assert {test.id: test.outcome for test in result.tests} == {
        "test_os.A.b": "crashed",
        "test_os.A.c": "passed",
    }
    assert result.finished
    assert result.seconds == 2.0


def test_a_failure_before_anothers_crash_is_not_undone_by_the_next_run() -> None:
    first = attempt(*test_of("test.test_os.A.a", "failed"), {"start": "test.test_os.A.b"}, code=139)
    second = attempt(
        *test_of("test.test_os.A.a", "passed"),
        *test_of("test.test_os.A.b", "skipped"),
        {"exit": 0},
        skip="test.test_os.A.b",
    )
    result = read(RawRun(MODULE, (first, second)))
    assert {test.id: test.outcome for test in result.tests} == {
        "test_os.A.a": "failed",
        "test_os.A.b": "crashed",
    }


def test_the_time_limit_after_the_end_is_no_hang() -> None:
    """What a test leaves behind may keep the container until then."""
    events = (*test_of("test.test_os.A.b", "passed"), {"exit": 0})
    assert read(RawRun(MODULE, (attempt(*events, code=TIMED_OUT),))).verdict == "passed"


def test_a_module_that_fails_without_a_test_that_does() -> None:
    output = ("Traceback (most recent call last):", "ImportError: no _x", "1 test failed")
    events = (*test_of("test.test_os.A.b", "passed"), {"exit": 2})
    result = read(RawRun(MODULE, (attempt(*events, output=output, code=2),)))
    assert [(test.id, test.message) for test in result.bad] == [("test_os", "ImportError: no _x")]


def test_a_line_that_was_cut_counts_for_nothing() -> None:
    cut = Attempt(137, 1.0, ('{"start": "test.test_os.A.b"}', '{"test": "tes'), ())
    (test,) = read(RawRun(MODULE, (cut,))).tests
    assert (test.id, test.outcome) == ("test_os.A.b", "crashed")


def test_text_that_no_file_can_hold() -> None:
    event = {"test": "test.test_os.A.\udc80", "outcome": "failed", "message": "\ud800"}
    (test,) = read(RawRun(MODULE, (attempt(event, {"exit": 2}, code=2),))).tests
    assert (test.id, test.message) == ("test_os.A.\\udc80", "\\ud800")


@given(st.lists(st.sampled_from(OUTCOMES[:-2]), min_size=1))
def test_of_tests_with_one_name_the_worst_counts(outcomes: list[str]) -> None:
    events = [event for one in outcomes for event in test_of("test.test_os.A.b", one)]
    code = 0 if set(outcomes) <= set(OUTCOMES[:3]) else 2
    (test,) = read(RawRun(MODULE, (attempt(*events, {"exit": code}, code=code),))).tests
    assert test.outcome == max(outcomes, key=OUTCOMES.index)
