"""A release's repository and the apk of real Alpines: add, run, upgrade, verify, remove.

The PyPys are shell scripts that need nothing but the base image. With ALPYPY_TEST_TARBALLS, a real
one is installed on its Alpine too, and runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from docker.errors import ContainerError

from alpypy.core.errors import UnverifiedError
from alpypy.engine.docker import Engine
from alpypy.publish.apk_key import ApkKey, load_key
from alpypy.publish.apk_layout import package_name, unfit
from alpypy.publish.apk_repository import write_repository
from alpypy.publish.index import ReleasedTarball, ReleaseIndex
from alpypy.recipes.manifest import Manifest
from alpypy.recipes.spec import Target
from alpypy.verify import receipt
from tests.alpine_packages import LONG, made_up, write_key
from tests.loopback import serve_folder
from tests.tarballs import PROVIDED_BY, VARIABLE, tarballs

pytestmark = pytest.mark.timeout(3600)
ALPINES = ("3.9", "3.20", "3.23")  # with apk 2.10, 2.14 and 3.0
STABLE = {"3.11-8.0.0", "3.11-8.0.1"}
# So that nothing but this repository can answer.
SETUP = """\
: > /etc/apk/repositories
files() { find / -xdev -path /tmp -prune -o -print | sort > /tmp/$1; }
files before
wget -q -P /etc/apk/keys {address}/keys/{key}
from() { release=$1; shift; apk "$@" --no-cache --repository {address}/$release/apk/v{alpine}; }
"""
MADE_UP = """\
from first add pypy3 pypy3.12 pypy3-dev pypy3-tests
test "$(pypy3) $(pypy3.11) $(pypy3.12)" = "3.11-8.0.0 3.11-8.0.0 3.12-8.0.0-alpha+1"
test "$(readlink /usr/bin/pypy3)" = pypy3.11
cat /usr/include/pypy3.11/Python.h /usr/lib/pypy3.11/test/{long}/{long}.py
test -z "$(apk audit --system | grep pypy)"
mkdir /usr/lib/pypy3.11/__pycache__ /usr/lib/pypy3.11/test/{long}/__pycache__
touch /usr/lib/pypy3.11/__pycache__/os.pyc /usr/lib/pypy3.11/test/{long}/__pycache__/x.pyc
for name in pypy3.11-8.0.0-r0 pypy3.11-dev-8.0.0-r0 pypy3-8.0.0_p311-r0; do
    wget -q -P /tmp {address}/first/apk/v{alpine}/x86_64/$name.apk
    apk verify /tmp/$name.apk
done
apk version --check 8.0.0-r0 8.0.0_p311-r0 8.0.0_rc1_p312-r0 8.0.0_alpha_git20261121_p312-r0
older() { test "$(apk version -t $1 $2)" = "<"; }
older 8.0.0_alpha_git20261121-r0 8.0.0_alpha_git20261122-r0
older 8.0.0_alpha_git20261122_p311-r0 8.0.0_p311-r0
from second upgrade
test "$(pypy3)" = 3.11-8.0.1
test -z "$(find /usr/lib/pypy3.11 -name __pycache__)"
mkdir /usr/lib/pypy3.11/__pycache__ /usr/lib/pypy3.11/test/{long}/__pycache__
touch /usr/lib/pypy3.11/__pycache__/os.pyc /usr/lib/pypy3.11/test/{long}/__pycache__/x.pyc
"""
# The second release is in Alpine's place here: it has newer packages of the same names.
TAGGED = """\
echo {address}/second/apk/v{alpine} > /etc/apk/repositories
apk add --no-cache pypy3
test "$(pypy3)" = 3.11-8.0.1
echo @alpypy {address}/first/apk/v{alpine} >> /etc/apk/repositories
apk add --no-cache pypy3@alpypy
test "$(pypy3)" = 3.11-8.0.0
apk upgrade --no-cache
test "$(pypy3)" = 3.11-8.0.0
"""
REMOVE = """\
apk del $(apk info | grep pypy)
rm /etc/apk/keys/{key}
files after
diff /tmp/before /tmp/after
if from {release} add pypy3; then exit 9; fi
"""
REAL = """\
cat /var/lib/alpypy-kit/repository/x86_64/APKINDEX.tar.gz > /dev/null
echo /var/lib/alpypy-kit/repository > /etc/apk/repositories
from real add pypy3 pypy3-dev pypy3-tests
pypy3 -c 'import sys, ssl, sqlite3, lzma, curses; print(sys.version); print(sys.prefix)'
pypy3 -c 'import test.support, _testcapi, _ctypes_test'
test -z "$(apk audit --system | grep pypy)"
apk add gcc musl-dev
printf '#include <Python.h>\\nint there;\\n' > /tmp/there.c
gcc -c -o /tmp/there.o "-I$(pypy3 -c 'import sysconfig; print(sysconfig.get_path("include"))')" \\
    /tmp/there.c
