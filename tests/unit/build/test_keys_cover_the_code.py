"""The keys of images, translations and libraries cover the code that makes them.

These keys do not hash their code, as a translation takes an hour and a reworded comment must not
redo it. What the code does with a recipe is recorded here instead, beside the key. A test that
fails means: the code now does something else. Then the key must change too (add a part to
``key_of`` in the stage), unless the result is the same byte for byte. Write the new values here.

What ``CompiledLibrary.make`` does between the archive and the job is recorded nowhere: it unpacks
the archive and takes ``archive.folder`` of it. If you change that, change the key yourself.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import pytest

from alpypy.build import package
from alpypy.build.base_image import BaseImage
from alpypy.build.images import BootstrapImage, BuiltTarball, GivenPypy, SelfHostedImage
from alpypy.build.libraries import (
    CompiledLibrary,
    Libraries,
    LibraryFolders,
    LibrarySource,
    library_job,
)
from alpypy.build.stub_libc import StubLibc
from alpypy.build.toolchain import LibraryToolchain
from alpypy.build.translate import program_job, pypy_job, translation_key
from alpypy.core.source import Source
from alpypy.core.store import Store, key_of
from alpypy.engine.job import Job
from alpypy.engine.pool import JobPool
from alpypy.recipes.data import Alpine, RpythonProgram
from alpypy.recipes.libraries import DebianSource, StaticLibrary
from alpypy.recipes.manifest import Origin
from alpypy.recipes.musl import Musl
from alpypy.recipes.recipe import Recipe
from alpypy.recipes.spec import Target
from alpypy.verify.run import digest_of_checks
from tests.workspaces import ROOT, without_engine

PROGRAM = RpythonProgram("p", "goal.py", ("--opt=2",), "p-c", (), ())
BASE = BaseImage("base:1", "sha256:1", "identity", kit=True)
ALPINE = BaseImage("alpine:1", "sha256:1", "sha256:1", kit=False)
DOCKERFILE = "FROM nothing\n"


def recipe(*programs: RpythonProgram) -> Recipe:
    """A recipe that no file of versions/ can change."""
    return Recipe(
        target=Target("3.11-7.3.22", "3.23"),
        source=Source("https://example.org/source", "a" * 64),
        patches=(),
        alpine=Alpine("3.23", "3.23.0", {}),
        rootfs=None,
        build_packages=("gcc", "make"),
        tls=None,
        cpython=Source("https://example.org/python.tgz", "b" * 64),
        cpython_wheels=(),
        translator="2.7-7.3.22",
        goal="goal.py",
        options=("--opt=jit",),
        target_options=("--allworkingmodules",),
        environment={"CFLAGS": "-g0"},
        memory_mib=1,
        disk_mib=1,
        programs=programs,
    )


def command(job: Job) -> str:
    """What a job runs, without the folder that it runs in."""
    values = {**asdict(job), "mounts": [mount.target for mount in job.mounts]}
    return json.dumps(values, sort_keys=True, default=str)


def stages(root: Path) -> dict[str, BootstrapImage | SelfHostedImage]:
    """The images, of Dockerfiles that are not the project's."""
    for name in ("bootstrap", "self-hosted"):
        (root / "dockerfiles" / name).mkdir(parents=True)
        (root / "dockerfiles" / name / "Dockerfile").write_text(DOCKERFILE)
    workspace = without_engine(root, root / "cache")
    pypy = GivenPypy(BuiltTarball(Path("pypy.tar.bz2"), "c" * 64))
    return {
        "bootstrap": BootstrapImage(workspace, recipe(), BASE, 1),
        "self-hosted": SelfHostedImage(workspace, recipe(), BASE, pypy),
    }


def short(digest: str) -> str:
    return digest[:16]


@pytest.mark.parametrize(
    ("job", "programs", "key", "does"),
    [
        (pypy_job(recipe(), "image", Path("/w"), 2), (), "81703fad9ef7f4e4", "6cb8960c50590dca"),
        (
            program_job(recipe(PROGRAM), PROGRAM, "image", Path("/w"), 2),
            (PROGRAM,),
            "5f390772d1a38dfa",
            "f4161b4ce12d319a",
        ),
    ],
)
def test_a_translation(job: Job, programs: tuple[RpythonProgram, ...], key: str, does: str) -> None:
    assert short(translation_key(recipe(*programs), "image key", "d" * 64)) == key
    assert short(key_of(command=command(job))) == does


