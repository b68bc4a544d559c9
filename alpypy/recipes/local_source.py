"""The user's own sources: which release each of them is, and its digest."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from alpypy.core.errors import DigestError, DownloadError, SpecError
from alpypy.core.fetch import Fetcher
from alpypy.core.files import file_digest, whole_file
from alpypy.core.source import Source
from alpypy.core.unpack import read_through, unpack, unpack_some
from alpypy.recipes.checkout import (
    archived_commit,
    checked_out_commit,
    commit_archive,
    copy_files,
    is_bare,
    local_source,
)
from alpypy.recipes.manifest import Origin
from alpypy.recipes.recipe import Recipe
from alpypy.recipes.spec import PypyVersion, Target

_VERSION_FILE = "pypy/module/sys/version.py"
_LANGUAGE = re.compile(rb"^CPYTHON_VERSION\s*=\s*\((\d+),\s*(\d+)", re.MULTILINE)
_RELEASE = re.compile(
    rb"^PYPY_VERSION\s*=\s*\((?P<numbers>\d+,\s*\d+,\s*\d+)"
    rb"(?:,\s*[\"'](?P<level>\w+)[\"'],\s*(?P<serial>\d+))?",
    re.MULTILINE,
)
_SHORT = 11  # digits of a commit or digest in a version: enough for one repository


@dataclass(frozen=True)
class LocalSource:
    """An archive or checkout of PyPy, and the version that it states.

    ``commit`` is git's, with ``-dirty`` behind it if tracked files were changed since; None if the
    source does not say.
    """

    release: str
    path: str
    sha256: str
    commit: str | None = None

    @property
    def version(self) -> str:
        """The version with what tells this source from others that state the same:
        ``3.12-8.0.0-alpha+762c531b493``."""
        if self.commit is None:
            return f"{self.release}+sha256.{self.sha256[:_SHORT]}"
        commit, _, dirty = self.commit.partition("-")
        changed = f".{dirty}.{self.sha256[:_SHORT]}" if dirty else ""
        return f"{self.release}+{commit[:_SHORT]}{changed}"

    def copy(self, files: Sequence[str], folder: Path) -> None:
        """Copy the files that the source has into a folder, at their paths."""
        copy_files(Path(self.path), files, folder)


@dataclass(frozen=True)
class OpenedSource:
    """A release's source for a build: its digest, how to fetch and unpack it, and its entry in
    ALPYPY.json. ``fetch`` gives the path of its archive or checkout."""

    digest: str
    fetch: Callable[[], Path]
    lay_out: Callable[[Path], Path]
    origin: Origin


def identify(path: Path, cache: Path) -> LocalSource:
    """Find out which PyPy a local archive or checkout is.

    Reading an archive to its end takes seconds, so alpypy keeps the answer under its digest.

    Raises:
        SpecError: the path does not exist, or is not a source of PyPy.
        ArchiveError: the archive is truncated or damaged.
    """
    path = _at_hand(path, cache)
    if path.is_dir():
        return _identify_checkout(path)
    digest = file_digest(path)
    memo = cache / "identified" / f"{digest}.json"
    remembered = _remembered(memo)
    if remembered:
        return replace(remembered, path=str(path), sha256=digest)
    commit = archived_commit(path)
    local = LocalSource(_release(_member(path), path), str(path), digest, commit)
    memo.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(memo) as temporary:
        temporary.write_text(json.dumps(asdict(local)), encoding="utf-8")
    return local


def stated_version(path: Path, cache: Path) -> str:
    """The version that a local source states; of a checkout nothing else is read.

    Raises:
        SpecError, ArchiveError: as ``identify``.
    """
    return checkout_release(path) if path.is_dir() else identify(path, cache).release


def _at_hand(path: Path, cache: Path) -> Path:
    """The path itself; of a repository and a ref, an archive of that commit in the cache."""
    if path.exists():
        return path
    repository, at, ref = str(path).rpartition("@")
    if at and Path(repository).is_dir():
        return commit_archive(Path(repository), ref, cache / "commits")
    raise SpecError(
        f"{path} does not exist",
        remedy="give --source the path of an archive or checkout of PyPy, or a git repository and"
        " a branch, tag or commit: pypy.git@py3.11",
    )


def _remembered(memo: Path) -> LocalSource | None:
    try:
        fields = json.loads(memo.read_text(encoding="utf-8"))
        # Those of older versions of alpypy lack the commit, and the stage of a tree.
        return LocalSource(fields["release"], "", "", fields["commit"])
    except (FileNotFoundError, ValueError, LookupError, TypeError):  # missing, or not complete
        return None


def _identify_checkout(path: Path) -> LocalSource:
    release = checkout_release(path)
    with tempfile.TemporaryDirectory(prefix="alpypy-source-") as scratch:
        digest = local_source(path, Path(scratch)).sha256
    return LocalSource(release, str(path), digest, checked_out_commit(path))


def checkout_release(path: Path) -> str:
    """The version that a checkout states.

    Raises:
        SpecError: it is not a checkout of PyPy, or does not name a release.
    """
    version = path / _VERSION_FILE
    if is_bare(path):
        raise SpecError(
            f"{path} is a bare git repository: it has no files of one version",
            remedy=f"name a branch, tag or commit behind it: --source {path}@py3.11",
        )
    if not version.is_file():
        raise SpecError(
            f"{path} is not a checkout of PyPy: it has no {_VERSION_FILE}",
            remedy="give the folder that holds pypy/ and rpython/",
        )
    return _release(version.read_bytes(), path)


def _member(archive: Path) -> bytes:
    with tempfile.TemporaryDirectory(prefix="alpypy-source-") as scratch:
        unpack_some(archive, [_VERSION_FILE], Path(scratch))
        version = Path(scratch, _VERSION_FILE)
        if version.is_file():
            read_through(
                archive
            )  # a missing end would show only when it is unpacked, which is late
            return version.read_bytes()
    raise SpecError(
        f"{archive} is not a source of PyPy: it has no {_VERSION_FILE}",
        remedy="give an archive of a release tag, with one top folder",
    )


def _release(text: bytes, path: Path) -> str:
    """The version that the file states, such as ``3.11-7.3.22`` or ``3.12-8.0.0-alpha``."""
    language, release = _LANGUAGE.search(text), _RELEASE.search(text)
    if not language or not release:
        raise SpecError(
            f"{_VERSION_FILE} in {path} does not name a release of PyPy",
            remedy="give an archive of a release tag, or of a branch of PyPy",
        )
    python, numbers = b".".join(language.groups()), re.sub(rb",\s*", b".", release["numbers"])
    level, serial = release["level"] or b"final", int(release["serial"] or 0)
    return str(PypyVersion.stated(python.decode(), numbers.decode(), level.decode(), serial))


def open_source(
    recipe: Recipe, local_sources: Sequence[LocalSource], fetcher: Fetcher
) -> OpenedSource:
    """The source of a recipe: a local source of its release, else the source in versions/.

    Raises:
        SpecError: the recipe is for a tree, and none of the local sources is that tree.
    """
    release, version = recipe.target.release, recipe.target.version
    matching = [local for local in local_sources if local.release == release]
    source = recipe.source
    if source is None:  # another commit may state the same version
        matching = [local for local in matching if version.startswith(local.version)]
    if not matching:
        if source is None:
            raise only_a_tree(recipe.target, local_sources)
        origin = Origin(sha256=source.sha256, verified=True, url=source.url)
        return OpenedSource(
            source.sha256,
            lambda: _fetched(fetcher, source, release),
            lambda work: unpack(_fetched(fetcher, source, release), work),
            origin,
        )
    local = matching[-1]
    path = Path(local.path)
    verified = source is not None and local.sha256 == source.sha256
    # Only the name: the folder differs from machine to machine.
    name = path.resolve().name
    origin = Origin(local.sha256, verified, path=name, commit=local.commit)
    return OpenedSource(local.sha256, lambda: path, lambda work: _lay_out(local, work), origin)


def _fetched(fetcher: Fetcher, source: Source, release: str) -> Path:
    try:
        return fetcher.fetch(source)
    except DownloadError as error:
        if not source.pypi:  # not RPython's
            language, _, number = release.partition("-")
            error.remedy += (
                f"; or give the source of {release} with --source: an archive, a checkout, or a"
                f" repository and its tag, pypy.git@release-pypy{language}-v{number}"
            )
        raise


def only_a_tree(target: Target, local_sources: Sequence[LocalSource] = ()) -> SpecError:
    """The error for the version of a tree, where none of the given sources has that version."""
    release = PypyVersion.parse(target.release).without_stage
    others = "".join(f"; {local.path} is {local.version}" for local in local_sources)
    return SpecError(
        f"PyPy {target.version} is not a release: alpypy builds it from its source alone{others}",
        remedy="give a checkout or an archive of exactly this version with --source, or ask for"
        f" the release: --pypy {release}",
    )


def _lay_out(local: LocalSource, work: Path) -> Path:
    """The tree of a local source; raises DigestError if the source has changed."""
    source = local_source(Path(local.path), work)
    if source.sha256 != local.sha256:
        raise DigestError(
            f"{local.path} has changed since this build was planned: its digest was"
            f" {local.sha256}, and is now {source.sha256}",
            remedy="run the command again, and do not change the source until it is translated",
        )
    return source.tree


def refuse_unused(local_sources: Sequence[LocalSource], wanted: Mapping[str, object]) -> None:
    """Raise SpecError for a local source that no stage of this build translates."""
    for local in local_sources:
        if local.release not in wanted:
            raise SpecError(
                f"{local.path} is PyPy {local.release}, but this build translates"
                f" {' and '.join(wanted)}",
                remedy="give the source of one of those, or ask for what it is:"
                f" --pypy {local.release}",
            )
