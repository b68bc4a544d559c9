"""index.json of a release: every artifact with its records.

It has file names and no addresses: the files are always beside it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from alpypy.core.errors import ArchiveError, DigestError, ReleaseError, SpecError
from alpypy.core.fields import FirstSchema, Record, Sha256, Text, text
from alpypy.core.program import typed
from alpypy.core.structs import convert, read_json, read_toml
from alpypy.recipes.manifest import Manifest
from alpypy.recipes.spec import PypyVersion, Target
from alpypy.verify.run import Report
from alpypy.wheels.record import WheelName, WheelRecord, wheel_name

FILE_NAME = "index.json"
SUMS = "SHA256SUMS"
# Characters that GitHub keeps in file names, and that addresses and shells need not quote.
_FILE = r"[0-9A-Za-z][0-9A-Za-z.+_-]{0,199}"
_PROGRAM = re.compile(r"[0-9A-Za-z.+_/-]{1,200}")
_URL = r"https?://[0-9A-Za-z.\[\]:-]+(/[0-9A-Za-z._~%+:=,/-]*)?"
_LONGEST = 300  # characters of a message about a document that anyone may have written
_DIGITS = re.compile(r"(\d+)", re.ASCII)
_Address = Annotated[str, text(_URL, "an http or https address, without user and query")]
_FileName = Annotated[str, text(_FILE, "the name of a file, of letters, digits and . + _ -")]
_Size = Annotated[int, Meta(ge=0, description="a number of bytes")]
_Number = "(0|[1-9][0-9]{0,2})"
_Python = Annotated[
    str, text(rf"{_Number}\.{_Number}\.{_Number}", "a version of Python such as 3.11.15")
]


class ReleaseSettings(Record, frozen=True):
    """versions/release.toml: where releases are. ``url`` is empty when none is public."""

    url: Annotated[str, text(f"({_URL})?", "an http or https address, or nothing")]
    tag: Annotated[str, text(_FILE, "letters, digits and . + _ -")]


@dataclass(frozen=True)
class ReleasedFile:
    """A file of a release. ``size`` is in bytes."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class ReleasedTarball:
    """A PyPy: verify's report and its build record. ``size`` is in bytes.

    ``python`` is its version of Python in full; ``gzip`` is the same tar as ``.tar.gz``. Releases
    of older versions of alpypy have neither.
    """

    size: int
    verify: Report
    build: Manifest
    python: str | None = None
    gzip: ReleasedFile | None = None

    @property
    def file(self) -> str:
        """Its name."""
        return self.verify.tarball

    @property
    def sha256(self) -> str:
        """Its digest."""
        return self.verify.sha256

    @property
    def files(self) -> tuple[ReleasedFile, ...]:
        """All its files."""
        own = ReleasedFile(self.file, self.size, self.sha256)
        return (own, self.gzip) if self.gzip else (own,)

    @property
    def target(self) -> Target:
        """Its release, Alpine and architecture."""
        return self.build.target

    @property
    def language(self) -> str:
        """Its Python without the last number: ``3.11``."""
        return PypyVersion.parse(self.target.release).language

    @property
    def packages(self) -> tuple[str, ...]:
        """Alpine's packages that it needs."""
        return self.build.runtime_packages

    @property
    def kit(self) -> bool:
        """Whether it was made with the kit for restricted networks, not with Alpine's packages, and
        needs the kit's libraries: a portable one has its own."""
        return self.build.image.kit and not self.target.portable

    @property
    def date(self) -> str:
        """When it was verified, in UTC."""
        return self.verify.date


@dataclass(frozen=True)
class ReleasedWheel:
    """A wheel; ``record`` is that of its build and test. ``size`` is in bytes."""

    file: str
    size: int
    record: WheelRecord
    requires_python: str | None = None

    @property
    def sha256(self) -> str:
        """Its digest."""
        return self.record.sha256

    @property
    def files(self) -> tuple[ReleasedFile, ...]:
        """Its one file."""
        return (ReleasedFile(self.file, self.size, self.sha256),)

    @property
    def name(self) -> WheelName:
        """Its file name in parts."""
        return wheel_name(self.file)

    @property
    def packages(self) -> tuple[str, ...]:
        """Alpine's packages that it needs."""
        return self.record.packages

    @property
    def kit(self) -> bool:
        """Whether its compiled files were made with the kit for restricted networks."""
        return self.record.kit and self.record.kind in ("musllinux", "linux")

    @property
    def date(self) -> str:
        """When its test passed, in UTC."""
        return self.record.date


Artifact = ReleasedTarball | ReleasedWheel


