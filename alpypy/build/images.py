"""The images that translate: CPython 2.7 on Alpine, and PyPy 2.7 on the same Alpine."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

from alpypy.build.base_image import BaseImage
from alpypy.build.estimates import Estimates
from alpypy.build.stage import BuildStage, build_steps, texts
from alpypy.core.archive import copy_verified
from alpypy.core.errors import ImageError
from alpypy.core.files import copy_data, file_digest
from alpypy.core.store import key_of
from alpypy.engine.docker import Engine
from alpypy.engine.workspace import Workspace
from alpypy.recipes.manifest import Translator
from alpypy.recipes.recipe import Recipe

KEY_LABEL = "org.alpypy.key"
_TRANSLATOR_LABEL = "org.alpypy.translator"  # name and SHA-256 of the tarball inside


@dataclass(frozen=True)
class BuiltTarball:
    """A packaged release and its digest."""

    path: Path
    sha256: str


def recorded_tarball(workspace: Workspace, key: str) -> BuiltTarball | None:
    """The tarball of a finished stage, if it still has the recorded digest."""
    record = workspace.store.record(key)
    if record is None:
        return None
    tarball = BuiltTarball(workspace.store.folder(key) / record["file"], record["sha256"])
    unchanged = tarball.path.is_file() and file_digest(tarball.path) == tarball.sha256
    return tarball if unchanged else None


@dataclass(frozen=True)
class TranslatingImage:
    """An image that translates, by ID, and the interpreter in it."""

    id: str
    translator: Translator


class TranslatingStage(BuildStage, Protocol):
    """The stage of an image that translates. versions/durations.toml lists by ``interpreter``."""

    @property
    def interpreter(self) -> Literal["cpython", "pypy"]:
        """The interpreter in the image."""

    def load(self) -> TranslatingImage | None:
        """The image, if the engine has it."""


class HostPypy(Protocol):
    """Provides the PyPy 2.7 that translates in the self-hosted image."""

    @property
    def identity(self) -> str:
        """The digest that stands for this PyPy in keys."""

    @property
    def stages(self) -> Sequence[BuildStage]:
        """The stage that packages it; empty if it exists already."""

    def load(self) -> BuiltTarball | None:
        """Its tarball, once it is packaged."""


@dataclass(frozen=True)
class GivenPypy:
    """A PyPy 2.7 that exists already (``--with-pypy``)."""

    tarball: BuiltTarball

    @property
    def identity(self) -> str:
        """The digest of its tarball."""
        return self.tarball.sha256

    @property
    def stages(self) -> Sequence[BuildStage]:
        """Empty: the tarball exists."""
        return ()

    def load(self) -> BuiltTarball:
        """Its tarball."""
        return self.tarball


@dataclass(frozen=True)
class BootstrapImage:
    """The stage that builds the image with CPython 2.7. ``jobs``: C compilers at once.

    ``make`` raises ImageError if a step fails; the image's own check is a step too.
    """

    workspace: Workspace
    recipe: Recipe
    base: BaseImage
    jobs: int

    title: ClassVar[str] = "bootstrap image"
    interpreter: ClassVar[Literal["cpython", "pypy"]] = "cpython"

    @property
    def needs(self) -> Sequence[BuildStage]:
        """Empty: it is the first stage."""
        return ()

    @cached_property
    def key(self) -> str:
        """Covers the Dockerfile, base, packages, CPython and its wheels, and compiler flags."""
        recipe = self.recipe
        return key_of(
            files=texts(self._dockerfiles),
            base=self.base.identity,
            packages=recipe.build_packages,
            python=[source.sha256 for source in (recipe.cpython, *recipe.cpython_wheels)],
            cflags=recipe.environment["CFLAGS"],
        )

    @property
    def arguments(self) -> Mapping[str, str]:
        """The Dockerfile's arguments, without JOBS, which does not change the image."""
        return {**_arguments(self.recipe, self.base), "CFLAGS": self.recipe.environment["CFLAGS"]}

    def expected(self, estimates: Estimates) -> float:
        """Seconds, as in the last run, else as listed."""
        return estimates.stage("bootstrap")

    def load(self) -> TranslatingImage | None:
        """The image of this key, if the engine still has it."""
        image = built(self.workspace.engine, self.key)
        cpython = self.recipe.cpython
        translator = Translator(cpython.file_name.removesuffix(".tgz"), cpython.sha256)
        return TranslatingImage(image, translator) if image else None

    def make(self, work: Path) -> Mapping[str, Any]:
        """Build the image."""
        workspace, recipe = self.workspace, self.recipe
        workspace.say("bootstrap image: Alpine, build packages, CPython 2.7")
        context = _context(self._dockerfiles, work)
        shutil.copy(workspace.fetcher.fetch(recipe.cpython), context / "Python-2.7.tgz")
        (context / "wheels").mkdir()
        for wheel in recipe.cpython_wheels:
            shutil.copy(workspace.fetcher.fetch(wheel), context / "wheels")
        image = workspace.engine.build(
            context,
            tag=recipe.target.bootstrap_tag(),
            arguments={**self.arguments, "JOBS": str(self.jobs)},
            labels={KEY_LABEL: self.key},
            network=not self.base.kit,
            on_line=build_steps(workspace.say),
        )
        shutil.rmtree(context)
        return {"stage": "bootstrap", "image": image}

    @property
    def _dockerfiles(self) -> Path:
        return self.workspace.data / "dockerfiles/bootstrap"


