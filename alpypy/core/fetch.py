"""A cache of verified files, downloaded from mirrors or from where they are published.

A file gets its name in the cache only if its digest is right. The digest is checked again each time
the file is used.
"""

from __future__ import annotations

import contextlib
import os
import queue
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import requests
import urllib3
from filelock import FileLock

from alpypy.core import log
from alpypy.core.apt import repositories
from alpypy.core.errors import AlpypyError, DigestError, DownloadError
from alpypy.core.files import disk, file_digest, whole_file
from alpypy.core.progress import Progress, Transfer
from alpypy.core.redact import split_login, without_passwords
from alpypy.core.source import Rootfs, Source

_AT_ONCE = 4  # downloads in the background
_ATTEMPTS = 4
_PIECE = 1 << 16  # bytes; after a cut, an incomplete piece is fetched again
_PAUSE = 0.5  # seconds, growing with each attempt
PIP_WRONG_DIGEST = "DO NOT MATCH THE HASHES"  # pip._internal.exceptions.HashMismatch
_TIMEOUT = (20, 60)  # seconds: until connected, between two pieces


@dataclass(frozen=True)
class _Attempt:
    """One way to get a file; ``get`` writes it to the given path."""

    address: str
    get: Callable[[Path], None]


@dataclass(frozen=True)
class Page:
    """What an address answered; ``address`` is shown without user and password."""

    address: str
    content: bytes


class _UnreachableError(Exception):
    """This address does not provide the file; the next may. ``missing``: it says that there is no
    such file. ``wrong``: it has one with another digest."""

    def __init__(self, reason: str, *, missing: bool = False, wrong: bool = False) -> None:
        super().__init__(reason)
        self.missing = missing
        self.wrong = wrong


class _CutError(Exception):
    """The transfer broke off; continuing it may help."""


_CUTS = (
    _CutError,
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
)


