"""The ledger: what it explains, what it does not, and what it may not say."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from alpypy.core.errors import DataError
from alpypy.recipes.recipe import load_catalog
from alpypy.recipes.spec import Target
from alpypy.suites.ledger import Entry, classify, load_ledger, outdated
from alpypy.suites.outcomes import BAD, OUTCOMES, CaseOutcome, ModuleResult

ROOT = Path(__file__).resolve().parents[3]
MODULES = ("test_o", "test_os", "test_ssl")
ACCESS = "test_os.FileTests.test_access"
HEAD = f'[[expected]]\ntests = ["{ACCESS}"]\n'
GOOD = HEAD + 'cause = "musl"\nwhy = "musl has no such function"\n'


def load(tmp_path: Path, text: str) -> tuple[Entry, ...]:
    folder = tmp_path / "ledger"
    folder.mkdir(exist_ok=True)
    (folder / "3.9-7.3.16.toml").write_text(text)
    return load_ledger(tmp_path, "3.9-7.3.16")


@pytest.fixture
def entry(tmp_path: Path) -> Entry:
    (only,) = load(tmp_path, GOOD)
    return only


def module(name: str = "test_os", *, finished: bool = True, **tests: str) -> ModuleResult:
    """A result with tests of one class, by their outcomes."""
    outcomes = (CaseOutcome(f"{name}.FileTests.{test}", outcome) for test, outcome in tests.items())
    return ModuleResult(name, 1.0, finished, False, tuple(outcomes))


def test_a_release_without_a_ledger_expects_no_failure(tmp_path: Path) -> None:
    assert load_ledger(tmp_path, "2.7-7.0.0") == ()


def test_an_entry_says_why(entry: Entry) -> None:
    (classified,) = classify([entry], [module(test_access="failed")])
    assert classified.entry is entry
    assert classified.finding.allowed == "musl: musl has no such function"
    assert classified.finding.check == "test.failed"


@pytest.mark.parametrize("outcome", ["crashed", "hung"])
def test_a_failure_that_becomes_a_crash_is_a_finding(entry: Entry, outcome: str) -> None:
    (classified,) = classify([entry], [module(test_access=outcome)])
    assert classified.entry is None
    assert classified.finding.allowed is None


@pytest.mark.parametrize(
    ("ends", "explained"),
    [("fails", {"failed", "error"}), ("crashes", {"crashed"}), ("hangs", {"hung"})],
)
def test_an_entry_covers_the_way_of_ending_that_it_names(
    tmp_path: Path, ends: str, explained: set[str]
) -> None:
    entries = load(tmp_path, f'{GOOD}ends = "{ends}"\n')
    outcomes = ("failed", "error", "crashed", "hung")
    covered = {
        outcome
        for outcome in outcomes
        if classify(entries, [module(test_access=outcome)])[0].entry is not None
    }
    assert covered == explained


def test_another_test_is_a_finding(entry: Entry) -> None:
    (classified,) = classify([entry], [module(test_other="error", test_access="passed")])
    assert classified.entry is None
    assert classified.test.id == "test_os.FileTests.test_other"


def test_a_test_that_passes_now_is_a_finding(entry: Entry) -> None:
    (finding,) = outdated([entry], [module(test_access="passed")], MODULES)
    assert (finding.check, finding.subject) == ("ledger.passes", ACCESS)
    assert "musl has no such function" in finding.message


@pytest.mark.parametrize("outcome", ["skipped", "expected failure", "failed", "crashed"])
def test_a_test_that_does_not_pass_leaves_its_entry_alone(entry: Entry, outcome: str) -> None:
    assert outdated([entry], [module(test_access=outcome)], MODULES) == ()


def test_each_test_of_a_pattern_that_passes_is_a_finding(tmp_path: Path) -> None:
    entries = load(tmp_path, GOOD.replace("test_access", "*"))
    result = module(one="passed", two="failed", three="skipped", four="passed")
    found = [(finding.check, finding.subject) for finding in outdated(entries, [result], MODULES)]
    assert found == [
        ("ledger.passes", "test_os.FileTests.one"),
        ("ledger.passes", "test_os.FileTests.four"),
    ]
    assert outdated(entries, [module(one="skipped", two="failed")], MODULES) == ()


def test_a_test_that_fails_at_times_may_pass(tmp_path: Path) -> None:
    entries = load(tmp_path, f"{GOOD}sometimes = true\n")
    assert outdated(entries, [module(test_access="passed")], MODULES) == ()
    assert classify(entries, [module(test_access="failed")])[0].entry


def test_an_entry_that_names_no_test_is_a_finding(entry: Entry) -> None:
    (finding,) = outdated([entry], [module(test_renamed="passed")], MODULES)
    assert finding.check == "ledger.unknown"


@pytest.mark.parametrize(
    ("test", "modules", "unknown"),
    [
        ("test_oss.A.b", MODULES, True),
        ("test_oss", MODULES, True),
        ("test_oss.*", MODULES, True),
        ("test_oss*", MODULES, True),
        ("test_o*.A.b", MODULES, False),
        ("*.b", MODULES, False),
        ("extra_tests.test_oss.A.b", MODULES, False),
        ("extra_tests.test_oss.A.b", (*MODULES, "extra_tests.test_os"), True),
        ("extra_tests.test_os.A.b", (*MODULES, "extra_tests.test_os"), False),
        ("extra_tests.*", (*MODULES, "extra_tests.test_os"), False),
    ],
)
def test_an_entry_of_a_module_that_is_not_there(
    tmp_path: Path, test: str, modules: tuple[str, ...], unknown: bool
) -> None:
    """No module needs to be run for that; PyPy's own are known only with its source."""
    found = outdated(load(tmp_path, GOOD.replace(ACCESS, test)), [], modules)
    assert [finding.check for finding in found] == ["ledger.unknown"] * unknown


