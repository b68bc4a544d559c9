"""What two ways to build take: with stages that are fakes, and with records."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from msgspec import structs

from alpypy.build.base_image import BaseImage
from alpypy.build.estimates import Estimates
from alpypy.build.images import (
    KEY_LABEL,
    BuiltTarball,
    GivenPypy,
    HostPypy,
    SelfHostedImage,
)
from alpypy.build.phases import Phase
from alpypy.build.plan import pending
from alpypy.build.stage import BuildStage
from alpypy.core.errors import SpecError, TranslationError
from alpypy.core.files import file_digest
from alpypy.core.store import Store, key_of
from alpypy.engine.docker import Engine
from alpypy.engine.workspace import Workspace
from alpypy.pipeline import timing
from alpypy.pipeline.request import BuildRequest, ResolvedBuild
from alpypy.pipeline.timing import (
    Comparison,
    Way,
    WayTime,
    measure,
    other_translators,
    prepare,
    resolve_all,
    unfinished,
)
from alpypy.recipes.recipe import PYPY_GOAL, load_catalog
from alpypy.recipes.spec import Target
from tests.manifests import MANIFEST, pack
from tests.trees import write_tree
from tests.workspaces import ROOT, project

TARGET = Target("3.6-7.0.0", "3.9")
SECOND = Target("2.7-7.3.23", "3.9")
VERSION = "pypy/module/sys/version.py"
PHASES = (Phase("annotate", 10.0, 100, 9.0, 2),)


class FakeEngine:
    """An engine that only says how many processors there are."""

    usable_processors = 2


@dataclass(frozen=True)
class FakeStage:
    """A stage that takes no time, and keeps the names of those that were made."""

    title: str
    store: Store
    made: list[str]
    needs: Sequence[BuildStage] = ()

    @property
    def key(self) -> str:
        """Of its name."""
        return key_of(fake=self.title)

    def load(self) -> object:
        """Its record."""
        return self.store.record(self.key)

    def make(self, work: Path) -> Mapping[str, Any]:
        """Say that it is made."""
        self.made.append(self.title)
        return {"phases": [asdict(p) for p in PHASES]} if "translate" in self.title else {}

    def expected(self, estimates: Estimates) -> float:
        """No time."""
        return 0.0


@dataclass(frozen=True)
class FakeImage(FakeStage):
    """An image that the engine has from an earlier build."""

    def load(self) -> object:
        """There."""
        return "image"


@dataclass
class FakeBuilds:
    """Takes the place of Builder, and of builds that are resolved. ``fails`` names a stage."""

    made: list[str] = field(default_factory=list)
    fails: str = ""
    rejects: str = ""

    def resolved(self, comparison: Comparison) -> dict[Way, ResolvedBuild]:
        """As far as timing looks at a build."""
        return {
            way: cast(ResolvedBuild, SimpleNamespace(request=request, downloads=()))
            for way, request in comparison.requests.items()
        }

    def __call__(self, workspace: Workspace, build: ResolvedBuild) -> FakeBuilder:
        return FakeBuilder(workspace, build, self)


class FakeBuilder:
    """Runs fakes: a translator unless the build is direct, an image with it, and the PyPy."""

    def __init__(self, workspace: Workspace, build: ResolvedBuild, builds: FakeBuilds) -> None:
        self._workspace, self._builds = workspace, builds
        release = build.request.target.release
        store, made = workspace.store, builds.made
        stages = list[FakeStage]()
        if not build.request.direct:
            stages = [FakeStage("translate small", store, made)]
            stages.append(FakeImage("image", store, made, tuple(stages)))
        stages.append(FakeStage(f"translate {release}", store, made, tuple(stages[-1:])))
        self.plan = tuple(stages)
        target = SimpleNamespace(folder=f"pypy-{release}")
        self.package = SimpleNamespace(recipe=SimpleNamespace(target=target))

    def run(self, stages: Sequence[FakeStage]) -> object:
        """Run the stages; verify refuses what ``rejects`` names."""
        (self._workspace.logs / "log").touch()
        for stage in stages:
            if stage.title == self._builds.fails:
                raise TranslationError("it failed", remedy="none")
            self._workspace.store.run(stage)
        rejected = stages[-1].title == self._builds.rejects
        report = SimpleNamespace(exit_code=int(rejected), to_text=lambda: "it is wrong")
        return SimpleNamespace(report=report)


Measure = Callable[..., dict[Way, WayTime]]


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> FakeBuilds:
    """The fakes, in Builder's place."""
    fakes = FakeBuilds()
    monkeypatch.setattr(timing, "Builder", fakes)
    return fakes


