"""A release on loopback, and the real uv, python-build and mise that install from it in a clean
Alpine.

uv is its own wheel for musl, of the version that is installed here: pip downloads it from the index
that it is set up for. mise is this machine's, with the libraries that it needs.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pytest

from alpypy.core.files import file_digest
from alpypy.engine.docker import Engine
from alpypy.engine.job import Completed, Job, Mount
from alpypy.publish.index import ReleasedTarball
from alpypy.publish.release import gather
from alpypy.recipes.manifest import Manifest
from alpypy.verify import receipt
from alpypy.verify.findings import Recorder, load_policy
from alpypy.verify.probes import CleanAlpine
from tests.loopback import serve_folder
from tests.releases import wheel, with_record
from tests.tarballs import PROVIDED_BY, musl_tag, tarballs
from tests.workspaces import workspace

pytestmark = pytest.mark.timeout(3600)
ROOT = Path(__file__).resolve().parents[3]
UV = """
set -e
export UV_PYTHON_DOWNLOADS_JSON_URL="$URL/uv-downloads.json" UV_DEFAULT_INDEX="$URL/simple/"
/uv/uv python install "pypy$LANGUAGE"
/uv/uv venv --python "pypy$LANGUAGE" /tmp/venv
/uv/uv pip install --python /tmp/venv alpypy-tiny
/tmp/venv/bin/python -c "$CODE"
/uv/uv run --no-project --python "pypy$LANGUAGE" --with alpypy-tiny python -c "$CODE"
"""
CODE = """
import alpypy_tiny, platform, ssl, sys
print("is", platform.python_implementation(), platform.python_version(), alpypy_tiny.ANSWER)
"""
PYENV = """
set -e
cp /pyenv/bash /bin/bash
mkdir /tmp/own
wget -q -O "/tmp/own/$NAME" "$URL/pyenv/${NAME/+/%2B}"
export PYTHON_BUILD_DEFINITIONS=/tmp/own  # as users of asdf and mise do it
/pyenv/python-build/bin/python-build -v "$NAME" /tmp/pypy
/tmp/pypy/bin/python -m pip --version
"""
MISE = """
set -e
mkdir /tmp/work
cd /tmp/work
cat >mise.toml <<end
[tools."http:pypy"]
version = "1"
url = "$URL/$FILE"
checksum = "sha256:$SHA256"
strip_components = 1
bin_path = "bin"
end
mise trust
mise install
mise exec -- pypy -m ensurepip
mise exec -- pypy -m pip --version
"""


@dataclass(frozen=True)
class Offer:
    """A release of one PyPy and a wheel for it, its address, and an Alpine to install it in."""

    tarball: ReleasedTarball
    url: str
    engine: Engine
    image: str

    def run(self, script: str, *mounts: Mount, **environment: str) -> Completed:
        """Run a script in the Alpine, which reaches the release's server."""
        told = {"HOME": "/tmp", "URL": self.url, **environment}
        command = ["sh", "-c", script]
        return self.engine.run(
            Job(self.image, command, mounts, told, user="0:0", timeout=1800, network="host")
        )


NAMES: list[str | None] = [path.name for path in tarballs()]


@pytest.fixture(scope="module", params=NAMES or [None])
def served(
    request: pytest.FixtureRequest,
    engine: Engine,
    base_image: str,
    alpine_version: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Offer]:
    """A release, made of a tarball as `invoke release` does it."""
    if request.param is None:
        pytest.skip(f"no tarball: {PROVIDED_BY}")
    (path,) = (path for path in tarballs() if path.name == request.param)
    manifest, folder = Manifest.of_tarball(path), tmp_path_factory.mktemp("release")
    if manifest.target.alpine != alpine_version:
        pytest.skip(f"these tests have Alpine {alpine_version}: {PROVIDED_BY}")
    for file in (path, receipt.path_of(path)):
        shutil.copy(file, folder)
    with_record(wheel(folder, tag=musl_tag(manifest)))
    for url in serve_folder(folder / "site"):
        index = gather(folder, folder / "site", url, print)
        recorder = Recorder(load_policy(ROOT))
        alpine = CleanAlpine(workspace(ROOT, engine), base_image, folder, timeout=600)
        with alpine.image(manifest, file_digest(path), recorder) as image:
            assert image is not None
            yield Offer(index.tarballs[0], url, engine, image)


