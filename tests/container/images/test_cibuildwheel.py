"""The image for cibuildwheel, used by cibuildwheel itself as PyPI has it: two versions of it, which
look for PyPys of different ABIs.

With ALPYPY_TEST_TARBALLS, a folder of tarballs that verify has passed, an image is made of each
PyPy that can run auditwheel. The containers ask the index that this machine's pip asks.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tomllib
import uuid
import venv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from alpypy.core import folders
from alpypy.core.errors import SpecError
from alpypy.engine.docker import Engine
from alpypy.engine.job import Job
from alpypy.images.runtime import ImageRequest, resolve
from alpypy.recipes.manifest import Manifest
from alpypy.recipes.spec import PypyVersion
from alpypy.verify import receipt
from alpypy.wheels import cibuildwheel
from alpypy.wheels.file import read_wheel
from alpypy.wheels.settings import from_host
from tests.tarballs import PROVIDED_BY, musl_tag, tarballs
from tests.workspaces import workspace

pytestmark = pytest.mark.timeout(3600)
ROOT = Path(__file__).resolve().parents[3]
PROJECT = ROOT / "tests/fixtures/cibuildwheel"
RUNNER = ROOT / "scripts/cibuildwheel_musllinux.py"
VERSIONS = ("4.2.1", "4.3.5")
# What makes a PyPy for each of them, by the tag of their pp311.
PROVIDED = {
    "pp311-pypy311_pp73": PROVIDED_BY,
    "pp311-pypy311_pp80": PROVIDED_BY.replace("7.3.23", "8.0.0"),
}
TABLE = "lib/python*/site-packages/cibuildwheel/resources/build-platforms.toml"


@dataclass(frozen=True)
class Cibuildwheel:
    """cibuildwheel in an environment of its own."""

    folder: Path
    host: Mapping[str, str]

    def table(self) -> dict[str, str]:
        """The folders of its interpreters in images for Linux, by identifier."""
        [path] = self.folder.glob(TABLE)
        entries = tomllib.loads(path.read_text("utf-8"))["linux"]["python_configurations"]
        return {entry["identifier"]: entry["path_str"] for entry in entries}

    def run(
        self, *words: str, settings: Mapping[str, str], runner: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """Run it, or the script that adds identifiers to it, on the test's project."""
        program = ["python", str(RUNNER)] if runner else ["cibuildwheel"]
        own = {name: value for name, value in os.environ.items() if not name.startswith("CIBW_")}
        return subprocess.run(
            [str(self.folder / "bin" / program[0]), *program[1:], *words],
            cwd=PROJECT,
            env={**self.host, **own, **settings},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="module", params=list(VERSIONS))
