"""ALPYPY.json, which every tarball carries: what it is, what it was made of, what it needs.

Written when packaging, read when verifying and publishing. Fields are checked when it is read, and
every complaint is collected.
"""

from __future__ import annotations

import dataclasses
import json
import re
import tarfile
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal, get_args, get_origin, get_type_hints

from alpypy.core.errors import ArchiveError, SpecError
from alpypy.recipes.spec import PypyVersion, Target

FILE_NAME = "ALPYPY.json"
SCHEMA = 1
# tarfile reports damage by whatever it stumbles over: numbers that are none or too big, headers
# of headers without end, links to what is not there.
BROKEN = (
    ArithmeticError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
    tarfile.TarError,
)
_SHA256 = re.compile(r"[0-9a-f]{64}")
# Such names are words of a shell's command when verifying: none may be an option or a second word.
PACKAGE = re.compile(r"[0-9A-Za-z_][0-9A-Za-z_.+-]*", re.ASCII)
# A NUL, or half of a character beyond 16 bits: neither can be in a path or an argument.
_NO_TEXT = re.compile(r"[\0\ud800-\udfff]")
_KINDS = {int: "a whole number", bool: "true or false"}


@dataclass(frozen=True)
class Origin:
    """Where the source came from: the release's address, or a path of the user's own."""

    sha256: str
    verified: bool
    url: str | None = None
    path: str | None = None


@dataclass(frozen=True)
class AppliedPatch:
    """A patch and the digest of its diff."""

    name: str
    sha256: str


@dataclass(frozen=True)
class BuildImage:
    """The image that translated: its ID, the base it was made from, whether that was a kit's."""

    id: str
    base: str
    base_id: str
    kit: bool


@dataclass(frozen=True)
class Translator:
    """The interpreter that translated, and the digest of what it was made of."""

    name: str
    sha256: str


@dataclass(frozen=True)
class PhaseCost:
    """What one phase of the build took."""

    name: str
    seconds: float
    peak_memory_mib: int


@dataclass(frozen=True)
class Need:
    """A library of the system that the executables or modules need, and Alpine's package of it."""

    soname: str
    package: str


@dataclass(frozen=True)
class ProgramCheck:
    """A command that shows that a program works, run in the top folder.

    The first word is a program's path below the top folder. ``expect`` is a regular expression
    searched in what it prints (``^`` and ``$`` match at lines). ``jit``: the program has a JIT of
    its own, and this command makes it compile.
    """

    command: tuple[str, ...]
    expect: str
    environment: Mapping[str, str] = field(default_factory=dict)
    jit: bool = False


@dataclass(frozen=True)
class Manifest:
    """The document. ``executables`` are paths below the top folder, the main one first."""

    kind: Literal["pypy", "rpython"]
    target: Target
    source: Origin
    patches: tuple[AppliedPatch, ...]
    image: BuildImage
    compiler: str
    musl: str
    translator: Translator
    options: tuple[str, ...]
    phases: tuple[PhaseCost, ...]
    executables: tuple[str, ...]
    jit: bool
    needed: tuple[Need, ...]
    runtime_packages: tuple[str, ...]
    checks: tuple[ProgramCheck, ...] = ()

    @classmethod
    def from_json(cls, text: str | bytes) -> Manifest:
        """Read the document.

        Raises:
            ArchiveError: it is not JSON, or a field is missing, unknown or of another form; the
                message has every complaint.
        """
        problems: list[str] = []
        manifest = None
        try:
            manifest = _parse(text, problems)
            if manifest is not None and not problems:
                problems.extend(_contradictions(manifest))
        except RecursionError:  # of JSON's parser, of repr() or of re
            problems.append("it is nested too deeply")
        if problems or manifest is None:
            raise ArchiveError(
                f"{FILE_NAME} is not usable: {'; '.join(problems)}",
                remedy="build the tarball again with this version of alpypy",
            )
        return manifest

    @classmethod
    def of_tarball(cls, tarball: Path) -> Manifest:
        """Read the document out of a tarball, which is not unpacked.

        Raises:
            ArchiveError: the tarball is damaged or has no document, or that is not usable.
        """
        try:
            document = _document(tarball)
        except BROKEN as error:
            raise ArchiveError(
                f"{tarball} is truncated or damaged: {error}", remedy="build or fetch it again"
            ) from error
        if document is not None:
            return cls.from_json(document)
        raise ArchiveError(
            f"{tarball} has no {FILE_NAME}", remedy="give a tarball that alpypy made"
        )

    def to_json(self) -> str:
        """The document, the same for the same values."""
        target = self.target
        names = {
            "release": target.release,
            "version": target.version,
            "alpine": target.alpine,
            "arch": target.arch,
        }
        values = to_values(self) | {"target": names}
        return json.dumps({"schema": SCHEMA, **values}, indent=2, ensure_ascii=False) + "\n"


@dataclass(frozen=True)
class _Names:
    """``target`` as it stands in the document."""

    release: str
    version: str
    alpine: str
    arch: str


def _document(tarball: Path) -> bytes | None:
    """ALPYPY.json below the top folder; it stands near the beginning."""
    end = 0
    with tarfile.open(tarball) as archive:
        for member in archive:
            if member.offset < end:  # a size below zero, where tarfile would go for ever
                return None
            end = member.offset_data
            if member.isreg() and PurePosixPath(member.name).parts[1:] == (FILE_NAME,):
                content = archive.extractfile(member)
                return content.read() if content else None
    return None


