"""What is said of a kit that lacks a build package."""

from __future__ import annotations

from pathlib import Path

import pytest

from alpypy.build.base_image import BaseImage, refuse_missing
from alpypy.core.errors import SpecError
from alpypy.offline.kit import reference
from alpypy.recipes.recipe import load_catalog
from alpypy.recipes.spec import Target

ROOT = Path(__file__).parents[3]
CATALOG = load_catalog(ROOT)


def test_a_source_that_adds_the_package_is_named_with_its_address() -> None:
    recipe = CATALOG.recipe(Target("2.7-7.0.0", "3.9"), "libressl")
    kit = BaseImage(reference("3.9"), "id", "identity", kit=True)
    with pytest.raises(SpecError, match="with libressl-dev, which the kit does not have") as caught:
        refuse_missing(ROOT, recipe, kit)
    assert caught.value.remedy == (
        "if you can reach Alpine's mirrors: --base-image alpine:3.9; else fetch"
        " https://ftp.openbsd.org/pub/OpenBSD/LibreSSL/libressl-2.7.5.tar.gz and run:"
        " invoke kit --alpine 3.9 --source libressl-2.7.5.tar.gz"
    )


def test_where_no_source_adds_it_another_release_may_do() -> None:
    recipe = CATALOG.recipe(Target("3.6-7.3.3", "3.17"))
    kit = BaseImage(reference("3.17"), "id", "identity", kit=True)
    with pytest.raises(SpecError, match=r"with openssl1\.1-compat-dev, which") as caught:
        refuse_missing(ROOT, recipe, kit)
    assert caught.value.remedy.endswith("alpine:3.17; else choose another release")
