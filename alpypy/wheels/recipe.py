"""versions/wheels.toml: what is special to a module, and which package has which header."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from alpypy.core.errors import SpecError
from alpypy.core.tables import Table, read_table
from alpypy.wheels.request import Interpreter

FILE_NAME = "wheels.toml"
_IMPLEMENTATIONS = ("pypy", "cpython")
_ALL = SpecifierSet()
_KINDS = ("headers", "libraries", "programs", "pkgconfig")


@dataclass(frozen=True)
class Packages:
    """Build packages, for some Alpines and, if said, for one implementation of Python."""

    names: tuple[str, ...]
    alpine: SpecifierSet
    implementation: str | None

    def serve(self, interpreter: Interpreter) -> bool:
        """Whether they are for this interpreter's Alpine."""
        wanted = self.implementation in (None, interpreter.implementation)
        return wanted and interpreter.alpine in self.alpine


@dataclass(frozen=True)
class Unsupported:
    """An implementation that a module cannot be built for, and the cause."""

    implementation: str
    why: str


@dataclass(frozen=True)
class Module:
    """An entry: how some versions of a module are built and tried.

    ``constraints`` are requirements that hold versions of what it is built with; ``before`` and
    ``build`` are shell commands, run in the unpacked source; ``tls`` are the flavours that it can
    be built with, the preferred one first; ``smoke`` is a line of Python. ``tested`` says what was
    built and run, ``untested`` what could not be, and why.
    """

    name: str
    versions: SpecifierSet
    languages: SpecifierSet
    packages: tuple[Packages, ...]
    environment: Mapping[str, str]
    pip_options: tuple[str, ...]
    constraints: tuple[str, ...]
    before: str | None
    build: str | None
    tls: tuple[str, ...]
    smoke: str | None
    unsupported: tuple[Unsupported, ...]
    tested: tuple[str, ...]
    untested: str | None

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


@dataclass(frozen=True)
class TlsChoice:
    """The packages of a TLS library, by Alpine."""

    flavour: str
    packages: Packages


@dataclass(frozen=True)
class Offer:
    """What a package offers to a build: patterns of headers, and names of the rest."""

    package: str
    headers: tuple[str, ...]
    libraries: tuple[str, ...]
    programs: tuple[str, ...]
    pkgconfig: tuple[str, ...]


@dataclass(frozen=True)
class WheelData:
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
            one
            for one in self.modules
            if one.name == wanted and interpreter.language in one.languages
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
                if one.flavour == flavour and one.packages.serve(interpreter):
                    return one.packages
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
    file = read_table(root, FILE_NAME)
    file.allow("packages", "tls", "modules", "offers")
    return WheelData(
        packages=tuple(map(_load_packages, file.tables("packages"))),
        tls=tuple(_load_tls(entry) for entry in file.tables("tls")),
        modules=tuple(
            _load_module(entry.called(entry.text("name"))) for entry in file.tables("modules")
        ),
        offers=tuple(
            _load_offer(entry.called(entry.text("package"))) for entry in file.tables("offers")
        ),
    )


def _load_packages(entry: Table) -> Packages:
    entry.allow("names", "alpine", "implementation")
    return _packages(entry)


def _packages(entry: Table) -> Packages:
    chosen = entry.has("implementation")
    implementation = entry.choice("implementation", _IMPLEMENTATIONS) if chosen else None
    return Packages(entry.texts("names"), entry.range("alpine"), implementation)


def _load_tls(entry: Table) -> TlsChoice:
    entry.allow("flavour", "names", "alpine")
    return TlsChoice(entry.text("flavour"), _packages(entry))


def _load_module(entry: Table) -> Module:
    entry.allow(
        *("name", "versions", "python", "packages", "environment", "pip_options"),
        *("constraints", "before", "build", "tls", "smoke", "unsupported", "tested", "untested"),
    )
    if not (entry.has("tested") or entry.has("untested")):
        raise entry.error("tested is missing", "say what was built and run, or why nothing was")
    return Module(
        name=canonicalize_name(entry.text("name")),
        versions=entry.range("versions"),
        languages=entry.range("python"),
        packages=tuple(_load_packages(one) for one in _tables(entry, "packages")),
        environment=dict(_environment(entry)),
        pip_options=_texts(entry, "pip_options"),
        constraints=_texts(entry, "constraints"),
        before=entry.optional_text("before"),
        build=entry.optional_text("build"),
        tls=_texts(entry, "tls"),
        smoke=entry.optional_text("smoke"),
        unsupported=tuple(map(_load_unsupported, _tables(entry, "unsupported"))),
        tested=_texts(entry, "tested"),
        untested=entry.optional_text("untested"),
    )


def _environment(entry: Table) -> Iterator[tuple[str, str]]:
    table = entry.table("environment") if entry.has("environment") else Table(entry.where, {})
    return ((name, table.text(name)) for name in table.names())


def _load_unsupported(entry: Table) -> Unsupported:
    entry.allow("implementation", "why")
    return Unsupported(entry.choice("implementation", _IMPLEMENTATIONS), entry.text("why"))


def _load_offer(entry: Table) -> Offer:
    entry.allow("package", *_KINDS)
    return Offer(entry.text("package"), *(_texts(entry, kind) for kind in _KINDS))


def _texts(entry: Table, key: str) -> tuple[str, ...]:
    return entry.texts(key) if entry.has(key) else ()


def _tables(entry: Table, key: str) -> tuple[Table, ...]:
    return entry.tables(key) if entry.has(key) else ()
