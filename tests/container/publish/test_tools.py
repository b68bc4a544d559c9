"""Tools that make environments find a PyPy on PATH, and work with it: virtualenv, pip's --python,
tox, nox, pipx and hatch, as PyPI has them.

They run on the PyPy itself, in a clean Alpine. pip on this machine downloads them; in the Alpine
there is no network, and pip has the folder of those wheels.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from alpypy.core.files import file_digest
from alpypy.engine.docker import Engine
from alpypy.engine.job import Completed, Job, Mount
from alpypy.recipes.manifest import Manifest
from alpypy.recipes.spec import PypyVersion
from alpypy.verify import static
from alpypy.verify.findings import Recorder, load_policy
from alpypy.verify.probes import CleanAlpine
from tests.releases import wheel
from tests.tarballs import PROVIDED_BY, musl_tag, of_python_3, tarballs
from tests.workspaces import workspace

pytestmark = pytest.mark.timeout(3600)
ROOT = Path(__file__).resolve().parents[3]
LOCK = ROOT / "tests/fixtures/tools/tools.lock"
PLATFORM = ("musllinux_1_2_x86_64", "musllinux_1_1_x86_64", "any")
SHOW = "import alpypy_tiny, sys; print(sys.prefix, sys.implementation.name, alpypy_tiny.ANSWER)"
INSTALL = """
set -e
"$PYPY" -m venv /tools/venv
install="install --quiet --no-compile --no-deps --require-hashes"
/tools/venv/bin/python -m pip $install --requirement /lock/tools.lock
"""
RUN = {
    "virtualenv": """
virtualenv -p "$PYPY" /tmp/made
/tmp/made/bin/pip install alpypy-tiny
/tmp/made/bin/python -c "$SHOW"
""",
    "pip": """
"$PYPY" -m venv --without-pip /tmp/made
pip --python /tmp/made/bin/pypy3 install alpypy-tiny
/tmp/made/bin/pypy3 -c "$SHOW"
""",
    "tox": """
cat >tox.ini <<end
[tox]
env_list = $FACTOR
no_package = true
[testenv]
env_dir = /tmp/made
deps = alpypy-tiny
commands = python -c "$SHOW"
end
tox run
""",
    "nox": """
cat >noxfile.py <<end
import nox
@nox.session(python="$PYPY")
def tests(session):
    session.install("alpypy-tiny")
    session.run("python", "-c", "$SHOW")
end
nox --envdir /tmp
""",
    "pipx": """
export PIPX_HOME=/tmp/pipx
pipx install --python "$PYPY" --preinstall alpypy-tiny virtualenv
"$HOME/.local/bin/virtualenv" --version
/tmp/pipx/venvs/virtualenv/bin/python -c "$SHOW"
""",
    "hatch": """
cat >hatch.toml <<end
[envs.default]
python = "$PYPY"
path = "/tmp/made"
skip-install = true
dependencies = ["alpypy-tiny"]
end
printf '[project]\\nname = "trial"\\nversion = "1"\\n' >pyproject.toml
hatch run python -c "$SHOW"
""",
}
MADE = {"nox": "/tmp/tests", "pipx": "/tmp/pipx/venvs/virtualenv"}
OF_PYTHON_3: list[str | None] = [path.name for path in tarballs() if of_python_3(path)]


@dataclass(frozen=True)
class Place:
    """A clean Alpine with a PyPy on PATH, named ``command``, and the tools after it."""

    engine: Engine
    image: str
    mounts: tuple[Mount, ...]
    command: str

    def run(self, script: str, *mounts: Mount) -> Completed:
        """Run a script in an empty folder of its own."""
        environment = {
            "HOME": "/tmp/home",
            "PATH": "/opt/pypy/bin:/tools/venv/bin:/usr/bin:/bin",
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": "/wheels",
            "UV_OFFLINE": "1",  # pipx installs with uv if it is there
            "UV_FIND_LINKS": "/wheels",
            "PYPY": self.command,
            "FACTOR": self.command.replace(".", ""),
            "SHOW": SHOW,
        }
        command = ["sh", "-euc", f"mkdir -p ~ /tmp/work; cd /tmp/work; {script}"]
        mounts = (*self.mounts, *mounts)
        return self.engine.run(Job(self.image, command, mounts, environment, timeout=1800))


def download(folder: Path) -> None:
    """The wheels that are locked, for Python 3.11 and later on musl."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    command += ["--only-binary=:all:", "--python-version=3.11", "--dest", str(folder)]
    command += [f"--platform={name}" for name in PLATFORM]
    subprocess.run([*command, "--requirement", str(LOCK)], check=True)


@pytest.fixture(scope="module", params=OF_PYTHON_3 or [None])
def place(
    request: pytest.FixtureRequest,
    engine: Engine,
    base_image: str,
    alpine_version: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Place]:
    """A PyPy of Python 3.11 or later, unpacked, and the tools in an environment of it."""
    if request.param is None:
        pytest.skip(f"no PyPy of Python 3: {PROVIDED_BY}")
    (tarball,) = (path for path in tarballs() if path.name == request.param)
    manifest, folder = Manifest.of_tarball(tarball), tmp_path_factory.mktemp("tools")
    language = PypyVersion.parse(manifest.target.release).language
    if manifest.target.alpine != alpine_version or language in ("3.9", "3.10"):
        pytest.skip(f"the tools need Python 3.11, in Alpine {alpine_version}: {PROVIDED_BY}")
    recorder = Recorder(load_policy(ROOT))
    unpacked = static.unpack(tarball, folder / "unpacked", recorder)
    assert unpacked is not None
    made = wheel(folder, tag=musl_tag(manifest))
    download(made.parent)
    (folder / "venv").mkdir()
    mounts = (
        Mount(unpacked.folder, "/opt/pypy"),
        Mount(made.parent, "/wheels"),
        Mount(folder / "venv", "/tools", writable=True),
    )
    alpine = CleanAlpine(workspace(ROOT, engine), base_image, folder, timeout=600)
    with alpine.image(manifest, file_digest(tarball), recorder) as image:
        assert image is not None
        installed = Place(engine, image, mounts, f"pypy{language}")
        done = installed.run(INSTALL, Mount(LOCK.parent, "/lock"))
        assert done.exit_code == 0, done.output
        yield installed


@pytest.mark.parametrize("tool", RUN)
def test_it_works_with_it(place: Place, tool: str) -> None:
    done = place.run(RUN[tool])
    print(done.output)
    assert done.exit_code == 0, done.output
    assert f"{MADE.get(tool, '/tmp/made')} pypy 42" in done.output.splitlines()
