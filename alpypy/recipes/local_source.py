"""The user's own sources: which release each of them is, and its digest."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from alpypy.core.errors import DigestError, SpecError
from alpypy.core.fetch import Fetcher
from alpypy.core.files import file_digest, whole_file
from alpypy.core.unpack import read_through, unpack, unpack_some
from alpypy.recipes.checkout import local_source
from alpypy.recipes.manifest import Origin
from alpypy.recipes.recipe import Recipe

_VERSION_FILE = "pypy/module/sys/version.py"
_LANGUAGE = re.compile(rb"^CPYTHON_VERSION\s*=\s*\((\d+),\s*(\d+)", re.MULTILINE)
_RELEASE = re.compile(rb"^PYPY_VERSION\s*=\s*\((\d+),\s*(\d+),\s*(\d+)", re.MULTILINE)


@dataclass(frozen=True)
class LocalSource:
    """An archive or checkout of PyPy, and the release that it names."""

    release: str
    path: str
    sha256: str


@dataclass(frozen=True)
class OpenedSource:
    """A release's source for a build: its digest, how to fetch and unpack it, and its entry in
    ALPYPY.json."""

    digest: str
    fetch: Callable[[], object]
    lay_out: Callable[[Path], Path]
    origin: Origin


def identify(path: Path, cache: Path) -> LocalSource:
    """Find out which PyPy a local archive or checkout is.

    Reading an archive to its end takes seconds, so alpypy keeps the answer under its digest.

    Raises:
        SpecError: the path does not exist, or is not a source of PyPy.
        ArchiveError: the archive is truncated or damaged.
    """
    if not path.exists():
        raise SpecError(
            f"{path} does not exist",
            remedy="give --source the path of an archive or checkout of PyPy",
        )
    if path.is_dir():
        return _identify_checkout(path)
    digest = file_digest(path)
    memo = cache / "identified" / f"{digest}.json"
    release = _remembered(memo)
    if release:
        return LocalSource(release, str(path), digest)
    local = LocalSource(_release(_member(path), path), str(path), digest)
    memo.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(memo) as temporary:
        temporary.write_text(json.dumps(asdict(local)), encoding="utf-8")
    return local


def _remembered(memo: Path) -> str | None:
    try:
        return str(json.loads(memo.read_text(encoding="utf-8"))["release"])
    except (FileNotFoundError, ValueError, LookupError, TypeError):  # missing, or not complete
        return None


def _identify_checkout(path: Path) -> LocalSource:
    release = checkout_release(path)
    with tempfile.TemporaryDirectory(prefix="alpypy-source-") as scratch:
        digest = local_source(path, Path(scratch)).sha256
    return LocalSource(release, str(path), digest)


def checkout_release(path: Path) -> str:
    """The release that a checkout names.

    Raises:
        SpecError: it is not a checkout of PyPy, or does not name a release.
    """
    version = path / _VERSION_FILE
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
    language, release = _LANGUAGE.search(text), _RELEASE.search(text)
    if not language or not release:
        raise SpecError(
            f"{_VERSION_FILE} in {path} does not name a release of PyPy",
            remedy="give an archive of a release tag",
        )
    words = [part.decode() for part in (*language.groups(), *release.groups())]
    return f"{words[0]}.{words[1]}-{'.'.join(words[2:])}"


def open_source(
    recipe: Recipe, local_sources: Sequence[LocalSource], fetcher: Fetcher
) -> OpenedSource:
    """The source of a recipe: a local source of its release, else the source in versions/."""
    release = recipe.target.release
    matching = [local for local in local_sources if local.release == release]
    if not matching:
        source = recipe.source
        origin = Origin(sha256=source.sha256, verified=True, url=source.url)
        return OpenedSource(
            source.sha256,
            lambda: fetcher.fetch(source),
            lambda work: unpack(fetcher.fetch(source), work),
            origin,
        )
    local = matching[-1]
    verified = local.sha256 == recipe.source.sha256
    # Only the name: the folder differs from machine to machine.
    origin = Origin(sha256=local.sha256, verified=verified, path=Path(local.path).name)
    return OpenedSource(local.sha256, lambda: None, lambda work: _lay_out(local, work), origin)


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
                remedy="give the source of one of those, or ask for that release with --pypy",
            )
