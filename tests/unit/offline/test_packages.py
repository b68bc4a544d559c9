"""The kit's list of files, and how Debian's trees become Alpine's packages."""

from __future__ import annotations

import gzip
import io
import os
import re
import shutil
import tarfile
from pathlib import Path

import pytest

from alpypy.core.errors import DataError
from alpypy.offline.apk import ApkPackage
from alpypy.offline.contents import DebianFile, Library, Tool, load_contents
from alpypy.offline.packages import lay_out_tool, write_library
from tests.debian import Repository

VERSIONS = Path(__file__).parents[3] / "versions"
KIT = VERSIONS / "kit.toml"
OVERLAYS = VERSIONS.parent / "dockerfiles/kit/overlay"
DATA = "kit-data.toml"
PROGRAM = Path(str(shutil.which("true"))).resolve()
LIBRARY = Library(
    "pool/z", "0" * 64, "zlib", "1.2.13-r0", "zlib-libs", "compression", license="Zlib"
)


def test_the_kit_s_list_loads_and_every_file_is_pinned() -> None:
    contents = load_contents(VERSIONS)
    pins = contents.pins([one.soname for one in contents.kit.openssl])
    sources = [contents.kit.wheel.source, *(pin.source for pin in pins)]
    assert len(sources) > 40
    assert all(re.fullmatch(r"[0-9a-f]{64}", source.sha256) for source in sources)
    assert all(source.pypi or source.debian for source in sources)
    names = [tool.name for tool in contents.kit.tools]
    assert {"gcc", "binutils", "make", "musl-dev"} <= set(names)
    assert all(set(tool.depends) <= set(names) for tool in contents.kit.tools)
    needing = {library.runtime for library in contents.kit.libraries}
    assert {one.needed_by for one in contents.data} <= needing


def refusal(folder: Path, text: str) -> str:
    """What is said of a kit.toml with this text."""
    shutil.copy(VERSIONS / DATA, folder)
    (folder / "kit.toml").write_text(text)
    with pytest.raises(DataError) as caught:
        load_contents(folder)
    assert caught.value.remedy
    return caught.value.what


@pytest.mark.parametrize("entry", ["[wheel]", "[[tools]]", "[[libraries]]", "[[openssl]]"])
@pytest.mark.parametrize("digest", ['sha256 = ""', 'sha256 = "abc"', 'sha512 = "{}"'])
def test_a_file_without_a_digest_is_refused(entry: str, digest: str, tmp_path: Path) -> None:
    text = KIT.read_text()
    place = text.index(entry)
    spoilt = re.sub(r'sha256 = "([0-9a-f]{64})"', digest.format(r"\1"), text[place:], count=1)
    what = refusal(tmp_path, text[:place] + spoilt)
    assert digest.partition(" ")[0] in what
    assert "kit.toml" in what


@pytest.mark.parametrize(
    "key", ["pypi", "disk", "world", "version", "depends", "runtime", "soname"]
)
def test_an_entry_that_lacks_a_key_is_refused(key: str, tmp_path: Path) -> None:
    spoilt = re.sub(rf"^{key} = ", f"other_{key} = ", KIT.read_text(), flags=re.MULTILINE)
    assert key in refusal(tmp_path, spoilt)


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ('alpine = "3.23"', "alpine = 3"),
        ("depends = []", 'depends = "gcc"'),
        ('soname = "', "soname = 1 # "),
        ("debs = [\n", "debs = [ 7,\n"),
    ],
)
def test_a_value_of_another_type_is_refused(line: str, wrong: str, tmp_path: Path) -> None:
    text = KIT.read_text()
    assert line in text
    what = refusal(tmp_path, text.replace(line, wrong, 1))
    assert what.startswith(f"{tmp_path.name}/kit.toml [")
    assert wrong.partition(" ")[0] in what


def test_a_list_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"kit\.toml does not exist"):
        load_contents(tmp_path)


def test_not_toml_is_refused(tmp_path: Path) -> None:
    assert "line 1" in refusal(tmp_path, "[wheel\n")


def test_a_tool_gets_the_files_that_debian_s_packages_lack(
    repository: Repository, tmp_path: Path
) -> None:
    deb = repository.deb("gcc-12", "12.2.0-14", {"usr/bin/x86_64-linux-gnu-gcc-12": b"gcc"})
    file = repository.folder / "gcc.deb"
    file.write_bytes(repository.site.files[f"/debian/{deb.debian}"])
    file_of_deb = DebianFile(deb.debian or "", deb.sha256)
    tool = Tool("gcc", "12.2.0-r0", "compiler", "GPL", (), (file_of_deb,))
    before = os.umask(0o077)
    try:
        lay_out_tool(tool, {deb: file}.__getitem__, OVERLAYS, tmp_path / "tree")
    finally:
        os.umask(before)
    wrapper = tmp_path / "tree/usr/bin/gcc"
    assert wrapper.stat().st_mode & 0o777 == 0o755
    specs = wrapper.read_text().partition(" -specs=/")[2].partition(" ")[0]
    assert "ld-musl-x86_64.so.1" in (tmp_path / "tree" / specs).read_text()
    assert (tmp_path / "tree" / specs).stat().st_mode & 0o777 == 0o644
    assert (tmp_path / "tree/usr/bin/cc").resolve() == wrapper
    assert not (tmp_path / "tree/usr/share").exists()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """What installing a library leaves: a shared object, its links, a header, a program."""
    folder = tmp_path / "built"
    for name in ("usr/lib/pkgconfig", "usr/include", "usr/bin"):
        (folder / name).mkdir(parents=True)
    shutil.copy(PROGRAM, folder / "usr/lib/libz.so.1")
    (folder / "usr/lib/libz.so").symlink_to("libz.so.1")
    (folder / "usr/lib/pkgconfig/zlib.pc").write_text("Name: zlib\n")
    (folder / "usr/include/zlib.h").write_text("#pragma once\n")
    (folder / "usr/bin/minigzip").write_bytes(PROGRAM.read_bytes())
    return folder


def paths(package: ApkPackage) -> dict[str, str]:
    """The files and links of a package, with what links point to."""
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(package.path.read_bytes()))) as tar:
        return {one.name: one.linkname for one in tar if not one.isdir() and one.name != ".PKGINFO"}


def test_a_library_becomes_three_packages(tree: Path, tmp_path: Path) -> None:
    written = write_library(LIBRARY, tree, tmp_path / "repository", {}, ("terminfo",))
    made = {package.info.name: package for package in written}
    assert paths(made["zlib-libs"]) == {"usr/lib/libz.so.1": ""}
    assert paths(made["zlib"]) == {"usr/bin/minigzip": ""}
    assert paths(made["zlib-dev"]) == {
        "usr/include/zlib.h": "",
        "usr/lib/libz.so": "libz.so.1",
        "usr/lib/pkgconfig/zlib.pc": "",
    }
    assert made["zlib-libs"].info.provides == ("so:libz.so.1=1",)
    assert made["zlib-libs"].info.depends == ("terminfo",)
    assert made["zlib-dev"].info.depends == ("so:libz.so.1",)


def test_a_library_that_alpine_brings_is_not_packed_again(tree: Path, tmp_path: Path) -> None:
    owned = {"libz.so.1": "lib/libz.so.1"}
    made = write_library(LIBRARY, tree, tmp_path / "repository", owned, ())
    assert [one.info.name for one in made] == ["zlib", "zlib-dev"]
    assert paths(made[-1])["usr/lib/libz.so"] == "/lib/libz.so.1"
    assert made[-1].info.depends == ("so:libz.so.1",)
