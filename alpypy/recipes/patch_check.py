"""Checks every patch against the available sources, exactly as a build applies it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from alpypy.core.errors import PatchError, SpecError
from alpypy.core.fetch import Fetcher
from alpypy.core.files import file_digest
from alpypy.core.program import typed
from alpypy.core.source import Source
from alpypy.core.unpack import unpack_some
from alpypy.recipes.checkout import copy_files, git, is_bare
from alpypy.recipes.fitting import FittedPatches, fitted_patches
from alpypy.recipes.local_source import identify
from alpypy.recipes.patches import apply
from alpypy.recipes.recipe import Catalog

_ALL_OF_PYPY = ("git clone --bare https://github.com/pypy/pypy.git pypy.git", "pypy.git")


@dataclass(frozen=True)
class AvailableSource:
    """A release's source on this machine: where it is, and a function that copies named files, if
    the source has them, into a folder."""

    release: str
    where: str
    copy: Callable[[Sequence[str], Path], None]


@dataclass(frozen=True)
class CheckedSource:
    """The result for a source; ``misfits`` has a line with file and hunk for each patch, and
    ``notes`` one for each patch that a tree does not need, or has at other lines."""

    release: str
    where: str
    patches: int
    misfits: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def fits(self) -> bool:
        """Whether every patch applies."""
        return not self.misfits


def available_sources(
    catalog: Catalog, paths: Iterable[Path], cache: Path
) -> tuple[AvailableSource, ...]:
    """The releases' archives in the cache, and the sources that the user names.

    Args:
        paths: archives, checkouts, or git repositories; a repository gives every release in
            versions/ that it has a tag of.
        cache: the cache folder; nothing is fetched into it.

    Raises:
        SpecError: a path does not exist, or is not PyPy.
        ArchiveError: an archive is truncated or damaged.
    """
    return (*cached_sources(catalog, cache), *named_sources(catalog, paths, cache))


def cached_sources(catalog: Catalog, cache: Path) -> tuple[AvailableSource, ...]:
    """The releases' archives in the cache folder."""
    fetcher = Fetcher(cache)
    return tuple(
        _at(release, path, "the cache")
        for release, source in catalog.sources.items()
        if (path := fetcher.cached(source))
    )


def named_sources(
    catalog: Catalog, paths: Iterable[Path], cache: Path
) -> tuple[AvailableSource, ...]:
    """The sources that the user names; arguments and errors are those of ``available_sources``."""
    return tuple(source for path in paths for source in _named(catalog, path, cache))


def check(catalog: Catalog, source: AvailableSource) -> CheckedSource:
    """Apply a release's patches, one after the other, to a copy of the files that they change.

    A patch that does not apply is skipped, so that the others are tried too.

    Raises:
        ArchiveError: the source is truncated or damaged.
        SpecError: git does not provide the files.
    """
    release = source.release
    patches = [patch for patch in catalog.patches if release in patch.releases]
    misfits = []
    with tempfile.TemporaryDirectory(prefix="alpypy-patches-") as scratch:
        tree = Path(scratch)
        source.copy(sorted({file for patch in patches for file in patch.files}), tree)
        for patch in patches:
            try:
                apply([patch], tree, release)
            except PatchError as error:
                misfits.append(error.what)
    return CheckedSource(release, source.where, len(patches), tuple(misfits))


def check_tree(catalog: Catalog, source: AvailableSource) -> CheckedSource:
    """Match the patches with a source that nobody has tried them on, as a build of it does.

    Raises:
        ArchiveError: the source is truncated or damaged.
    """
    stated = source.release.partition("+")[0]
    fitted = fitted_patches(catalog, stated, None, source.copy)
    patches = len(fitted.applied) + len(fitted.misfits)
    notes = tuple(_notes(fitted, stated if stated in catalog.releases else None))
    return CheckedSource(source.release, source.where, patches, fitted.misfits, notes)


def _notes(fitted: FittedPatches, release: str | None) -> Iterator[str]:
    """What is not as the headers say; ``release`` is the release that the source is, if it is."""
    for patch in fitted.applied:
        if patch.moved:
            yield f"{patch.name} fits at other lines than it says"
        if release and release not in patch.releases:
            yield f"{patch.name} fits, and does not list {release}"
    for left in fitted.left_out:
        yield f"{left.name} is left out: {left.reason}"


