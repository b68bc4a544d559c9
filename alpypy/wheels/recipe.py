"""versions/wheels.toml: what modules need to be built, and which package has which header."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal

from msgspec import field
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from alpypy.core.errors import DataError, SpecError
from alpypy.core.fields import Reason, Record, text
from alpypy.core.structs import read_toml
from alpypy.recipes.data import require_tls
from alpypy.wheels.request import Interpreter

FILE_NAME = "wheels.toml"
_Implementation = Literal["pypy", "cpython"]
_Name = Annotated[
    str, text("[a-z0-9]+(-[a-z0-9]+)*", "a name as an index writes it: lower case, with - alone")
]
_ALL = SpecifierSet()


class Packages(Record, frozen=True):
    """Build packages, for some Alpines and, if it is given, for one implementation of Python."""

    names: tuple[str, ...]
    alpine: SpecifierSet = field(default_factory=SpecifierSet)
    implementation: _Implementation | None = None

    def serve(self, interpreter: Interpreter) -> bool:
        """Whether they are for this interpreter and its Alpine."""
        suitable = self.implementation in (None, interpreter.implementation)
        return suitable and interpreter.alpine in self.alpine


class Unsupported(Record, frozen=True):
    """An implementation that a module cannot be built for, and the cause."""

    implementation: _Implementation
    why: Reason


class Module(Record, frozen=True):
    """An entry: how alpypy builds and tests some versions of a module.

    ``constraints`` limit the versions of its build requirements. ``before`` and ``build`` are shell
    commands that run in the unpacked source. ``tls`` are the TLS libraries that it can be built
    with, the preferred one first. ``smoke`` is a line of Python; ``not_imported`` are modules that
    its test leaves out. ``tested`` says what was built and run, ``untested`` what could not be, and
    why.
    """

    name: _Name
    versions: SpecifierSet = field(default_factory=SpecifierSet)
    python: SpecifierSet = field(default_factory=SpecifierSet)
    packages: tuple[Packages, ...] = ()
    environment: Mapping[str, str] = {}
    pip_options: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    before: str | None = None
    build: str | None = None
    tls: tuple[str, ...] = ()
    smoke: str | None = None
    not_imported: tuple[str, ...] = ()
    unsupported: tuple[Unsupported, ...] = ()
    tested: tuple[str, ...] = ()
    untested: Reason | None = None

    def supports(self, implementation: str) -> bool:
        """Whether it can be built for an implementation of Python at all."""
        return all(entry.implementation != implementation for entry in self.unsupported)

    def refuse_unsupported(self, interpreter: Interpreter) -> None:
        """Raise SpecError for an interpreter that the module cannot be built for."""
        for entry in self.unsupported:
            if entry.implementation == interpreter.implementation:
                raise SpecError(
                    f"{self.name} cannot be built for {interpreter}: {entry.why}",
                    remedy="choose another module or --python; see versions/wheels.toml",
                )


class TlsChoice(Packages, frozen=True, kw_only=True):
    """The packages of a TLS library, by Alpine."""

    flavour: str


class Provides(Record, frozen=True):
    """What a package provides to a build: patterns of headers, and names of the rest."""

    package: str
    headers: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    pkgconfig: tuple[str, ...] = ()


class WheelData(Record, frozen=True):
    """versions/wheels.toml. Every build gets ``packages``."""

    packages: tuple[Packages, ...]
    tls: tuple[TlsChoice, ...]
    modules: tuple[Module, ...]
    offers: tuple[Provides, ...]

    def entries(
        self, name: str, interpreter: Interpreter, versions: SpecifierSet = _ALL
    ) -> tuple[Module, ...]:
        """The entries that build some of a module's ``versions`` for this version of Python."""
        entries, left = list[Module](), versions.to_range()
        for module in self._entries(name, interpreter):
            own = module.versions.to_range()
            if not left.intersection(own).is_empty:
                entries.append(module)
            left = left.difference(own)
        return tuple(entries)

    def entry(self, name: str, version: str, interpreter: Interpreter) -> Module | None:
        """The first entry for this version of a module."""
        modules = self._entries(name, interpreter)
        # Here a pre-release is a version like any other.
        return next((module for module in modules if module.versions.contains(version, True)), None)

    def _entries(self, name: str, interpreter: Interpreter) -> tuple[Module, ...]:
        project, language = canonicalize_name(name), interpreter.language
        return tuple(
            module
            for module in self.modules
            if module.name == project and language in module.python
        )

    def build_packages(
        self, modules: Iterable[Module], interpreter: Interpreter, tls: str | None
    ) -> tuple[str, ...]:
        """The modules' build packages, in order, without repetition.

        Raises:
            SpecError: a module cannot be built with this TLS library, or this Alpine lacks it.
        """
        groups = [*self.packages]
        for module in modules:
            groups += module.packages
            if module.tls:
                groups.append(self._tls(module, interpreter, tls))
        names = (name for group in groups if group.serve(interpreter) for name in group.names)
        return tuple(dict.fromkeys(names))

    def _tls(self, module: Module, interpreter: Interpreter, wanted: str | None) -> Packages:
        flavours = (wanted,) if wanted else module.tls
        for flavour in flavours:
            if flavour not in module.tls:
                continue
            for choice in self.tls:
                if choice.flavour == flavour and choice.serve(interpreter):
                    return choice
        raise SpecError(
            f"{module.name}{module.versions} cannot be built with"
            f" {' or '.join(map(str, flavours))} on Alpine {interpreter.alpine}",
            remedy=f"leave --tls out, or choose another --alpine; {module.name} can be built with"
            f" {' or '.join(module.tls)}",
        )

    def require_tls(self, wanted: str | None) -> str | None:
        """The TLS library that the user chose, if any.

        Raises:
            SpecError: versions/wheels.toml does not have it.
        """
        return require_tls(wanted, (choice.flavour for choice in self.tls))

    def package_of(self, kind: str, name: str) -> str | None:
        """The package that provides ``name``; ``kind`` is headers, libraries, programs or
        pkgconfig."""
        return next(
            (
                offer.package
                for offer in self.offers
                if any(fnmatchcase(name, pattern) for pattern in getattr(offer, kind))
            ),
            None,
        )


def load_wheel_data(root: Path) -> WheelData:
    """Read and check ``root``/versions/wheels.toml.

    Raises:
        DataError: an entry lacks a field, or has an unknown field or a wrong value.
    """
    data = read_toml(root / "versions" / FILE_NAME, WheelData)
    for module in data.modules:
        if not (module.tested or module.untested):
            raise DataError(
                f"versions/{FILE_NAME} [[modules]] ({module.name}): tested is missing",
                remedy="say what was built and run, or in `untested` why nothing was",
            )
    return data
