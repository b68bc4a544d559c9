"""Findings, and the policy: which modules to expect, and which findings to accept.

If the cause of a finding is known and not the tarball's fault, versions/verify.toml can accept it.
The report still lists it, with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

from msgspec import field, structs
from packaging.specifiers import SpecifierSet

from alpypy.core.errors import SpecError
from alpypy.core.fields import Reason, Record, Text
from alpypy.core.structs import read_toml
from alpypy.recipes.spec import PypyVersion, Target

FILE_NAME = "verify.toml"
_ERRATA = "run.errata"  # the check whose subjects are topics of errata
_NO_ERRATA = "a fault of this release of PyPy on every system: it was built with --no-errata"


class Finding(Record, frozen=True):
    """A problem that a check found: the check, its subject, what is wrong.

    ``allowed`` is the reason why the policy accepts it. ``alpine`` are the releases that a portable
    PyPy ran on when it was found; empty for other tarballs, and for what no program was run for.
    """

    check: Text
    subject: Text
    message: Text
    allowed: Text | None = None
    alpine: tuple[Text, ...] = ()

    def __str__(self) -> str:
        where = f"  (on Alpine {', '.join(self.alpine)})" if self.alpine else ""
        accepted = f"  (accepted: {self.allowed})" if self.allowed else ""
        return f"{self.check}  {self.subject}: {self.message}{where}{accepted}"


class Range(Record, frozen=True):
    """The languages, PyPy releases and Alpines that an entry of the policy is for."""

    language: SpecifierSet = field(default_factory=SpecifierSet)
    releases: SpecifierSet = field(default_factory=SpecifierSet)
    alpine: SpecifierSet = field(default_factory=SpecifierSet)

    def is_for(self, target: Target) -> bool:
        """Whether the entry is for this target.

        An entry for a program that is not a PyPy names no language and no release.
        """
        if target.alpine not in self.alpine:
            return False
        pypy = _pypy(target)
        if pypy is None:
            return not (str(self.language) or str(self.releases))
        return pypy.language in self.language and pypy.release in self.releases


class Modules(Range, frozen=True, kw_only=True):
    """Modules that the tarball must have. If an import fails, that is a finding."""

    names: tuple[str, ...]


class Allowed(Range, frozen=True, kw_only=True):
    """Findings to accept: a check, patterns of its subjects, a regular expression for messages."""

    check: str
    subjects: tuple[str, ...]
    message: re.Pattern[str]
    why: Reason

    def covers(self, finding: Finding) -> bool:
        """Whether the entry is about this finding."""
        return (
            finding.check == self.check
            and any(fnmatchcase(finding.subject, pattern) for pattern in self.subjects)
            and self.message.search(finding.message) is not None
        )


class Absent(Range, frozen=True, kw_only=True):
    """Names of CPython's standard library that the tarball lacks, or has with other arguments.

    ``names`` are patterns of dotted names; ``what`` says in a few words what they are. With
    ``erratum``, only a tarball without that patch lacks them.
    """

    names: tuple[str, ...]
    what: Text
    why: Reason
    erratum: str | None = None


class BuildPath(Record, frozen=True):
    """A path that only the containers of a build have."""

    path: Text
    why: Reason


class Hidden(Record, frozen=True):
    """A library that is inside a portable PyPy, and patterns of its symbols, which nobody may
    see."""

    library: Text
    symbols: tuple[str, ...]
    why: Reason


class PortablePolicy(Record, frozen=True):
    """What a portable PyPy must not contain, and not export."""

    build_paths: tuple[BuildPath, ...] = ()
    hidden: tuple[Hidden, ...] = ()


class Policy(Record, frozen=True):
    """versions/verify.toml. ``build_packages`` are patterns for packages that no user needs."""

    build_packages: tuple[str, ...]
    modules: tuple[Modules, ...]
    allowed: tuple[Allowed, ...]
    absent: tuple[Absent, ...] = ()
    portable: PortablePolicy = PortablePolicy()

    def expected_modules(self, target: Target) -> tuple[str, ...]:
        """The modules that the target must have, sorted."""
        names = {name for entry in self.modules if entry.is_for(target) for name in entry.names}
        return tuple(sorted(names))

    def absent_names(self, target: Target, no_errata: Container[str] = ()) -> tuple[str, ...]:
        """Patterns of the names that the target lacks.

        Args:
            no_errata: topics of errata whose faults the user kept.
        """
        return tuple(
            name
            for entry in self.absent
            if entry.is_for(target) and (entry.erratum is None or entry.erratum in no_errata)
            for name in entry.names
        )

    def is_build_package(self, name: str) -> bool:
        """Whether a package is for building and not for running."""
        return any(fnmatchcase(name, pattern) for pattern in self.build_packages)

    def judge(
        self, findings: Sequence[Finding], target: Target | None, no_errata: tuple[str, ...] = ()
    ) -> tuple[Finding, ...]:
        """The findings, each with its reason if the policy accepts it. Without a target, the policy
        accepts none.

        Args:
            no_errata: topics of errata whose faults the user kept.
        """
        if target is None:
            return tuple(findings)
        any_message = re.compile("")
        kept = Allowed(check=_ERRATA, subjects=no_errata, message=any_message, why=_NO_ERRATA)
        entries = (*self.allowed, kept)
        return tuple(_with_reason(finding, entries, target) for finding in findings)


class Recorder:
    """Counts the checks and records their findings. Checks go on after a finding.

    ``alpine`` is what the next findings say of where they were found.
    """

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.checks = 0
        self.findings: list[Finding] = []
        self.alpine: tuple[str, ...] = ()

    def check(self, good: bool, check: str, subject: str, message: str) -> bool:
        """Count a check, record a finding unless it is ``good``, and return ``good``."""
        self.checks += 1
        if not good:
            self.findings.append(Finding(check, subject, message, alpine=self.alpine))
        return good


def load_policy(root: Path) -> Policy:
    """Read and check ``root``/versions/verify.toml.

    Raises:
        DataError: an entry lacks a field or a reason, or has an unknown field or a wrong value.
    """
    return read_toml(root / "versions" / FILE_NAME, Policy)


def merged(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings, each once: with all Alpines that it was found on."""
    alpines = dict[Finding, tuple[str, ...]]()
    for finding in findings:
        key = structs.replace(finding, alpine=())
        alpines[key] = (*alpines.get(key, ()), *finding.alpine)
    return tuple(structs.replace(key, alpine=where) for key, where in alpines.items())


def _with_reason(finding: Finding, entries: Sequence[Allowed], target: Target) -> Finding:
    """The finding as the entries for its Alpine judge it."""
    if finding.alpine:
        alpine = ".".join(finding.alpine[0].split(".")[:2])
        target = replace(target, alpine=alpine)
    fitting = (entry for entry in entries if entry.is_for(target))
    why = next((entry.why for entry in fitting if entry.covers(finding)), None)
    return structs.replace(finding, allowed=why)


def _pypy(target: Target) -> PypyVersion | None:
    try:
        return PypyVersion.parse(target.release)
    except SpecError:
        return None
