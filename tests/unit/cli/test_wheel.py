"""The wheel: what is in it, and how it works in an environment that is no checkout."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from tests.wheels import build_wheel

ROOT = Path(__file__).parents[3]
DATA = ("benchmarks", "dockerfiles", "ledger", "patches", "templates", "versions")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this project."""
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def program(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``alpypy`` in an environment that has the wheel, and of this one its dependencies."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder)
    [packages] = folder.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    install = ["install", "--quiet", "--disable-pip-version-check", "--no-index", "--no-deps"]
    python = ["--python", str(folder / "bin/python")]
    subprocess.run([sys.executable, "-m", "pip", *python, *install, str(wheel)], check=True)
    return folder / "bin/alpypy"


def run(program: Path, *words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the program in a folder, where no engine answers and the cache is empty."""
    return subprocess.run(
        [program, *words],
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "ALPYPY_CACHE": str(folder / "cache"),
            "DOCKER_HOST": f"unix://{folder}/none.sock",
        },
        capture_output=True,
        text=True,
        check=False,
    )


def names(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_the_wheel_has_all_data_and_nothing_else(wheel: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "alpypy", *DATA], cwd=ROOT, capture_output=True, check=False
    )
    if listed.returncode:
        pytest.skip("compares with what git knows: run it in a clone")
    tracked = filter(None, os.fsdecode(listed.stdout).split("\0"))
    there = {name for name in tracked if (ROOT / name).exists()}
    expected = {name if name.startswith("alpypy/") else f"alpypy/data/{name}" for name in there}
    inside = {name for name in names(wheel) if ".dist-info/" not in name}
    assert expected <= inside
    assert not [name for name in inside if re.search(r"(^|/)(tests|artifacts|docs)/", name)]
    assert all(name.startswith("alpypy/") for name in inside)


def test_every_folder_of_data_that_the_code_reads_is_in_the_wheel(wheel: Path) -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "alpypy").rglob("*.py"))
    folders = {path.name for path in ROOT.glob("[!.]*") if path.is_dir()}
    others = {"alpypy", "artifacts", "docs", "tests"}
    named = {name for name in folders - others if re.search(rf'"{name}[/"]', code)}
    assert named == set(DATA)
    assert {name.split("/")[2] for name in names(wheel) if "/data/" in name} == set(DATA)


def test_sources_without_git_get_the_fallback_for_a_version(program: Path, tmp_path: Path) -> None:
    done = run(program, "--version", folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, "alpypy 0.1.0\n")


def test_the_installed_program_reads_its_data(program: Path, tmp_path: Path) -> None:
    listed = run(program, "--list", folder=tmp_path)
    assert (listed.returncode, listed.stderr) == (0, "")
    assert listed.stdout.startswith("Commands (alpypy --help COMMAND")
    table = run(program, "patches", folder=tmp_path)
    assert table.returncode == 0, table.stderr
    assert "releases: 0 checked" in table.stdout
    done = run(program, "patches", "--write-docs", folder=tmp_path)
    assert done.returncode == 2
    assert "is not part of an installed alpypy" in done.stderr


def test_artifacts_are_in_the_folder_where_it_is_run(program: Path, tmp_path: Path) -> None:
    done = run(program, "release", folder=tmp_path)
    assert done.returncode == 2
    assert f"nothing to release in {tmp_path}/artifacts" in done.stderr
    assert list(program.parents[1].glob("**/artifacts")) == []


def test_data_that_pip_has_compiled_makes_the_same_keys(program: Path, tmp_path: Path) -> None:
    """pip compiles the Python files among the data, and a folder's files count in keys."""
    [data] = program.parents[1].glob("lib/python*/site-packages/alpypy/data")
    assert list((data / "dockerfiles").rglob("__pycache__"))
    code = (
        "from pathlib import Path\n"
        "from alpypy.core import folders\n"
        "from alpypy.core.files import data_files, file_digest\n"
        "for path in data_files(folders.ROOT / 'dockerfiles'):\n"
        "    print(path.relative_to(folders.ROOT), file_digest(path))\n"
    )
    outputs = [
        subprocess.run([python, "-c", code], cwd=folder, check=True, capture_output=True).stdout
        for python, folder in ((program.with_name("python"), tmp_path), (sys.executable, ROOT))
    ]
    assert outputs[0] == outputs[1]
    assert b"verify/probes/probe_ssl.py" in outputs[0]