@pytest.mark.parametrize(
    ("name", "key", "does"),
    [
        ("bootstrap", "b0cc982d4f1c6cfa", "cb581715776d1b36"),
        ("self-hosted", "91f27fda2e36f561", "2c7b58feb159ac65"),
    ],
)
def test_an_image(name: str, key: str, does: str, tmp_path: Path) -> None:
    stage = stages(tmp_path)[name]
    assert short(stage.key) == key
    assert short(key_of(arguments=stage.arguments)) == does


LIBRARY = StaticLibrary(
    name="l",
    version="1",
    license="MIT",
    license_files=("COPYING", "COPYING.MIT"),
    url="https://example.org/l-1.tar.gz",
    sha256="a" * 64,
    debian=DebianSource("trixie", "pool/l_1.orig.tar.gz", "b" * 64),
)


def test_a_library(tmp_path: Path) -> None:
    folder = tmp_path / "dockerfiles/libraries"
    folder.mkdir(parents=True)
    for name in ("Dockerfile", "compile.sh", "stub.sh", "l.sh"):
        (folder / name).write_text(f"{name}\n")
    workspace = without_engine(tmp_path, tmp_path / "cache")
    toolchain = LibraryToolchain(workspace, BASE, ("gcc",), None)
    stub = StubLibc(workspace, toolchain, Musl("1", "x86_64", ("exit",), (), ()))
    archive = LibrarySource(LIBRARY.upstream, ".", "1")
    stage = CompiledLibrary(workspace, stub, LIBRARY, archive, JobPool(workspace.engine))
    assert short(stage.key) == "31927c2f4dbd3ecd"
    job = library_job(LIBRARY, "image", LibraryFolders(*map(Path, "abcd")), 2)
    assert short(key_of(command=command(job))) == "48f07530107dd371"
    # The command has the targets alone: a real run has other sources. They are recorded here.
    assert [(str(mount.source), mount.target, mount.writable) for mount in job.mounts] == [
        ("a", "/source", False),
        ("b", "/stub", False),
        ("c", "/scripts", False),
        ("d", "/out", True),
    ]


def finish(store: Store, key: str, files: Iterable[str]) -> None:
    """Leave a finished stage with these files, each with the stage's key in it."""
    for name in files:
        path = store.folder(key) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(key)
    (store.folder(key) / "record.json").write_text('{"title": "a test"}')


def test_the_folder_of_all_libraries(tmp_path: Path) -> None:
    workspace = without_engine(ROOT, tmp_path / "cache")
    stage = Libraries(workspace, ALPINE, "x86_64", ROOT / "versions/libraries.toml", True)
    finish(workspace.store, stage.parts[0].stub.key, ["libc.so", "source/libc.s"])
    expected = {"lib/libc.so": stage.parts[0].stub.key}
    for part in stage.parts:
        name = part.library.name
        taken = [f"include/{name}.h", f"lib/{name}.a", f"licenses/{name}/COPYING"]
        finish(workspace.store, part.key, [*taken, "more/file"])
        expected |= dict.fromkeys(taken, part.key)
    stage.make(tmp_path)
    files = (path for path in tmp_path.rglob("*") if path.is_file())
    found = {str(path.relative_to(tmp_path)): path.read_text() for path in files}
    found = {name: text for name, text in found.items() if not name.startswith("cache/")}
    assert found == expected, "if `expected` changes, change a part of `Libraries.key`"


def test_the_code_that_packages_is_in_its_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dockerfiles/package").mkdir(parents=True)
    (tmp_path / "dockerfiles/package/build.py").write_text("")
    code = tmp_path / "code.py"
    monkeypatch.setattr(package, "_CODE", [code])
    keys = []
    for text in ("A = 1\n", "A = 1  # said\n", "A = 2\n"):
        code.write_text(text)
        keys.append(package.package_key(tmp_path, recipe(), "key", Origin("a" * 64, True)))
    assert keys[0] == keys[1] != keys[2]


def test_where_the_source_came_from_is_in_the_key_of_a_package(tmp_path: Path) -> None:
    origins = (Origin("a" * 64, True, url="https://x/y"), Origin("a" * 64, True, path="y"))
    keys = [package.package_key(ROOT, recipe(), "key", origin) for origin in origins]
    assert keys[0] != keys[1]


def test_a_changed_probe_changes_the_digest_of_the_checks(tmp_path: Path) -> None:
    for name in ("versions", "dockerfiles"):
        shutil.copytree(ROOT / name, tmp_path / name)
    before = digest_of_checks(tmp_path)
    probe = tmp_path / "dockerfiles/verify/probes/probe_ssl.py"
    probe.write_text(probe.read_text() + "# changed\n")
    assert digest_of_checks(tmp_path) != before
