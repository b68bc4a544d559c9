"""Run-time images for real: built, run in the ways that people run them, weighed, pushed.

A PyPy takes hours to make, so a CPython 2.7 on Alpine stands in for one: it is packed as a PyPy is,
needs libraries of Alpine packages and brings pip in the same way. With ALPYPY_TEST_TARBALLS, a
folder of tarballs that verify has passed, the same is done with real PyPys.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests
from docker.errors import ContainerError
from msgspec import structs

from alpypy.build.base_image import find_base
from alpypy.build.images import BootstrapImage
from alpypy.core import elf, folders
from alpypy.core.errors import DigestError, ImageError, PushError
from alpypy.core.files import file_digest
from alpypy.core.system import read_system
from alpypy.engine import registry
from alpypy.engine.docker import Engine
from alpypy.engine.job import Job
from alpypy.images.runtime import ImageRequest, make, resolve
from alpypy.offline import kit
from alpypy.recipes.manifest import Manifest, Need
from alpypy.recipes.recipe import load_catalog
from alpypy.recipes.spec import Target
from alpypy.verify import receipt
from alpypy.verify.run import Report
from tests.manifests import MANIFEST, pack
from tests.tarballs import PROVIDED_BY, VARIABLE, tarballs
from tests.workspaces import workspace

pytestmark = pytest.mark.timeout(3600)
ROOT = Path(__file__).resolve().parents[3]
RELEASE = "2.7-7.3.22"
# Large parts of the library that no test here needs.
UNUSED = ("idlelib", "lib-tk", "lib2to3", "pydoc_data", "site-packages")
SYSTEM = ROOT / "dockerfiles/verify/probes/system.sh"
OCI = "org.opencontainers.image."
WAITING = """
import signal, sys, time
{handler}
print("ready")
sys.stdout.flush()
time.sleep(100)
"""
HANDLER = "signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(7))"
PROBE = """\
#include <Python.h>
static PyMethodDef methods[] = {{NULL, NULL, 0, NULL}};
#if PY_MAJOR_VERSION >= 3
static struct PyModuleDef probe = {PyModuleDef_HEAD_INIT, "probe", NULL, -1, methods};
PyMODINIT_FUNC PyInit_probe(void) { return PyModule_Create(&probe); }
#else
PyMODINIT_FUNC initprobe(void) { Py_InitModule("probe", methods); }
#endif
"""
BUILD = """\
import imp, subprocess, sysconfig
suffix = [one[0] for one in imp.get_suffixes() if one[2] == imp.C_EXTENSION][0]
include = sysconfig.get_paths()["include"]
command = ["gcc", "-shared", "-fPIC", "-I" + include, "-o", "/out/probe" + suffix, "/tmp/probe.c"]
subprocess.check_call(command)
"""
# The kit's compiler inside the -dev image, as `apk add gcc musl-dev` where Alpine is in reach.
COMPILE = """\
FROM {kit} AS kit
FROM {dev} AS compiled
LABEL org.alpypy.test={mark}
COPY --from=kit /var/lib/alpypy-kit /var/lib/alpypy-kit
COPY --from=kit /etc/apk/keys /etc/apk/keys
COPY --from=kit /etc/apk/repositories /etc/apk/repositories
RUN apk add --no-cache gcc musl-dev
COPY probe.c build.py /tmp/
RUN mkdir /out && python /tmp/build.py
FROM {image}
COPY --from=compiled /out /srv
"""


@dataclass
class Project:
    """A copy of the project's data with one tarball, and the images that were made of it."""

    root: Path
    engine: Engine
    target: Target
    repository: str
    said: list[str] = field(default_factory=list)

    def make(self, **wanted: Any) -> str:
        """Make an image and give its name."""
        wanted = {"repository": self.repository, **wanted}
        cache = folders.cache_folder()
        own = workspace(self.root, self.engine, cache, self.said.append)
        plan = resolve(own, ImageRequest(self.target, **wanted))
        self.said.clear()
        make(own, plan)
        return plan.reference

    def run(self, reference: str, *command: str, **options: Any) -> str:
        """Output of a command in a container without rights; raises ContainerError."""
        strict = {
            "network_mode": "none",
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges"],
            "init": False,
        }
        output = self.engine.client.containers.run(
            reference, list(command) or None, remove=True, stderr=True, **{**strict, **options}
        )
        return bytes(output).decode().strip()


