"""The run-time image: a PyPy from a verified tarball, on Alpine, with the libraries that it needs.

The tarball's ELF facts say which libraries it needs, by names that apk knows. versions/image.toml
says which files of the tarball the image leaves out.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

from packaging.specifiers import SpecifierSet

from alpypy.build.base_image import find_base
from alpypy.core.archive import copy_verified
from alpypy.core.errors import ArchiveError
from alpypy.core.fields import Reason, Record, text
from alpypy.core.files import copy_data, data_files
from alpypy.core.project import Project
from alpypy.core.store import key_of
from alpypy.core.structs import read_toml
from alpypy.engine.workspace import Workspace
from alpypy.images.build import ImageBuild, recorded
from alpypy.offline import kit as kits
from alpypy.recipes.artifacts import require_tarball
from alpypy.recipes.manifest import Manifest
from alpypy.recipes.recipe import Recipe, load_catalog
from alpypy.recipes.spec import RUNTIME_REPOSITORY, PypyVersion, Target
from alpypy.verify import receipt

FILE_NAME = "image.toml"
FOLDER = "opt/pypy"  # where PyPy is in the image, as in docker-library's
_TARBALL_LABEL = "org.alpypy.tarball"  # SHA-256 of the image's tarball
_CONTEXT = "dockerfiles/runtime"
_UPSTREAM = "https://github.com/pypy/pypy"  # of a PyPy that is no release


# At least one character that is not * or /, and no / at either end.
_PathEnd = Annotated[
    str, text(r"(?!/)(?=.*[^*/]).*(?<!/)", "the end of a path, such as tests or *.c")
]


class Exclusion(Record, frozen=True):
    """Files of a tarball that the image leaves out. With ``dev``, the -dev image keeps them."""

    what: str
    patterns: tuple[_PathEnd, ...]
    why: Reason
    dev: bool = False


class Setuptools(Record, frozen=True):
    """The languages that keep setuptools beside pip."""

    language: SpecifierSet


class ImageSettings(Record, frozen=True):
    """versions/image.toml."""

    left_out: tuple[Exclusion, ...]
    setuptools: Setuptools


@dataclass(frozen=True)
class ImageRequest:
    """The image that the user wants; ``base_image`` is a name or a root file system's tarball.

    ``fresh`` builds it again if it exists, with the packages that Alpine has now. ``bytecode``
    compiles the standard library for it.
    """

    target: Target
    repository: str = RUNTIME_REPOSITORY
    dev: bool = False
    bytecode: bool = False
    base_image: str | None = None
    fresh: bool = False

    @property
    def variant(self) -> str:
        """What its tag says of it: ``dev``, ``bytecode``, both, or nothing."""
        chosen = {"dev": self.dev, "bytecode": self.bytecode}
        return "-".join(name for name, wanted in chosen.items() if wanted)


@dataclass(frozen=True)
class ImagePlan:
    """What alpypy builds the image from, all of it checked."""

    request: ImageRequest
    reference: str
    recipe: Recipe
    tarball: Path
    sha256: str
    manifest: Manifest
    settings: ImageSettings

    @property
    def language(self) -> str:
        """Python's version, such as ``3.11``."""
        return PypyVersion.parse(self.request.target.release).language


@dataclass(frozen=True)
class ImageBase:
    """The base image, and the image that its packages come from: the same, or the kit that was made
    from it. ``identity`` stands for the content of the latter in keys."""

    id: str
    name: str
    digest: str
    packages: str
    identity: str
    network: bool


def load_settings(root: Path) -> ImageSettings:
    """Read and check ``root``/versions/image.toml.

    Raises:
        DataError: a field is missing or unknown, or has a wrong value.
    """
    return read_toml(root / "versions" / FILE_NAME, ImageSettings)


def resolve(project: Project, request: ImageRequest) -> ImagePlan:
    """Find the tarball in artifacts/ and check that users may have it.

    Raises:
        SpecError: there is no such release or Alpine, it is not a PyPy, or a name cannot be used.
        ArchiveError: the tarball is missing, damaged, or for another target.
        UnverifiedError: it did not pass verify.
        DataError: a file in versions/ is not usable.
    """
    target = request.target
    recipe = load_catalog(project.data).recipe(target)
    PypyVersion.parse(target.release)
    reference = target.runtime_tag(request.repository, variant=request.variant)
    tarball = require_tarball(project.artifacts, target)
    report = receipt.require(tarball)
    manifest = Manifest.of_tarball(tarball)
    if manifest.target.on(target.alpine) != target:
        raise ArchiveError(
            f"artifacts/{tarball.name} contains {manifest.target.folder}",
            remedy=f"rename it to {manifest.target.tarball}, verify it, and build its image",
        )
    settings = load_settings(project.data)
    return ImagePlan(request, reference, recipe, tarball, report.sha256, manifest, settings)


def make(workspace: Workspace, plan: ImagePlan) -> str:
    """Build the image and return its ID. If the engine has it, build it only if ``fresh``.

    Raises:
        ImageError: a step failed, or the image's own check did; or there is no base image.
        KitError, SpecError, DownloadError: see ``find_base``.
    """
    image = RuntimeImage(workspace, plan, image_base(workspace, plan))
    identity = workspace.store.run(image, again=plan.request.fresh)
    workspace.engine.tag(identity, plan.reference)
    return identity


