"""The kit's files of Debian: what its signed index, which apt verifies, has of them today."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from alpypy.core.errors import DownloadError
from alpypy.core.program import typed
from alpypy.core.project import Project
from alpypy.core.source import Source
from alpypy.offline.contents import load_contents, load_wheel_packages
from alpypy.offline.debian import Index, Kind
from alpypy.offline.pins import Indexes, Pin, counterpart, version_of
from alpypy.update.edits import set_debian
from alpypy.update.news import Edit, News, decide, refuse, together

_FILES = ("kit.toml", "kit-data.toml", "kit-wheels.toml")
# Ends upstream's version in Debian's: a mark that Debian left something out, or its own revision.
_NOT_UPSTREAM = re.compile(r"[.+~](?:dfsg|ds)|-[^-]*$")
_COST = (
    "a kit with other files has another identity, so what was built with the old one is built"
    " again; make the kit and run the quickstart before you merge"
)


def compare(project: Project, *, check: bool) -> News:
    """The files of the kit that Debian has replaced.

    Raises:
        DigestError: the index has another digest for the same file.
        DownloadError: no index is in reach, or one is not signed as it should be.
    """
    del check  # the index is all that is read
    indexes = Indexes(project.cache, project.say)
    groups: dict[tuple[str, Kind], list[_Listed]] = {}
    for listed in _all_listed(project.data / "versions"):
        groups.setdefault((listed.pin.release, listed.pin.kind), []).append(listed)
    parts, replaced = list[News](), list[str]()
    for group in groups.values():
        index = indexes.of(group[0].pin)
        if index is None:
            parts.append(_out_of_reach(group))
        else:
            for listed, source in _today(index, group):
                replaced += _replaced(listed, source)
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
            " --only pypy --only alpine --only pypi",
        )
    whole = together(parts)
    return together([whole, decide(_COST)]) if whole.edits else whole


@dataclass(frozen=True)
class _Listed:
    """A file of Debian's, and the file in versions/ that lists it."""

    pin: Pin
    path: Path


def _out_of_reach(group: Sequence[_Listed]) -> News:
    names = ", ".join(dict.fromkeys(listed.pin.package for listed in group))
    return News(notes=(f"no mirror of apt's has Debian {group[0].pin.release}: {names}",))


def _today(index: Index, group: Sequence[_Listed]) -> Iterator[tuple[_Listed, Source | None]]:
    files = index.all_files(tuple(dict.fromkeys(listed.pin.package for listed in group)))
    for listed in group:
        yield listed, counterpart(listed.pin, files[listed.pin.package])


def _all_listed(folder: Path) -> Iterator[_Listed]:
    contents, wheels = load_contents(folder), load_wheel_packages(folder / "kit-wheels.toml")
    of_kit = contents.pins({openssl.soname for openssl in contents.kit.openssl})
    of_wheels = (pin for entry in wheels.entries for pin in wheels.pins(entry))
    texts = {folder / name: (folder / name).read_text(encoding="utf-8") for name in _FILES}
    for pin in dict.fromkeys((*of_kit, *of_wheels)):
        for path, text in texts.items():
            if pin.source.sha256 in text:
                yield _Listed(pin, path)


def _replaced(listed: _Listed, source: Source | None) -> Iterator[str]:
    pin = listed.pin
    if source and source.debian == pin.source.debian and source.sha256 != pin.source.sha256:
        yield pin.source.file_name
        yield f"  {pin.source.sha256}  versions/{listed.path.name}"
        yield f"  {source.sha256}  the signed index of Debian {pin.release}"


def _changed(listed: _Listed, source: Source | None) -> News:
    pin, file = listed.pin, listed.path.name
    if source is None:
        return decide(f"{pin.package} (versions/{file}): withdrawn? Debian {pin.release} has none")
    # With the same digest it is the same file, wherever the mirror has it.
    if pin.source.debian == source.debian or pin.source.sha256 == source.sha256:
        return News()
    before, now = version_of(pin.source), version_of(source)
    if _is_older(now, before):
        return decide(
            f"{pin.package} (versions/{file}): your mirror has {now}, which is older than {before};"
            " nothing is changed"
        )
    upstream = _upstream(before), _upstream(now)
    what = (
        f"{pin.package} {now} ({before} until now)\n    sha256 {source.sha256}\n"
        f"    by the signed index of Debian {pin.release}"
    )
    sha256 = pin.source.sha256
    return News((Edit(file, what, lambda text: set_debian(text, sha256, source, upstream)),))


def _upstream(version: str) -> str:
    return _NOT_UPSTREAM.split(version)[0]


def _is_older(version: str, than: str) -> bool:
    """Compare two versions as Debian orders them."""
    command = ["dpkg", "--compare-versions", version, "lt", than]
    return subprocess.run(command, check=False).returncode == 0
