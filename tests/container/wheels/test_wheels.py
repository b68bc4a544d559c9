"""wheels for real: built, repaired, tried and wrapped up, from an index on this machine.

A PyPy takes hours to make, so the CPython 2.7 of the bootstrap image, packed as one, stands in: its
pip is older than musllinux, and what is built are modules in C.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from alpypy.core.errors import (
    AlpypyError,
    ArchiveError,
    DigestError,
    ImageError,
    SpecError,
    UnverifiedError,
    WheelError,
)
from alpypy.core.fetch import Fetcher
from alpypy.core.files import file_digest
from alpypy.core.unpack import unpack
from alpypy.engine.docker import Engine
from alpypy.engine.job import Job
from alpypy.offline import kit
from alpypy.recipes.manifest import Manifest
from alpypy.recipes.spec import PypyVersion, Target
from alpypy.verify import receipt
from alpypy.verify.run import Report
from alpypy.wheels.maker import WheelMaker, WheelsResult
from alpypy.wheels.pip import newer_pip
from alpypy.wheels.recipe import load_wheel_data
from alpypy.wheels.request import Request, read_interpreter, read_wanted
from tests.manifests import MANIFEST, pack
from tests.workspaces import workspace

pytestmark = pytest.mark.timeout(1800)
DATE = "2026-11-21T14:05:00Z"
ROOT = Path(__file__).resolve().parents[3]
RELEASE = "2.7-2.7.18"
SECRET = "hunter2-is-secret"
BOTH = "musllinux_1_2_x86_64.linux_x86_64"
# What a build asks the index for: the last versions for Python 2, and one for Python 3.
TOOLS = {"2.7": ("setuptools==44.1.1", "wheel==0.37.1"), "3.12": ("setuptools==80.9.0",)}
FIXTURES = ROOT / "tests/fixtures/wheels"


def sdist(name: str) -> bytes:
    """The source distribution of a project of the fixtures."""
    stream = io.BytesIO()
    information = f"Metadata-Version: 1.0\nName: {name}\nVersion: 1.0\n".encode()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        archive.add(FIXTURES / name, f"{name}-1.0")
        member = tarfile.TarInfo(f"{name}-1.0/PKG-INFO")
        member.size = len(information)
        archive.addfile(member, io.BytesIO(information))
    return stream.getvalue()


def pure_wheel() -> bytes:
    """A wheel that any Python takes."""
    stream = io.BytesIO()
    place = "tiny_pure-1.0.dist-info"
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("tinypure.py", "")
        archive.writestr(
            f"{place}/METADATA", "Metadata-Version: 2.1\nName: tiny-pure\nVersion: 1.0\n"
        )
        archive.writestr(
            f"{place}/WHEEL",
            "Wheel-Version: 1.0\nGenerator: a test\nRoot-Is-Purelib: true\nTag: py2.py3-none-any\n",
        )
        archive.writestr(f"{place}/RECORD", "")
    return stream.getvalue()


class Index(BaseHTTPRequestHandler):
    """A simple index (PEP 503) that asks for a login."""

    files: dict[str, bytes]

    def do_GET(self) -> None:
        login = base64.b64encode(f"person:{SECRET}".encode()).decode()
        parts = self.path.strip("/").split("/")
        if self.headers.get("Authorization") != f"Basic {login}":
            self.answer(401, b"", {"WWW-Authenticate": 'Basic realm="index"'})
        elif parts[0] == "files":
            self.answer(200, self.files[parts[1]], {})
        else:
            names = [one for one in self.files if project(one) == parts[1]]
            links = [f'<a href="/files/{one}#sha256={self.digest(one)}">{one}</a>' for one in names]
            self.answer(200 if links else 404, "\n".join(links).encode(), {})

    def digest(self, name: str) -> str:
        """The digest of a file; of one it is another's."""
        return hashlib.sha256(self.files[name] + b"lie" * name.startswith("tiny-lie")).hexdigest()

    def answer(self, code: int, body: bytes, headers: dict[str, str]) -> None:
        """Send an answer."""
        self.send_response(code)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        if code == 200 and not self.path.startswith("/files"):
            self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing."""


def project(file: str) -> str:
    """The project that a file of the index is of, as addresses spell it."""
    return re.sub(r"[-_.]+", "-", re.split(r"-\d", file)[0]).lower()


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an index with the projects above and what builds them, with its login."""
    folder = tmp_path_factory.mktemp("tools")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--dest", str(folder)]
    for version, tools in TOOLS.items():
        options = ["--python-version", version, "--implementation", "py", "--only-binary", ":all:"]
        subprocess.run([*command, *options, *tools], check=True)
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    names = [path.name for path in FIXTURES.iterdir() if path.is_dir()]
    files |= {f"{name}-1.0.tar.gz": sdist(name) for name in names}
    files["tiny_pure-1.0-py2.py3-none-any.whl"] = pure_wheel()
    handler = type("Serving", (Index,), {"files": files})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://person:{SECRET}@127.0.0.1:{server.server_address[1]}/simple/"
    server.shutdown()


