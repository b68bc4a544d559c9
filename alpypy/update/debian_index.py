"""What Debian's signed index, which apt verifies, has in place of listed files."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from alpypy.core.source import Source
from alpypy.offline.debian import Index
from alpypy.offline.pins import Pin, counterpart, version_of
from alpypy.update.news import News

# Ends upstream's version in Debian's: a mark that Debian left something out, or its own revision.
_NOT_UPSTREAM = re.compile(r"[.+~](?:dfsg|ds)|-[^-]*$")


@dataclass(frozen=True)
class Listed:
    """A file of Debian's, and the file in versions/ that lists it."""

    pin: Pin
    path: Path

    @property
    def index(self) -> str:
        """How a report names the index that has the file."""
        return f"the signed index of Debian {self.pin.release}"


def out_of_reach(group: Sequence[Listed]) -> News:
    """What to say of files of a release that no mirror has."""
    names = ", ".join(dict.fromkeys(listed.pin.package for listed in group))
    return News(notes=(f"no mirror of apt's has Debian {group[0].pin.release}: {names}",))


def today(index: Index, group: Sequence[Listed]) -> Iterator[tuple[Listed, Source | None]]:
    """What an index has in place of each listed file.

    Raises:
        DownloadError: apt cannot look it up.
    """
    files = index.all_files(tuple(dict.fromkeys(listed.pin.package for listed in group)))
    for listed in group:
        yield listed, counterpart(listed.pin, files[listed.pin.package])


def contradiction(listed: Listed, source: Source | None) -> Iterator[str]:
    """For ``refuse``: both digests of a file that has another one than the listed one."""
    pin = listed.pin
    if source and source.debian == pin.source.debian and source.sha256 != pin.source.sha256:
        yield pin.source.file_name
        yield f"  {pin.source.sha256}  versions/{listed.path.name}"
        yield f"  {source.sha256}  {listed.index}"


def is_same(listed: Listed, source: Source) -> bool:
    """With the same digest it is the same file, wherever the mirror has it."""
    pinned = listed.pin.source
    return pinned.debian == source.debian or pinned.sha256 == source.sha256


def question(listed: Listed, source: Source | None) -> str | None:
    """Why a maintainer has to decide about a file; None if Debian has it, or a newer one."""
    pin, file = listed.pin, listed.path.name
    if source is None:
        return f"{pin.package} (versions/{file}): withdrawn? Debian {pin.release} has none"
    before, now = version_of(pin.source), version_of(source)
    if is_same(listed, source) or not _is_older(now, before):
        return None
    return (
        f"{pin.package} (versions/{file}): your mirror has {now}, which is older than {before};"
        " nothing is changed"
    )


def upstream_version(version: str) -> str:
    """Upstream's version in Debian's, such as 1.3.2 in 1.3.dfsg+really1.3.2-2."""
    return _NOT_UPSTREAM.split(version.rpartition("+really")[2])[0]


def _is_older(version: str, than: str) -> bool:
    """Compare two versions as Debian orders them."""
    command = ["dpkg", "--compare-versions", version, "lt", than]
    return subprocess.run(command, check=False).returncode == 0
