"""versions/libraries.toml: the libraries of portable builds."""

from __future__ import annotations

from pathlib import Path

import pytest
from packaging.licenses import canonicalize_license_expression
from packaging.version import Version

from alpypy.core.errors import DataError
from alpypy.offline.pins import Pin, counterpart
from alpypy.recipes.libraries import FILE_NAME, StaticLibrary, load_static_libraries
from alpypy.update.library_news import KnownLibrary

ROOT = Path(__file__).parents[3]
LIST = load_static_libraries(ROOT / "versions" / FILE_NAME)
ONE = """\
packages = ["gcc"]
[[libraries]]
name = "zlib"
version = "1"
license = "Zlib"
license_files = ["LICENSE"]
url = "https://example.org/zlib-1.tar.gz"
sha256 = "{digest}"
debian = {{ release = "trixie", path = "pool/z_1.orig.tar.gz", sha256 = "{digest}" }}
"""
each = pytest.mark.parametrize("library", LIST.libraries, ids=lambda library: library.name)


def test_the_libraries_that_pypy_links_with() -> None:
    assert {library.name for library in LIST.libraries if not library.every} == {
        *("bzip2", "expat", "gdbm", "libffi", "ncurses", "openssl", "sqlite3", "xz", "zlib"),
    }


def test_one_library_is_in_every_pypy() -> None:
    assert len([library for library in LIST.libraries if library.every]) == 1, "the allocator"


@each
def test_the_licence_is_an_spdx_expression(library: StaticLibrary) -> None:
    assert canonicalize_license_expression(library.license) == library.license


@each
def test_a_script_compiles_it(library: StaticLibrary) -> None:
    assert (ROOT / "dockerfiles/libraries" / f"{library.name}.sh").is_file()


@each
def test_debian_can_say_what_it_has_in_its_place(library: StaticLibrary) -> None:
    pin = Pin(library.packed_by_debian, library.debian.release)
    assert pin.kind == "deb-src"
    assert counterpart(pin, [library.packed_by_debian]) == library.packed_by_debian


@each
def test_apts_mirrors_serve_upstreams_file_where_debian_has_that(library: StaticLibrary) -> None:
    same = library.sha256 == library.debian.sha256
    assert library.upstream.url == library.url
    assert library.upstream.debian == (library.debian.path if same else None)


def test_openssl_is_of_the_line_with_long_support() -> None:
    [openssl] = [library for library in LIST.libraries if library.name == "openssl"]
    assert openssl.line == "3.5"


@pytest.mark.parametrize(
    "library",
    [library for library in LIST.libraries if library.line],
    ids=lambda library: library.name,
)
def test_a_library_is_of_its_line(library: StaticLibrary) -> None:
    known = KnownLibrary(library, ROOT / "versions" / FILE_NAME, (), {})
    assert known.is_of_line(known.version)
    assert known.is_of_line(Version(library.debian_version))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"LICENSE"', '"../LICENSE"', "license_files contains '../LICENSE'"),
        ('"zlib"', '"../zlib"', "name is '../zlib'"),
        ("{digest}", "abc", "sha256 is 'abc'"),
        ('license = "Zlib"', 'line = "3.x"', "line is '3.x'"),
        ('"gcc"', '"gcc; reboot"', "packages contains 'gcc; reboot'"),
    ],
)
def test_a_list_that_is_refused(old: str, new: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(ONE.replace(old, new).format(digest="a" * 64))
    with pytest.raises(DataError) as caught:
        load_static_libraries(path)
    assert said in caught.value.what


def test_a_list_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(ONE.format(digest="a" * 64))
    [library] = load_static_libraries(path).libraries
    assert library.upstream.debian == "pool/z_1.orig.tar.gz"
    assert library.debian_version == "1"
    path.write_text(
        path.read_text().replace('release = "trixie"', 'release = "trixie", version = "0"')
    )
    [library] = load_static_libraries(path).libraries
    assert library.debian_version == "0"
