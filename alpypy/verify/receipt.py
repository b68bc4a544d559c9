"""Receipts: verify's report of a tarball, in a file beside it. Users get only verified tarballs."""

from __future__ import annotations

from pathlib import Path

from alpypy.core.errors import UnverifiedError
from alpypy.core.files import file_digest, whole_file
from alpypy.core.program import typed
from alpypy.core.structs import read_json
from alpypy.verify.run import Report, require_tarball


def path_of(tarball: Path) -> Path:
    """The path of a tarball's receipt: ``<tarball>.verify.json``."""
    return tarball.with_name(f"{tarball.name}.verify.json")


def keep(tarball: Path, report: Report) -> None:
    """Write the receipt of a tarball that passed; remove it if the tarball failed."""
    if report.failures:
        path_of(tarball).unlink(missing_ok=True)
        return
    with whole_file(path_of(tarball)) as temporary:
        temporary.write_text(report.to_json() + "\n", encoding="utf-8")


def require(tarball: Path) -> Report:
    """Read the receipt of a tarball, and check that it passed and has not changed since.

    Raises:
        ArchiveError: the tarball does not exist.
        UnverifiedError: it was never verified, has changed since, or failed.
    """
    require_tarball(tarball)
    report = _read(tarball)
    if report.failures:
        raise _unverified(tarball, "did not pass verify")
    if report.sha256 != file_digest(tarball):
        raise _unverified(tarball, "is not the file that was verified")
    return report


def _read(tarball: Path) -> Report:
    try:
        record = read_json(path_of(tarball).read_bytes())
        del record["passed"]  # follows from the findings
        return Report.from_record(record)
    except FileNotFoundError as error:
        raise _unverified(tarball, "has not been verified") from error
    except (ValueError, KeyError, TypeError) as error:
        raise _unverified(tarball, f"has a report that cannot be read: {error!r}") from error


def _unverified(tarball: Path, what: str) -> UnverifiedError:
    return UnverifiedError(f"{tarball} {what}", remedy=f"{typed('verify')} {tarball}")
