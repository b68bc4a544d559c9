"""ALPYPY.json, which every tarball carries: what it is, what it was made of, what it needs.

Written when packaging, read when verifying and publishing. Fields are checked when it is read.
"""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from msgspec import Struct, to_builtins

from alpypy.core.errors import ArchiveError, SpecError
from alpypy.core.fields import FirstSchema, PackageName, Record, Sha256, Text
from alpypy.core.structs import convert, read_json
from alpypy.recipes.spec import PypyVersion, Target

FILE_NAME = "ALPYPY.json"
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


class Origin(Record, frozen=True, omit_defaults=True):
    """Where the source came from: the release's address, or a path of the user's own."""

    sha256: Sha256
    verified: bool
    url: Text | None = None
    path: Text | None = None


class AppliedPatch(Record, frozen=True):
    """A patch and the digest of its diff."""

    name: Text
    sha256: Sha256


class KitReplacement(Record, frozen=True):
    """A package of Debian that the kit has in another version than the tested one; the digest is
    of the file in the kit."""

    package: Text
    tested: Text
    taken: Text
    sha256: Sha256


class BuildImage(Record, frozen=True, omit_defaults=True):
    """The image that translated: its ID, the base it was made from, whether that was a kit's, and
    the packages of that kit that alpypy was not tested with."""

    id: Text
    base: Text
    base_id: Text
    kit: bool
    kit_replacements: tuple[KitReplacement, ...] = ()


class Translator(Record, frozen=True):
    """The interpreter that translated, and the digest of what it was made of."""

    name: Text
    sha256: Sha256


class PhaseCost(Record, frozen=True):
    """What one phase of the build took."""

    name: Text
    seconds: int | float
    peak_memory_mib: int


class Need(Record, frozen=True):
    """A library of the system that the executables or modules need, and Alpine's package of it."""

    soname: Text
    package: PackageName


class ProgramCheck(Record, frozen=True):
    """A command that shows that a program works, run in the top folder.

    The first word is a program's path below the top folder. ``expect`` is a regular expression
    searched in what it prints (``^`` and ``$`` match at lines). ``jit``: the program has a JIT of
    its own, and this command makes it compile.
    """

    command: tuple[Text, ...]
    expect: Text
    environment: Mapping[Text, Text] = {}
    jit: bool = False


class Manifest(Record, frozen=True, tag_field="schema", tag=1):
    """The document. ``executables`` are paths below the top folder, the main one first."""

    kind: Literal["pypy", "rpython"]
    target: Target
    source: Origin
    patches: tuple[AppliedPatch, ...]
    image: BuildImage
    compiler: Text
    musl: Text
    translator: Translator
    options: tuple[Text, ...]
    phases: tuple[PhaseCost, ...]
    executables: tuple[Text, ...]
    jit: bool
    needed: tuple[Need, ...]
    runtime_packages: tuple[PackageName, ...]
    checks: tuple[ProgramCheck, ...] = ()

    @classmethod
    def from_json(cls, text: str | bytes) -> Manifest:
        """Read the document.

        Raises:
            ArchiveError: it is not JSON, or a field is missing, unknown or of another form.
        """
        try:
            return cls.from_values(read_json(text))
        except ValueError as error:
            raise ArchiveError(
                f"{FILE_NAME} is not usable: {error}",
                remedy="build the tarball again with this version of alpypy",
            ) from error

    @classmethod
    def from_values(cls, values: Any) -> Manifest:
        """The document out of another one's values.

        Raises:
            ValueError: a field is missing, unknown or of another form, or contradicts others.
        """
        head = convert(values, _Head)
        names = head.target
        version = None if names.version == names.release else names.version
        try:
            target = Target(names.release, names.alpine, names.arch, version)
        except SpecError as error:
            raise ValueError(f"target: {error.what}") from error
        manifest = convert({**values, "target": to_builtins(target)}, cls)
        if problems := _contradictions(manifest):
            raise ValueError("; ".join(problems))
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
        values = {**to_builtins(self), "target": names}
        return json.dumps(values, indent=2, ensure_ascii=False) + "\n"


class _Names(Record, frozen=True):
    """``target`` as it stands in the document."""

    release: Text
    version: Text
    alpine: Text
    arch: Text


class _Head(Struct, frozen=True):
    """What is read before all else."""

    schema: FirstSchema
    target: _Names


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


def _contradictions(manifest: Manifest) -> list[str]:
    """Complaints about values that are each well-formed."""
    problems = []
    if (manifest.source.url is None) == (manifest.source.path is None):
        problems.append("source has not exactly one of url and path")
    if not manifest.executables:
        problems.append("executables is empty")
    if manifest.kind == "rpython" and not manifest.checks:
        problems.append("checks is empty: nothing would show that the programs work")
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
    except RecursionError:
        return [f"{where}: groups are nested too deeply"]
    return []
