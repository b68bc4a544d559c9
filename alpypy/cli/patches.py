"""``patches``: which patch serves which release, and whether all fit."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from alpypy.cli import common
from alpypy.cli.command import command
from alpypy.cli.options import Option
from alpypy.core.errors import SpecError
from alpypy.core.folders import CHECKOUT, ROOT, cache_folder

if TYPE_CHECKING:
    from alpypy.recipes.recipe import Catalog


@dataclass(frozen=True, kw_only=True)
class PatchesOptions:
    """Options of ``patches``."""

    source: Annotated[
        tuple[Path, ...],
        Option("archive, checkout, or git repository with release tags; repeatable"),
    ] = ()
    write_docs: Annotated[bool, Option("only write docs/patches.md anew from the headers")] = False


@command(PatchesOptions)
def patches(options: PatchesOptions) -> None:
    """Print which patch serves which release, and check all against the sources at hand."""
    from alpypy.recipes import patch_check, patch_docs
    from alpypy.recipes.recipe import load_catalog

    catalog = load_catalog(ROOT)
    if options.write_docs:
        _write_docs(catalog)
        return
    sources = patch_check.available_sources(catalog, options.source, cache_folder())
    for line in patch_docs.table(catalog.patches, catalog.releases):
        common.show(line)
    sys.exit(patch_check.report(catalog, sources, common.show))


def _write_docs(catalog: Catalog) -> None:
    from alpypy.recipes import patch_docs

    if CHECKOUT is None:
        raise SpecError(
            f"{patch_docs.PAGE} is not part of an installed alpypy",
            remedy="run it in a checkout of alpypy",
        )
    text = patch_docs.page(catalog.patches, catalog.releases)
    (CHECKOUT / patch_docs.PAGE).write_text(text, encoding="utf-8")