def image_base(workspace: Workspace, plan: ImagePlan) -> ImageBase:
    """The image's Alpine: the one that the user chose, else the one that the tarball was built for.

    A PyPy that was built with the kit needs the kit's libraries, unless it is portable. Its image
    starts from the Alpine below the kit, without the kit's build packages.
    """
    engine, request, recipe = workspace.engine, plan.request, plan.recipe
    free = request.base_image or request.target.portable
    kit = None if free else plan.manifest.image.kit
    packages = find_base(workspace, recipe.alpine, request.target.arch, request.base_image, kit=kit)
    base = packages.id
    if packages.id == engine.image_id(kits.reference(recipe.alpine.version)):
        base = kits.made_on(engine, recipe.alpine.version)
    facts = engine.facts(base)
    name, digest = name_and_digest(facts, (request.base_image, f"alpine:{recipe.alpine.version}"))
    return ImageBase(
        id=base,
        name=name,
        digest=digest,
        packages=packages.reference,
        identity=packages.identity,
        network=not packages.kit,
    )


def name_and_digest(facts: Mapping[str, Any], preferred: Sequence[str | None]) -> tuple[str, str]:
    """An image's name and digest for the labels: the first of the ``preferred`` names that it has,
    else another name, and its registry's digest. Its ID stands for a name or digest it lacks.

    Args:
        facts: the engine's description of the image. Some engines write null for an empty list.
    """
    tags, digests = facts["RepoTags"] or [], facts["RepoDigests"] or []
    names = [*tags, facts["Id"]]
    name = next((name for name in preferred if name in names), names[0])
    return str(name), str([*digests, facts["Id"]][0]).rpartition("@")[2]


@dataclass(frozen=True)
class RuntimeImage:
    """The stage that builds the image."""

    workspace: Workspace
    plan: ImagePlan
    base: ImageBase

    @property
    def title(self) -> str:
        """The image's name."""
        return f"image {self.plan.reference}"

    @cached_property
    def key(self) -> str:
        """Of the Dockerfile's folder, the settings, the tarball, the base and the labels."""
        folder = self.workspace.data / _CONTEXT
        return key_of(
            files={path.name: path.read_text(encoding="utf-8") for path in data_files(folder)},
            settings=_settings(self.plan),
            tarball=self.plan.sha256,
            base=self.base.id,
            packages=self.base.identity,
            labels=_labels(self.plan, self.base),
        )

    def load(self) -> str | None:
        """The image's ID, if the engine still has it."""
        return recorded(self.workspace, self.key)

    def make(self, work: Path) -> Mapping[str, Any]:
        """Build the image."""
        plan = self.plan
        self.workspace.say(f"building {plan.reference} from {plan.tarball.name}")
        context = copy_data(self.workspace.data / _CONTEXT, work / "context")
        copy_verified(plan.tarball, context / "pypy.tar.bz2", plan.sha256)
        (context / "settings.json").write_text(json.dumps(_settings(plan)), encoding="utf-8")
        image = self._build(context)
        shutil.rmtree(context)
        return {"stage": "runtime_image", "image": image}

    def _build(self, context: Path) -> str:
        build = ImageBuild(
            self.plan.reference,
            self.key,
            _arguments(self.plan, self.base),
            _labels(self.plan, self.base),
            self.base.network,
            target=f"python{self.plan.language[0]}",
            fresh=self.plan.request.fresh,
        )
        return build.run(self.workspace, context)


def _arguments(plan: ImagePlan, base: ImageBase) -> dict[str, str]:
    return {
        "BASE_IMAGE": base.id,
        "PACKAGE_IMAGE": base.packages,
        "LIBRARIES": " ".join(libraries(plan.manifest)),
        "SYSTEM": "with-libraries" if plan.manifest.needed else "base",
        "EXECUTABLE": plan.manifest.executables[0],
    }


def libraries(manifest: Manifest) -> tuple[str, ...]:
    """The libraries to install, in apk's names: ``so:libffi.so.8``."""
    return tuple(f"so:{need.soname}" for need in manifest.needed)


def _settings(plan: ImagePlan) -> dict[str, Any]:
    """The settings of the scripts inside the image."""
    language, left_out = plan.language, plan.settings.left_out
    kept = [exclusion for exclusion in left_out if exclusion.dev and plan.request.dev]
    return {
        "language": language,
        "names": [
            f"{name}{version}"
            for name in ("pypy", "python")
            for version in ("", language[0], language)
        ],
        "uninstall": [] if language in plan.settings.setuptools.language else ["setuptools"],
        "leave_out": [
            {"what": exclusion.what, "patterns": exclusion.patterns} for exclusion in left_out
        ],
        "bytecode": plan.request.bytecode,
        "keep": [pattern for exclusion in kept for pattern in exclusion.patterns],
    }


def _labels(plan: ImagePlan, base: ImageBase) -> Mapping[str, str]:
    """Source: https://github.com/opencontainers/image-spec/blob/main/annotations.md

    ``revision`` is the commit of the translated source, or its SHA-256: it may be the user's own.
    """
    target, source = plan.request.target, plan.manifest.source
    kind = "to build extension modules with" if plan.request.dev else "to run programs on"
    oci = {
        "title": f"PyPy {target.version} for Alpine {target.alpine}",
        "description": f"PyPy, built for musl, {kind}",
        "version": target.version,
        "source": source.url or (plan.recipe.source.url if plan.recipe.source else _UPSTREAM),
        "revision": source.commit or f"sha256:{source.sha256}",
        "base.name": base.name,
        "base.digest": base.digest,
    }
    named = {f"org.opencontainers.image.{name}": value for name, value in oci.items()}
    return {**named, _TARBALL_LABEL: plan.sha256}
