"""Prepare the test run of a tarball: unpacked tree, images, PyPy's own tests and pytest.

Each is a stage of a store: it runs once, and is either finished or not there.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from alpypy.build.base_image import BaseImage
from alpypy.core.errors import SpecError
from alpypy.core.fetch import Fetcher
from alpypy.core.files import file_digest
from alpypy.core.program import typed
from alpypy.core.source import Source
from alpypy.core.store import Store, key_of
from alpypy.core.unpack import unpack, unpack_wheel
from alpypy.engine.job import Job, Mount
from alpypy.engine.workspace import Workspace
from alpypy.recipes.local_source import OpenedSource
from alpypy.recipes.manifest import FILE_NAME, Manifest
from alpypy.recipes.recipe import Recipe
from alpypy.suites.plan import EXTRA

CONTEXT = "dockerfiles/check"  # below the data folder
WHEELS = "/check/wheels"  # where containers see them
_LIBRARIES = ("lib", "lib-python", "lib_pypy")  # of PyPy's earlier and current layouts
_COMPILE_TIMEOUT = 3600.0  # seconds, for the whole library on a core that others use too


@dataclass(frozen=True)
class UnpackedPypy:
    """An unpacked PyPy: its top folder, its metadata, and the tarball's digest."""

    folder: Path
    manifest: Manifest
    sha256: str

    @property
    def place(self) -> str:
        """Where containers see it."""
        return f"/opt/{self.folder.name}"


@dataclass(frozen=True)
class SuiteImages:
    """The image with the run-time packages, and the one that also has a compiler, by ID."""

    clean: str
    compiler: str


@dataclass(frozen=True)
class UnpackedTarball:
    """The stage that unpacks a tarball of a PyPy.

    Making it raises ArchiveError if the tarball is damaged.
    """

    store: Store
    tarball: Path
    sha256: str

    @property
    def title(self) -> str:
        """Such as ``unpack pypy-3.11-7.3.22-alpine3.23.tar.bz2``."""
        return f"unpack {self.tarball.name}"

    @property
    def key(self) -> str:
        """Of the tarball."""
        return key_of(step="unpack", tarball=self.sha256)

    def load(self) -> UnpackedPypy | None:
        """The unpacked tree.

        Raises:
            ArchiveError: its metadata is not usable.
            SpecError: it is not a PyPy.
        """
        if self.store.record(self.key) is None:
            return None
        folders = self.store.folder(self.key).iterdir()
        folder = next(path for path in folders if path.is_dir())
        manifest = Manifest.from_json((folder / FILE_NAME).read_bytes())
        if manifest.kind != "pypy":
            raise SpecError(
                f"{self.tarball.name} is not a PyPy: it has no tests of its own",
                remedy=f"check its programs with `{typed('verify')}`",
            )
        return UnpackedPypy(folder, manifest, self.sha256)

    def make(self, work: Path) -> Mapping[str, Any]:
        """Unpack it."""
        unpack(self.tarball, work)
        return {}


@dataclass(frozen=True)
class ExtraSuite:
    """PyPy's own tests, the wheels that run them, and their digest; empty without a source."""

    source: Path | None = None
    wheels: Path | None = None
    digest: str = ""


@dataclass(frozen=True)
class PreparedPypy:
    """All that the tests of a PyPy need to run."""

    tree: UnpackedPypy
    images: SuiteImages
    extra: ExtraSuite


def unpacked(store: Store, tarball: Path) -> UnpackedPypy:
    """The content of a tarball of a PyPy; raises the errors of ``UnpackedTarball``."""
    return store.run(UnpackedTarball(store, tarball, file_digest(tarball)))


