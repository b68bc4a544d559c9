"""``patches``: which patch serves which release, and whether all fit."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from alpypy.cli import common
from alpypy.cli.command import command
from alpypy.cli.options import Option
from alpypy.core.errors import SpecError
from alpypy.core.folders import CHECKOUT, ROOT, artifacts_folder, cache_folder
from alpypy.core.log import say

if TYPE_CHECKING:
    from alpypy.recipes.patch_check import AvailableSource
    from alpypy.recipes.recipe import Catalog


@dataclass(frozen=True, kw_only=True)
class PatchesOptions:
    """Options of ``patches``."""

    source: Annotated[
        tuple[Path, ...],
        Option("archive, checkout, or git repository with release tags; repeatable"),
    ] = ()
    write_docs: Annotated[bool, Option("only write docs/patches.md anew from the headers")] = False
    series: Annotated[
        str | None,
        Option("only write the patches of this PyPy for git am and quilt: 3.11-8.0.0"),
    ] = None
    out: Annotated[
        Path | None, Option("folder for --series (default: artifacts/patches-VERSION)")
    ] = None
    no_errata: Annotated[bool, Option("leave errata out of --series")] = False


@command(PatchesOptions)
def patches(options: PatchesOptions) -> None:
    """Print which patch serves which release, and check all against the sources at hand."""
    from alpypy.recipes import patch_check, patch_docs
    from alpypy.recipes.recipe import load_catalog

    catalog = load_catalog(ROOT)
    _refuse_combinations(options)
    if options.write_docs:
        _write_docs(catalog)
        return
    if options.series is not None:
        _write_series(catalog, options.series, options)
        return
    sources = patch_check.available_sources(catalog, options.source, cache_folder())
    for line in patch_docs.table(catalog.patches, catalog.releases):
        common.show(line)
    sys.exit(patch_check.report(catalog, sources, common.show))


def _refuse_combinations(options: PatchesOptions) -> None:
    if options.write_docs and options != PatchesOptions(write_docs=True):
        raise SpecError(
            "--write-docs takes no other option", remedy="leave the others out, or run two commands"
        )
    if options.series is None and (options.out is not None or options.no_errata):
        raise SpecError(
            "--out and --no-errata are for --series",
            remedy="leave them out, or name a PyPy: --series 3.11-8.0.0",
        )


def _write_docs(catalog: Catalog) -> None:
    from alpypy.recipes import patch_docs

    if CHECKOUT is None:
        raise SpecError(
            f"{patch_docs.PAGE} is not part of an installed alpypy",
            remedy="run it in a checkout of alpypy",
        )
    text = patch_docs.page(catalog.patches, catalog.releases)
    (CHECKOUT / patch_docs.PAGE).write_text(text, encoding="utf-8")


def _write_series(catalog: Catalog, version: str, options: PatchesOptions) -> None:
    from alpypy.recipes.fitting import require_fit
    from alpypy.recipes.patch_series import series_patches, write_series

    source = _source(catalog, version, options.source)
    fitted = series_patches(catalog, version, source, errata=not options.no_errata)
    require_fit(fitted, version, source.where if source else "")
    common.say_patches(fitted.applied, fitted.left_out, fitted.no_errata)
    folder = options.out or artifacts_folder() / f"patches-{version}"
    for path in write_series(fitted.applied, folder):
        common.show(str(path))


def _source(catalog: Catalog, version: str, paths: Sequence[Path]) -> AvailableSource | None:
    """The source to match the patches with. Those of a checked release fit without one."""
    from alpypy.recipes.patch_check import cached_sources, named_sources
    from alpypy.recipes.patch_series import source_of

    named = named_sources(catalog, paths, cache_folder())
    source = source_of(version, named)
    if named and source is None:
        has = ", ".join(source.release for source in named)
        raise SpecError(
            f"--source is {has}, not {version}",
            remedy=f"use --series {named[-1].release}, or name a branch, tag or commit of a"
            " repository: --source pypy.git@py3.11",
        )
    if source or catalog.is_checked(version):
        return source
    source = source_of(version, cached_sources(catalog, cache_folder()))
    if source is None and version in catalog.releases:
        say(
            f"these patches are untested on {version}; give its source with --source, and alpypy"
            " checks that they fit"
        )
    return source
