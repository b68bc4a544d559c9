"""What a tarball's document says of the image it was made in."""

from __future__ import annotations

from dataclasses import replace

from alpypy.build.base_image import BaseImage
from alpypy.build.package import build_image
from alpypy.offline.given import GivenSource
from alpypy.offline.pins import Replacement
from alpypy.recipes.manifest import KitReplacement, KitSource

KIT = BaseImage("alpypy-kit:alpine3.23", "sha256:1", "identity", True)


def test_the_image_of_a_kit_as_tested() -> None:
    image = build_image("sha256:2", KIT)
    assert (image.id, image.base, image.base_id) == ("sha256:2", KIT.reference, "sha256:1")
    assert image.kit
    assert image.kit_replacements == ()


def test_the_image_of_a_kit_with_a_replaced_package() -> None:
    taken = Replacement("zlib1g", "1.2-1", "1.2-2", "a" * 64, "pool/main/z/zlib/x.deb", "b" * 64)
    image = build_image("sha256:2", replace(KIT, replacements=(taken,)))
    assert image.kit_replacements == (KitReplacement("zlib1g", "1.2-1", "1.2-2", "b" * 64),)


def test_the_image_of_a_kit_with_a_given_source() -> None:
    given = GivenSource("libressl", "2.7.5", "mine.tar.gz", "a" * 64, False)
    image = build_image("sha256:2", replace(KIT, given=(given,)))
    assert image.kit_sources == (KitSource("libressl", "2.7.5", "mine.tar.gz", "a" * 64, False),)