@pytest.fixture(scope="module")
def tarball(
    engine: Engine,
    copy_python2: Callable[[str], Path],
    bootstrap_image: str,
    alpine_version: str,
    cache: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Path]:
    """The bootstrap image's CPython, packed as a PyPy; images made of it go after the tests. Its
    release is one of those that get a newer pip, which a test's own index does not have."""
    pip = newer_pip(ROOT, PypyVersion.parse(RELEASE))
    assert pip is not None
    Fetcher(cache).fetch(pip)
    manifest = structs.replace(
        MANIFEST,
        target=Target(RELEASE, alpine_version),
        image=structs.replace(MANIFEST.image, kit=True),
        executables=("bin/python2.7",),
        runtime_packages=("libffi",),
    )
    yield pack(manifest, tmp_path_factory.mktemp("artifacts"), copy_python2(bootstrap_image))
    for image in engine.client.images.list("alpypy-wheels"):
        for tag in image.tags:
            if RELEASE in tag:
                engine.remove_image(tag)


@dataclass
class Project:
    """A copy of the project with the tarball, and entries for the modules above."""

    root: Path
    cache: Path
    engine: Engine
    alpine: str
    said: list[str] = field(default_factory=list)

    @property
    def out(self) -> Path:
        """Where wheels come."""
        return self.root / "artifacts/wheels"

    def make(self, what: str, python: str = f"pypy{RELEASE}", **options: Any) -> WheelsResult:
        """`invoke wheels`."""
        alpine, packaged = options.pop("alpine", self.alpine), options.pop("release_version", None)
        portable = options.pop("portable", False)
        interpreter = read_interpreter(python, alpine, "x86_64", packaged, portable=portable)
        request = Request(read_wanted(what), interpreter, self.out, **options)
        data = load_wheel_data(self.root)
        own = workspace(self.root, self.engine, self.cache, self.said.append)
        return WheelMaker(own, data).make(request)

    def fails(self, what: str, kind: type[AlpypyError], **options: Any) -> AlpypyError:
        """What `invoke wheels` ends with; nothing is kept."""
        with pytest.raises(kind) as caught:
            self.make(what, **options)
        assert not list(self.out.glob("*"))
        return caught.value

    def record(self, wheel: Path) -> dict[str, Any]:
        """What is written beside a wheel."""
        record = json.loads(wheel.with_name(f"{wheel.name}.json").read_text())
        assert record["sha256"] == file_digest(wheel)
        return dict(record)


