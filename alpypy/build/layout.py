"""Lay out a release: a translated tree, and what PyPy builds with itself, become a folder."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from alpypy.build.libraries import LibraryTree
from alpypy.build.translate import TranslatedTree
from alpypy.core.errors import PackageError
from alpypy.engine.job import Completed, Job, Mount
from alpypy.engine.workspace import Workspace
from alpypy.recipes import patches
from alpypy.recipes.recipe import Recipe

_LIBRARIES = "/libraries"  # in the container
# Only these are linked: archives whose symbols stay inside, and gcc's own unwinder.
_LINK = f"-L{_LIBRARIES}/lib -Wl,--exclude-libs,ALL -static-libgcc"
_LICENSES = "licenses"


@dataclass(frozen=True)
class Tree:
    """What a release is laid out of: a translated tree, the folder with the objects to link, and
    the libraries that it gets. Without objects, what the translation linked is taken."""

    translated: TranslatedTree
    objects: Path | None = None
    libraries: LibraryTree | None = None


def lay_out(workspace: Workspace, recipe: Recipe, tree: Tree, image: str, work: Path) -> Path:
    """Lay out a release below ``work`` and return its folder, which has the tarball's name.

    Args:
        image: the ID of the image that translated.
        work: an empty folder.

    Raises:
        PackageError: the last link, PyPy's package.py or strip failed.
        PatchError: an application-level patch does not apply.
    """
    folder = work / "build" / recipe.target.folder
    translated, libraries = tree.translated, tree.libraries
    if recipe.programs:
        _lay_out_programs(workspace, recipe, translated, image, folder)
        return folder
    _patched_tree(recipe, translated, work)
    (work / "wheels").mkdir()
    for wheel in recipe.packaging:
        shutil.copy(workspace.fetcher.fetch(wheel), work / "wheels")
    if tree.objects:
        _link_again(workspace, recipe, tree, image, work)
    log = workspace.logs / f"package-{folder.name}-{translated.key[:8]}.log"
    completed = workspace.engine.run(_package_job(workspace, recipe, image, libraries, work))
    log.write_text(completed.output, encoding="utf-8")
    if completed.exit_code or not (folder / "bin").is_dir():
        raise _failure(f"packaging {folder.name}", completed, log)
    if libraries:
        shutil.copytree(libraries.folder / _LICENSES, folder / _LICENSES)
    return folder


def _link_again(workspace: Workspace, recipe: Recipe, tree: Tree, image: str, work: Path) -> None:
    """Link the objects with what alpypy adds, in place of what the translation linked."""
    assert tree.objects
    shutil.copytree(tree.objects, work / "link")
    completed = workspace.engine.run(_link_job(workspace, recipe, tree.libraries, image, work))
    log = workspace.logs / f"link-{recipe.target.folder}-{tree.translated.key[:8]}.log"
    log.write_text(completed.output, encoding="utf-8")
    if completed.exit_code:
        raise _failure("the last link", completed, log)
    goal = work / "tree/pypy/goal"
    linked = [work / "link/build" / path.name for path in goal.glob("*pypy*-c*")]
    if not linked or not all(path.is_file() for path in linked):
        names = ", ".join(path.name for path in linked)
        raise PackageError(
            f"the last link did not make what RPython had made: {names or 'nothing'}",
            remedy=f"the log is {log}",
        )
    for path in linked:
        shutil.move(path, goal / path.name)
    shutil.rmtree(work / "link")


def _link_job(
    workspace: Workspace, recipe: Recipe, libraries: LibraryTree | None, image: str, work: Path
) -> Job:
    mounts = [
        Mount(work, "/work", writable=True),
        Mount(workspace.data / "dockerfiles/link", "/link"),
    ]
    flags = list(recipe.optimize.link) if recipe.optimize else []
    if libraries:
        mounts.append(Mount(libraries.folder, _LIBRARIES))
    if recipe.target.portable:
        flags.append(_LINK)
    return Job(
        image,
        ["sh", "/link/link.sh", *flags],
        mounts=mounts,
        workdir="/work/link/build",
        timeout=None,  # with LTO, it compiles all
    )


def _patched_tree(recipe: Recipe, translated: TranslatedTree, work: Path) -> None:
    shutil.copytree(translated.folder / "tree", work / "tree", symlinks=True)
    late = [patch for patch in recipe.patches if patch.application_level]
    patches.apply(late, work / "tree", recipe.target.release)


def _package_job(
    workspace: Workspace, recipe: Recipe, image: str, libraries: LibraryTree | None, work: Path
) -> Job:
    """Let PyPy's own package.py build the cffi modules and choose the files."""
    # The small PyPy that only translates lacks modules that building cffi modules needs.
    more = ["--without-cffi"] if "--translationmodules" in recipe.target_options else []
    words = ["/package.py", recipe.target.folder, *more]
    script = workspace.data / "dockerfiles/package/build.py"
    mounts = [Mount(work, "/work", writable=True), Mount(script, "/package.py")]
    environment = dict(recipe.environment)
    if libraries and recipe.target.portable:
        mounts.append(Mount(libraries.folder, _LIBRARIES))
        environment["CFLAGS"] = f"-I{_LIBRARIES}/include {environment['CFLAGS']}"
        environment["LDFLAGS"] = f"{_LINK} {environment['LDFLAGS']}"
    return Job(
        image,
        ["sh", "-c", 'exec "$TRANSLATOR" "$@"', "sh", *words],
        mounts=mounts,
        environment={
            **environment,
            "HOME": "/work",
            "PYTHONDONTWRITEBYTECODE": "1",
            "SOURCE_DATE_EPOCH": "315532800",
        },
        workdir="/work/tree",
        timeout=3600,
    )


def _failure(what: str, completed: Completed, log: Path) -> PackageError:
    tail = "\n".join(f"    {line}" for line in completed.output.splitlines()[-30:])
    return PackageError(
        f"{what} ended with {completed.exit_code}:\n{tail}", remedy=f"the log is {log}"
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
