"""What a kit counts as: a file that was taken is part of it, a tested one changes nothing."""

from __future__ import annotations

from pathlib import Path

from alpypy.core.source import Source
from alpypy.offline.contents import load_contents
from alpypy.offline.kit import Kit, _described
from alpypy.offline.pins import Replacement

ROOT = Path(__file__).parents[3]
CONTENTS = load_contents(ROOT / "versions")
TOOL = CONTENTS.tools[0].debs[3].source
DATA = CONTENTS.data[0].source
TESTED = _described(ROOT, CONTENTS, "kit", "alpine:3.23", "sha256:1", ())


def kit(*replacements: Replacement, base_id: str = "sha256:1") -> Kit:
    return _described(ROOT, CONTENTS, "kit", "alpine:3.23", base_id, replacements)


def instead_of(pin: Source, sha256: str = "f" * 64) -> Replacement:
    return Replacement("zlib1g", "1", "2", pin.sha256, "pool/main/z/zlib/zlib1g_2.deb", sha256)


def test_a_file_that_was_taken_is_part_of_the_identity_and_the_content() -> None:
    made = kit(instead_of(TOOL))
    assert made.identity != TESTED.identity
    assert made.content != TESTED.content
    assert made.replacements == (instead_of(TOOL),)
    assert kit(instead_of(TOOL)) == made
    assert kit(instead_of(TOOL, "e" * 64)).identity not in (made.identity, TESTED.identity)


def test_data_that_was_taken_is_part_of_the_content_only() -> None:
    made = kit(instead_of(DATA))
    assert made.identity == TESTED.identity
    assert made.content != TESTED.content


def test_the_order_of_what_was_taken_does_not_count() -> None:
    two = instead_of(TOOL), instead_of(CONTENTS.tools[0].debs[0].source)
    assert kit(*two).identity == kit(*reversed(two)).identity


def test_the_base_is_part_of_the_identity() -> None:
    assert kit(base_id="sha256:2").identity != TESTED.identity