def _parse(text: str | bytes, problems: list[str]) -> Manifest | None:
    try:
        document = json.loads(text)
    except ValueError as error:
        problems.append(f"it is not JSON: {error}")
        return None
    if not isinstance(document, dict):
        problems.append("it is not an object")
        return None
    values = dict(document)
    schema = values.pop("schema", None)
    if schema != SCHEMA:
        problems.append(f"schema is {schema!r}, this alpypy reads {SCHEMA}")
    values["target"] = _target(values.get("target"), problems)
    manifest: Manifest | None = from_values(Manifest, values, "", problems)
    return manifest


def _target(value: object, problems: list[str]) -> Target | None:
    names = from_values(_Names, value, "target", problems)
    if names is None:
        return None
    version = None if names.version == names.release else names.version
    try:
        return Target(names.release, names.alpine, names.arch, version)
    except SpecError as error:
        problems.append(f"target: {error.what}")
        return None


def from_values(kind: Any, value: object, where: str, problems: list[str]) -> Any:
    """An instance of a dataclass from an object of a document; None with ``problems`` noted.

    ``where`` is what the object is called there. A field may be text, a number, true or false, an
    object of texts, another such dataclass, or a tuple of one of these.
    """
    if not isinstance(value, dict):
        problems.append(f"{where} is {value!r}, not an object")
        return None
    fields = {one.name: one for one in dataclasses.fields(kind)}
    prefix = f"{where}." if where else ""
    problems += [f"{prefix}{name} is unknown" for name in value if name not in fields]
    hints = get_type_hints(kind)
    arguments, before = {}, len(problems)
    for name, one in fields.items():
        if name in value:
            arguments[name] = _convert(hints[name], value[name], f"{prefix}{name}", problems)
        elif one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING:
            problems.append(f"{prefix}{name} is missing")
    return kind(**arguments) if len(problems) == before else None


def _convert(hint: Any, value: Any, where: str, problems: list[str]) -> Any:
    if hint is Target:
        return value
    if dataclasses.is_dataclass(hint):
        return from_values(hint, value, where, problems)
    origin, inner = get_origin(hint), get_args(hint)
    if origin is tuple:
        return _convert_list(inner[0], value, where, problems)
    if origin is types.UnionType:
        return _convert(inner[0], value, where, problems)
    if origin is Literal:
        good, wanted = value in inner, " or ".join(inner)
    elif hint is float:
        good, wanted = isinstance(value, int | float) and not isinstance(value, bool), "a number"
    elif hint is str:
        good, wanted = _is_text(value), "text (without NUL)"
    elif hint in _KINDS:
        good, wanted = type(value) is hint, _KINDS[hint]
    else:
        good = isinstance(value, dict) and all(map(_is_text, (*value, *value.values())))
        wanted = "an object of texts"
    if good and where.endswith("sha256") and not _SHA256.fullmatch(value):
        good, wanted = False, "a SHA-256 in hexadecimal"
    if not good:
        problems.append(f"{where} is {value!r}, not {wanted}")
    return value


def _is_text(value: object) -> bool:
    return isinstance(value, str) and not _NO_TEXT.search(value)


def _convert_list(hint: Any, value: Any, where: str, problems: list[str]) -> Any:
    if not isinstance(value, list):
        problems.append(f"{where} is {value!r}, not a list")
        return None
    return tuple(
        _convert(hint, one, f"{where}[{number}]", problems) for number, one in enumerate(value)
    )


def _contradictions(manifest: Manifest) -> list[str]:
    """Complaints about values that are each well-formed."""
    problems = []
    if (manifest.source.url is None) == (manifest.source.path is None):
        problems.append("source has not exactly one of url and path")
    if not manifest.executables:
        problems.append("executables is empty")
    if manifest.kind == "rpython" and not manifest.checks:
        problems.append("checks is empty: nothing would show that the programs work")
    needed = tuple(need.package for need in manifest.needed)
    for where, names in (("runtime_packages", manifest.runtime_packages), ("needed", needed)):
        wrong = (name for name in names if not PACKAGE.fullmatch(name))
        problems += [f"{where} has {name!r}, which is no name of a package" for name in wrong]
    programs = {check.command[0] if check.command else "" for check in manifest.checks}
    for program in sorted(programs - set(manifest.executables)):
        problems.append(f"checks run {program!r}, which is not in executables")
    for name in manifest.executables:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            problems.append(f"executables has {name!r}, which is not below the top folder")
    if manifest.kind == "pypy":
        problems += _complaints(PypyVersion.parse, manifest.target.release, "target.release")
    for check in manifest.checks:
        problems += _complaints(re.compile, check.expect, f"checks expect {check.expect!r}")
    return problems


def _complaints(parse: Callable[[str], object], text: str, where: str) -> list[str]:
    """Why ``parse`` does not take a text."""
    try:
        parse(text)
    except SpecError as error:
        return [f"{where}: {error.what}"]
    except (re.error, OverflowError) as error:  # the latter: a repetition of too many times
        return [f"{where}: {error}"]
    return []


def to_values(value: Any) -> Any:
    """For a document: dataclasses as objects without the fields that are None, tuples as lists."""
    if dataclasses.is_dataclass(value):
        pairs = ((one.name, getattr(value, one.name)) for one in dataclasses.fields(value))
        return {name: to_values(inner) for name, inner in pairs if inner is not None}
    if isinstance(value, tuple):
        return [to_values(one) for one in value]
    return dict(value) if isinstance(value, Mapping) else value
