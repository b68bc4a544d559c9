"""The reference: the same release of PyPy on glibc, to measure what musl costs.

It is for benchmarks only, and no product: it has no metadata and no verify.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

from alpypy.build import layout
from alpypy.build.estimates import Estimates, stage_name
from alpypy.build.images import (
    KEY_LABEL,
    BuiltTarball,
    GivenPypy,
    TranslatingImage,
    built,
    recorded_tarball,
    require_image,
)
from alpypy.build.stage import BuildStage, build_steps, texts
from alpypy.build.translate import Translation
from alpypy.core import archive
from alpypy.core.archive import copy_verified
from alpypy.core.code import digest_of_code
from alpypy.core.fields import Record
from alpypy.core.files import copy_data
from alpypy.core.store import key_of
from alpypy.core.structs import read_toml
from alpypy.engine.workspace import Workspace
from alpypy.recipes.manifest import Translator
from alpypy.recipes.recipe import Recipe
from alpypy.recipes.spec import GlibcTarget


class ReferenceSystem(Record, frozen=True):
    """versions/reference.toml: the system's name in files, its image, and the packages to build."""

    name: str
    image: str
    packages: tuple[str, ...]


def load_system(data: Path) -> ReferenceSystem:
    """Read versions/reference.toml in ``data``.

    Raises:
        DataError: the file cannot be used.
    """
    return read_toml(data / "versions/reference.toml", ReferenceSystem)


def reference_recipe(recipe: Recipe, system: ReferenceSystem) -> Recipe:
    """The recipe of the same release on glibc. It has the same patches."""
    wanted = recipe.target
    target = GlibcTarget(wanted.release, wanted.alpine, wanted.arch, glibc=system.name)
    flags = {"CFLAGS": "", "LDFLAGS": ""}
    return replace(recipe, target=target, build_packages=system.packages, environment=flags)


@dataclass(frozen=True)
class ReferenceImage:
    """The stage that builds the image of Debian with a PyPy 2.7.

    ``base`` is the ID of Debian's image. ``make`` raises ImageError if a step fails.
    """

    workspace: Workspace
    recipe: Recipe
    base: str
    pypy: GivenPypy

    title: ClassVar[str] = "image of the reference"
    interpreter: ClassVar[Literal["pypy"]] = "pypy"

    @property
    def needs(self) -> Sequence[BuildStage]:
        """Empty: it is the first stage."""
        return ()

    @cached_property
    def key(self) -> str:
        """Covers the Dockerfile, the base, the packages and the PyPy 2.7."""
        return key_of(
            files=texts(self._dockerfiles),
            check=self._check.read_text(encoding="utf-8"),
            base=self.base,
            packages=self.recipe.build_packages,
            pypy=self.pypy.identity,
        )

    def expected(self, estimates: Estimates) -> float:
        """Seconds, as the self-hosted image takes."""
        return estimates.stage("self_hosted")

    def load(self) -> TranslatingImage | None:
        """The image of this key, if the engine still has it."""
        image, tarball = built(self.workspace.engine, self.key), self.pypy.load()
        name = tarball.path.name.removesuffix(".tar.bz2")
        return TranslatingImage(image, Translator(name, tarball.sha256)) if image else None

    def make(self, work: Path) -> Mapping[str, Any]:
        """Build the image."""
        workspace, tarball = self.workspace, self.pypy.load()
        workspace.say(f"{self.title}: {self.recipe.target.folder}")
        context = copy_data(self._dockerfiles, work / "context")
        shutil.copy(self._check, context)
        copy_verified(tarball.path, context / "pypy.tar.bz2", tarball.sha256)
        image = workspace.engine.build(
            context,
            tag=self.recipe.target.build_tag(),
            arguments={
                "BASE_IMAGE": self.base,
                "PACKAGES": " ".join(self.recipe.build_packages),
            },
            labels={KEY_LABEL: self.key},
            network=True,
            on_line=build_steps(workspace.say),
        )
        shutil.rmtree(context)
        return {"stage": "reference_image", "image": image}

    @property
    def _dockerfiles(self) -> Path:
        return self.workspace.data / "dockerfiles/reference"

    @property
    def _check(self) -> Path:
        return self.workspace.data / "dockerfiles/self-hosted/check.py"


@dataclass(frozen=True)
class ReferencePackage:
    """The stage that makes the reference's tarball, as PyPy's own package.py lays it out.

    ``make`` raises PackageError, with the last lines of output, if package.py fails.
    """

    translation: Translation

    @property
    def title(self) -> str:
        """Such as ``package pypy-3.11-7.3.23-debian12``."""
        return f"package {self.translation.recipe.target.folder}"

    @property
    def needs(self) -> Sequence[BuildStage]:
        """The tree, and the image that translated it."""
        return (self.translation, self.translation.image)

    @cached_property
    def key(self) -> str:
        """Covers the translation, and the code that packages."""
        recipe = self.translation.recipe
        script = self.translation.workspace.data / "dockerfiles/package/build.py"
        return key_of(
            step="reference",
            name=recipe.target.folder,
            patches=[patch.digest for patch in recipe.patches],
            wheels=[wheel.sha256 for wheel in recipe.packaging],
            code=digest_of_code(Path(__file__), Path(layout.__file__), Path(archive.__file__)),
            script=script.read_text(encoding="utf-8"),
            translation=self.translation.key,
        )

    def expected(self, estimates: Estimates) -> float:
        """Seconds, as the package for an Alpine takes."""
        return estimates.stage(stage_name("package", self.translation.recipe))

    def load(self) -> BuiltTarball | None:
        """The tarball, if it still has the recorded digest."""
        return recorded_tarball(self.translation.workspace, self.key)

    def make(self, work: Path) -> Mapping[str, Any]:
        """Build PyPy's cffi modules, lay out the release, pack it."""
        recipe, workspace = self.translation.recipe, self.translation.workspace
        translated, image = self.translation.load(), require_image(self.translation.image)
        if translated is None:
            raise AssertionError("a tree must be translated before it is packaged")
        folder = layout.lay_out(workspace, recipe, layout.Tree(translated), image.id, work)
        digest = archive.write_tarball(folder, work / recipe.target.tarball)
        for name in ("tree", "build", "wheels"):
            shutil.rmtree(work / name)
        return {"stage": "reference", "file": recipe.target.tarball, "sha256": digest}