@pytest.fixture
def run(tmp_path: Path, builds: FakeBuilds) -> Measure:
    """Measures the fakes, with the results in ``tmp_path``/out."""
    workspace = Workspace.of(project(tmp_path), cast(Engine, FakeEngine()))

    def measured(
        request: BuildRequest | None = None,
        second: Target | None = None,
        **options: Any,
    ) -> dict[Way, WayTime]:
        comparison = Comparison(request or BuildRequest(TARGET), second)
        return measure(workspace, builds.resolved(comparison), tmp_path / "out", **options)

    return measured


def left(tmp_path: Path, way: str) -> set[str]:
    """What is left of a way in the cache."""
    return {path.name for path in (tmp_path / f"cache/timing/out-{way}").iterdir()}


def test_each_way_is_built_from_nothing_and_only_logs_stay(
    tmp_path: Path, run: Measure, builds: FakeBuilds
) -> None:
    found = run()
    assert builds.made == ["translate 3.6-7.0.0", "translate small", "translate 3.6-7.0.0"]
    seeds, ours = found[Way.SEEDS], found[Way.OURS]
    assert (seeds.jobs, ours.jobs, ours.processors) == (1, 2, 2)
    assert [stage.title for stage in seeds.stages] == ["translate 3.6-7.0.0"]
    assert [(stage.title, stage.cached) for stage in ours.stages] == [
        ("translate small", False),
        ("image", True),
        ("translate 3.6-7.0.0", False),
    ]
    assert ours.phases == PHASES * 2
    assert left(tmp_path, "seeds") == left(tmp_path, "ours") == {"logs"}


def test_the_translator_is_built_although_the_engine_has_an_image_of_it(
    tmp_path: Path, builds: FakeBuilds
) -> None:
    workspace = Workspace.of(project(tmp_path), cast(Engine, FakeEngine()))
    build = builds.resolved(Comparison(BuildRequest(TARGET)))[Way.OURS]
    plan = cast(Sequence[BuildStage], builds(workspace, build).plan)
    assert [stage.title for stage in unfinished(plan)] == ["translate small", "translate 3.6-7.0.0"]
    assert [stage.title for stage in pending(plan)] == ["translate 3.6-7.0.0"]


def test_a_second_pypy_uses_what_the_first_has_made(run: Measure, builds: FakeBuilds) -> None:
    found = run(second=SECOND, only=Way.OURS)
    assert builds.made == ["translate small", "translate 3.6-7.0.0", "translate 2.7-7.3.23"]
    assert list(found) == [Way.OURS, Way.SECOND]
    assert found[Way.SECOND].phases == PHASES
    assert [stage.cached for stage in found[Way.SECOND].stages] == [True, True, False]


def test_a_finished_way_is_not_repeated_unless_its_inputs_differ(
    run: Measure, builds: FakeBuilds
) -> None:
    first = run()
    builds.made.clear()
    assert run() == first
    assert builds.made == []
    run(BuildRequest(TARGET, jobs=7))  # the seeds' way still has one job
    assert builds.made == ["translate small", "translate 3.6-7.0.0"]


