"""The folder that scripts/tool-cache.sh makes in a clean Alpine, and GitHub's real setup-python,
which finds the PyPy in it.

ALPYPY_TEST_SETUP_PYTHON is a checkout of https://github.com/actions/setup-python. It runs here with
node, as a runner runs it, and downloads nothing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from alpypy.core.files import file_digest
from alpypy.engine.docker import Engine
from alpypy.engine.job import Completed, Job, Mount
from alpypy.recipes.manifest import Manifest
from alpypy.recipes.spec import PypyVersion
from alpypy.verify.findings import Recorder, load_policy
from alpypy.verify.probes import CleanAlpine
from tests.tarballs import PROVIDED_BY, tarballs
from tests.workspaces import workspace

pytestmark = pytest.mark.timeout(3600)
ROOT = Path(__file__).resolve().parents[3]
CHECKOUT = "ALPYPY_TEST_SETUP_PYTHON"
NAMES: list[str | None] = [path.name for path in tarballs()]


@dataclass(frozen=True)
class Tools:
    """A folder of tools with a PyPy, and an Alpine to run it in."""

    folder: Path
    manifest: Manifest
    engine: Engine
    image: str

    @property
    def pypy(self) -> PypyVersion:
        """The version of its PyPy."""
        return PypyVersion.parse(self.manifest.target.release)

    def tool(self) -> Path:
        """The folder of the PyPy, by the version of its Python."""
        (tool,) = self.folder.glob("PyPy/*/x64")
        return tool

    def run(self, *command: str, mounts: tuple[Mount, ...] = ()) -> Completed:
        """Run a command in the Alpine, with the folder where it is on this machine."""
        own = Mount(self.folder, str(self.folder), writable=True)
        job = Job(self.image, command, (own, *mounts), {"HOME": "/tmp"}, timeout=1800)
        return self.engine.run(job)


@pytest.fixture(scope="module", params=NAMES or [None])
def tools(
    request: pytest.FixtureRequest,
    engine: Engine,
    base_image: str,
    alpine_version: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Tools]:
    """A PyPy that the script has put into a folder of tools, twice."""
    if request.param is None:
        pytest.skip(f"no tarball: {PROVIDED_BY}")
    (tarball,) = (path for path in tarballs() if path.name == request.param)
    manifest, folder = Manifest.of_tarball(tarball), tmp_path_factory.mktemp("tools")
    if (manifest.target.alpine, manifest.target.arch) != (alpine_version, "x86_64"):
        pytest.skip(f"these tests have Alpine {alpine_version} on x86_64: {PROVIDED_BY}")
    recorder = Recorder(load_policy(ROOT))
    alpine = CleanAlpine(workspace(ROOT, engine), base_image, folder, timeout=600)
    with alpine.image(manifest, file_digest(tarball), recorder) as image:
        assert image is not None
        made = Tools(folder, manifest, engine, image)
        mounts = (Mount(ROOT / "scripts/tool-cache.sh", "/s.sh"), Mount(tarball.resolve(), "/t"))
        for _ in range(2):
            done = made.run("sh", "/s.sh", "/t", str(folder), mounts=mounts)
            assert done.exit_code == 0, done.output
        yield made


def test_it_is_laid_out_as_setup_python_does_it(tools: Tools) -> None:
    tool = tools.tool()
    assert [path.name for path in (tools.folder / "PyPy").iterdir()] == [tool.parent.name]
    assert sorted(path.name for path in tool.parent.iterdir()) == ["x64", "x64.complete"]
    assert (tool / "PYPY_VERSION").read_text() == tools.pypy.release.partition("-")[0]
    done = tools.run(str(tool / "bin/pip"), "--version")
    assert done.exit_code == 0, done.output
    assert str(tool) in done.output


def test_setup_python_finds_it(tools: Tools, tmp_path: Path) -> None:
    checkout, node = os.environ.get(CHECKOUT), shutil.which("node")
    if checkout is None:
        pytest.skip(f"git clone https://github.com/actions/setup-python, and name it in {CHECKOUT}")
    if node is None:
        pytest.skip("setup-python runs in node: apt-get install nodejs")
    files = {name: tmp_path / name for name in ("GITHUB_ENV", "GITHUB_PATH", "GITHUB_OUTPUT")}
    for path in files.values():
        path.touch()
    environment = {
        **{name: str(path) for name, path in files.items()},
        "PATH": os.environ["PATH"],
        "RUNNER_TOOL_CACHE": str(tools.folder),
        "RUNNER_TEMP": str(tmp_path),
        "GITHUB_WORKSPACE": str(tmp_path),
        "INPUT_PYTHON-VERSION": f"pypy{tools.pypy.language}",
        **dict.fromkeys(("INPUT_CHECK-LATEST", "INPUT_ALLOW-PRERELEASES"), "false"),
        **{"INPUT_UPDATE-ENVIRONMENT": "true", "INPUT_FREETHREADED": "false"},
    }
    program = [node, str(Path(checkout) / "dist/setup/index.js")]
    done = subprocess.run(program, env=environment, capture_output=True, text=True, check=False)
    print(done.stdout)
    python = tools.tool().parent.name
    version = (tools.tool() / "PYPY_VERSION").read_text()
    assert f"Successfully set up PyPy {version} with Python ({python})" in done.stdout
    assert f"{tools.tool()}/bin" in files["GITHUB_PATH"].read_text().splitlines()
    assert f"{tools.tool()}/bin/python" in files["GITHUB_OUTPUT"].read_text().splitlines()
