"""Profile and optimization: what the plan has of them, what their jobs are, how they fail."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import pytest
from msgspec import structs

from alpypy.build import objects
from alpypy.build.base_image import BaseImage
from alpypy.build.estimates import Estimates
from alpypy.build.images import TranslatingImage
from alpypy.build.optimization import Optimization, Profile
from alpypy.build.package import Package
from alpypy.build.plan import Ingredients, plan
from alpypy.build.stage import BuildStage
from alpypy.build.translate import Translation
from alpypy.core.errors import TranslationError
from alpypy.core.tar import tarfile
from alpypy.engine.job import Completed, Job
from alpypy.engine.workspace import Workspace
from alpypy.recipes.local_source import OpenedSource
from alpypy.recipes.manifest import Origin, Translator
from alpypy.recipes.optimize import OptimizationLevel
from alpypy.recipes.recipe import load_catalog
from alpypy.recipes.spec import Target
from tests.engines import EngineThatRecords
from tests.workspaces import ROOT, without_engine

CATALOG = load_catalog(ROOT)
TARGET = Target("3.11-7.3.22", "3.23")
BASE = BaseImage("alpine:3.23", "sha256:1", "sha256:1", False)
PGO = CATALOG.optimizations.level("pgo")
COUNT, USE = "-fprofile-generate=/work/profile", "-fprofile-use=/work/profile -O2"
LEVEL = OptimizationLevel(
    name="test", why="a test", generate=(COUNT,), use=tuple(USE.split()), link=("-O1",)
)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Dockerfiles and versions that a test may change."""
    for name in ("dockerfiles", "versions"):
        shutil.copytree(ROOT / name, tmp_path / name)
    return tmp_path


def planned(
    root: Path, level: str | OptimizationLevel | None, target: Target = TARGET
) -> tuple[BuildStage, ...]:
    """The stages of a direct build."""
    recipe = CATALOG.recipe(target, optimize=level if isinstance(level, str) else None)
    if isinstance(level, OptimizationLevel):
        recipe = replace(recipe, optimize=level)
    origin = Origin("a" * 64, verified=True)
    source = OpenedSource("a" * 64, lambda: Path("unused"), lambda work: work, origin)
    sources = {target.release: source}
    libraries = root / "versions/libraries.toml"
    parts = Ingredients(recipe, None, None, sources, BASE, 1, libraries)
    return plan(without_engine(root, root / "cache"), parts)


def keys(
    root: Path, level: str | OptimizationLevel | None, target: Target = TARGET
) -> dict[str, str]:
    """The keys of these stages, by the first words of their titles, in order."""
    return {stage.title.partition(" 3")[0]: stage.key for stage in planned(root, level, target)}


def changed(before: Mapping[str, str], after: Mapping[str, str]) -> set[str]:
    assert list(before) == list(after)
    return {title for title in before if before[title] != after[title]}


@pytest.mark.parametrize("portable", [False, True])
def test_a_profile_and_what_uses_it_stand_between_translation_and_package(
    portable: bool, data: Path
) -> None:
    target = replace(TARGET, portable=portable)
    stock, pgo = (list(keys(data, level, target)) for level in ("stock", "pgo"))
    place = stock.index("package")
    assert stock[place - 1] == "translate"
    assert pgo == [*stock[:place], "profile", "optimize", *stock[place:]]


def test_titles_have_the_release_and_the_level(data: Path) -> None:
    titles = [stage.title for stage in planned(data, "pgo+lto")]
    assert {"profile 3.11-7.3.22", "optimize 3.11-7.3.22 (pgo+lto)"} <= set(titles)


def test_levels_share_the_translation_and_those_with_a_training_its_profile(data: Path) -> None:
    stock, pgo, both = (keys(data, level) for level in ("stock", "pgo", "pgo+lto"))
    assert stock["translate"] == pgo["translate"]
    assert changed(pgo, both) == {"optimize", "package", "verify"}
    assert stock["package"] != pgo["package"]


