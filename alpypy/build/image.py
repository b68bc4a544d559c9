"""The images that translate: which base they stand on, and how they are built."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from alpypy.core.errors import DownloadError, ImageError, KitError, SpecError
from alpypy.core.fetch import Fetcher
from alpypy.core.files import copy_data, data_files
from alpypy.core.folders import ROOT
from alpypy.core.store import key_of
from alpypy.engine.docker import Engine
from alpypy.offline import kit as kits
from alpypy.recipes.data import Alpine
from alpypy.recipes.manifest import Translator
from alpypy.recipes.recipe import Recipe

KEY_LABEL = "org.alpypy.key"
_TRANSLATOR_LABEL = "org.alpypy.translator"  # name and SHA-256 of the tarball inside


@dataclass(frozen=True)
class Base:
    """An Alpine image. ``identity`` stands for its content in keys: a kit made anew of the same
    parts has another ID, as its signing key differs, but the same identity."""

    reference: str
    id: str
    identity: str
    kit: bool


def find_base(
    engine: Engine,
    fetcher: Fetcher,
    alpine: Alpine,
    arch: str,
    chosen: str | None,
    say: Callable[[str], None],
    *,
    kit: bool | None = None,
) -> Base:
    """The Alpine to build on: the chosen image, the kit's, the engine's own, else Alpine's root
    file system, fetched and imported. ``kit`` asks for the kit's (True) or for one of the others
    (False).

    Args:
        chosen: an image's name, or the path of a root file system's tarball.

    Raises:
        ImageError: the chosen image is not in the engine and cannot be pulled or imported.
        SpecError: the chosen image is another Alpine.
        KitError: the kit's image is asked for and not there, or another version of alpypy made it.
        DownloadError: there is none, and the root file system is out of reach.
    """
    version = alpine.version
    if chosen:
        return _chosen_base(engine, chosen, version, arch)
    if kit is not False and _kit_at_hand(engine, version, wanted=bool(kit)):
        return _base(engine, kits.reference(version), version, arch)
    imported = f"alpypy-base:alpine{version}"
    for reference in (f"alpine:{version}", imported):
        if engine.image_id(reference):
            return _base(engine, reference, version, arch)
    say(f"importing the root file system of Alpine {version}")
    engine.import_rootfs(_fetch_rootfs(fetcher, alpine, arch), imported)
    return _base(engine, imported, version, arch)


def _chosen_base(engine: Engine, chosen: str, alpine: str, arch: str) -> Base:
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


def _kit_at_hand(engine: Engine, alpine: str, *, wanted: bool) -> bool:
    """Whether the engine has the kit; an outdated one is an error, a missing one if wanted."""
    reference = kits.reference(alpine)
    if engine.image_id(reference):
        kits.require_current(engine, ROOT, alpine)
        return True
    if wanted:
        raise KitError(
            f"this needs the kit, and the engine holds no {reference}",
            remedy=f"make it: invoke kit --alpine {alpine}",
        )
    return False


def _base(engine: Engine, reference: str, alpine: str, arch: str) -> Base:
    has = engine.architecture(reference)
    if has != arch:
        raise ImageError(
            f"{reference} in the engine is for {has}, and the build is for {arch}",
            remedy=f"bring one for {arch} under that name, or remove that one (docker rmi)",
        )
    found = engine.image_id(reference) or ""
    digest = engine.label(reference, kits.LABEL)
    # An image made from the kit's inherits the label, and is not what the label stands for.
    itself = found == engine.image_id(kits.reference(alpine))
    identity = digest if digest and itself else found
    return Base(reference, found, identity, digest is not None)


def _fetch_rootfs(fetcher: Fetcher, alpine: Alpine, arch: str) -> Path:
    version, rootfs = alpine.version, alpine.rootfs.get(arch)
    hint = f"where Alpine's mirrors are out of reach, run: invoke kit --alpine {version}"
    if rootfs is None:
        raise ImageError(
            f"versions/alpine.toml has no root file system of Alpine {version} for {arch},"
            f" and the engine holds no alpine:{version}",
            remedy=f"bring that image (docker pull, docker import), or {hint}",
        )
    try:
        return fetcher.fetch(rootfs)
    except DownloadError as error:
        raise DownloadError(error.what, remedy=f"{error.remedy}; {hint}") from error


def refuse_missing(root: Path, recipe: Recipe, base: Base) -> None:
    """Refuse a recipe whose build packages the kit does not have, if it is to be built on the kit.

    What somebody's own image made from the kit's has besides is not known, and not refused.

    Raises:
        SpecError: there is such a package.
    """
    alpine = recipe.target.alpine
    if base.reference != kits.reference(alpine):
        return
    missing = set(recipe.build_packages) - kits.development_packages(root)
    if missing:
        raise SpecError(
            f"{recipe.target.release} on Alpine {alpine} is built with"
            f" {', '.join(sorted(missing))}, which the kit does not have",
            remedy="where Alpine's mirrors are in reach, build it on Alpine's own packages:"
            f" --base-image alpine:{alpine}; else choose another release",
        )


def bootstrap_key(root: Path, recipe: Recipe, base: Base) -> str:
    """What the bootstrap image is made of."""
    return key_of(
        files=_texts(root / "dockerfiles/bootstrap"),
        base=base.identity,
        packages=recipe.build_packages,
        python=[source.sha256 for source in (recipe.cpython, *recipe.cpython_wheels)],
        cflags=recipe.environment["CFLAGS"],
    )


def self_hosted_key(root: Path, recipe: Recipe, base: Base, pypy: str) -> str:
    """What the self-hosted image is made of; ``pypy`` is the key or digest of its PyPy 2.7."""
    return key_of(
        files=_texts(root / "dockerfiles/self-hosted"),
        base=base.identity,
        packages=recipe.build_packages,
        pypy=pypy,
    )


def _texts(folder: Path) -> Mapping[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in data_files(folder)}


def built(engine: Engine, key: str) -> str | None:
    """ID of the image that was built with this key, if the engine still has it."""
    return engine.first_labelled(KEY_LABEL, key)


def translator_in(engine: Engine, image: str) -> Translator | None:
    """The PyPy 2.7 inside a self-hosted image, None where the image does not say."""
    name, _, sha256 = (engine.label(image, _TRANSLATOR_LABEL) or "").partition(" ")
    return Translator(name, sha256) if sha256 else None


def build_bootstrap(
    engine: Engine,
    fetcher: Fetcher,
    root: Path,
    recipe: Recipe,
    base: Base,
    key: str,
    on_line: Callable[[str], None],
    jobs: int,
) -> str:
    """Build the image with CPython 2.7 and give its ID.

    Raises:
        ImageError: a step failed, the image's own check among them.
    """
    with engine.building(key), tempfile.TemporaryDirectory(prefix="alpypy-image-") as name:
        done = built(engine, key)
        if done:  # by a run that this one waited for
            return done
        context = _context(root / "dockerfiles/bootstrap", Path(name))
        shutil.copy(fetcher.fetch(recipe.cpython), context / "Python-2.7.tgz")
        (context / "wheels").mkdir()
        for wheel in recipe.cpython_wheels:
            shutil.copy(fetcher.fetch(wheel), context / "wheels")
        return engine.build(
            context,
            tag=recipe.target.bootstrap_tag(),
            arguments={
                **_arguments(recipe, base),
                "CFLAGS": recipe.environment["CFLAGS"],
                "JOBS": str(jobs),
            },
            labels={KEY_LABEL: key},
            network=not base.kit,
            on_line=on_line,
        )


def build_self_hosted(
    engine: Engine,
    root: Path,
    recipe: Recipe,
    base: Base,
    key: str,
    pypy: Path,
    translator: Translator,
    on_line: Callable[[str], None],
) -> str:
    """Build the image with a PyPy 2.7 out of its tarball, and give its ID.

    Args:
        translator: what that tarball is, kept with the image.

    Raises:
        ImageError: a step failed, the image's own check among them.
    """
    with engine.building(key), tempfile.TemporaryDirectory(prefix="alpypy-image-") as name:
        done = built(engine, key)
        if done:  # by a run that this one waited for
            return done
        context = _context(root / "dockerfiles/self-hosted", Path(name))
        shutil.copy(pypy, context / "pypy.tar.bz2")
        return engine.build(
            context,
            tag=recipe.target.build_tag(),
            arguments=_arguments(recipe, base),
            labels={
                KEY_LABEL: key,
                _TRANSLATOR_LABEL: f"{translator.name} {translator.sha256}",
            },
            network=not base.kit,
            on_line=on_line,
        )


def _context(dockerfiles: Path, folder: Path) -> Path:
    return copy_data(dockerfiles, folder / "context")


def _arguments(recipe: Recipe, base: Base) -> dict[str, str]:
    return {"BASE_IMAGE": base.reference, "PACKAGES": " ".join(recipe.build_packages)}
