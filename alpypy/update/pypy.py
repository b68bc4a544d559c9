"""PyPy's releases: its list of versions, its pages of checksums, and the archives themselves."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from msgspec import Struct
from packaging.version import Version

from alpypy.core.errors import AlpypyError, DigestError, DownloadError
from alpypy.core.fetch import Fetcher, Page
from alpypy.core.project import Project
from alpypy.core.source import Source
from alpypy.core.unpack import unpack_some
from alpypy.recipes.data import PypyRelease
from alpypy.recipes.fitting import fitted_patches
from alpypy.recipes.recipe import Catalog, load_catalog
from alpypy.recipes.spec import PypyVersion
from alpypy.update.addresses import PypyPages, load_pages
from alpypy.update.edits import add_pypy
from alpypy.update.news import Edit, News, decide, refuse, together
from alpypy.update.pages import html_of, json_of, text_of, unusable

FILE = "pypy.toml"
_NUMBER = r"\d{1,4}\.\d{1,4}\.\d{1,4}"
_FINAL = re.compile(_NUMBER, re.ASCII)
_NOT_FINAL = re.compile(rf"nightly|{_NUMBER}(?:a|b|rc|alpha|beta)\d*", re.ASCII)
_PYTHON = re.compile(r"([23]\.\d{1,4})(?:\.\d{1,4})?", re.ASCII)
_ARCHIVE = re.compile(rf"pypy([23]\.\d{{1,4}})-v({_NUMBER})-src\.tar\.(?:bz2|gz)", re.ASCII)
_DIGEST = re.compile(r"([0-9a-f]{64})\s+(\S+)", re.ASCII)


class AnnouncedPypy(Struct, frozen=True):
    """An entry of versions.json; it has more fields, but no digest and no source."""

    pypy_version: str
    python_version: str
    stable: bool


@dataclass(frozen=True)
class Listing:
    """The releases on one of PyPy's pages, and what it says of them: which are not stable, or the
    SHA-256 of each file."""

    page: Page
    releases: frozenset[str]
    unstable: frozenset[str] = frozenset()
    digests: Mapping[str, str] = field(default_factory=dict)

    def lacks(self, release: str, since: str) -> bool:
        """Whether it does not list a release that lies between others that it lists."""
        return release not in self.releases and Version(since) <= _number(release) <= self.newest

    @property
    def newest(self) -> Version:
        """The highest number of a release."""
        return max(map(_number, self.releases))


@dataclass(frozen=True)
class _PypyLists:
    """What PyPy publishes: which releases, and their digests. ``unread`` says which pages of
    checksums are out of reach."""

    announced: Listing
    checksums: tuple[Listing, ...]
    unread: tuple[str, ...]


def compare(project: Project, *, check: bool) -> News:
    """The releases that versions/pypy.toml lacks, and what is odd about those that it has.

    Args:
        check: fetch no archive, and so try no patch.

    Raises:
        DigestError: PyPy publishes another digest than the listed one.
        DownloadError: a page is out of reach.
        PageError: a page is not in the known form.
    """
    pages = load_pages(project.data).pypy
    catalog = load_catalog(project.data)
    lists = _read(project.fetcher, pages)
    _refuse_replaced(catalog.pypys, lists.checksums)
    fetcher = None if check else project.fetcher
    new = (_new(release, lists, pages, catalog, fetcher) for release in _unlisted(catalog, lists))
    oddities = tuple(_oddities(catalog.pypys, lists, pages))
    return together((*new, News(decisions=oddities, notes=lists.unread)))


def _read(fetcher: Fetcher, pages: PypyPages) -> _PypyLists:
    announced = _announced(_page(fetcher, pages.versions))
    _require_reach(announced, pages.versions_since, "versions_since")
    checksums, failures = list[Listing](), list[DownloadError]()
    for url in pages.checksums:
        try:
            listing = _checksums(_page(fetcher, url))
        except DownloadError as error:
            failures.append(error)
            continue
        _require_reach(listing, pages.checksums_since, "checksums_since")
        checksums.append(listing)
    if not checksums:
        raise DownloadError(
            "\n    ".join(failure.what for failure in failures), remedy=failures[-1].remedy
        )
    unread = tuple(f"no second source of digests: {failure.what}" for failure in failures)
    return _PypyLists(announced, tuple(checksums), unread)


def _page(fetcher: Fetcher, url: str) -> Page:
    return fetcher.page(url, url.rpartition("/")[2])


def _announced(page: Page) -> Listing:
    """The releases of versions.json, without nightly builds and release candidates."""
    releases, unstable = set[str](), set[str]()
    for pypy in json_of(page, tuple[AnnouncedPypy, ...]):
        language = _PYTHON.fullmatch(pypy.python_version)
        if language is None:
            raise unusable(page, f"python_version is {pypy.python_version!r}")
        if _FINAL.fullmatch(pypy.pypy_version):
            release = f"{language[1]}-{pypy.pypy_version}"
            releases.add(release)
            if not pypy.stable:
                unstable.add(release)
        elif not _NOT_FINAL.fullmatch(pypy.pypy_version):
            raise unusable(page, f"pypy_version is {pypy.pypy_version!r}")
    return Listing(page, frozenset(releases), frozenset(unstable))


def _checksums(page: Page) -> Listing:
    """The digests on a page of checksums, as HTML or in the form that it is written in."""
    digests: dict[str, str] = {}
    for line in _html_lines(page) if page.address.endswith(".html") else _rst_lines(page):
        match = _DIGEST.fullmatch(line.strip())
        if match is None:
            raise unusable(page, f"the line {line.strip()!r} is not a SHA-256 and a file's name")
        if digests.setdefault(match[2], match[1]) != match[1]:
            raise unusable(page, f"it has two digests for {match[2]}")
    archives = (_ARCHIVE.fullmatch(name) for name in digests)
    releases = frozenset(f"{match[1]}-{match[2]}" for match in archives if match)
    return Listing(page, releases, digests=digests)


def _html_lines(page: Page) -> list[str]:
    blocks = html_of(page).find_all("pre")
    return [line for block in blocks for line in block.get_text().splitlines() if line.strip()]


def _rst_lines(page: Page) -> list[str]:
    """The lines of literal blocks, which are indented."""
    lines = text_of(page).splitlines()
    return [line for line in lines if line.strip() and line[0].isspace()]


def _require_reach(listing: Listing, since: str, field: str) -> None:
    """Raise PageError if a page does not go back as far as it did."""
    if not listing.releases:
        raise unusable(listing.page, "it lists no release of PyPy")
    oldest = min(map(_number, listing.releases))
    if oldest > Version(since):
        raise unusable(
            listing.page,
            f"it goes back to {oldest} only, and not to {since} ({field} in versions/update.toml)",
        )


def _refuse_replaced(pypys: Mapping[str, Source], lists: Iterable[Listing]) -> None:
    """Raise DigestError if a page has another digest for a listed archive."""
    replaced = []
    for release, source in pypys.items():
        published = {
            listing.page.address: digest
            for listing in lists
            if (digest := listing.digests.get(source.file_name, source.sha256)) != source.sha256
        }
        if published:
            replaced += [f"{release}: {source.file_name}", f"  {source.sha256}  versions/{FILE}"]
            replaced += [f"  {digest}  {address}" for address, digest in published.items()]
    refuse(
        "PyPy publishes another SHA-256 for a listed archive",
        replaced,
        "ask PyPy whether it replaced the archive, as it did with 3.9-7.3.15 (pypy/pypy#4919); only"
        f" then change versions/{FILE} by hand. Until the two agree, alpypy writes nothing of PyPy",
    )


def _unlisted(catalog: Catalog, lists: _PypyLists) -> list[str]:
    """The announced releases that versions/ lacks, from the oldest that it has on."""
    oldest = min(map(_number, catalog.pypys))
    unlisted = lists.announced.releases.difference(catalog.pypys)
    return _in_order(release for release in unlisted if _number(release) >= oldest)


def _new(
    release: str, lists: _PypyLists, pages: PypyPages, catalog: Catalog, fetcher: Fetcher | None
) -> News:
    """A release that versions/ lacks; its archive is fetched only with a fetcher."""
    name, published = _archive(release, lists.checksums)
    if not published:
        return decide(f"{release}: PyPy publishes no SHA-256 of its source yet; nothing is added")
    if len(set(published.values())) > 1:
        return News(refusals=(_contradiction(release, name, published),))
    sha256 = next(iter(published.values()))
    stable = release not in lists.announced.unstable
    source = PypyRelease(f"{pages.archives}/{name}", sha256, stable=stable)
    origins, decisions = list(published), list(_single_host(release, published))
    if fetcher is not None:
        try:
            decisions += _patches(catalog, release, fetcher.fetch(source))
            origins.append("the archive itself")
        except DigestError as error:
            return News(refusals=(error,))
        except DownloadError as error:
            decisions.append(f"{release}: its patches are not tried: {error.what}")
    what = f"{release}: {name}\n    sha256 {sha256}\n    by {', '.join(origins)}"
    if not stable:
        what += f"\n    not stable, by {lists.announced.page.address}"
    edit = Edit(FILE, what, lambda text: add_pypy(text, release, source))
    return News((edit,), tuple(decisions))


def _archive(release: str, checksums: Sequence[Listing]) -> tuple[str, Mapping[str, str]]:
    """The name of a release's archive, and its digest on each page. bzip2 is smaller; 8.0.0 is the
    first release that has gzip alone."""
    language, _, number = release.partition("-")
    for suffix in ("bz2", "gz"):
        name = f"pypy{language}-v{number}-src.tar.{suffix}"
        published = {
            listing.page.address: listing.digests[name]
            for listing in checksums
            if name in listing.digests
        }
        if published:
            return name, published
    return "", {}


def _single_host(release: str, published: Mapping[str, str]) -> Iterator[str]:
    """What to decide if all pages that have a digest came from one host, such as a mirror."""
    hosts = {urlsplit(address).hostname for address in published}
    if len(hosts) == 1:
        yield f"{release}: only {hosts.pop()} has its SHA-256"


def _contradiction(release: str, name: str, published: Mapping[str, str]) -> AlpypyError:
    lines = (f"  {digest}  {address}" for address, digest in published.items())
    return DigestError(
        "\n    ".join([f"{release}: PyPy's pages contradict each other about {name}:", *lines]),
        remedy="nothing is added; ask PyPy which one is right",
    )


def _patches(catalog: Catalog, release: str, path: Path) -> Iterator[str]:
    """Which patches of the release before a new archive takes; none lists the new release yet."""
    fitted = fitted_patches(
        catalog, release, None, lambda files, folder: unpack_some(path, files, folder)
    )
    model = catalog.model(release)
    names = ", ".join(patch.name for patch in fitted.applied if not patch.moved)
    yield (
        f"{release}: add it to the Releases of the patches for {model} that fit: {names or 'none'}"
    )
    for patch in fitted.applied:
        if patch.moved:
            yield f"{release}: {patch.name} fits at other lines: write a variant"
    for misfit in fitted.misfits:
        yield f"{release}: {misfit}: write a variant, unless PyPy has mended the same"
    for left in fitted.left_out:
        yield f"{release}: leave {left.name} out: {left.reason}"


def _oddities(pypys: Mapping[str, Source], lists: _PypyLists, pages: PypyPages) -> Iterator[str]:
    """What a maintainer should know about listed releases and about the pages."""
    for release in pypys:
        gone = [
            listing.page.address
            for listing, since in _listings(lists, pages)
            if listing.lacks(release, since)
        ]
        if gone and release not in pages.withdrawn:
            yield (
                f"{release}: withdrawn? It is no longer on {' and '.join(gone)}. It stays in"
                f" versions/{FILE}; remove it, or add it to `withdrawn` in versions/update.toml"
            )
        elif all(_number(release) > listing.newest for listing in lists.checksums):
            yield f"{release}: listed, but no page of PyPy's has its SHA-256 yet"
    found = {release for listing in lists.checksums for release in listing.releases}
    since = Version(pages.versions_since)
    for release in _in_order(found.difference(pypys, lists.announced.releases)):
        if _number(release) >= since:
            yield f"{release}: it has a SHA-256, but versions.json does not announce it yet"


def _listings(lists: _PypyLists, pages: PypyPages) -> Iterator[tuple[Listing, str]]:
    yield lists.announced, pages.versions_since
    yield from ((listing, pages.checksums_since) for listing in lists.checksums)


def _number(release: str) -> Version:
    return Version(PypyVersion.parse(release).release)


def _in_order(releases: Iterable[str]) -> list[str]:
    return sorted(releases, key=_sort_key)


def _sort_key(release: str) -> tuple[Version, Version]:
    return PypyVersion.parse(release).sort_key