@pytest.fixture
def project_copy(
    tarball: Path,
    cache: Path,
    engine: Engine,
    index: str,
    alpine_version: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Project:
    """A project whose person has that index and no other."""
    for name in ("versions", "patches", "dockerfiles"):
        shutil.copytree(ROOT / name, tmp_path / name)
    with (tmp_path / "versions/wheels.toml").open("a") as stream:
        stream.write((FIXTURES / "wheels.toml").read_text())
    (tmp_path / "artifacts").mkdir()
    shutil.copy(tarball, tmp_path / "artifacts")
    copied = tmp_path / "artifacts" / tarball.name
    receipt.keep(copied, Report(copied.name, file_digest(copied), (), 1, 1.0, DATE))
    for name, value in (("INDEX_URL", index), ("EXTRA_INDEX_URL", ""), ("FIND_LINKS", "")):
        monkeypatch.setenv(f"PIP_{name}", value)
    return Project(tmp_path, cache, engine, alpine_version)


def test_a_module_its_dependencies_and_the_dockerfile_of_the_docs(project_copy: Project) -> None:
    kept = project_copy.make("tiny-lzma==1.0", image=True)
    wheels = {project(path.name): path for path in kept.wheels}
    assert wheels["tiny-lzma"].name == f"tiny_lzma-1.0-cp27-cp27mu-{BOTH}.whl"
    record = project_copy.record(wheels["tiny-lzma"])
    assert (record["kind"], record["packages"]) == ("musllinux", [])
    assert [one["package"] for one in record["bundled"]] == ["xz-libs"]
    assert re.fullmatch(r"liblzma-[0-9a-f]+\.so\.5.*", record["bundled"][0]["file"])
    assert set(record["tested"]["imported"]) == {"tinylzma", "tinybefore"}
    assert record["tested"]["smoke"].startswith("import tinylzma")
    # pip of Python 2 does not find the version of tiny.dep, which is needed by another spelling.
    assert set(record["tested"]["installed"]) == {"tiny-lzma-1.0", "tiny-dep", "tiny-pure-1.0"}
    # The one that the index has as a wheel is taken, the other built.
    record = project_copy.record(wheels["tiny-dep"])
    assert (record["kind"], record["built"]) == ("any", True)
    assert project_copy.record(wheels["tiny-pure"])["built"] is False
    assert kept.images == (f"musl-wheels:tiny-lzma1.0-pp{RELEASE}-x86_64",)
    try:
        built_as_the_docs_say(project_copy, kept.images[0])
        nothing_has_the_secret(project_copy, kept)
    finally:
        project_copy.engine.remove_image(kept.images[0])


def built_as_the_docs_say(project: Project, image: str) -> None:
    """Build the Dockerfile of docs/wheels.md with this test's interpreter and module."""
    text = (ROOT / "docs/wheels.md").read_text(encoding="utf-8")
    match = re.search(r"```dockerfile\n(?P<text>.*?)```", text, re.DOTALL)
    assert match is not None
    folder = f"pypy-{RELEASE}-alpine{project.alpine}"
    python = f"/opt/{folder}/bin/python2.7"
    ours = {
        r"alpine-pypy:\S+": f"alpypy-wheels:{folder}",
        r"musl-wheels:\S+": image,
        r"cryptography==\S+": "tiny-lzma==1.0",
        r"\bpypy3\b": python,
    }
    dockerfile = match["text"]
    for theirs, mine in ours.items():
        dockerfile, count = re.subn(theirs, mine, dockerfile)
        assert count == 1, theirs
    context = project.root / "docs-context"
    context.mkdir()
    (context / "Dockerfile").write_text(dockerfile)
    tag = "alpypy-test:wheels-docs"
    made = project.engine.build(context, tag=tag, arguments={}, labels={}, network=False)
    try:
        command = [python, "-c", "import tinylzma; print(tinylzma.number())"]
        done = project.engine.run(Job(made, command))
        assert done.exit_code == 0, done.output
        assert int(done.output) > 50000000
    finally:
        project.engine.remove_image(tag)


def nothing_has_the_secret(project: Project, kept: WheelsResult) -> None:
    """Neither wheels and records, nor logs, nor images and what is known of them."""
    files = list(project.out.iterdir())
    files += (project.cache / "logs").glob("wheels-*")
    assert len(files) > 6
    for path in files:
        assert SECRET not in content(path), path
    client = project.engine.client
    ours = (one for one in tags(project.engine, "alpypy-wheels") if RELEASE in one)
    for tag in (*kept.images, *ours):
        image = client.images.get(tag)
        assert SECRET not in json.dumps([image.attrs, image.history()]), tag
        saved = b"".join(image.save())
        with tarfile.open(fileobj=io.BytesIO(saved)) as whole:
            for member in whole.getmembers():
                stream = whole.extractfile(member)
                assert stream is None or SECRET.encode() not in stream.read(), (tag, member.name)
    assert SECRET not in "\n".join(project.said)


def content(path: Path) -> str:
    """The text of a file, or of all files of a wheel."""
    if path.suffix != ".whl":
        return path.read_text(encoding="utf-8")
    with zipfile.ZipFile(path) as archive:
        return "\n".join(archive.read(name).decode(errors="replace") for name in archive.namelist())


def test_a_module_in_cpp_needs_no_other_library(project_copy: Project) -> None:
    (wheel,) = project_copy.make("tiny-cpp").wheels
    record = project_copy.record(wheel)
    assert (record["kind"], record["packages"], record["bundled"]) == ("musllinux", [], [])


def test_without_libraries_the_packages_are_written_down(project_copy: Project) -> None:
    kept = project_copy.make("tiny-lzma", bundle=False)
    assert kept.packages == ("xz-libs",)
    (wheel,) = (path for path in kept.wheels if path.name.startswith("tiny_lzma"))
    assert wheel.name == "tiny_lzma-1.0-cp27-cp27mu-linux_x86_64.whl"
    record = project_copy.record(wheel)
    assert (record["kind"], record["packages"], record["bundled"]) == ("linux", ["xz-libs"], [])


def test_a_file_an_sdist_a_folder_and_a_build_of_its_own(
    project_copy: Project, tmp_path: Path
) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files/needed.txt").write_text(
        "-c held.txt  # für alle\ntiny-pure==1.0\n-r ../more.txt\n"
        "tiny-cpython; platform_python_implementation != 'CPython'\n"
    )
    (tmp_path / "files/held.txt").write_text("tiny-dep<2\n")
    (tmp_path / "more.txt").write_text("tiny-dep\n")
    (tmp_path / "tiny-own-1.0.tar.gz").write_bytes(sdist("tiny-own"))
    folder = tmp_path / "tiny-folder"
    shutil.copytree(FIXTURES / "tiny-folder", folder)
    other = same_again(folder, "tiny-other")
    paths = (tmp_path / "files/needed.txt", tmp_path / "tiny-own-1.0.tar.gz", folder, other)
    kept = project_copy.make(" ".join(map(str, paths)))
    names = {project(path.name) for path in kept.wheels}
    assert names == {"tiny-pure", "tiny-dep", "tiny-own", "tiny-folder", "tiny-other"}
    assert not list(folder.glob("*.egg-info"))
    # The entry's environment is there, and its option of pip: without, pip shows nothing of it.
    log = project_copy.cache / f"logs/wheels-pypy{RELEASE}-{folder.name}.log"
    assert "built with TINY=for-the-folder" in log.read_text()


