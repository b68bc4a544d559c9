"""Requirements files: what pip would read in them, and what of this machine a copy shows."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement

from alpypy.core.errors import SpecError
from alpypy.wheels.file import write_stand_in
from alpypy.wheels.requirements import Copies, copy_files, in_effect

ROOT = Path(__file__).parents[3]
PYPY = {"platform_python_implementation": "PyPy", "python_version": "3.11"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with more in it than is to be seen."""
    path = tmp_path / "home"
    (path / "project").mkdir(parents=True)
    (path / "secret").write_text("hunter2")
    return path


def copied(tmp_path: Path, *files: Path) -> tuple[Copies, Path]:
    folder = tmp_path / "copies"
    folder.mkdir()
    return copy_files(files, folder), folder


def names(copies: Copies) -> list[str]:
    return [str(one) for one in copies.requirements]


def test_files_that_a_file_refers_to_are_copied_and_nothing_else(
    tmp_path: Path, home: Path
) -> None:
    main = home / "project/main.txt"
    main.write_text("-r ../base.txt\n-rmore.txt\n--constraint=limits.txt\nlxml>=5\n")
    (home / "base.txt").write_text("six==1.17.0 # the last one\n")
    (home / "project/more.txt").write_text("--requirement '../with space.txt'\n-r main.txt\n")
    (home / "with space.txt").write_text("msgpack\n")
    (home / "project/limits.txt").write_text("lxml<7\n-r ../base.txt\n")
    copies, folder = copied(tmp_path, main)
    assert names(copies) == ["six==1.17.0", "msgpack", "lxml>=5"]
    assert [str(one) for one in copies.constraints] == ["lxml<7", "six==1.17.0"]
    assert copies.names == ("0-main.txt",)
    assert len(list(folder.iterdir())) == 6
    assert "hunter2" not in "".join(one.read_text() for one in folder.iterdir())


def test_pip_reads_the_copies_as_it_would_the_files(tmp_path: Path, home: Path) -> None:
    main = home / "project/main.txt"
    main.write_text("-r ../base.txt\n-c limits.txt\n--find-links ../links --no-index\n")
    (home / "base.txt").write_text("thing \\\n  >=2 # or later\n")
    (home / "project/limits.txt").write_text("thing<4\n")
    (home / "links").mkdir()
    for version in "1", "2", "3", "4":
        metadata = f"Metadata-Version: 2.1\nName: thing\nVersion: {version}\n"
        one = {"name": "thing", "version": version, "metadata": metadata}
        write_stand_in(one, home / "links")
    copies, folder = copied(tmp_path, main)
    found = tmp_path / "found"
    command: list[str | Path] = [sys.executable, "-m", "pip", "download", "--dest", found]
    command += ["--requirement", folder / copies.names[0]]
    subprocess.run(command, check=True, cwd=tmp_path)
    assert [one.name for one in found.iterdir()] == ["thing-3-py2.py3-none-any.whl"]


def test_folders_with_packages_are_seen_and_what_is_beside_them_is_not(
    tmp_path: Path, home: Path
) -> None:
    main = home / "project/main.txt"
    index = home / "index/simple"
    index.mkdir(parents=True)
    (home / "links").mkdir()
    main.write_text(
        f"-f ../links\n--extra-index-url file://{index} -i https://index.example/\n-f https://x/\n"
        "--find-links none\n"
    )
    copies, folder = copied(tmp_path, main)
    assert copies.places == (home / "links", index.parent)  # a mirror: its files are beside it
    assert (folder / "0-main.txt").read_text().splitlines() == [
        f"-f {home / 'links'}",
        f"--extra-index-url file://{index} -i https://index.example/",
        "-f https://x/",
        "--find-links none",
    ]


def test_lines_of_every_kind(tmp_path: Path, home: Path) -> None:
    main = home / "main.txt"
    main.write_text(
        "# a comment \\\nsix\n\nlxml \\\n    ==6.1.3 \\\n    --hash=sha256:12\\\n    # and so on\n"
        "pkg@https://example.org/a#egg=pkg\n./a-path\n-e ./other\n--pre\n-r 'open\nlast\\"
    )
    copies, folder = copied(tmp_path, main)
    assert [one.name for one in copies.requirements] == ["six", "lxml", "pkg", "last"]
    assert str(copies.requirements[1]) == "lxml==6.1.3"
    lines = (folder / "0-main.txt").read_text().splitlines()
    assert (lines[1], lines[7]) == ("six", "pkg@https://example.org/a#egg=pkg")  # as numbered


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_files_as_editors_and_shells_write_them(tmp_path: Path, home: Path, encoding: str) -> None:
    (home / "main.txt").write_text("six  # für alle\r\nlxml\r\n", encoding=encoding)
    copies, folder = copied(tmp_path, home / "main.txt")
    assert names(copies) == ["six", "lxml"]
    assert (folder / "0-main.txt").read_bytes() == b"six\nlxml\n"


def test_a_file_that_is_no_text(tmp_path: Path, home: Path) -> None:
    (home / "main.txt").write_bytes(b"six # f\xfcr\n")
    with pytest.raises(SpecError, match=r"main\.txt is not text in UTF-8: byte 7 is 0xfc"):
        copied(tmp_path, home / "main.txt")


@pytest.mark.parametrize("line", ["-r none.txt", "-c file:///none.txt", "-r"])
def test_a_file_that_refers_to_none(tmp_path: Path, home: Path, line: str) -> None:
    (home / "main.txt").write_text(f"{line}\n")
    with pytest.raises(SpecError, match=r"main\.txt refers to '.*', which does not exist"):
        copied(tmp_path, home / "main.txt")


def test_what_is_not_for_an_interpreter_is_not_asked_for() -> None:
    texts = [
        'cffi==1.17.1 ; platform_python_implementation != "PyPy"',
        'six>=1 ; python_version >= "3"',
        'enum34 ; python_version < "3.4"',
        "Six<2",
        "lxml",
        'msgpack ; extra == "more"',
    ]
    limits = ["LXML<7", 'lxml<6 ; python_version < "3"', "other==1"]
    found = in_effect(map(Requirement, texts), map(Requirement, limits), PYPY)
    assert [str(one) for one in found] == ["six<2,>=1", "lxml<7"]


def test_an_interpreter_says_itself_what_markers_ask_for() -> None:
    script = ROOT / "dockerfiles/wheels/inside/describe.py"
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    said = json.loads(done.stdout)["markers"]
    expected = dict(default_environment())
    # The kernel's, which is that of whoever runs alpypy.
    del expected["platform_release"], expected["platform_version"]
    assert said == expected
