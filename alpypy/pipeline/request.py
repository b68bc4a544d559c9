"""A request for a build, resolved and checked before it needs an engine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from alpypy.build.images import BuiltTarball, GivenPypy
from alpypy.core.errors import ArchiveError, SpecError
from alpypy.core.files import file_digest
from alpypy.core.program import typed
from alpypy.core.project import Project
from alpypy.core.source import Source
from alpypy.recipes.artifacts import with_commit
from alpypy.recipes.checkout import copy_files
from alpypy.recipes.fitting import fitted_patches, require_fit
from alpypy.recipes.libraries import refuse_missing
from alpypy.recipes.local_source import (
    LocalSource,
    OpenedSource,
    identify,
    only_a_tree,
    open_source,
    refuse_unused,
)
from alpypy.recipes.manifest import Manifest
from alpypy.recipes.recipe import Catalog, Recipe, load_catalog
from alpypy.recipes.spec import PypyVersion, Target

_TRANSLATES = "2.7"  # RPython is a subset of this language


@dataclass(frozen=True)
class BuildRequest:
    """What the user asks for. ``with_pypy`` is a tarball's path or a PyPy version. ``tls`` is a
    TLS library's name. ``jobs`` is how many C compilers run at once, by default the number of
    processors. Without ``errata``, the PyPy keeps the faults that its release has on every
    system. ``libraries`` lists those that a portable PyPy contains, if not versions/libraries.toml.
    ``optimize`` is a level of versions/optimize.toml.
    """

    target: Target
    libraries: Path | None = None
    sources: Sequence[Path] = ()
    base_image: str | None = None
    with_pypy: str | None = None
    direct: bool = False
    tls: str | None = None
    keep: bool = False
    jobs: int | None = None
    errata: bool = True
    optimize: str | None = None


@dataclass(frozen=True)
class ResolvedBuild:
    """A request with everything it means: recipes, sources by release, and the user's PyPy 2.7.

    ``small`` is the recipe of the PyPy that translates the target; None if no such PyPy is built.
    """

    request: BuildRequest
    recipe: Recipe
    small: Recipe | None
    given: GivenPypy | None
    sources: Mapping[str, OpenedSource]

    @property
    def downloads(self) -> tuple[Source, ...]:
        """The files that it fetches if nothing of it is finished yet."""
        files = list[Source]()
        for recipe in filter(None, (self.recipe, self.small)):
            if recipe.source and self.sources[recipe.target.release].origin.url:
                files.append(recipe.source)
            files += (*recipe.requires, *recipe.packaging)
        if not self.given:
            files += (self.recipe.cpython, *self.recipe.cpython_wheels)
        return tuple(files)


def _refuse_with_pypy(request: BuildRequest) -> None:
    if request.with_pypy == "":
        raise SpecError(
            "--with-pypy is empty",
            remedy="give the path of a PyPy 2.7 tarball or its version; if you gave a shell"
            " variable, set it",
        )
    if request.direct and request.with_pypy is not None:
        raise SpecError(
            "--direct translates with CPython, but --with-pypy with a PyPy",
            remedy="give one of the two",
        )


def _refuse_libraries(project: Project, request: BuildRequest) -> None:
    path = request.libraries
    if path and not request.target.portable:
        raise SpecError(
            "--libraries lists what a portable PyPy contains, and this one is not portable",
            remedy="add --portable, or leave --libraries out",
        )
    if path and not path.is_file():
        raise SpecError(
            f"--libraries {path} is not a file", remedy="give a copy of versions/libraries.toml"
        )
    if path:
        refuse_missing(path, project.data / "versions/libraries.toml")


def _refuse_twice(sources: Iterable[tuple[str, str]]) -> None:
    """Refuse two sources for the same release. ``sources`` has pairs of release and path."""
    paths: dict[str, str] = {}
    for release, path in sources:
        if release in paths:
            raise SpecError(
                f"{paths[release]} and {path} are both PyPy {release}",
                remedy="give --source only one of them",
            )
        paths[release] = path


def resolve(
    project: Project, request: BuildRequest, *, spare_sources: bool = False
) -> ResolvedBuild:
    """Work out what a request means.

    Args:
        spare_sources: whether the request may have sources that this build does not translate.

    Raises:
        SpecError: something in it does not exist, or cannot be combined.
        ArchiveError: a local source is damaged.
        DataError: a file in versions/ or patches/ is not usable.
        PatchError: a patch does not fit the source of a tree, or of a release that is not checked.
        DownloadError, DigestError: the source of such a release cannot be fetched.
    """
    _refuse_with_pypy(request)
    _refuse_libraries(project, request)
    catalog = load_catalog(project.data)
    local_sources = [identify(path, project.cache) for path in request.sources]
    _refuse_twice((source.release, source.path) for source in local_sources)
    request = replace(request, target=_target(catalog, request.target, local_sources))
    recipe = catalog.recipe(request.target, request.tls, request.optimize)
    given = _given_pypy(project.artifacts, catalog.translator, request)
    staged = recipe.translator is not None and not request.direct and given is None
    small = catalog.translator_recipe(request.target, request.tls) if staged else None
    if not request.errata:
        recipe, small = recipe.without_errata(), small and small.without_errata()
    sources = {
        needed.target.release: open_source(needed, local_sources, project.fetcher)
        for needed in filter(None, (recipe, small))
    }
    if not spare_sources:
        refuse_unused(local_sources, sources)
    release = recipe.target.release
    if not catalog.is_checked(release):  # last: this may download the source
        recipe = _fitted(catalog, recipe, sources[release], errata=request.errata)
    return ResolvedBuild(request, recipe, small, given, sources)


def _target(catalog: Catalog, target: Target, local_sources: Sequence[LocalSource]) -> Target:
    """The target, named for its tree if it is no release.

    Raises:
        SpecError: it has a commit in its name, or another version, and that is not its tree's.
    """
    tree = _tree(target, local_sources)
    if target.names_commit and tree is None:
        raise _without_its_tree(catalog, target)
    if tree is None or (target.release in catalog.buildable and not target.names_commit):
        return target
    version = tree.version if target.version == target.release else target.version
    if not version.startswith(tree.version):
        raise SpecError(
            f"{tree.path} is PyPy {tree.version}, and would be packaged as {version}",
            remedy=f"ask for --pypy {tree.version}; if you give --release-version, begin it with"
            " that",
        )
    return replace(target, release_version=version)


def _without_its_tree(catalog: Catalog, target: Target) -> SpecError:
    if target.release not in catalog.quickstarts:
        return only_a_tree(target)
    return SpecError(
        f"{target.version} names a commit, but alpypy builds RPython from its release alone",
        remedy=f"ask for --pypy {target.release}",
    )


def _tree(target: Target, local_sources: Sequence[LocalSource]) -> LocalSource | None:
    return next((source for source in local_sources if source.release == target.release), None)


def _fitted(catalog: Catalog, recipe: Recipe, source: OpenedSource, *, errata: bool) -> Recipe:
    """The recipe with the patches that fit its source, which is fetched if it is not at hand."""
    target, path = recipe.target, source.fetch()
    fitted = fitted_patches(
        catalog,
        target.release,
        target.alpine,
        lambda files, folder: copy_files(path, files, folder),
        errata=errata,
    )
    require_fit(fitted, target.version, str(path))
    return replace(
        recipe, patches=fitted.applied, left_out=fitted.left_out, no_errata=fitted.no_errata
    )


def _given_pypy(artifacts: Path, translator: str, request: BuildRequest) -> GivenPypy | None:
    given, target = request.with_pypy, request.target
    if given is None:
        return None
    path = Path(given)
    if not path.is_file():
        path = artifacts / _pypy2_target(artifacts, given, translator, target).tarball
    if not path.is_file():
        raise SpecError(
            f"--with-pypy {given}: neither that file nor artifacts/{path.name} exists",
            remedy="give the path of a PyPy 2.7 tarball for this Alpine, or build one:"
            f" {typed('bootstrap', pypy=given, alpine=target.alpine)}",
        )
    problem = _unfit(path, target)
    if problem:
        raise SpecError(
            f"--with-pypy {path}: {problem}",
            remedy=f"give the tarball of a PyPy 2.7, such as {translator}, that alpypy made for"
            f" Alpine {target.alpine} and {target.arch}",
        )
    return GivenPypy(BuiltTarball(path, file_digest(path)))


def _pypy2_target(artifacts: Path, given: str, translator: str, target: Target) -> Target:
    """The target of a version in --with-pypy: a PyPy 2.7, because only that translates."""
    try:
        if PypyVersion.parse(given.partition("+")[0]).language == _TRANSLATES:
            return with_commit(artifacts, Target.parse(given, target.alpine, target.arch))
        problem = f"is not a PyPy {_TRANSLATES}, and only that translates"
    except SpecError:
        problem = "is neither a file nor a PyPy version"
    raise SpecError(
        f"--with-pypy {given} {problem}",
        remedy=f"give {translator}, or the path of such a tarball for Alpine {target.alpine}",
    )


def _unfit(tarball: Path, target: Target) -> str | None:
    """Why a tarball cannot translate; it must run in an image of the target's Alpine."""
    try:
        manifest = Manifest.of_tarball(tarball)
    except ArchiveError as error:
        return error.what
    pypy = manifest.target
    release, alpine, arch = pypy.release, pypy.alpine, pypy.arch
    if manifest.kind != "pypy" or PypyVersion.parse(release).language != _TRANSLATES:
        return f"it is {release}, but only a PyPy {_TRANSLATES} translates"
    if (alpine, arch) != (target.alpine, target.arch):
        return f"it is for Alpine {alpine} on {arch}, not for {target.alpine} on {target.arch}"
    return None
