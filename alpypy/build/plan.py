"""Plan: the stages of a build in order, known before any work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from alpypy.build import base_image
from alpypy.build.base_image import BaseImage
from alpypy.build.images import (
    BootstrapImage,
    GivenPypy,
    SelfHostedImage,
    TranslatingStage,
)
from alpypy.build.libraries import Libraries
from alpypy.build.optimization import Optimization, Profile
from alpypy.build.package import Package
from alpypy.build.portable_image import PortableImage
from alpypy.build.stage import BuildStage
from alpypy.build.translate import Translation
from alpypy.build.verification import Verification
from alpypy.engine.workspace import Workspace
from alpypy.recipes.local_source import OpenedSource
from alpypy.recipes.recipe import Recipe


@dataclass(frozen=True)
class Ingredients:
    """Everything that goes into a build.

    ``small`` is the recipe of the PyPy that translates the target; None for a direct build, or if
    ``given`` is a PyPy 2.7 that exists already. ``sources`` are by release. ``jobs`` is the number
    of C compilers that run at the same time. ``libraries`` lists what a portable PyPy contains.
    """

    recipe: Recipe
    small: Recipe | None
    given: GivenPypy | None
    sources: Mapping[str, OpenedSource]
    base: BaseImage
    jobs: int
    libraries: Path


def plan(workspace: Workspace, parts: Ingredients) -> tuple[BuildStage, ...]:
    """The stages of a build in order: each follows the stages that it needs; verify is the last.

    Raises:
        SpecError: the base is the kit, and it lacks a package that the recipe needs.
    """
    base_image.refuse_missing(workspace.data, parts.recipe, parts.base)
    image = _image(workspace, parts)
    package = _package(workspace, parts.recipe, image, parts)
    if parts.recipe.target.portable:
        package = _portable(package, parts)
    level = parts.recipe.optimize
    if level and level.use:
        profile = Profile(package.translation, level.generate)
        package = replace(package, optimization=Optimization(profile, level))
    return in_order(Verification(package, parts.base))


def _image(workspace: Workspace, parts: Ingredients) -> TranslatingStage:
    """The image that translates the target."""
    if parts.given:
        return SelfHostedImage(workspace, parts.recipe, parts.base, parts.given)
    bootstrap = BootstrapImage(workspace, parts.recipe, parts.base, parts.jobs)
    if parts.small is None:
        return bootstrap
    pypy = _package(workspace, parts.small, bootstrap, parts)
    return SelfHostedImage(workspace, parts.recipe, parts.base, pypy)


def _package(
    workspace: Workspace, recipe: Recipe, image: TranslatingStage, parts: Ingredients
) -> Package:
    source, target = parts.sources[recipe.target.release], recipe.target
    translation = Translation(workspace, recipe, image, source, parts.jobs)
    if recipe.programs:
        return Package(translation, parts.base)
    libraries = Libraries(workspace, parts.base, target.arch, parts.libraries, target.portable)
    return Package(translation, parts.base, libraries)


def _portable(package: Package, parts: Ingredients) -> Package:
    """The same, but translated for the oldest musl."""
    translation, libraries = package.translation, package.libraries
    assert libraries
    tag = parts.recipe.target.portable_tag()
    image = PortableImage(package.workspace, translation.image, libraries.stub, tag)
    return replace(package, translation=replace(translation, image=image))


def in_order(last: BuildStage) -> tuple[BuildStage, ...]:
    """A stage and all stages that it needs, in order, each of them once."""
    stages: dict[str, BuildStage] = {}

    def add(stage: BuildStage) -> None:
        for needed in stage.needs:
            add(needed)
        stages.setdefault(stage.key, stage)

    add(last)
    return tuple(stages.values())


def pending(stages: Sequence[BuildStage]) -> tuple[BuildStage, ...]:
    """The stages of a plan that still have to run.

    A finished stage needs no other stage: those before it do not run for it.
    """
    needed, unfinished = {stages[-1].key}, list[BuildStage]()
    for stage in reversed(stages):
        if stage.key in needed and stage.load() is None:
            needed |= {earlier.key for earlier in stage.needs}
            unfinished.append(stage)
    return tuple(reversed(unfinished))
