"""Check a tarball: apart from the builder, from outside and in a clean Alpine, to the last check.

What a check finds is a finding and not an error: the report has all of them.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alpypy.core import apkdb, elf, system
from alpypy.core.errors import ArchiveError
from alpypy.core.files import file_digest
from alpypy.core.folders import ROOT
from alpypy.engine.docker import Engine
from alpypy.recipes import manifest
from alpypy.recipes.manifest import Manifest
from alpypy.recipes.spec import Target
from alpypy.verify import findings
from alpypy.verify import fixtures as materials
from alpypy.verify import probes as verify_inside
from alpypy.verify import static as verify_outside
from alpypy.verify.findings import FILE_NAME, Finding, Ledger, load_policy
from alpypy.verify.probes import Inside

_CONTEXT = ROOT / "dockerfiles/verify"


@dataclass(frozen=True)
class Report:
    """What a verification came to: findings in the order of the checks, its cost in seconds, and
    when it ended (in UTC, 2025-11-21T14:05:00Z)."""

    tarball: str
    sha256: str
    findings: tuple[Finding, ...]
    checks: int
    seconds: float
    date: str

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
        return asdict(self)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Report:
        """The report that ``to_record`` gave."""
        findings = tuple(Finding(**finding) for finding in record["findings"])
        return cls(**{**record, "findings": findings})

    def to_json(self) -> str:
        """The report for programs."""
        return json.dumps({**asdict(self), "passed": not self.failures}, indent=2)

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


def verify(tarball: Path, engine: Engine, *, base_image: str, timeout: float = 600) -> Report:
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
    ledger = Ledger(load_policy(ROOT))
    with tempfile.TemporaryDirectory(prefix="alpypy-verify-") as scratch:
        target = _check(tarball, Path(scratch), digest, engine, base_image, timeout, ledger)
    findings = ledger.policy.judge(ledger.findings, target)
    seconds = time.monotonic() - started
    date = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return Report(tarball.name, digest, findings, ledger.checks, seconds, date)


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


def digest_of_checks() -> str:
    """Digest of all that decides what is checked: code, probes, policy."""
    modules = (apkdb, elf, findings, manifest, materials, system, verify_inside, verify_outside)
    code = (Path(module.__file__ or "") for module in modules)
    probes = (path for path in _CONTEXT.rglob("*") if path.suffix in (".py", ".sh", ""))
    files = [Path(__file__), *code, ROOT / "versions" / FILE_NAME, *probes]
    whole = hashlib.sha256()
    for path in sorted(path for path in files if path.is_file()):
        whole.update(path.read_bytes())
    return whole.hexdigest()


def _printable(text: str) -> str:
    """A text with what a terminal would obey, or cannot show, written as Python writes it."""
    return "".join(one if one.isprintable() or one in "\n\t" else ascii(one)[1:-1] for one in text)


def _check(
    tarball: Path,
    scratch: Path,
    digest: str,
    engine: Engine,
    base_image: str,
    timeout: float,
    ledger: Ledger,
) -> Target | None:
    """Everything from outside, then everything inside; what the tarball says that it is for."""
    verify_outside.check_digest(tarball, ledger)
    unpacked = verify_outside.unpack(tarball, scratch / "tarball", ledger)
    if unpacked is None or unpacked.manifest is None:
        return None
    manifest = unpacked.manifest
    provisions = scratch / "materials"
    provisions.mkdir(mode=0o755)
    materials.write(provisions)
    with verify_inside.image_for(engine, _CONTEXT, base_image, manifest, digest, ledger) as image:
        if image is not None:
            inside = Inside(engine, image, _CONTEXT / "probes", provisions, timeout)
            verify_inside.check(inside, unpacked, manifest, ledger)
    return manifest.target
