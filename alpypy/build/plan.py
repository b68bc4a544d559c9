"""Plan: the stages of a build and their keys, before any work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from alpypy.build import image, package, translate
from alpypy.build.image import Base
from alpypy.core.store import key_of
from alpypy.recipes.recipe import Recipe


@dataclass(frozen=True)
class Stage:
    """One stage: what ``invoke plan`` calls it, its key, whether it is finished, and how many
    seconds it is expected to take."""

    title: str
    key: str
    done: bool
    seconds: float


@dataclass(frozen=True)
class PypyTwo:
    """A PyPy 2.7 that exists already (``--with-pypy``)."""

    path: Path
    sha256: str


@dataclass(frozen=True)
class Plan:
    """Keys of all stages; those that this way does not have are None.

    Staged: bootstrap image, small translation, its package, self-hosted image, then the target.
    Direct: the target right after the bootstrap image. With a PyPy 2.7 at hand: from the
    self-hosted image on.
    """

    recipe: Recipe
    small: Recipe | None
    base: Base
    given: PypyTwo | None
    bootstrap: str | None
    small_translation: str | None
    small_package: str | None
    self_hosted: str | None
    translation: str
    package: str

    @property
    def translator(self) -> str:
        """What translates the target: ``cpython`` or ``pypy``."""
        return "pypy" if self.self_hosted else "cpython"


def make(
    root: Path,
    recipe: Recipe,
    small: Recipe | None,
    base: Base,
    digests: Mapping[str, str],
    given: PypyTwo | None,
) -> Plan:
    """The plan of a build.

    Args:
        small: recipe of the PyPy that translates; None for a direct build or with ``given``.
        digests: of the sources, by release.

    Raises:
        SpecError: the base is the kit, which lacks a package that the recipe needs.
    """
    image.refuse_missing(root, recipe, base)
    bootstrap = None if given else image.bootstrap_key(root, recipe, base)
    small_translation = small_package = None
    if small is not None and bootstrap is not None:
        digest = digests[small.target.release]
        small_translation = translate.translation_key(small, bootstrap, digest)
        small_package = package.package_key(root, small, small_translation)
    pypy = given.sha256 if given else _identity(small, small_translation)
    self_hosted = None if pypy is None else image.self_hosted_key(root, recipe, base, pypy)
    builder = self_hosted or bootstrap or ""
    translation = translate.translation_key(recipe, builder, digests[recipe.target.release])
    packaging = package.package_key(root, recipe, translation)
    stages = (bootstrap, small_translation, small_package, self_hosted, translation, packaging)
    return Plan(recipe, small, base, given, *stages)


def _identity(small: Recipe | None, translation: str | None) -> str | None:
    """What the PyPy that translates is, for keys: how it is laid out and packed does not count."""
    if small is None or translation is None:
        return None
    patches = [patch.digest for patch in small.patches if patch.application_level]
    return key_of(translation=translation, patches=patches)
