"""Every patch fits every release that it lists, where sources are at hand: those that builds have
left in the cache, RPython's from PyPI, and what is named.

ALPYPY_TEST_SOURCES names what `invoke patches --source` takes, and folders of archives
(pypy3.6-v7.0.0-src.tar.bz2, rpython-0.2.1.tar.gz); several with a colon between.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from alpypy.core.errors import DownloadError
from alpypy.core.fetch import Fetcher
from alpypy.core.folders import cache_folder
from alpypy.recipes.patch_check import (
    AvailableSource,
    available_sources,
    check,
    check_tree,
    how_to_get,
)
from alpypy.recipes.recipe import load_catalog

VARIABLE = "ALPYPY_TEST_SOURCES"
RPYTHON = "rpython-0.2.1"
CATALOG = load_catalog(Path(__file__).parents[3])


def named(word: str) -> list[Path]:
    path = Path(word)
    kinds = ("pypy*-src.tar.bz2", "pypy*-src.tar.gz", "rpython-*.tar.gz")
    return [archive for kind in kinds for archive in path.glob(kind)] or [path]


@pytest.fixture(scope="session")
def sources() -> Sequence[AvailableSource]:
    cache = cache_folder()
    with contextlib.suppress(DownloadError):  # its test is skipped with the command then
        Fetcher(cache).fetch(CATALOG.sources[RPYTHON])
    words = os.environ.get(VARIABLE, "").split(os.pathsep)
    paths = [path for word in words if word for path in named(word)]
    return available_sources(CATALOG, paths, cache)


def test_patches_fit_trees(sources: Sequence[AvailableSource]) -> None:
    trees = [source for source in sources if source.release not in CATALOG.releases]
    if not trees:
        pytest.skip(f"no tree that is no release: add $PWD/pypy.git@py3.12 to {VARIABLE}")
    for tree in trees:
        assert check_tree(CATALOG, tree).misfits == ()


@pytest.mark.parametrize("release", CATALOG.releases)
def test_patches_fit(release: str, sources: Sequence[AvailableSource]) -> None:
    mine = [source for source in sources if source.release == release]
    if not mine:
        command, path = how_to_get(CATALOG.sources[release])
        pytest.skip(f"no source: '{command}' provides it; then set {VARIABLE}=$PWD/{path}")
    tried = check if CATALOG.is_checked(release) else check_tree
    for source in mine:
        assert tried(CATALOG, source).misfits == ()
