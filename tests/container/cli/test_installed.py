"""An installed alpypy with an engine: its wheel and the locked dependencies in an empty
environment, run in a folder that is no checkout."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import venv
from pathlib import Path

import pytest
from msgspec import structs

from alpypy.engine.docker import Engine
from alpypy.engine.job import Job
from alpypy.recipes.manifest import ProgramCheck
from alpypy.recipes.spec import Target
from tests.manifests import MANIFEST, pack
from tests.wheels import ROOT, build_wheel

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``alpypy`` as pipx installs it; the dependencies come from PyPI, or the mirror of it."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder / "environment", with_pip=True)
    pip = [str(folder / "environment/bin/python"), "-m", "pip", "--disable-pip-version-check"]
    locked = ["--require-hashes", "--requirement", str(ROOT / "requirements.lock")]
    subprocess.run([*pip, "install", "--quiet", *locked], check=True)
    wheel = ["--no-index", str(build_wheel(folder))]
    subprocess.run([*pip, "install", "--quiet", *wheel], check=True)
    return folder / "environment/bin/alpypy"


def run(program: Path, *words: str, cache: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the program in a folder, with the engine and the cache of all tests."""
    private = cache / "engine/engine.sock"
    host = {"DOCKER_HOST": f"unix://{private}"} if private.is_socket() else {}
    return subprocess.run(
        [program, *words],
        cwd=folder,
        env={**host, **os.environ, "ALPYPY_CACHE": str(cache)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_plans_a_build(program: Path, cache: Path, base_image: str, tmp_path: Path) -> None:
    words = ["--pypy", "3.11-7.3.22", "--alpine", "3.23", "--base-image", base_image]
    installed = run(program, "plan", *words, cache=cache, folder=tmp_path)
    # The keys of a plan on a kit need the sources of the libraries.
    said = [line for line in installed.stderr.splitlines() if not line.startswith("fetching ")]
    assert (installed.returncode, said) == (0, [])
    assert "translate 3.11-7.3.22" in installed.stdout
    more = run(program, "plan", "--verbose", *words, cache=cache, folder=tmp_path)
    assert (more.returncode, more.stdout) == (0, installed.stdout)
    assert more.stderr.startswith("the engine at ")
    python = program.with_name("python")
    checkout = subprocess.run(
        [python, "-m", "alpypy", "plan", *words],
        cwd=ROOT,
        env={**os.environ, "ALPYPY_CACHE": str(cache)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert checkout.stdout == installed.stdout  # the keys are the same
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def tarball(engine: Engine, base_image: str, tmp_path: Path) -> Path:
    """A tarball with nothing but the base image's busybox."""
    done = engine.run(Job(base_image, ["base64", "/bin/busybox"]))
    assert done.exit_code == 0, done.output
    busybox = tmp_path / "tree/bin/busybox"
    busybox.parent.mkdir(parents=True)
    busybox.write_bytes(base64.b64decode(done.output))
    busybox.chmod(0o755)
    manifest = structs.replace(
        MANIFEST,
        kind="rpython",
        target=Target("rpython-0.2.1", "3.23"),
        executables=("bin/busybox",),
        needed=(),
        runtime_packages=(),
        checks=(ProgramCheck(("bin/busybox", "echo", "hello"), "^hello$"),),
    )
    return pack(manifest, tmp_path / "artifacts", tmp_path / "tree")


def test_it_verifies_a_tarball(
    program: Path, cache: Path, base_image: str, tarball: Path, tmp_path: Path
) -> None:
    words = ["verify", f"artifacts/{tarball.name}", "--base-image", base_image, "--json", "-q"]
    done = run(program, *words, cache=cache, folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    report = json.loads(done.stdout)
    assert (report["passed"], report["findings"]) == (True, [])
    assert tarball.with_name(f"{tarball.name}.verify.json").is_file()
