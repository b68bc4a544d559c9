"""A library of portable builds: whether there is a newer version that it may take."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from packaging.version import Version

from alpypy.core.errors import DigestError, DownloadError
from alpypy.core.fetch import Fetcher
from alpypy.core.source import Source
from alpypy.offline.pins import Pin, version_of
from alpypy.recipes.libraries import FILE_NAME, StaticLibrary
from alpypy.update import debian_index, upstream
from alpypy.update.debian_index import Listed
from alpypy.update.edits import set_library
from alpypy.update.news import Edit, News, together
from alpypy.update.upstream import FINAL, Archive

_COST = (
    "portable PyPys that you published have the old version inside: build, verify and publish them"
    " again (docs/portable.md). alpypy compiles only the new library and links; it does not"
    " translate"
)
_COST_OF_DEBIAN = "only builds on a kit use Debian's source: they compile the library again"


@dataclass(frozen=True)
class KnownLibrary:
    """A library of the list ``path``, and what there is of it: upstream's archives, and by Debian's
    release its source there, None if the index lacks it. What could not be read is left out."""

    library: StaticLibrary
    path: Path
    archives: tuple[Archive, ...]
    debian: Mapping[str, Source | None]

    @property
    def version(self) -> Version:
        """The listed version."""
        return Version(self.library.version)

    def listed(self, release: str | None = None) -> Listed:
        """The listed source of Debian's, to be looked up in its own release or another one."""
        source = self.library.packed_by_debian
        return Listed(Pin(source, release or self.library.debian.release), self.path)

    @cached_property
    def source(self) -> Source | None:
        """Debian's source today, unless it is older than the listed one."""
        source = self.debian.get(self.library.debian.release)
        return None if debian_index.question(self.listed(), source) else source

    @property
    def has_same_file(self) -> bool:
        """Whether Debian's listed source is upstream's file of that version, by the list or by
        upstream's page. False too if neither has that version."""
        digests = {each.version: each.digest for each in self.archives if each.by_sha256}
        digests[self.version] = self.library.sha256
        return digests.get(Version(self.library.debian_version)) == self.library.debian.sha256

    def is_of_line(self, version: Version) -> bool:
        """Whether a version may take the place of the listed one."""
        line = Version(self.library.line).release if self.library.line else ()
        return version.release[: len(line)] == line


def replaced(known: KnownLibrary) -> Iterator[str]:
    """For ``refuse``: both digests of each listed file that has another one now."""
    library = known.library
    yield from debian_index.contradiction(known.listed(), known.debian.get(library.debian.release))
    for archive in known.archives:
        same = archive.version == known.version and archive.by_sha256
        if same and archive.digest != library.sha256:
            yield archive.file_name
            yield f"  {library.sha256}  versions/{FILE_NAME}"
            yield f"  {archive.digest}  {archive.origin}"


def news(known: KnownLibrary, fetcher: Fetcher | None) -> News:
    """What is new of a library; its archive is fetched only with a fetcher."""
    newer = [
        archive
        for archive in (*known.archives, *_as_upstreams(known))
        if known.is_of_line(archive.version) and archive.version > known.version
    ]
    newest = max(newer, key=_version, default=None)
    best = max((archive for archive in newer if archive.digest), key=_version, default=None)
    decisions = list(_questions(known))
    if newest and (best is None or best.version < newest.version):
        decisions.append(_without_digest(known, newest))
    taken = newest.version if newest else known.version
    passed_over = (*_passed_over(known, taken), *_unreadable(known))
    try:
        _refuse_packed_again(known)
        edits = _new(known, best, fetcher) if best else _new_of_debian(known)
    except (DigestError, DownloadError) as error:
        edits = News(refusals=(error,))
    return together([News(decisions=tuple(decisions), passed_over=passed_over), edits])


def _version(archive: Archive) -> Version:
    return archive.version


def _version_of(source: Source | None) -> Version | None:
    """Upstream's version of Debian's source; None if that does not tell it, as of a pre-release."""
    text = debian_index.upstream_version(version_of(source)).replace("+", ".") if source else ""
    return Version(text) if re.fullmatch(FINAL, text, re.ASCII) else None


