"""From a target to everything that building it takes, read from versions/ and patches/.

Nothing is downloaded or run here: a recipe is a value, and loading the data checks all of it.
"""

from __future__ import annotations

import bisect
import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from alpypy.core.errors import SpecError
from alpypy.core.source import Rootfs, Source
from alpypy.core.tables import Table, read_table
from alpypy.recipes.patches import Patch, load_patches, select
from alpypy.recipes.spec import ARCHITECTURES, PypyVersion, Target

PYPY_GOAL = "pypy/goal/targetpypystandalone.py"


@dataclass(frozen=True)
class Alpine:
    """An Alpine release; ``rootfs`` by architecture, empty when no digest is known."""

    version: str
    release: str
    rootfs: Mapping[str, Rootfs]


@dataclass(frozen=True)
class Check:
    """One run of a translated program, and what is searched in its output and errors.

    ``expect`` is a regular expression in which ^ and $ are the ends of a line (re.MULTILINE).
    ``{name}`` in an argument stands for the path of the program's input of that file name.
    """

    arguments: tuple[str, ...]
    expect: str
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Program:
    """An RPython program to translate: goal below the source tree, and the file it becomes."""

    name: str
    goal: str
    options: tuple[str, ...]
    output: str
    inputs: tuple[Path, ...]
    checks: tuple[Check, ...]


@dataclass(frozen=True)
class Tls:
    """A TLS library as some Alpines have it."""

    name: str
    version: Version
    package: str
    alpine: SpecifierSet


@dataclass(frozen=True)
class TlsNeed:
    """The TLS libraries that some PyPy releases can be built with, best first."""

    language: str
    releases: SpecifierSet
    takes: tuple[Requirement, ...]
    why: str

    def covers(self, pypy: PypyVersion) -> bool:
        """Whether the entry speaks of this release."""
        return self.language == pypy.language and pypy.release in self.releases


@dataclass(frozen=True)
class Ranged:
    """Words (packages, compiler flags) for a range of Alpines."""

    words: tuple[str, ...]
    alpine: SpecifierSet
    why: str


@dataclass(frozen=True)
class Need:
    """Memory and disk in MiB that translating a language takes."""

    language: SpecifierSet
    memory_mib: int
    disk_mib: int


@dataclass(frozen=True)
class Stage:
    """Options of translate.py: before the goal, and after it."""

    options: tuple[str, ...]
    target_options: tuple[str, ...]


@dataclass(frozen=True)
class Quickstart:
    """RPython without PyPy: what it imports, what is translated with it, what that takes."""

    source: Source
    requires: tuple[Source, ...]
    programs: tuple[Program, ...]
    memory_mib: int
    disk_mib: int


@dataclass(frozen=True)
class Recipe:
    """All that goes into one build.

    ``translator`` names the PyPy that translates the target, None when CPython itself does.
    ``environment`` is for the translation, and its CFLAGS for the build of CPython too.
    ``programs`` and ``requires`` are empty for a PyPy, ``goal`` is empty for RPython programs,
    which bring their own. ``tls`` is None where no TLS library is needed.
    """

    target: Target
    source: Source
    patches: tuple[Patch, ...]
    alpine: Alpine
    rootfs: Rootfs | None
    build_packages: tuple[str, ...]
    tls: str | None
    cpython: Source
    cpython_wheels: tuple[Source, ...]
    translator: str | None
    goal: str
    options: tuple[str, ...]
    target_options: tuple[str, ...]
    environment: Mapping[str, str]
    memory_mib: int
    disk_mib: int
    requires: tuple[Source, ...] = ()
    programs: tuple[Program, ...] = ()


