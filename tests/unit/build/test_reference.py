"""The reference on glibc: its recipe, its names, its stages."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from alpypy.build.images import BuiltTarball, GivenPypy
from alpypy.build.plan import in_order
from alpypy.build.reference import (
    ReferenceImage,
    ReferencePackage,
    ReferenceSystem,
    load_system,
    reference_recipe,
)
from alpypy.build.translate import Translation
from alpypy.core.errors import SpecError
from alpypy.pipeline.reference import ReferenceRequest, build_reference
from alpypy.recipes.local_source import OpenedSource
from alpypy.recipes.manifest import Origin
from alpypy.recipes.recipe import load_catalog
from alpypy.recipes.spec import GlibcTarget, Target
from tests.workspaces import ROOT, without_engine

TARGET = Target("3.11-7.3.23", "3.23")
USUAL = load_catalog(ROOT).recipe(TARGET)
SYSTEM = ReferenceSystem(name="debian12", image="debian:12", packages=("gcc", "libc6-dev"))
Change = Callable[[Path], object]


def package(
    root: Path, system: ReferenceSystem = SYSTEM, base: str = "sha256:1", pypy: str = "a" * 64
) -> ReferencePackage:
    """The last stage of a reference."""
    workspace = without_engine(root, root / "cache")
    recipe = reference_recipe(USUAL, system)
    given = GivenPypy(BuiltTarball(Path("pypy.tar.bz2"), pypy))
    image = ReferenceImage(workspace, recipe, base, given)
    origin = Origin("b" * 64, verified=True)
    source = OpenedSource("b" * 64, lambda: Path("unused"), lambda work: work, origin)
    return ReferencePackage(Translation(workspace, recipe, image, source, 1))


def keys(package: ReferencePackage) -> list[str]:
    return [stage.key for stage in in_order(package)]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Dockerfiles that a test may change."""
    shutil.copytree(ROOT / "dockerfiles", tmp_path / "dockerfiles")
    return tmp_path


def test_the_recipe_has_the_patches_and_options_but_neither_flags_nor_packages_of_alpine() -> None:
    recipe = reference_recipe(USUAL, SYSTEM)
    assert recipe.patches == USUAL.patches != ()
    assert (recipe.options, recipe.target_options) == (USUAL.options, USUAL.target_options)
    assert recipe.source == USUAL.source
    assert set(recipe.environment.values()) == {""}
    assert set(recipe.environment) == {"CFLAGS", "LDFLAGS"}, "no PYPY_MULTIARCH of musl"
    assert recipe.build_packages == SYSTEM.packages


def test_the_system_of_the_data_can_build() -> None:
    system = load_system(ROOT)
    assert {"gcc", "libc6-dev", "make", "libffi-dev", "musl"} <= set(system.packages)
    assert not any(name.endswith("-static") or "musl-dev" in name for name in system.packages)


def test_names_of_the_target() -> None:
    target = reference_recipe(USUAL, SYSTEM).target
    assert isinstance(target, GlibcTarget)
    assert target.tarball == "pypy-3.11-7.3.23-debian12.tar.bz2"
    assert target.build_tag() == "alpine-pypy-build:3.11-7.3.23-debian12"
    assert target.system == "debian12"
    assert {target.tarball, target.build_tag()}.isdisjoint({TARGET.tarball, TARGET.build_tag()})
    other = replace(target, arch="aarch64", glibc="other")
    assert other.folder == "pypy-3.11-7.3.23-other-aarch64"


def test_its_stages(data: Path) -> None:
    assert [stage.title for stage in in_order(package(data))] == [
        "image of the reference",
        "translate 3.11-7.3.23",
        "package pypy-3.11-7.3.23-debian12",
    ]


def edit(name: str) -> Change:
    def change(root: Path) -> None:
        path = root / "dockerfiles" / name
        path.write_text(path.read_text(encoding="utf-8") + "\n# changed\n", encoding="utf-8")

    return change


@pytest.mark.parametrize(
    ("name", "again"),
    [
        ("reference/Dockerfile", 3),
        ("reference/translator.sh", 3),
        ("reference/glibc-names.c", 3),
        ("self-hosted/check.py", 3),
        ("package/build.py", 1),
        ("link/memory.c", 0),
        ("self-hosted/Dockerfile", 0),
    ],
)
def test_what_an_edited_file_makes_again(name: str, again: int, data: Path) -> None:
    before = keys(package(data))
    edit(name)(data)
    after = keys(package(data))
    assert [one != other for one, other in zip(before, after, strict=True)] == [
        stage >= 3 - again for stage in range(3)
    ]


def test_packages_base_and_the_pypy_that_translates_are_in_the_keys(data: Path) -> None:
    packages = structs.replace(SYSTEM, packages=("gcc",))
    others = [
        package(data),
        package(data, packages),
        package(data, base="sha256:2"),
        package(data, pypy="c" * 64),
    ]
    assert len({key for one in others for key in keys(one)}) == 3 * len(others)


def test_a_pypy_that_is_no_file_is_refused_before_an_engine_is_asked(tmp_path: Path) -> None:
    request = ReferenceRequest(TARGET, tmp_path / "none.tar.bz2")
    with pytest.raises(SpecError, match=r"--with-pypy .*none\.tar\.bz2 is not a file") as caught:
        build_reference(without_engine(ROOT, tmp_path / "cache"), request)
    assert "portable PyPy 2.7" in caught.value.remedy


def test_what_musl_lacks_of_glibc_is_defined(tmp_path: Path) -> None:
    missing = [name for name in ("gcc", "nm") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"apt-get install gcc binutils: this machine does not have {missing[0]}")
    library = tmp_path / "glibc-names.so"
    source = ROOT / "dockerfiles/reference/glibc-names.c"
    command = ["gcc", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-nostdlib"]
    subprocess.run([*command, "-o", str(library), str(source)], check=True)
    said = subprocess.run(
        ["nm", "--dynamic", "--defined-only", str(library)],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    names = {line.split()[-1] for line in said.splitlines()}
    wanted = {"__sysconf", "__register_atfork", "__vsnprintf_chk", "__snprintf_chk"}
    assert wanted <= names
