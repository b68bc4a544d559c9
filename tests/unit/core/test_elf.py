"""What is read of ELF files: a real one, and the same with one thing changed."""

from __future__ import annotations

import platform
import shutil
import subprocess
from pathlib import Path, PurePosixPath

import pytest

from alpypy.core import elf
from alpypy.core.elf import ElfFile, Stack
from alpypy.core.errors import ArchiveError
from tests import elf_editing

PROGRAM = Path(str(shutil.which("true"))).resolve()


def read(folder: Path, data: bytes, name: str = "bin/program") -> ElfFile:
    path = folder / "program"
    path.write_bytes(data)
    return elf.read(path, name)


@pytest.fixture(scope="module")
def data() -> bytes:
    return PROGRAM.read_bytes()


def test_facts_of_a_real_program(tmp_path: Path, data: bytes) -> None:
    file = read(tmp_path, data)
    assert file.name == "bin/program"
    assert file.arch == platform.machine()
    assert file.interpreter is not None
    assert Path(file.interpreter).exists()
    assert file.provides == "program"
    assert file.stack is Stack.PLAIN
    assert not file.text_relocations
    assert not file.rpath


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="this machine has no glibc program")
def test_a_glibc_program_is_known_by_its_names(tmp_path: Path, data: bytes) -> None:
    file = read(tmp_path, data)
    assert "libc.so.6" in file.needed
    assert any(version.startswith("GLIBC_2.") for version in file.versions)


def test_facts_agree_with_readelf(tmp_path: Path, data: bytes) -> None:
    readelf = shutil.which("readelf")
    if readelf is None:
        pytest.skip("readelf (binutils) is not installed")
    said = subprocess.run([readelf, "-dlW", PROGRAM], capture_output=True, text=True, check=True)
    file = read(tmp_path, data)
    assert f"interpreter: {file.interpreter}]" in said.stdout
    assert said.stdout.count("(NEEDED)") == len(file.needed)
    for soname in file.needed:
        assert f"[{soname}]" in said.stdout


@pytest.mark.parametrize(("executable", "stack"), [(True, Stack.EXECUTABLE), (False, Stack.ABSENT)])
def test_stack(tmp_path: Path, data: bytes, executable: bool, stack: Stack) -> None:
    assert read(tmp_path, elf_editing.with_stack(data, executable=executable)).stack is stack


def test_text_relocations(tmp_path: Path, data: bytes) -> None:
    assert read(tmp_path, elf_editing.with_text_relocations(data)).text_relocations


def test_other_machine(tmp_path: Path, data: bytes) -> None:
    assert read(tmp_path, elf_editing.with_machine(data, elf_editing.AARCH64)).arch == "aarch64"
    assert read(tmp_path, elf_editing.with_machine(data, 3)).arch == "EM_386"


def test_interpreter(tmp_path: Path, data: bytes) -> None:
    wanted = elf.loader("x86_64")
    assert read(tmp_path, elf_editing.with_interpreter(data, wanted)).interpreter == wanted


def test_needed_and_runpath(tmp_path: Path, data: bytes) -> None:
    old = read(tmp_path, data).needed[0]
    changed = elf_editing.with_needed(data, old, "libx.so.1")
    assert "libx.so.1" in read(tmp_path, changed).needed
    assert read(tmp_path, elf_editing.with_runpath(changed, "libx.so.1")).rpath == ("libx.so.1",)


@pytest.mark.parametrize("length", [4, 5, 20, 64, 100, 1000, 5000])
def test_damage_is_an_archive_error(tmp_path: Path, data: bytes, length: int) -> None:
    with pytest.raises(ArchiveError, match="bin/program"):
        read(tmp_path, data[:length])


@pytest.mark.parametrize("offset", [1 << 62, (1 << 63) - 1, (1 << 64) - 1])
def test_a_place_beyond_every_file_is_an_archive_error(
    tmp_path: Path, data: bytes, offset: int
) -> None:
    changed = data[:32] + offset.to_bytes(8, "little") + data[40:]  # e_phoff
    with pytest.raises(ArchiveError, match="is a damaged ELF file"):
        read(tmp_path, changed)


def test_find_leaves_out_links_and_other_files(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/module.so").write_bytes(data)
    (tmp_path / "program").write_bytes(data)
    (tmp_path / "link").symlink_to("program")
    (tmp_path / "text").write_text("\x7fELV")
    (tmp_path / "empty").touch()
    found = [path.relative_to(tmp_path).as_posix() for path in elf.find(tmp_path)]
    assert found == ["lib/module.so", "program"]


def made(name: str, *needed: str, rpath: tuple[str, ...] = (), soname: str = "") -> ElfFile:
    return ElfFile(name, "x86_64", None, soname or None, needed, rpath, (), False, Stack.PLAIN)


def test_outside_needs_leave_out_musl_and_what_is_inside() -> None:
    files = (
        made("bin/pypy3", "libpypy3-c.so", "libc.musl-x86_64.so.1"),
        made("bin/libpypy3-c.so", "libz.so.1", "libffi.so.8", "libc.so"),
        made("lib/_ssl.so", "libown.so.1", "libz.so.1"),
        made("lib/libown.so.1.0", soname="libown.so.1"),
    )
    assert elf.outside_needs(files) == ("libffi.so.8", "libz.so.1")


def test_glibc_names_are_not_musl() -> None:
    assert elf.outside_needs([made("p", "libc.so.6", "libm.so.6")]) == ("libc.so.6", "libm.so.6")


@pytest.mark.parametrize(
    ("entry", "folder"),
    [
        ("$ORIGIN", "lib/deep"),
        ("${ORIGIN}/", "lib/deep"),
        ("$ORIGIN/../../bin", "bin"),
        ("$ORIGIN/../..", "."),
        ("$ORIGIN/../../..", None),
        ("$ORIGIN/../../../deep", None),
        ("$ORIGINAL/x", None),
        ("/usr/lib", None),
        ("lib", None),
        ("", None),
    ],
)
def test_search_folders_stay_below_the_top(entry: str, folder: str | None) -> None:
    wanted = None if folder is None else PurePosixPath(folder)
    assert made("lib/deep/module.so", rpath=(entry,)).search_folders() == (wanted,)
