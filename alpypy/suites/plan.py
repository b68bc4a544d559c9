"""What `invoke check` runs: versions/check.toml, all test modules, and the chosen ones."""

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
_ANY_DATE = "ALPYPY_ANY_DATE"  # dockerfiles/check/drive.py reads it
Kind = Literal["stdlib", "pytest"]


@dataclass(frozen=True)
class Limits:
    """The limits of each module (``timeout`` in seconds), and regrtest's ``resources``."""

    timeout: float
    memory_mib: int
    resources: str


@dataclass(frozen=True)
class TestModule:
    """A module of tests. ``file`` is its path below the source, for PyPy's own tests."""

    __test__ = False  # else pytest collects the class, by its name

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
        """The limits of each module."""
        return Limits(self.timeout, self.memory_mib, self.resources)

    def needs_compiler(self, name: str, language: str) -> bool:
        """Whether a test module compiles C while it runs."""
        return any(
            fnmatchcase(name, pattern)
            for entry in self.compiler
            if language in entry.language
            for pattern in entry.tests
        )

    def environment(self, language: str) -> Mapping[str, str]:
        """Variables that only tests of this language need in a container."""
        weak = {"OPENSSL_CONF": _WEAK_KEYS} if language in self.weak_keys else {}
        ended = {_ANY_DATE: "1"} if language in self.ended_certificates else {}
        return {**weak, **ended}

    def wheels_for(self, language: str) -> tuple[Source, ...]:
        """pytest and its dependencies, for a Python of this language."""
        return tuple(wheel for wheel in self.wheels if language in wheel.language)


def load_settings(root: Path) -> SuiteSettings:
    """Read and check ``root``/versions/check.toml.

    Raises:
        DataError: an entry lacks a field, or has an unknown field or a wrong value.
    """
    return read_toml(root / "versions" / FILE_NAME, SuiteSettings)


def stdlib_modules(
    names: Iterable[str], language: str, settings: SuiteSettings
) -> list[TestModule]:
    """The standard library's test modules, from the names that the interpreter gave."""
    return [
        TestModule(name, "stdlib", settings.needs_compiler(name, language))
        for name in sorted(set(names) - set(settings.not_tests))
    ]


def extra_modules(source: Path, language: str, settings: SuiteSettings) -> list[TestModule]:
    """PyPy's own tests of a built PyPy, below ``source``/extra_tests."""
    modules = []
    for path in sorted((source / EXTRA).rglob("test_*.py")):
        file = path.relative_to(source)
        name = ".".join(file.with_suffix("").parts)
        compiler = settings.needs_compiler(name, language)
        modules.append(TestModule(name, "pytest", compiler, str(file)))
    return modules


def choose(modules: Sequence[TestModule], wanted: Sequence[str]) -> tuple[TestModule, ...]:
    """The modules that match one of the ``wanted`` names or patterns; all if there are none.

    Raises:
        SpecError: a name or pattern matches no module.
    """
    for pattern in wanted:
        if not any(fnmatchcase(module.name, pattern) for module in modules):
            raise SpecError(
                f"--tests {pattern}: there is no such test module",
                remedy="name modules as `python -m test` does, such as test_ssl, or give a pattern;"
                f" PyPy's own, such as {EXTRA}.test_os, need --source",
            )
    if not wanted:
        return tuple(modules)
    return tuple(
        module for module in modules if any(fnmatchcase(module.name, pattern) for pattern in wanted)
    )