class Fetcher:
    """Fetches files into ``cache``: from each mirror, then from where they are published.

    A run continues the download that an interrupted run began. A mirror is an address below which
    files are found by name. The proxies are those of the environment (``HTTPS_PROXY`` and so on),
    as requests reads them.
    """

    def __init__(self, cache: Path, mirrors: Sequence[str] = ()) -> None:
        self.cache = cache
        self._mirrors = tuple(mirror.rstrip("/") for mirror in mirrors)
        self._told_by_apt: tuple[str, ...] = ()

    def fetch(self, source: Source | Rootfs) -> Path:
        """The verified file, from the cache or fetched into it.

        Raises:
            DownloadError: no address provides it.
            DigestError: an address provided a file, but none with the right digest.
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

    @contextlib.contextmanager
    def ahead(self, sources: Iterable[Source | Rootfs]) -> Iterator[None]:
        """Meanwhile fetch, several at once, what is asked for later.

        Nothing is raised: ``fetch`` will try again and say what is wrong.
        """
        left = queue.SimpleQueue[Source | Rootfs]()
        for source in sources:
            left.put(source)

        def work() -> None:
            with contextlib.suppress(queue.Empty):
                while True:
                    source = left.get_nowait()
                    with contextlib.suppress(AlpypyError):
                        self.fetch(source)

        # Daemons: an interrupted command does not wait for them.
        for _ in range(_AT_ONCE):
            threading.Thread(target=work, daemon=True).start()
        try:
            yield
        finally:
            with contextlib.suppress(queue.Empty):
                while True:
                    left.get_nowait()

    def keep(self, file: Path, source: Source) -> None:
        """Copy a local file into the cache, where ``fetch`` finds it.

        Raises:
            DigestError: it is not the file that ``source`` names.
            ResourceError: the disk is full.
        """
        path = self._place(source)
        with disk(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(path.parent / "lock"), whole_file(path) as copy:
                shutil.copyfile(file, copy)
                if file_digest(copy) != source.sha256:
                    raise DigestError(
                        f"{file} has changed: its SHA-256 was {source.sha256}",
                        remedy="run the command again, and do not change the file meanwhile",
                    )

    def cached(self, source: Source | Rootfs) -> Path | None:
        """The verified file if it is in the cache; downloads nothing."""
        algorithm, wanted = _digest_of(source)
        path = self._place(source)
        return path if path.is_file() and file_digest(path, algorithm) == wanted else None

    def page(self, url: str, path: str) -> Page:
        """A page that changes, such as a list of releases, as it is now.

        Args:
            url: where it is published.
            path: where it is below a mirror.

        Raises:
            DownloadError: no address provides it.
            ResourceError: the disk is full.
        """
        failures = []
        for address in self.addresses(url, path):
            try:
                return fetch_page(address)
            except DownloadError as error:
                failures.append(error)
        raise DownloadError(
            "\n    ".join(failure.what for failure in failures),
            remedy=failures[-1].remedy,
            missing=all(failure.missing for failure in failures),
        )

    def addresses(self, url: str, path: str) -> tuple[str, ...]:
        """Where to look for a file that is published at ``url``, in this order.

        Args:
            path: where it is below a mirror.
        """
        return (*(f"{mirror}/{path}" for mirror in self._mirrors), url)

    def _place(self, source: Source | Rootfs) -> Path:
        # The digest is part of the path: releases of several projects could share a file name.
        return self.cache / "files" / _digest_of(source)[1][:16] / source.file_name

    def _fetch_into(self, path: Path, source: Source | Rootfs, algorithm: str, wanted: str) -> None:
        failures: list[str] = []
        wrong, missing = False, True
        part = path.with_name(f"{path.name}.part")
        for attempt in self._attempts(source):
            try:
                attempt.get(part)
                got = file_digest(part, algorithm)
                if got == wanted:
                    part.replace(path)
                    _forget(part)
                    return
                wrong, missing = True, False
                failures.append(f"{attempt.address}: {algorithm} expected {wanted}, got {got}")
            except _UnreachableError as error:
                wrong, missing = wrong or error.wrong, missing and error.missing
                failures.append(f"{attempt.address}: {error}")
                continue
            except OSError:  # do not leave a full disk full with half a file
                _forget(part)
                raise
            _forget(part)
        raise _failure(source.file_name, failures, wrong=wrong, missing=missing and bool(failures))

    def _attempts(self, source: Source | Rootfs) -> Iterator[_Attempt]:
        """The ways to get a file, in order; apt is asked only if all others fail."""
        for mirror in self._mirrors:
            yield _from_url(f"{mirror}/{source.file_name}")
        if source.url:
            yield _from_url(source.url)
        if isinstance(source, Source):
            if source.pypi:
                yield _from_pypi(source.pypi, source)
            if source.debian:
                for root in self._debian_mirrors():
                    yield _from_url(f"{root}/{source.debian}")

    def _debian_mirrors(self) -> tuple[str, ...]:
        """Those of apt. It takes half a second to tell, and tells of none while it is updated."""
        if not self._told_by_apt:
            addresses = (repository.address for repository in repositories())
            self._told_by_apt = tuple(dict.fromkeys(addresses))
        return self._told_by_apt


def fetch_page(url: str, accept: str = "*/*") -> Page:
    """A page that changes, as one address has it now; ``accept`` names the forms that will do.

    Raises:
        DownloadError: the address does not provide it.
        ResourceError: the disk is full.
    """
    with tempfile.TemporaryDirectory(prefix="alpypy-page-") as name:
        path = Path(name) / "page"
        fetch_unverified(url, path, accept)
        return Page(split_login(url)[0], path.read_bytes())


def fetch_unverified(url: str, path: Path, accept: str = "*/*") -> None:
    """Fetch a file whose digest nobody knows beforehand, such as an index.

    Raises:
        DownloadError: the address does not provide it.
        ResourceError: the disk is full.
    """
    attempt = _from_url(url, accept)
    try:
        with disk(path.parent):
            attempt.get(path)
    except _UnreachableError as error:
        raise DownloadError(
            f"{attempt.address} could not be fetched: {error}",
            remedy="check the address, the connection and HTTPS_PROXY",
            missing=error.missing,
        ) from error


def _note(part: Path) -> Path:
    """The file that records the address of a part, and the whole file's ETag there."""
    return part.with_name(f"{part.name}.from")


def _forget(part: Path) -> None:
    _note(part).unlink(missing_ok=True)
    part.unlink(missing_ok=True)


def _digest_of(source: Source | Rootfs) -> tuple[str, str]:
    if isinstance(source, Source):
        return "sha256", source.sha256
    return source.digest


def _failure(
    name: str, failures: Sequence[str], *, wrong: bool, missing: bool
) -> DigestError | DownloadError:
    tried = "".join(f"\n    {failure}" for failure in failures)
    if wrong:
        return DigestError(
            f"{name} was fetched, but its digest is wrong:{tried}",
            remedy="try another --mirror; do not change the digest in versions/ unless the"
            " publisher says that the file was replaced",
        )
    return DownloadError(
        f"{name} could not be fetched:{tried}",
        remedy="check the connection and HTTPS_PROXY, or pass --mirror with the address of a"
        f" folder that holds {name}",
        missing=missing,
    )


