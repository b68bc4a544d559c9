"""The stages of the libraries: what changes the key of which, and what the C library is made of."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from alpypy.build.base_image import BaseImage
from alpypy.build.libraries import Libraries
from alpypy.build.stub_libc import assembler
from alpypy.core.errors import DataError
from alpypy.core.files import file_digest
from alpypy.core.source import Source
from alpypy.recipes.libraries import load_static_libraries
from alpypy.recipes.musl import Musl, MuslVariable
from tests.workspaces import ROOT, without_engine

BASE = BaseImage("alpine:3.23", "sha256:1", "identity", kit=False)
LIST = "versions/libraries.toml"
Change = Callable[[Path], object]
BEHIND = """\
packages = ["gcc"]

[[libraries]]
name = "zlib"
version = "1.3.2"
license = "Zlib"
license_files = ["LICENSE"]
url = "https://example.org/zlib-1.3.2.tar.gz"
sha256 = "bb329a0a2cd0274d05519d61c667c062e06990d72e125ee2dfa8de64f0119d16"

[libraries.debian]
release = "forky"
version = "1.3.1"
path = "{old.debian}"
sha256 = "{old.sha256}"
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with the files that the stages read."""
    for name in ("versions", "dockerfiles"):
        shutil.copytree(ROOT / name, tmp_path / name)
    return tmp_path


def stage(root: Path, base: BaseImage = BASE, arch: str = "x86_64") -> Libraries:
    return Libraries(without_engine(root, root / "cache"), base, arch, root / LIST, True)


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


def test_what_is_said_of_a_library_compiles_nothing_and_is_in_the_key_of_the_folder(
    root: Path,
) -> None:
    before = stage(root)
    old, whole = keys(before), before.key
    edit(LIST, 'license = "Zlib"', 'license = "0BSD"')(root)
    after = stage(root)
    assert keys(after) == old
    assert after.key != whole


def test_the_base_image_and_the_architecture_count(root: Path) -> None:
    other = BaseImage("alpine:3.24", "sha256:2", "other", kit=False)
    found = {stage(root).key, stage(root, other).key, stage(root, arch="aarch64").key}
    assert len(found) == 3


def test_a_library_that_no_script_compiles(root: Path) -> None:
    known = sorted(keys(stage(root)))
    edit(LIST, 'name = "zlib"', 'name = "zlibng"')(root)
    with pytest.raises(DataError, match="no script compiles zlibng") as caught:
        stage(root).parts  # noqa: B018
    assert caught.value.remedy.endswith(f"can compile: {', '.join(known)}")


def test_a_pypy_that_is_not_portable_has_only_what_every_pypy_has(root: Path) -> None:
    every = {
        library.name for library in load_static_libraries(root / LIST).libraries if library.every
    }
    portable = stage(root)
    usual = replace(portable, portable=False)
    assert set(keys(usual)) == every
    assert set() < every < set(keys(portable))
    assert usual.stub.toolchain.packages == ("binutils", "gcc", "linux-headers", "make", "musl-dev")
    assert "perl" in portable.stub.toolchain.packages, "OpenSSL needs it"
    assert usual.key != portable.key
    edit(LIST, 'version = "1.3.2"', 'version = "1.3.3"')(root)  # zlib
    again = stage(root)
    assert again.key != portable.key
    assert replace(again, portable=False).key == usual.key


def test_on_a_kit_the_version_is_that_of_debians_source(root: Path) -> None:
    old = root / "zlib_1.3.1.orig.tar.gz"
    old.write_bytes(b"zlib")
    source = Source("", file_digest(old), debian=f"pool/main/z/zlib/{old.name}")
    (root / LIST).write_text(BEHIND.format(old=source))
    (root / "versions/kit-libraries.toml").write_text(
        'release = "bookworm"\ntools = []\ndata = []\n'
    )
    workspace = without_engine(root, root / "cache")
    workspace.fetcher.keep(old, source)
    titles = [
        Libraries(workspace, base, "x86_64", root / LIST, True).parts[0].title
        for base in (BASE, replace(BASE, kit=True))
    ]
    assert titles == ["library zlib 1.3.2", "library zlib 1.3.1"]


def test_all_names_of_the_c_library_are_defined() -> None:
    variable = MuslVariable(("__environ",), 8, ("environ",))
    lines = assembler(Musl("1", "x86_64", ("exit",), ("fileno",), (variable,))).splitlines()
    for name, binding in [("exit", "globl"), ("fileno", "weak"), ("__environ", "globl")]:
        assert f".{binding} {name}" in lines
    first, second = lines.index("__environ:"), lines.index("environ:")
    assert first < second
    assert ".zero 8" not in lines[first:second], "the two names are at one address"