def test_after_a_failure_the_other_way_goes_on_from_nothing(
    tmp_path: Path, run: Measure, builds: FakeBuilds
) -> None:
    builds.fails = "translate small"
    with pytest.raises(TranslationError):
        run()
    assert left(tmp_path, "ours") == {"logs"}
    builds.fails = ""
    builds.made.clear()
    assert list(run()) == [Way.SEEDS, Way.OURS]
    assert builds.made == ["translate small", "translate 3.6-7.0.0"]


@pytest.mark.parametrize("keep", [True, False])
def test_a_second_that_failed_needs_the_first_again_unless_its_stages_are_there(
    run: Measure, builds: FakeBuilds, keep: bool
) -> None:
    builds.fails = "translate 2.7-7.3.23"
    with pytest.raises(TranslationError):
        run(second=SECOND, keep=keep)
    builds.fails = ""
    builds.made.clear()
    assert Way.SECOND in run(second=SECOND)
    first = [] if keep else ["translate small", "translate 3.6-7.0.0"]
    assert builds.made == [*first, "translate 2.7-7.3.23"]


def test_stages_that_were_kept_do_not_count_for_another_run(
    tmp_path: Path, run: Measure, builds: FakeBuilds
) -> None:
    run(keep=True)
    assert left(tmp_path, "ours") == {"logs", "stages"}
    (tmp_path / "out/ours.json").unlink()
    builds.made.clear()
    run()
    assert builds.made == ["translate small", "translate 3.6-7.0.0"]


def test_what_verify_refused_is_kept(run: Measure, builds: FakeBuilds) -> None:
    builds.rejects = "translate 3.6-7.0.0"
    assert run()[Way.SEEDS].findings == "it is wrong"


def test_a_record_of_another_version_is_none(tmp_path: Path) -> None:
    path = tmp_path / "ours.json"
    assert WayTime.read(path) is None
    path.write_text('{"way": "ours"}')
    assert WayTime.read(path) is None
    way = WayTime("key", Way.OURS, "pypy", 2, 2, ())
    way.write(path)
    assert WayTime.read(path) == way


def test_the_seeds_way_is_one_pass_with_one_job_and_stock_flags() -> None:
    ours = BuildRequest(TARGET, optimize="pgo", jobs=8)
    requests = Comparison(ours).requests
    assert requests[Way.OURS] == ours
    assert requests[Way.SEEDS] == BuildRequest(TARGET, direct=True, jobs=1)