def _as_upstreams(known: KnownLibrary) -> Iterator[Archive]:
    """Debian's source as upstream's archive. Its digest is that one's if Debian does not pack it
    again, which the listed version shows, and a mark in its name, such as +dfsg."""
    version = _version_of(known.source)
    if known.source and version:
        url, of_debian = _address(known.library, known.source, version), version_of(known.source)
        marked = debian_index.upstream_version(of_debian) != of_debian
        sha256 = known.source.sha256 if known.has_same_file and url and not marked else ""
        yield Archive(version, url or known.library.url, sha256, known.listed().index)


def _address(library: StaticLibrary, source: Source, version: Version) -> str | None:
    """Where upstream has a version, by the address of the listed one; None if that does not say:
    with another suffix it is another file, whose digest Debian does not know."""
    listed, path = library.debian.path, source.debian or ""
    if PurePosixPath(listed).suffix != PurePosixPath(path).suffix:
        return None
    if library.url.endswith(listed):  # upstream's archive is Debian's
        same = PurePosixPath(path).parent == PurePosixPath(listed).parent
        return library.url.replace(listed, path) if same else None
    if library.version in library.url:
        return library.url.replace(library.version, str(version))
    return None


def _questions(known: KnownLibrary) -> Iterator[str]:
    """What a maintainer should know about the listed files."""
    library = known.library
    release = library.debian.release
    if release in known.debian:
        doubt = debian_index.question(known.listed(), known.debian[release])
        yield from (doubt,) if doubt else ()
    if not known.is_of_line(Version(library.debian_version)):
        yield (
            f"{library.name}: Debian {release} has {library.debian_version}, which is not of the"
            f" line {library.line}: choose another release in [libraries.debian] of"
            f" versions/{FILE_NAME}"
        )
    # A page has all lines, the newest release first: an older one of another line says nothing.
    versions = {archive.version for archive in known.archives if known.is_of_line(archive.version)}
    if versions and known.version not in versions and min(versions) < known.version:
        origin = known.archives[0].origin
        yield f"{library.name} {library.version}: withdrawn? It is no longer on {origin}"


def _without_digest(known: KnownLibrary, newest: Archive) -> str:
    return (
        f"{known.library.name} {newest.version}, by {newest.origin}: no page in reach has the"
        f" SHA-256 of upstream's archive, so versions/{FILE_NAME} keeps upstream's"
        f" {known.library.version}"
    )


def _passed_over(known: KnownLibrary, taken: Version) -> Iterator[str]:
    """A newer version that is not of the library's line, or in another release of Debian alone."""
    library = known.library
    places = {archive.version: archive.origin for archive in known.archives}
    for release, source in known.debian.items():
        if version := _version_of(source):
            places.setdefault(version, f"Debian {release}")
    newest = max(places, default=taken)
    if newest <= taken:
        return
    what, place = f"{library.name} {newest}", places[newest]
    if known.is_of_line(newest):
        yield (
            f"{what} is in {place}; it is not taken, as versions/{FILE_NAME} follows Debian"
            f" {library.debian.release}"
        )
    else:
        yield f"{what}, by {place}: it is not of the line {library.line} in versions/{FILE_NAME}"


def _unreadable(known: KnownLibrary) -> Iterator[str]:
    """A source of Debian's whose version does not tell upstream's."""
    source, listed = known.source, known.listed()
    if source and not _version_of(source) and not debian_index.is_same(listed, source):
        yield (
            f"{known.library.name} {version_of(source)}, by {listed.index}: alpypy cannot read"
            " upstream's version in that; if it is a newer release, write the entry by hand"
        )


