"""Package: make a tarball from a translated tree, with a record of what it is and needs."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from msgspec import to_builtins

from alpypy.build import layout
from alpypy.build.base_image import BaseImage
from alpypy.build.estimates import Estimates, stage_name
from alpypy.build.images import BuiltTarball, TranslatingImage, recorded_tarball, require_image
from alpypy.build.libraries import Libraries, LibraryTree
from alpypy.build.optimization import Optimization
from alpypy.build.phases import Phase
from alpypy.build.stage import BuildStage, texts
from alpypy.build.translate import Translation
from alpypy.core import apkdb, archive, elf
from alpypy.core.apkdb import Installed
from alpypy.core.code import digest_of_code
from alpypy.core.elf import ElfFile
from alpypy.core.errors import PackageError
from alpypy.core.store import key_of
from alpypy.engine.docker import Engine
from alpypy.engine.job import Job
from alpypy.engine.workspace import Workspace
from alpypy.recipes import manifest
from alpypy.recipes.data import RpythonProgram
from alpypy.recipes.manifest import (
    AppliedPatch,
    BuildImage,
    KitReplacement,
    KitSource,
    Manifest,
    Need,
    Origin,
    PhaseCost,
    ProgramCheck,
)
from alpypy.recipes.recipe import Recipe

# The code that decides what is in a tarball, beside PyPy's own package.py.
_CODE = [Path(module.__file__ or "") for module in (layout, apkdb, archive, elf, manifest)]
_CODE.append(Path(__file__))


def package_key(
    data: Path,
    recipe: Recipe,
    translation_key: str,
    origin: Origin,
    libraries_key: str | None = None,
    optimization_key: str | None = None,
) -> str:
    """A digest of everything that a tarball is made from, and of the code that makes it.

    Args:
        data: the folder with dockerfiles/.
        origin: where the source came from, which stands in the metadata.
        libraries_key: of those that a portable PyPy contains.
        optimization_key: of what is linked, if the translation's own objects are not.
    """
    script = (data / "dockerfiles/package/build.py").read_text(encoding="utf-8")
    return key_of(
        code=digest_of_code(*_CODE),
        origin=to_builtins(origin),
        translation=translation_key,
        script=script,
        patches=[patch.digest for patch in recipe.patches],
        wheels=[wheel.sha256 for wheel in recipe.packaging],
        left_out=to_builtins(recipe.left_out),
        name=recipe.target.folder,
        programs=[(program.name, program.checks, _texts(program)) for program in recipe.programs],
        **({"libraries": libraries_key} if libraries_key else {}),
        **({} if recipe.programs else {"link": _link_key(data, recipe, optimization_key)}),
    )


def _link_key(data: Path, recipe: Recipe, optimization_key: str | None) -> list[object]:
    level = recipe.optimize
    flags = (level.name, level.link) if level else None
    return [texts(data / "dockerfiles/link"), optimization_key, flags]


def _texts(program: RpythonProgram) -> list[tuple[str, str]]:
    return [(path.name, path.read_text(encoding="utf-8")) for path in program.inputs]


@dataclass(frozen=True)
class Package:
    """The stage that makes a tarball from a translated tree. A PyPy gets ``libraries``.
    With ``optimization``, what that stage compiled is linked instead of what the translation did.

    ``make`` raises PackageError, with the last lines of output, if PyPy's package.py fails, and
    PatchError if an application-level patch does not apply.
    """

    translation: Translation
    base: BaseImage
    libraries: Libraries | None = None
    optimization: Optimization | None = None

    @property
    def recipe(self) -> Recipe:
        """The recipe of the release that is packaged."""
        return self.translation.recipe

    @property
    def workspace(self) -> Workspace:
        """The workspace of the translation."""
        return self.translation.workspace

    @property
    def title(self) -> str:
        """Such as ``package 3.11-7.3.22``."""
        return f"package {self.recipe.target.release}"

    @property
    def needs(self) -> Sequence[BuildStage]:
        """The libraries that it gets, what is linked, the tree, and the image that translated."""
        libraries = (self.libraries,) if self.libraries else ()  # first: they fail in minutes
        optimization = (self.optimization,) if self.optimization else ()
        return (*libraries, *optimization, self.translation, self.translation.image)

    @cached_property
    def key(self) -> str:
        """Covers the translation, all patches, the name, the libraries, and the code that
        packages."""
        translation, libraries = self.translation, self.libraries
        return package_key(
            self.workspace.data,
            self.recipe,
            translation.key,
            translation.source.origin,
            libraries.key if libraries else None,
            self.optimization.key if self.optimization else None,
        )

    @property
    def identity(self) -> str:
        """The digest that stands for this PyPy in keys; its layout and packing do not count."""
        return self.translation.identity

    @property
    def stages(self) -> Sequence[BuildStage]:
        """Itself: it makes the tarball that translates others."""
        return (self,)

    def expected(self, estimates: Estimates) -> float:
        """Seconds, as in the last run."""
        return estimates.stage(stage_name("package", self.recipe))

    def load(self) -> BuiltTarball | None:
        """The tarball, if it still has the recorded digest."""
        return recorded_tarball(self.workspace, self.key)

    def make(self, work: Path) -> Mapping[str, Any]:
        """Build PyPy's cffi modules, lay out the release, describe it, pack it."""
        recipe, workspace = self.recipe, self.workspace
        translated, image = self.translation.load(), require_image(self.translation.image)
        if translated is None:
            raise AssertionError("a tree must be translated before it is packaged")
        libraries = self.libraries.load() if self.libraries else None
        if self.libraries and not libraries:
            raise AssertionError("the libraries must be compiled before they are linked")
        workspace.say(f"package {recipe.target.folder}")
        optimized = self.optimization.load() if self.optimization else None
        if self.optimization and not optimized:
            raise AssertionError("a PyPy must be optimized before it is linked")
        tree = layout.Tree(translated, optimized or translated.objects, libraries)
        folder = layout.lay_out(workspace, recipe, tree, image.id, work)
        # Without the time of packaging, so that the same tree gives the same bytes.
        document = self._manifest(image, translated.phases, libraries, folder)
        (folder / manifest.FILE_NAME).write_text(document.to_json(), encoding="utf-8")
        digest = archive.write_tarball(folder, work / recipe.target.tarball)
        for name in ("tree", "build", "wheels"):
            shutil.rmtree(work / name, ignore_errors=True)
        return {
            "stage": stage_name("package", recipe),
            "file": recipe.target.tarball,
            "sha256": digest,
        }

    def _manifest(
        self,
        image: TranslatingImage,
        phases: Sequence[Phase],
        libraries: LibraryTree | None,
        folder: Path,
    ) -> Manifest:
        engine, recipe = self.workspace.engine, self.recipe
        files = [elf.read(path, str(path.relative_to(folder))) for path in elf.find(folder)]
        packages = apkdb.read(_read(engine, image.id, ["cat", apkdb.PATH]))
        needed = tuple(_need(name, packages) for name in sorted(elf.outside_needs(files)))
        return Manifest(
            kind="rpython" if recipe.programs else "pypy",
            target=recipe.target,
            source=self.translation.source.origin,
            patches=tuple(
                AppliedPatch(patch.name, patch.digest, patch.is_erratum, patch.moved)
                for patch in recipe.patches
            ),
            image=build_image(image.id, self.base),
            compiler=_read(engine, image.id, ["gcc", "--version"]).splitlines()[0],
            musl=_musl_version(packages),
            translator=image.translator,
            options=(*recipe.options, *recipe.target_options),
            phases=tuple(map(_cost, phases)),
            executables=tuple(file.name for file in files if _is_program(file)),
            jit=_has_jit(recipe),
            needed=needed,
            runtime_packages=tuple(sorted({need.package for need in needed})),
            checks=tuple(check for program in recipe.programs for check in _checks(program)),
            left_out=recipe.left_out,
            no_errata=recipe.no_errata,
            tls=recipe.tls,
            libraries=libraries.libraries if libraries else (),
            optimize=recipe.optimize.name if recipe.optimize else None,
        )


