"""Wheels as files: their names, what they hold, other tags."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import _cffi_backend
import pytest

from alpypy.core.errors import WheelError
from alpypy.wheels.file import read_wheel, with_platforms, write_stand_in

COMPILED = Path(_cffi_backend.__file__)
METADATA = "Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
WHEEL = "Wheel-Version: 1.0\nGenerator: a test\nRoot-Is-Purelib: false\nTag: py3-none-any\n"


def write(folder: Path, name: str = "thing-1.0-py3-none-linux_x86_64.whl", *members: str) -> Path:
    """A wheel with empty files."""
    place = "thing-1.0.dist-info"
    path = folder / name
    with zipfile.ZipFile(path, "w") as archive:
        for member in members:
            archive.writestr(member, "")
        archive.writestr(f"{place}/METADATA", METADATA.format(name="thing", version="1.0"))
        archive.writestr(f"{place}/WHEEL", WHEEL)
        archive.writestr(f"{place}/RECORD", "")
    return path


def test_a_wheel_by_its_name(tmp_path: Path) -> None:
    wheel = read_wheel(
        write(tmp_path, "Some_Thing-1.0.post1-1a-pp311-pypy311_pp73-linux_x86_64.whl")
    )
    assert (wheel.name, wheel.version, wheel.pure) == ("some-thing", "1.0.post1", False)
    assert read_wheel(Path("six-1.16.0-py2.py3-none-any.whl")).pure


def test_a_name_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(WheelError, match="thing"):
        read_wheel(tmp_path / "thing.whl")


def test_what_can_be_imported(tmp_path: Path) -> None:
    members = (
        *("pkg/__init__.py", "pkg/inner/__init__.py", "pkg/data.txt", "space/part/__init__.py"),
        *("single.py", "_fast.pypy311-pp73-x86_64-linux-musl.so", "tests/__init__.py"),
        *("thing-1.0.data/scripts/run.py", "thing.libs/", "thing.libs/libz-1.so"),
    )
    wheel = read_wheel(write(tmp_path, "thing-1.0-py3-none-linux_x86_64.whl", *members))
    assert wheel.imports() == ("pkg", "single", "space.part")
    assert wheel.libraries() == ("libz-1.so",)


def test_namespaces_and_what_pip_moves_can_be_imported(tmp_path: Path) -> None:
    members = (
        *("ns/mod.py", "ns/deep/other.py", "ns/__main__.py", "ns/no-name.py", "ns/tests/case.py"),
        *("thing-1.0.data/purelib/moved/__init__.py", "thing-1.0.data/platlib/single.py"),
        *("thing-1.0.data/scripts/run.py", "docs/conf.py", "__init__.py"),
        "twisted/plugins/endpoints.py",
    )
    wheel = read_wheel(write(tmp_path, "thing-1.0-py3-none-linux_x86_64.whl", *members))
    assert wheel.imports() == ("moved", "ns.deep.other", "ns.mod", "single")


def test_compiled_modules_by_the_function_that_loads_them(tmp_path: Path) -> None:
    data = COMPILED.read_bytes()
    name = COMPILED.name.partition(".")[0]
    places = (
        *(f"pkg/deep/{COMPILED.name}", f"{name}.so", f"thing-1.0.data/platlib/moved/{name}.so"),
        *("pkg/libz.so", "pkg/libz.so.1", f"no-name/{name}.so", f"thing.libs/{name}.so"),
        *(f"pkg/tests/{name}.so", f"thing-1.0.data/scripts/{name}.so"),
    )
    wheel = read_wheel(write(tmp_path, "thing-1.0-py3-none-linux_x86_64.whl", "pkg/empty.so"))
    with zipfile.ZipFile(wheel.path, "a") as archive:
        for place in places:
            archive.writestr(place, data)
    assert wheel.extensions() == (name, f"moved.{name}", f"pkg.deep.{name}")
    assert wheel.imports() == ()


def test_other_platforms_in_the_name_and_in_the_wheel(tmp_path: Path) -> None:
    old = write(tmp_path, "thing-1.0-py3-none-linux_x86_64.whl", "thing.py")
    (tmp_path / "out").mkdir()
    made = with_platforms(old, ["musllinux_1_2_x86_64", "linux_x86_64"], tmp_path / "out")
    assert made.name == "thing-1.0-py3-none-musllinux_1_2_x86_64.linux_x86_64.whl"
    with zipfile.ZipFile(made) as archive:
        text = archive.read("thing-1.0.dist-info/WHEEL").decode()
        assert [line for line in text.splitlines() if line.startswith("Tag")] == [
            "Tag: py3-none-musllinux_1_2_x86_64",
            "Tag: py3-none-linux_x86_64",
        ]
        assert archive.read("thing.py") == b""
        assert (
            "thing-1.0.dist-info/WHEEL,sha256="
            in archive.read("thing-1.0.dist-info/RECORD").decode()
        )


def test_pip_takes_a_wheel_with_other_platforms(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    old = write(tmp_path, "thing-1.0-py3-none-any.whl", "thing.py")
    made = with_platforms(old, ["any"], tmp_path / "out")
    install(made, tmp_path / "site")
    assert (tmp_path / "site/thing.py").is_file()


def test_a_stand_in_is_installed_for_what_it_stands_for(tmp_path: Path) -> None:
    metadata = METADATA.format(name="some.thing", version="1.18.0.dev0")
    distribution = {"name": "some.thing", "version": "1.18.0.dev0", "metadata": metadata}
    made = write_stand_in(distribution, tmp_path)
    assert made.name == "some_thing-1.18.0.dev0-py2.py3-none-any.whl"
    install(made, tmp_path / "site")
    assert (tmp_path / "site/some_thing-1.18.0.dev0.dist-info/METADATA").read_text() == metadata


def install(wheel: Path, folder: Path) -> None:
    """pip checks the name, the WHEEL file and the RECORD."""
    command = [sys.executable, "-m", "pip", "install", "--no-index", "--no-deps", "--target"]
    done = subprocess.run([*command, str(folder), str(wheel)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
