"""Check a tarball: apart from the builder, from outside and in a clean Alpine, to the last check.

What a check finds is a finding and not an error: the report has all of them.
"""

from __future__ import annotations

import json
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec import to_builtins

from alpypy.core import apkdb, elf, fields, structs, system
from alpypy.core.errors import ArchiveError
from alpypy.core.fields import Date, Record, Sha256, Text
from alpypy.core.files import file_digest
from alpypy.core.store import digest_of_files
from alpypy.engine.docker import Engine
from alpypy.engine.workspace import Workspace
from alpypy.recipes import manifest
from alpypy.recipes.manifest import Manifest
from alpypy.verify import findings, fixtures, probes, static
from alpypy.verify.findings import FILE_NAME, Finding, Ledger, load_policy
from alpypy.verify.probes import CONTEXT, CleanAlpine
from alpypy.verify.static import Unpacked


class Report(Record, frozen=True):
    """What a verification came to: findings in the order of the checks, its cost in seconds, and
    when it ended (in UTC, 2025-11-21T14:05:00Z)."""

    tarball: Text
    sha256: Sha256
    findings: tuple[Finding, ...]
    checks: int
    seconds: int | float
    date: Date

    @property
    def failures(self) -> tuple[Finding, ...]:
        """Findings that the policy does not accept."""
        return tuple(finding for finding in self.findings if finding.allowed is None)

    @property
    def exit_code(self) -> int:
        """1 when something is wrong, else 0."""
        return 1 if self.failures else 0

    def to_record(self) -> dict[str, Any]:
        """The report as plain values, for ``from_record``."""
        values: dict[str, Any] = to_builtins(self)
        return values

    @classmethod
    def from_record(cls, record: object) -> Report:
        """The report that ``to_record`` gave.

        Raises:
            MismatchError: it is another one's.
        """
        return structs.convert(record, cls)

    def to_json(self) -> str:
        """The report for programs."""
        return json.dumps({**self.to_record(), "passed": not self.failures}, indent=2)

    def to_text(self) -> str:
        """The report for people: what is wrong first, then what is accepted, then the sum."""
        accepted = [finding for finding in self.findings if finding.allowed is not None]
        lines = [f"FAIL  {finding}" for finding in self.failures]
        lines += [f"note  {finding}" for finding in accepted]
        verdict = "is not fit for use" if self.failures else "is good"
        lines.append(
            f"{self.tarball} {verdict}: {self.checks} checks, {len(self.failures)} findings,"
            f" {len(accepted)} accepted, {self.seconds:.0f} s"
        )
        return "\n".join(map(_printable, lines))


def verify(workspace: Workspace, tarball: Path, base_image: str, *, timeout: float = 600) -> Report:
    """Check a tarball, and the .sha256 beside it when there is one.

    Args:
        base_image: a clean Alpine of the tarball's version, as the engine names it.
        timeout: seconds that each container of the checks may take.

    Raises:
        ArchiveError: there is no such file.
        DataError: versions/verify.toml is not usable.
        ImageError: the image to verify in could not be built.
        EngineError: the engine refused a container.
        ResourceError: the disk is full.
    """
    require_tarball(tarball)
    started, digest = time.monotonic(), file_digest(tarball)
    ledger = Ledger(load_policy(workspace.data))
    with tempfile.TemporaryDirectory(prefix="alpypy-verify-") as name:
        scratch = Path(name)
        unpacked = _check_outside(tarball, scratch, ledger)
        if unpacked:
            provisions = scratch / "materials"
            provisions.mkdir(mode=0o755)
            fixtures.write(provisions)
            place = CleanAlpine(workspace, base_image, provisions, timeout)
            probes.check(place, unpacked, digest, ledger)
    target = unpacked.manifest.target if unpacked and unpacked.manifest else None
    judged = ledger.policy.judge(ledger.findings, target)
    seconds = time.monotonic() - started
    date = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return Report(tarball.name, digest, judged, ledger.checks, seconds, date)


def _check_outside(tarball: Path, scratch: Path, ledger: Ledger) -> Unpacked | None:
    """Check what can be seen without running anything; None when nothing can be run."""
    static.check_digest(tarball, ledger)
    unpacked = static.unpack(tarball, scratch / "tarball", ledger)
    return unpacked if unpacked and unpacked.manifest else None


def require_tarball(path: Path) -> None:
    """Raise ArchiveError when there is no file to check."""
    if not path.is_file():
        raise ArchiveError(f"{path} does not exist", remedy="give the path of a tarball")


def own_alpine(tarball: Path, engine: Engine, version: str) -> str | None:
    """Alpine's own image for a tarball that was made without the kit, whose libraries can have
    other names; None when it was made with it or does not say, or no such image is in reach."""
    try:
        if Manifest.of_tarball(tarball).image.kit:
            return None
    except ArchiveError:  # verify finds it, and more
        return None
    reference = f"alpine:{version}"
    found = engine.image_id(reference) or engine.pull(reference)
    return reference if found else None


def digest_of_checks(data: Path) -> str:
    """Digest of all that decides what is checked: code, probes, policy.

    Args:
        data: the folder with versions/ and dockerfiles/.
    """
    readers = (fields, structs, apkdb, elf, system, manifest)
    modules = (*readers, findings, fixtures, probes, static)
    inside = [path for path in (data / CONTEXT).rglob("*") if path.suffix in (".py", ".sh", "")]
    policy = data / "versions" / FILE_NAME
    files = [__file__, *(module.__file__ for module in modules), policy, *inside]
    return digest_of_files(*(Path(file) for file in files if file and Path(file).is_file()))


def _printable(text: str) -> str:
    """A text with what a terminal would obey, or cannot show, written as Python writes it."""
    return "".join(one if one.isprintable() or one in "\n\t" else ascii(one)[1:-1] for one in text)
