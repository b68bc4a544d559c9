"""Lay out a release: a translated tree, and what PyPy builds with itself, become a folder."""

from __future__ import annotations

import shutil
from pathlib import Path

from alpypy.build.translate import TranslatedTree
from alpypy.core.errors import PackageError
from alpypy.engine.job import Completed, Job, Mount
from alpypy.engine.workspace import Workspace
from alpypy.recipes import patches
from alpypy.recipes.recipe import Recipe


def lay_out(
    workspace: Workspace, recipe: Recipe, translated: TranslatedTree, image: str, work: Path
) -> Path:
    """Lay out a release below ``work`` and return its folder, which has the tarball's name.

    Args:
        image: the ID of the image that translated.
        work: an empty folder.

    Raises:
        PackageError: PyPy's package.py or strip failed.
        PatchError: an application-level patch does not apply.
    """
    folder = work / "build" / recipe.target.folder
    if recipe.programs:
        _lay_out_programs(workspace, recipe, translated, image, folder)
        return folder
    _patched_tree(recipe, translated, work)
    (work / "wheels").mkdir()
    for wheel in recipe.packaging:
        shutil.copy(workspace.fetcher.fetch(wheel), work / "wheels")
    completed = workspace.engine.run(_package_job(workspace, recipe, image, work))
    log = workspace.logs / f"package-{folder.name}-{translated.key[:8]}.log"
    log.write_text(completed.output, encoding="utf-8")
    if completed.exit_code or not (folder / "bin").is_dir():
        raise _failure(folder.name, completed, log)
    return folder


def _patched_tree(recipe: Recipe, translated: TranslatedTree, work: Path) -> None:
    shutil.copytree(translated.folder / "tree", work / "tree", symlinks=True)
    late = [patch for patch in recipe.patches if patch.application_level]
    patches.apply(late, work / "tree", recipe.target.release)


def _package_job(workspace: Workspace, recipe: Recipe, image: str, work: Path) -> Job:
    """Let PyPy's own package.py build the cffi modules and choose the files."""
    # The small PyPy that only translates lacks modules that building cffi modules needs.
    more = ["--without-cffi"] if "--translationmodules" in recipe.target_options else []
    words = ["/package.py", recipe.target.folder, *more]
    script = workspace.data / "dockerfiles/package/build.py"
    return Job(
        image,
        ["sh", "-c", 'exec "$TRANSLATOR" "$@"', "sh", *words],
        mounts=[Mount(work, "/work", writable=True), Mount(script, "/package.py")],
        environment={
            **recipe.environment,
            "HOME": "/work",
            "PYTHONDONTWRITEBYTECODE": "1",
            "SOURCE_DATE_EPOCH": "315532800",
        },
        workdir="/work/tree",
        timeout=3600,
    )


def _failure(name: str, completed: Completed, log: Path) -> PackageError:
    tail = "\n".join(f"    {line}" for line in completed.output.splitlines()[-30:])
    return PackageError(
        f"packaging {name} ended with {completed.exit_code}:\n{tail}", remedy=f"the log is {log}"
    )


def _lay_out_programs(
    workspace: Workspace, recipe: Recipe, translated: TranslatedTree, image: str, folder: Path
) -> None:
    (folder / "bin").mkdir(parents=True)
    (folder / "share").mkdir()
    for program in recipe.programs:
        shutil.copy(translated.folder / "out" / program.output, folder / "bin" / program.name)
        for path in program.inputs:
            shutil.copy(path, folder / "share" / path.name)
    # The release on PyPI has no LICENSE file; its PKG-INFO names the license.
    shutil.copy(translated.folder / "tree/PKG-INFO", folder)
    names = [f"/release/bin/{program.name}" for program in recipe.programs]
    job = Job(image, ["strip", *names], [Mount(folder, "/release", writable=True)])
    completed = workspace.engine.run(job)
    if completed.exit_code:
        raise PackageError(
            f"strip failed: {completed.output.strip()}", remedy="add binutils to the build image"
        )
