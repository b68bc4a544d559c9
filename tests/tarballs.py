"""Real PyPys for the tests that can use one: a folder of tarballs, named by a variable."""

from __future__ import annotations

import os
from pathlib import Path

from alpypy.recipes.manifest import Manifest
from alpypy.recipes.spec import PypyVersion

VARIABLE = "ALPYPY_TEST_TARBALLS"
PROVIDED_BY = f"invoke bootstrap --pypy 3.11-7.3.23 --alpine 3.23, then {VARIABLE}=artifacts"


def tarballs() -> list[Path]:
    """The tarballs, each with its receipt beside it."""
    folder = os.environ.get(VARIABLE)
    return sorted(Path(folder).glob("pypy-*.tar.bz2")) if folder else []


def of_python_3(path: Path) -> bool:
    """Whether a tarball's PyPy is of Python 3, and for the architecture of the tests' Alpine."""
    target = Manifest.of_tarball(path).target
    return not target.release.startswith("2.") and target.arch == "x86_64"


def musl_tag(manifest: Manifest) -> str:
    """The tag of a wheel with compiled modules, for a PyPy."""
    pypy = PypyVersion.parse(manifest.target.release)
    python, series = pypy.language.replace(".", ""), "".join(pypy.release.split(".")[:2])
    return f"pp{python}-pypy{python}_pp{series}-musllinux_1_2_{manifest.target.arch}"
