"""``bench``: how fast interpreters are, one beside another; with ``--build``, how fast builds."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

from alpypy.cli import builds, common
from alpypy.cli.command import command
from alpypy.cli.ending import end_with
from alpypy.cli.options import ALPINE, ARCH, MIRROR, Option, needs
from alpypy.core.errors import SpecError
from alpypy.core.folders import ROOT, artifacts_folder

if TYPE_CHECKING:
    from alpypy.pipeline.timing import Comparison, Way

_WHAT = "[NAME=]: an interpreter of this machine, a tarball (TARBALL@IMAGE), or an image"
_PYPY = f"what to measure, {_WHAT}; repeatable"
_AGAINST = f"what to hold it against, {_WHAT}"


@dataclass(frozen=True, kw_only=True)
class BenchOptions:
    """Options of ``bench``. Those from ``build`` on are for builds."""

    pypy: Annotated[tuple[str, ...], Option(_PYPY)] = ()
    against: Annotated[str | None, Option(_AGAINST)] = None
    only: Annotated[
        tuple[str, ...],
        Option(
            "names or patterns of benchmarks, groups or suites; repeatable. With --build: seeds or"
            " ours"
        ),
    ] = ()
    rounds: Annotated[int | None, Option("how often each is run (default: 3)", most=99)] = None
    fast: Annotated[bool, Option("take fewer values: quicker, and less exact")] = False
    instructions: Annotated[
        bool, Option("count instructions too, with perf or valgrind; much slower")
    ] = False
    cpu: Annotated[int | None, Option("the only processor to use, from 0 on", least=0)] = None
    bound: Annotated[
        tuple[str, ...],
        Option(
            "NAME=RATIO, best:NAME=RATIO or instructions:NAME=RATIO of a benchmark, a group or the"
            " mean: end with 1 above; repeatable. With --build: of a phase, translate, build or"
            " second, or peak_mib=MIB"
        ),
    ] = ()
    out: Annotated[Path | None, Option("folder for the results (default: in artifacts/bench)")] = (
        None
    )
    build: Annotated[
        str | None,
        Option("time builds instead: of this PyPy, the seeds' way and alpypy's, from nothing"),
    ] = None
    second: Annotated[
        str | None, Option("--build: another PyPy, built after it with the same translator")
    ] = None
    alpine: Annotated[str | None, ALPINE] = None
    arch: Annotated[str, ARCH] = "x86_64"
    source: Annotated[
        tuple[Path, ...], Option("--build: archive or checkout of PyPy; repeatable")
    ] = ()
    mirror: Annotated[tuple[str, ...], MIRROR] = ()
    base_image: Annotated[
        str | None, Option("--build: an Alpine image, or a root file system's tarball")
    ] = None
    with_pypy: Annotated[
        str | None, Option("--build: tarball of a PyPy 2.7, or its version; time the step from it")
    ] = None
    jobs: Annotated[
        int | None, Option("--build: C compilers at once in alpypy's way (default: the processors)")
    ] = None
    portable: Annotated[bool, Option("--build: the portable PyPy")] = False
    optimize: Annotated[
        str | None, Option("--build: stock, pgo or pgo+lto in alpypy's way (default: stock)")
    ] = None
    keep: Annotated[bool, Option("--build: leave the stages of both ways in the cache")] = False


_SHARED = ("only", "bound", "out")


@command(BenchOptions)
def bench(options: BenchOptions) -> None:
    """Measure how fast interpreters or builds are; exit code 1 when one is slower than a bound."""
    _refuse_mixed(options)
    if options.build:
        _bench_builds(options)
    _bench_interpreters(options)


def _refuse_mixed(options: BenchOptions) -> None:
    """Refuse options of one kind of measurement with the other."""
    names = [field.name for field in fields(BenchOptions)]
    first = names.index("build")
    foreign = names[:first] if options.build else names[first:]
    defaults = {field.name: field.default for field in fields(BenchOptions)}
    given = [n for n in foreign if n not in _SHARED and getattr(options, n) != defaults[n]]
    if given:
        name = given[0].replace("_", "-")
        raise SpecError(
            f"--{name} {'does not go with' if options.build else 'is for'} --build",
            remedy=f"leave --{name} out"
            if options.build
            else "add --build PYPY, or leave it out: --pypy and --against measure interpreters",
        )


def _bench_interpreters(options: BenchOptions) -> NoReturn:
    from alpypy.bench import run

    if options.against is None or not options.pypy:
        missing = {} if options.pypy else {"--pypy": _PYPY}
        missing |= {} if options.against else {"--against": _AGAINST}
        end_with(needs("bench", missing))
    request = run.request(
        ROOT,
        options.pypy,
        options.against,
        only=options.only,
        bounds=options.bound,
        rounds=options.rounds or 3,
        fast=options.fast,
        instructions=options.instructions,
        cpu=options.cpu,
    )
    name = "-".join(subject.file_name for subject in request.all)
    folder = options.out or artifacts_folder() / "bench" / name
    project = common.project()
    with ExitStack() as stack:
        workspace = None
        if any(subject.in_container for subject in request.all):
            workspace = stack.enter_context(common.workspace(project))
        report = run.bench(project, workspace, request, lambda found: found.write(folder))
    page = report.write(folder)
    common.show(report.to_text())
    common.show(str(page))
    sys.exit(report.exit_code)


def _bench_builds(options: BenchOptions) -> NoReturn:
    from alpypy.pipeline.timing import Way, measure, resolve_all
    from alpypy.pipeline.timing_report import TimingReport, read_bounds

    bounds, only = read_bounds(options.bound), _way(options.only)
    if not options.second and any(bound.name == "second" for bound in bounds):
        raise SpecError(
            "--bound second=... needs a second PyPy", remedy="name it with --second, such as 2.7"
        )
    project = common.project(options.mirror)
    ways = resolve_all(project, _comparison(options))
    name = (
        f"build-{ways[Way.OURS].recipe.target.folder}{'-self-hosted' if options.with_pypy else ''}"
    )
    folder = options.out or artifacts_folder() / "bench" / name
    with common.workspace(project) as workspace:
        found = measure(workspace, ways, folder, only=only, keep=options.keep)
    report = TimingReport(found, bounds)
    path = report.write(folder)
    common.show(report.to_text())
    common.show(str(path))
    sys.exit(report.exit_code)


def _way(only: tuple[str, ...]) -> Way | None:
    """The one way to time; None for both."""
    from alpypy.pipeline.timing import Way

    if not only:
        return None
    if len(only) == 1 and only[0] in (Way.SEEDS, Way.OURS):
        return Way(only[0])
    raise SpecError(
        f"--only {' --only '.join(only)} names no way to build",
        remedy="--only seeds or --only ours; without it, alpypy times both",
    )


def _comparison(options: BenchOptions) -> Comparison:
    from alpypy.pipeline.timing import Comparison
    from alpypy.recipes.choice import Wanted

    plan = builds.PlanOptions(
        pypy=str(options.build),
        alpine=options.alpine,
        arch=options.arch,
        source=options.source,
        base_image=options.base_image,
        jobs=options.jobs,
        portable=options.portable,
        optimize=options.optimize,
    )
    request = plan.request(keep=options.keep, with_pypy=options.with_pypy)
    second = None
    if options.second:
        wanted = Wanted(options.second, request.target.alpine, options.arch)
        second = common.target(wanted, options.source)
    return Comparison(request, second)
