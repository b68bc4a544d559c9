"""Recipes: everything that building a target needs, from versions/ and patches/.

Nothing is downloaded or run here: a recipe is a value, and loading the data checks all of it.
"""

from __future__ import annotations

import bisect
import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from packaging.version import Version

from alpypy.core.errors import DataError, SpecError
from alpypy.core.source import Rootfs, Source
from alpypy.core.structs import read_toml
from alpypy.recipes.data import (
    Alpine,
    BuildPackages,
    Flag,
    Options,
    PackageData,
    PypyRelease,
    Python2,
    Python2Data,
    Quickstart,
    RpythonProgram,
    TlsData,
    TlsLibrary,
    TlsNeed,
    TranslationData,
    load_alpines,
    load_pypys,
    load_quickstarts,
    require_tls,
)
from alpypy.recipes.manifest import LeftOutPatch
from alpypy.recipes.optimize import OptimizationData, OptimizationLevel, load_optimizations
from alpypy.recipes.patches import Patch, load_patches, select
from alpypy.recipes.spec import PypyVersion, Target

PYPY_GOAL = "pypy/goal/targetpypystandalone.py"


@dataclass(frozen=True)
class Recipe:
    """Everything that a build needs.

    ``translator`` names the PyPy that translates the target, None when CPython itself does.
    ``environment`` is for the translation, and its CFLAGS for the build of CPython too.
    ``programs`` and ``requires`` are empty for a PyPy, ``goal`` is empty for RPython programs,
    which bring their own. ``tls`` is None where no TLS library is needed. ``packaging`` are the
    wheels that PyPy's package.py installs. ``source`` is None for a version that no release has:
    the user gives its tree. A tree decides on ``patches`` too (see fitting.py), as does the source
    of a release that is not ``checked``; ``left_out`` are those that it does not need.
    ``optimize`` is None for RPython programs.
    ``no_errata`` are topics of errata that the user does not want.
    """

    target: Target
    source: Source | None
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
    programs: tuple[RpythonProgram, ...] = ()
    packaging: tuple[Source, ...] = ()
    left_out: tuple[LeftOutPatch, ...] = ()
    optimize: OptimizationLevel | None = None
    no_errata: tuple[str, ...] = ()

    def without_errata(self) -> Recipe:
        """The recipe with the faults of the release, and only the patches for musl."""
        errata = [patch for patch in self.patches if patch.is_erratum]
        return replace(
            self,
            patches=tuple(patch for patch in self.patches if patch not in errata),
            no_errata=(*self.no_errata, *(patch.topic for patch in errata)),
        )