def _new(known: KnownLibrary, best: Archive, fetcher: Fetcher | None) -> News:
    """A new version of upstream's, and Debian's source of it if Debian has that.

    Raises:
        DigestError: the archive contradicts its digest.
        DownloadError: the archive is out of reach.
    """
    library = known.library
    origins, decisions = list(_origins(known, best)), list(_single_mirror(known, best))
    sha256, digest = best.digest, f"{best.algorithm} {best.digest}"
    if fetcher is not None:
        try:
            sha256 = upstream.fetch(fetcher, best)
            digest = f"sha256 {sha256}"
            origins.append("the archive itself")
        except DownloadError as error:
            # A guessed address that upstream does not have is not written.
            if best in known.archives or error.missing:
                raise
            decisions.append(
                f"{library.name} {best.version}: only {best.origin} has its SHA-256: {error.what}"
            )
    what = (
        f"{library.name} {best.version} ({library.version} until now): {best.file_name}"
        f"\n    {digest}\n    by {', '.join(origins)}"
    )
    fields = {"version": str(best.version), "url": best.url, "sha256": sha256}
    edit = _edit(known, what, fields, _of_debian(known))
    return News((edit,), tuple(decisions))


def _origins(known: KnownLibrary, best: Archive) -> Iterator[str]:
    """Who has the digest of an archive."""
    yield best.origin
    index = known.listed().index
    if best.origin != index and _is_debians(known, best):
        yield index


def _single_mirror(known: KnownLibrary, best: Archive) -> Iterator[str]:
    """What to decide if a mirror alone says address and digest."""
    if best.by_mirror and not _is_debians(known, best):
        host = urlsplit(best.origin).hostname
        yield f"{known.library.name} {best.version}: only {host}, a mirror, has its digest"


def _is_debians(known: KnownLibrary, archive: Archive) -> bool:
    """Whether Debian's source is this archive."""
    same = known.source is not None and known.source.sha256 == archive.digest
    return same and archive.by_sha256


def _refuse_packed_again(known: KnownLibrary) -> None:
    """Raise DigestError if Debian has another file than upstream, and had the same until now."""
    source, version = known.source, _version_of(known.source)
    if not (source and version and known.is_of_line(version) and known.has_same_file):
        return
    library, suffix = known.library, PurePosixPath(source.file_name).suffix
    listed = Archive(known.version, library.url, library.sha256, f"versions/{FILE_NAME}")
    for archive in (listed, *known.archives):
        comparable = archive.by_sha256 and archive.url.endswith(suffix)
        if archive.version == version and comparable and archive.digest != source.sha256:
            raise DigestError(
                f"{library.name} {version} has two digests, and Debian took upstream's file until"
                f" now:\n    {archive.digest}  {archive.origin}\n    {source.sha256} "
                f" {known.listed().index}",
                remedy="compare the files: if Debian packed it again, write the entry by hand",
            )


def _new_of_debian(known: KnownLibrary) -> News:
    """Another source of Debian's, where there is nothing new of upstream's."""
    fields = _of_debian(known)
    if "sha256" not in fields:
        return News()
    before = version_of(known.library.packed_by_debian)
    what = f"{known.library.name}: Debian's source of it ({before} until now)"
    return News((_edit(known, what, {}, fields),))


def _of_debian(known: KnownLibrary) -> Mapping[str, str]:
    """The fields of Debian's source; without a digest where that stays."""
    source, version = known.source, _version_of(known.source)
    if not (source and version and known.is_of_line(version)):
        return {"version": known.library.debian_version}
    if debian_index.is_same(known.listed(), source):
        return {"version": known.library.debian_version}
    return {"version": str(version), "path": source.debian or "", "sha256": source.sha256}


def _edit(
    known: KnownLibrary, what: str, fields: Mapping[str, str], of_debian: Mapping[str, str]
) -> Edit:
    library, sha256 = known.library, of_debian.get("sha256")
    what += f"\n    Debian {library.debian.release}: {of_debian['version']}"
    if sha256:
        same = sha256 == fields.get("sha256", library.sha256)
        what += (
            ", the same file" if same else f"\n    sha256 {sha256}\n    by {known.listed().index}"
        )
    return Edit(
        FILE_NAME,
        what,
        lambda text: set_library(text, library.name, fields, of_debian),
        cost=_COST if fields else _COST_OF_DEBIAN,
    )