AGAIN = {"profile", "optimize", "package", "verify"}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"generate": (COUNT, "-O1")}, AGAIN),
        ({"use": ("-O3",)}, AGAIN - {"profile"}),
        ({"link": ("-O2",)}, {"package", "verify"}),
        ({"why": "another reason"}, set()),
    ],
)
def test_flags_are_in_the_keys(change: dict[str, object], expected: set[str], data: Path) -> None:
    other = structs.replace(LEVEL, **change)
    assert changed(keys(data, LEVEL), keys(data, other)) == expected


@pytest.mark.parametrize("name", ["training.py", "train.sh", "compile.sh"])
def test_the_training_and_the_scripts_are_in_the_keys(name: str, data: Path) -> None:
    before = keys(data, "pgo")
    path = data / "dockerfiles/optimize" / name
    path.write_text(path.read_text(encoding="utf-8") + "# changed\n", encoding="utf-8")
    assert changed(before, keys(data, "pgo")) == AGAIN


def test_stages_say_how_long_they_should_take(data: Path) -> None:
    estimates = Estimates(without_engine(data, data / "cache"))
    stages = [one for one in planned(data, "pgo") if isinstance(one, (Profile, Optimization))]
    assert len(stages) == 2
    assert all(stage.expected(estimates) > 60 for stage in stages)


@dataclass
class Scripts:
    """What the scripts would do in their folder, and what they found in it."""

    fails: str = ""
    found: list[set[str]] = field(default_factory=list)

    def run(self, job: Job) -> Completed:
        """The end of a script."""
        work = job.mounts[0].source
        self.found.append({str(path.relative_to(work)) for path in work.rglob("*")})
        script = job.command[-1].rpartition("/")[2]
        if script == self.fails:
            return Completed(2, "first line\nx.c:1:1: error: no such thing\n")
        if script == "compile.sh":
            (work / "link/build/implement.o").write_text("compiled again")
        else:
            (work / "profile").mkdir()
            (work / "profile/implement.gcda").write_text("counted")
        return Completed(0, f"{script} ran\n")


@dataclass(frozen=True)
class Image:
    """The stage of an image that is there."""

    title = "image"
    key = "image key"
    needs = ()
    interpreter: Literal["cpython"] = "cpython"

    def expected(self, estimates: Estimates) -> float:
        return 1.0

    def load(self) -> TranslatingImage:
        return TranslatingImage("sha256:image", Translator("cpython", "a" * 64))

    def make(self, work: Path) -> Mapping[str, object]:
        raise AssertionError("it is there")


def workspace_of(tmp_path: Path, scripts: Scripts) -> tuple[Workspace, EngineThatRecords]:
    engine = EngineThatRecords(tmp_path, scripts.run)
    return replace(without_engine(ROOT, tmp_path / "cache"), engine=engine), engine


def optimization(workspace: Workspace) -> Optimization:
    """The stage, whose translation is finished."""
    origin = Origin("a" * 64, verified=True)
    source = OpenedSource("a" * 64, lambda: Path("unused"), lambda work: work, origin)
    recipe = CATALOG.recipe(TARGET)
    translation = Translation(workspace, recipe, Image(), source, 3)
    folder = workspace.store.folder(translation.key)
    (folder / "tree/pypy/goal").mkdir(parents=True)
    (folder / "tree/pypy/goal/pypy3.11-c").write_text("translated")
    (folder / objects.FOLDER).mkdir()
    with tarfile.open(folder / objects.SOURCES, "w:gz") as tar:
        for name in ("build/Makefile", "build/main.c", "build/implement.c", "module_cache/m.c"):
            path = workspace.cache / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)
            tar.add(path, f"link/{name}")
    (folder / "record.json").write_text('{"phases": []}')
    return Optimization(Profile(translation, LEVEL.generate), LEVEL)