@dataclass(frozen=True)
class ReleaseIndex:
    """A release. ``url`` is the address below which its files are, when that is known."""

    artifacts: tuple[Artifact, ...] = ()
    url: str | None = None

    @classmethod
    def of(cls, artifacts: Sequence[Artifact], url: str | None) -> ReleaseIndex:
        """A release of these artifacts: PyPys first, the newest first, then wheels by name."""
        tarballs = [artifact for artifact in artifacts if isinstance(artifact, ReleasedTarball)]
        wheels = [artifact for artifact in artifacts if isinstance(artifact, ReleasedWheel)]
        tarballs.sort(key=_newness, reverse=True)
        wheels.sort(key=lambda wheel: (wheel.name.project, _natural(wheel.file)))
        return cls((*tarballs, *wheels), url)

    @property
    def tarballs(self) -> tuple[ReleasedTarball, ...]:
        """The PyPys."""
        return tuple(
            artifact for artifact in self.artifacts if isinstance(artifact, ReleasedTarball)
        )

    @property
    def wheels(self) -> tuple[ReleasedWheel, ...]:
        """The wheels."""
        return tuple(artifact for artifact in self.artifacts if isinstance(artifact, ReleasedWheel))

    @property
    def files(self) -> tuple[ReleasedFile, ...]:
        """The files of all artifacts."""
        return tuple(file for artifact in self.artifacts for file in artifact.files)

    def at(self, url: str) -> ReleaseIndex:
        """The same release at another address."""
        return replace(self, url=url)

    def to_json(self) -> str:
        """index.json, the same for the same release."""
        artifacts = [_record(artifact) for artifact in self.artifacts]
        document = {"schema": 1, "url": self.url, "artifacts": artifacts}
        return json.dumps(document, indent=1, ensure_ascii=False) + "\n"

    def sums(self) -> str:
        """SHA256SUMS, as ``sha256sum -c`` reads it."""
        lines = sorted((file.name, file.sha256) for file in self.files)
        return "".join(f"{sha256}  {name}\n" for name, sha256 in lines)


def load_settings(root: Path) -> ReleaseSettings:
    """Read ``root``/versions/release.toml.

    Raises:
        DataError: a field is missing, unknown or invalid.
    """
    return read_toml(root / "versions/release.toml", ReleaseSettings)


def public_address(url: str) -> str:
    """An address that may stand in a page and in commands; a slash at its end is dropped.

    Raises:
        SpecError: it is not an address, or has a user, a query or a character that a shell reads.
    """
    if not re.fullmatch(_URL, url):
        raise SpecError(
            f"{url!r} cannot be the address of a release",
            remedy="write it like https://pypy.example.org/alpine, without user and query",
        )
    return url.rstrip("/")


def check_name(file: str) -> None:
    """Raise ReleaseError if a file cannot be released under its name."""
    if not re.fullmatch(_FILE, file):
        raise ReleaseError(
            f"a file of a release cannot be called {file!r}",
            remedy="use only letters, digits and . + _ - in the name: GitHub replaces others",
        )


def never_replaced(*taken: tuple[str, str, str]) -> DigestError:
    """The error for files, each as its name, its published SHA-256, and its SHA-256 here."""
    lines = [
        f"{file}: published with SHA-256 {there}, here with {here}" for file, there, here in taken
    ]
    return DigestError(
        "\n    ".join(["alpypy never replaces a published file, and these differ:", *lines]),
        remedy=f"move your file out of artifacts/, run `{typed('release')}` and publish again; the"
        " published file stays. Give a new PyPy another version (--release-version), and a new"
        " wheel another version or build tag",
    )


class _Document(Struct, frozen=True):
    """The document, before its artifacts are read."""

    schema: FirstSchema
    url: _Address | None
    artifacts: tuple[dict[str, Any], ...]


class _Kind(Struct, frozen=True):
    """The field that says what an artifact is."""

    kind: Literal["tarball", "wheel"]


class _Digests(Struct, frozen=True):
    """The digests of a file."""

    sha256: Sha256


class _GzipEntry(Struct, frozen=True):
    """The fields of a .tar.gz that are read; its name must follow from the tarball's."""

    size: _Size
    digests: _Digests


class _TarballEntry(Struct, frozen=True):
    """The fields of a tarball that are read; all others must follow from them."""

    size: _Size
    verify: dict[str, Any]
    build: dict[str, Any]
    python: _Python | None = None
    gzip: _GzipEntry | None = None


class _WheelEntry(Struct, frozen=True):
    """The fields of a wheel that are read; all others must follow from them."""

    file: _FileName
    size: _Size
    build: WheelRecord
    requires_python: Text | None = None


def parse(content: str | bytes, where: str) -> ReleaseIndex:
    """Read index.json; ``where`` is what messages call it.

    Raises:
        ReleaseError: it is not JSON, or a field is missing, invalid or contradicts others.
    """
    try:
        document = convert(read_json(content), _Document)
        artifacts = [_artifact(entry, n) for n, entry in enumerate(document.artifacts)]
        names = [file.name for artifact in artifacts for file in artifact.files]
        if len(set(names)) < len(names):
            raise ValueError("two files have the same name")
    except ValueError as error:
        raise ReleaseError(
            f"{where} is not the index of a release: {str(error)[:_LONGEST]}",
            remedy=f"check the address or the folder: `{typed('release')}` makes the index",
        ) from error
    return ReleaseIndex.of(artifacts, document.url and document.url.rstrip("/"))


