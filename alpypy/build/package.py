"""Package: a translated tree becomes a tarball that says what it is and what it needs."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from alpypy.build.image import Base
from alpypy.build.layout import Layout, lay_out
from alpypy.build.translate import Translation
from alpypy.core import apkdb, elf
from alpypy.core.apkdb import Installed
from alpypy.core.archive import write_tarball
from alpypy.core.errors import PackageError
from alpypy.core.files import file_digest
from alpypy.core.progress import Phase, Stopwatch
from alpypy.core.store import Store, key_of
from alpypy.engine.docker import Engine
from alpypy.engine.job import Job
from alpypy.recipes.data import Program
from alpypy.recipes.manifest import (
    FILE_NAME,
    AppliedPatch,
    BuildImage,
    Manifest,
    Need,
    Origin,
    PhaseCost,
    ProgramCheck,
    Translator,
)
from alpypy.recipes.recipe import Recipe

_REVISION = "1"  # part of the key: raise it when this code or layout.py makes other tarballs


@dataclass(frozen=True)
class Made:
    """How a translation came about, for the metadata."""

    origin: Origin
    base: Base
    image: str
    translator: Translator


@dataclass(frozen=True)
class Tarball:
    """A packaged release and its digest."""

    path: Path
    sha256: str


def package_key(root: Path, recipe: Recipe, translation_key: str) -> str:
    """What a tarball is made of."""
    script = (root / "dockerfiles/package/build.py").read_text(encoding="utf-8")
    return key_of(
        revision=_REVISION,
        translation=translation_key,
        script=script,
        patches=[patch.digest for patch in recipe.patches],
        name=recipe.target.folder,
        programs=[(one.name, one.checks, _texts(one)) for one in recipe.programs],
    )


def _texts(program: Program) -> list[tuple[str, str]]:
    return [(path.name, path.read_text(encoding="utf-8")) for path in program.inputs]


def finished(store: Store, key: str) -> Tarball | None:
    """The tarball with this key, if it is there with the bytes that were recorded."""
    record = store.record(key)
    if record is None:
        return None
    made = Tarball(store.folder(key) / record["file"], record["sha256"])
    good = made.path.is_file() and file_digest(made.path) == made.sha256
    return made if good else None


def package(
    engine: Engine,
    store: Store,
    root: Path,
    recipe: Recipe,
    translation: Translation,
    made: Made,
    *,
    key: str,
    keep: bool,
    say: Callable[[str], None],
) -> Tarball:
    """Build what PyPy builds with itself, lay out the release, describe it, pack it.

    Raises:
        PackageError: PyPy's package.py failed; the message has its last lines.
        PatchError: an application-level patch does not apply.
    """
    with store.making(key, keep=keep) as work:
        done = finished(store, key)
        if done:  # by a run that this one waited for
            return done
        watch = Stopwatch()
        say(f"package {recipe.target.folder}")
        plan = Layout(engine, root, store.logs, recipe, translation, made.image, work, keep)
        folder = lay_out(plan)
        # Without the time of packaging: the same tree gives the same bytes.
        manifest = _manifest(engine, recipe, made, translation.phases, folder)
        (folder / FILE_NAME).write_text(manifest.to_json(), encoding="utf-8")
        digest = write_tarball(folder, work / recipe.target.tarball)
        for name in ("tree", "build"):
            shutil.rmtree(work / name, ignore_errors=True)
        record = {
            "stage": "package",
            "file": recipe.target.tarball,
            "sha256": digest,
            "seconds": round(watch.seconds, 1),
        }
        return Tarball(store.finish(key, record) / recipe.target.tarball, digest)


def _manifest(
    engine: Engine, recipe: Recipe, made: Made, phases: Sequence[Phase], folder: Path
) -> Manifest:
    files = [elf.read(path, str(path.relative_to(folder))) for path in elf.find(folder)]
    packages = apkdb.read(_read(engine, made.image, ["cat", apkdb.PATH]))
    needed = tuple(_need(name, packages) for name in sorted(elf.outside_needs(files)))
    programs = tuple(one.name for one in files if one.name.startswith("bin/") and one.interpreter)
    return Manifest(
        kind="rpython" if recipe.programs else "pypy",
        target=recipe.target,
        source=made.origin,
        patches=tuple(AppliedPatch(patch.name, patch.digest) for patch in recipe.patches),
        image=BuildImage(made.image, made.base.reference, made.base.id, made.base.kit),
        compiler=_read(engine, made.image, ["gcc", "--version"]).splitlines()[0],
        musl=_musl_version(packages),
        translator=made.translator,
        options=(*recipe.options, *recipe.target_options),
        phases=tuple(PhaseCost(one.name, one.seconds, one.peak_memory_mib) for one in phases),
        executables=programs,
        jit="--opt=jit" in (*recipe.options, *(o for one in recipe.programs for o in one.options)),
        needed=needed,
        runtime_packages=tuple(sorted({need.package for need in needed})),
        checks=tuple(check for one in recipe.programs for check in _checks(one)),
    )


def _checks(program: Program) -> list[ProgramCheck]:
    places = {f"{{{path.name}}}": f"share/{path.name}" for path in program.inputs}
    return [
        ProgramCheck(
            command=(f"bin/{program.name}", *(places.get(word, word) for word in check.arguments)),
            expect=check.expect,
            environment=check.environment,
            jit="PYPYLOG" in check.environment,
        )
        for check in program.checks
    ]


def _read(engine: Engine, image: str, command: Sequence[str]) -> str:
    done = engine.run(Job(image, command))
    if done.exit_code:
        raise PackageError(
            f"{' '.join(command)} failed in {image}: {done.output.strip()}",
            remedy="the image is not one that alpypy built; build it again",
        )
    return done.output


def _musl_version(installed: Installed) -> str:
    return installed.versions["musl"].partition("-")[0]


def _need(soname: str, installed: Installed) -> Need:
    if soname not in installed.providers:
        raise PackageError(
            f"{soname} is needed and no Alpine package in the build image provides it",
            remedy="link it statically, or build in an image whose packages provide it",
        )
    return Need(soname, installed.providers[soname])
