"""What may be typed after `invoke wheels`."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpypy.core.errors import SpecError
from alpypy.recipes.spec import Target
from alpypy.wheels.request import Interpreter, image_tag, read_interpreter, read_wanted


def test_a_pypy() -> None:
    interpreter = read_interpreter("pypy3.11-7.3.22", "3.23", "x86_64")
    assert interpreter == Interpreter("3.11-7.3.22", True, "3.23", "x86_64")
    assert interpreter.target == Target("3.11-7.3.22", "3.23")
    assert (interpreter.language, interpreter.short) == ("3.11", "pp3.11-7.3.22")
    assert str(interpreter) == "pypy3.11-7.3.22"


def test_a_cpython() -> None:
    interpreter = read_interpreter("3.12", "3.23", "aarch64")
    assert interpreter == Interpreter("3.12", False, "3.23", "aarch64")
    assert interpreter.image == "python:3.12-alpine3.23"
    assert (interpreter.language, interpreter.short, str(interpreter)) == ("3.12", "py3.12", "3.12")


def test_a_pypy_that_was_packaged_under_another_version() -> None:
    interpreter = read_interpreter("pypy3.11-7.3.22", "3.23", "x86_64", "2026.1")
    assert interpreter.target.tarball == "pypy-2026.1-alpine3.23.tar.bz2"
    assert str(interpreter) == "pypy3.11-7.3.22"
    with pytest.raises(SpecError, match="cannot be part of a file name"):
        read_interpreter("pypy3.11-7.3.22", "3.23", "x86_64", "../2026")
    with pytest.raises(SpecError, match="--release-version"):
        read_interpreter("3.12", "3.23", "x86_64", "2026.1")


def test_a_pypy_of_a_tree_is_named_with_its_commit() -> None:
    version = "3.12-8.0.0-alpha+762c531b493"
    interpreter = read_interpreter(f"pypy{version}", "3.23", "x86_64")
    assert interpreter == Interpreter("3.12-8.0.0-alpha", True, "3.23", "x86_64", version)
    assert interpreter.target.tarball == f"pypy-{version}-alpine3.23.tar.bz2"
    assert (str(interpreter), interpreter.language) == (f"pypy{version}", "3.12")
    assert interpreter.short == "pp3.12-8.0.0-alpha_762c531b493"


def test_a_portable_pypy() -> None:
    interpreter = read_interpreter("pypy3.11-8.0.0", "3.23", "x86_64", portable=True)
    assert interpreter == Interpreter("3.11-8.0.0", True, "3.23", "x86_64", portable=True)
    assert interpreter.target == Target("3.11-8.0.0", "3.23", portable=True)
    assert interpreter.target.tarball == "pypy-3.11-8.0.0-musllinux_1_2_x86_64.tar.bz2"
    with pytest.raises(SpecError, match="--portable does not work with CPython"):
        read_interpreter("3.12", "3.23", "x86_64", portable=True)


@pytest.mark.parametrize(
    "python", ["", "2.7", "3", "3.12.1", "pypy3.11", "pypy", "cpython3.12", "3.12;ls", "3.\u0661"]
)
def test_another_python_is_refused(python: str) -> None:
    with pytest.raises(SpecError):
        read_interpreter(python, "3.23", "x86_64")


@pytest.mark.parametrize(("alpine", "arch"), [("edge", "x86_64"), ("3.23", "riscv64")])
def test_another_alpine_or_architecture_is_refused(alpine: str, arch: str) -> None:
    with pytest.raises(SpecError):
        read_interpreter("3.12", alpine, arch)


def test_requirements_with_spaces_between() -> None:
    wanted = read_wanted("cryptography==3.3.2  lxml[html5]>=5,<7")
    assert [str(one) for one in wanted.requirements] == ["cryptography==3.3.2", "lxml[html5]<7,>=5"]
    assert (wanted.files, wanted.sources) == ((), ())


def test_paths_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "needed.txt").touch()
    (tmp_path / "thing-1.0.tar.gz").touch()
    (tmp_path / "project").mkdir()
    (tmp_path / "project/setup.py").touch()
    wanted = read_wanted("needed.txt thing-1.0.tar.gz project six")
    assert wanted.files == (tmp_path / "needed.txt",)
    assert wanted.sources == (tmp_path / "thing-1.0.tar.gz", tmp_path / "project")
    assert [one.name for one in wanted.requirements] == ["six"]


def test_a_path_that_is_given_twice_is_one(tmp_path: Path) -> None:
    (tmp_path / "setup.py").touch()
    (tmp_path / "needed.txt").touch()
    wanted = read_wanted(f"{tmp_path} {tmp_path}/needed.txt {tmp_path}/. {tmp_path}/needed.txt")
    assert (wanted.sources, wanted.files) == ((tmp_path,), (tmp_path / "needed.txt",))


def test_more_words_than_a_file_s_name_may_have_characters() -> None:
    words = [f"module-of-some-length-{number}==1.0.{number}" for number in range(15)]
    wanted = read_wanted(" ".join(words))
    assert [str(one) for one in wanted.requirements] == words
    with pytest.raises(SpecError, match="does not exist"):
        read_wanted("x" * 300 + ".txt")
    assert read_wanted("x" * 300).requirements[0].name == "x" * 300


def test_spaces_within_a_requirement_are_told() -> None:
    with pytest.raises(SpecError, match="'==' is neither a requirement nor a path") as caught:
        read_wanted("six == 1.0")
    assert "spaces separate requirements" in caught.value.remedy


def test_a_path_with_spaces_and_signs_of_a_shell(tmp_path: Path) -> None:
    folder = tmp_path / "a b; $(touch c) `d`"
    folder.mkdir()
    (folder / "pyproject.toml").touch()
    assert read_wanted(str(folder)).sources == (folder,)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("  ", "nothing to make wheels of"),
        ("six;ls", "'six;ls' is neither a requirement nor a path"),
        ("$(id)", "neither a requirement"),
        ("six|id", "neither a requirement"),
        ("--index-url=http://x/", "neither a requirement"),
        ("-r", "neither a requirement"),
        ("../six", "neither a requirement"),
        ("none.txt", "none.txt does not exist"),
        ("none-1.0.tar.gz", "does not exist"),
    ],
)
def test_what_is_neither_is_refused(text: str, says: str) -> None:
    with pytest.raises(SpecError) as caught:
        read_wanted(text)
    assert says in caught.value.what


def test_a_folder_that_is_no_project(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"neither pyproject\.toml nor setup\.py"):
        read_wanted(str(tmp_path))


def test_the_image_is_named_after_module_version_python_and_architecture() -> None:
    pypy = read_interpreter("pypy3.11-7.3.22", "3.23", "x86_64")
    tag = image_tag("cryptography", "3.3.2", pypy)
    assert tag == "musl-wheels:cryptography3.3.2-pp3.11-7.3.22-x86_64"
    cpython = read_interpreter("3.12", "3.23", "aarch64")
    assert image_tag("lxml", "6.0+local", cpython) == "musl-wheels:lxml6.0-local-py3.12-aarch64"


@given(st.text(min_size=1), st.text(min_size=1))
def test_a_name_of_an_image_is_one_whatever_the_module_is_called(module: str, version: str) -> None:
    tag = image_tag(module, version, read_interpreter("3.12", "3.23", "x86_64"))
    word = tag.removeprefix("musl-wheels:")
    assert len(word) <= 128
    assert word.isascii()
    assert set(word) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")
