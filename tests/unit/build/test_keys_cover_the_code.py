"""The keys of images and translations cover the code that makes them.

These keys do not hash their code, as a translation takes an hour and a reworded comment must not
redo it. What the code does with a recipe is recorded here instead, beside the key. A test that
fails means: the code now does something else. Then the key must change too (add a part to
``key_of`` in the stage), unless the result is the same byte for byte. Write the new values here.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from alpypy.build.base_image import BaseImage
from alpypy.build.images import BootstrapImage, BuiltTarball, GivenPypy, SelfHostedImage
from alpypy.build.translate import program_job, pypy_job, translation_key
from alpypy.core.source import Source
from alpypy.core.store import digest_of_files, key_of
from alpypy.engine.job import Job
from alpypy.recipes.data import Alpine, RpythonProgram
from alpypy.recipes.recipe import Recipe
from alpypy.recipes.spec import Target
from tests.workspaces import without_engine

PROGRAM = RpythonProgram("p", "goal.py", ("--opt=2",), "p-c", (), ())
BASE = BaseImage("base:1", "sha256:1", "identity", kit=True)
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


def test_the_code_that_packages_is_in_its_key(tmp_path: Path) -> None:
    files = [tmp_path / "a.py", tmp_path / "b.py"]
    for file in files:
        file.write_text("1")
    before = digest_of_files(*files)
    files[1].write_text("2")
    assert digest_of_files(*files) != before
    assert digest_of_files(*reversed(files)) == digest_of_files(*files)