def _artifact(entry: Mapping[str, Any], number: int) -> Artifact:
    where = f"artifacts[{number}]"
    kind = convert(entry, _Kind, "artifacts", number).kind
    artifact = _tarball(entry, number) if kind == "tarball" else _wheel(entry, number)
    if problem := _contradiction(artifact):
        raise ValueError(f"{where}: {problem}")
    if _record(artifact) != entry:
        raise ValueError(
            f"{where} ({artifact.file}) has fields that are unknown or contradict each other"
        )
    return artifact


def _tarball(entry: Mapping[str, Any], number: int) -> ReleasedTarball:
    read = convert(entry, _TarballEntry, "artifacts", number)
    said = {name: value for name, value in read.verify.items() if name != "passed"}
    report = convert(said, Report, "artifacts", number, "verify")
    try:
        build = Manifest.from_values(read.build)
    except ValueError as error:
        raise ValueError(f"artifacts[{number}].build: {error}") from error
    tarball = ReleasedTarball(read.size, report, build, read.python)
    if read.gzip is None:
        return tarball
    name, sha256 = build.target.gzip_tarball, read.gzip.digests.sha256
    return replace(tarball, gzip=ReleasedFile(name, read.gzip.size, sha256))


def _wheel(entry: Mapping[str, Any], number: int) -> ReleasedWheel:
    read = convert(entry, _WheelEntry, "artifacts", number)
    return ReleasedWheel(read.file, read.size, read.build, read.requires_python)


def _contradiction(artifact: Artifact) -> str | None:
    """What is wrong with values that are valid alone, but not together."""
    if not re.fullmatch(_FILE, artifact.file):
        return f"a file cannot be called {artifact.file!r}"
    if isinstance(artifact, ReleasedWheel):
        try:
            wheel_name(artifact.file)
        except ArchiveError as error:
            return error.what
        return None
    if artifact.build.kind != "pypy":
        return f"{artifact.file} is not a PyPy"
    if artifact.file != artifact.target.tarball:
        return f"a tarball of {artifact.target.folder} is not called {artifact.file}"
    if artifact.verify.failures:
        return f"{artifact.file} did not pass verify"
    if artifact.python and not artifact.python.startswith(f"{artifact.language}."):
        return f"{artifact.file} has no Python {artifact.python}"
    for name in artifact.build.executables:
        if not _PROGRAM.fullmatch(name):
            return f"a program cannot have the path {name!r}"
    return None


def _record(artifact: Artifact) -> dict[str, Any]:
    """An artifact's entry in the document."""
    record = {
        "kind": "tarball" if isinstance(artifact, ReleasedTarball) else "wheel",
        **_file(artifact.files[0]),
        "date": artifact.date,
        "target": _target(artifact),
        "packages": list(artifact.packages),
    }
    if isinstance(artifact, ReleasedTarball):
        passed = {"passed": not artifact.verify.failures}
        build = json.loads(artifact.build.to_json())
        added = {
            **({"python": artifact.python} if artifact.python else {}),
            **({"gzip": _file(artifact.gzip)} if artifact.gzip else {}),
        }
        return {**record, **added, "verify": passed | _values(artifact.verify), "build": build}
    name = artifact.name
    return {
        **record,
        "project": name.project,
        "version": name.version,
        "requires_python": artifact.requires_python,
        "verify": {"passed": True, "date": artifact.date},
        "build": _values(artifact.record),
    }


def _file(file: ReleasedFile) -> dict[str, Any]:
    return {"file": file.name, "size": file.size, "digests": {"sha256": file.sha256}}


def _values(record: Record) -> dict[str, Any]:
    """A struct as it is read from JSON, with lists and no tuples."""
    values: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(record))
    return values


def _target(artifact: Artifact) -> dict[str, Any]:
    if isinstance(artifact, ReleasedTarball):
        target = artifact.target
        portable = {"portable": True} if target.portable else {}
        names = {"release": target.release, "version": target.version}
        return {**names, "alpine": target.alpine, "arch": target.arch, **portable}
    record = artifact.record
    return {
        "interpreter": record.interpreter,
        "alpine": record.alpine,
        "arch": artifact.name.arch,
        "tags": [str(tag) for tag in artifact.name.tags],
    }


def _newness(tarball: ReleasedTarball) -> tuple[Any, ...]:
    target = tarball.target
    return (
        PypyVersion.parse(target.release).sort_key,
        _natural(target.version),
        target.portable,
        _natural(target.alpine),
        target.arch == "x86_64",
        target.arch,
    )


def _natural(text: str) -> list[tuple[int, str]]:
    """Numbers in a text count as numbers: 3.9 comes before 3.23."""
    return [(int(part) if part.isdigit() else -1, part) for part in _DIGITS.split(text)]
