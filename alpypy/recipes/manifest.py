"""ALPYPY.json, which every tarball contains: what it is, what it was made from, what it needs.

The package stage writes it; verify and publish read it. Reading checks every field.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from msgspec import Struct, to_builtins

from alpypy.core.archive import read_member
from alpypy.core.errors import ArchiveError, SpecError
from alpypy.core.fields import FirstSchema, PackageName, Record, Sha256, Text
from alpypy.core.structs import convert, read_json
from alpypy.recipes.spec import PypyVersion, Target

FILE_NAME = "ALPYPY.json"


class Origin(Record, frozen=True, omit_defaults=True):
    """Where the source came from: the release's address, or the user's own path.

    ``commit`` is git's, with ``-dirty`` behind it if files of the checkout were changed since.
    """

    sha256: Sha256
    verified: bool
    url: Text | None = None
    path: Text | None = None
    commit: Text | None = None


class AppliedPatch(Record, frozen=True, omit_defaults=True):
    """A patch and the digest of its diff. An erratum mends a fault that PyPy has fixed since. The
    diff of one that is ``moved`` has other line numbers than the file in patches/."""

    name: Text
    sha256: Sha256
    erratum: bool = False
    moved: bool = False


class LeftOutPatch(Record, frozen=True):
    """A patch that a tree does not need, and why."""

    name: Text
    reason: Text


class KitReplacement(Record, frozen=True):
    """A Debian package whose version in the kit is not the tested version. The digest is that of
    the file in the kit."""

    package: Text
    tested: Text
    taken: Text
    sha256: Sha256


class KitSource(Record, frozen=True):
    """A library in the kit whose source the user gave: the name of the archive, its digest, and
    whether it is the archive that the library's publisher lists."""

    library: Text
    version: Text
    path: Text
    sha256: Sha256
    verified: bool


class BuildImage(Record, frozen=True, omit_defaults=True):
    """The image that translated: its ID, its base image, whether that was the kit's, the kit's
    packages whose versions were not tested, and its libraries whose sources the user gave."""

    id: Text
    base: Text
    base_id: Text
    kit: bool
    kit_replacements: tuple[KitReplacement, ...] = ()
    kit_sources: tuple[KitSource, ...] = ()


class LinkedLibrary(Record, frozen=True):
    """A library inside the PyPy: its licence as SPDX writes it, and the digest of its source."""

    name: Text
    version: Text
    license: Text
    sha256: Sha256


class Translator(Record, frozen=True):
    """The interpreter that translated, and the digest of its source or tarball."""

    name: Text
    sha256: Sha256


class PhaseCost(Record, frozen=True, omit_defaults=True):
    """The time and memory of a phase of the build, the processor time that it used and how many
    processors it could use. The last two are None if the engine did not tell, and in documents of
    older versions of alpypy."""

    name: Text
    seconds: int | float
    peak_memory_mib: int
    processor_seconds: int | float | None = None
    processors: int | None = None


class Need(Record, frozen=True):
    """A system library that the executables or modules need, and its Alpine package."""

    soname: Text
    package: PackageName


class ProgramCheck(Record, frozen=True):
    """A command that shows that a program works, run in the top folder.

    The first word is a program's path below the top folder. ``expect`` is a regular expression
    searched in its output (``^`` and ``$`` match at lines). ``jit``: the program has a JIT of
    its own, and this command makes it compile.
    """

    command: tuple[Text, ...]
    expect: Text
    environment: Mapping[Text, Text] = {}
    jit: bool = False


class Manifest(Record, frozen=True, tag_field="schema", tag=1):
    """The document. ``executables`` are paths below the top folder, the main one first.

    ``no_errata`` are the topics of errata that the user left out, whose faults it has. ``tls`` is
    the TLS library that it was built with; None for a program without one, and in documents of
    older versions of alpypy. ``libraries`` are inside it. ``optimize`` is the level that it was
    compiled with; None for a program, and in older documents.
    """

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
    left_out: tuple[LeftOutPatch, ...] = ()
    no_errata: tuple[Text, ...] = ()
    tls: Text | None = None
    libraries: tuple[LinkedLibrary, ...] = ()
    optimize: Text | None = None

    @classmethod
    def from_json(cls, text: str | bytes) -> Manifest:
        """Read the document.

        Raises:
            ArchiveError: it is not JSON, or a field is missing, unknown or invalid.
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
        """Read the document from decoded JSON, such as a part of another document.

        Raises:
            ValueError: a field is missing, unknown or invalid, or contradicts others.
        """
        head = convert(values, _ManifestHead)
        names = head.target
        version = None if names.version == names.release else names.version
        try:
            target = Target(names.release, names.alpine, names.arch, version, names.portable)
        except SpecError as error:
            raise ValueError(f"target: {error.what}") from error
        manifest = convert({**values, "target": to_builtins(target)}, cls)
        if problems := _contradictions(manifest):
            raise ValueError("; ".join(problems))
        return manifest

    @classmethod
    def of_tarball(cls, tarball: Path) -> Manifest:
        """Read the document from a tarball without unpacking it.

        Raises:
            ArchiveError: the tarball is damaged, or its document is missing or not usable.
        """
        return cls.from_json(read_member(tarball, FILE_NAME))

    def to_json(self) -> str:
        """The document as text; equal values give equal text."""
        target = self.target
        names = {
            "release": target.release,
            "version": target.version,
            "alpine": target.alpine,
            "arch": target.arch,
            **({"portable": True} if target.portable else {}),
        }
        values = {**to_builtins(self), "target": names}
        for name in ("left_out", "no_errata", "tls", "libraries"):  # published documents lack them
            if not values[name]:
                del values[name]
        return json.dumps(values, indent=2, ensure_ascii=False) + "\n"


class _Names(Record, frozen=True):
    """The field ``target`` in the document. ``alpine`` is the one that it was built on."""

    release: Text
    version: Text
    alpine: Text
    arch: Text
    portable: bool = False


class _ManifestHead(Struct, frozen=True):
    """The fields that are read first."""

    schema: FirstSchema
    target: _Names


def _contradictions(manifest: Manifest) -> list[str]:
    """Complaints about values that are valid alone, but not together."""
    problems = []
    if (manifest.source.url is None) == (manifest.source.path is None):
        problems.append("source must have either url or path")
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
    """Why ``parse`` does not accept a text."""
    try:
        parse(text)
    except SpecError as error:
        return [f"{where}: {error.what}"]
    except (re.error, OverflowError) as error:  # the latter: too many repetitions
        return [f"{where}: {error}"]
    except RecursionError:
        return [f"{where}: groups are nested too deeply"]
    return []
