"""Sources of libraries that the user gives to the kit."""

from __future__ import annotations

import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs
from packaging.specifiers import SpecifierSet

from alpypy.core.errors import AlpypyError, ArchiveError, DigestError, SpecError
from alpypy.core.fetch import Fetcher
from alpypy.core.files import file_digest
from alpypy.core.source import Source
from alpypy.offline import given as given_sources
from alpypy.offline import kit as kits
from alpypy.offline.compiling import script_of
from alpypy.offline.contents import SourceLibrary
from alpypy.offline.given import GivenSource, identify

ROOT = Path(__file__).parents[3]
OFFERED = given_sources.load_offered(ROOT)
GIVEN = GivenSource("libressl", "2.7.5", "mine.tar.gz", "a" * 64, False)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return pack(tmp_path / "libressl-2.7.5.tar.gz", '#define T "LibreSSL 2.7.5"\n')


def pack(path: Path, text: str, name: str = "include/openssl/opensslv.h") -> Path:
    """An archive with one file in it."""
    file = path.parent / "tree" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    with tarfile.open(path, "w:gz") as tar:
        tar.add(path.parent / "tree", "libressl-2.7.5")
    return path


def offered(archive: Path) -> tuple[SourceLibrary, ...]:
    """The kit's LibreSSL, as if its publisher had published this archive."""
    return (structs.replace(OFFERED[0], sha256=file_digest(archive)),)


def refusal(archive: Path, alpine: str = "3.9") -> AlpypyError:
    with pytest.raises(AlpypyError) as caught:
        identify(archive, OFFERED, alpine)
    return caught.value


def test_an_archive_is_known_by_what_is_in_it(archive: Path) -> None:
    renamed = archive.rename(archive.with_name("anything.tar.gz"))
    given = identify(renamed, OFFERED, "3.9")
    digest = file_digest(renamed)
    assert given == GivenSource("libressl", "2.7.5", "anything.tar.gz", digest, False)


def test_the_published_archive_is_verified(archive: Path) -> None:
    assert identify(archive, offered(archive), "3.10").verified


def test_another_version_is_refused_and_the_right_one_is_named(tmp_path: Path) -> None:
    archive = pack(tmp_path / "libressl.tar.gz", '#define T "LibreSSL 2.7.55"\n')
    error = refusal(archive)
    assert isinstance(error, SpecError)
    assert f"{archive} is not the source of a library" in error.what
    assert error.what.endswith("Alpine 3.9 can take: libressl 2.7.5")
    assert "https://ftp.openbsd.org/pub/OpenBSD/LibreSSL/libressl-2.7.5.tar.gz" in error.remedy


def test_a_repository_without_openbsd_s_files_is_refused(tmp_path: Path) -> None:
    archive = pack(tmp_path / "portable.tar.gz", "AC_INIT", "configure.ac")
    assert isinstance(refusal(archive), SpecError)


def test_an_alpine_that_has_no_such_library_takes_none(archive: Path) -> None:
    error = refusal(archive, "3.23")
    assert error.what.endswith("it takes none")
    assert error.remedy == "leave --source out"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    error = refusal(tmp_path / "libressl-2.7.5.tar.gz")
    assert "is not a file" in error.what
    assert error.remedy == "give --source an archive, of libressl 2.7.5"


def test_an_archive_that_is_cut_is_damaged(archive: Path) -> None:
    content = archive.read_bytes()
    archive.write_bytes(content[: len(content) // 2])
    assert isinstance(refusal(archive), ArchiveError)


def test_what_is_compiled_is_the_given_archive_under_its_published_name() -> None:
    [library] = given_sources.libraries(OFFERED, [GIVEN])
    assert (library.name, library.version) == ("libressl", "2.7.5-r0")
    assert library.source.file_name == "libressl-2.7.5.tar.gz"
    assert library.source.sha256 == GIVEN.sha256


def test_a_source_that_is_no_longer_offered_is_left_out() -> None:
    assert given_sources.libraries(OFFERED, [replace(GIVEN, library="nothing")]) == ()


def test_every_library_has_its_script_and_an_alpine() -> None:
    alpines = [f"3.{minor}" for minor in range(9, 24)]
    for library in OFFERED:
        given = replace(GIVEN, library=library.name)
        assert given_sources.scripts(ROOT, given_sources.libraries(OFFERED, [given]))
        assert list(library.alpine.filter(alpines))


def test_a_kit_has_the_packages_of_what_was_given() -> None:
    assert "libressl-dev" not in kits.development_packages(ROOT)
    assert "libressl-dev" in kits.development_packages(ROOT, [GIVEN])


def test_the_way_to_a_kit_with_a_missing_package() -> None:
    command = kits.how_to_add(ROOT, {"libressl-dev", "tk-dev"}, "3.9")
    assert command is not None
    assert command.startswith(f"fetch {OFFERED[0].url} and run: ")
    assert command.endswith("kit --alpine 3.9 --source libressl-2.7.5.tar.gz")
    assert kits.how_to_add(ROOT, {"libressl-dev"}, "3.23") is None
    assert kits.how_to_add(ROOT, {"tk-dev"}, "3.9") is None


def test_each_library_is_compiled_by_a_script_that_is_there() -> None:
    scripts = [script_of(ROOT, name).relative_to(ROOT) for name in ("libressl", "zlib")]
    assert [*map(str, scripts)] == [
        "dockerfiles/kit-sources/libressl.sh",
        "dockerfiles/kit/build-library.sh",
    ]
    assert all((ROOT / script).is_file() for script in scripts)


def test_an_archive_is_kept_in_the_cache_if_it_is_the_one_that_was_looked_at(
    archive: Path, tmp_path: Path
) -> None:
    fetcher = Fetcher(tmp_path / "cache")
    source = Source("", file_digest(archive), debian="libressl-2.7.5.tar.gz")
    fetcher.keep(archive, source)
    assert fetcher.fetch(source).read_bytes() == archive.read_bytes()
    other = Source("", "b" * 64, debian="libressl-2.7.5.tar.gz")
    with pytest.raises(DigestError, match="has changed"):
        fetcher.keep(archive, other)
    assert fetcher.cached(other) is None


def test_a_library_of_some_alpines_only(archive: Path) -> None:
    [library] = OFFERED
    all_but_one = [structs.replace(library, alpine=SpecifierSet("!=3.9"))]
    with pytest.raises(SpecError, match="it takes none"):
        identify(archive, all_but_one, "3.9")
    assert identify(archive, all_but_one, "3.10").library == "libressl"
