"""index.json of a release: every artifact with all that is known of it.

It names files and no addresses: each file is beside it, wherever both are served from.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from alpypy.core.errors import ArchiveError, DigestError, ReleaseError, SpecError
from alpypy.core.tables import read_table
from alpypy.recipes.manifest import Manifest, from_values, to_values
from alpypy.recipes.spec import PypyVersion, Target
from alpypy.verify.run import Report
from alpypy.wheels import record as wheel_record
from alpypy.wheels.record import DATE, WheelName, WheelRecord, wheel_name

FILE_NAME = "index.json"
SUMS = "SHA256SUMS"
SCHEMA = 1
# What GitHub keeps as it is in the name of a file, and what no address or shell takes for more.
_FILE = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+_-]{0,199}", re.ASCII)
_PROGRAM = re.compile(r"[0-9A-Za-z.+_/-]{1,200}", re.ASCII)
_URL = re.compile(r"https?://[0-9A-Za-z.\[\]:-]+(/[0-9A-Za-z._~%+:=,/-]*)?", re.ASCII)
_DIGITS = re.compile(r"(\d+)", re.ASCII)


@dataclass(frozen=True)
class Settings:
    """versions/release.toml: where releases are. ``url`` is empty when none is public."""

    url: str
    tag: str


@dataclass(frozen=True)
class Tarball:
    """A PyPy: what verify said of it, and its build record. ``size`` is in bytes."""

    size: int
    verify: Report
    build: Manifest

    @property
    def file(self) -> str:
        """Its name."""
        return self.verify.tarball

    @property
    def sha256(self) -> str:
        """Its digest."""
        return self.verify.sha256

    @property
    def target(self) -> Target:
        """What it is a PyPy of."""
        return self.build.target

    @property
    def packages(self) -> tuple[str, ...]:
        """Alpine's packages that it needs."""
        return self.build.runtime_packages

    @property
    def kit(self) -> bool:
        """Whether it was made with the kit for restricted networks, and not with Alpine's own."""
        return self.build.image.kit

    @property
    def date(self) -> str:
        """When it was verified, in UTC."""
        return self.verify.date


@dataclass(frozen=True)
class Wheel:
    """A wheel; ``record`` says with what it passed its test. ``size`` is in bytes."""

    file: str
    size: int
    record: WheelRecord
    requires_python: str | None = None

    @property
    def sha256(self) -> str:
        """Its digest."""
        return self.record.sha256

    @property
    def name(self) -> WheelName:
        """What its name says."""
        return wheel_name(self.file)

    @property
    def packages(self) -> tuple[str, ...]:
        """Alpine's packages that it needs."""
        return self.record.packages

    @property
    def kit(self) -> bool:
        """Whether what is compiled in it was made with the kit for restricted networks."""
        return self.record.kit and self.record.kind in ("musllinux", "linux")

    @property
    def date(self) -> str:
        """When its test passed, in UTC."""
        return self.record.date


Artifact = Tarball | Wheel


@dataclass(frozen=True)
class Index:
    """A release. ``url`` is the address below which its files are, when that is known."""

    artifacts: tuple[Artifact, ...] = ()
    url: str | None = None

    @classmethod
    def of(cls, artifacts: Sequence[Artifact], url: str | None) -> Index:
        """A release of these artifacts: PyPys first, the newest first, then wheels by name."""
        tarballs = sorted(
            (one for one in artifacts if isinstance(one, Tarball)), key=_newness, reverse=True
        )
        wheels = sorted(
            (one for one in artifacts if isinstance(one, Wheel)),
            key=lambda one: (one.name.project, _natural(one.file)),
        )
        return cls((*tarballs, *wheels), url)

    @property
    def tarballs(self) -> tuple[Tarball, ...]:
        """The PyPys."""
        return tuple(one for one in self.artifacts if isinstance(one, Tarball))

    @property
    def wheels(self) -> tuple[Wheel, ...]:
        """The wheels."""
        return tuple(one for one in self.artifacts if isinstance(one, Wheel))

    def at(self, url: str) -> Index:
        """The same release at another address."""
        return replace(self, url=url)

    def to_json(self) -> str:
        """index.json, the same for the same release."""
        artifacts = [_record(one) for one in self.artifacts]
        document = {"schema": SCHEMA, "url": self.url, "artifacts": artifacts}
        return json.dumps(document, indent=1, ensure_ascii=False) + "\n"

    def sums(self) -> str:
        """SHA256SUMS, as ``sha256sum -c`` reads it."""
        lines = sorted((one.file, one.sha256) for one in self.artifacts)
        return "".join(f"{sha256}  {file}\n" for file, sha256 in lines)


