"""Findings, and the policy that says which modules to expect and which findings are accepted.

A finding whose cause is known and is not the tarball's own stays in the report, with the reason
that versions/verify.toml gives for it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from msgspec import field, structs
from packaging.specifiers import SpecifierSet

from alpypy.core.errors import SpecError
from alpypy.core.fields import Reason, Record, Text
from alpypy.core.structs import read_toml
from alpypy.recipes.spec import PypyVersion, Target

FILE_NAME = "verify.toml"


class Finding(Record, frozen=True):
    """Something wrong: which check, with what, in which way; ``allowed`` is why it is accepted."""

    check: Text
    subject: Text
    message: Text
    allowed: Text | None = None

    def __str__(self) -> str:
        accepted = f"  (accepted: {self.allowed})" if self.allowed else ""
        return f"{self.check}  {self.subject}: {self.message}{accepted}"


class Range(Record, frozen=True):
    """Languages, PyPy releases and Alpines that an entry of the policy is for."""

    language: SpecifierSet = field(default_factory=SpecifierSet)
    releases: SpecifierSet = field(default_factory=SpecifierSet)
    alpine: SpecifierSet = field(default_factory=SpecifierSet)

    def is_for(self, target: Target) -> bool:
        """Whether the entry is for this target; one that is no PyPy only by its Alpine."""
        if target.alpine not in self.alpine:
            return False
        pypy = _pypy(target)
        if pypy is None:
            return not (str(self.language) or str(self.releases))
        return pypy.language in self.language and pypy.release in self.releases


class Modules(Range, frozen=True, kw_only=True):
    """Modules that must be there; one whose import fails is a finding."""

    names: tuple[str, ...]


class Allowed(Range, frozen=True, kw_only=True):
    """Findings that are accepted: a check, patterns of its subjects, a regular expression."""

    check: str
    subjects: tuple[str, ...]
    message: re.Pattern[str]
    why: Reason

    def covers(self, finding: Finding) -> bool:
        """Whether the finding is the one that the entry speaks of."""
        return (
            finding.check == self.check
            and any(fnmatchcase(finding.subject, pattern) for pattern in self.subjects)
            and self.message.search(finding.message) is not None
        )


class Policy(Record, frozen=True):
    """versions/verify.toml. ``build_packages`` are patterns of names that no user needs."""

    build_packages: tuple[str, ...]
    modules: tuple[Modules, ...]
    allowed: tuple[Allowed, ...]

    def expected_modules(self, target: Target) -> tuple[str, ...]:
        """Modules that the target must have, in order."""
        names = {name for entry in self.modules if entry.is_for(target) for name in entry.names}
        return tuple(sorted(names))

    def is_build_package(self, name: str) -> bool:
        """Whether a package serves building and not running."""
        return any(fnmatchcase(name, pattern) for pattern in self.build_packages)

    def judge(self, findings: Sequence[Finding], target: Target | None) -> tuple[Finding, ...]:
        """The findings, with the reason where one is accepted. Without a target none is."""
        if target is None:
            return tuple(findings)
        entries = [entry for entry in self.allowed if entry.is_for(target)]
        return tuple(_judged(finding, entries) for finding in findings)


class Ledger:
    """Counts checks and keeps what they found; nothing stops at a finding."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.checks = 0
        self.findings: list[Finding] = []

    def check(self, good: bool, check: str, subject: str, message: str) -> bool:
        """Count one check, note its finding unless ``good``, give ``good`` back."""
        self.checks += 1
        if not good:
            self.findings.append(Finding(check, subject, message))
        return good


def load_policy(root: Path) -> Policy:
    """Read and check ``root``/versions/verify.toml.

    Raises:
        DataError: an entry lacks a field or a reason, or has one that is unknown or not usable.
    """
    return read_toml(root / "versions" / FILE_NAME, Policy)


def _judged(finding: Finding, entries: Sequence[Allowed]) -> Finding:
    why = next((entry.why for entry in entries if entry.covers(finding)), None)
    return structs.replace(finding, allowed=why)


def _pypy(target: Target) -> PypyVersion | None:
    try:
        return PypyVersion.parse(target.release)
    except SpecError:
        return None
