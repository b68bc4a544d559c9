"""``image`` and ``kit``: the image to run programs on, and the one to build on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from alpypy.cli import common
from alpypy.cli.command import command
from alpypy.cli.options import ALPINE, ARCH, MIRROR, PACKAGED_AS, PORTABLE, Option
from alpypy.core.errors import SpecError
from alpypy.core.folders import ROOT
from alpypy.recipes.spec import RUNTIME_REPOSITORY


@dataclass(frozen=True, kw_only=True)
class ImageOptions:
    """Options of ``image``."""

    pypy: Annotated[
        str,
        Option(
            "the PyPy in artifacts/ that the image is made of: 3.11-8.0.0, or 3.11 for the newest"
            " release that alpypy knows"
        ),
    ]
    alpine: Annotated[str | None, ALPINE] = None
    arch: Annotated[str, ARCH] = "x86_64"
    release_version: Annotated[str | None, PACKAGED_AS] = None
    portable: Annotated[bool, PORTABLE] = False
    repository: Annotated[
        str,
        Option(
            "alpine-pypy, or the name before the tag with its registry:"
            " registry.example.org/team/alpine-pypy"
        ),
    ] = RUNTIME_REPOSITORY
    base_image: Annotated[
        str | None,
        Option("the Alpine that it stands on: an image, or a root file system's tarball"),
    ] = None
    dev: Annotated[
        bool, Option("with headers, so that extension modules can be compiled in it")
    ] = False
    bytecode: Annotated[
        bool, Option("with bytecode of the standard library: larger, and programs start faster")
    ] = False
    cibuildwheel: Annotated[
        bool, Option("with compilers and auditwheel, for cibuildwheel to build wheels in")
    ] = False
    fresh: Annotated[
        bool, Option("make it anew where it is there, with the packages that Alpine has now")
    ] = False
    push: Annotated[bool, Option("push it to its registry when it is built")] = False


@command(ImageOptions)
def image(options: ImageOptions) -> None:
    """Make the image to run programs on out of a verified tarball, and push it."""
    from alpypy.engine import registry
    from alpypy.images.runtime import ImageRequest, make, resolve
    from alpypy.recipes.choice import Wanted
    from alpypy.recipes.spec import PypyVersion
    from alpypy.wheels import cibuildwheel

    target = common.made(
        Wanted(
            options.pypy,
            options.alpine,
            options.arch,
            options.release_version,
            options.portable,
        )
    )
    if options.cibuildwheel:  # before a tarball is asked for: building it takes an hour
        cibuildwheel.refuse_unfit(cibuildwheel.load_data(ROOT), PypyVersion.parse(target.release))
    if options.cibuildwheel and options.bytecode:
        raise SpecError(
            "--cibuildwheel makes an image to build wheels in, without --bytecode",
            remedy="give one of the two",
        )
    dev = options.dev or options.cibuildwheel
    request = ImageRequest(
        target, options.repository, dev, options.bytecode, options.base_image, options.fresh
    )
    project = common.project()
    plan = resolve(project, request)
    with common.workspace(project) as workspace:
        if options.cibuildwheel:
            reference = cibuildwheel.make(workspace, plan)
        else:
            make(workspace, plan)
            reference = plan.reference
        common.show(f"{reference} is ready")
        if options.push:
            registry.push(workspace.engine, reference, project.say)


@dataclass(frozen=True, kw_only=True)
class KitOptions:
    """Options of ``kit``."""

    alpine: Annotated[
        str | None,
        Option("for which Alpine: 3.23 (default: the one that it can make out of nothing)"),
    ] = None
    base_image: Annotated[
        str | None,
        Option("an Alpine image, or a root file system's tarball (default alpine:<version>)"),
    ] = None
    source: Annotated[
        tuple[Path, ...],
        Option("source of a library that Debian lacks: libressl-2.7.5.tar.gz; repeatable"),
    ] = ()
    mirror: Annotated[tuple[str, ...], MIRROR] = ()


@command(KitOptions)
def kit(options: KitOptions) -> None:
    """Make the base image that builds where only PyPI and Debian mirrors are in reach."""
    from alpypy.offline.kit import prepare, wheel_alpine

    alpine = options.alpine or wheel_alpine(ROOT)
    with common.workspace(common.project(options.mirror)) as own:
        made = prepare(own, alpine, options.base_image, options.source)
    for source in made.given:
        state = "the published file" if source.verified else "unverified: not the published file"
        common.show(f"{source.library} {source.version} of {source.file}, {state}")
    common.show(f"{made.reference} is ready, made on {made.base}")