def load_settings(root: Path) -> Settings:
    """Read ``root``/versions/release.toml.

    Raises:
        DataError: a field is missing, unknown or of another form.
    """
    file = read_table(root, "release.toml")
    file.allow("url", "tag")
    url, tag = file.text("url"), file.text("tag")
    if url and not _URL.fullmatch(url):
        raise file.error(f"url is {url!r}", "write an http or https address, or leave it empty")
    if not _FILE.fullmatch(tag):
        raise file.error(f"tag is {tag!r}", "write letters, digits and . + _ -")
    return Settings(url, tag)


def public_address(url: str) -> str:
    """An address that may stand in a page and in commands; a slash at its end is dropped.

    Raises:
        SpecError: it is none, or has a user, a query or a character that a shell would take.
    """
    if not _URL.fullmatch(url):
        raise SpecError(
            f"{url!r} is no address for a release",
            remedy="write it as https://pypy.example.org/alpine, without user and query",
        )
    return url.rstrip("/")


def check_name(file: str) -> None:
    """Raise ReleaseError when a file cannot be handed out under its name."""
    if not _FILE.fullmatch(file):
        raise ReleaseError(
            f"{file!r} cannot be the name of a file of a release",
            remedy="use letters, digits and . + _ - only: GitHub would change other ones",
        )


def never_replaced(*taken: tuple[str, str, str]) -> DigestError:
    """The error for published files, each by its name, its SHA-256 there, and the other one's."""
    lines = [
        f"{file}: published with SHA-256 {there}, here with {here}" for file, there, here in taken
    ]
    return DigestError(
        "\n    ".join(["a published file is never replaced by another:", *lines]),
        remedy="move yours out of artifacts/, invoke release, and publish again: what is published"
        " stays. A new PyPy needs another version (--release-version), a new wheel another version"
        " or build tag in its name",
    )


def parse(text: str | bytes, where: str) -> Index:
    """Read index.json; ``where`` is what messages call it.

    Raises:
        ReleaseError: it is not JSON, or a field is missing, of another form or contradicts others;
            the message has every complaint.
    """
    problems: list[str] = []
    index = _parse(text, problems)
    if index is None or problems:
        shown = "".join(f"\n    {problem[:200]}" for problem in problems[:20])
        raise ReleaseError(
            f"{where} is not the index of a release:{shown}",
            remedy="check the address or the folder; `invoke release` writes such an index",
        )
    return index


def _parse(text: str | bytes, problems: list[str]) -> Index | None:
    try:
        document = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        problems.append(f"it is not JSON: {error}")
        return None
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        problems.append(f"it is no object with schema {SCHEMA}, which this alpypy reads")
        return None
    url, entries = document.get("url"), document.get("artifacts")
    if url is not None and not (isinstance(url, str) and _URL.fullmatch(url)):
        problems.append(f"url is {url!r}, not an address")
    if not isinstance(entries, list):
        problems.append("artifacts is not a list")
        return None
    found = [_artifact(one, f"artifacts[{n}]", problems) for n, one in enumerate(entries)]
    artifacts = [one for one in found if one is not None]
    if len({one.file for one in artifacts}) < len(artifacts):
        problems.append("two artifacts have the same name")
    return Index.of(artifacts, url and url.rstrip("/")) if not problems else None


def _no_number(name: str) -> None:
    """NaN and the infinities are no JSON, and equal nothing."""
    raise ValueError(f"{name} is no number")


def _artifact(entry: object, where: str, problems: list[str]) -> Artifact | None:
    if not isinstance(entry, dict):
        problems.append(f"{where} is {entry!r}, not an object")
        return None
    before = len(problems)
    kinds = {"tarball": _tarball, "wheel": _wheel}
    kind = kinds.get(str(entry.get("kind")))
    if kind is None:
        problems.append(f"{where}.kind is {entry.get('kind')!r}, not tarball or wheel")
        return None
    artifact = kind(entry, where, problems)
    if artifact is None or len(problems) > before:
        return None
    problems += [f"{where}: {complaint}" for complaint in _contradictions(artifact)]
    if len(problems) == before and _record(artifact) != entry:
        problems.append(f"{where} ({artifact.file}) has fields that are unknown or contradict")
    return artifact if len(problems) == before else None