def _from_url(url: str, accept: str = "*/*") -> _Attempt:
    """User and password are kept apart, so that no message and no library can show them."""
    shown, login = split_login(url)
    return _Attempt(shown, lambda part: _Download(shown, login, part, accept).run())


class _Download:
    """A file from one address, resumed where it was cut. ``login`` is user and password."""

    def __init__(self, url: str, login: tuple[str, str] | None, part: Path, accept: str) -> None:
        self._url = url
        self._login = login
        self._part = part
        self._accept = accept
        self._etag = self._saved_etag()
        self._begun = bool(self._etag)  # what is in the part file came from this address

    def run(self) -> None:
        """Fill the part file; after a cut, continue up to three times.

        Raises:
            _UnreachableError: the address does not provide the file, or the transfer is cut again
                and again.
        """
        for attempt in range(_ATTEMPTS):
            time.sleep(attempt * _PAUSE)
            try:
                with self._ask() as response:
                    self._check(response)
                    self._receive(response)
                return
            except _CUTS as error:
                # An address that never answered is given up at once: another may be reachable.
                if self._have == 0 and isinstance(error, requests.ConnectionError):
                    raise _UnreachableError(brief(error)) from error
                cut = error
            except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
                raise _UnreachableError(brief(error), missing=_is_missing(error)) from error
        raise _UnreachableError(f"cut {_ATTEMPTS} times, last by {brief(cut)}") from cut

    @property
    def _have(self) -> int:
        return self._part.stat().st_size if self._begun else 0

    def _ask(self) -> requests.Response:
        # "identity": else a server may declare a .gz file as encoded, and requests unpacks it.
        headers = {"Accept": self._accept, "Accept-Encoding": "identity"}
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
            raise _CutError("the server cannot continue from there")
        if response.status_code >= 500:
            raise _CutError(f"{response.status_code} {response.reason}")
        response.raise_for_status()
        etag = response.headers.get("ETag", "")
        # A weak ETag does not promise the same bytes.
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

    def _saved_etag(self) -> str:
        """The ETag of an earlier run's part from this address; empty if there is none."""
        try:
            url, etag = _note(self._part).read_text(encoding="utf-8").splitlines()
        except (FileNotFoundError, ValueError):
            return ""
        return etag if url == self._url and self._part.is_file() else ""


def _is_missing(error: Exception) -> bool:
    """Whether a server answered that it does not have the file, or no longer."""
    response = getattr(error, "response", None)
    codes = (requests.codes.not_found, requests.codes.gone)
    return response is not None and response.status_code in codes


def brief(error: Exception) -> str:
    """The innermost reason, without user and password: requests wraps it three times."""
    inner = getattr(error, "reason", None) or (error.args[-1] if error.args else None)
    if isinstance(inner, Exception):
        proxy = isinstance(error, urllib3.exceptions.ProxyError)
        return f"{error.args[0]}: {brief(inner)}" if proxy else brief(inner)
    text = re.sub(r"^HTTPS?Connection\(.*?\): ", "", str(error))
    return without_passwords(text) or type(error).__name__


def _from_pypi(requirement: str, source: Source) -> _Attempt:
    return _Attempt(f"pip download {requirement}", lambda part: _pip_download(source, part))


def _pip_download(source: Source, part: Path) -> None:
    """Download with pip, which knows this machine's index and certificates."""
    with tempfile.TemporaryDirectory(dir=part.parent) as name:
        folder = Path(name)
        wanted = folder / "wanted.txt"
        wanted.write_text(f"{source.pypi} --hash=sha256:{source.sha256}\n", encoding="utf-8")
        command = [sys.executable, "-m", "pip", "download", "--no-input"]
        command += ["--no-deps", "--require-hashes"]
        command += ["--dest", name, "--requirement", str(wanted)]
        log.say(f"fetching {source.pypi} with pip")
        with Progress(f"pip download {source.pypi}"):
            completed = subprocess.run(command, capture_output=True, text=True, check=False)
        path = folder / source.file_name
        if not path.is_file():
            raise _UnreachableError(
                pip_says(completed.stderr) or f"no {source.file_name}",
                wrong=PIP_WRONG_DIGEST in completed.stderr,
            )
        path.replace(part)


def pip_says(stderr: str) -> str:
    """pip's last error, which can have several lines: for one, both digests."""
    lines = without_passwords(stderr.strip()).splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith("ERROR:")]
    return " ".join(" ".join(lines[starts[-1] if starts else -1 :]).split())