def program(
    request: pytest.FixtureRequest, cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Cibuildwheel:
    """A version of cibuildwheel, from PyPI or the mirror of it."""
    folder = tmp_path_factory.mktemp("cibuildwheel")
    venv.create(folder, with_pip=True)
    pip = [
        str(folder / "bin/python"),
        "-m",
        "pip",
        "--disable-pip-version-check",
        "install",
        "--quiet",
    ]
    subprocess.run([*pip, f"cibuildwheel=={request.param}"], check=True)
    private = cache / "engine/engine.sock"
    host = {"DOCKER_HOST": f"unix://{private}"} if private.is_socket() else {}
    return Cibuildwheel(folder, host)


def fits(path: Path) -> bool:
    version = PypyVersion.parse(Manifest.of_tarball(path).target.release)
    try:
        cibuildwheel.refuse_unfit(cibuildwheel.load_data(ROOT), version)
    except SpecError:
        return False
    return True


FIT: list[str | None] = [path.name for path in tarballs() if fits(path)]


def test_it_builds_for_one_of_the_pypys(program: Cibuildwheel) -> None:
    """Else the tests below only see it refuse images."""
    wanted = Path(program.table()["pp311-manylinux_x86_64"]).name
    assert wanted in PROVIDED
    if not any(musl_tag(Manifest.of_tarball(path)).startswith(f"{wanted}-") for path in tarballs()):
        pytest.skip(f"no PyPy that is {wanted}: {PROVIDED[wanted]}")


@dataclass(frozen=True)
class Image:
    """An image for cibuildwheel, and what its PyPy calls itself in tags: ``pp311``, ``pp311-...``.

    ``musllinux`` is the platform of its wheels, such as ``musllinux_1_2_x86_64``; ``settings`` are
    variables for cibuildwheel.
    """

    name: str
    python: str
    tag: str
    arch: str
    musllinux: str
    settings: Mapping[str, str]

    @property
    def manylinux(self) -> str:
        """The identifier that cibuildwheel has for its PyPy."""
        return f"{self.python}-manylinux_{self.arch}"

    def chosen(self, libc: str = "manylinux") -> dict[str, str]:
        """The variable that makes cibuildwheel use the image."""
        return {f"CIBW_{libc}_{self.arch}_IMAGE".upper(): self.name}


@pytest.fixture(scope="module", params=FIT or [None])
def tarball(request: pytest.FixtureRequest) -> Path:
    """A PyPy that can run auditwheel."""
    if request.param is None:
        pytest.skip(f"no PyPy for cibuildwheel: {PROVIDED_BY}")
    if shutil.which("docker") is None:
        pytest.skip("cibuildwheel runs `docker`: apt-get install docker.io")
    return next(path for path in tarballs() if path.name == request.param)


@pytest.fixture(scope="module")
def image(
    tarball: Path, engine: Engine, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Image]:
    """The image; its names go at the end."""
    work = tmp_path_factory.mktemp("project")
    for name in ("versions", "patches", "dockerfiles"):
        shutil.copytree(ROOT / name, work / name)
    (work / "artifacts").mkdir()
    for path in (tarball, receipt.path_of(tarball)):
        shutil.copy(path, work / "artifacts")
    manifest = Manifest.of_tarball(tarball)
    target = manifest.target
    own = workspace(work, engine, folders.cache_folder())
    repository = f"alpypy-test/{uuid.uuid4().hex[:12]}"
    plan = resolve(own, ImageRequest(target, repository, dev=True))
    try:
        name = cibuildwheel.make(own, plan)
        yield described(engine, name, manifest, tmp_path_factory.mktemp("settings"))
    finally:
        for variant in ("dev", cibuildwheel.VARIANT):
            engine.remove_image(target.runtime_tag(repository, variant=variant))


def described(engine: Engine, name: str, manifest: Manifest, scratch: Path) -> Image:
    [tag] = engine.run(Job(name, ["sh", "-c", "ls /opt/python | grep -v cp39-cp39"])).output.split()
    target, (major, minor, _) = manifest.target, manifest.musl.split(".")
    python = f"pp{PypyVersion.parse(target.release).language.replace('.', '')}"
    musllinux = f"musllinux_{major}_{minor}_{target.arch}"
    return Image(name, python, tag, target.arch, musllinux, settings_of(scratch))


def settings_of(scratch: Path) -> dict[str, str]:
    """Containers get this machine's settings of pip, as those of `invoke wheels` do."""
    pip = from_host(scratch, {})
    words = [f"--network={pip.network}"]
    words += [f"--volume={mount.source}:{mount.target}:ro" for mount in pip.mounts]
    words += [f"--env={name}={value}" for name, value in pip.environment.items()]
    quoted = " ".join(f"'{word}'" for word in words)
    return {
        "CIBW_CONTAINER_ENGINE": f"docker; create_args: {quoted}",
        "CIBW_ENABLE": "pypy",
        "CIBW_BEFORE_ALL": "apk add --no-cache bzip2-dev",
        "CIBW_TEST_COMMAND": "python {project}/tests/try.py",
    }


def built(image: Image, done: subprocess.CompletedProcess[str], out: Path) -> None:
    """The wheel was built, repaired, tested and kept."""
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert f"tested on pypy {image.python[2]}.{image.python[3:]} with libbz2 1.0" in done.stdout
    [path] = out.glob("*.whl")
    assert path.name == f"tiny_squeeze-1.0-{image.tag}-{image.musllinux}.whl"
    assert [name for name in read_wheel(path).libraries() if "libbz2" in name]


def test_it_is_used_by_cibuildwheel_of_its_abi_alone(
    image: Image, program: Cibuildwheel, tmp_path: Path
) -> None:
    wanted = program.table().get(image.manylinux, "")
    settings = {**image.settings, **image.chosen(), "CIBW_BUILD": image.manylinux}
    words = ("--platform", "linux", "--archs", image.arch, "--output-dir", str(tmp_path))
    done = program.run(*words, settings=settings)
    if wanted == f"/opt/python/{image.tag}":
        built(image, done, tmp_path)
    elif wanted:
        assert f"'{wanted}/bin/python' executable doesn't exist in image" in done.stderr
    else:
        assert "No build identifiers selected" in done.stderr


def test_the_script_adds_identifiers_for_musllinux(
    image: Image, program: Cibuildwheel, tmp_path: Path
) -> None:
    if program.table().get(image.manylinux) != f"/opt/python/{image.tag}":
        pytest.skip(f"this cibuildwheel builds for no {image.tag}: {PROVIDED_BY}")
    settings = {**image.settings, **image.chosen("musllinux")}
    words = ("--only", f"{image.python}-musllinux_{image.arch}", "--output-dir", str(tmp_path))
    built(image, program.run(*words, settings=settings, runner=True), tmp_path)


def test_its_python_is_not_taken_for_cpython(
    image: Image, program: Cibuildwheel, tmp_path: Path
) -> None:
    settings = {**image.chosen(), "CIBW_PROJECT_REQUIRES_PYTHON": ">=3.9"}
    words = ("--only", f"cp39-manylinux_{image.arch}", "--output-dir", str(tmp_path))
    done = program.run(*words, settings=settings)
    assert done.returncode != 0
    assert "pip available on PATH doesn't match our installed instance" in done.stderr


def test_the_script_knows_pypy_on_musl(program: Cibuildwheel) -> None:
    words = ("--platform", "linux", "--archs", "x86_64,aarch64", "--print-build-identifiers")
    settings = {"CIBW_ENABLE": "pypy", "CIBW_BUILD": "pp*-musllinux_*"}
    assert program.run(*words, settings=settings).stdout.split() == []
    made = program.run(*words, settings=settings, runner=True).stdout.split()
    assert {"pp311-musllinux_x86_64", "pp311-musllinux_aarch64"} <= set(made)
    assert {name.replace("musllinux", "manylinux") for name in made} <= program.table().keys()
