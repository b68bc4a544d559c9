"""The Alpine image that a build stands on: the one that is chosen, the kit's, or Alpine's own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from alpypy.core.errors import DownloadError, ImageError, KitError, SpecError
from alpypy.core.program import typed
from alpypy.engine.docker import Engine
from alpypy.engine.workspace import Workspace
from alpypy.offline import kit as kits
from alpypy.offline.pins import Replacement
from alpypy.recipes.data import Alpine
from alpypy.recipes.recipe import Recipe


@dataclass(frozen=True)
class BaseImage:
    """An Alpine image. ``identity`` stands for its content in keys: a kit made again of the same
    parts has another ID, as its signing key differs, but the same identity. ``replacements`` are
    the files that alpypy took in place of tested ones when it made the kit."""

    reference: str
    id: str
    identity: str
    kit: bool
    replacements: tuple[Replacement, ...] = ()


def find_base(
    workspace: Workspace,
    alpine: Alpine,
    arch: str,
    chosen: str | None,
    *,
    kit: bool | None = None,
) -> BaseImage:
    """The Alpine to build on: the chosen image, the kit's, the engine's own, else Alpine's root
    file system, fetched and imported.

    Args:
        chosen: an image's name, or the path of a root file system's tarball.
        kit: True asks for the kit's image, False for one of the others.

    Raises:
        ImageError: the chosen image is not in the engine and cannot be pulled or imported.
        SpecError: the chosen image is another Alpine.
        KitError: the kit's image is asked for and not there, or another version of alpypy made it.
        DownloadError: there is none, and the root file system is out of reach.
    """
    engine, version = workspace.engine, alpine.version
    if chosen:
        return _chosen_base(engine, chosen, version, arch)
    if kit is not False and _kit_at_hand(workspace, version, wanted=bool(kit)):
        return _base(engine, kits.reference(version), version, arch)
    imported = f"alpypy-base:alpine{version}"
    for reference in (f"alpine:{version}", imported):
        if engine.image_id(reference):
            return _base(engine, reference, version, arch)
    workspace.say(f"importing the root file system of Alpine {version}")
    engine.import_rootfs(_fetch_rootfs(workspace, alpine, arch), imported)
    return _base(engine, imported, version, arch)


def refuse_missing(data: Path, recipe: Recipe, base: BaseImage) -> None:
    """Refuse a recipe whose build packages the kit does not have, if it is to be built on the kit.

    What somebody's own image made from the kit's has besides is not known, and not refused.

    Args:
        data: the folder with versions/.

    Raises:
        SpecError: there is such a package.
    """
    alpine = recipe.target.alpine
    if base.reference != kits.reference(alpine):
        return
    missing = set(recipe.build_packages) - kits.development_packages(data)
    if missing:
        raise SpecError(
            f"{recipe.target.release} on Alpine {alpine} is built with"
            f" {', '.join(sorted(missing))}, which the kit does not have",
            remedy="where Alpine's mirrors are in reach, build it on Alpine's own packages:"
            f" --base-image alpine:{alpine}; else choose another release",
        )


def _chosen_base(engine: Engine, chosen: str, alpine: str, arch: str) -> BaseImage:
    if Path(chosen).is_file():
        chosen = kits.import_tarball(engine, Path(chosen), alpine)
    if engine.image_id(chosen) is None and engine.pull(chosen) is None:
        raise ImageError(
            f"the engine holds no image {chosen} and cannot pull it",
            remedy="check the name, or give the path of a root file system's tarball,"
            " or leave --base-image out",
        )
    base = _base(engine, chosen, alpine, arch)
    if base.identity == base.id:  # not the kit itself, whose Alpine was checked in its making
        kits.require_release(engine, chosen, alpine)
    return base


def _kit_at_hand(workspace: Workspace, alpine: str, *, wanted: bool) -> bool:
    """Whether the engine has the kit; an outdated one is an error, a missing one if wanted."""
    reference = kits.reference(alpine)
    if workspace.engine.image_id(reference):
        kits.require_current(workspace.engine, workspace.data, alpine)
        return True
    if wanted:
        raise KitError(
            f"this needs the kit, and the engine holds no {reference}",
            remedy=f"make it: {typed('kit', alpine=alpine)}",
        )
    return False


def _base(engine: Engine, reference: str, alpine: str, arch: str) -> BaseImage:
    has = engine.architecture(reference)
    if has != arch:
        raise ImageError(
            f"{reference} in the engine is for {has}, and the build is for {arch}",
            remedy=f"bring one for {arch} under that name, or remove that one (docker rmi)",
        )
    image_id = engine.image_id(reference) or ""
    digest = engine.label(reference, kits.LABEL)
    # An image made from the kit's inherits the label, and is not what the label stands for.
    itself = image_id == engine.image_id(kits.reference(alpine))
    identity = digest if digest and itself else image_id
    replacements = kits.replacements_in(engine, reference) if digest else ()
    return BaseImage(reference, image_id, identity, digest is not None, replacements)


def _fetch_rootfs(workspace: Workspace, alpine: Alpine, arch: str) -> Path:
    version, rootfs = alpine.version, alpine.rootfs.get(arch)
    hint = f"where Alpine's mirrors are out of reach, run: {typed('kit', alpine=version)}"
    if rootfs is None:
        raise ImageError(
            f"versions/alpine.toml has no root file system of Alpine {version} for {arch},"
            f" and the engine holds no alpine:{version}",
            remedy=f"bring that image (docker pull, docker import), or {hint}",
        )
    try:
        return workspace.fetcher.fetch(rootfs)
    except DownloadError as error:
        raise DownloadError(error.what, remedy=f"{error.remedy}; {hint}") from error