def build_image(image_id: str, base: BaseImage) -> BuildImage:
    """The document's entry for the image with this ID, which was made from ``base``."""
    replacements = tuple(
        KitReplacement(file.package, file.tested, file.taken, file.sha256)
        for file in base.replacements
    )
    sources = tuple(
        KitSource(source.library, source.version, source.file, source.sha256, source.verified)
        for source in base.given
    )
    return BuildImage(image_id, base.reference, base.id, base.kit, replacements, sources)


def _cost(phase: Phase) -> PhaseCost:
    return PhaseCost(
        phase.name,
        phase.seconds,
        phase.peak_memory_mib,
        phase.processor_seconds,
        phase.processors,
    )


def _is_program(file: ElfFile) -> bool:
    return file.name.startswith("bin/") and bool(file.interpreter)


def _has_jit(recipe: Recipe) -> bool:
    options = (option for program in recipe.programs for option in program.options)
    return "--opt=jit" in (*recipe.options, *options)


def _checks(program: RpythonProgram) -> list[ProgramCheck]:
    inputs = {f"{{{path.name}}}": f"share/{path.name}" for path in program.inputs}
    return [
        ProgramCheck(
            command=(f"bin/{program.name}", *(inputs.get(word, word) for word in check.arguments)),
            expect=check.expect,
            environment=check.environment,
            jit="PYPYLOG" in check.environment,
        )
        for check in program.checks
    ]


def _read(engine: Engine, image: str, command: Sequence[str]) -> str:
    completed = engine.run(Job(image, command))
    if completed.exit_code:
        raise PackageError(
            f"{' '.join(command)} failed in {image}: {completed.output.strip()}",
            remedy="alpypy did not build this image: build it again",
        )
    return completed.output


def _musl_version(installed: Installed) -> str:
    return installed.versions["musl"].partition("-")[0]


def _need(soname: str, installed: Installed) -> Need:
    if soname not in installed.providers:
        raise PackageError(
            f"the release needs {soname}, but no Alpine package in the build image provides it",
            remedy="link it statically, or build in an image whose packages provide it",
        )
    return Need(soname, installed.providers[soname])
