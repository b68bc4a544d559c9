"""Every patch fits every release that it lists, where sources are at hand.

ALPYPY_TEST_SOURCES names a folder of source archives (pypy3.6-v7.0.0-src.tar.bz2,
rpython-0.2.1.tar.gz) or a bare git directory of PyPy with its release tags.
"""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest

from alpypy.patches import apply, load_patches

ROOT = Path(__file__).parents[2]
VARIABLE = "ALPYPY_TEST_SOURCES"
HOW = (
    "'git clone --bare https://github.com/pypy/pypy.git pypy.git' provides them; "
    f"then set {VARIABLE}=$PWD/pypy.git"
)
KNOWN = [
    name
    for file in ("pypy.toml", "rpython.toml")
    for name in tomllib.loads((ROOT / "versions" / file).read_text())
]
PATCHES = load_patches(ROOT / "patches", KNOWN)


def extract(release: str, files: Sequence[str], folder: Path) -> None:
    """Put some files of a release into a folder, or skip the test."""
    sources = Path(os.environ.get(VARIABLE) or pytest.skip(f"no PyPy sources: {HOW}"))
    language, _, number = release.partition("-")
    if language == "rpython":
        from_archive(sources / f"{release}.tar.gz", files, folder)
    elif (sources / "HEAD").is_file():
        from_git(sources, f"release-pypy{language}-v{number}", files, folder)
    else:
        from_archive(sources / f"pypy{language}-v{number}-src.tar.bz2", files, folder)


def from_git(repository: Path, tag: str, files: Sequence[str], folder: Path) -> None:
    command = ["git", "-C", str(repository)]
    if subprocess.run(
        [*command, "rev-parse", "-q", "--verify", tag], capture_output=True
    ).returncode:
        pytest.skip(f"{repository} has no tag {tag}: {HOW}")
    archive = subprocess.run(
        [*command, "archive", tag, "--", *files], capture_output=True, check=True
    ).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")


def from_archive(path: Path, files: Sequence[str], folder: Path) -> None:
    """Extract the files below the single top folder, reading no further than needed."""
    if not path.is_file():
        pytest.skip(f"no {path}: {HOW}")
    missing = set(files)
    with tarfile.open(path, "r|*") as tar:
        for member in tar:
            member.name = member.name.partition("/")[2]
            if member.name in missing:
                tar.extract(member, folder, filter="data")
                missing.remove(member.name)
            if not missing:
                return
    raise FileNotFoundError(f"{path} lacks {sorted(missing)}")


@pytest.mark.parametrize("release", KNOWN)
def test_patches_fit(release: str, tmp_path: Path) -> None:
    patches = [patch for patch in PATCHES if release in patch.releases]
    files = sorted({file for patch in patches for file in patch.files})
    extract(release, files, tmp_path)
    before = {file: (tmp_path / file).read_bytes() for file in files}
    apply(patches, tmp_path, release)
    assert all((tmp_path / file).read_bytes() != before[file] for file in files)
