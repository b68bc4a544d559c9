"""What a kit counts as: the files in it, what makes packages of them, and nothing else."""

from __future__ import annotations

import ast
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from alpypy.core.source import Source
from alpypy.offline import kit as kits
from alpypy.offline.contents import load_contents
from alpypy.offline.given import GivenSource
from alpypy.offline.kit import Kit, _described
from alpypy.offline.pins import Replacement

ROOT = Path(__file__).parents[3]
CONTENTS = load_contents(ROOT / "versions")
TOOL = CONTENTS.kit.tools[0].debs[3].source
DATA = CONTENTS.data[0].source
# What the code that counts uses, and why that does not count as well.
OTHERS = {
    "alpypy.core.elf": "what it reads of a file is held by tests of its own",
    "alpypy.core.errors": "makes nothing",
    "alpypy.core.source": "the files count",
    "alpypy.engine.job": "runs the script, which counts",
    "alpypy.engine.workspace": "says where, not what",
    "alpypy.offline.compiling": "runs the script, which counts",
    "alpypy.offline.contents": "what it reads counts",
}
TESTED = _described(ROOT, CONTENTS, "kit", ("alpine:3.23", "sha256:1"), ())


def kit(*replacements: Replacement, base_id: str = "sha256:1") -> Kit:
    return _described(ROOT, CONTENTS, "kit", ("alpine:3.23", base_id), replacements)


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
    two = instead_of(TOOL), instead_of(CONTENTS.kit.tools[0].debs[0].source)
    assert kit(*two).identity == kit(*reversed(two)).identity


def test_the_base_is_part_of_the_identity() -> None:
    assert kit(base_id="sha256:2").identity != TESTED.identity


def given(sha256: str = "a" * 64, file: str = "it.tar.gz") -> GivenSource:
    return GivenSource("libressl", "2.7.5", file, sha256, False)


def with_sources(root: Path, *sources: GivenSource) -> Kit:
    return _described(root, CONTENTS, "kit", ("alpine:3.9", "sha256:1"), (), sources)


def test_a_given_source_is_part_of_the_identity_and_its_name_is_not() -> None:
    made = with_sources(ROOT, given())
    assert made.given == (given(),)
    assert made.identity not in (TESTED.identity, with_sources(ROOT, given("b" * 64)).identity)
    assert made.identity == with_sources(ROOT, given(file="other.tar.gz")).identity


def test_the_script_of_a_given_source_counts_where_it_is_given(tmp_path: Path) -> None:
    for name in ("versions", "dockerfiles/kit", "dockerfiles/kit-sources"):
        shutil.copytree(ROOT / name, tmp_path / name)
    assert with_sources(tmp_path, given()).identity == with_sources(ROOT, given()).identity
    with (tmp_path / "dockerfiles/kit-sources/libressl.sh").open("a") as stream:
        stream.write("# more\n")
    assert with_sources(tmp_path, given()).identity != with_sources(ROOT, given()).identity
    assert with_sources(tmp_path).identity == TESTED.identity


def test_a_kit_of_replacements_is_that_of_the_lists_that_name_them() -> None:
    pin = CONTENTS.kit.libraries[0]
    file = Replacement("zlib", "1", "2", pin.sha256, "pool/main/z/zlib/zlib_2.tar.gz", "f" * 64)
    library = structs.replace(pin, path=file.path, sha256=file.sha256)
    libraries = (library, *CONTENTS.kit.libraries[1:])
    lists = replace(CONTENTS, kit=structs.replace(CONTENTS.kit, libraries=libraries))
    later = _described(ROOT, lists, "kit", ("alpine:3.23", "sha256:1"), (file,))
    assert (later.identity, later.content) == (kit(file).identity, kit(file).content)


def test_the_wheel_that_the_base_came_out_of_is_no_part_of_the_identity() -> None:
    wheel = structs.replace(CONTENTS.kit.wheel, sha256="f" * 64)
    lists = replace(CONTENTS, kit=structs.replace(CONTENTS.kit, wheel=wheel))
    assert _described(ROOT, lists, "kit", ("alpine:3.23", "sha256:1"), ()) == TESTED


@pytest.mark.parametrize("file", ["Dockerfile", "overlay/gcc/usr/bin/gcc", "another"])
def test_every_file_that_makes_it_is_part_of_the_identity(file: str, tmp_path: Path) -> None:
    folder = tmp_path / "dockerfiles/kit"
    shutil.copytree(ROOT / "dockerfiles/kit", folder)
    assert _described(tmp_path, CONTENTS, "kit", ("alpine:3.23", "sha256:1"), ()) == TESTED
    with (folder / file).open("a") as stream:
        stream.write("# more\n")
    changed = _described(tmp_path, CONTENTS, "kit", ("alpine:3.23", "sha256:1"), ())
    assert changed.identity != TESTED.identity


@pytest.mark.parametrize("path", kits._CODE, ids=lambda path: path.name)
def test_code_is_part_of_the_identity_and_its_words_are_not(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = tmp_path / path.name
    monkeypatch.setattr(kits, "_CODE", [changed if one == path else one for one in kits._CODE])
    changed.write_text(path.read_text() + "\n\n# a word\n")
    assert kit() == TESTED
    changed.write_text(path.read_text() + "\n\nMORE = 1\n")
    assert kit().identity != TESTED.identity


def test_what_the_code_that_counts_uses_counts_or_has_a_reason() -> None:
    own = {f"alpypy.offline.{path.stem}" for path in kits._CODE}
    used = {name for path in kits._CODE for name in imports(path)}
    assert used - own == set(OTHERS)


def imports(module: Path) -> set[str]:
    """The modules of alpypy that a module imports."""
    names = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("alpypy"):
            inside = {f"{node.module}.{one.name}" for one in node.names}
            modules = {name for name in inside if path_of(name).is_file()}
            names |= modules or {str(node.module)}
    return names


def path_of(module: str) -> Path:
    return ROOT / f"{module.replace('.', '/')}.py"
