"""What a user may measure, as typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from alpypy.bench.subject import Kind, Subject, parse, parse_all
from alpypy.core.errors import SpecError


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to be in, with an executable, tarballs, and files with odd names."""
    monkeypatch.chdir(tmp_path)
    for name in ("pypy3", "pypy-3.11-8.0.0-alpine3.24.tar.bz2", "a.tar.gz", "new=pypy", "x@y"):
        (tmp_path / name).write_text("")
    return tmp_path


def test_an_executable_is_called_by_its_name(files: Path) -> None:
    path = str(files / "pypy3")
    assert parse(path) == Subject("pypy3", Kind.EXECUTABLE, path)
    assert parse("pypy3") == Subject("pypy3", Kind.EXECUTABLE, "pypy3")
    assert parse(f"before={path}") == Subject("before", Kind.EXECUTABLE, path)
    assert not parse(path).in_container


@pytest.mark.usefixtures("files")
def test_a_tarball_may_name_its_image() -> None:
    tarball = "pypy-3.11-8.0.0-alpine3.24.tar.bz2"
    assert parse(tarball) == Subject("pypy-3.11-8.0.0-alpine3.24", Kind.TARBALL, tarball)
    found = parse("a.tar.gz@debian:12")
    assert found == Subject("a@debian:12", Kind.TARBALL, "a.tar.gz", "debian:12")
    assert found.file_name == "a-debian-12"
    assert parse("old=a.tar.gz@debian:12") == Subject("old", Kind.TARBALL, "a.tar.gz", "debian:12")
    assert found.in_container


def test_what_is_no_path_is_an_image() -> None:
    assert parse("python:3.12-alpine") == Subject(
        "python:3.12-alpine", Kind.IMAGE, "python:3.12-alpine"
    )
    named = "registry.example.org/team/pypy@sha256:" + "0" * 64
    assert parse(named) == Subject(named, Kind.IMAGE, named)
    assert parse(f"p={named}") == Subject("p", Kind.IMAGE, named)


@pytest.mark.usefixtures("files")
def test_a_file_that_exists_is_taken_as_it_is_called() -> None:
    assert parse("new=pypy") == Subject("new=pypy", Kind.EXECUTABLE, "new=pypy")
    assert parse("x@y") == Subject("x@y", Kind.EXECUTABLE, "x@y")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("/nowhere/pypy3", "/nowhere/pypy3 is not a file"),
        ("gone.tar.bz2", "gone.tar.bz2 is not a file"),
        ("gone.tar.bz2@debian:12", "gone.tar.bz2 is not a file"),
        ("./pypy3@debian:12", "is an executable of this machine, and @debian:12 names an image"),
        ("..", ".. is not a file"),
    ],
)
@pytest.mark.usefixtures("files")
def test_what_cannot_be_measured_is_refused(text: str, said: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse(text)
    assert said in caught.value.what


@pytest.mark.parametrize("second", ["new=pypy3", "pypy3", "pypy3=a.tar.gz"])
@pytest.mark.usefixtures("files")
def test_names_must_differ(second: str) -> None:
    first = "new=./pypy3" if second.startswith("new") else "./pypy3"
    with pytest.raises(SpecError, match="2 of what is to be measured are called"):
        parse_all([first, second])
    assert len(parse_all([first, f"other={second.partition('=')[2] or second}"])) == 2


def test_names_must_differ_as_names_of_files_too() -> None:
    with pytest.raises(SpecError, match="2 of what is to be measured are called a-b"):
        parse_all(["a:b", "a/b"])
