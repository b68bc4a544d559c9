"""The image that cibuildwheel builds, repairs and tests wheels in (docs/cibuildwheel.md).

It is the -dev image of a PyPy, and what cibuildwheel expects of an image of pypa's: a compiler,
auditwheel, and the interpreter below /opt/python.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from packaging.version import Version

from alpypy.core.errors import SpecError
from alpypy.core.fields import PackageName, Record
from alpypy.core.files import copy_data, data_files, file_digest
from alpypy.core.program import typed
from alpypy.core.source import Source
from alpypy.core.store import key_of
from alpypy.core.structs import read_toml
from alpypy.engine.workspace import Workspace
from alpypy.images import runtime
from alpypy.images.build import ImageBuild, recorded
from alpypy.images.runtime import ImageBase, ImagePlan
from alpypy.recipes.spec import PypyVersion
from alpypy.wheels.images import musl_of
from alpypy.wheels.kit import ExtraPackages

FILE_NAME = "cibuildwheel.toml"
VARIANT = "cibuildwheel"  # the end of the image's tag
_CONTEXT = "dockerfiles/cibuildwheel"


class PinnedWheel(Source, frozen=True, kw_only=True):
    """A wheel that is installed in the image, for the interpreter itself or in the tools' own
    environment. Without ``arch`` it fits every architecture."""

    place: tuple[Literal["interpreter", "tools"], ...]
    arch: Literal["x86_64", "aarch64"] | None = None


class CibuildwheelData(Record, frozen=True):
    """versions/cibuildwheel.toml.

    ``python`` and ``pypy`` are the oldest that the wheels run on.
    """

    python: Version
    pypy: Version
    packages: tuple[PackageName, ...]
    wheels: tuple[PinnedWheel, ...]


def load_data(root: Path) -> CibuildwheelData:
    """Read and check ``root``/versions/cibuildwheel.toml.

    Raises:
        DataError: a field is missing or unknown, or has a wrong value.
    """
    return read_toml(root / "versions" / FILE_NAME, CibuildwheelData)


def refuse_unfit(data: CibuildwheelData, version: PypyVersion) -> None:
    """Raise SpecError if a PyPy cannot run the image's tools."""
    oldest = PypyVersion(str(data.python), str(data.pypy))
    if Version(version.language) < data.python or Version(version.release) < data.pypy:
        raise SpecError(
            f"{version} cannot run auditwheel, which cibuildwheel repairs wheels with",
            remedy=f"choose {oldest} or later; `{typed('wheels')}` builds wheels for {version} too",
        )


def make(workspace: Workspace, plan: ImagePlan) -> str:
    """Build the image, and the -dev image that it stands on, and return its name.

    Args:
        plan: the plan of the -dev image, of a PyPy that ``refuse_unfit`` lets pass.

    Raises:
        SpecError: the kit lacks a package.
        ImageError: a step failed, or the image's own check did; or there is no base image.
        KitError, DownloadError, DigestError: the kit, or a wheel for the image, is out of reach.
    """
    request, data = plan.request, load_data(workspace.data)
    reference = request.target.runtime_tag(request.repository, variant=VARIANT)
    dev, base = runtime.make(workspace, plan), runtime.image_base(workspace, plan)
    repositories = _repositories(workspace, data, base, request.target.alpine)
    image = CibuildwheelImage(workspace, data, plan, reference, dev, base, repositories)
    identity = workspace.store.run(image, again=request.fresh)
    workspace.engine.tag(identity, reference)
    return reference


def _repositories(
    workspace: Workspace, data: CibuildwheelData, base: ImageBase, alpine: str
) -> Mapping[str, Path]:
    """The folders of packages that the kit does not have itself; none with Alpine's own."""
    extra = ExtraPackages(workspace, base.packages, None if base.network else base.identity)
    extra.refuse_missing(data.packages, "the image for cibuildwheel", alpine)
    return extra.repositories(data.packages)


@dataclass(frozen=True)
class CibuildwheelImage:
    """The stage that builds the image. ``dev`` is the ID of the -dev image, ``repositories``
    are folders with packages that the kit lacks."""

    workspace: Workspace
    data: CibuildwheelData
    plan: ImagePlan
    reference: str
    dev: str
    base: ImageBase
    repositories: Mapping[str, Path]

    @property
    def title(self) -> str:
        """The image's name."""
        return f"image {self.reference}"

    @cached_property
    def key(self) -> str:
        """Of the Dockerfile's folder, the -dev image, the packages and the wheels."""
        folder = self.workspace.data / _CONTEXT
        files = (path for folder in self.repositories.values() for path in _files(folder))
        packages = sorted(map(file_digest, files))
        return key_of(
            files={path.name: path.read_text(encoding="utf-8") for path in data_files(folder)},
            dev=self.dev,
            packages=[self.base.identity, packages],
            arguments=self._arguments,
            wheels=[(wheel.sha256, wheel.place) for wheel in self._wheels],
            labels=self._labels,
        )

    def load(self) -> str | None:
        """The image's ID, if the engine still has it."""
        return recorded(self.workspace, self.key)

    def make(self, work: Path) -> Mapping[str, Any]:
        """Build the image."""
        self.workspace.say(f"building {self.reference}")
        context = copy_data(self.workspace.data / _CONTEXT, work / "context")
        self._place_wheels(context)
        (context / "repositories").mkdir()
        for name, repository in self.repositories.items():
            shutil.copytree(repository, context / "repositories" / name)
        arch = self.plan.request.target.arch
        major, minor = musl_of(self.workspace, self.dev, arch)
        build = ImageBuild(
            self.reference,
            self.key,
            {**self._arguments, "AUDITWHEEL_POLICY": f"musllinux_{major}_{minor}"},
            self._labels,
            self.base.network,
            fresh=self.plan.request.fresh,
        )
        image = build.run(self.workspace, context)
        shutil.rmtree(context)
        return {"stage": "cibuildwheel_image", "image": image}

    def _place_wheels(self, context: Path) -> None:
        for wheel in self._wheels:
            path = self.workspace.fetcher.fetch(wheel)
            for name in wheel.place:
                (context / name).mkdir(exist_ok=True)
                shutil.copy(path, context / name)

    @property
    def _wheels(self) -> tuple[PinnedWheel, ...]:
        arch = self.plan.request.target.arch
        return tuple(wheel for wheel in self.data.wheels if wheel.arch in (None, arch))

    @property
    def _arguments(self) -> Mapping[str, str]:
        return {
            "DEV_IMAGE": self.dev,
            "PACKAGE_IMAGE": self.base.packages,
            "PACKAGES": " ".join(self.data.packages),
            "AUDITWHEEL_ARCH": self.plan.request.target.arch,
        }

    @property
    def _labels(self) -> Mapping[str, str]:
        """Of all others, the -dev image's apply."""
        target = self.plan.request.target
        title = f"PyPy {target.version} for Alpine {target.alpine}, for cibuildwheel"
        return {
            "org.opencontainers.image.title": title,
            "org.opencontainers.image.description": "to build wheels for musl with cibuildwheel",
        }


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
