"""``verify`` and ``check``: what a tarball is like, and its own test suites."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from alpypy.cli import common
from alpypy.cli.command import command
from alpypy.cli.options import ALPINE, ARCH, MIRROR, PACKAGED_AS, PORTABLE, Option
from alpypy.core.errors import SpecError
from alpypy.core.folders import ROOT
from alpypy.recipes.spec import Target, alpine_of, arch_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alpypy.core.project import Project
    from alpypy.engine.workspace import Workspace
    from alpypy.suites.checker import Checker

_CLEAN = "the clean Alpine to check it in: an image, or a root file system's tarball"
_BASE_IMAGE = Option(_CLEAN)
_BASE_IMAGES = Option(f"{_CLEAN}; repeatable for a portable PyPy, and then of any version")


@dataclass(frozen=True, kw_only=True)
class VerifyOptions:
    """Options of ``verify``."""

    tarball: Annotated[
        Path, Option("what to check; its .sha256 beside it counts too", positional=True)
    ]
    base_image: Annotated[tuple[str, ...], _BASE_IMAGES] = ()
    json: Annotated[bool, Option("print the report as JSON")] = False
    mirror: Annotated[tuple[str, ...], MIRROR] = ()


@command(VerifyOptions)
def verify(options: VerifyOptions) -> None:
    """Check a tarball from outside and in a clean Alpine; exit code 1 when something is wrong."""
    from alpypy.verify import receipt
    from alpypy.verify import run as checks

    path = options.tarball
    checks.require_tarball(path)
    portable = alpine_of(path.name) is None
    if len(options.base_image) > 1 and not portable:
        raise SpecError(
            f"{path.name} is for one Alpine, and --base-image names {len(options.base_image)}",
            remedy="name one of that version, or none",
        )
    with common.workspace(common.project(options.mirror)) as workspace:
        bases = _clean_alpines(workspace, path, options.base_image, portable=portable)
        report = checks.verify(workspace, path, *bases)
    common.show(report.to_json() if options.json else report.to_text())
    if os.access(path.parent, os.W_OK):
        receipt.keep(path, report)
    sys.exit(report.exit_code)


def _clean_alpines(
    workspace: Workspace, path: Path, chosen: Sequence[str], *, portable: bool
) -> list[str]:
    """The images to check a tarball in: the chosen ones, or the Alpine that it was built on. None
    for a portable PyPy that does not say which that was: then its files alone are checked."""
    from alpypy.build.base_image import find_base
    from alpypy.offline.kit import any_alpine
    from alpypy.recipes.recipe import load_catalog
    from alpypy.verify import run as checks

    arch = arch_of(path.name)
    if portable and chosen:
        return [any_alpine(workspace.engine, name, arch) for name in chosen]
    version = checks.built_on(path)
    if version is None:
        return []
    alpine = load_catalog(ROOT).alpine(version)
    own = checks.own_alpine(path, workspace.engine, version)
    return [find_base(workspace, alpine, arch, next(iter(chosen), own)).reference]


@dataclass(frozen=True, kw_only=True)
class CheckOptions:
    """Options of ``check``."""

    pypy: Annotated[
        str | None,
        Option(
            "the PyPy in artifacts/ that is checked: 3.11-8.0.0, or 3.11 for the newest release"
            " that alpypy knows"
        ),
    ] = None
    alpine: Annotated[str | None, ALPINE] = None
    arch: Annotated[str | None, ARCH] = None
    release_version: Annotated[str | None, PACKAGED_AS] = None
    portable: Annotated[bool, PORTABLE] = False
    tests: Annotated[
        str, Option("names or patterns of modules, with commas between (default: all)")
    ] = ""
    jobs: Annotated[int | None, Option("modules at once (default: the processors)")] = None
    timeout: Annotated[int | None, Option("seconds that a module may take", most=999_999)] = None
    source: Annotated[
        tuple[Path, ...], Option("archive or checkout of PyPy whose extra_tests are run too")
    ] = ()
    base_image: Annotated[str | None, _BASE_IMAGE] = None
    reference: Annotated[
        Path | None, Option("an interpreter of this machine to run the tests on instead")
    ] = None
    against: Annotated[Path | None, Option(".json of another check: list what fails only here")] = (
        None
    )


@command(CheckOptions)
def check(options: CheckOptions) -> None:
    """Run a PyPy's own test suites in a clean Alpine; exit code 1 when the ledger differs."""
    project = common.project()
    if options.reference:
        from alpypy.build.translate import default_jobs

        _refuse_beside_reference(options)
        checked = _checker(options, project, default_jobs()).reference(options.reference)
    else:
        target = _target(options)
        with common.workspace(project) as workspace:
            checker = _checker(options, project, workspace.engine.usable_processors)
            checked = checker.tarball(
                workspace, target, sources=options.source, base_image=options.base_image
            )
    common.show(checked.report.to_text())
    common.show(f"{checked.document}\n{checked.page}")
    sys.exit(checked.report.exit_code)


def _checker(options: CheckOptions, project: Project, processors: int) -> Checker:
    from alpypy.suites.checker import Checker, Scope

    scope = Scope(
        tests=tuple(filter(None, options.tests.split(","))),
        jobs=options.jobs or processors,
        timeout=options.timeout,
        against=options.against,
    )
    return Checker(project, scope)


def _refuse_beside_reference(options: CheckOptions) -> None:
    """A reference is checked as it is: nothing says which tarball, and how."""
    names = ("pypy", "alpine", "arch", "release_version", "portable", "source", "base_image")
    given = [f"--{name.replace('_', '-')}" for name in names if getattr(options, name)]
    if given:
        raise SpecError(
            f"--reference does not go with {', '.join(given)}",
            remedy="leave either out: a reference is an interpreter of this machine, as it is",
        )


def _target(options: CheckOptions) -> Target:
    from alpypy.recipes.choice import Wanted

    if not options.pypy:
        raise SpecError(
            "there is nothing to check",
            remedy="name a tarball with --pypy 3.11-8.0.0, or an interpreter of this machine with"
            " --reference /usr/bin/pypy3",
        )
    arch = options.arch or "x86_64"
    wanted = Wanted(options.pypy, options.alpine, arch, options.release_version, options.portable)
    return common.made(wanted)