def packed(source: Path, work: Path, target: Target, system: str) -> Path:
    """The stand-in's tree as a tarball of a PyPy, marked as verified."""
    files = [elf.read(path, str(path.relative_to(source))) for path in elf.find(source)]
    providers = read_system(system).providers
    needed = tuple(Need(name, providers[name]) for name in elf.outside_needs(files))
    manifest = structs.replace(
        MANIFEST,
        target=target,
        image=structs.replace(MANIFEST.image, kit=True),
        executables=("bin/python2.7",),
        needed=needed,
        runtime_packages=tuple(sorted({need.package for need in needed})),
    )
    return pack_verified(manifest, work, source)


def pack_verified(manifest: Manifest, folder: Path, tree: Path) -> Path:
    path = pack(manifest, folder, tree)
    receipt.keep(path, Report(path.name, file_digest(path), (), 1, 1.0, "2026-11-21T14:05:00Z"))
    return path


@pytest.fixture(scope="module")
def bootstrap(engine: Engine, base_image: str, cache: Path, alpine_version: str) -> str:
    """An image with a CPython 2.7 that has OpenSSL; built where the engine has none."""
    own = workspace(ROOT, engine, cache)
    recipe = load_catalog(ROOT).recipe(Target("3.11-7.3.22", alpine_version))
    base = find_base(own, recipe.alpine, "x86_64", base_image)
    return own.store.run(BootstrapImage(own, recipe, base, engine.processors)).id


@pytest.fixture(scope="module")
def tree(copy_python2: Callable[[str], Path], bootstrap: str) -> Path:
    """That CPython, with a test and bytecode to leave out."""
    folder = copy_python2(bootstrap)
    library = folder / "lib/python2.7"
    for name in UNUSED:
        shutil.rmtree(library / name)
    (library / "site-packages").mkdir()
    for name in ("test/test_nothing.py", "os.pyc"):
        (library / name).parent.mkdir(exist_ok=True)
        (library / name).write_text("")
    assert list(folder.rglob("*.a")), "there is no static library to leave out"
    return folder


