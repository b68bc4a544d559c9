"""The whole way with the quickstart's program: from a recipe to a verified tarball.

Each test has stages of its own; what is downloaded, and the bootstrap image, serve them all.
"""

from __future__ import annotations

import bz2
import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest
from docker.models.containers import Container

from alpypy.build.images import BootstrapImage
from alpypy.build.translate import Translation
from alpypy.build.usage import Recording
from alpypy.core.errors import (
    DigestError,
    DownloadError,
    PatchError,
    ResourceError,
    TranslationError,
)
from alpypy.core.files import file_digest
from alpypy.core.store import Store
from alpypy.engine.docker import Engine
from alpypy.pipeline.bootstrap import Builder, Outcome
from alpypy.pipeline.request import BuildRequest, resolve
from alpypy.recipes.manifest import Manifest
from alpypy.recipes.spec import Target
from tests.workspaces import project as project_of
from tests.workspaces import workspace

pytestmark = pytest.mark.timeout(1800)
ROOT = Path(__file__).parents[3]
RELEASE = "rpython-0.2.1"
_Stage = TypeVar("_Stage")
# A run in a process of its own, as `invoke bootstrap` is.
RUN = """\
import sys
from pathlib import Path
from alpypy.cli.ending import ended_well
from alpypy.core.folders import cache_folder
from alpypy.core.log import say
from alpypy.engine.connection import connect
from alpypy.pipeline.bootstrap import Builder
from alpypy.pipeline.request import BuildRequest, resolve
from alpypy.recipes.spec import Target
from tests.workspaces import project, workspace
root, cache = map(Path, sys.argv[1:3])
base, release, alpine = sys.argv[3:]
with ended_well():
    request = BuildRequest(Target(release, alpine), base_image=base)
    build = resolve(project(root, cache, say), request)
    with connect(cache_folder()) as engine:  # the tests' own
        Builder(workspace(root, engine, cache, say), build).run()
"""


@dataclass
class BuildProject:
    """A copy of the project's data, a cache of its own, and what was said."""

    root: Path
    cache: Path
    base: str
    alpine: str
    engine: Engine
    said: list[str] = field(default_factory=list)
    release: str = RELEASE

    def builder(self, *, keep: bool = False) -> Builder:
        """A build that is planned and not begun."""
        request = BuildRequest(Target(self.release, self.alpine), base_image=self.base, keep=keep)
        build = resolve(project_of(self.root, self.cache), request)
        return Builder(workspace(self.root, self.engine, self.cache, self.said.append), build)

    @property
    def artifacts(self) -> Path:
        """Where tarballs come."""
        return self.root / "artifacts"

    def stage(self, kind: type[_Stage]) -> _Stage:
        """The one stage of a kind in the plan."""
        [stage] = [stage for stage in self.builder().plan if isinstance(stage, kind)]
        return stage

    def bootstrap_id(self) -> str | None:
        """The ID of the image with CPython, if the engine has it."""
        image = self.stage(BootstrapImage).load()
        return image.id if image else None

    def command(self) -> list[str]:
        """A run in a process of its own."""
        words = [str(self.root), str(self.cache), self.base, self.release, self.alpine]
        return [sys.executable, "-c", RUN, *words]

    @property
    def store(self) -> Store:
        """The stages."""
        return Store(self.cache)

    @property
    def work_folders(self) -> list[Path]:
        """Folders of stages that are being made, or that failed and were kept."""
        return list(self.cache.glob("stages/*.work"))

    def done(self) -> list[bool]:
        """Which stages are finished, in order: image, translation, package, verify."""
        return [stage.done for stage in self.builder().planned()]

    def containers(self, *, stopped: bool) -> list[Container]:
        """Containers that work in the cache."""
        return [
            one
            for one in self.engine.client.containers.list(all=stopped, ignore_removed=True)
            if any(
                mount.get("Source", "").startswith(f"{self.cache}/stages")
                for mount in one.attrs["Mounts"]
            )
        ]

    def edit(self, name: str, old: str, new: str) -> None:
        """Change a file, which must have ``old``."""
        path = self.root / name
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")


Projects = Callable[[str], BuildProject]