pypy3 -m venv /tmp/v && /tmp/v/bin/pip --version
test -n "$(find /usr/lib/pypy3* -name __pycache__)"
apk del gcc musl-dev
"""


@dataclass(frozen=True)
class Server:
    """Releases by name below an address, all signed with a key."""

    folder: Path
    address: str
    key: ApkKey

    def release(self, name: str, *made: ReleasedTarball) -> None:
        """Write the repository of a release whose tarballs are in its folder."""
        folder = self.folder / name
        write_repository(ReleaseIndex.of(made, None), folder, self.key, STABLE, print)
        (self.folder / "keys").mkdir(exist_ok=True)
        (self.folder / "keys" / self.key.name).write_bytes(self.key.public)

    def script(self, text: str, alpine: str, release: str) -> str:
        """Commands with the addresses in place of their names in braces."""
        words = {"{address}": self.address, "{key}": self.key.name, "{alpine}": alpine}
        for name, value in {**words, "{release}": release, "{long}": LONG}.items():
            text = text.replace(name, value)
        return text


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    key = load_key(write_key(tmp_path / "own.rsa"))
    folder = tmp_path / "served"
    folder.mkdir()
    for address in serve_folder(folder):
        yield Server(folder, address, key)


def run(engine: Engine, image: str, script: str) -> str:
    """What a script says in a container that is an ordinary user's: apk 2.10 runs the scripts of
    packages in a chroot, which alpypy's own containers may not make."""
    command = ["sh", "-exc", f"exec >&2\n{script}"]  # all on stderr, which the error has
    try:
        said = engine.client.containers.run(
            image, command, network_mode="host", stderr=True, remove=True
        )
    except ContainerError as error:
        pytest.fail(str(error.stderr), pytrace=False)
    return bytes(said).decode()


def image_of(engine: Engine, alpine: str) -> str:
    if engine.rootless:
        pytest.skip("loopback of this machine is out of reach for containers of this engine")
    name = f"alpine:{alpine}"
    if engine.image_id(name) is None:
        pytest.skip(f"docker pull {name}")
    return name


def two_releases(server: Server, alpine: str) -> None:
    for name, release in {"first": "3.11-8.0.0", "second": "3.11-8.0.1"}.items():
        stable = made_up(server.folder / name, Target(release, alpine))
        tree = Target("3.12-8.0.0-alpha", alpine, release_version="3.12-8.0.0-alpha+1")
        server.release(name, stable, made_up(server.folder / name, tree))


@pytest.mark.parametrize("alpine", ALPINES)
def test_apk_adds_upgrades_and_removes(engine: Engine, alpine: str, server: Server) -> None:
    image = image_of(engine, alpine)
    two_releases(server, alpine)
    said = run(engine, image, server.script(SETUP + MADE_UP + REMOVE, alpine, "second"))
    assert "UNTRUSTED signature" in said


@pytest.mark.parametrize("alpine", ALPINES)
def test_a_tagged_repository_comes_before_newer_packages_of_others(
    engine: Engine, alpine: str, server: Server
) -> None:
    image = image_of(engine, alpine)
    two_releases(server, alpine)
    said = run(engine, image, server.script(SETUP + TAGGED, alpine, "second"))
    assert "pypy3.11" in said


def chosen() -> list[Path]:
    return [path for path in tarballs() if not unfit(Manifest.of_tarball(path))]


@pytest.mark.parametrize("tarball", chosen() or [None], ids=lambda path: path and path.name)
def test_a_real_pypy(
    engine: Engine,
    base_image: str,
    alpine_version: str,
    tarball: Path | None,
    server: Server,
) -> None:
    if tarball is None:
        pytest.skip(PROVIDED_BY)
    manifest = Manifest.of_tarball(tarball)
    if manifest.target.alpine != alpine_version or engine.rootless:
        pytest.skip(f"needs a PyPy for Alpine {alpine_version}: {PROVIDED_BY}")
    try:
        report = receipt.require(tarball)
    except UnverifiedError as error:
        pytest.skip(f"{error.what}: {VARIABLE} has it unverified")
    (server.folder / "real").mkdir()
    (server.folder / "real" / tarball.name).symlink_to(tarball.resolve())
    server.release("real", ReleasedTarball(tarball.stat().st_size, report, manifest))
    said = run(engine, base_image, server.script(SETUP + REAL + REMOVE, alpine_version, "real"))
    assert package_name(manifest.target.release) in said
    assert "\n/usr\n" in said
