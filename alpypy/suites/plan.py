"""What `invoke check` runs: versions/check.toml, the test modules there are, those asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from msgspec import field
from packaging.specifiers import SpecifierSet

from alpypy.core.errors import SpecError
from alpypy.core.fields import Record
from alpypy.core.source import Source
from alpypy.core.structs import read_toml

FILE_NAME = "check.toml"
EXTRA = "extra_tests"
_WEAK_KEYS = "/etc/ssl/weak-keys.cnf"  # in the images of dockerfiles/check
_ANY_DATE = "ALPYPY_ANY_DATE"  # read by dockerfiles/check/drive.py
Kind = Literal["stdlib", "pytest"]


@dataclass(frozen=True)
class Limits:
    """What each module may take (``timeout`` in seconds), and regrtest's ``resources``."""

    timeout: float
    memory_mib: int
    resources: str


@dataclass(frozen=True)
class TestModule:
    """A module of tests. ``file`` is its path below the source, for PyPy's own tests."""

    __test__ = False  # pytest would take the name for a test of this project

    name: str
    kind: Kind
    compiler: bool = False
    file: str = ""


class Compiler(Record, frozen=True):
    """Patterns of test modules that need a compiler, in a range of Python's languages."""

    tests: tuple[str, ...]
    language: SpecifierSet = field(default_factory=SpecifierSet)


class TestWheel(Source, frozen=True):
    """A wheel for pytest, in a range of Python's languages."""

    __test__ = False

    language: SpecifierSet = field(default_factory=SpecifierSet)


class SuiteSettings(Record, frozen=True):
    """versions/check.toml."""

    resources: str
    memory_mib: int
    timeout: int
    weak_keys: SpecifierSet
    ended_certificates: SpecifierSet
    not_tests: tuple[str, ...]
    compiler: tuple[Compiler, ...]
    wheels: tuple[TestWheel, ...]

    @property
    def limits(self) -> Limits:
        """What each module may take."""
        return Limits(self.timeout, self.memory_mib, self.resources)

    def needs_compiler(self, name: str, language: str) -> bool:
        """Whether a test module compiles C itself."""
        return any(
            fnmatchcase(name, pattern)
            for entry in self.compiler
            if language in entry.language
            for pattern in entry.tests
        )

    def environment(self, language: str) -> Mapping[str, str]:
        """Variables that tests of this language need in a container, besides those of all."""
        weak = {"OPENSSL_CONF": _WEAK_KEYS} if language in self.weak_keys else {}
        ended = {_ANY_DATE: "1"} if language in self.ended_certificates else {}
        return {**weak, **ended}

    def wheels_for(self, language: str) -> tuple[Source, ...]:
        """pytest and what it needs on a Python of this language."""
        return tuple(wheel for wheel in self.wheels if language in wheel.language)


def load_settings(root: Path) -> SuiteSettings:
    """Read and check ``root``/versions/check.toml.

    Raises:
        DataError: an entry lacks a field, or has one that is unknown or not usable.
    """
    return read_toml(root / "versions" / FILE_NAME, SuiteSettings)


def stdlib_modules(
    names: Iterable[str], language: str, settings: SuiteSettings
) -> list[TestModule]:
    """The standard library's test modules, by the names that the interpreter gave."""
    return [
        TestModule(name, "stdlib", settings.needs_compiler(name, language))
        for name in sorted(set(names) - set(settings.not_tests))
    ]


def extra_modules(source: Path, language: str, settings: SuiteSettings) -> list[TestModule]:
    """PyPy's own tests of a built PyPy, below ``source``/extra_tests."""
    found = []
    for path in sorted((source / EXTRA).rglob("test_*.py")):
        file = path.relative_to(source)
        name = ".".join(file.with_suffix("").parts)
        compiler = settings.needs_compiler(name, language)
        found.append(TestModule(name, "pytest", compiler, str(file)))
    return found


def choose(modules: Sequence[TestModule], wanted: Sequence[str]) -> tuple[TestModule, ...]:
    """The modules that match one of the ``wanted`` names or patterns; all without any.

    Raises:
        SpecError: one of them matches no module.
    """
    for pattern in wanted:
        if not any(fnmatchcase(module.name, pattern) for module in modules):
            raise SpecError(
                f"--tests {pattern}: there is no such test module",
                remedy="name modules as `python -m test` does, test_ssl, or patterns; PyPy's own,"
                f" {EXTRA}.test_os, need --source",
            )
    if not wanted:
        return tuple(modules)
    return tuple(one for one in modules if any(fnmatchcase(one.name, word) for word in wanted))
