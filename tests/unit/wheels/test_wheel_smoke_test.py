"""What of a wheel is tried, and the program that tries it, run where the tests run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import _cffi_backend
import pytest

from alpypy.core.errors import WheelError
from alpypy.wheels.file import Wheel, read_wheel
from alpypy.wheels.recipe import Module
from alpypy.wheels.smoke_test import smoke_test_request
from tests import elf_editing

PROGRAM = Path(__file__).parents[3] / "dockerfiles/wheels/inside/try.py"
COMPILED = Path(_cffi_backend.__file__)
FALLBACK = "try:\n    from pkg import _cffi_backend\nexcept ImportError:\n    pass\n"
Files = Mapping[str, str | bytes]


def wheel(folder: Path, members: Files) -> Wheel:
    """A wheel with a package and some files in it."""
    place = "thing-1.0.dist-info"
    path = folder / "thing-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(f"pkg/{name}", content)
        archive.writestr(f"{place}/METADATA", "Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n")
        archive.writestr(
            f"{place}/WHEEL",
            "Wheel-Version: 1.0\nGenerator: a test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr(f"{place}/RECORD", "")
    return read_wheel(path)


def tried(folder: Path, one: Wheel) -> Any:
    """What the program says; pip installs into a folder of the test."""
    request = json.dumps({**smoke_test_request(one, None), "wheels": str(one.path.parent)})
    site = str(folder / "site")
    environment = {**os.environ, "PIP_TARGET": site, "PYTHONPATH": site}
    command = [sys.executable, str(PROGRAM), request]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def test_a_compiled_module_is_imported(tmp_path: Path) -> None:
    files: Files = {"__init__.py": FALLBACK, COMPILED.name: COMPILED.read_bytes()}
    said = tried(tmp_path, wheel(tmp_path, files))
    assert (said["installed"], said["error"]) == (["thing-1.0"], None)


def test_a_compiled_module_that_cannot_be_loaded_is_no_success(tmp_path: Path) -> None:
    damaged = elf_editing.with_machine(COMPILED.read_bytes(), 3)
    files: Files = {"__init__.py": FALLBACK, COMPILED.name: damaged}
    assert "ImportError" in tried(tmp_path, wheel(tmp_path, files))["error"]


def test_a_module_in_python_does_not_stand_for_the_compiled_one(tmp_path: Path) -> None:
    name = COMPILED.name.partition(".")[0]
    files: Files = {
        "__init__.py": "",
        f"{name}.another-python.so": COMPILED.read_bytes(),
        f"{name}.py": "",
    }
    said = tried(tmp_path, wheel(tmp_path, files))
    assert "the compiled module is not taken, but" in said["error"]


def test_nothing_to_try_is_no_success(tmp_path: Path) -> None:
    one = wheel(tmp_path, {"data.txt": ""})
    with pytest.raises(WheelError, match="contains nothing to import") as caught:
        smoke_test_request(one, None)
    assert "`smoke`" in caught.value.remedy
    entry = Module("thing", smoke="import this")
    assert smoke_test_request(one, entry)["smoke"] == "import this"


def test_a_compiled_module_that_needs_what_is_not_there_is_left_out(tmp_path: Path) -> None:
    damaged = elf_editing.with_machine(COMPILED.read_bytes(), 3)
    thing = wheel(tmp_path, {"__init__.py": FALLBACK, COMPILED.name: damaged})
    [name] = smoke_test_request(thing, None)["extensions"]
    request = smoke_test_request(thing, Module("thing", not_imported=(name,)))
    assert (request["imports"], request["extensions"]) == (["pkg"], [])