@pytest.fixture(scope="module")
def projects(
    tmp_path_factory: pytest.TempPathFactory,
    engine: Engine,
    cache: Path,
    base_image: str,
    alpine_version: str,
) -> Projects:
    """Makes a project that has no finished stage."""

    def make(name: str) -> BuildProject:
        root = tmp_path_factory.mktemp(name)
        for data in ("versions", "patches", "dockerfiles"):
            shutil.copytree(ROOT / data, root / data)
        (cache / "files").mkdir(parents=True, exist_ok=True)
        (root / "cache").mkdir()
        (root / "cache/files").symlink_to(cache / "files")
        return BuildProject(root, root / "cache", base_image, alpine_version, engine)

    return make


@pytest.fixture(scope="module")
def project(projects: Projects) -> BuildProject:
    """The project that goes all the way."""
    return projects("whole")


@pytest.fixture(scope="module")
def outcome(project: BuildProject) -> Outcome:
    """What the first run gave."""
    return project.builder().run()


@pytest.fixture(scope="module")
def manifest(outcome: Outcome) -> dict[str, Any]:
    """ALPYPY.json of the tarball."""
    with tarfile.open(outcome.tarball) as tar:
        stream = tar.extractfile(f"{RELEASE}-alpine3.23/ALPYPY.json")
        assert stream is not None
        document: dict[str, Any] = json.loads(stream.read())
    return document


def test_every_step_to_a_verified_tarball(project: BuildProject, outcome: Outcome) -> None:
    assert outcome.report.exit_code == 0, outcome.report.to_text()
    assert outcome.tarball == project.root / f"artifacts/{RELEASE}-alpine3.23.tar.bz2"
    digest = hashlib.sha256(outcome.tarball.read_bytes()).hexdigest()
    beside = outcome.tarball.with_name(f"{outcome.tarball.name}.sha256")
    assert beside.read_text() == f"{digest}  {outcome.tarball.name}\n"
    assert project.done() == [True] * 4
    assert project.work_folders == []
    assert project.containers(stopped=True) == []


def test_the_tarball_says_how_it_was_made(project: BuildProject, manifest: dict[str, Any]) -> None:
    recipe = project.stage(Translation).recipe
    assert manifest["executables"] == ["bin/pystone"]
    assert manifest["jit"] is False
    assert recipe.source
    assert manifest["source"]["sha256"] == recipe.source.sha256
    assert manifest["source"]["verified"] is True
    names = [patch["name"] for patch in manifest["patches"]]
    assert names == [patch.name for patch in recipe.patches]
    assert manifest["image"]["id"] == project.bootstrap_id()
    assert manifest["runtime_packages"] == ["musl"] or manifest["runtime_packages"] == []
    [check] = manifest["checks"]
    assert check["command"][0] == "bin/pystone"


def test_phases_have_their_time_and_memory(manifest: dict[str, Any]) -> None:
    phases = {phase["name"]: phase for phase in manifest["phases"]}
    for name in ("annotate", "rtype", "backendopt", "database", "source", "compile"):
        assert phases[f"pystone {name}"]["seconds"] >= 0
    assert sum(phase["seconds"] for phase in phases.values()) > 5
    assert 50 < max(phase["peak_memory_mib"] for phase in phases.values()) < 4000
    used = sum(phase["processor_seconds"] for phase in phases.values())
    possible = sum(phase["seconds"] * phase["processors"] for phase in phases.values())
    assert 3 < used < possible


def test_the_build_is_drawn_and_its_table_is_said(project: BuildProject, outcome: Outcome) -> None:
    page = min(project.cache.glob(f"logs/build-{RELEASE}-alpine3.23-*.html"))
    text = page.read_text(encoding="utf-8")
    for words in (f"translate {RELEASE}", "pystone annotate", 'class="translation"', "verify"):
        assert words in text
    assert f"the build, drawn as a page: {page}" in project.said
    assert any(line.startswith("  pystone annotate ") for line in project.said)
    recording = Recording.read(project.stage(Translation).recording)
    assert recording is not None
    assert len(recording.points) > 3