@pytest.fixture(scope="module")
def musl_uv(served: Offer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with uv's program for musl, if it can install what is served."""
    if served.tarball.language == "2.7" or served.tarball.target.arch != "x86_64":
        pytest.skip(f"uv has no Python 2, and its program here is for x86_64: {PROVIDED_BY}")
    folder = tmp_path_factory.mktemp("uv")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--only-binary=:all:", "--platform=musllinux_1_1_x86_64", "--dest", str(folder)]
    subprocess.run([*command, f"uv=={version('uv')}"], check=True)
    (path,) = folder.iterdir()
    with zipfile.ZipFile(path) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/scripts/uv"))
        (folder / "uv").write_bytes(archive.read(name))
    (folder / "uv").chmod(0o755)
    folder.chmod(0o755)
    return folder


def test_uv_installs_it_and_works_with_it(served: Offer, musl_uv: Path) -> None:
    tarball = served.tarball
    done = served.run(UV, Mount(musl_uv, "/uv"), LANGUAGE=tarball.language, CODE=CODE)
    print(done.output)
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert lines.count(f"is PyPy {tarball.python} 42") == 2
    assert f" + pypy-{tarball.python}-linux-x86_64-musl (pypy{tarball.language})" in lines


@pytest.fixture(scope="session")
def python_build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with python-build and a bash that needs no libraries."""
    program, bash = shutil.which("python-build"), shutil.which("bash-static")
    if program is None:
        pytest.skip(
            "git clone https://github.com/pyenv/pyenv, and put its plugins/python-build/bin into"
            " PATH: python-build is not here"
        )
    if bash is None:
        pytest.skip(
            "apt-get install bash-static: python-build runs in bash, which a clean Alpine lacks"
        )
    folder = tmp_path_factory.mktemp("pyenv")
    folder.chmod(0o755)
    shutil.copytree(Path(program).resolve().parents[1], folder / "python-build")
    shutil.copy(bash, folder / "bash")
    return folder


def test_python_build_installs_it(served: Offer, python_build: Path) -> None:
    name = served.tarball.target.definition
    done = served.run(PYENV, Mount(python_build, "/pyenv"), NAME=name)
    print(done.output)
    assert done.exit_code == 0, done.output
    assert f"Installed {served.tarball.target.folder} to /tmp/pypy" in done.output
    assert f"(python {served.tarball.language})" in done.output.splitlines()[-1]


@pytest.fixture(scope="session")
def mise() -> tuple[Mount, ...]:
    """This machine's mise, and the libraries that it needs."""
    program = shutil.which("mise")
    if program is None:
        pytest.skip("npm install --global @jdxcode/mise: mise is not here")
    command = ["ldd", str(Path(program).resolve())]
    needs = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
    libraries = {word for word in needs if word.startswith("/")}
    return (
        Mount(Path(program).resolve(), "/usr/bin/mise"),
        *(Mount(Path(library).resolve(), library) for library in sorted(libraries)),
    )


def test_mise_installs_it(served: Offer, mise: tuple[Mount, ...]) -> None:
    packed = served.tarball.gzip
    assert packed is not None
    told = {"FILE": packed.name.replace("+", "%2B"), "SHA256": packed.sha256}
    done = served.run(MISE, *mise, **told)
    print(done.output)
    assert done.exit_code == 0, done.output
    assert "/installs/http-pypy/1/" in done.output.splitlines()[-1]
