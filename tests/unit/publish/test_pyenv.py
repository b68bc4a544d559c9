"""The definitions for pyenv, run by bash with python-build's functions replaced."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from msgspec import structs

from alpypy.publish import pyenv
from alpypy.publish.index import ReleasedTarball, ReleaseIndex
from alpypy.recipes.spec import Target
from tests.manifests import DIGEST
from tests.releases import manifest_of, report_of

URL = "https://pypy.example.org/alpine"
MUSL = "musl libc ({arch})\nVersion 1.2.5\nDynamic Program Loader\n"
GLIBC = "ldd (Debian GLIBC 2.36-9) 2.36\n"
# A definition is read by python-build, which has these functions and stops at the first error.
PYTHON_BUILD = """
set -e
colorize() { printf '%s' "$2"; }
install_package() { printf '%s\\n' "$@"; }
source "$1"
"""


def pypy(target: Target, packages: tuple[str, ...] = ("libffi", "libssl3")) -> ReleasedTarball:
    build = structs.replace(manifest_of(target), runtime_packages=packages)
    return ReleasedTarball(26_000_000, report_of(target), build)


def run(
    target: Target, ldd: str, tmp_path: Path, *packages: str
) -> subprocess.CompletedProcess[str]:
    """What its definition does where ldd says this."""
    index = ReleaseIndex.of([pypy(target, packages)], URL)
    ((name, text),) = pyenv.pages(index).items()
    path = tmp_path / name
    path.parent.mkdir()
    path.write_text(text)
    program = tmp_path / "bin/ldd"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ncat >&2 <<'END'\n{ldd}END\nexit 1\n")
    program.chmod(0o755)
    return subprocess.run(
        ["bash", "-c", PYTHON_BUILD, "python-build", str(path)],
        env={"PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("version", "alpine", "arch", "verify", "pip"),
    [
        ("3.11-8.0.0", "3.24", "x86_64", "verify_py311", "ensurepip"),
        ("3.6-7.0.0", "3.9", "aarch64", "verify_py36", "ensurepip"),
        ("3.12-8.0.0-alpha+762c531b493", "3.23", "x86_64", "verify_py312", "ensurepip"),
        ("2.7-7.3.22", "3.23", "x86_64", "verify_py27", "ensurepip_lt21"),
    ],
)
def test_on_musl_it_names_the_tarball_with_its_digest(
    tmp_path: Path, version: str, alpine: str, arch: str, verify: str, pip: str
) -> None:
    target = Target.parse(version, alpine, arch)
    done = run(target, MUSL.format(arch=arch), tmp_path, "libffi", "libssl3")
    assert done.returncode == 0, done.stderr
    address = f"{URL}/{target.tarball.replace('+', '%2B')}#{DIGEST}"
    assert done.stdout.splitlines() == [target.folder, address, "pypy", "names", verify, pip]
    assert done.stderr == (
        f"Made for Alpine {alpine}. Packages that it needs there: libffi libssl3\n"
    )


@pytest.mark.parametrize("ldd", [GLIBC, MUSL.format(arch="aarch64")])
def test_elsewhere_it_says_why_not(tmp_path: Path, ldd: str) -> None:
    done = run(Target("3.11-8.0.0", "3.24"), ldd, tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "ERROR: pypy3.11-8.0.0-alpine3.24 is for Alpine 3.24 on x86_64,"
        " and this is another system.\n"
    )


def test_a_release_without_an_address_has_none() -> None:
    assert pyenv.pages(ReleaseIndex.of([pypy(Target("3.11-8.0.0", "3.24"))], None)) == {}
