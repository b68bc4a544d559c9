"""The stages of the libraries: what changes the key of which, and what the C library is made of."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from alpypy.build.base_image import BaseImage
from alpypy.build.libraries import Libraries
from alpypy.build.stub_libc import assembler
from alpypy.core.errors import DataError
from alpypy.recipes.musl import Musl, MuslVariable
from tests.workspaces import ROOT, without_engine

BASE = BaseImage("alpine:3.23", "sha256:1", "identity", kit=False)
LIST = "versions/libraries.toml"
Change = Callable[[Path], object]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with the files that the stages read."""
    for name in ("versions", "dockerfiles"):
        shutil.copytree(ROOT / name, tmp_path / name)
    return tmp_path


def stage(root: Path, base: BaseImage = BASE, arch: str = "x86_64") -> Libraries:
    return Libraries(without_engine(root, root / "cache"), base, arch, root / LIST)


def keys(stage: Libraries) -> Mapping[str, str]:
    return {part.library.name: part.key for part in stage.parts}


def edit(name: str, old: str, new: str) -> Change:
    def change(root: Path) -> None:
        path = root / name
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    return change


def changed(root: Path, change: Change) -> set[str]:
    """The libraries that a change compiles again."""
    before = stage(root)
    old, whole = keys(before), before.key
    change(root)
    after = stage(root)
    again = {name for name, key in keys(after).items() if old.get(name) != key}
    assert (after.key != whole) == bool(again)
    return again


@pytest.mark.parametrize(
    "change",
    [
        edit(LIST, "a8c0d28a529ca480", "b8c0d28a529ca480"),
        edit("dockerfiles/libraries/openssl.sh", "no-async", ""),
    ],
)
def test_a_change_of_one_library_compiles_that_one(root: Path, change: Change) -> None:
    assert changed(root, change) == {"openssl"}


@pytest.mark.parametrize(
    "change",
    [
        edit("versions/musl.toml", '"_Exit", ', ""),
        edit("dockerfiles/libraries/compile.sh", "-O2", "-O3"),
        edit("dockerfiles/libraries/stub.sh", "-nostdlib", ""),
        edit(LIST, '"perl"]', '"perl", "patch"]'),
    ],
)
def test_a_change_of_what_all_are_compiled_with_compiles_all(root: Path, change: Change) -> None:
    assert changed(root, change) == set(keys(stage(root)))


@pytest.mark.parametrize(
    "change",
    [
        edit("versions/kit-libraries.toml", "deb12u4", "deb12u5"),
        edit(LIST, "# Public domain", "# In the public domain"),
        edit(LIST, "7b6903eb01998398", "8b6903eb01998398"),  # Debian's zlib
    ],
)
def test_what_is_not_used_without_the_kit_compiles_nothing(root: Path, change: Change) -> None:
    assert changed(root, change) == set()


def test_the_base_image_and_the_architecture_count(root: Path) -> None:
    other = BaseImage("alpine:3.24", "sha256:2", "other", kit=False)
    found = {stage(root).key, stage(root, other).key, stage(root, arch="aarch64").key}
    assert len(found) == 3


def test_a_library_that_no_script_compiles(root: Path) -> None:
    edit(LIST, 'name = "zlib"', 'name = "zlibng"')(root)
    with pytest.raises(DataError, match="no script compiles zlibng") as caught:
        stage(root).parts  # noqa: B018
    assert "bzip2, expat, gdbm, libffi, ncurses, openssl, sqlite3, xz, zlib" in caught.value.remedy


def test_all_names_of_the_c_library_are_defined() -> None:
    variable = MuslVariable(("__environ",), 8, ("environ",))
    lines = assembler(Musl("1", "x86_64", ("exit",), ("fileno",), (variable,))).splitlines()
    for name, binding in [("exit", "globl"), ("fileno", "weak"), ("__environ", "globl")]:
        assert f".{binding} {name}" in lines
    first, second = lines.index("__environ:"), lines.index("environ:")
    assert first < second
    assert ".zero 8" not in lines[first:second], "the two names are at one address"