def test_the_tree_and_the_log_belong_to_the_caller(project: BuildProject, outcome: Outcome) -> None:
    folder = project.store.folder(project.stage(Translation).key)
    paths = [path for path in folder.rglob("*") if not path.is_symlink()]
    assert len(paths) > 1000
    assert {path.stat().st_uid for path in paths} == {os.getuid()}
    [log] = (project.cache / "logs").glob("translate-*.log")
    assert "Annotating" in log.read_text()


def processor_seconds() -> float:
    """Of the runs so far: what the clock says depends on what else the machine does."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_a_second_run_does_nothing_in_no_time(project: BuildProject, outcome: Outcome) -> None:
    before = {path: path.stat().st_mtime_ns for path in project.cache.rglob("*.json")}
    started = processor_seconds()
    done = subprocess.run(project.command(), cwd=ROOT, capture_output=True, text=True, check=False)
    seconds = processor_seconds() - started
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert seconds < 2
    assert {path: path.stat().st_mtime_ns for path in project.cache.rglob("*.json")} == before


def test_packaging_twice_gives_the_same_bytes(project: BuildProject, outcome: Outcome) -> None:
    whole = outcome.tarball.read_bytes()
    stages = {stage.title: stage.key for stage in project.builder().planned()}
    for key in (stages[f"package {RELEASE}"], stages["verify"]):
        shutil.rmtree(project.store.folder(key))
    shutil.rmtree(project.artifacts)
    assert project.done() == [True, True, False, False]
    project.said.clear()
    again = project.builder().run()
    assert not any(line.startswith("translate") for line in project.said)
    assert any(line.startswith("package") for line in project.said)
    # First what differs, where it does: bytes of bzip2 say nothing.
    assert bz2.decompress(again.tarball.read_bytes()) == bz2.decompress(whole)
    assert again.tarball.read_bytes() == whole


def test_a_digest_that_was_lost_is_written_again(project: BuildProject, outcome: Outcome) -> None:
    beside = outcome.tarball.with_name(f"{outcome.tarball.name}.sha256")
    text = beside.read_text()
    beside.unlink()
    project.builder().run()
    assert beside.read_text() == text


def interrupt(project: BuildProject, number: signal.Signals) -> subprocess.CompletedProcess[str]:
    """Start a run, and end it by a signal in the middle of the translation."""
    process = subprocess.Popen(
        project.command(), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while not any("Annotating" in log.read_text() for log in project.cache.glob("logs/*.log")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    assert len(project.containers(stopped=False)) == 1
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    return subprocess.CompletedProcess([], process.returncode, out, err)


def test_a_kill_leaves_nothing_that_looks_finished_and_the_next_run_goes_on(
    projects: Projects, outcome: Outcome
) -> None:
    project = projects("killed")
    made = project.bootstrap_id()
    interrupt(project, signal.SIGKILL)
    deadline = time.monotonic() + 120
    while project.containers(stopped=False) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert project.containers(stopped=False) == []
    assert project.done() == [True, False, False, False]
    assert list(project.store.records()) == []
    assert not project.artifacts.exists()
    project.said.clear()
    again = project.builder().run()
    assert again.report.exit_code == 0
    assert not any(line.startswith("bootstrap image") for line in project.said)
    assert project.bootstrap_id() == made
    assert project.done() == [True] * 4
    assert project.work_folders == []


def test_ctrl_c_leaves_nothing_at_all(projects: Projects, outcome: Outcome) -> None:
    project = projects("interrupted")
    done = interrupt(project, signal.SIGINT)
    assert done.returncode == 130
    assert done.stderr.startswith("alpypy: interrupted")
    assert "Traceback" not in done.stderr
    assert project.containers(stopped=True) == []
    assert project.work_folders == []
    assert project.done() == [True, False, False, False]


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("memory_mib = ", "memory_mib = 99999999", ResourceError),
        ("disk_mib = ", "disk_mib = 99999999", ResourceError),
        ('sha256 = "803933038f37', 'sha256 = "000000000000', (DownloadError, DigestError)),
        ('sha256 = "2ccb79b01769', 'sha256 = "000000000000', (DownloadError, DigestError)),
    ],
)
def test_what_is_missing_is_said_before_the_first_stage(
    old: str, new: str, error: Any, projects: Projects
) -> None:
    project = projects("missing")
    project.edit("versions/rpython.toml", old, new)
    project.edit("dockerfiles/bootstrap/Dockerfile", "# ", f"# {uuid.uuid4().hex} ")
    assert project.done() == [False] * 4
    with pytest.raises(error):
        project.builder().run()
    assert project.said == []
    assert project.work_folders == []


def test_a_patch_that_does_not_apply_stops_the_build(projects: Projects, outcome: Outcome) -> None:
    project = projects("patch")
    name = "rfile-stdio@2.7-7.0.0.patch"
    project.edit(f"patches/{name}", "\n c_clearerr = ", "\n c_other = ")
    builder = project.builder()
    with pytest.raises(PatchError) as caught:
        builder.run()
    for words in (name, "rpython/rlib/rfile.py", RELEASE):
        assert words in caught.value.what
    assert project.work_folders == []
    assert list(project.store.records()) == []
    assert not project.artifacts.exists()
    assert not project.cache.joinpath("logs").exists() or not list(project.cache.glob("logs/*"))


@pytest.mark.parametrize("keep", [True, False])
def test_a_failed_translation_names_its_log_and_keep_leaves_its_tree(
    keep: bool, projects: Projects, outcome: Outcome
) -> None:
    project = projects(f"failed-{keep}")
    project.edit("versions/rpython.toml", '"--opt=2"', '"--no-such-option"')
    builder = project.builder(keep=keep)
    with pytest.raises(TranslationError) as caught:
        builder.run()
    assert "no-such-option" in caught.value.what
    assert "in the phase pystone start" in caught.value.what
    [log] = project.cache.glob("logs/*.log")
    assert str(log) in caught.value.remedy
    assert "no-such-option" in log.read_text()
    work = project.store.work_folder(project.stage(Translation).key)
    assert (work / "tree/rpython").is_dir() == keep
    assert (str(work) in caught.value.remedy) == keep
    assert ("--keep" in caught.value.remedy) != keep
    assert project.done() == [True, False, False, False]
    assert project.containers(stopped=True) == []
    [page] = project.cache.glob("logs/build-*.html")
    assert f"translate {RELEASE} failed" in page.read_text(encoding="utf-8")


def test_a_stage_s_tarball_is_checked_against_its_record(
    project: BuildProject, outcome: Outcome
) -> None:
    done = project.builder().package.load()
    assert done is not None
    assert file_digest(done.path) == done.sha256 == file_digest(outcome.tarball)


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_bytes(b"other bytes")])
def test_a_stage_whose_tarball_is_another_is_made_again(
    spoil: Callable[[Path], object], project: BuildProject, outcome: Outcome
) -> None:
    whole = outcome.tarball.read_bytes()
    done = project.builder().package.load()
    assert done is not None
    spoil(done.path)
    assert project.done() == [True, True, False, False]
    project.said.clear()
    again = project.builder().run()
    assert project.said[0].startswith(f"package {RELEASE}, verify: about ")
    assert f"package {RELEASE}-alpine3.23" in project.said
    assert not any(line.startswith(("bootstrap", "translate", "verify")) for line in project.said)
    assert done.path.read_bytes() == again.tarball.read_bytes() == whole
    assert project.done() == [True] * 4


@pytest.mark.skipif(
    "ALPYPY_TEST_JIT" not in os.environ,
    reason="it translates for ten minutes: ALPYPY_TEST_JIT=1 ./test tests/container/pipeline",
)
@pytest.mark.timeout(7200)
def test_the_quickstart_with_a_jit_compiles_loops_where_it_is_verified(projects: Projects) -> None:
    project = projects("jit")
    project.release = f"{RELEASE}-jit"
    outcome = project.builder().run()
    assert outcome.report.exit_code == 0, outcome.report.to_text()
    assert outcome.tarball.name == f"{RELEASE}-jit-alpine{project.alpine}.tar.bz2"
    manifest = Manifest.of_tarball(outcome.tarball)
    assert manifest.jit
    assert manifest.executables == ("bin/tinyframe",)
    assert any(check.jit for check in manifest.checks)
    assert {patch.name for patch in manifest.patches} == {
        patch.name for patch in projects("small").stage(Translation).recipe.patches
    }