@dataclass(frozen=True)
class Catalog:
    """versions/ and patches/, read and checked."""

    pypys: Mapping[str, PypyRelease]
    quickstarts: Mapping[str, Quickstart]
    alpines: Mapping[str, Alpine]
    python2s: Mapping[str, Python2]
    patches: tuple[Patch, ...]
    packages: tuple[BuildPackages, ...]
    tls: TlsData
    translation: TranslationData
    optimizations: OptimizationData

    @property
    def sources(self) -> Mapping[str, Source]:
        """The source of every release, in the order of ``releases``."""
        rpython = {
            quickstart.release: quickstart.source for quickstart in self.quickstarts.values()
        }
        return {**self.pypys, **rpython}

    @property
    def releases(self) -> tuple[str, ...]:
        """Names of all releases, PyPy first, oldest first."""
        return tuple(self.sources)

    @property
    def buildable(self) -> tuple[str, ...]:
        """Names of everything that ``recipe`` accepts: releases, and variants of RPython's."""
        return (*self.pypys, *self.quickstarts)

    @property
    def translator(self) -> str:
        """The PyPy that translates the others."""
        return self.translation.translator.release

    @property
    def python2(self) -> Python2:
        """The CPython that translates the first PyPy."""
        return self.python2s[self.translation.translator.python2]

    def recipe(self, target: Target, tls: str | None = None, optimize: str | None = None) -> Recipe:
        """Everything that building ``target`` needs.

        Args:
            tls: the TLS library to build with, such as ``libressl``; by default the one that the
                release prefers. With another one, the recipe's target has another version.
            optimize: a level of versions/optimize.toml; its default if None. With another level,
                the recipe's target has another version, unless the user chose that.

        Raises:
            SpecError: versions/ does not list the release or the Alpine, or no TLS library of that
                Alpine suits the release. The message names the nearest that work. Or there is no
                portable one of it.
        """
        alpine = self.alpine(target.alpine)
        if target.portable:
            self._refuse_portable(target, tls)
        if target.release in self.quickstarts:
            if tls:
                raise SpecError(
                    f"--tls is {tls!r}, but {target.release} uses no TLS library",
                    remedy="leave --tls out",
                )
            if optimize:
                raise SpecError(
                    f"--optimize is {optimize!r}, but {target.release} is no PyPy",
                    remedy="leave --optimize out",
                )
            return self._quickstart_recipe(target, alpine)
        if not target.names_tree:
            self.require_pypy(target.release)
        library = self._tls(self.model(target.release), alpine, self._require_tls(tls))
        options = self.translation.target
        level = self.optimizations.level(optimize)
        by_user = target.release_version and not target.names_commit
        target = self._named_by_tls(target, alpine, library)
        if not by_user:
            target = self._named_by_level(target, level)
        recipe = self._pypy_recipe(target, alpine, library, options, self.translator)
        return replace(recipe, optimize=level)

    def _refuse_portable(self, target: Target, tls: str | None) -> None:
        """Raise SpecError if there is no portable PyPy of a release, or not with that library."""
        if target.release in self.quickstarts:
            raise SpecError(
                f"{target.release} uses none of the libraries that --portable links into a PyPy",
                remedy="leave --portable out",
            )
        releases = self.translation.portable.releases
        if PypyVersion.parse(target.release).release not in releases:
            raise SpecError(
                f"PyPy {target.release} cannot be portable: its interpreter is translated with the"
                " TLS library of its Alpine",
                remedy=f"choose a release {releases}, or leave --portable out",
            )
        if tls not in (None, "openssl"):
            raise SpecError(
                f"a portable PyPy has OpenSSL in it, and --tls is {tls!r}",
                remedy="leave --tls out, or leave --portable out",
            )

    def translator_recipe(self, target: Target, tls: str | None = None) -> Recipe:
        """The small PyPy that CPython translates first, so that it can translate ``target``.

        Its build packages are those of ``target``: one image serves both.
        """
        wanted = self.recipe(target, tls)
        stage = Target(self.translator, target.alpine, target.arch)
        library, options = self._tls(stage.release, wanted.alpine), self.translation.translator
        recipe = self._pypy_recipe(stage, wanted.alpine, library, options, None)
        return replace(recipe, build_packages=wanted.build_packages, tls=wanted.tls)

    def model(self, release: str) -> str:
        """The listed release whose data serve a version: itself, or the release that a tree is on
        the way to, or else the newest one before it.

        Raises:
            SpecError: it is not a PyPy version.
        """
        final = PypyVersion.parse(release).without_stage
        keys = [PypyVersion.parse(name).sort_key for name in self.pypys]
        return tuple(self.pypys)[max(bisect.bisect(keys, final.sort_key) - 1, 0)]

    def alpine(self, version: str) -> Alpine:
        """An Alpine release, for example ``3.23``.

        Raises:
            SpecError: versions/ does not list it. The message names the nearest.
        """
        if version not in self.alpines:
            raise SpecError(
                f"versions/alpine.toml has no Alpine {version}",
                remedy=f"choose one of the nearest: {_nearest(version, self.alpines, Version)}",
            )
        return self.alpines[version]

    def require_pypy(self, release: str) -> None:
        """Raise SpecError if versions/ does not list a release; the message names the nearest."""
        if release in self.pypys:
            return
        try:
            near = _nearest(release, self.pypys, lambda name: PypyVersion.parse(name).sort_key)
        except SpecError:
            near = _alike(release, self.buildable)
        raise SpecError(
            f"versions/ has no release {release!r}", remedy=f"choose one of the nearest: {near}"
        )

    def is_checked(self, release: str) -> bool:
        """Whether its patches are known to fit: someone has tried them on the release's source."""
        pypy = self.pypys.get(release)
        return pypy.checked if pypy else release in (*self.quickstarts, *self.releases)

    def _pypy_recipe(
        self,
        target: Target,
        alpine: Alpine,
        tls: TlsLibrary,
        options: Options,
        translator: str | None,
    ) -> Recipe:
        model = self.model(target.release)
        language = PypyVersion.parse(model).language
        need = next(need for need in self.translation.needs if language in need.language)
        return Recipe(
            target=target,
            source=self.pypys.get(target.release),
            patches=select(self.patches, target.release, alpine.version),
            alpine=alpine,
            rootfs=alpine.rootfs.get(target.arch),
            build_packages=(*self._packages(alpine), tls.package),
            tls=tls.name,
            cpython=self.python2,
            cpython_wheels=self.python2.wheels,
            translator=translator,
            goal=PYPY_GOAL,
            options=options.options,
            target_options=options.target_options,
            environment=self._environment(target, alpine),
            memory_mib=need.memory_mib,
            disk_mib=need.disk_mib,
            packaging=tuple(
                wheel for wheel in self.translation.packaging if language in wheel.language
            ),
        )

    def _quickstart_recipe(self, target: Target, alpine: Alpine) -> Recipe:
        quickstart = self.quickstarts[target.release]
        return Recipe(
            target=target,
            source=quickstart.source,
            patches=select(self.patches, quickstart.release, alpine.version),
            alpine=alpine,
            rootfs=alpine.rootfs.get(target.arch),
            build_packages=self._packages(alpine),
            tls=None,
            cpython=self.python2,
            cpython_wheels=self.python2.wheels,
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

    def _packages(self, alpine: Alpine) -> tuple[str, ...]:
        return tuple(
            name
            for entry in self.packages
            if alpine.version in entry.alpine
            for name in entry.names
        )

    def _environment(self, target: Target, alpine: Alpine) -> dict[str, str]:
        return {
            "CFLAGS": _flags(self.translation.cflags, target),
            "LDFLAGS": _flags(self.translation.ldflags, target),
            # Read by rpython/translator/platform/posix.py from 7.3.6 on, for the suffix of
            # extension modules: Alpine's gcc answers nothing, and PyPy would say linux-gnu.
            "PYPY_MULTIARCH": f"{target.arch}-linux-musl",
        }

    def _named_by_tls(self, target: Target, alpine: Alpine, tls: TlsLibrary) -> Target:
        """The target under a version of its own if ``tls`` is not the preferred library: both
        tarballs can then be in one folder."""
        preferred = self._choose_tls(self._tls_need(self.model(target.release)), alpine)
        if target.release_version or preferred is None or tls.name == preferred.name:
            return target
        return replace(target, release_version=f"{target.release}-{tls.name}")

    def _named_by_level(self, target: Target, level: OptimizationLevel) -> Target:
        """The target under a version of its own if ``level`` is not the default."""
        suffix = self.optimizations.suffix(level)
        if not suffix:
            return target
        return replace(target, release_version=f"{target.version}{suffix}")

    def _require_tls(self, wanted: str | None) -> str | None:
        return require_tls(wanted, (library.name for library in self.tls.libraries))

    def _tls(self, release: str, alpine: Alpine, name: str | None = None) -> TlsLibrary:
        """The library to build with: the preferred one, or the preferred one of that name."""
        need = self._tls_need(release)
        tls = self._choose_tls(need, alpine, name)
        if tls is not None:
            return tls
        wants = " or ".join(str(requirement) for requirement in need.takes)
        if name and all(requirement.name != name for requirement in need.takes):
            raise SpecError(
                f"PyPy {release} cannot be built with {name}: it takes {wants} ({need.why})",
                remedy="leave --tls out",
            )
        has = ", ".join(f"{tls.name} {tls.version}" for tls in self._tls_of(alpine))
        raise SpecError(
            f"PyPy {release} cannot be built {f'with {name} ' if name else ''}on Alpine"
            f" {alpine.version}: it needs {wants} ({need.why}), but this Alpine has"
            f" {has or 'no TLS library'}",
            remedy=self._nearest_pairs(release, alpine, name),
        )

    def _tls_need(self, release: str) -> TlsNeed:
        pypy = PypyVersion.parse(release)
        return next(need for need in self.tls.pypy if need.covers(pypy))

    def _tls_of(self, alpine: Alpine) -> tuple[TlsLibrary, ...]:
        return tuple(tls for tls in self.tls.libraries if alpine.version in tls.alpine)

    def _choose_tls(
        self, need: TlsNeed, alpine: Alpine, name: str | None = None
    ) -> TlsLibrary | None:
        return next(
            (
                tls
                for wanted in need.takes
                for tls in self._tls_of(alpine)
                if tls.name == wanted.name
                and tls.version in wanted.specifier
                and name in (None, tls.name)
            ),
            None,
        )

    def _nearest_pairs(self, release: str, alpine: Alpine, tls: str | None) -> str:
        """The same release on the nearest Alpine, the nearest release on the same Alpine."""
        language = PypyVersion.parse(release).language
        alpines = [
            name
            for name, other in self.alpines.items()
            if self._choose_tls(self._tls_need(release), other, tls)
        ]
        releases = [
            name
            for name in self.pypys
            if PypyVersion.parse(name).language == language
            and self._choose_tls(self._tls_need(name), alpine, tls)
        ]
        pairs = []
        if alpines:
            near = min(alpines, key=lambda name: _steps(self.alpines, alpine.version, name))
            pairs.append(f"{release} on Alpine {near}")
        if releases:
            near = min(releases, key=lambda name: _steps(self.pypys, release, name))
            pairs.append(f"{near} on Alpine {alpine.version}")
        if pairs:
            return f"these work{f' with {tls}' if tls else ''}: {', or '.join(pairs)}"
        return "leave --tls out" if tls else "no Alpine suits this release"


def _steps(names: Iterable[str], first: str, second: str) -> int:
    """How many steps lie between two entries."""
    order = list(names)
    return abs(order.index(first) - order.index(second))


def _nearest(name: str, known: Iterable[str], key: Callable[[str], Any]) -> str:
    """Up to four entries around the place of ``name`` in the order of versions."""
    ordered = sorted(known, key=key)
    place = bisect.bisect(ordered, key(name), key=key)
    return ", ".join(ordered[max(place - 2, 0) : place + 2])


def _alike(text: str, known: Sequence[str]) -> str:
    """Entries spelled like ``text``; if some begin with it or its language, only those."""
    for start in (text, f"{text.partition('-')[0]}-"):
        same = [name for name in known if name.startswith(start)]
        if same:
            break
    return ", ".join(difflib.get_close_matches(text, same or known, cutoff=0.0))


def _flags(entries: Sequence[Flag], target: Target) -> str:
    return " ".join(
        entry.flag
        for entry in entries
        if target.alpine in entry.alpine and (entry.portable or not target.portable)
    )


def load_catalog(root: Path) -> Catalog:
    """Read and check ``root``/versions and ``root``/patches.

    Raises:
        DataError: a file is missing or not TOML, or an entry lacks a field or a digest, has an
            unknown or invalid field, or names an entry that versions/ does not have.
    """
    folder = root / "versions"
    pypys, quickstarts = load_pypys(folder), load_quickstarts(folder)
    known = dict.fromkeys((*pypys, *(quickstart.release for quickstart in quickstarts.values())))
    catalog = Catalog(
        pypys=pypys,
        quickstarts=quickstarts,
        alpines=load_alpines(folder),
        python2s=read_toml(folder / "python2.toml", Python2Data),
        patches=load_patches(root / "patches", tuple(known)),
        packages=read_toml(folder / "packages.toml", PackageData).packages,
        tls=read_toml(folder / "tls.toml", TlsData),
        translation=read_toml(folder / "translation.toml", TranslationData),
        optimizations=load_optimizations(folder),
    )
    _refuse_unknown(catalog)
    _refuse_gaps(catalog)
    return catalog


def _refuse_unknown(catalog: Catalog) -> None:
    """Raise DataError if translation.toml names an entry that another file does not have."""
    translator = catalog.translation.translator
    for field, name, file, known in (
        ("release", translator.release, "pypy.toml", catalog.pypys),
        ("python2", translator.python2, "python2.toml", catalog.python2s),
    ):
        if name not in known:
            raise DataError(
                f"versions/translation.toml [translator]: {field} is {name!r}, which"
                f" versions/{file} does not have",
                remedy="correct one of the two",
            )
    if not catalog.is_checked(translator.release):
        raise DataError(
            f"versions/translation.toml [translator]: nobody has tried the patches on the source of"
            f" {translator.release}",
            remedy="choose a release without `checked = false` in versions/pypy.toml",
        )


def _refuse_gaps(catalog: Catalog) -> None:
    """Raise DataError if tls.toml or translation.toml has no entry for some PyPy."""
    for pypy in map(PypyVersion.parse, catalog.pypys):
        if not any(need.covers(pypy) for need in catalog.tls.pypy):
            raise DataError(
                f"versions/tls.toml: no [[pypy]] entry covers {pypy}",
                remedy="add an entry, or widen the releases of another",
            )
        if not any(pypy.language in need.language for need in catalog.translation.needs):
            raise DataError(
                f"versions/translation.toml: no [[needs]] entry covers {pypy}",
                remedy="add an entry",
            )