@dataclass(frozen=True)
class SelfHostedImage:
    """The stage that builds the image with a PyPy 2.7 from its tarball.

    ``make`` raises ImageError if a step fails; the image's own check is a step too.
    """

    workspace: Workspace
    recipe: Recipe
    base: BaseImage
    pypy: HostPypy

    title: ClassVar[str] = "self-hosted image"
    interpreter: ClassVar[Literal["cpython", "pypy"]] = "pypy"

    @property
    def needs(self) -> Sequence[BuildStage]:
        """The stage that packages the PyPy 2.7; empty if the user gave one."""
        return self.pypy.stages

    @cached_property
    def key(self) -> str:
        """Covers the Dockerfile, the base, the packages and the PyPy 2.7."""
        return key_of(
            files=texts(self._dockerfiles),
            base=self.base.identity,
            packages=self.recipe.build_packages,
            pypy=self.pypy.identity,
        )

    @property
    def arguments(self) -> Mapping[str, str]:
        """The Dockerfile's arguments."""
        return _arguments(self.recipe, self.base)

    def expected(self, estimates: Estimates) -> float:
        """Seconds, as in the last run, else as listed."""
        return estimates.stage("self_hosted")

    def load(self) -> TranslatingImage | None:
        """The image of this key, if the engine has it and its label names the PyPy inside."""
        image = built(self.workspace.engine, self.key, _TRANSLATOR_LABEL)
        if image is None:
            return None
        label = self.workspace.engine.label(image, _TRANSLATOR_LABEL) or ""
        name, _, sha256 = label.partition(" ")
        return TranslatingImage(image, Translator(name, sha256)) if sha256 else None

    def make(self, work: Path) -> Mapping[str, Any]:
        """Build the image."""
        workspace, tarball = self.workspace, self.pypy.load()
        if tarball is None:
            raise AssertionError("the PyPy 2.7 must be packaged before its image is built")
        name = tarball.path.name.removesuffix(".tar.bz2")
        workspace.say(f"self-hosted image: Alpine, build packages, {name}")
        context = _context(self._dockerfiles, work)
        copy_verified(tarball.path, context / "pypy.tar.bz2", tarball.sha256)
        image = workspace.engine.build(
            context,
            tag=self.recipe.target.build_tag(),
            arguments=self.arguments,
            labels={KEY_LABEL: self.key, _TRANSLATOR_LABEL: f"{name} {tarball.sha256}"},
            network=not self.base.kit,
            on_line=build_steps(workspace.say),
        )
        shutil.rmtree(context)
        return {"stage": "self_hosted", "image": image}

    @property
    def _dockerfiles(self) -> Path:
        return self.workspace.data / "dockerfiles/self-hosted"


def require_image(stage: TranslatingStage) -> TranslatingImage:
    """The image of a stage that has run.

    Raises:
        ImageError: the engine no longer has it.
    """
    image = stage.load()
    if image is None:
        raise ImageError(
            f"the {stage.title} is no longer in the engine",
            remedy="run the command again: it builds that image again",
        )
    return image


def built(engine: Engine, key: str, *labels: str) -> str | None:
    """The ID of the image that was built with this key, if the engine still has it.

    Args:
        labels: the names of the other labels that it was built with.
    """
    return engine.first_labelled(f"{KEY_LABEL}={key}", *labels)


def _context(dockerfiles: Path, folder: Path) -> Path:
    return copy_data(dockerfiles, folder / "context")


def _arguments(recipe: Recipe, base: BaseImage) -> dict[str, str]:
    return {"BASE_IMAGE": base.reference, "PACKAGES": " ".join(recipe.build_packages)}