@dataclass(frozen=True)
class Catalog:
    """versions/ and patches/, read and checked."""

    pypys: Mapping[str, Source]
    quickstarts: Mapping[str, Quickstart]
    alpines: Mapping[str, Alpine]
    python2: Source
    python2_wheels: tuple[Source, ...]
    patches: tuple[Patch, ...]
    packages: tuple[Ranged, ...]
    cflags: tuple[Ranged, ...]
    ldflags: tuple[Ranged, ...]
    tls_libraries: tuple[Tls, ...]
    tls_needs: tuple[TlsNeed, ...]
    needs: tuple[Need, ...]
    translator: str
    translator_stage: Stage
    target_stage: Stage

    @property
    def sources(self) -> Mapping[str, Source]:
        """The source of everything that can be built, in the order of ``releases``."""
        rpython = {name: quickstart.source for name, quickstart in self.quickstarts.items()}
        return {**self.pypys, **rpython}

    @property
    def releases(self) -> tuple[str, ...]:
        """Names of everything that can be built, PyPy first, oldest first."""
        return (*self.pypys, *self.quickstarts)

    def recipe(self, target: Target) -> Recipe:
        """Everything that building ``target`` takes.

        Raises:
            SpecError: versions/ does not know the release or the Alpine, or no TLS library of that
                Alpine suits the release; the nearest that work are named.
        """
        alpine = self.alpine(target.alpine)
        if target.release in self.quickstarts:
            return self._quickstart_recipe(target, alpine)
        self._require_pypy(target.release)
        return self._pypy_recipe(target, alpine, self.target_stage, self.translator)

    def translator_recipe(self, target: Target) -> Recipe:
        """The small PyPy that CPython translates first, so that it can translate ``target``.

        Its build packages are those of ``target``: one image serves both.
        """
        wanted = self.recipe(target)
        stage = Target(self.translator, target.alpine, target.arch)
        recipe = self._pypy_recipe(stage, wanted.alpine, self.translator_stage, None)
        return replace(recipe, build_packages=wanted.build_packages, tls=wanted.tls)

    def alpine(self, version: str) -> Alpine:
        """An Alpine release, for example ``3.23``.

        Raises:
            SpecError: versions/ does not know it; the nearest are named.
        """
        if version not in self.alpines:
            raise SpecError(
                f"versions/alpine.toml has no Alpine {version}",
                remedy=f"choose one of the nearest: {_nearest(version, self.alpines, Version)}",
            )
        return self.alpines[version]

    def _require_pypy(self, release: str) -> None:
        if release in self.pypys:
            return
        try:
            near = _nearest(release, self.pypys, lambda name: PypyVersion.parse(name).sort_key)
        except SpecError:
            near = _alike(release, self.releases)
        raise SpecError(
            f"versions/ has no release {release!r}", remedy=f"choose one of the nearest: {near}"
        )

    def _pypy_recipe(
        self, target: Target, alpine: Alpine, stage: Stage, translator: str | None
    ) -> Recipe:
        tls = self._tls(target.release, alpine)
        language = PypyVersion.parse(target.release).language
        need = next(need for need in self.needs if language in need.language)
        return Recipe(
            target=target,
            source=self.pypys[target.release],
            patches=select(self.patches, target.release, alpine.version),
            alpine=alpine,
            rootfs=alpine.rootfs.get(target.arch),
            build_packages=(*_words(self.packages, alpine), tls.package),
            tls=tls.name,
            cpython=self.python2,
            cpython_wheels=self.python2_wheels,
            translator=translator,
            goal=PYPY_GOAL,
            options=stage.options,
            target_options=stage.target_options,
            environment=self._environment(target, alpine),
            memory_mib=need.memory_mib,
            disk_mib=need.disk_mib,
        )

    def _quickstart_recipe(self, target: Target, alpine: Alpine) -> Recipe:
        quickstart = self.quickstarts[target.release]
        return Recipe(
            target=target,
            source=quickstart.source,
            patches=select(self.patches, target.release, alpine.version),
            alpine=alpine,
            rootfs=alpine.rootfs.get(target.arch),
            build_packages=_words(self.packages, alpine),
            tls=None,
            cpython=self.python2,
            cpython_wheels=self.python2_wheels,
            translator=None,
            goal="",
            options=(),
            target_options=(),
            environment=self._environment(target, alpine),
            memory_mib=quickstart.memory_mib,
            disk_mib=quickstart.disk_mib,
            requires=quickstart.requires,
            programs=quickstart.programs,
        )

    def _environment(self, target: Target, alpine: Alpine) -> dict[str, str]:
        return {
            "CFLAGS": " ".join(_words(self.cflags, alpine)),
            "LDFLAGS": " ".join(_words(self.ldflags, alpine)),
            # Read by rpython/translator/platform/posix.py from 7.3.6 on, for the suffix of
            # extension modules: Alpine's gcc answers nothing, and PyPy would say linux-gnu.
            "PYPY_MULTIARCH": f"{target.arch}-linux-musl",
        }

    def _tls(self, release: str, alpine: Alpine) -> Tls:
        need = self._tls_need(release)
        tls = self._choose_tls(need, alpine)
        if tls is not None:
            return tls
        has = ", ".join(f"{tls.name} {tls.version}" for tls in self._tls_of(alpine))
        wants = " or ".join(str(requirement) for requirement in need.takes)
        raise SpecError(
            f"PyPy {release} cannot be built on Alpine {alpine.version}: it takes {wants}"
            f" ({need.why}), and this Alpine has {has or 'no TLS library'}",
            remedy=self._nearest_pairs(release, alpine),
        )

    def _tls_need(self, release: str) -> TlsNeed:
        pypy = PypyVersion.parse(release)
        return next(need for need in self.tls_needs if need.covers(pypy))

    def _tls_of(self, alpine: Alpine) -> tuple[Tls, ...]:
        return tuple(tls for tls in self.tls_libraries if alpine.version in tls.alpine)

    def _choose_tls(self, need: TlsNeed, alpine: Alpine) -> Tls | None:
        return next(
            (
                tls
                for wanted in need.takes
                for tls in self._tls_of(alpine)
                if tls.name == wanted.name and tls.version in wanted.specifier
            ),
            None,
        )

    def _nearest_pairs(self, release: str, alpine: Alpine) -> str:
        """The same release on the nearest Alpine, the nearest release on the same Alpine."""
        language = PypyVersion.parse(release).language
        alpines = [
            name
            for name, other in self.alpines.items()
            if self._choose_tls(self._tls_need(release), other)
        ]
        releases = [
            name
            for name in self.pypys
            if PypyVersion.parse(name).language == language
            and self._choose_tls(self._tls_need(name), alpine)
        ]
        pairs = []
        if alpines:
            near = min(alpines, key=lambda name: _steps(self.alpines, alpine.version, name))
            pairs.append(f"{release} on Alpine {near}")
        if releases:
            near = min(releases, key=lambda name: _steps(self.pypys, release, name))
            pairs.append(f"{near} on Alpine {alpine.version}")
        return f"these work: {', or '.join(pairs)}" if pairs else "no Alpine suits this release"