def test_with_a_pypy_both_ways_take_the_step_from_it() -> None:
    requests = Comparison(BuildRequest(TARGET, with_pypy="2.7-7.3.23")).requests
    assert not requests[Way.SEEDS].direct
    assert requests[Way.SEEDS] == replace(requests[Way.OURS], jobs=1)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project of its own, for its artifacts."""
    for name in ("versions", "patches"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


def test_each_way_of_a_real_target_has_its_recipes(root: Path) -> None:
    found = resolve_all(project(root), Comparison(BuildRequest(TARGET), SECOND))
    assert found[Way.SEEDS].small is None
    assert found[Way.OURS].small is not None
    assert found[Way.SECOND].recipe.target.release == "2.7-7.3.23"


def test_a_second_does_not_go_with_a_given_pypy(root: Path) -> None:
    request = BuildRequest(TARGET, with_pypy="2.7-7.3.22")
    with pytest.raises(SpecError, match="--second is built with the translator"):
        resolve_all(project(root), Comparison(request, SECOND))


def test_a_given_pypy_is_found_in_the_project_s_own_artifacts(root: Path) -> None:
    pypy = Target("2.7-7.3.22", "3.9")
    pack(structs.replace(MANIFEST, target=pypy), root / "artifacts")
    found = resolve_all(project(root), Comparison(BuildRequest(TARGET, with_pypy="2.7-7.3.22")))
    assert found[Way.SEEDS].given == found[Way.OURS].given
    assert found[Way.OURS].given is not None


def tree(root: Path, version: str) -> Path:
    """A tree that states a version, and has little else."""
    language, _, release = version.partition("-")
    text = (
        f"CPYTHON_VERSION = ({language.replace('.', ', ')}, 1)\n"
        f'PYPY_VERSION = ({release.replace(".", ", ")}, "final", 0)\n'
    )
    return write_tree(root / version, {VERSION: text, PYPY_GOAL: "", "rpython/__init__.py": ""})


def test_a_source_that_one_way_uses_may_be_given_and_one_that_none_uses_not(root: Path) -> None:
    translator = tree(root, load_catalog(ROOT).translator)
    request = BuildRequest(TARGET, sources=[translator])
    found = resolve_all(project(root), Comparison(request))
    assert [len(found[way].sources) for way in (Way.SEEDS, Way.OURS)] == [1, 2]
    request = BuildRequest(TARGET, sources=[translator, tree(root, "3.9-7.3.16")])
    with pytest.raises(SpecError, match=r"is PyPy 3\.9-7\.3\.16, but this build translates"):
        resolve_all(project(root), Comparison(request))


@dataclass
class FakeImageEngine:
    """An engine that has an image as soon as it was told to build it. ``inside`` is the digest of
    the PyPy in it."""

    images: set[str] = field(default_factory=set)
    inside: str = "a" * 64

    def first_labelled(self, label: str, *more: str) -> str | None:
        """The ID of the image that has that key."""
        return f"sha256:{label[-12:]}" if label in self.images else None

    def label(self, image: str, name: str) -> str:
        """What is in each image."""
        return f"pypy-2.7 {self.inside}"

    def build(self, context: Path, *, labels: Mapping[str, str], **options: Any) -> str:
        """Have it."""
        self.images |= {f"{name}={value}" for name, value in labels.items()}
        return "sha256:new"


@dataclass(frozen=True)
class FakePypy:
    """A PyPy 2.7 that a stage packages."""

    tarball: BuiltTarball
    stages: Sequence[BuildStage]
    identity: str = "b" * 64

    def load(self) -> BuiltTarball:
        """Packaged."""
        return self.tarball


def image_with(pypy: HostPypy, folder: Path, engine: FakeImageEngine) -> SelfHostedImage:
    """The image with a PyPy 2.7, as a real stage."""
    workspace = Workspace.of(project(ROOT, folder), cast(Engine, engine))
    base = BaseImage("alpine:3.9", "id", "id", kit=False)
    return SelfHostedImage(workspace, load_catalog(ROOT).recipe(TARGET), base, pypy)


def pypys(folder: Path) -> tuple[GivenPypy, FakePypy]:
    """One that is given, and one that a stage packages; both have the same tarball."""
    path = folder / "pypy.tar.bz2"
    path.write_bytes(b"PyPy")
    tarball = BuiltTarball(path, file_digest(path))
    package = cast(BuildStage, FakeStage("package", Store(folder), []))
    return GivenPypy(tarball), FakePypy(tarball, (package,))


def test_an_image_of_what_is_there_is_made_before_and_one_of_what_a_way_makes_is_not(
    tmp_path: Path,
) -> None:
    engine = FakeImageEngine()
    given, own = (image_with(pypy, tmp_path, engine) for pypy in pypys(tmp_path))
    build = cast(ResolvedBuild, SimpleNamespace(downloads=()))
    prepare(own.workspace, (given, own), build)
    assert given.load() is not None
    assert own.load() is None


def test_an_image_with_a_pypy_that_was_linked_otherwise_is_noted(tmp_path: Path) -> None:
    engine = FakeImageEngine()
    given, own = (image_with(pypy, tmp_path, engine) for pypy in pypys(tmp_path))
    engine.build(tmp_path, labels={KEY_LABEL: own.key})
    engine.build(tmp_path, labels={KEY_LABEL: given.key})
    plan = (given, own)
    [note] = other_translators(plan, ran=())
    assert note.startswith("pypy-2.7, which translated, was linked or packaged otherwise")
    assert list(other_translators(plan, ran=(own,))) == []  # this way made it
    engine.inside = file_digest(tmp_path / "pypy.tar.bz2")
    assert list(other_translators(plan, ran=())) == []
