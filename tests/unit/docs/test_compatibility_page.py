"""docs/compatibility.md says what the results say."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import structs

from alpypy.core.errors import DataError
from scripts.compatibility_page import (
    LIST,
    PAGE,
    RESULTS,
    Result,
    Results,
    Run,
    page,
    read_results,
    top_packages,
)
from tests.pages import ROOT

RUN = Run("pypy3.11-8.0.0", "3.24", "x86_64", portable=False, kit=True, pip="24.0")
DAY = "2026-12-01"
NO_RUST = "Rust not found, installing into a temporary directory"
FOUND = (
    Result("six", "pure", DAY, "1.17.0"),
    Result("lxml", "source", DAY, "6.1.3", compiled=True, apk=("libxml2-dev", "xz-dev")),
    Result("aiohttp", "source", DAY, "3.14.5", built=("multidict", "yarl")),
    Result("cffi", "bundled", DAY, "2.0.0"),
    Result("rpds-py", "refused", "2026-12-02", "1.0", error=NO_RUST),
    Result("jsonschema", "refused", DAY, "2.0", failed="rpds-py", error=NO_RUST),
    Result("odd", "broken", DAY, "3.0", error="odd: ImportError: no"),
)
NAMES = [result.package for result in FOUND]
RESULTS_OF = Results(RUN, {result.package: result for result in FOUND})


def test_the_page_is_that_of_the_results() -> None:
    results = read_results(ROOT / RESULTS)
    assert results is not None
    text = page(results, top_packages(ROOT / LIST))
    assert (ROOT / PAGE).read_text(encoding="utf-8") == text, "write it again: nox -s docs"


def test_every_package_of_the_list_has_a_result() -> None:
    results, packages = read_results(ROOT / RESULTS), top_packages(ROOT / LIST)
    assert results is not None
    assert [*results.of] == [*packages]
    assert len(packages) == 100


def test_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    assert read_results(path) is None
    RESULTS_OF.write(path, NAMES)
    assert read_results(path) == RESULTS_OF
    assert len(path.read_text().splitlines()) == 1 + len(FOUND)
    path.write_text(path.read_text().replace("bundled", "bound"))
    with pytest.raises(DataError, match="bound"):
        read_results(path)


def test_what_the_page_says() -> None:
    text = page(RESULTS_OF, NAMES)
    words = " ".join(text.split())
    assert text.startswith("# What works on it\n\n7 of the packages ")
    assert "on PyPy 3.11-8.0.0 and Alpine 3.24 (x86_64), from 2026-12-01 to 2026-12-02." in words
    assert "| installed from a wheel without compiled code | 1 |" in text
    assert "| not installed | 2 |" in text
    rows = [line for line in text.splitlines() if line.startswith("| ")][-len(FOUND) :]
    assert rows == [
        "| six | 1.17.0 | wheel | |",
        "| lxml | 6.1.3 | built from source | compiled; needs libxml2-dev, xz-dev |",
        "| aiohttp | 3.14.5 | built from source | without compiled code; pip also builds"
        " multidict, yarl |",
        "| cffi | 2.0.0 | part of PyPy | |",
        "| rpds-py | 1.0 | **not installed** | |",
        "| jsonschema | 2.0 | **not installed** | needs rpds-py |",
        "| odd | 3.0 | **cannot be imported** | |",
    ]


def test_failures_are_grouped_by_their_reason() -> None:
    failures = page(RESULTS_OF, NAMES).partition("## What does not work")[2]
    assert "They are written in Rust" in failures
    assert "\n\n- rpds-py 1.0\n- jsonschema 2.0: it needs rpds-py\n\n" in failures
    assert "\n\n    odd: ImportError: no\n\n- odd 3.0\n\n" in failures


def test_a_portable_pypy_and_one_without_the_kit() -> None:
    run = structs.replace(RUN, arch="aarch64", portable=True, kit=False)
    text = page(Results(run, RESULTS_OF.of), NAMES)
    words = text.replace("\n", " ")
    assert "PyPy 3.11-8.0.0, [portable](portable.md), and Alpine 3.24 (aarch64)" in words
    assert "--alpine 3.24 --portable\n" in text
    assert "restricted-networks.md" not in text