def same_again(folder: Path, name: str) -> Path:
    """A project of another name in a folder that is called the same."""
    path = folder.parent / name / folder.name
    shutil.copytree(folder, path)
    setup = path / "setup.py"
    setup.write_text(setup.read_text().replace("Tiny_Folder", name))
    return path


VERSION_OF_GIT = """\
import subprocess
from setuptools import setup

version = subprocess.check_output(["git", "describe", "--tags", "--dirty"]).decode().strip()
setup(name="tiny-tagged", version=version, py_modules=["tinytagged"])
"""


def git(folder: Path, *words: str) -> None:
    person = ["-c", "user.name=a person", "-c", "user.email=person@example.org"]
    subprocess.run(["git", "-C", str(folder), *person, *words], check=True)


def test_a_version_that_git_tells(project_copy: Project, tmp_path: Path) -> None:
    top, linked = tmp_path / "top", tmp_path / "linked"
    top.mkdir()
    (top / "setup.py").write_text(VERSION_OF_GIT)
    (top / "tinytagged.py").touch()
    git(top, "init", "-q")
    git(top, "add", ".")
    git(top, "commit", "-q", "-m", "begin")
    git(top, "tag", "1.2")
    git(top, "worktree", "add", "-q", "--detach", str(linked))
    for folder in (top, linked):
        (wheel,) = project_copy.make(str(folder)).wheels
        assert wheel.name.startswith("tiny_tagged-1.2-"), wheel.name


def test_two_folders_with_one_project(project_copy: Project, tmp_path: Path) -> None:
    folder = tmp_path / "tiny-folder"
    shutil.copytree(FIXTURES / "tiny-folder", folder)
    other = same_again(folder, "tiny.folder")
    error = project_copy.fails(f"{folder} {other}", SpecError)
    assert error.what == f"{folder} and {other} are both tiny-folder"


