"""The reference of benchmarks, from its source to a tarball in the cache."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from alpypy.build.images import BuiltTarball, GivenPypy
from alpypy.build.plan import in_order, pending
from alpypy.build.reference import (
    ReferenceImage,
    ReferencePackage,
    load_system,
    reference_recipe,
)
from alpypy.build.translate import Translation
from alpypy.core.errors import ArchiveError, SpecError
from alpypy.core.files import file_digest
from alpypy.engine.workspace import Workspace
from alpypy.offline import kit as kits
from alpypy.pipeline.request import BuildRequest, resolve
from alpypy.pipeline.stages import StageRunner
from alpypy.recipes.manifest import Manifest
from alpypy.recipes.spec import Target


@dataclass(frozen=True)
class ReferenceRequest:
    """Which reference to build. ``with_pypy`` is the tarball of a PyPy 2.7 that runs on Debian.
    ``base_image`` is an image of Debian, or the tarball of a root file system."""

    target: Target
    with_pypy: Path
    sources: tuple[Path, ...] = ()
    base_image: str | None = None
    jobs: int | None = None
    keep: bool = False


def build_reference(workspace: Workspace, request: ReferenceRequest) -> Path:
    """Build the reference, if it is not in the cache yet, and give the path of its tarball.

    Raises:
        SpecError: something in the request does not exist.
        ImageError: there is no image of Debian.
        AlpypyError: a stage failed; the stages before it stay finished.
    """
    package = _package(workspace, request)
    plan = in_order(package)
    stages = pending(plan)
    for stage in stages:
        if isinstance(stage, Translation):
            stage.prepare()
    runner = StageRunner(workspace, keep=request.keep)
    runner.run_all(plan, stages, package.translation.recipe.target.folder)
    tarball: BuiltTarball = runner.run(package)
    return tarball.path


def _package(workspace: Workspace, request: ReferenceRequest) -> ReferencePackage:
    _refuse_unfit(request)
    # Direct, so that no PyPy 2.7 is asked for: this one need not run on Alpine.
    wanted = BuildRequest(request.target, sources=request.sources, direct=True)
    build = resolve(workspace, wanted)
    if build.recipe.programs:
        raise SpecError(
            f"{build.recipe.target.release} is no PyPy, and only a PyPy has a reference",
            remedy="choose a PyPy, such as 3.11",
        )
    system = load_system(workspace.data)
    recipe = reference_recipe(build.recipe, system)
    source = build.sources[build.recipe.target.release]
    base = _debian(workspace, request.base_image or system.image, system.name)
    pypy = GivenPypy(BuiltTarball(request.with_pypy, file_digest(request.with_pypy)))
    image = ReferenceImage(workspace, recipe, base, pypy)
    jobs = request.jobs or workspace.engine.usable_processors
    translation = Translation(workspace, recipe, image, source, jobs, linked_again=False)
    return ReferencePackage(translation)


def _refuse_unfit(request: ReferenceRequest) -> None:
    """Raise SpecError unless the given PyPy may be a 2.7; PyPy's own tarballs do not say."""
    path = request.with_pypy
    remedy = "give the tarball of a portable PyPy 2.7, or of PyPy's own for glibc"
    if not path.is_file():
        raise SpecError(f"--with-pypy {path} is not a file", remedy=remedy)
    try:
        release = Manifest.of_tarball(path).target.release
    except ArchiveError:
        return
    if not release.startswith("2.7-"):
        raise SpecError(
            f"--with-pypy {path} is {release}, and only a 2.7 translates", remedy=remedy
        )


def _debian(workspace: Workspace, chosen: str, name: str) -> str:
    """The ID of Debian's image: pulled if the engine lacks it."""
    engine = workspace.engine
    if Path(chosen).is_file():
        return engine.import_rootfs(Path(chosen), f"alpypy-base:{name}")
    return kits.pull_missing(
        engine, chosen, remedy="make one with debootstrap: see docs/benchmarks.md, and --base-image"
    )
