"""Wheels that PyPI has for PyPy, with a real PyPy: those for musl import, those for glibc do not.

maturin names the modules in both alike, ...-linux-gnu.so. pip on this machine downloads the wheels
from the index that it is set up for; the PyPy's own pip installs them without a network.
"""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from alpypy.core.files import file_digest
from alpypy.engine.docker import Engine
from alpypy.engine.job import Completed, Job, Mount
from alpypy.recipes.manifest import Manifest
from alpypy.recipes.spec import PypyVersion, Target
from alpypy.verify import static
from alpypy.verify.findings import Recorder, load_policy
from alpypy.verify.probes import CleanAlpine
from tests.tarballs import PROVIDED_BY, of_python_3, tarballs
from tests.workspaces import workspace

pytestmark = pytest.mark.timeout(1800)
ROOT = Path(__file__).resolve().parents[3]
FOR_MUSL = ("musllinux_1_2_x86_64", "musllinux_1_1_x86_64")
FOR_GLIBC = ("manylinux_2_17_x86_64", "manylinux2014_x86_64", "manylinux_2_28_x86_64")
INSTALLED = """
set -e
"$PYPY" -m venv /tmp/venv
cd /tmp/venv
bin/python -m pip install --quiet --no-index --find-links /wheels rpds-py pydantic
bin/python -c '
import pydantic, rpds
class Point(pydantic.BaseModel):
    x: int
print(rpds.HashTrieMap({1: 2}).get(1), Point(x="3").x, rpds.rpds.__file__)
'
"""
REFUSED = """
import sys
sys.path.insert(0, "/wheels")
try:
    import rpds
except ImportError as error:
    print(error)
print([line for line in open("/proc/self/maps") if "rpds" in line])
"""


OF_PYTHON_3: list[str | None] = [path.name for path in tarballs() if of_python_3(path)]


@pytest.fixture(scope="module", params=OF_PYTHON_3 or [None])
def tarball(request: pytest.FixtureRequest) -> Path:
    """A PyPy of Python 3."""
    if request.param is None:
        pytest.skip(f"no PyPy of Python 3: {PROVIDED_BY}")
    return next(path for path in tarballs() if path.name == request.param)


@pytest.fixture(scope="module")
def run(
    tarball: Path, engine: Engine, base_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[Path, list[str]], Completed]]:
    """Run a command in a clean Alpine, with the PyPy, with a folder at /wheels, with no network."""
    folder, recorder = tmp_path_factory.mktemp("pypy"), Recorder(load_policy(ROOT))
    unpacked = static.unpack(tarball, folder / "unpacked", recorder)
    assert unpacked is not None
    assert unpacked.manifest is not None
    pypy = Mount(unpacked.folder, "/opt/pypy")
    place = CleanAlpine(workspace(ROOT, engine), base_image, folder, timeout=600)
    environment = {"PYPY": "/opt/pypy/bin/pypy", "HOME": "/tmp"}
    with place.image(unpacked.manifest, file_digest(tarball), recorder) as image:
        assert image is not None
        yield lambda wheels, command: engine.run(
            Job(image, command, (pypy, Mount(wheels, "/wheels")), environment)
        )


def test_a_pypy_of_python_3_is_there() -> None:
    if not tarballs():
        pytest.skip(f"{PROVIDED_BY}: pip installs wheels of PyPI with that PyPy")
    assert any(map(of_python_3, tarballs())), "none of the tarballs is a PyPy of Python 3"


def download(target: Target, platforms: tuple[str, ...], project: str, out: Path) -> None:
    """Have pip download a wheel for a PyPy, and what it depends on; the test is skipped if the
    index has none for that PyPy."""
    version = PypyVersion.parse(target.release)
    python = version.language.replace(".", "")
    release = "".join(version.release.split(".")[:2])
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary", ":all:"]
    command += ["--implementation", "pp", "--python-version", version.language, "--dest", str(out)]
    command += [f"--abi=pypy{python}_pp{release}", "--abi=none"]
    command += [f"--platform={platform}" for platform in platforms]
    done = subprocess.run([*command, project], capture_output=True, text=True, check=False)
    if "No matching distribution found" in done.stderr:
        pytest.skip(f"the index has no such wheel of {project} for PyPy {version}: {PROVIDED_BY}")
    assert done.returncode == 0, done.stderr


def test_wheels_for_musl_import(
    tarball: Path, run: Callable[[Path, list[str]], Completed], tmp_path: Path
) -> None:
    for project in ("rpds-py", "pydantic"):
        download(Manifest.of_tarball(tarball).target, FOR_MUSL, project, tmp_path)
    done = run(tmp_path, ["sh", "-c", INSTALLED])
    assert done.exit_code == 0, done.output
    assert done.output.strip().startswith("2 3 /tmp/venv/lib/"), done.output
    assert done.output.strip().endswith("-linux-gnu.so"), done.output


def test_a_module_for_glibc_is_refused(
    tarball: Path, run: Callable[[Path, list[str]], Completed], tmp_path: Path
) -> None:
    download(Manifest.of_tarball(tarball).target, FOR_GLIBC, "rpds-py", tmp_path)
    (wheel,) = tmp_path.iterdir()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    done = run(tmp_path, ["/opt/pypy/bin/pypy", "-c", REFUSED])
    assert done.exit_code == 0, done.output
    assert "was built for glibc (it needs libc.so.6), and this PyPy runs on musl" in done.output
    assert done.output.endswith("[]\n"), "it was loaded"
