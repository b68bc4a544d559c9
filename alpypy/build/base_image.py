"""The Alpine image that a build starts from: the user's choice, the kit's, or Alpine's own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from alpypy.core.errors import DownloadError, ImageError, KitError, SpecError
from alpypy.core.program import typed
from alpypy.engine.docker import Engine
from alpypy.engine.workspace import Workspace
from alpypy.offline import kit as kits
from alpypy.offline.given import GivenSource
from alpypy.offline.pins import Replacement
from alpypy.recipes.data import Alpine
from alpypy.recipes.recipe import Recipe


@dataclass(frozen=True)
class BaseImage:
    """An Alpine image. ``identity`` stands for its content in keys: a kit that is made again from
    the same parts has another ID, because its signing key differs, but the same identity.
    ``replacements`` are the files that alpypy used in place of tested files in the kit, ``given``
    the sources that the user gave for it."""

    reference: str
    id: str
    identity: str
    kit: bool
    replacements: tuple[Replacement, ...] = ()
    given: tuple[GivenSource, ...] = ()


def find_base(
    workspace: Workspace,
    alpine: Alpine,
    arch: str,
    chosen: str | None,
    *,
    kit: bool | None = None,
) -> BaseImage:
    """The Alpine to build on: the chosen image, the kit's image, the engine's image of Alpine, or
    else an image that alpypy makes from Alpine's root file system.

    Args:
        chosen: an image's name, or the path of a root file system's tarball.
        kit: True requires the kit's image, False excludes it.

    Raises:
        ImageError: the chosen image is not in the engine and cannot be pulled or imported.
        SpecError: the chosen image is another Alpine.
        KitError: the required kit's image is missing, or another version of alpypy made it.
        DownloadError: there is no image, and the root file system cannot be downloaded.
    """
    engine, version = workspace.engine, alpine.version
    if chosen:
        return _chosen_base(engine, chosen, version, arch)
    if kit is not False and _has_kit(workspace, version, required=bool(kit)):
        return _base(engine, kits.reference(version), version, arch)
    imported = f"alpypy-base:alpine{version}"
    for reference in (f"alpine:{version}", imported):
        if engine.image_id(reference):
            return _base(engine, reference, version, arch)
    workspace.say(f"importing the root file system of Alpine {version}")
    engine.import_rootfs(_fetch_rootfs(workspace, alpine, arch), imported)
    return _base(engine, imported, version, arch)


def refuse_missing(data: Path, recipe: Recipe, base: BaseImage) -> None:
    """Refuse to build on the kit if it does not have the recipe's build packages.

    Images that users make from the kit's image are not refused: they may have more packages.

    Args:
        data: the folder with versions/.

    Raises:
        SpecError: the kit lacks a package.
    """
    alpine = recipe.target.alpine
    if base.reference != kits.reference(alpine):
        return
    missing = set(recipe.build_packages) - kits.development_packages(data, base.given)
    if missing:
        raise SpecError(
            f"{recipe.target.release} on Alpine {alpine} is built with"
            f" {', '.join(sorted(missing))}, which the kit does not have",
            remedy=f"if you can reach Alpine's mirrors: --base-image alpine:{alpine}; else"
            f" {kits.how_to_add(data, missing, alpine) or 'choose another release'}",
        )


def _chosen_base(engine: Engine, chosen: str, alpine: str, arch: str) -> BaseImage:
    if Path(chosen).is_file():
        chosen = kits.import_tarball(engine, Path(chosen), alpine)
    kits.pull_missing(engine, chosen, remedy=kits.OTHER_IMAGE)
    base = _base(engine, chosen, alpine, arch)
    if base.identity == base.id:  # the kit itself was checked when it was made
        kits.require_release(engine, chosen, alpine)
    return base


def _has_kit(workspace: Workspace, alpine: str, *, required: bool) -> bool:
    """Whether the engine has the kit; refuses an outdated kit, and a missing one if required."""
    reference = kits.reference(alpine)
    if workspace.engine.image_id(reference):
        kits.require_current(workspace.engine, workspace.data, alpine)
        return True
    if required:
        raise KitError(
            f"this needs the kit, but the engine does not have {reference}",
            remedy=f"make it: {typed('kit', alpine=alpine)}",
        )
    return False


def _base(engine: Engine, reference: str, alpine: str, arch: str) -> BaseImage:
    actual = engine.architecture(reference)
    if actual != arch:
        raise ImageError(
            f"{reference} in the engine is for {actual}, but the build is for {arch}",
            remedy=f"give that name to an image for {arch}, or remove the image (docker rmi)",
        )
    image_id = engine.image_id(reference) or ""
    digest = engine.label(reference, kits.LABEL)
    # An image made from the kit's inherits its label, but not its identity.
    is_kit = image_id == engine.image_id(kits.reference(alpine))
    identity = digest if digest and is_kit else image_id
    replacements = kits.replacements_in(engine, reference) if digest else ()
    given = kits.given_to(engine, reference) if digest else ()
    return BaseImage(reference, image_id, identity, digest is not None, replacements, given)


def _fetch_rootfs(workspace: Workspace, alpine: Alpine, arch: str) -> Path:
    version, rootfs = alpine.version, alpine.rootfs.get(arch)
    own = kits.wheel_alpine(workspace.data)
    choose = "" if version == own else f"choose --alpine {own} and "
    hint = f"if you cannot reach Alpine's mirrors, {choose}run: {typed('kit', alpine=own)}"
    if rootfs is None:
        raise ImageError(
            f"versions/alpine.toml has no root file system of Alpine {version} for {arch},"
            f" and the engine does not have alpine:{version}",
            remedy=f"pull or import that image (docker pull, docker import), or {hint}",
        )
    try:
        return workspace.fetcher.fetch(rootfs)
    except DownloadError as error:
        raise DownloadError(error.what, remedy=f"{error.remedy}; {hint}") from error
