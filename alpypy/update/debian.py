"""The kit's files of Debian: which of them it has replaced."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from alpypy.core.errors import DownloadError
from alpypy.core.program import typed
from alpypy.core.project import Project
from alpypy.core.source import Source
from alpypy.offline import extra
from alpypy.offline.contents import load_contents, load_wheel_packages
from alpypy.offline.debian import Kind
from alpypy.offline.pins import Indexes, version_of
from alpypy.update.debian_index import (
    Listed,
    contradiction,
    is_same,
    out_of_reach,
    question,
    today,
    upstream_version,
)
from alpypy.update.edits import set_debian
from alpypy.update.news import Edit, News, all_but, decide, refuse, together

_FILES = ("kit.toml", "kit-data.toml", "kit-wheels.toml", extra.FILE_NAME)
_COST = (
    "a kit with other files has another identity, so what was built with the old one is built"
    " again; make the kit and run the quickstart before you merge"
)
_COST_OF_TOOLS = (
    f"versions/{extra.FILE_NAME} has other files, so on a kit all libraries of a portable PyPy are"
    " compiled again; build one there before you merge"
)


def compare(project: Project, *, check: bool) -> News:
    """The files of the kit that Debian has replaced.

    Raises:
        DigestError: the index has another digest for the same file.
        DownloadError: no index is in reach, or one is not signed as it should be.
    """
    del check  # the index is all that is read
    indexes = Indexes(project.cache, project.say)
    groups: dict[tuple[str, Kind], list[Listed]] = {}
    for listed in _all_listed(project.data / "versions"):
        groups.setdefault((listed.pin.release, listed.pin.kind), []).append(listed)
    parts, replaced = list[News](), list[str]()
    for group in groups.values():
        index = indexes.of(group[0].pin)
        if index is None:
            parts.append(out_of_reach(group))
        else:
            for listed, source in today(index, group):
                replaced += contradiction(listed, source)
                parts.append(_changed(listed, source))
    refuse(
        "Debian's index has another SHA-256 for a listed file",
        replaced,
        "Debian never replaces a file of the same version: find out who did; until the two agree,"
        " alpypy writes nothing of Debian",
    )
    if len(groups) == sum(bool(part.notes) for part in parts):
        raise DownloadError(
            "no mirror in the settings of apt has the kit's release of Debian",
            remedy=f"run it where apt has one, or leave Debian out: {typed('update')}"
            f" {all_but('debian')}",
        )
    whole = together(parts)
    return together([whole, News(decisions=tuple(_costs(whole)))])


def _costs(news: News) -> Iterator[str]:
    files = {edit.file for edit in news.edits}
    if files - {extra.FILE_NAME}:
        yield _COST
    if extra.FILE_NAME in files:
        yield _COST_OF_TOOLS


def _all_listed(folder: Path) -> Iterator[Listed]:
    contents, wheels = load_contents(folder), load_wheel_packages(folder / "kit-wheels.toml")
    of_kit = contents.pins({openssl.soname for openssl in contents.kit.openssl})
    of_wheels = (pin for entry in wheels.entries for pin in wheels.pins(entry))
    of_tools = extra.load_extra_tools(folder).pins
    texts = {folder / name: (folder / name).read_text(encoding="utf-8") for name in _FILES}
    for pin in dict.fromkeys((*of_kit, *of_wheels, *of_tools)):
        for path, text in texts.items():
            if pin.source.sha256 in text:
                yield Listed(pin, path)


def _changed(listed: Listed, source: Source | None) -> News:
    if doubt := question(listed, source):
        return decide(doubt)
    if source is None or is_same(listed, source):
        return News()
    before, now = version_of(listed.pin.source), version_of(source)
    upstream = upstream_version(before), upstream_version(now)
    what = (
        f"{listed.pin.package} {now} ({before} until now)\n    sha256 {source.sha256}\n"
        f"    by {listed.index}"
    )
    sha256 = listed.pin.source.sha256
    return News(
        (Edit(listed.path.name, what, lambda text: set_debian(text, sha256, source, upstream)),)
    )
