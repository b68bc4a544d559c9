"""What must be there before a tarball's tests run: the tree, images, PyPy's own tests and pytest.

Each is a stage of a store: made once, whole or not there.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from alpypy.build.image import Base
from alpypy.core.errors import SpecError
from alpypy.core.fetch import Fetcher
from alpypy.core.files import file_digest
from alpypy.core.source import Source
from alpypy.core.store import Store, key_of
from alpypy.core.unpack import unpack, unpack_wheel
from alpypy.engine.docker import Engine
from alpypy.engine.job import Job, Mount
from alpypy.recipes.local_source import Opened
from alpypy.recipes.manifest import FILE_NAME, Manifest
from alpypy.recipes.recipe import Recipe
from alpypy.suites.plan import EXTRA

WHEELS = "/check/wheels"  # where containers see them
_LIBRARIES = ("lib", "lib-python", "lib_pypy")  # of the layouts that PyPy had and has
_COMPILING_TIME = 3600.0  # seconds, for the whole library on a core that others use too


@dataclass(frozen=True)
class Tree:
    """An unpacked PyPy: its top folder, what it says of itself, the tarball's digest."""

    folder: Path
    manifest: Manifest
    sha256: str

    @property
    def place(self) -> str:
        """Where containers see it."""
        return f"/opt/{self.folder.name}"


@dataclass(frozen=True)
class Images:
    """The image of the run-time packages and the one that has a compiler besides, by ID."""

    clean: str
    compiler: str


def unpacked(store: Store, tarball: Path) -> Tree:
    """The content of a tarball of a PyPy.

    Raises:
        ArchiveError: it is damaged, or its metadata is not usable.
        SpecError: it is another program.
    """
    digest = file_digest(tarball)
    key = key_of(step="unpack", tarball=digest)
    if store.record(key) is None:
        _make(store, key, lambda work: unpack(tarball, work))
    folder = next(path for path in store.folder(key).iterdir() if path.is_dir())
    manifest = Manifest.from_json((folder / FILE_NAME).read_bytes())
    if manifest.kind != "pypy":
        raise SpecError(
            f"{tarball.name} is no PyPy: it has no tests of its own",
            remedy="its programs are checked by `invoke verify`",
        )
    return Tree(folder, manifest, digest)


def build_images(
    engine: Engine, context: Path, base: Base, recipe: Recipe, manifest: Manifest
) -> Images:
    """The image with the run-time packages alone, and the one that has the build packages too.

    Raises:
        ImageError: one could not be built.
    """

    def build(kind: str, packages: Sequence[str]) -> str:
        return engine.build(
            context,
            tag=f"alpypy-check:{manifest.target.folder}-{kind}",
            arguments={"BASE": base.reference, "PACKAGES": " ".join(packages)},
            labels={},
            network=True,
        )

    clean = manifest.runtime_packages
    return Images(build("clean", clean), build("compiler", (*clean, *recipe.build_packages)))


def compile_library(
    store: Store,
    engine: Engine,
    image: str,
    tree: Tree,
    wheels: Path | None,
    say: Callable[[str], None],
) -> None:
    """Let the PyPy compile its library and the unpacked wheels once: each module's process would do
    so anew, as the tests' user cannot write there."""
    key = key_of(step="compile", tarball=tree.sha256, wheels=wheels and wheels.name)
    if store.record(key) is not None:
        return
    mounts = [Mount(tree.folder, tree.place, writable=True)]
    mounts += [Mount(wheels, WHEELS, writable=True)] if wheels else []
    folders = [f"{tree.place}/{name}" for name in _LIBRARIES if (tree.folder / name).is_dir()]
    executable = f"{tree.place}/{tree.manifest.executables[0]}"
    say(f"{tree.folder.name} compiles its library, once")
    job = Job(
        image,
        # Some tests are files with wrong syntax: the exit code says nothing.
        [executable, "-m", "compileall", "-q", *folders, *([WHEELS] if wheels else [])],
        mounts=mounts,
        timeout=_COMPILING_TIME,
    )
    _make(store, key, lambda work: engine.run(job))


def extra_tests(store: Store, opened: Opened) -> Path:
    """A folder that has PyPy's own tests of a built PyPy, extra_tests/, out of its source.

    Raises:
        SpecError: this source has none.
        ArchiveError: the source is damaged.
    """
    key = key_of(step=EXTRA, source=opened.digest)
    if store.record(key) is None:
        _make(store, key, lambda work: _lay_out_extra(opened, work))
    return store.folder(key)


def _lay_out_extra(opened: Opened, work: Path) -> None:
    tree = opened.lay_out(work)
    if not (tree / EXTRA).is_dir():
        raise SpecError(
            f"the source has no {EXTRA}/", remedy="leave --source out for a release without"
        )
    (tree / EXTRA).rename(work / EXTRA)
    shutil.rmtree(tree)


def unpacked_wheels(store: Store, fetcher: Fetcher, wheels: Sequence[Source]) -> Path:
    """A folder to import pytest from.

    Raises:
        DownloadError, DigestError: a wheel could not be fetched.
    """
    key = key_of(step="wheels", wheels=[wheel.sha256 for wheel in wheels])
    if store.record(key) is None:
        paths = [fetcher.fetch(wheel) for wheel in wheels]

        def unpack_all(work: Path) -> None:
            for path in paths:
                unpack_wheel(path, work)

        _make(store, key, unpack_all)
    return store.folder(key)


def _make(store: Store, key: str, make: Callable[[Path], object]) -> None:
    with store.making(key, keep=False) as work:
        if store.record(key) is None:  # else by a run that this one waited for
            make(work)
            store.finish(key, {})
