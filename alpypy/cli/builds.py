"""``bootstrap``, ``build`` and ``plan``: a PyPy from its source to a verified tarball."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

from alpypy.cli import common
from alpypy.cli.command import command
from alpypy.cli.options import ALPINE, ARCH, MIRROR, Option
from alpypy.core.folders import ROOT
from alpypy.core.log import say

if TYPE_CHECKING:
    from alpypy.pipeline.bootstrap import Builder, Outcome, PlannedStage
    from alpypy.pipeline.request import BuildRequest, ResolvedBuild

_PYPY = Option(
    "what to build: 3.11-8.0.0, 3.11 for the newest release that alpypy knows, or 3.12-8.0.0-alpha"
    " of a --source"
)
_QUICKSTART = Option(
    "what to build: rpython-0.2.1 (default), rpython-0.2.1-jit, or 3.11 as bootstrap"
)
_QUICKSTART_ALPINE = Option(
    "for which Alpine: 3.24 (default: the newest, or the kit's where no mirror is in reach)"
)
_KEEP = Option("leave the working directory after a failure")
_DIRECT = Option("translate with CPython in one pass, without a PyPy between")
_WITH_PYPY = Option("tarball of a PyPy 2.7 for this Alpine, or its version")


@dataclass(frozen=True, kw_only=True)
class _Build:
    pypy: Annotated[str, _PYPY]
    alpine: Annotated[str | None, ALPINE] = None
    arch: Annotated[str, ARCH] = "x86_64"
    release_version: Annotated[
        str | None, Option("package under another version (also PYPY_RELEASE_VERSION)")
    ] = None
    source: Annotated[
        tuple[Path, ...],
        Option("archive or checkout of PyPy, or repository@branch, to build it from; repeatable"),
    ] = ()
    mirror: Annotated[tuple[str, ...], MIRROR] = ()
    base_image: Annotated[
        str | None, Option("an Alpine image to build on, or a root file system's tarball")
    ] = None
    tls: Annotated[
        str | None, Option("openssl or libressl, where a release can be built with either")
    ] = None
    jobs: Annotated[int | None, Option("C compilers at once (default: the processors)")] = None
    portable: Annotated[
        bool, Option("one PyPy for every musl from 1.2.0 on, with its libraries inside")
    ] = False
    libraries: Annotated[
        Path | None, Option("list of the libraries inside it (default: versions/libraries.toml)")
    ] = None
    optimize: Annotated[
        str | None, Option("stock, pgo or pgo+lto: how to compile it (default: stock)")
    ] = None
    no_errata: Annotated[
        bool, Option("keep the release's own faults that PyPy has fixed since")
    ] = False

    def request(
        self, *, keep: bool = False, direct: bool = False, with_pypy: str | None = None
    ) -> BuildRequest:
        """What is to be built, and how."""
        from alpypy.pipeline.request import BuildRequest
        from alpypy.recipes.choice import Wanted

        version = self.release_version or os.environ.get("PYPY_RELEASE_VERSION") or None
        wanted = Wanted(self.pypy, self.alpine, self.arch, version, self.portable)
        return BuildRequest(
            target=common.target(wanted, self.source),
            libraries=self.libraries,
            sources=self.source,
            base_image=self.base_image,
            with_pypy=with_pypy,
            direct=direct,
            tls=self.tls,
            keep=keep,
            jobs=self.jobs,
            errata=not self.no_errata,
            optimize=self.optimize,
        )


@dataclass(frozen=True, kw_only=True)
class BootstrapOptions(_Build):
    """Options of ``bootstrap``."""

    keep: Annotated[bool, _KEEP] = False
    direct: Annotated[bool, _DIRECT] = False


@dataclass(frozen=True, kw_only=True)
class BuildOptions(_Build):
    """Options of ``build``."""

    with_pypy: Annotated[str, _WITH_PYPY]
    keep: Annotated[bool, _KEEP] = False


@dataclass(frozen=True, kw_only=True)
class PlanOptions(_Build):
    """Options of ``plan``."""

    direct: Annotated[bool, _DIRECT] = False
    with_pypy: Annotated[str | None, _WITH_PYPY] = None


@dataclass(frozen=True, kw_only=True)
class QuickstartOptions(BootstrapOptions):
    """Options of ``quickstart``: those of ``bootstrap``, with a target for who gives none."""

    pypy: Annotated[str, _QUICKSTART] = "rpython-0.2.1"
    alpine: Annotated[str | None, _QUICKSTART_ALPINE] = None


@command(QuickstartOptions)
def quickstart(options: QuickstartOptions) -> None:
    """Install what this machine lacks, then bootstrap: without options, a program in minutes."""
    from alpypy.cli.machine import alpine_in_reach, ready
    from alpypy.core.progress import followed_by
    from alpypy.pipeline.bootstrap import Builder, expected_seconds
    from alpypy.pipeline.request import resolve

    project = common.project(options.mirror)
    own_base = options.base_image is not None or options.arch != "x86_64"
    if options.alpine is None and not own_base:
        options = replace(options, alpine=alpine_in_reach(project))
    build = resolve(project, options.request(keep=options.keep, direct=options.direct))
    _say_patches(build)
    alpine = None if own_base else build.recipe.target.alpine
    with contextlib.ExitStack() as stack:
        with followed_by(expected_seconds(project, build)):
            workspace = stack.enter_context(ready(project, alpine, build.downloads))
        outcome = Builder(workspace, build).run()
    _show(outcome)


@command(BootstrapOptions)
def bootstrap(options: BootstrapOptions) -> None:
    """Build, package and verify a PyPy for an Alpine, starting from nothing."""
    _carry_out(options.request(keep=options.keep, direct=options.direct), options.mirror)


@command(BuildOptions)
def build(options: BuildOptions) -> None:
    """Build, package and verify a PyPy with a PyPy 2.7 that is there already."""
    request = options.request(keep=options.keep, with_pypy=options.with_pypy)
    _carry_out(request, options.mirror)


@command(PlanOptions)
def plan(options: PlanOptions) -> None:
    """Print the stages of a build, which are done, and how long the rest should take."""
    request = options.request(direct=options.direct, with_pypy=options.with_pypy)
    with _builder(request, options.mirror) as builder:
        for line in stage_lines(builder.planned()):
            common.show(line)


@dataclass(frozen=True, kw_only=True)
class ReferenceOptions:
    """Options of ``reference``."""

    pypy: Annotated[str, Option("what to build: 3.11-7.3.23, or 3.11 for the newest release")]
    with_pypy: Annotated[
        Path, Option("tarball of a portable PyPy 2.7, or of PyPy's own 2.7 for glibc")
    ]
    source: Annotated[tuple[Path, ...], Option("archive of PyPy to build it from")] = ()
    mirror: Annotated[tuple[str, ...], MIRROR] = ()
    base_image: Annotated[
        str | None, Option("an image of Debian 12 to build on, or a root file system's tarball")
    ] = None
    jobs: Annotated[int | None, Option("C compilers at once (default: the processors)")] = None
    keep: Annotated[bool, _KEEP] = False


@command(ReferenceOptions)
def reference(options: ReferenceOptions) -> None:
    """Build the same PyPy on glibc, for `bench` to compare with; it stays in the cache."""
    from alpypy.offline.kit import wheel_alpine
    from alpypy.pipeline.reference import ReferenceRequest, build_reference
    from alpypy.recipes.choice import Wanted

    # The Alpine decides on nothing here but the patches, which are the same for all newer ones.
    target = common.target(Wanted(options.pypy, wheel_alpine(ROOT)), options.source)
    request = ReferenceRequest(
        target,
        options.with_pypy,
        options.source,
        options.base_image,
        options.jobs,
        options.keep,
    )
    with common.workspace(common.project(options.mirror)) as workspace:
        common.show(str(build_reference(workspace, request)))


@contextlib.contextmanager
def _builder(request: BuildRequest, mirrors: Sequence[str]) -> Iterator[Builder]:
    """A build that is planned and not begun. What is wrong with the request is said first."""
    from alpypy.pipeline.bootstrap import Builder
    from alpypy.pipeline.request import resolve

    project = common.project(mirrors)
    build = resolve(project, request)
    _say_patches(build)
    with common.workspace(project) as workspace:
        yield Builder(workspace, build)


def _say_patches(build: ResolvedBuild) -> None:
    """Say what a tree is called, and which patches it takes at other lines or not at all."""
    if build.recipe.target.names_tree:
        say(f"your source is packaged as {build.recipe.target.folder}")
    recipe = build.recipe
    common.say_patches(recipe.patches, recipe.left_out, recipe.no_errata)


def _carry_out(request: BuildRequest, mirrors: Sequence[str]) -> None:
    with _builder(request, mirrors) as builder:
        outcome = builder.run()
    _show(outcome)


def _show(outcome: Outcome) -> NoReturn:
    common.show(outcome.report.to_text())
    common.show(str(outcome.tarball))
    sys.exit(outcome.report.exit_code)


def stage_lines(stages: tuple[PlannedStage, ...]) -> Iterator[str]:
    """The table of ``plan``."""
    from alpypy.core.progress import clock

    width = max(len(stage.title) for stage in stages)
    for stage in stages:
        state = "done" if stage.done else f"about {clock(stage.seconds)}"
        yield f"{stage.title:{width}}  {stage.key[:12]}  {state}"
    left = sum(stage.seconds for stage in stages if not stage.done)
    yield f"{'left':{width}}  {'':12}  {'nothing' if not left else f'about {clock(left)} (m:ss)'}"
