"""Only the bytes that verify has passed count as verified."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from alpypy.core.errors import ArchiveError, UnverifiedError
from alpypy.core.files import file_digest
from alpypy.verify import receipt
from alpypy.verify.findings import Finding
from alpypy.verify.run import Report

ACCEPTED = Finding("run.probe", "threads", "deep", allowed="musl")
FAILED = Finding("run.probe", "ssl", "no handshake")


@pytest.fixture
def tarball(tmp_path: Path) -> Path:
    path = tmp_path / "pypy-3.11-7.3.22-alpine3.23.tar.bz2"
    path.write_bytes(b"whole")
    return path


def report(tarball: Path, *findings: Finding) -> Report:
    return Report(tarball.name, file_digest(tarball), findings, 12, 3.5, "2025-11-21T14:05:00Z")


def test_what_is_kept_is_given_back(tarball: Path) -> None:
    passed = report(tarball, ACCEPTED)
    receipt.keep(tarball, passed)
    assert receipt.require(tarball) == passed
    assert json.loads(receipt.path_of(tarball).read_text())["passed"] is True


def test_a_tarball_that_fails_later_is_no_longer_verified(tarball: Path) -> None:
    receipt.keep(tarball, report(tarball))
    receipt.keep(tarball, report(tarball, FAILED))
    with pytest.raises(UnverifiedError, match="has not been verified") as caught:
        receipt.require(tarball)
    assert caught.value.remedy == f"invoke verify {tarball}"


def test_other_bytes_under_the_name_are_not_verified(tarball: Path) -> None:
    receipt.keep(tarball, report(tarball))
    tarball.write_bytes(b"other")
    with pytest.raises(UnverifiedError, match="is not the file that was verified"):
        receipt.require(tarball)


def test_a_report_with_a_failure_is_refused_wherever_it_came_from(tarball: Path) -> None:
    receipt.path_of(tarball).write_text(report(tarball, FAILED).to_json())
    with pytest.raises(UnverifiedError, match="did not pass verify"):
        receipt.require(tarball)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"passed": true, "tarball": "a"}'])
def test_a_damaged_report_is_none(tarball: Path, text: str) -> None:
    receipt.path_of(tarball).write_text(text)
    with pytest.raises(UnverifiedError, match="has a report that cannot be read"):
        receipt.require(tarball)


def test_a_tarball_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="does not exist"):
        receipt.require(tmp_path / "none.tar.bz2")
