"""What a check hands out: JSON, a page, a comparison."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from alpypy.core.errors import SpecError
from alpypy.suites.ledger import Entry, classify, outdated
from alpypy.suites.outcomes import CaseOutcome, ModuleResult
from alpypy.suites.report import SuiteReport, compare

KNOWN = Entry("test_os.A.known", "musl", "musl <has> none", "fails", False, SpecifierSet(), ())
OLD = Entry("test_os.A.good", "test", "it was slow", "fails", False, SpecifierSet(), ())
OS = ModuleResult(
    "test_os",
    3.5,
    True,
    False,
    (
        CaseOutcome("test_os.A.good", "passed"),
        CaseOutcome("test_os.A.known", "failed", "a & b", "Traceback\nlast line"),
        CaseOutcome("test_os.A.new", "error", "<script>", "one\ntwo"),
        CaseOutcome("test_os.A.later", "skipped", "not now"),
    ),
)
SSL = ModuleResult("test_ssl", 60.0, True, False, (CaseOutcome("test_ssl.B.x", "passed"),))


def report(*entries: Entry, reference: bool = False) -> SuiteReport:
    results = (OS, SSL)
    return SuiteReport(
        "PyPy 3.9",
        {"kernel": "6 & 7"},
        results,
        classify(entries, results),
        outdated(entries, results, ["test_os", "test_ssl"]),
        reference,
    )


def test_what_nothing_explains_is_a_finding() -> None:
    one = report(KNOWN, OLD)
    assert [(finding.check, finding.subject) for finding in one.findings] == [
        ("test.error", "test_os.A.new"),
        ("ledger.passes", "test_os.A.good"),
    ]
    assert one.exit_code == 1
    assert one.summary() == (
        "PyPy 3.9: 2 modules, 5 tests, 2 passed, 1 skipped, 2 failed, 1 of them explained,"
        " 2 findings, 1:03 of test time"
    )


@pytest.mark.parametrize("test", ["test_io", "test_io.A.crashes"])
def test_a_module_that_did_not_come_to_its_end_is_a_finding(test: str) -> None:
    """An entry may explain the crash, but nobody knows what the rest would have been."""
    crash = Entry(test, "pypy", "no stack", "crashes", False, SpecifierSet(), ())
    result = ModuleResult("test_io", 1.0, False, False, (CaseOutcome(test, "crashed", "SIGSEGV"),))
    one = SuiteReport("PyPy", {}, (result,), classify([crash], [result]))
    (finding,) = one.findings
    assert (finding.check, finding.subject) == ("module.unfinished", "test_io")
    assert one.exit_code == 1
    assert "FAIL  module.unfinished  test_io: did not finish" in one.to_text()
    assert "1 modules (1 not finished), 1 tests" in one.summary()
    assert '<td class="bad">crashed, explained, not finished</td>' in one.to_html()
    assert SuiteReport("PyPy", {}, (result,), (), reference=True).findings == ()


def test_a_reference_has_no_findings() -> None:
    one = report(reference=True)
    assert one.findings == ()
    assert one.exit_code == 0
    assert "not judged" in one.to_html()


def test_all_explained_is_a_success() -> None:
    one = report(KNOWN, Entry("*.new", "pypy", "slow", "fails", False, SpecifierSet(), ()))
    assert one.exit_code == 0
    assert "No finding" in one.to_html()


def test_the_document() -> None:
    document = json.loads(report(KNOWN).to_json())
    assert document["passed"] is False
    assert document["counts"] == {"passed": 2, "failed": 1, "error": 1, "skipped": 1}
    os = document["modules"][0]
    assert (os["name"], os["verdict"], os["seconds"]) == ("test_os", "error", 3.5)
    assert os["counts"] == {"passed": 1, "skipped": 1, "failed": 1, "error": 1}
    assert os["first_failure"]["trace"] == "Traceback\nlast line"
    assert [one["explained"] for one in os["failures"]] == ["musl: musl <has> none", None]


class Page(HTMLParser):
    """Checks that what is opened is closed, and keeps the text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page(tmp_path: Path) -> None:
    page = Page()
    page.feed(report(KNOWN, OLD).to_html())
    page.close()
    assert page.open == []
    assert "script" not in page.seen
    assert "details" in page.seen
    for text in ("test_os.A.new", "<script>", "musl <has> none", "6 & 7", "passes now"):
        assert text in page.text


def test_what_fails_here_alone(tmp_path: Path) -> None:
    there = ModuleResult(
        "test_os",
        1.0,
        True,
        False,
        (CaseOutcome("test_os.A.known", "failed"), CaseOutcome("test_os.A.new", "passed")),
    )
    path = tmp_path / "check.json"
    path.write_text(
        SuiteReport("glibc", {}, (there,), classify((), [there]), reference=True).to_json()
    )
    lonely = ModuleResult("test_only", 1.0, True, False, (CaseOutcome("test_only.A.b", "failed"),))
    found = compare([OS, lonely], path)
    assert found.against == "glibc"
    assert [(one.test.id, one.there) for one in found.failing] == [("test_os.A.new", "passed")]
    more = ModuleResult("test_os", 1.0, True, False, (CaseOutcome("test_os.A.more", "hung"),))
    assert [one.there for one in compare([more], path).failing] == ["not run"]


def test_what_is_left_out_here_alone(tmp_path: Path) -> None:
    """Nothing fails where nothing is run; it is shown, and is no finding."""
    there = (
        CaseOutcome("test_os.A.good", "passed"),
        CaseOutcome("test_os.A.known", "passed"),
        CaseOutcome("test_os.A.later", "passed"),
        CaseOutcome("test_os.B.of_a_class", "passed"),
        CaseOutcome("test_os.B.never", "skipped"),
    )
    other = ModuleResult("test_os", 1.0, True, False, there)
    path = tmp_path / "check.json"
    path.write_text(SuiteReport("glibc", {}, (other,), (), reference=True).to_json())
    one = SuiteReport("PyPy", {}, (OS,), (), comparison=compare([OS], path))
    assert one.findings == ()
    left_out = json.loads(one.to_json())["left_out_here"]
    assert left_out == [
        {"id": "test_os.A.later", "here": "skipped", "message": "not now"},
        {"id": "test_os.B.of_a_class", "here": "not run", "message": ""},
    ]
    assert "2 tests passed in glibc and were not run here" in one.to_text()
    page = Page()
    page.feed(one.to_html())
    page.close()
    assert page.open == []
    assert "Passed in glibc, skipped or not run here (2)" in page.text
    assert "test_os.B.of_a_class" in page.text


@pytest.mark.parametrize("text", [None, "", "{}", '{"modules": 1}', "[]"])
def test_a_file_that_is_no_report(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "check.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SpecError, match="--against"):
        compare([OS], path)
