"""The libraries of portable builds, on upstream's pages and in Debian's signed index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from packaging.version import InvalidVersion, Version

from alpypy.core.errors import DataError, DownloadError, PageError
from alpypy.core.program import typed
from alpypy.core.project import Project
from alpypy.core.source import Source
from alpypy.offline.pins import Indexes
from alpypy.recipes.libraries import FILE_NAME, StaticLibrary, load_static_libraries
from alpypy.update import debian_index, upstream
from alpypy.update.addresses import load_pages
from alpypy.update.library_news import KnownLibrary, news, replaced
from alpypy.update.news import News, all_but, refuse, together


def compare(project: Project, *, check: bool) -> News:
    """The libraries of which upstream or Debian has a newer version.

    Args:
        check: do not fetch a new archive.

    Raises:
        DataError: the list has a version that cannot be compared with others.
        DigestError: upstream or Debian has another digest for a listed file.
        DownloadError: no page of upstream's and no index of Debian's is in reach.
    """
    path = project.data / "versions" / FILE_NAME
    libraries = load_static_libraries(path).libraries
    for library in libraries:
        _refuse_unreadable(path, library)
    listed = [KnownLibrary(library, path, (), {}) for library in libraries]
    with_debian, unread = _with_debian(project, listed)
    known, unread_pages = _with_upstream(project, with_debian)
    refuse(
        "a source of a library has another SHA-256 than the listed one",
        [line for each in known for line in replaced(each)],
        "neither upstream nor Debian replaces a file of the same version: find out who did; until"
        " the two agree, alpypy writes nothing of the libraries",
    )
    failures = together([unread, unread_pages])
    if not any(each.archives or each.debian for each in known):
        raise _out_of_reach(failures)
    fetcher = None if check else project.fetcher
    whole = together([failures, *(news(each, fetcher) for each in known)])
    costs = dict.fromkeys(edit.cost for edit in whole.edits)
    return together([whole, News(decisions=tuple(costs))])


def _refuse_unreadable(path: Path, library: StaticLibrary) -> None:
    """Raise DataError if a version of a library cannot be compared with others."""
    for version in (library.version, library.debian_version):
        try:
            Version(version)
        except InvalidVersion as error:
            raise DataError(
                f"{path}: {library.name} has the version {version!r}, which cannot be compared"
                " with others",
                remedy="write it in numbers, such as 1.1.1, or leave the libraries out:"
                f" {typed('update')} {all_but('libraries')}",
            ) from error


def _out_of_reach(failures: News) -> DownloadError:
    reasons = [*failures.notes, *(str(refusal) for refusal in failures.refusals)]
    return DownloadError(
        "\n    ".join(["nothing can be read of the libraries:", *reasons]),
        remedy=f"run it where one of these is in reach, or leave the libraries out:"
        f" {typed('update')} {all_but('libraries')}",
    )


def _with_upstream(
    project: Project, known: Sequence[KnownLibrary]
) -> tuple[Sequence[KnownLibrary], News]:
    """The same with upstream's archives; the news are the pages that could not be read."""
    pages, failures = load_pages(project.data).libraries, list[News]()
    found = dict[str, tuple[upstream.Archive, ...]]()
    for library in (each.library for each in known if each.library.name in pages):
        url = pages[library.name]
        try:
            found[library.name] = upstream.archives(project.fetcher, url, library)
        except DownloadError as error:
            failures.append(News(notes=(f"{library.name}: {error.what}{upstream.cure(url)}",)))
        except PageError as error:
            failures.append(News(refusals=(error,)))
    return [replace(each, archives=found.get(each.library.name, ())) for each in known], together(
        failures
    )


def _with_debian(
    project: Project, known: Sequence[KnownLibrary]
) -> tuple[Sequence[KnownLibrary], News]:
    """The same with their sources in each release of Debian that one of them is from; the news are
    the indexes that could not be read."""
    indexes, failures = Indexes(project.cache, project.say), list[News]()
    sources = dict[str, Sequence[Source | None]]()
    for release in dict.fromkeys(each.library.debian.release for each in known):
        group = [each.listed(release) for each in known]
        try:
            index = indexes.of(group[0].pin)
            if index is not None:
                sources[release] = [source for _, source in debian_index.today(index, group)]
            else:
                own = [each.listed() for each in known if each.library.debian.release == release]
                failures.append(debian_index.out_of_reach(own))
        except DownloadError as error:
            failures.append(News(refusals=(error,)))
    whole = [
        replace(each, debian={release: found[number] for release, found in sources.items()})
        for number, each in enumerate(known)
    ]
    return whole, together(failures)