def report(catalog: Catalog, sources: Sequence[AvailableSource], say: Callable[[str], None]) -> int:
    """Check all sources by release, say each result as it comes, and return the exit code."""
    results = []
    releases = dict.fromkeys((*catalog.releases, *(source.release for source in sources)))
    width = max(map(len, releases))
    for release in releases:
        matching = [source for source in sources if source.release == release]
        if not matching:
            say(f"{release:{width}}  no source on this machine")
        for source in matching:
            checked = catalog.is_checked(release)
            result = check(catalog, source) if checked else check_tree(catalog, source)
            results.append(result)
            for line in _result_lines(result, width):
                say(line)
    for line in _summary(catalog, results):
        say(line)
    return 0 if all(result.fits for result in results) else 1


def how_to_get(source: Source) -> tuple[str, str]:
    """The command that fetches the source of a release, and the file or folder it leaves."""
    if source.pypi is None:
        return _ALL_OF_PYPY
    return f"pip download --no-deps {source.pypi}", source.file_name


def _result_lines(result: CheckedSource, width: int) -> Iterator[str]:
    state = "fits" if result.fits else "does not fit"
    good = result.patches - len(result.misfits)
    yield f"{result.release:{width}}  {state}: {good} of {result.patches} patches, {result.where}"
    yield from (f"{'':{width}}    {line}" for line in (*result.misfits, *result.notes))


def _summary(catalog: Catalog, results: Sequence[CheckedSource]) -> Iterator[str]:
    checked = {result.release for result in results}.intersection(catalog.releases)
    bad = {result.release for result in results if not result.fits}.intersection(checked)
    without = [release for release in catalog.releases if release not in checked]
    yield (
        f"{len(catalog.releases)} releases: {len(checked)} checked, {len(bad)} of them do not fit;"
        f" {len(without)} without a source on this machine"
    )
    for command, path in dict.fromkeys(how_to_get(catalog.sources[name]) for name in without):
        yield f"  {command} && {typed('patches')} --source {path}"


def _named(catalog: Catalog, path: Path, cache: Path) -> Sequence[AvailableSource]:
    tagged = tuple(_tagged(catalog, path)) if _is_repository(path) else ()
    if tagged:
        return tagged
    if is_bare(path):
        raise SpecError(
            f"{path} has no tag for any release in versions/pypy.toml",
            remedy=f"fetch them: git -C {path} fetch --tags https://github.com/pypy/pypy.git",
        )
    return (_source_at(catalog, path, cache),)


def _source_at(catalog: Catalog, path: Path, cache: Path) -> AvailableSource:
    """A published archive, recognized by its digest, RPython's too; else what its version file
    states."""
    if path.is_file():
        digest = file_digest(path)
        for release, source in catalog.sources.items():
            if source.sha256 == digest:
                return _at(release, path, str(path))
    local = identify(path, cache)
    version = local.release if local.release in catalog.releases else local.version
    return AvailableSource(version, local.path, local.copy)


def _is_repository(path: Path) -> bool:
    """Whether the path itself is a repository; git would also search the folders above it."""
    return (path / ".git").exists() or is_bare(path)


def _tagged(catalog: Catalog, repository: Path) -> Iterator[AvailableSource]:
    tags = set(os.fsdecode(git(repository, "tag", "--list")).split())
    for release in catalog.pypys:
        language, _, number = release.partition("-")
        tag = f"release-pypy{language}-v{number}"
        if tag in tags:
            yield _tag(release, repository, tag)


def _tag(release: str, repository: Path, tag: str) -> AvailableSource:
    def copy(files: Sequence[str], folder: Path) -> None:
        listed = os.fsdecode(git(repository, "ls-tree", "-r", "-z", "--name-only", tag))
        there = sorted({*listed.split("\0")}.intersection(files))
        if there:  # without a path, git packs everything
            tar = folder.resolve() / ".source.tar"
            git(repository, "archive", "--prefix=pypy/", "-o", str(tar), tag, *there)
            unpack_some(tar, there, folder)

    return AvailableSource(release, f"{tag} of {repository}", copy)


def _at(release: str, path: Path, where: str) -> AvailableSource:
    return AvailableSource(release, where, lambda files, folder: copy_files(path, files, folder))
