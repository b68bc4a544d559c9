"""Which versions ranges have in common, found by trying those where a range begins or ends.

``packaging`` says whether a version is in a range, but not whether two ranges meet.
"""

from __future__ import annotations

from collections.abc import Iterator

from packaging.specifiers import Specifier, SpecifierSet
from packaging.version import InvalidVersion, Version

_LARGE = 10**9  # no release has a part as large


def probes(*ranges: SpecifierSet) -> tuple[str, ...]:
    """Versions that stand for all: the bounds of some ranges, and those just beside them.

    Where any version is in several of the ranges, one of these is.
    """
    found = ["0", *(version for one in ranges for each in one for version in _around(each))]
    return tuple(dict.fromkeys(found))


def _around(bound: Specifier) -> Iterator[str]:
    text, prefix = bound.version.removesuffix(".*"), bound.version.endswith(".*")
    try:
        version = Version(text)
    except InvalidVersion:  # === takes any text
        return
    yield text
    for edge in (version.release, _next(version.release)) if prefix else (version.release,):
        yield _text(version.epoch, edge)
        yield _text(version.epoch, _below(edge))
        # Deeper than any post-release, which > leaves out.
        yield _text(version.epoch, (*edge, 0, 0, 0, 1))


def _next(release: tuple[int, ...]) -> tuple[int, ...]:
    return (*release[:-1], release[-1] + 1)


def _below(release: tuple[int, ...]) -> tuple[int, ...]:
    """3.3.1000000000 for 3.4.0: a final release, as < leaves out those before a final one."""
    while release and release[-1] == 0:
        release = release[:-1]
    return (*release[:-1], release[-1] - 1, _LARGE) if release else (0,)


def _text(epoch: int, release: tuple[int, ...]) -> str:
    return f"{epoch}!{'.'.join(map(str, release))}"