def _steps(names: Iterable[str], one: str, other: str) -> int:
    """How many entries lie between two names."""
    order = list(names)
    return abs(order.index(one) - order.index(other))


def _nearest(name: str, known: Iterable[str], key: Callable[[str], Any]) -> str:
    """Up to four entries around the place where ``name`` would stand, in order of version."""
    ordered = sorted(known, key=key)
    place = bisect.bisect(ordered, key(name), key=key)
    return ", ".join(ordered[max(place - 2, 0) : place + 2])


def _alike(text: str, known: Sequence[str]) -> str:
    """Entries spelt like ``text``: those that begin so or with that language come first."""
    for start in (text, f"{text.partition('-')[0]}-"):
        same = [name for name in known if name.startswith(start)]
        if same:
            break
    return ", ".join(difflib.get_close_matches(text, same or known, cutoff=0.0))


def _words(entries: Sequence[Ranged], alpine: Alpine) -> tuple[str, ...]:
    return tuple(
        word for entry in entries if alpine.version in entry.alpine for word in entry.words
    )


def load_catalog(root: Path) -> Catalog:
    """Read and check ``root``/versions and ``root``/patches.

    Raises:
        DataError: a file is missing or not TOML, or an entry lacks a field or a digest, has a field
            that is unknown or of the wrong form, or names what versions/ does not have.
    """
    pypys = _load_pypys(read_table(root, "pypy.toml"))
    quickstarts = _load_quickstarts(read_table(root, "rpython.toml"), root / "versions")
    translation = read_table(root, "translation.toml")
    translation.allow("translator", "target", "cflags", "ldflags", "needs")
    translator = translation.table("translator")
    tls = read_table(root, "tls.toml")
    tls.allow("libraries", "pypy")
    python2 = read_table(root, "python2.toml").table(translator.text("python2"))
    return Catalog(
        pypys=pypys,
        quickstarts=quickstarts,
        alpines=_load_alpines(read_table(root, "alpine.toml")),
        python2=load_source(python2, "wheels"),
        python2_wheels=tuple(map(load_source, python2.tables("wheels"))),
        patches=load_patches(root / "patches", (*pypys, *quickstarts)),
        packages=tuple(map(_load_packages, read_table(root, "packages.toml").tables("packages"))),
        cflags=tuple(map(_load_flag, translation.tables("cflags"))),
        ldflags=tuple(map(_load_flag, translation.tables("ldflags"))),
        tls_libraries=tuple(map(_load_tls, tls.tables("libraries"))),
        tls_needs=_load_tls_needs(tls, pypys),
        needs=_load_needs(translation, pypys),
        translator=translator.choice("release", pypys),
        translator_stage=_load_stage(translator, "release", "python2"),
        target_stage=_load_stage(translation.table("target")),
    )


def load_source(entry: Table, *more: str) -> Source:
    """A file to fetch; the entry may have the fields ``more`` besides.

    Raises:
        DataError: a field is missing, unknown or not usable.
    """
    entry.allow("url", "sha256", "pypi", "debian", *more)
    return Source(
        url=entry.url(),
        sha256=entry.digest("sha256"),
        pypi=entry.optional_text("pypi"),
        debian=entry.optional_text("debian"),
    )


def _load_pypys(file: Table) -> dict[str, Source]:
    pypys = {}
    for name in file.names():
        try:
            PypyVersion.parse(name)
        except SpecError as error:
            raise file.error(error.what, error.remedy) from error
        pypys[name] = load_source(file.table(name))
    return dict(sorted(pypys.items(), key=lambda item: PypyVersion.parse(item[0]).sort_key))