def test_requirements_of_which_none_is_for_this_python(
    project_copy: Project, tmp_path: Path
) -> None:
    needed = tmp_path / "needed.txt"
    needed.write_text("tiny-dep ; python_version >= '3'\n")
    error = project_copy.fails(str(needed), SpecError)
    assert error.what == f"pypy{RELEASE} needs none of the requirements"


def test_a_choice_of_tls_that_nothing_has(project_copy: Project) -> None:
    error = project_copy.fails("tiny-dep", SpecError, tls="openssl")
    assert "--tls openssl has no effect" in error.what


def test_a_tarball_of_another_version_than_its_pypy(project_copy: Project) -> None:
    error = project_copy.fails("tiny-dep", ArchiveError, release_version="2026.1")
    assert f"pypy-2026.1-alpine{project_copy.alpine}.tar.bz2 does not exist" in error.what
    assert f"--pypy {RELEASE} --alpine 3.23 --release-version 2026.1" in error.remedy


def test_a_missing_header_is_told_with_its_package(project_copy: Project) -> None:
    error = project_copy.fails("tiny-header", WheelError)
    what = f"tiny-header 1.0 for pypy{RELEASE} could not be built: tinyheader.c:1:10: fatal error:"
    assert what in error.what
    assert "libxml/tree.h is in the package libxml2-dev" in error.remedy
    log = re.search(r"the whole output: (\S+)", error.remedy)
    assert log is not None
    assert "fatal error" in Path(log[1]).read_text()


def test_a_header_that_no_table_has_is_looked_for_in_the_index(project_copy: Project) -> None:
    error = project_copy.fails("tiny-unknown", WheelError)
    assert "expat/none.h is in the package expat-dev" in error.remedy


def test_a_missing_library_is_told_with_its_package(project_copy: Project) -> None:
    error = project_copy.fails("tiny-library", WheelError)
    assert "cannot find -lyaml" in error.what
    assert "the library yaml is in the package yaml-dev" in error.remedy


def test_a_wheel_that_does_not_work_is_not_kept(project_copy: Project) -> None:
    error = project_copy.fails("tiny-dep tiny-wrong", WheelError)
    assert "tiny_wrong-1.0-py2-none-any.whl does not work in a clean Alpine" in error.what
    assert "AssertionError" in error.what


def test_compiled_code_that_cannot_be_loaded_is_not_hidden_by_a_fallback(
    project_copy: Project,
) -> None:
    error = project_copy.fails("tiny-fallback", WheelError)
    assert "does not work in a clean Alpine" in error.what
    assert "nobody_has_this: symbol not found" in error.what


def test_a_module_that_is_not_there(project_copy: Project) -> None:
    error = project_copy.fails("tiny-none", SpecError)
    assert "the index has no tiny-none: no such module" in error.what
    assert "from versions" not in error.what
    assert "it has the versions 1.0" in project_copy.fails("tiny-dep==2", SpecError).what


def test_an_index_that_lies_about_a_digest(project_copy: Project) -> None:
    error = project_copy.fails("tiny-lie", DigestError)
    assert "Expected sha256" in error.what
    assert SECRET not in str(error)


def test_a_module_that_is_not_for_pypy(project_copy: Project) -> None:
    error = project_copy.fails("tiny-cpython", SpecError)
    assert "it uses CPython's frames" in error.what


def test_a_package_that_the_kit_does_not_have(project_copy: Project) -> None:
    error = project_copy.fails("psycopg2", SpecError)
    assert "packages that the kit does not have: libpq-dev" in error.what


def test_a_tarball_of_another_alpine(project_copy: Project) -> None:
    error = project_copy.fails("tiny-dep", ArchiveError, alpine="3.9")
    assert f"there is one for Alpine {project_copy.alpine}" in error.what
    old = next((project_copy.root / "artifacts").glob("*.tar.bz2"))
    new = old.with_name(f"pypy-{RELEASE}-alpine3.9.tar.bz2")
    old.rename(new)
    receipt.keep(new, Report(new.name, file_digest(new), (), 1, 1.0, DATE))
    error = project_copy.fails("tiny-dep", SpecError, alpine="3.9")
    assert f"{new.name} contains {old.name.removesuffix('.tar.bz2')}" in error.what