def test_a_pattern_that_names_nothing_in_any_module_that_it_may_be_in(tmp_path: Path) -> None:
    entries = load(tmp_path, GOOD.replace(ACCESS, "test_o*.FileTests.test_access"))
    one, both = [module(a="passed")], [module(a="passed"), module("test_o", a="passed")]
    assert outdated(entries, one, MODULES) == ()
    assert [one.check for one in outdated(entries, both, MODULES)] == ["ledger.unknown"]


def test_a_module_that_was_not_run_says_nothing(entry: Entry) -> None:
    assert outdated([entry], [], MODULES) == ()
    assert outdated([entry], [module("test_ssl", test_access="passed")], MODULES) == ()
    assert outdated([entry], [module("test_o", test_access="passed")], MODULES) == ()
    assert outdated([entry], [module(finished=False, test_other="passed")], MODULES) == ()


def test_an_entry_of_a_module_as_a_whole(tmp_path: Path) -> None:
    entries = load(tmp_path, GOOD.replace(ACCESS, "test_os"))
    whole = ModuleResult("test_os", 1.0, True, False, (CaseOutcome("test_os", "failed"),))
    assert classify(entries, [whole])[0].entry
    assert classify(entries, [module(test_access="failed")])[0].entry is None


def test_of_tests_with_one_cause_each_is_held_to_it(tmp_path: Path) -> None:
    mkdir = "test_os.FileTests.test_mkdir"
    entries = load(tmp_path, GOOD.replace(f'"{ACCESS}"', f'"{ACCESS}", "{mkdir}"'))
    result = module(test_access="failed", test_mkdir="passed")
    assert classify(entries, [result])[0].entry == entries[0]
    (finding,) = outdated(entries, [result], MODULES)
    assert (finding.check, finding.subject) == ("ledger.passes", mkdir)


def test_ranges(tmp_path: Path) -> None:
    (entry,) = load(tmp_path, f'{GOOD}alpine = "<3.20"\narch = ["aarch64"]\n')
    assert entry.is_for(Target("3.9-7.3.16", "3.19", "aarch64"))
    assert not entry.is_for(Target("3.9-7.3.16", "3.19", "x86_64"))
    assert not entry.is_for(Target("3.9-7.3.16", "3.20", "aarch64"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEAD + 'why = "because"\n', f"({ACCESS}): cause is missing"),
        (HEAD + 'cause = "musl"\n', f"({ACCESS}): why is missing"),
        (HEAD + 'cause = "musl"\nwhy = " "\n', f"({ACCESS}): why is ' '"),
        (HEAD + 'cause = "glibc"\nwhy = "because"\n', f"({ACCESS}): cause is 'glibc'"),
        (GOOD + 'ends = "badly"\n', f"({ACCESS}): ends is 'badly'"),
        (GOOD + 'because = "x"\n', f"({ACCESS}): because is unknown"),
        (GOOD + 'sometimes = "yes"\n', f"({ACCESS}): sometimes is 'yes'"),
        (GOOD + 'alpine = "new"\n', f"({ACCESS}): alpine"),
        ('[[expected]]\ncause = "musl"\nwhy = "because"\n', "number 1 (musl): tests is missing"),
        ("[[expected]]\ntests = []\n", "number 1: tests is []"),
        ('[[failures]]\ntest = "x"\n', "failures is unknown"),
        ("[[tests]\n", "ledger/3.9-7.3.16.toml"),
    ],
)
def test_what_a_ledger_may_not_say(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(DataError) as caught:
        load(tmp_path, text)
    assert said in str(caught.value)


def test_every_ledger_is_of_a_release_and_can_be_read() -> None:
    releases = load_catalog(ROOT).pypys
    for path in (ROOT / "ledger").glob("*"):
        assert path.name == "README.md" or path.stem in releases
        load_ledger(ROOT, path.stem)


names = st.sampled_from(["test_a", "test_b", "test_ab"])
results = st.dictionaries(names, st.sampled_from(OUTCOMES), min_size=1).map(
    lambda tests: module(finished=True, **tests)
)


@given(results, names, st.sampled_from(["fails", "crashes", "hangs"]))
def test_every_bad_test_is_judged_once_and_no_entry_is_both(
    result: ModuleResult, name: str, ends: str
) -> None:
    entry = Entry(f"test_os.FileTests.{name}", "test", "why", ends, False, SpecifierSet(), ())
    classified = classify([entry], [result])
    assert [one.test for one in classified] == [
        test for test in result.tests if test.outcome in BAD
    ]
    explains = any(one.entry for one in classified)
    # An entry at work is never called outdated.
    assert not (explains and outdated([entry], [result], MODULES))