@pytest.fixture(scope="module")
def stand_in(
    engine: Engine,
    tree: Path,
    bootstrap: str,
    alpine_version: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """Its tarball."""
    system = engine.run(Job(bootstrap, ["sh", "-c", SYSTEM.read_text()])).output
    work = tmp_path_factory.mktemp("stand-in")
    return packed(tree, work, Target(RELEASE, alpine_version), system)


@pytest.fixture(scope="module", params=["stand-in", *(path.name for path in tarballs())])
def tarball(request: pytest.FixtureRequest) -> Path:
    """What images are made of."""
    if request.param == "stand-in":
        return Path(request.getfixturevalue("stand_in"))
    return Path(os.environ[VARIABLE], request.param)


def test_real_pypys_are_among_the_tarballs() -> None:
    if VARIABLE not in os.environ:
        pytest.skip(f"{PROVIDED_BY}: all tests here are run with that PyPy too")
    assert tarballs(), f"{VARIABLE} names a folder without tarballs"


def project_of(tarball: Path, work: Path, engine: Engine) -> Project:
    for name in ("versions", "patches", "dockerfiles"):
        shutil.copytree(ROOT / name, work / name)
    (work / "artifacts").mkdir()
    for path in (tarball, receipt.path_of(tarball)):
        shutil.copy(path, work / "artifacts")
    target = Manifest.of_tarball(tarball).target
    return Project(work, engine, target, f"alpypy-test/{uuid.uuid4().hex[:12]}")


def forget(project: Project) -> None:
    for found in project.engine.client.images.list(f"{project.repository}*"):
        for name in found.tags:
            if name.startswith(project.repository):  # it may be somebody's image too
                project.engine.remove_image(name)


@pytest.fixture(scope="module")
def project(
    tarball: Path, engine: Engine, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    """A project with the tarball; its images go at the end."""
    made = project_of(tarball, tmp_path_factory.mktemp("project"), engine)
    yield made
    forget(made)


@pytest.fixture(scope="module")
def runtime(project: Project) -> str:
    """The default image."""
    return project.make()


@pytest.fixture(scope="module")
def dev(project: Project) -> str:
    """The -dev image."""
    return project.make(dev=True)


def python(code: str) -> tuple[str, ...]:
    return ("python", "-c", code)


def test_it_is_made_once(project: Project, runtime: str, engine: Engine) -> None:
    first = engine.image_id(runtime)
    again = project.make()
    assert (again, engine.image_id(again), project.said) == (runtime, first, [])
    other = project.make(repository=f"{project.repository}-too")
    assert engine.image_id(other) == first


def test_a_fresh_one_takes_its_place(project: Project, runtime: str, engine: Engine) -> None:
    first = engine.image_id(runtime)
    assert project.make(fresh=True) == runtime
    fresh = engine.image_id(runtime)
    assert fresh != first
    installs = any(line.startswith("  installing so:") for line in project.said)
    assert installs != project.target.portable
    project.make()
    assert engine.image_id(runtime) == fresh


def test_a_tarball_that_is_exchanged_meanwhile_is_in_no_image(
    project: Project, runtime: str, engine: Engine, cache: Path
) -> None:
    first = engine.image_id(runtime)
    own = workspace(project.root, engine, folders.cache_folder())
    plan = resolve(own, ImageRequest(project.target, project.repository, fresh=True))
    content = plan.tarball.read_bytes()
    plan.tarball.write_bytes(content + b"\0")
    try:
        with pytest.raises(DigestError, match="is not the file that was verified"):
            make(own, plan)
    finally:
        plan.tarball.write_bytes(content)
    assert engine.image_id(runtime) == first


def test_what_is_thrown_away_is_gone(project: Project, runtime: str, engine: Engine) -> None:
    assert engine.client.images.list(filters={"label": "org.alpypy.stage"}) == []


def test_an_image_that_somebody_made_from_it_is_not_taken_for_it(
    project: Project, runtime: str, engine: Engine, tmp_path: Path
) -> None:
    first = engine.image_id(runtime)
    (tmp_path / "Dockerfile").write_text(f'FROM {runtime}\nCMD ["true"]\n')
    tag = f"{project.repository}:theirs"
    theirs = engine.build(tmp_path, tag=tag, arguments={}, labels={}, network=False)
    assert theirs != first
    assert engine.image_id(project.make()) == first
    engine.remove_image(runtime)
    assert engine.image_id(project.make()) != theirs


def test_every_name_is_on_the_path(project: Project, runtime: str) -> None:
    language = project.target.release.partition("-")[0]
    for name in ("pypy", "python", f"pypy{language[0]}", f"python{language}"):
        said = project.run(runtime, name, "-c", "import sys; print(sys.version[:4])")
        assert said.startswith(language), name
    for name in ("pip", f"pip{language[0]}"):
        assert " from /opt/pypy/" in project.run(runtime, name, "--version")


def test_its_command_is_the_interpreter(project: Project, runtime: str, engine: Engine) -> None:
    config = engine.client.images.get(runtime).attrs["Config"]
    assert config["Cmd"] == ["pypy" if project.target.release.startswith("2") else "pypy3"]
    assert config["Entrypoint"] is None
    assert "LANG=C.UTF-8" in config["Env"]
    assert any(one.startswith("PATH=/opt/pypy/bin:") for one in config["Env"])


def test_its_labels_and_its_record(project: Project, runtime: str, engine: Engine) -> None:
    labels = engine.client.images.get(runtime).labels
    tarball = project.root / "artifacts" / project.target.tarball
    manifest = Manifest.of_tarball(tarball)
    assert labels[f"{OCI}version"] == project.target.version
    assert labels[f"{OCI}source"].startswith("https://")
    revision = manifest.source.commit or f"sha256:{manifest.source.sha256}"
    assert labels[f"{OCI}revision"] == revision
    assert labels[f"{OCI}base.digest"].startswith("sha256:")
    assert labels[f"{OCI}base.name"]
    assert labels["org.alpypy.tarball"] == file_digest(tarball)
    assert Manifest.from_json(project.run(runtime, "cat", "/opt/pypy/ALPYPY.json")) == manifest


def test_it_has_two_layers_more_than_alpine(project: Project, runtime: str, engine: Engine) -> None:
    layers = engine.client.images.get(runtime).attrs["RootFS"]["Layers"]
    base = kit.made_on(engine, project.target.alpine)
    below = engine.client.images.get(base).attrs["RootFS"]["Layers"]
    assert layers[:-2] == below


def test_what_is_in_it_and_what_is_not(project: Project, runtime: str, dev: str) -> None:
    find = "cd /opt/pypy && find . -name '*.pyc' -o -name '*.a' -o -name test -o -name tests"
    assert project.run(runtime, "sh", "-c", find) == ""
    assert project.run(dev, "sh", "-c", find) == ""
    headers = "find /opt/pypy -name Python.h"
    assert project.run(runtime, "sh", "-c", headers) == ""
    assert "include" in project.run(dev, "sh", "-c", headers)
    # The kit's repository and compiler stay in the kit.
    assert project.run(runtime, "sh", "-c", "ls /var/lib; command -v gcc || true").split() == (
        project.run(kit_base(project), "sh", "-c", "ls /var/lib").split()
    )
    importing = "import unittest, ensurepip, ssl, sqlite3, ctypes, curses, bz2, pydoc"
    project.run(runtime, *python(f"{importing}; curses.setupterm('xterm', 1)"))


def kit_base(project: Project) -> str:
    return kit.made_on(project.engine, project.target.alpine)


def test_its_libraries_are_known_to_apk(project: Project, runtime: str) -> None:
    tarball = project.root / "artifacts" / project.target.tarball
    manifest = Manifest.of_tarball(tarball)
    assert manifest.needed, "it needs no library: nothing is tested"
    for need in manifest.needed:
        project.run(runtime, "apk", "info", "-e", f"so:{need.soname}")
    world = project.run(runtime, "cat", "/etc/apk/world")
    assert ".pypy-rundeps" in world


@pytest.mark.parametrize("user", ["1000:1000", "4711:4711", "root"])
def test_any_user_and_a_root_file_system_that_is_read_only(
    project: Project, runtime: str, user: str
) -> None:
    code = "import os, ssl, sqlite3; print(os.getuid())"
    number = "0" if user == "root" else user.partition(":")[0]
    assert project.run(runtime, *python(code), user=user, read_only=True) == number
    assert "pip " in project.run(runtime, "pip", "--version", user=user, read_only=True)


@pytest.mark.parametrize("handled", [True, False])
def test_docker_stop_reaches_the_interpreter(
    project: Project, runtime: str, engine: Engine, handled: bool
) -> None:
    """As process 1 a program without a handler does not see SIGTERM: the kernel's rule."""
    code = WAITING.format(handler=HANDLER if handled else "")
    container = engine.client.containers.run(
        runtime, list(python(code)), detach=True, network_mode="none", init=False
    )
    try:
        for line in container.logs(stream=True):
            assert line.strip() == b"ready"
            break
        started = time.monotonic()
        container.stop(timeout=60 if handled else 2)
        took = time.monotonic() - started
        exit_code = container.wait()["StatusCode"]
    finally:
        container.remove(force=True)
    assert exit_code == (7 if handled else 128 + signal.SIGKILL)
    assert took < 45


def test_an_init_ends_a_program_without_a_handler(
    project: Project, runtime: str, engine: Engine
) -> None:
    container = engine.client.containers.run(
        runtime, list(python(WAITING.format(handler=""))), detach=True, init=True
    )
    try:
        next(iter(container.logs(stream=True)))
        container.stop(timeout=60)
        assert container.wait()["StatusCode"] == 128 + signal.SIGTERM
    finally:
        container.remove(force=True)


def test_an_extension_is_compiled_in_dev_and_runs_in_the_other(
    project: Project, runtime: str, dev: str, engine: Engine, tmp_path: Path
) -> None:
    kit_image = kit.reference(project.target.alpine)
    mark = uuid.uuid4().hex
    text = COMPILE.format(kit=kit_image, dev=dev, image=runtime, mark=mark)
    (tmp_path / "Dockerfile").write_text(text)
    (tmp_path / "probe.c").write_text(PROBE)
    (tmp_path / "build.py").write_text(BUILD)
    tag = f"{project.repository}:extension"
    engine.build(tmp_path, tag=tag, arguments={}, labels={}, network=False)
    for stage in engine.client.images.list(filters={"label": f"org.alpypy.test={mark}"}):
        engine.remove_image(str(stage.id))
    said = project.run(tag, *python("import probe; print(probe.__name__)"), working_dir="/srv")
    assert said == "probe"


def test_an_image_that_fails_its_check_is_not_made(
    engine: Engine, tree: Path, stand_in: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "tree"
    shutil.copytree(tree, broken, symlinks=True)
    for path in broken.rglob("_ssl*.so"):
        path.unlink()
    path = pack_verified(Manifest.of_tarball(stand_in), tmp_path / "work", broken)
    project = project_of(path, tmp_path / "project", engine)
    with pytest.raises(ImageError, match="No module named _ssl"):
        project.make()
    assert engine.image_id(f"{project.repository}:{RELEASE}-alpine3.23") is None


def test_a_library_that_no_package_has_is_an_error(
    engine: Engine, tree: Path, stand_in: Path, tmp_path: Path
) -> None:
    manifest = Manifest.of_tarball(stand_in)
    wrong = structs.replace(manifest, needed=(*manifest.needed, Need("libnone.so.9", "none")))
    path = pack_verified(wrong, tmp_path, tree)
    project = project_of(path, tmp_path / "project", engine)
    with pytest.raises(ImageError, match=r"so:libnone\.so\.9 \(no such package\)"):
        project.make()


@dataclass(frozen=True)
class Registry:
    """A registry on loopback."""

    address: str

    def manifest(self, repository: str, digest: str) -> dict[str, Any]:
        """What it says of an image."""
        accept = {"Accept": "application/vnd.docker.distribution.manifest.v2+json"}
        url = f"http://{self.address}/v2/{repository}/manifests/{digest}"
        answer = requests.get(url, headers=accept, timeout=30)
        answer.raise_for_status()
        return dict(answer.json())


# Of the user "somebody" with the password "secret".
LOGINS = "somebody:$2y$05$1s6JqiqvJbO1AZSSYEzsIuyC7W9LLqsvV/QPU5zBgNmbu9ZkLyNvS\n"


def start_registry(work: Path, more: str) -> tuple[subprocess.Popen[bytes], str]:
    program = shutil.which("docker-registry")
    if program is None:
        pytest.skip("apt-get install docker-registry")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    config = work / "config.yml"
    config.write_text(
        f"version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {work}/data\n"
        f"http:\n  addr: {address}\n{more}"
    )
    with (work / "log").open("wb") as log:
        running = subprocess.Popen([program, "serve", str(config)], stdout=log, stderr=log)
    for _ in range(100):
        try:
            requests.get(f"http://{address}/v2/", timeout=5)
        except requests.ConnectionError:
            time.sleep(0.2)
        else:
            return running, address
    running.kill()
    raise AssertionError((work / "log").read_text())


@pytest.fixture
def open_registry(tmp_path: Path) -> Iterator[Registry]:
    """One that anybody may write to."""
    running, address = start_registry(tmp_path, "")
    yield Registry(address)
    running.terminate()
    running.wait(30)


@pytest.fixture
def closed_registry(tmp_path: Path) -> Iterator[Registry]:
    """One that wants a login."""
    (tmp_path / "logins").write_text(LOGINS)
    more = f"auth:\n  htpasswd:\n    realm: here\n    path: {tmp_path}/logins\n"
    running, address = start_registry(tmp_path, more)
    yield Registry(address)
    running.terminate()
    running.wait(30)


def test_a_push_and_what_the_registry_keeps(
    project: Project, runtime: str, engine: Engine, open_registry: Registry
) -> None:
    name = project.make(repository=f"{open_registry.address}/team/alpine-pypy")
    try:
        said = list[str]()
        digest = registry.push(engine, name, said.append)
        assert said[-1] == f"pushed {open_registry.address}/team/alpine-pypy@{digest}"
        kept = open_registry.manifest("team/alpine-pypy", digest)
        assert len(kept["layers"]) == len(engine.facts(name)["RootFS"]["Layers"])
        assert registry.push(engine, name, said.append) == digest
    finally:
        engine.remove_image(name)


def test_a_push_without_a_login_is_refused(
    project: Project, runtime: str, engine: Engine, closed_registry: Registry
) -> None:
    name = project.make(repository=f"{closed_registry.address}/alpine-pypy")
    try:
        with pytest.raises(PushError, match="no basic auth credentials") as caught:
            registry.push(engine, name, print)
    finally:
        engine.remove_image(name)
    assert f"docker login {closed_registry.address}" in caught.value.remedy


def test_a_registry_that_does_not_answer(project: Project, runtime: str, engine: Engine) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        name = project.make(repository=f"127.0.0.1:{nobody.getsockname()[1]}/alpine-pypy")
        try:
            with pytest.raises(PushError, match="refused") as caught:
                registry.push(engine, name, print)
        finally:
            engine.remove_image(name)
    assert "the engine cannot reach" in caught.value.remedy


def test_what_ends_badly_in_a_container_is_seen_here(project: Project, runtime: str) -> None:
    """The tests above that expect no error would say nothing without this."""
    with pytest.raises(ContainerError):
        project.run(runtime, *python("import none"))
