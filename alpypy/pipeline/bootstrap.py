"""A whole build: run the stages of a plan, and publish the tarball if it passes verify."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from alpypy.build.base_image import find_base
from alpypy.build.estimates import Estimates, stage_name
from alpypy.build.images import BuiltTarball
from alpypy.build.package import Package
from alpypy.build.plan import Ingredients, pending, plan
from alpypy.build.stage import BuildStage
from alpypy.build.translate import Translation, default_jobs
from alpypy.build.verification import Rejected
from alpypy.core import archive
from alpypy.core.project import Project
from alpypy.engine.workspace import Workspace
from alpypy.pipeline.request import ResolvedBuild
from alpypy.pipeline.stages import StageRunner
from alpypy.recipes.recipe import Recipe
from alpypy.verify import receipt
from alpypy.verify.run import Report


@dataclass(frozen=True)
class Outcome:
    """The tarball and verify's report. It is in artifacts/ only if it passed."""

    tarball: Path
    report: Report


@dataclass(frozen=True)
class PlannedStage:
    """A line of ``invoke plan``. ``seconds`` is how long the stage should take."""

    title: str
    key: str
    done: bool
    seconds: float


def expected_seconds(project: Project, build: ResolvedBuild) -> float:
    """How long a build should take of which no stage is finished, before there is an engine."""
    estimates = Estimates(project)
    jobs = build.request.jobs or default_jobs()

    def packaged(recipe: Recipe, translator: str) -> float:
        phases = estimates.phases(recipe, translator, jobs)
        level = recipe.optimize
        optimized = ("profile", "optimize") if level and level.use else ()
        stages = (stage_name("package", recipe), *optimized)
        return sum(phases.values()) + sum(map(estimates.stage, stages))

    seconds = estimates.stage(stage_name("verify", build.recipe))
    if not build.given:
        seconds += estimates.stage("bootstrap")
    if build.small:
        seconds += packaged(build.small, "cpython")
    if build.small or build.given:
        return seconds + estimates.stage("self_hosted") + packaged(build.recipe, "pypy")
    return seconds + packaged(build.recipe, "cpython")


class Builder:
    """Plans a build, and runs it."""

    def __init__(self, workspace: Workspace, build: ResolvedBuild) -> None:
        self._workspace = workspace
        self._stages = StageRunner(workspace, keep=build.request.keep)
        recipe = build.recipe
        base = find_base(workspace, recipe.alpine, recipe.target.arch, build.request.base_image)
        jobs = build.request.jobs or workspace.engine.usable_processors
        parts = Ingredients(
            recipe,
            build.small,
            build.given,
            build.sources,
            base,
            jobs,
            build.request.libraries or workspace.data / "versions/libraries.toml",
        )
        self.plan = plan(workspace, parts)

    @cached_property
    def package(self) -> Package:
        """The stage that makes the tarball."""
        *_, package, _ = self.plan
        assert isinstance(package, Package)
        return package

    def planned(self) -> tuple[PlannedStage, ...]:
        """Every stage in order, whether it is finished, and how long it should take."""
        unfinished = {stage.key for stage in pending(self.plan)}
        estimates = Estimates(self._workspace)
        return tuple(
            PlannedStage(
                stage.title, stage.key, stage.key not in unfinished, stage.expected(estimates)
            )
            for stage in self.plan
        )

    def run(self, stages: Sequence[BuildStage] | None = None) -> Outcome:
        """Run the stages that are not finished, and put the tarball into artifacts/.

        Args:
            stages: those of the plan to run, in its order, in place of those that are pending.

        Raises:
            AlpypyError: a stage failed; the stages before it stay finished.
        """
        stages = pending(self.plan) if stages is None else stages
        for stage in stages:
            if isinstance(stage, Translation):
                stage.prepare()
        try:
            self._stages.run_all(self.plan, stages, self.package.recipe.target.folder)
            report = self._stages.run(self.plan[-1])
        except Rejected as rejected:
            return Outcome(self._tarball().path, rejected.report)
        return Outcome(self._publish(self._tarball(), report), report)

    def _tarball(self) -> BuiltTarball:
        return self._workspace.store.run(self.package)

    def _publish(self, tarball: BuiltTarball, report: Report) -> Path:
        target = self._workspace.artifacts / tarball.path.name
        if not archive.published(target, tarball.sha256):
            archive.publish(tarball.path, target.parent, tarball.sha256)
        receipt.keep(target, report)
        return target
