"""Fetch a PyPy from a release: found in its index, resumed, verified, unpacked."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from alpypy.core import archive
from alpypy.core.errors import DigestError, DownloadError, SpecError
from alpypy.core.fetch import Fetcher, fetch_unverified
from alpypy.core.files import disk, file_digest
from alpypy.core.program import typed
from alpypy.core.redact import without_login
from alpypy.core.source import Source
from alpypy.publish.index import FILE_NAME, ReleasedTarball, ReleaseIndex, parse
from alpypy.recipes.choice import Choice, Wanted
from alpypy.recipes.spec import PypyVersion, Target


@dataclass(frozen=True)
class DownloadSettings:
    """Where a download comes from and goes to. ``cache`` keeps interrupted downloads."""

    url: str
    cache: Path
    artifacts: Path


def download(place: DownloadSettings, wanted: Target) -> tuple[Path, ReleasedTarball]:
    """The verified tarball of a target in ``artifacts``, with its ``.sha256``, and what it is.

    Raises:
        SpecError: the address is not valid, or the release has no such PyPy; the message lists the
            PyPys that it has.
        ReleaseError: the file at the address is not an index.
        DownloadError: the index or the tarball could not be fetched.
        DigestError: the tarball's digest is not that of the index, or another file has its name.
        ResourceError: the disk is full.
    """
    index = read_index(place.url)
    tarball = _choose(index, wanted, without_login(place.url))
    target = place.artifacts / tarball.file
    if not archive.published(target, tarball.sha256):
        _refuse_other(target, tarball)
        fetched = target if target.is_file() else _fetch(place, tarball)
        with disk(place.artifacts):
            archive.publish(fetched, place.artifacts, tarball.sha256)
    return target, tarball


def read_index(url: str) -> ReleaseIndex:
    """The index of the release at an address.

    Raises:
        SpecError: it is not an http or https address.
        DownloadError: it could not be fetched.
        ReleaseError: the file is not an index.
    """
    if not url.lower().startswith(("http://", "https://")):
        raise SpecError(
            f"{without_login(url)!r} is not an http or https address",
            remedy="write --from like https://pypy.example.org/alpine; to download from a folder,"
            " start a server",
        )
    with tempfile.TemporaryDirectory(prefix="alpypy-index-") as folder:
        path = Path(folder) / FILE_NAME
        fetch_unverified(f"{url.rstrip('/')}/{FILE_NAME}", path)
        return parse(path.read_bytes(), f"{without_login(url).rstrip('/')}/{FILE_NAME}")


def offered(index: ReleaseIndex, wanted: Wanted) -> Choice:
    """The PyPy of a release that is meant where the version or the Alpine is short or left out: the
    newest one that fits, and on the newest Alpine. A tree counts only if no release fits.

    Raises:
        SpecError: nothing fits; the message lists the PyPys that the release has.
    """
    fitting = [tarball.target for tarball in index.tarballs if _fits(tarball.target, wanted)]
    releases = [target for target in fitting if not target.names_tree]
    if not fitting:
        system = "musl 1.2" if wanted.portable else f"Alpine {wanted.alpine or '(any)'}"
        asked = f"PyPy {wanted.pypy} for {system}, {wanted.arch}"
        raise _not_there(index, "the release", asked)
    target = (releases or fitting)[0]
    return Choice(target, f"PyPy {target.version} for {target.system} (the newest there)")


def _fits(target: Target, wanted: Wanted) -> bool:
    pypy = target.version == wanted.pypy
    if wanted.names_language:
        pypy = PypyVersion.parse(target.release).language == wanted.pypy
    alpine = target.portable or wanted.alpine in (None, target.alpine)
    alike = target.arch == wanted.arch and target.portable == wanted.portable
    return pypy and alpine and alike


def next_steps(path: Path, tarball: ReleasedTarball, folder: Path | None) -> list[str]:
    """What to type after a download; ``folder`` is the PyPy's own, when it was unpacked."""
    program = tarball.build.executables[0]
    needs = f"on Alpine, install what it needs: apk add {' '.join(tarball.packages)}"
    return [
        *([needs] if tarball.packages else []),
        *([f"run it: {folder / program}"] if folder else []),
        f"verify it before {typed('image')} or {typed('wheels')}: {typed('verify')} {path}",
    ]


def _choose(index: ReleaseIndex, wanted: Target, where: str) -> ReleasedTarball:
    for tarball in index.tarballs:
        if tarball.target.folder == wanted.folder:
            return tarball
    PypyVersion.parse(wanted.release)  # raises an error that shows the form, if it is not a version
    raise _not_there(index, where, f"PyPy {wanted.version} for {wanted.system}, {wanted.arch}")


def _not_there(index: ReleaseIndex, where: str, asked: str) -> SpecError:
    targets = (tarball.target for tarball in index.tarballs)
    there = [f"{target.version} for {target.system}, {target.arch}" for target in targets]
    return SpecError(
        f"{where} has no {asked}",
        remedy="\n    ".join(["it has:", *there]) if there else "it does not have any PyPy",
    )


def _refuse_other(target: Path, tarball: ReleasedTarball) -> None:
    """Refuse to replace a PyPy that the user built."""
    if target.is_file() and (digest := file_digest(target)) != tarball.sha256:
        raise DigestError(
            f"{target} exists with SHA-256 {digest}; the release's has {tarball.sha256}",
            remedy="to download the release's tarball, move yours away or delete it",
        )


def _fetch(place: DownloadSettings, tarball: ReleasedTarball) -> Path:
    url = f"{place.url.rstrip('/')}/{quote(tarball.file)}"
    try:
        return Fetcher(place.cache).fetch(Source(url, tarball.sha256, name=tarball.file))
    except DigestError as error:
        raise DigestError(
            error.what,
            remedy="do not use the file: its digest is not the one in the release's index. Tell"
            " the people who publish the release",
        ) from error
    except DownloadError as error:
        raise DownloadError(
            error.what,
            remedy="check the connection and HTTPS_PROXY, then run it again: the download"
            " continues where it was cut",
        ) from error
