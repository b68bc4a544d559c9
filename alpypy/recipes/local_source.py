"""Sources that the user brought: which release each one is, and its digest."""

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
class Local:
    """An archive or checkout of PyPy and the release it says to be."""

    release: str
    path: str
    sha256: str


@dataclass(frozen=True)
class Opened:
    """A release's source for a build: its digest, how to have it here and how to lay it out, what
    the metadata says."""

    digest: str
    fetch: Callable[[], object]
    lay_out: Callable[[Path], Path]
    origin: Origin


def identify(path: Path, cache: Path) -> Local:
    """Which PyPy a local archive or checkout holds.

    Reading an archive to its end takes seconds, so the answer is kept by digest.

    Raises:
        SpecError: there is nothing at that path, or it is no source of PyPy.
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
        return Local(release, str(path), digest)
    found = Local(_release(_member(path), path), str(path), digest)
    memo.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(memo) as temporary:
        temporary.write_text(json.dumps(asdict(found)), encoding="utf-8")
    return found


def _remembered(memo: Path) -> str | None:
    try:
        return str(json.loads(memo.read_text(encoding="utf-8"))["release"])
    except (FileNotFoundError, ValueError, LookupError, TypeError):  # not there, or not whole
        return None


def _identify_checkout(path: Path) -> Local:
    release = checkout_release(path)
    with tempfile.TemporaryDirectory(prefix="alpypy-source-") as scratch:
        digest = local_source(path, Path(scratch)).sha256
    return Local(release, str(path), digest)


def checkout_release(path: Path) -> str:
    """The release that a checkout says to be.

    Raises:
        SpecError: it is no checkout of PyPy, or does not say.
    """
    version = path / _VERSION_FILE
    if not version.is_file():
        raise SpecError(
            f"{path} is no checkout of PyPy: it has no {_VERSION_FILE}",
            remedy="give the folder that holds pypy/ and rpython/",
        )
    return _release(version.read_bytes(), path)


def _member(archive: Path) -> bytes:
    with tempfile.TemporaryDirectory(prefix="alpypy-source-") as scratch:
        unpack_some(archive, [_VERSION_FILE], Path(scratch))
        version = Path(scratch, _VERSION_FILE)
        if version.is_file():
            read_through(archive)  # unpacking it comes too late to say that its end is missing
            return version.read_bytes()
    raise SpecError(
        f"{archive} is no source of PyPy: it has no {_VERSION_FILE}",
        remedy="give an archive of a release tag, with one top folder",
    )


def _release(text: bytes, path: Path) -> str:
    language, release = _LANGUAGE.search(text), _RELEASE.search(text)
    if not language or not release:
        raise SpecError(
            f"{path} does not say which PyPy it is in {_VERSION_FILE}",
            remedy="give an archive of a release tag",
        )
    words = [part.decode() for part in (*language.groups(), *release.groups())]
    return f"{words[0]}.{words[1]}-{'.'.join(words[2:])}"


def open_source(recipe: Recipe, locals_: Sequence[Local], fetcher: Fetcher) -> Opened:
    """The source of a recipe: a local one that says to be its release, else the listed one."""
    release = recipe.target.release
    mine = [one for one in locals_ if one.release == release]
    if not mine:
        source = recipe.source
        origin = Origin(sha256=source.sha256, verified=True, url=source.url)
        return Opened(
            source.sha256,
            lambda: fetcher.fetch(source),
            lambda work: unpack(fetcher.fetch(source), work),
            origin,
        )
    local = mine[-1]
    verified = local.sha256 == recipe.source.sha256
    # Only the name: where it lay on somebody's disk would differ from machine to machine.
    origin = Origin(sha256=local.sha256, verified=verified, path=Path(local.path).name)
    return Opened(local.sha256, lambda: None, lambda work: _lay_out(local, work), origin)


def _lay_out(local: Local, work: Path) -> Path:
    """The tree of a local source; raises DigestError when it is not what was identified."""
    found = local_source(Path(local.path), work)
    if found.sha256 != local.sha256:
        raise DigestError(
            f"{local.path} has changed since this build was planned: its digest was"
            f" {local.sha256}, and now is {found.sha256}",
            remedy="run it again, and leave the source as it is until it is translated",
        )
    return found.tree


def refuse_unused(locals_: Sequence[Local], wanted: Mapping[str, object]) -> None:
    """Raise SpecError for a local source that no stage of this build translates."""
    for local in locals_:
        if local.release not in wanted:
            raise SpecError(
                f"{local.path} is PyPy {local.release}, and this build translates"
                f" {' and '.join(wanted)}",
                remedy="give the source of one of those, or ask for that release with --pypy",
            )
