"""Upstream's pages of the libraries of portable builds, and their archives."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote, urljoin, urlsplit

from msgspec import Struct
from packaging.version import Version

from alpypy.core.errors import DigestError, DownloadError
from alpypy.core.fetch import Fetcher, Page, fetch_unverified
from alpypy.core.fields import FileUrl
from alpypy.core.files import file_digest
from alpypy.core.redact import split_login
from alpypy.core.source import Source
from alpypy.recipes.libraries import StaticLibrary
from alpypy.update.pages import json_of, text_of, unusable

# The parts of a version that is no pre-release. A part can be a day: ncurses has 6.5.20250216.
FINAL = r"\d{1,8}(?:\.\d{1,8})+"
_GITHUB = "https://api.github.com/"
_SHA256 = re.compile(r"sha256:([0-9a-f]{64})", re.ASCII)


class ReleasedFile(Struct, frozen=True):
    """A file of a release on GitHub; it has more fields, and files from before June 2025 no
    digest."""

    name: str
    browser_download_url: FileUrl
    digest: str | None = None


class RepositoryRelease(Struct, frozen=True):
    """An entry of a repository's list of releases; it has more fields.

    Source: https://docs.github.com/en/rest/releases/releases
    """

    assets: tuple[ReleasedFile, ...]
    draft: bool = False
    prerelease: bool = False


@dataclass(frozen=True)
class Archive:
    """An archive of a library, and where its digest is from. ``algorithm`` is the digest's, as
    hashlib names it; ``digest`` is empty if nobody says it. ``by_mirror``: the page that says all
    this came from a mirror."""

    version: Version
    url: str
    digest: str
    origin: str
    algorithm: str = "sha256"
    by_mirror: bool = False

    @property
    def by_sha256(self) -> bool:
        """Whether somebody says its SHA-256."""
        return self.algorithm == "sha256" and bool(self.digest)

    @property
    def file_name(self) -> str:
        """The last part of the address."""
        return self.url.rpartition("/")[2]


def archives(fetcher: Fetcher, url: str, library: StaticLibrary) -> tuple[Archive, ...]:
    """The archives on upstream's page that are named like the listed one, but for the version.

    Args:
        url: of the page, as versions/update.toml has it.

    Raises:
        DownloadError: the page is out of reach.
        PageError: it is not in the known form, has no such archive, or has it at another host.
    """
    page = fetcher.page(_with_token(url), urlsplit(url).path.lstrip("/"))
    read = _of_sqlite if url.endswith(".html") else _of_github
    found = tuple(read(page, url, library))
    if not found:
        raise unusable(page, f"it lists no file such as {library.upstream.file_name}")
    for archive in found:
        if urlsplit(archive.url).netloc != urlsplit(library.url).netloc:
            raise unusable(page, f"{archive.url} is not at the host of {library.url}")
    by_mirror = page.address != split_login(url)[0]
    return tuple(replace(archive, by_mirror=by_mirror) for archive in found)


def fetch(fetcher: Fetcher, archive: Archive) -> str:
    """Fetch an archive, and compare it with its digest; its SHA-256.

    Raises:
        DownloadError: it is out of reach.
        DigestError: it has another digest.
    """
    if archive.algorithm == "sha256":
        fetcher.fetch(Source(archive.url, archive.digest))
        return archive.digest
    return _fetch_by_another_digest(fetcher, archive)


def _fetch_by_another_digest(fetcher: Fetcher, archive: Archive) -> str:
    failures, wrong = list[DownloadError](), list[str]()
    with tempfile.TemporaryDirectory(prefix="alpypy-archive-") as folder:
        path = Path(folder) / archive.file_name
        for address in fetcher.addresses(archive.url, archive.file_name):
            try:
                fetch_unverified(address, path)
            except DownloadError as error:
                failures.append(error)
                continue
            got = file_digest(path, archive.algorithm)
            if got == archive.digest:
                source = Source(archive.url, file_digest(path))
                fetcher.keep(path, source)
                return source.sha256
            wrong.append(f"{split_login(address)[0]} has {got}")
    raise _failure(archive, failures, wrong)


def _failure(
    archive: Archive, failures: Sequence[DownloadError], wrong: Sequence[str]
) -> DownloadError | DigestError:
    reasons = "\n    ".join([*wrong, *(failure.what for failure in failures)])
    if not wrong:
        return DownloadError(reasons, remedy=failures[-1].remedy)
    return DigestError(
        f"{archive.file_name}: {archive.algorithm} expected {archive.digest}, by"
        f" {archive.origin}\n    {reasons}",
        remedy="try again later, or with another --mirror; nothing is written",
    )


def _with_token(url: str) -> str:
    """GitHub answers 60 requests an hour from an IP address, and more of them with a token."""
    token = os.environ.get("GH_TOKEN")
    if not token or not url.startswith(_GITHUB):
        return url
    return url.replace("https://", f"https://x-access-token:{quote(token, safe='')}@", 1)


def cure(url: str) -> str:
    """What else to say if a page is out of reach."""
    if not url.startswith(_GITHUB):
        return ""
    return (
        "\n    if GitHub answers 401, 403 or 429: set GH_TOKEN to a valid token (any will do), or"
        " wait an hour"
    )


def _of_github(page: Page, url: str, library: StaticLibrary) -> Iterator[Archive]:
    before, _, after = library.upstream.file_name.partition(library.version)
    form = re.compile(f"{re.escape(before)}({FINAL}){re.escape(after)}", re.ASCII)
    for release in json_of(page, tuple[RepositoryRelease, ...]):
        if release.draft or release.prerelease:
            continue
        for file in release.assets:
            if match := form.fullmatch(file.name):
                known = _SHA256.fullmatch(file.digest or "")
                sha256 = known[1] if known else ""
                yield Archive(Version(match[1]), file.browser_download_url, sha256, page.address)


def _of_sqlite(page: Page, url: str, library: StaticLibrary) -> Iterator[Archive]:
    """The table for programs in a comment of the page, which has SHA3-256 and no SHA-256.

    Source: https://www.sqlite.org/download.html ("Build Product Names and Info")
    """
    before = re.escape(library.upstream.file_name.rpartition("-")[0])
    place = rf"\d{{4}}/{before}-\d{{7}}\.tar\.gz"
    row = re.compile(
        rf"^PRODUCT,({FINAL}),({place}),\d+,([0-9a-f]{{64}})\b", re.ASCII | re.MULTILINE
    )
    for version, path, digest in row.findall(text_of(page)):
        yield Archive(Version(version), urljoin(url, path), digest, page.address, "sha3_256")
