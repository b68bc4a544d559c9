"""``verify`` and ``check``: what a tarball is like, and its own test suites."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from alpypy.cli import common
from alpypy.cli.command import command
from alpypy.cli.options import ALPINE, ARCH, MIRROR, PACKAGED_AS, Option
from alpypy.core.errors import SpecError
from alpypy.core.folders import ROOT
from alpypy.recipes.spec import Target, alpine_of, arch_of

if TYPE_CHECKING:
    from alpypy.core.project import Project
    from alpypy.suites.checker import Checker

_BASE_IMAGE = Option("the clean Alpine to check it in: an image, or a root file system's tarball")


@dataclass(frozen=True, kw_only=True)
class VerifyOptions:
    """Options of ``verify``."""

    tarball: Annotated[
        Path, Option("what to check; its .sha256 beside it counts too", positional=True)
    ]
    base_image: Annotated[str | None, _BASE_IMAGE] = None
    json: Annotated[bool, Option("print the report as JSON")] = False
    mirror: Annotated[tuple[str, ...], MIRROR] = ()


@command(VerifyOptions)
def verify(options: VerifyOptions) -> None:
    """Check a tarball from outside and in a clean Alpine; exit code 1 when something is wrong."""
    from alpypy.build.base_image import find_base
    from alpypy.recipes.recipe import load_catalog
    from alpypy.verify import receipt
    from alpypy.verify import run as checks

    path = options.tarball
    checks.require_tarball(path)
    alpine, arch = load_catalog(ROOT).alpine(alpine_of(path.name)), arch_of(path.name)
    with common.workspace(common.project(options.mirror)) as workspace:
        own_alpine = checks.own_alpine(path, workspace.engine, alpine.version)
        base = find_base(workspace, alpine, arch, options.base_image or own_alpine)
        report = checks.verify(workspace, path, base.reference)
    common.show(report.to_json() if options.json else report.to_text())
    if os.access(path.parent, os.W_OK):
        receipt.keep(path, report)
    sys.exit(report.exit_code)


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
    names = ("pypy", "alpine", "arch", "release_version", "source", "base_image")
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
    return common.made(Wanted(options.pypy, options.alpine, arch, options.release_version))
