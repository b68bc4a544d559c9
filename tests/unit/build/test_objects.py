"""What a translation keeps of its C sources and objects, to compile and link them again."""

from __future__ import annotations

from pathlib import Path

import pytest

from alpypy.build import objects
from alpypy.core.errors import TranslationError
from alpypy.core.unpack import unpack

DROPPED = ("platcheck_1.o", "testing_1/libpypy3.11-c.so", "testing_1/singleheader.h.gch")
SOURCES = (
    "common_header.h",
    "module_cache/module_9.c",
    "module_cache/module_9.h",
    "testing_1/Makefile",
    "testing_1/asm.s",
    "testing_1/implement.c",
    "testing_1/main.c",
    "testing_1/singleheader.h",
)
OBJECTS = (
    "module_cache/module_9.o",
    "testing_1/Makefile",
    "testing_1/implement.o",
    "testing_1/main.c",
    "testing_1/main.o",
)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """The working folder of a translation, with RPython's session and its link to the newest."""
    session = tmp_path / "work/usession/usession-unknown-0"
    for name in {*DROPPED, *SOURCES, *OBJECTS}:
        (session / name).parent.mkdir(parents=True, exist_ok=True)
        (session / name).write_text(name)
    (session.parent / "usession-unknown-current").symlink_to(session.name)
    return tmp_path / "work"


def files(folder: Path) -> dict[str, str]:
    """The files below a folder, each with what is in it."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_text() for path in paths}


def kept(*names: str) -> dict[str, str]:
    """The same, of files of a session, in the folders that they are kept in."""
    return {name.replace("testing_1/", "build/"): name for name in names}


def test_objects_and_makefile_are_kept_for_the_last_link(work: Path) -> None:
    objects.keep(work)
    assert files(work / objects.FOLDER) == kept(*OBJECTS)


def test_sources_are_kept_as_an_archive_of_the_same_folders(work: Path, tmp_path: Path) -> None:
    objects.keep(work)
    folder = unpack(work / objects.SOURCES, tmp_path / "again")
    assert folder.name == objects.FOLDER
    assert files(folder) == kept(*SOURCES)


def test_what_was_compiled_again_is_kept_in_the_same_folders(work: Path, tmp_path: Path) -> None:
    session = work / "usession/usession-unknown-0"
    objects.keep_objects(tmp_path / "kept", session / "testing_1", session / "module_cache")
    assert files(tmp_path / "kept") == kept(*OBJECTS)


@pytest.mark.parametrize("number", [0, 2])
def test_a_translation_without_one_makefile_is_an_error(number: int, work: Path) -> None:
    [makefile] = work.glob("usession/*-0/*/Makefile")
    if number == 2:
        other = makefile.parents[1] / "testing_2"
        other.mkdir()
        (other / "Makefile").touch()
    else:
        makefile.unlink()
    with pytest.raises(TranslationError, match=f"left {number} Makefiles") as caught:
        objects.keep(work)
    assert "report" in caught.value.remedy
