"""Optimization: compile the C sources of a translation again, with the profile of a training."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from alpypy.build import objects
from alpypy.build.estimates import Estimates
from alpypy.build.images import require_image
from alpypy.build.stage import BuildStage, texts
from alpypy.build.translate import Translation, check_resources, error_excerpt
from alpypy.core.code import digest_of_code
from alpypy.core.errors import TranslationError
from alpypy.core.store import key_of
from alpypy.core.unpack import unpack
from alpypy.engine.job import Job, Mount
from alpypy.engine.workspace import Workspace
from alpypy.recipes.optimize import OptimizationLevel

_PROFILE = "profile"  # below the working folder, where the flags name it


@dataclass(frozen=True)
class _Compiler:
    """Compiles the C sources of a translation below a working folder."""

    translation: Translation
    title: str
    log: Path

    def lay_out(self, work: Path) -> Path:
        """Lay out the tree, which the Makefile names, and the sources; return their folder.

        Raises:
            ResourceError: memory or disk is too small.
        """
        check_resources(self.translation.recipe, work)
        translated = self.translation.load()
        if translated is None:
            raise AssertionError("a tree must be translated before it is compiled again")
        shutil.copytree(translated.folder / "tree", work / "tree", symlinks=True)
        self.log.unlink(missing_ok=True)
        return unpack(translated.folder / objects.SOURCES, work)

    def run(self, work: Path, script: str, flags: Sequence[str] = (), *, link: bool = True) -> None:
        """Run a script of dockerfiles/optimize. Without ``link``, files are compiled only.

        Raises:
            TranslationError: it failed.
        """
        translation = self.translation
        scripts = folder(translation.workspace)
        job = Job(
            require_image(translation.image).id,
            ["sh", f"/optimize/{script}"],
            mounts=[Mount(work, "/work", writable=True), Mount(scripts, "/optimize")],
            environment={
                "FLAGS": " ".join(flags),
                "JOBS": str(translation.jobs),
                "LINK": "" if link else "true",
                "HOME": "/work",
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            timeout=None,
        )
        done = translation.workspace.engine.run(job)
        with self.log.open("a", encoding="utf-8") as log:
            log.write(done.output)
        if done.exit_code:
            lines = "\n".join(f"    {line}" for line in error_excerpt(done.output.splitlines()))
            raise TranslationError(
                f"{self.title}: {script} ended with {done.exit_code}:\n{lines}",
                remedy=f"the log is {self.log}",
            )


def folder(workspace: Workspace) -> Path:
    """The folder with the scripts and the training program."""
    return workspace.data / "dockerfiles/optimize"


def _code() -> str:
    """A digest of what decides which files are compiled, and with which flags."""
    return digest_of_code(Path(__file__), Path(objects.__file__))


def _log(workspace: Workspace, title: str, key: str) -> Path:
    return workspace.logs / f"{title.replace(' ', '-')}-{key[:8]}.log"


@dataclass(frozen=True)
class Profile:
    """The stage that counts, in a training, how often each branch of a PyPy is taken.

    ``make`` raises TranslationError if the sources do not compile, or the training fails.
    """

    translation: Translation
    flags: tuple[str, ...]

    @property
    def title(self) -> str:
        """Such as ``profile 3.11-7.3.23``."""
        return f"profile {self.translation.recipe.target.release}"

    @property
    def needs(self) -> Sequence[BuildStage]:
        """The translation, and the image that compiles."""
        return (self.translation, self.translation.image)

    @cached_property
    def key(self) -> str:
        """Covers the translation, the flags, the training program and the scripts."""
        files = texts(folder(self.translation.workspace))
        return key_of(
            step="profile",
            code=_code(),
            translation=self.translation.key,
            flags=self.flags,
            files=files,
        )

    def expected(self, estimates: Estimates) -> float:
        """Seconds, as in the last run."""
        return estimates.stage("profile")

    def load(self) -> Path | None:
        """The folder of the profile."""
        store = self.translation.workspace.store
        return store.folder(self.key) / _PROFILE if store.record(self.key) else None

    def make(self, work: Path) -> Mapping[str, Any]:
        """Compile with counters, and run the training."""
        log = _log(self.translation.workspace, self.title, self.key)
        compiler = _Compiler(self.translation, self.title, log)
        sources = compiler.lay_out(work)
        compiler.run(work, "compile.sh", self.flags)
        compiler.run(work, "train.sh")
        if not any((work / _PROFILE).glob("*.gcda")):
            raise TranslationError(
                f"{self.title}: the training left no profile", remedy=f"the log is {log}"
            )
        for path in (sources, work / "tree"):
            shutil.rmtree(path)
        return {"stage": "profile"}


@dataclass(frozen=True)
class Optimization:
    """The stage that compiles the C sources of a translation again, with a profile.

    ``make`` raises TranslationError if they do not compile.
    """

    profile: Profile
    level: OptimizationLevel

    @property
    def title(self) -> str:
        """Such as ``optimize 3.11-7.3.23 (pgo)``."""
        return f"optimize {self._translation.recipe.target.release} ({self.level.name})"

    @property
    def needs(self) -> Sequence[BuildStage]:
        """The profile, the translation, and the image that compiles."""
        return (self.profile, *self.profile.needs)

    @cached_property
    def key(self) -> str:
        """Covers the profile and the flags."""
        return key_of(
            step="optimization", code=_code(), profile=self.profile.key, flags=self.level.use
        )

    def expected(self, estimates: Estimates) -> float:
        """Seconds, as in the last run."""
        return estimates.stage("optimize")

    def load(self) -> Path | None:
        """The folder with what the last link needs."""
        store = self._translation.workspace.store
        return store.folder(self.key) / objects.FOLDER if store.record(self.key) else None

    def make(self, work: Path) -> Mapping[str, Any]:
        """Compile with the profile."""
        profile = self.profile.load()
        if profile is None:
            raise AssertionError("a PyPy must be profiled before it is optimized")
        shutil.copytree(profile, work / _PROFILE)
        log = _log(self._translation.workspace, self.title, self.key)
        compiler = _Compiler(self._translation, self.title, log)
        sources = compiler.lay_out(work)
        compiler.run(work, "compile.sh", self.level.use, link=False)  # packaging links
        objects.keep_objects(work / "kept", sources / "build", sources / "module_cache")
        for path in (sources, work / "tree", work / _PROFILE):
            shutil.rmtree(path)
        (work / "kept").rename(work / objects.FOLDER)
        return {"stage": "optimize"}

    @property
    def _translation(self) -> Translation:
        return self.profile.translation