def test_the_jobs_of_profile_and_optimization(tmp_path: Path) -> None:
    workspace, engine = workspace_of(tmp_path, Scripts())
    stage = optimization(workspace)
    workspace.store.run(stage.profile)
    workspace.store.run(stage)
    commands = [list(job.command) for job in engine.jobs]
    assert commands == [
        ["sh", "/optimize/compile.sh"],
        ["sh", "/optimize/train.sh"],
        ["sh", "/optimize/compile.sh"],
    ], "nothing of the request is in a command"
    environments = [dict(job.environment or {}) for job in engine.jobs]
    assert [one["FLAGS"] for one in environments] == [COUNT, "", USE]
    assert {one["JOBS"] for one in environments} == {"3"}
    for job in engine.jobs:
        assert job.image == "sha256:image"
        assert job.network == "none"
        assert [(mount.target, mount.writable) for mount in job.mounts] == [
            ("/work", True),
            ("/optimize", False),
        ]
        assert job.mounts[1].source == ROOT / "dockerfiles/optimize"


def test_what_the_jobs_find_and_what_is_kept(tmp_path: Path) -> None:
    scripts = Scripts()
    workspace, _ = workspace_of(tmp_path, scripts)
    stage = optimization(workspace)
    profile = workspace.store.run(stage.profile)
    assert {path.name for path in profile.parent.iterdir()} == {"profile", "record.json"}
    folder = workspace.store.run(stage)
    assert {path.name for path in folder.parent.iterdir()} == {objects.FOLDER, "record.json"}
    assert (folder / "build/implement.o").read_text() == "compiled again"
    assert {path.name for path in (folder / "build").iterdir()} == {
        "Makefile",
        "main.c",
        "implement.o",
    }
    program, source = "tree/pypy/goal/pypy3.11-c", "link/build/implement.c"
    assert all({program, source} <= found for found in scripts.found)
    assert "profile/implement.gcda" in scripts.found[-1]


@pytest.mark.parametrize("fails", ["compile.sh", "train.sh"])
def test_a_failure_has_the_error_and_names_the_log(fails: str, tmp_path: Path) -> None:
    workspace, _ = workspace_of(tmp_path, Scripts(fails))
    stage = optimization(workspace).profile
    with pytest.raises(TranslationError) as caught:
        workspace.store.run(stage)
    assert f"profile 3.11-7.3.22: {fails} ended with 2" in caught.value.what
    assert "x.c:1:1: error: no such thing" in caught.value.what
    [log] = workspace.logs.glob("*.log")
    assert caught.value.remedy == f"the log is {log}"
    assert "first line\n" in log.read_text()
    assert stage.load() is None


def test_an_optimization_that_fails_has_a_log_of_its_own(tmp_path: Path) -> None:
    workspace, _ = workspace_of(tmp_path, Scripts())
    profile = optimization(workspace).profile
    workspace.store.run(profile)
    other, _ = workspace_of(tmp_path, Scripts("compile.sh"))
    stage = Optimization(
        replace(profile, translation=replace(profile.translation, workspace=other)), LEVEL
    )
    with pytest.raises(
        TranslationError, match=r"optimize 3\.11-7\.3\.22 \(test\): compile\.sh"
    ) as caught:
        other.store.run(stage)
    assert Path(caught.value.remedy.removeprefix("the log is ")).is_file()
    assert len(list(other.logs.glob("*.log"))) == 2
    assert stage.load() is None


def test_a_package_links_what_was_optimized(data: Path) -> None:
    stages = planned(data, "pgo")
    [package] = [stage for stage in stages if isinstance(stage, Package)]
    assert package.optimization is not None
    assert package.optimization in package.needs
    assert package.optimization.level == PGO


@pytest.mark.parametrize("name", [objects.FOLDER, objects.SOURCES])
def test_a_translation_of_an_older_alpypy_is_not_finished(name: str, tmp_path: Path) -> None:
    workspace, _ = workspace_of(tmp_path, Scripts())
    translation = optimization(workspace).profile.translation
    assert translation.load() is not None
    path = workspace.store.folder(translation.key) / name
    path.rename(path.with_name("elsewhere"))
    assert translation.load() is None


def test_what_is_not_linked_is_only_compiled(tmp_path: Path) -> None:
    workspace, engine = workspace_of(tmp_path, Scripts())
    stage = optimization(workspace)
    workspace.store.run(stage.profile)
    workspace.store.run(stage)
    assert [(job.environment or {})["LINK"] for job in engine.jobs] == ["", "", "true"]
