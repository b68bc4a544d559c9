"""Check a tarball, independently of the code that builds it: its files, and in a clean Alpine.

A finding is not an error: all checks run, and the report lists all findings.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec import to_builtins

from alpypy.core import apkdb, elf, fields, structs, system
from alpypy.core.code import digest_of_code
from alpypy.core.errors import ArchiveError
from alpypy.core.fields import Date, Record, Sha256, Text
from alpypy.core.files import data_files, file_digest
from alpypy.core.store import digest_of_files, key_of
from alpypy.engine.docker import Engine
from alpypy.engine.workspace import Workspace
from alpypy.recipes import manifest
from alpypy.recipes.manifest import Manifest
from alpypy.recipes.musl import FILE_NAME as MUSL
from alpypy.recipes.musl import load_musl
from alpypy.recipes.spec import alpine_of
from alpypy.verify import findings, fixtures, portable, probes, static
from alpypy.verify.findings import FILE_NAME, Finding, Recorder, load_policy
from alpypy.verify.probes import CONTEXT, CleanAlpine
from alpypy.verify.static import Unpacked


class Report(Record, frozen=True):
    """The result of verify: the findings in the order of the checks, the time that it took in
    seconds, and its end (in UTC, 2025-11-21T14:05:00Z).

    ``alpine`` are the releases that its programs ran on, such as 3.23.2. It is empty in reports of
    older versions of alpypy, and if nothing could be run.
    """

    tarball: Text
    sha256: Sha256
    findings: tuple[Finding, ...]
    checks: int
    seconds: int | float
    date: Date
    alpine: tuple[Text, ...] = ()

    @property
    def failures(self) -> tuple[Finding, ...]:
        """Findings that the policy does not accept."""
        return tuple(finding for finding in self.findings if finding.allowed is None)

    @property
    def exit_code(self) -> int:
        """1 if something is wrong, else 0."""
        return 1 if self.failures else 0

    def to_record(self) -> dict[str, Any]:
        """The report as plain values, for ``from_record``."""
        values: dict[str, Any] = to_builtins(self)
        return values

    @classmethod
    def from_record(cls, record: object) -> Report:
        """Read what ``to_record`` gave.

        Raises:
            MismatchError: it is not a report.
        """
        return structs.convert(record, cls)

    def to_json(self) -> str:
        """The report for programs."""
        return json.dumps({**self.to_record(), "passed": not self.failures}, indent=2)

    def to_text(self) -> str:
        """The report for people: first the failures, then the accepted findings, then a summary."""
        accepted = [finding for finding in self.findings if finding.allowed is not None]
        lines = [f"FAIL  {finding}" for finding in self.failures]
        lines += [f"note  {finding}" for finding in accepted]
        result = "is not fit for use" if self.failures else "is good"
        result += f" on Alpine {', '.join(self.alpine)}" if self.alpine else ""
        lines.append(
            f"{self.tarball} {result}: {self.checks} checks, {len(self.failures)} findings,"
            f" {len(accepted)} accepted, {self.seconds:.0f} s"
        )
        return "\n".join(map(_printable, lines))


def verify(workspace: Workspace, tarball: Path, *base_images: str, timeout: float = 600) -> Report:
    """Check a tarball, and the .sha256 beside it if there is one.

    Args:
        base_images: clean Alpines, as the engine names them: one of the tarball's version. For a
            portable PyPy they can be several, of any versions.
        timeout: the time limit of each container, in seconds.

    Raises:
        ArchiveError: the tarball does not exist.
        DataError: versions/verify.toml or versions/musl.toml is not usable.
        ImageError: the image to verify in could not be built.
        EngineError: the engine refused a container.
        ResourceError: the disk is full.
    """
    require_tarball(tarball)
    started, digest = time.monotonic(), file_digest(tarball)
    recorder = Recorder(load_policy(workspace.data))
    alpine = list[str | None]()
    with tempfile.TemporaryDirectory(prefix="alpypy-verify-") as name:
        scratch = Path(name)
        unpacked = _check_static(workspace.data, tarball, scratch, recorder)
        if unpacked:
            folder = scratch / "fixtures"
            folder.mkdir(mode=0o755)
            fixtures.write(folder)
            for image in base_images:
                place = CleanAlpine(workspace, image, folder, timeout)
                alpine.append(probes.check(place, unpacked, digest, recorder))
    described = unpacked.manifest if unpacked else None
    target, kept = (described.target, described.no_errata) if described else (None, ())
    judged = findings.merged(recorder.policy.judge(recorder.findings, target, kept))
    seconds = time.monotonic() - started
    date = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    ran_on = tuple(filter(None, alpine))
    return Report(tarball.name, digest, judged, recorder.checks, seconds, date, ran_on)


def _check_static(data: Path, tarball: Path, scratch: Path, recorder: Recorder) -> Unpacked | None:
    """Run the checks that run none of the tarball's programs; None if the probes cannot run."""
    static.check_digest(tarball, recorder)
    unpacked = static.unpack(tarball, scratch / "tarball", recorder)
    if unpacked is None or unpacked.manifest is None:
        return None
    if unpacked.manifest.target.portable:
        musl = load_musl(data / "versions", unpacked.manifest.target.arch)
        portable.check(unpacked, unpacked.manifest, musl, recorder)
    return unpacked


def require_tarball(path: Path) -> None:
    """Raise ArchiveError if the tarball does not exist."""
    if not path.is_file():
        raise ArchiveError(f"{path} does not exist", remedy="give the path of a tarball")


def built_on(tarball: Path) -> str | None:
    """The Alpine that a tarball was built on, by its name or, for a portable PyPy, its metadata;
    None if that cannot be read.

    Raises:
        SpecError: it is not the name of a tarball.
    """
    with contextlib.suppress(ArchiveError):  # verify reports it
        return alpine_of(tarball.name) or Manifest.of_tarball(tarball).target.alpine
    return None


def own_alpine(tarball: Path, engine: Engine, version: str) -> str | None:
    """Alpine's own image, if the tarball was built without the kit, whose libraries can have other
    names, or has its libraries inside. None if it needs the kit's or does not say, or if the engine
    neither has such an image nor can pull it."""
    try:
        manifest = Manifest.of_tarball(tarball)
    except ArchiveError:  # verify reports it
        return None
    if manifest.image.kit and not manifest.target.portable:
        return None
    reference = f"alpine:{version}"
    found = engine.image_id(reference) or engine.pull(reference)
    return reference if found else None


def digest_of_checks(data: Path) -> str:
    """The digest of all that decides what verify checks: code, probes and policy.

    Args:
        data: the folder with versions/ and dockerfiles/.
    """
    readers = (fields, structs, apkdb, elf, system, manifest)
    modules = (*readers, findings, fixtures, portable, probes, static)
    code = digest_of_code(Path(__file__), *(Path(module.__file__ or "") for module in modules))
    lists = (data / "versions" / name for name in (FILE_NAME, MUSL))
    return key_of(code=code, files=digest_of_files(*lists, *data_files(data / CONTEXT)))


def _printable(text: str) -> str:
    """The text with control characters, and others that a terminal cannot show, as escapes."""
    return "".join(
        char if char.isprintable() or char in "\n\t" else ascii(char)[1:-1] for char in text
    )
