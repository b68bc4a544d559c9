"""The files that a kit was tested with, and what takes the place of one that Debian has replaced.

A mirror has only the newest version of a release's packages. A file that is in the cache or still
served is used as it was tested. For another one Debian's signed index says what there is now.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from alpypy.core.errors import DownloadError
from alpypy.core.fetch import Fetcher
from alpypy.core.source import Source
from alpypy.offline.debian import Index, Kind, open_index

# The upstream tarball of a source package, which can have more beside it ("orig-<name>").
_ORIG = re.compile(r"[^_]+_[^_]+\.orig\.tar\.(gz|bz2|xz)")


@dataclass(frozen=True)
class Pin:
    """A tested file, and the Debian release that it is of."""

    source: Source
    release: str

    @property
    def package(self) -> str:
        """Debian's name of the package, or of the source package."""
        return self.source.file_name.partition("_")[0]

    @property
    def kind(self) -> Kind:
        """What Debian's index calls such a file."""
        return "deb" if self.source.file_name.endswith(".deb") else "deb-src"

    @property
    def group(self) -> tuple[str, str, Kind]:
        """Packages of one source are made for each other: the release, that source, the kind."""
        return self.release, PurePosixPath(self.source.debian or "").parts[-2], self.kind


@dataclass(frozen=True)
class Replacement:
    """A file that is taken in place of a tested one, whose digest is ``pin``."""

    package: str
    tested: str
    taken: str
    pin: str
    path: str
    sha256: str

    @property
    def source(self) -> Source:
        """The file itself."""
        return Source("", self.sha256, debian=self.path)


def settle(
    fetcher: Fetcher, pins: Sequence[Pin], say: Callable[[str], None]
) -> tuple[Replacement, ...]:
    """Fetch every file, and in place of those that no mirror has any more what it has now.

    Where one of a source's packages was replaced, the others are taken as they are now too. The
    replacements are in the order of what they replace, as in a kit's label.

    Raises:
        DownloadError: a file is out of reach and so is Debian's index, or that is not signed as it
            should be, or the release does not have the package any more.
        DigestError: a mirror gave other bytes than those asked for.
        ResourceError: the disk is full.
    """
    groups: dict[tuple[str, str, Kind], list[Pin]] = {}
    for pin in pins:
        groups.setdefault(pin.group, []).append(pin)
    replacements: list[Replacement] = []
    search = _Search(fetcher, say)
    for group in groups.values():
        missing = _missing(fetcher, group)
        if missing:
            replacements += search.replacements(group, missing)
    return tuple(sorted(replacements, key=lambda one: one.pin))


def taken(replacements: Iterable[Replacement]) -> Mapping[str, Source]:
    """The files to use in place of tested ones, by the digests of these."""
    return {one.pin: one.source for one in replacements}


def _missing(fetcher: Fetcher, pins: Iterable[Pin]) -> DownloadError | None:
    """Fetch the files: the error of the first that no mirror has; None if all are there."""
    for pin in pins:
        try:
            fetcher.fetch(pin.source)
        except DownloadError as error:
            return error
    return None


class Indexes:
    """Debian's indexes as the mirrors have them now; each is read once."""

    def __init__(self, cache: Path, say: Callable[[str], None]) -> None:
        self._cache = cache
        self._say = say
        self._read: dict[tuple[str, Kind], Index | None] = {}

    def of(self, pin: Pin) -> Index | None:
        """The index that lists a pinned file; None where none is in reach.

        Raises:
            DownloadError: it is not signed as it should be.
        """
        release, kind = pin.release, pin.kind
        if (release, kind) not in self._read:
            self._say(f"reading the signed index of Debian {release}")
            self._read[release, kind] = open_index(self._cache, release, kind)
        return self._read[release, kind]


def counterpart(pin: Pin, files: Iterable[Source]) -> Source | None:
    """Which of a package's files is in place of a pinned one; None if none is."""
    for source in files:
        if pin.kind == "deb" or _ORIG.fullmatch(source.file_name):
            return source
    return None


class _Search:
    """Looks up what there is in place of tested files."""

    def __init__(self, fetcher: Fetcher, say: Callable[[str], None]) -> None:
        self._fetcher = fetcher
        self._say = say
        self._indexes = Indexes(fetcher.cache, say)

    def replacements(self, pins: Iterable[Pin], missing: DownloadError) -> Iterable[Replacement]:
        """Fetch the files of today, and say which differ from the tested ones."""
        for pin in pins:
            source = self._today(pin, missing)
            self._fetcher.fetch(source)
            if source.sha256 == pin.source.sha256:  # the same file, elsewhere on the mirror
                continue
            one = Replacement(
                pin.package,
                version_of(pin.source),
                version_of(source),
                pin.source.sha256,
                source.debian or "",
                source.sha256,
            )
            self._say(
                f"{one.package}: your mirrors no longer have the tested version {one.tested};"
                f" alpypy takes {one.taken} of Debian {pin.release}"
            )
            yield one

    def _today(self, pin: Pin, missing: DownloadError) -> Source:
        index = self._indexes.of(pin)
        if index is None:
            raise missing
        source = counterpart(pin, index.files(pin.package))
        if source:
            return source
        raise DownloadError(
            f"{missing.what}\n  and Debian {pin.release} has no {pin.package} in its place",
            remedy=missing.remedy,
        ) from missing


def version_of(source: Source) -> str:
    """Debian's version of a package, or upstream's of a source, out of the name of its file."""
    return source.file_name.partition("_")[2].partition(".orig.tar")[0].partition("_")[0]