def _load_alpines(file: Table) -> dict[str, Alpine]:
    alpines = {name: _load_alpine(name, file.table(name)) for name in file.names()}
    return dict(sorted(alpines.items(), key=lambda item: Version(item[0])))


def _load_alpine(name: str, entry: Table) -> Alpine:
    entry.allow("release", "rootfs")
    if not re.fullmatch(r"\d+\.\d+", name):
        raise entry.error("not the name of an Alpine release", "write it as 3.9 or 3.23")
    rootfs = {}
    if entry.has("rootfs"):
        table = entry.table("rootfs")
        table.allow(*ARCHITECTURES)
        for arch in table.names():
            one = table.table(arch)
            one.allow("url", "sha512")
            rootfs[arch] = Rootfs(one.url(), one.digest("sha512"))
    return Alpine(name, entry.text("release"), rootfs)


def _load_packages(entry: Table) -> Ranged:
    entry.allow("names", "alpine", "why")
    return Ranged(entry.texts("names"), entry.range("alpine"), entry.text("why"))


def _load_flag(entry: Table) -> Ranged:
    entry.allow("flag", "alpine", "why")
    return Ranged((entry.text("flag"),), entry.range("alpine"), entry.text("why"))


def _load_tls(entry: Table) -> Tls:
    entry.allow("name", "version", "package", "alpine")
    return Tls(
        name=entry.text("name"),
        version=entry.version("version"),
        package=entry.text("package"),
        alpine=entry.range("alpine"),
    )


def _load_tls_needs(tls: Table, pypys: Iterable[str]) -> tuple[TlsNeed, ...]:
    needs = tuple(map(_load_tls_need, tls.tables("pypy")))
    for name in pypys:
        if not any(need.covers(PypyVersion.parse(name)) for need in needs):
            raise tls.error(
                f"no [[pypy]] entry covers {name}", "add one, or widen the releases of another"
            )
    return needs


def _load_tls_need(entry: Table) -> TlsNeed:
    entry.allow("language", "releases", "takes", "why")
    try:
        takes = tuple(map(Requirement, entry.texts("takes")))
    except InvalidRequirement as error:
        raise entry.error(f"takes: {error}", "write openssl>=1.1,<3") from error
    return TlsNeed(entry.text("language"), entry.range("releases"), takes, entry.text("why"))


def _load_needs(translation: Table, pypys: Iterable[str]) -> tuple[Need, ...]:
    needs = []
    for entry in translation.tables("needs"):
        entry.allow("language", "memory_mib", "disk_mib")
        needs.append(
            Need(entry.range("language"), entry.number("memory_mib"), entry.number("disk_mib"))
        )
    for name in pypys:
        if not any(PypyVersion.parse(name).language in need.language for need in needs):
            raise translation.error(f"no [[needs]] entry covers {name}", "add one")
    return tuple(needs)


def _load_stage(entry: Table, *more: str) -> Stage:
    entry.allow("options", "target_options", *more)
    return Stage(entry.texts("options"), entry.texts("target_options"))


def _load_quickstarts(file: Table, folder: Path) -> dict[str, Quickstart]:
    quickstarts = {}
    for name in file.names():
        entry = file.table(name)
        source = load_source(entry, "requires", "programs", "memory_mib", "disk_mib")
        quickstarts[name] = Quickstart(
            source=source,
            requires=tuple(map(load_source, entry.tables("requires"))),
            programs=tuple(_load_program(one, folder) for one in entry.tables("programs")),
            memory_mib=entry.number("memory_mib"),
            disk_mib=entry.number("disk_mib"),
        )
    return quickstarts


def _load_program(entry: Table, folder: Path) -> Program:
    entry.allow("name", "goal", "options", "output", "inputs", "checks")
    inputs = tuple(folder / name for name in entry.texts("inputs"))
    for path in inputs:
        if not path.is_file():
            raise entry.error(f"{path} does not exist", "correct inputs")
    return Program(
        name=entry.text("name"),
        goal=entry.text("goal"),
        options=entry.texts("options"),
        output=entry.text("output"),
        inputs=inputs,
        checks=tuple(map(_load_check, entry.tables("checks"))),
    )


def _load_check(entry: Table) -> Check:
    entry.allow("arguments", "expect", "environment")
    try:
        re.compile(entry.text("expect"), re.MULTILINE)
    except re.error as error:
        raise entry.error(f"expect: {error}", "write a regular expression") from error
    variables = entry.table("environment") if entry.has("environment") else None
    environment = {name: variables.text(name) for name in variables.names()} if variables else {}
    return Check(entry.texts("arguments"), entry.text("expect"), environment)
