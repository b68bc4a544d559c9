"""The policy: what versions/verify.toml accepts and expects, and what it may not say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from msgspec import structs
from packaging.specifiers import SpecifierSet

from alpypy.core.errors import DataError
from alpypy.engine.job import Completed
from alpypy.recipes.recipe import load_catalog
from alpypy.recipes.spec import Target
from alpypy.verify.findings import Allowed, Finding, Policy, Recorder, load_policy, merged
from alpypy.verify.probes import PLACES, _take_probe
from alpypy.verify.run import Report

ROOT = Path(__file__).resolve().parents[3]
PY2, PY3 = Target("2.7-7.3.22", "3.23"), Target("3.6-7.0.0", "3.9")
QUICKSTART = Target("rpython-0.2.1", "3.23")
WINDOWS = Finding("module.import", "_winapi", "ImportError: only available on Windows")


@pytest.fixture(scope="module")
def policy() -> Policy:
    return load_policy(ROOT)


def test_every_accepted_finding_has_a_reason(policy: Policy) -> None:
    assert policy.allowed
    assert all(len(entry.why) > 20 for entry in policy.allowed)


def test_expected_modules_differ_by_language(policy: Policy) -> None:
    assert {"gdbm", "ssl"} <= set(policy.expected_modules(PY2))
    assert {"dbm.gnu", "lzma", "_blake2"} <= set(policy.expected_modules(PY3))
    assert "lzma" not in policy.expected_modules(PY2)
    assert "contextvars" not in policy.expected_modules(PY3)


def test_every_release_has_expected_modules(policy: Policy) -> None:
    for release in load_catalog(ROOT).pypys:
        names = policy.expected_modules(Target(release, "3.23"))
        assert {"ssl", "_sqlite3", "_curses", "pyexpat", "ctypes"} <= set(names)


def test_other_programs_have_none(policy: Policy) -> None:
    assert policy.expected_modules(QUICKSTART) == ()


def test_an_accepted_finding_stays_with_its_reason(policy: Policy) -> None:
    (judged,) = policy.judge([WINDOWS], PY3)
    assert judged.allowed
    assert judged.message == WINDOWS.message


@pytest.mark.parametrize(
    "finding",
    [
        Finding("module.import", "_winapi", "crashed: killed by SIGSEGV"),
        Finding("module.import", "_ssl", WINDOWS.message),
        Finding("elf.needed", "_winapi", WINDOWS.message),
        Finding("module.import", "_testcapi", "crashed: killed by SIGSEGV"),
        Finding("module.import", "_dbm", "AttributeError: dbm_open"),
    ],
)
def test_what_the_entry_does_not_name_is_not_accepted(policy: Policy, finding: Finding) -> None:
    assert policy.judge([finding], PY3) == (finding,)


@pytest.mark.parametrize(
    ("release", "accepted"),
    [("2.7-7.3.22", True), ("3.9-7.3.16", True), ("3.6-7.0.0", False), ("3.11-7.3.22", False)],
)
def test_a_ragged_end_goes_unnoticed_only_where_pypy_asks_for_it(
    policy: Policy, release: str, accepted: bool
) -> None:
    message = "no error was raised, the result is b''"
    finding = Finding("run.ssl", "ragged_end_is_an_error", message)
    (judged,) = policy.judge([finding], Target(release, "3.23"))
    assert (judged.allowed is not None) == accepted


def test_without_a_target_or_for_another_program_nothing_is_accepted(policy: Policy) -> None:
    assert policy.judge([WINDOWS], None) == (WINDOWS,)
    assert policy.judge([WINDOWS], QUICKSTART) == (WINDOWS,)


def test_a_fault_that_the_user_kept_is_accepted_and_no_other(policy: Policy) -> None:
    kept = Finding("run.errata", "json-int-subclass", "the number: expected 7, got 'a name'")
    other = Finding("run.errata", "match-rest-name", kept.message)
    judged = policy.judge([kept, other], PY3, ("json-int-subclass",))
    assert [finding.allowed is not None for finding in judged] == [True, False]
    assert "--no-errata" in str(judged[0])
    assert policy.judge([kept], PY3) == (kept,)


def test_a_name_that_comes_with_an_erratum_is_absent_without_it_alone(policy: Policy) -> None:
    target = Target("3.11-7.3.23", "3.23")
    assert "pickle.Unpickler.find_class" not in policy.absent_names(target)
    names = policy.absent_names(target, ("pickle-unpickler-find-class",))
    assert "pickle.Unpickler.find_class" in names


@pytest.mark.parametrize("name", ["gcc", "musl-dev", "openssl-dev", "make", "binutils", "g++"])
def test_build_packages(policy: Policy, name: str) -> None:
    assert policy.is_build_package(name)


@pytest.mark.parametrize("name", ["libgcc", "musl", "libffi", "ncurses-libs", "ca-certificates"])
def test_run_time_packages(policy: Policy, name: str) -> None:
    assert not policy.is_build_package(name)


GOOD = {
    "check": '"run.ssl"',
    "subjects": '["handshake"]',
    "message": '"refused"',
    "why": '"the cause"',
}


def write(folder: Path, **fields: str | None) -> Path:
    entry = {name: value for name, value in {**GOOD, **fields}.items() if value is not None}
    lines = [f"{name} = {value}" for name, value in entry.items()]
    text = "\n".join(["build_packages = []", "modules = []", "[[allowed]]", *lines])
    (folder / "versions").mkdir(exist_ok=True)
    (folder / "versions/verify.toml").write_text(text)
    return folder


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"why": None}, "why is missing"),
        ({"why": '" "'}, "why is ' '"),
        ({"message": '"("'}, "message is '(' (missing )"),
        ({"message": None}, "message is missing"),
        ({"subjects": '"handshake"'}, "subjects is 'handshake'"),
        ({"releases": '"7.0.0..7.3.1"'}, "releases is '7.0.0..7.3.1'"),
        ({"languages": '">=3.6"'}, "languages is unknown"),
    ],
)
def test_a_bad_entry_is_refused(
    tmp_path: Path, fields: dict[str, str | None], complaint: str
) -> None:
    with pytest.raises(DataError, match=re.escape(complaint)) as caught:
        load_policy(write(tmp_path, **fields))
    assert "versions/verify.toml [[allowed]] number 1 (run.ssl)" in caught.value.what


@pytest.mark.parametrize(
    ("fields", "covered"),
    [
        ({}, [PY2, PY3, QUICKSTART]),
        ({"language": '">=3"'}, [PY3]),
        ({"releases": '">=7.3"'}, [PY2]),
        ({"alpine": '">=3.17"'}, [PY2, QUICKSTART]),
        ({"language": '"<3"', "alpine": '"<3.17"'}, []),
    ],
)
def test_ranges(tmp_path: Path, fields: dict[str, str | None], covered: list[Target]) -> None:
    policy = load_policy(write(tmp_path, **fields))
    finding = Finding("run.ssl", "handshake", "refused")
    targets = [PY2, PY3, QUICKSTART]
    accepted = [one for one in targets if policy.judge([finding], one)[0].allowed == "the cause"]
    assert accepted == covered


def test_a_report_fails_only_for_what_is_not_accepted() -> None:
    accepted = Finding("module.import", "_winapi", "ImportError", "made for Windows")
    failed = Finding("elf.textrel", "bin/pypy3", "has text relocations")
    good = Report("a.tar.bz2", "0" * 64, (accepted,), 10, 1.0, "2025-11-21T14:05:00Z")
    bad = Report("a.tar.bz2", "0" * 64, (accepted, failed), 10, 1.0, "2025-11-21T14:05:00Z")
    assert (good.exit_code, bad.exit_code) == (0, 1)
    assert "is good" in good.to_text()
    assert "made for Windows" in good.to_text()
    assert bad.to_text().startswith("FAIL  elf.textrel")


@pytest.mark.parametrize(
    "line",
    [
        '{"probe": "ssl"}',
        '{"probe": "ssl", "checks": "1", "failures": []}',
        '{"probe": "ssl", "checks": 1, "failures": {}}',
        '{"probe": "ssl", "checks": 1, "failures": [{"subject": 1, "message": ""}]}',
        "[" * 100_000,
    ],
)
def test_what_is_no_result_of_a_probe_is_a_finding(line: str, policy: Policy) -> None:
    recorder = Recorder(policy)
    _take_probe("ssl", PLACES[0], Completed(0, line), 1, recorder)
    assert [finding.check for finding in recorder.findings] == ["run.probe"]


def test_an_accepted_finding_may_be_one_of_an_old_alpine_alone(policy: Policy) -> None:
    why = "the C library there lacks it, and this one says so"
    entry = Allowed(
        check="run.x",
        subjects=("a",),
        message=re.compile(""),
        why=why,
        alpine=SpecifierSet("<3.17"),
    )
    own = structs.replace(policy, allowed=(entry,))
    found = [Finding("run.x", "a", "b", alpine=(release,)) for release in ("3.13.12", "3.23.2")]
    assert [one.allowed for one in own.judge(found, PY3)] == [why, None]


def test_what_was_found_on_several_alpines_is_one_finding() -> None:
    old, new, static = ("3.13.12",), ("3.23.2",), Finding("elf.x", "a", "b")
    found = [
        static,
        Finding("run.x", "a", "b", alpine=old),
        Finding("run.x", "a", "c", alpine=old),
        Finding("run.x", "a", "b", alpine=new),
    ]
    assert merged(found) == (
        static,
        Finding("run.x", "a", "b", alpine=old + new),
        Finding("run.x", "a", "c", alpine=old),
    )


def test_the_report_says_where_a_finding_is_of_and_what_it_ran_on() -> None:
    finding = Finding("run.x", "a", "b", alpine=("3.13.12",))
    releases = ("3.13.12", "3.23.2")
    report = Report("x.tar.bz2", "0" * 64, (finding,), 9, 1, "2025-11-21T14:05:00Z", releases)
    first, last = report.to_text().splitlines()
    assert first.endswith("(on Alpine 3.13.12)")
    assert "is not fit for use on Alpine 3.13.12, 3.23.2: 9 checks" in last
    assert Report.from_record(report.to_record()) == report