def build_images(
    workspace: Workspace, base: BaseImage, recipe: Recipe, manifest: Manifest
) -> SuiteImages:
    """Build the image with the run-time packages, and the one that also has the build packages.

    Raises:
        ImageError: an image could not be built.
    """

    def build(kind: str, packages: Sequence[str]) -> str:
        return workspace.engine.build(
            workspace.data / CONTEXT,
            tag=f"alpypy-check:{manifest.target.folder_tag}-{kind}",
            arguments={"BASE": base.reference, "PACKAGES": " ".join(packages)},
            labels={},
            network=not base.kit,
        )

    clean = manifest.runtime_packages
    return SuiteImages(build("clean", clean), build("compiler", (*clean, *recipe.build_packages)))


@dataclass(frozen=True)
class CompiledLibrary:
    """The stage in which the PyPy compiles its library and the unpacked wheels to bytecode.

    The tests' user cannot write there, so without it each module's process would compile them.
    """

    workspace: Workspace
    store: Store
    image: str
    tree: UnpackedPypy
    wheels: Path | None

    @property
    def title(self) -> str:
        """Such as ``compile the library of pypy-3.11-7.3.22-alpine3.23``."""
        return f"compile the library of {self.tree.folder.name}"

    @property
    def key(self) -> str:
        """Of the tarball and the wheels."""
        wheels = self.wheels and self.wheels.name
        return key_of(step="compile", tarball=self.tree.sha256, wheels=wheels)

    def load(self) -> bool | None:
        """True if the library is compiled."""
        return True if self.store.record(self.key) is not None else None

    def make(self, work: Path) -> Mapping[str, Any]:
        """Compile the library."""
        tree, place = self.tree, self.tree.place
        mounts = [Mount(tree.folder, place, writable=True)]
        mounts += [Mount(self.wheels, WHEELS, writable=True)] if self.wheels else []
        folders = [f"{place}/{name}" for name in _LIBRARIES if (tree.folder / name).is_dir()]
        folders += [WHEELS] if self.wheels else []
        self.workspace.say(f"{tree.folder.name} compiles its library, once")
        # Some tests are files with wrong syntax, so the exit code does not matter.
        command = [f"{place}/{tree.manifest.executables[0]}", "-m", "compileall", "-q", *folders]
        self.workspace.engine.run(Job(self.image, command, mounts, timeout=_COMPILE_TIMEOUT))
        return {}


@dataclass(frozen=True)
class ExtraTests:
    """The stage that copies PyPy's own tests of a built PyPy, extra_tests/, from its source.

    Making it raises SpecError for a source without them, ArchiveError for a damaged source.
    """

    store: Store
    source: OpenedSource

    title: ClassVar[str] = f"lay out {EXTRA}"

    @property
    def key(self) -> str:
        """Of the source."""
        return key_of(step=EXTRA, source=self.source.digest)

    def load(self) -> Path | None:
        """The folder that contains them."""
        done = self.store.record(self.key) is not None
        return self.store.folder(self.key) if done else None

    def make(self, work: Path) -> Mapping[str, Any]:
        """Lay out the source and keep the tests."""
        tree = self.source.lay_out(work)
        if not (tree / EXTRA).is_dir():
            raise SpecError(
                f"the source has no {EXTRA}/",
                remedy="leave --source out: this release has no such tests",
            )
        (tree / EXTRA).rename(work / EXTRA)
        shutil.rmtree(tree)
        return {}


@dataclass(frozen=True)
class UnpackedWheels:
    """The stage that makes a folder to import pytest from.

    Making it raises DownloadError or DigestError for a wheel that could not be downloaded.
    """

    store: Store
    fetcher: Fetcher
    wheels: Sequence[Source]

    title: ClassVar[str] = "unpack pytest's wheels"

    @property
    def key(self) -> str:
        """Of the wheels."""
        return key_of(step="wheels", wheels=[wheel.sha256 for wheel in self.wheels])

    def load(self) -> Path | None:
        """The folder."""
        done = self.store.record(self.key) is not None
        return self.store.folder(self.key) if done else None

    def make(self, work: Path) -> Mapping[str, Any]:
        """Download and unpack the wheels."""
        for wheel in self.wheels:
            unpack_wheel(self.fetcher.fetch(wheel), work)
        return {}