def _tarball(entry: Mapping[str, Any], where: str, problems: list[str]) -> Tarball | None:
    said = entry.get("verify")
    if isinstance(said, dict):
        said = {name: value for name, value in said.items() if name != "passed"}
    report: Report | None = from_values(Report, said, f"{where}.verify", problems)
    try:
        build = Manifest.from_json(json.dumps(entry.get("build")))
    except ArchiveError as error:
        problems.append(f"{where}.build: {error.what}")
        return None
    size = _size(entry, where, problems)
    return Tarball(size, report, build) if report else None


def _wheel(entry: Mapping[str, Any], where: str, problems: list[str]) -> Wheel | None:
    values = {
        "file": entry.get("file"),
        "size": _size(entry, where, problems),
        "record": entry.get("build"),
        "requires_python": entry.get("requires_python"),
    }
    given = {name: value for name, value in values.items() if value is not None}
    wheel: Wheel | None = from_values(Wheel, given, where, problems)
    return wheel


def _size(entry: Mapping[str, Any], where: str, problems: list[str]) -> int:
    size = entry.get("size")
    if type(size) is int and size >= 0:
        return size
    problems.append(f"{where}.size is {size!r}, not a number of bytes")
    return 0


def _contradictions(artifact: Artifact) -> list[str]:
    if not _FILE.fullmatch(artifact.file):
        return [f"{artifact.file!r} cannot be the name of its file"]
    if isinstance(artifact, Wheel):
        return _wheel_contradictions(artifact)
    found = []
    if artifact.build.kind != "pypy":
        found.append(f"{artifact.file} is no PyPy")
    if artifact.file != artifact.target.tarball:
        found.append(f"{artifact.file} is not the name of a tarball of {artifact.target.folder}")
    if artifact.verify.failures:
        found.append(f"{artifact.file} has not passed verify")
    found += [
        f"{name!r} cannot be the path of a program"
        for name in artifact.build.executables
        if not _PROGRAM.fullmatch(name)
    ]
    if not DATE.fullmatch(artifact.date):
        found.append(f"its date is {artifact.date!r}, not as 2025-11-21T14:05:00Z")
    return found


def _wheel_contradictions(wheel: Wheel) -> list[str]:
    try:
        wheel_name(wheel.file)
    except ArchiveError as error:
        return [error.what]
    return wheel_record.complaints(wheel.record)


def _record(artifact: Artifact) -> dict[str, Any]:
    """An artifact as it stands in the document."""
    record = {
        "kind": "tarball" if isinstance(artifact, Tarball) else "wheel",
        "file": artifact.file,
        "size": artifact.size,
        "digests": {"sha256": artifact.sha256},
        "date": artifact.date,
        "target": _target(artifact),
        "packages": list(artifact.packages),
    }
    if isinstance(artifact, Tarball):
        passed = {"passed": not artifact.verify.failures}
        build = json.loads(artifact.build.to_json())
        return {**record, "verify": passed | to_values(artifact.verify), "build": build}
    name = artifact.name
    return {
        **record,
        "project": name.project,
        "version": name.version,
        "requires_python": artifact.requires_python,
        "verify": {"passed": True, "date": artifact.date},
        "build": to_values(artifact.record),
    }


def _target(artifact: Artifact) -> dict[str, Any]:
    if isinstance(artifact, Tarball):
        target = artifact.target
        names = {"release": target.release, "version": target.version}
        return {**names, "alpine": target.alpine, "arch": target.arch}
    record = artifact.record
    return {
        "interpreter": record.interpreter,
        "alpine": record.alpine,
        "arch": artifact.name.arch,
        "tags": [str(tag) for tag in artifact.name.tags],
    }


def _newness(tarball: Tarball) -> tuple[Any, ...]:
    target = tarball.target
    return (
        PypyVersion.parse(target.release).sort_key,
        _natural(target.version),
        _natural(target.alpine),
        target.arch == "x86_64",
        target.arch,
    )


def _natural(text: str) -> list[tuple[int, str]]:
    """Numbers in a text count as numbers: 3.9 comes before 3.23."""
    return [(int(part) if part.isdigit() else -1, part) for part in _DIGITS.split(text)]