def test_wheels_for_a_portable_pypy(project_copy: Project) -> None:
    """Its tarball says that it was built on another Alpine."""
    artifacts = project_copy.root / "artifacts"
    usual = next(artifacts.glob("*.tar.bz2"))
    tree = unpack(usual, project_copy.root / "unpacked")
    target = Target(RELEASE, "3.9", portable=True)
    manifest = structs.replace(Manifest.of_tarball(usual), target=target)
    portable = pack(manifest, artifacts, tree)
    usual.unlink()
    receipt.keep(portable, Report(portable.name, file_digest(portable), (), 1, 1.0, DATE))
    assert "does not exist" in project_copy.fails("tiny-dep", ArchiveError).what
    (wheel,) = project_copy.make("tiny-dep", portable=True).wheels
    record = project_copy.record(wheel)
    assert (record["interpreter"], record["alpine"]) == (f"pypy{RELEASE}", project_copy.alpine)
    assert record["source"].startswith(f"pypy-{RELEASE}-musllinux_1_2_x86_64.tar.bz2 sha256:")


def test_a_tarball_that_was_not_verified(project_copy: Project) -> None:
    path = next((project_copy.root / "artifacts").glob("*.verify.json"))
    path.unlink()
    assert "invoke verify" in project_copy.fails("tiny-dep", UnverifiedError).remedy


def test_an_image_of_cpython_that_is_nowhere(project_copy: Project) -> None:
    error = project_copy.fails("tiny-dep", ImageError, python="3.99")
    assert f"python:3.99-alpine{project_copy.alpine}" in error.what


@pytest.fixture
def python3(engine: Engine, alpine_version: str) -> Iterator[str]:
    """Version of a CPython 3 of Docker Hub that the engine holds; images made of it go after."""
    pattern = re.compile(rf"python:(3\.[1-3]?\d)-alpine{re.escape(alpine_version)}")
    found = sorted(match[1] for tag in tags(engine, "python") if (match := pattern.fullmatch(tag)))
    if not found:
        pytest.skip(f"needs a CPython 3: docker pull python:3.12-alpine{alpine_version}")
    before = tags(engine, "alpypy-wheels")
    yield found[-1]
    for tag in tags(engine, "alpypy-wheels") - before:
        engine.remove_image(tag)


def tags(engine: Engine, repository: str) -> set[str]:
    """The names of the images of a repository that the engine holds."""
    return {tag for image in engine.client.images.list(repository) for tag in image.tags}


def test_a_module_and_its_dependencies_for_cpython_3(project_copy: Project, python3: str) -> None:
    kept = project_copy.make("tiny-lzma==1.0", python=python3)
    wheels = {project(path.name): path for path in kept.wheels}
    assert set(wheels) == {"tiny-lzma", "tiny-dep", "tiny-pure"}
    tag = f"cp{python3.replace('.', '')}"
    assert wheels["tiny-lzma"].name == f"tiny_lzma-1.0-{tag}-{tag}-musllinux_1_2_x86_64.whl"
    record = project_copy.record(wheels["tiny-lzma"])
    assert (record["interpreter"], record["kind"]) == (python3, "musllinux")
    assert record["source"] == f"python:{python3}-alpine{project_copy.alpine}"
    assert [one["package"] for one in record["bundled"]] == ["xz-libs"]
    assert record["tested"]["imported"] == ["tinybefore", "tinylzma"]
    assert record["tested"]["smoke"].startswith("import tinylzma")


@pytest.fixture
def python_image(engine: Engine, base_image: str, tmp_path: Path) -> Iterator[str]:
    """An image named as CPython's that holds none."""
    tag = "python:3.98-alpine3.23"
    (tmp_path / "context").mkdir()
    (tmp_path / "context/Dockerfile").write_text(f"FROM {base_image}\n")
    build = functools.partial(engine.build, tmp_path / "context", arguments={}, labels={})
    build(tag=tag, network=False)
    yield tag
    engine.remove_image(tag)


def test_an_image_that_is_not_what_its_name_says(project_copy: Project, python_image: str) -> None:
    error = project_copy.fails("tiny-dep", AlpypyError, python="3.98")
    assert "3.98" in error.what
    assert kit.reference("3.23") not in error.what
