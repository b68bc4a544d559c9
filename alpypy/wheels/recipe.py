"""versions/wheels.toml: what is special to a module, and which package has which header."""

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
from alpypy.wheels.request import Interpreter

FILE_NAME = "wheels.toml"
_Implementation = Literal["pypy", "cpython"]
_Name = Annotated[
    str, text("[a-z0-9]+(-[a-z0-9]+)*", "a name as an index writes it: lower case, with - alone")
]
_ALL = SpecifierSet()


class Packages(Record, frozen=True):
    """Build packages, for some Alpines and, if said, for one implementation of Python."""

    names: tuple[str, ...]
    alpine: SpecifierSet = field(default_factory=SpecifierSet)
    implementation: _Implementation | None = None

    def serve(self, interpreter: Interpreter) -> bool:
        """Whether they are for this interpreter's Alpine."""
        wanted = self.implementation in (None, interpreter.implementation)
        return wanted and interpreter.alpine in self.alpine


class Unsupported(Record, frozen=True):
    """An implementation that a module cannot be built for, and the cause."""

    implementation: _Implementation
    why: Reason


class Module(Record, frozen=True):
    """An entry: how some versions of a module are built and tried.

    ``constraints`` are requirements that hold versions of what it is built with; ``before`` and
    ``build`` are shell commands, run in the unpacked source; ``tls`` are the flavours that it can
    be built with, the preferred one first; ``smoke`` is a line of Python. ``tested`` says what was
    built and run, ``untested`` what could not be, and why.
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
    unsupported: tuple[Unsupported, ...] = ()
    tested: tuple[str, ...] = ()
    untested: Reason | None = None

    def supports(self, implementation: str) -> bool:
        """Whether it can be built for an implementation of Python at all."""
        return all(one.implementation != implementation for one in self.unsupported)

    def refuse_unsupported(self, interpreter: Interpreter) -> None:
        """Raise SpecError for an interpreter that the module cannot be built for."""
        for one in self.unsupported:
            if one.implementation == interpreter.implementation:
                raise SpecError(
                    f"{self.name} cannot be built for {interpreter}: {one.why}",
                    remedy="see versions/wheels.toml; choose another module or --python",
                )


class TlsChoice(Packages, frozen=True, kw_only=True):
    """The packages of a TLS library, by Alpine."""

    flavour: str


class Offer(Record, frozen=True):
    """What a package offers to a build: patterns of headers, and names of the rest."""

    package: str
    headers: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    pkgconfig: tuple[str, ...] = ()


class WheelData(Record, frozen=True):
    """The whole file. ``packages`` are what every build gets."""

    packages: tuple[Packages, ...]
    tls: tuple[TlsChoice, ...]
    modules: tuple[Module, ...]
    offers: tuple[Offer, ...]

    def entries(
        self, name: str, interpreter: Interpreter, versions: SpecifierSet = _ALL
    ) -> tuple[Module, ...]:
        """Entries of a module for this version of Python that some of ``versions`` is built by."""
        used, left = list[Module](), versions.to_range()
        for module in self._entries(name, interpreter):
            own = module.versions.to_range()
            if not left.intersection(own).is_empty:
                used.append(module)
            left = left.difference(own)
        return tuple(used)

    def entry(self, name: str, version: str, interpreter: Interpreter) -> Module | None:
        """The first entry for this version of a module."""
        modules = self._entries(name, interpreter)
        # A pre-release is a version like any other here.
        return next((module for module in modules if module.versions.contains(version, True)), None)

    def _entries(self, name: str, interpreter: Interpreter) -> tuple[Module, ...]:
        wanted = canonicalize_name(name)
        return tuple(
            one for one in self.modules if one.name == wanted and interpreter.language in one.python
        )

    def build_packages(
        self, modules: Iterable[Module], interpreter: Interpreter, tls: str | None
    ) -> tuple[str, ...]:
        """Alpine packages that the modules are built with, in order, each once.

        Raises:
            SpecError: a module cannot be built with this TLS flavour, or this Alpine has it not.
        """
        groups = [*self.packages]
        for module in modules:
            groups += module.packages
            if module.tls:
                groups.append(self._tls(module, interpreter, tls))
        names = (name for one in groups if one.serve(interpreter) for name in one.names)
        return tuple(dict.fromkeys(names))

    def _tls(self, module: Module, interpreter: Interpreter, wanted: str | None) -> Packages:
        flavours = (wanted,) if wanted else module.tls
        for flavour in flavours:
            if flavour not in module.tls:
                continue
            for one in self.tls:
                if one.flavour == flavour and one.serve(interpreter):
                    return one
        raise SpecError(
            f"{module.name} cannot be built with {' or '.join(map(str, flavours))} on Alpine"
            f" {interpreter.alpine}",
            remedy=f"it takes {' or '.join(module.tls)}; leave --tls out, or name another --alpine",
        )

    def require_tls(self, wanted: str | None) -> str | None:
        """The TLS flavour that is asked for, if any.

        Raises:
            SpecError: there is no such flavour.
        """
        known = tuple(dict.fromkeys(one.flavour for one in self.tls))
        if wanted is not None and wanted not in known:
            raise SpecError(f"--tls is {wanted!r}", remedy=f"choose {' or '.join(known)}")
        return wanted

    def package_of(self, kind: str, name: str) -> str | None:
        """The package that offers something: ``kind`` is headers, libraries, programs or
        pkgconfig."""
        return next(
            (
                one.package
                for one in self.offers
                if any(fnmatchcase(name, pattern) for pattern in getattr(one, kind))
            ),
            None,
        )


def load_wheel_data(root: Path) -> WheelData:
    """Read and check ``root``/versions/wheels.toml.

    Raises:
        DataError: an entry lacks a field, or has one that is unknown or not usable.
    """
    data = read_toml(root / "versions" / FILE_NAME, WheelData)
    for module in data.modules:
        if not (module.tested or module.untested):
            raise DataError(
                f"versions/{FILE_NAME} [[modules]] ({module.name}): tested is missing",
                remedy="say what was built and run, or why nothing was",
            )
    return data
