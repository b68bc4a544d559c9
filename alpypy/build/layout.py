"""Lay out: a translated tree becomes the folder that is packed, with what PyPy builds itself."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from alpypy.build.translate import Translation
from alpypy.core.errors import PackageError
from alpypy.engine.docker import Engine
from alpypy.engine.job import Completed, Job, Mount
from alpypy.recipes import patches
from alpypy.recipes.recipe import Recipe


@dataclass(frozen=True)
class Layout:
    """What laying out takes: the translation, the image that made it, an empty folder to work in.

    ``keep`` tells whether that folder outlives a failure.
    """

    engine: Engine
    root: Path
    logs: Path
    recipe: Recipe
    translation: Translation
    image: str
    work: Path
    keep: bool

    @property
    def folder(self) -> Path:
        """The folder to lay out, named as the tarball."""
        return self.work / "build" / self.recipe.target.folder


def lay_out(layout: Layout) -> Path:
    """Lay out a release below ``layout.work``.

    Raises:
        PackageError: PyPy's package.py, or strip, failed.
        PatchError: an application-level patch does not apply.
    """
    if layout.recipe.programs:
        _lay_out_programs(layout)
    else:
        _lay_out_pypy(layout)
    return layout.folder


def _lay_out_pypy(layout: Layout) -> None:
    """Let PyPy's own package.py build the cffi modules and choose the files."""
    recipe, tree = layout.recipe, layout.work / "tree"
    shutil.copytree(layout.translation.folder / "tree", tree, symlinks=True)
    late = [patch for patch in recipe.patches if patch.application_level]
    patches.apply(late, tree, recipe.target.release)
    # The small PyPy that only translates has no module that cffi's own are built with.
    more = ["--without-cffi"] if "--translationmodules" in recipe.target_options else []
    words = ["/package.py", recipe.target.folder, *more]
    script = layout.root / "dockerfiles/package/build.py"
    job = Job(
        layout.image,
        ["sh", "-c", 'exec "$TRANSLATOR" "$@"', "sh", *words],
        mounts=[Mount(layout.work, "/work", writable=True), Mount(script, "/package.py")],
        environment={
            **recipe.environment,
            "HOME": "/work",
            "PYTHONDONTWRITEBYTECODE": "1",
            "SOURCE_DATE_EPOCH": "315532800",
        },
        workdir="/work/tree",
        timeout=3600,
    )
    done = layout.engine.run(job)
    log = _write_log(layout, done)
    if done.exit_code or not (layout.folder / "bin").is_dir():
        raise _failure(layout, done, log)


def _write_log(layout: Layout, done: Completed) -> Path:
    layout.logs.mkdir(parents=True, exist_ok=True)
    name = f"package-{layout.recipe.target.folder}-{layout.translation.key[:8]}.log"
    (layout.logs / name).write_text(done.output, encoding="utf-8")
    return layout.logs / name


def _failure(layout: Layout, done: Completed, log: Path) -> PackageError:
    tail = "\n".join(f"    {line}" for line in done.output.splitlines()[-30:])
    where = f"its working directory is {layout.work}" if layout.keep else "--keep leaves its tree"
    return PackageError(
        f"packaging {layout.recipe.target.folder} ended with {done.exit_code}:\n{tail}",
        remedy=f"the log is {log}; {where}",
    )


def _lay_out_programs(layout: Layout) -> None:
    folder, made = layout.folder, layout.translation.folder
    (folder / "bin").mkdir(parents=True)
    (folder / "share").mkdir()
    for program in layout.recipe.programs:
        shutil.copy(made / "out" / program.output, folder / "bin" / program.name)
        for path in program.inputs:
            shutil.copy(path, folder / "share" / path.name)
    # The release on PyPI names its license there and brings no LICENSE file.
    shutil.copy(made / "tree/PKG-INFO", folder)
    names = [f"/work/build/{folder.name}/bin/{program.name}" for program in layout.recipe.programs]
    mounts = [Mount(layout.work, "/work", writable=True)]
    done = layout.engine.run(Job(layout.image, ["strip", *names], mounts))
    if done.exit_code:
        raise PackageError(
            f"strip failed: {done.output.strip()}", remedy="the build image needs binutils"
        )
