"""alpypy's commands: `invoke --list` shows them, `invoke --help bootstrap` the options of one."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from invoke import Context, task

from alpypy import cli
from alpypy.cli import ROOT, say
from alpypy.image import find_base
from alpypy.kit import prepare
from alpypy.order import Order
from alpypy.recipe import load_catalog
from alpypy.sources import Fetcher, cache_folder
from alpypy.spec import Target, alpine_of
from alpypy.verify import verify as verify_tarball

_HELP = {
    "pypy": "what to build: 3.11-7.3.22, or rpython-0.2.1 for the quickstart",
    "alpine": "for which Alpine: 3.23",
    "arch": "x86_64 or aarch64; the engine must run it",
    "release-version": "package under another version (also PYPY_RELEASE_VERSION)",
    "source": "archive or checkout of PyPy to use instead of the release's; repeatable",
    "mirror": "address below which files are looked for first; repeatable",
    "base-image": "an Alpine image to build on",
    "jobs": "C compilers at once (default: the processors)",
    "keep": "leave the working directory after a failure",
}


def _order(
    pypy: str,
    alpine: str,
    arch: str,
    release_version: str,
    source: list[str],
    mirror: list[str],
    base_image: str,
    jobs: int,
    *,
    keep: bool = False,
    direct: bool = False,
    with_pypy: str | None = None,
) -> Order:
    version = release_version or os.environ.get("PYPY_RELEASE_VERSION") or None
    return Order(
        target=Target(pypy, alpine, arch, version),
        sources=tuple(map(Path, source)),
        mirrors=tuple(mirror),
        base_image=base_image or None,
        with_pypy=with_pypy,
        direct=direct,
        keep=keep,
        jobs=jobs or None,
    )


def _carry_out(order: Order) -> None:
    with cli.builder(order) as builder:
        outcome = builder.run()
    say(outcome.report.to_text())
    say(f"{outcome.tarball}")
    sys.exit(outcome.report.exit_code)


@task(
    help={**_HELP, "direct": "translate with CPython in one pass, without a PyPy between"},
    iterable=["source", "mirror"],
    auto_shortflags=False,
)
def bootstrap(
    context: Context,
    pypy: str,
    alpine: str,
    arch: str = "x86_64",
    release_version: str = "",
    source: list[str] = [],  # noqa: B006 - Invoke fills it
    mirror: list[str] = [],  # noqa: B006
    base_image: str = "",
    jobs: int = 0,
    keep: bool = False,
    direct: bool = False,
) -> None:
    """Build, package and verify a PyPy for an Alpine, starting from nothing."""
    with cli.command():
        _carry_out(
            _order(
                pypy,
                alpine,
                arch,
                release_version,
                source,
                mirror,
                base_image,
                jobs,
                keep=keep,
                direct=direct,
            )
        )


@task(
    help={**_HELP, "with-pypy": "tarball of a PyPy 2.7 for this Alpine, or its version"},
    iterable=["source", "mirror"],
    auto_shortflags=False,
)
def build(
    context: Context,
    pypy: str,
    alpine: str,
    with_pypy: str,
    arch: str = "x86_64",
    release_version: str = "",
    source: list[str] = [],  # noqa: B006
    mirror: list[str] = [],  # noqa: B006
    base_image: str = "",
    jobs: int = 0,
    keep: bool = False,
) -> None:
    """Build, package and verify a PyPy with a PyPy 2.7 that is there already."""
    with cli.command():
        _carry_out(
            _order(
                pypy,
                alpine,
                arch,
                release_version,
                source,
                mirror,
                base_image,
                jobs,
                keep=keep,
                with_pypy=with_pypy,
            )
        )


@task(
    help={
        **{name: text for name, text in _HELP.items() if name != "keep"},
        "direct": "as for bootstrap",
        "with-pypy": "as for build",
    },
    iterable=["source", "mirror"],
    auto_shortflags=False,
)
def plan(
    context: Context,
    pypy: str,
    alpine: str,
    arch: str = "x86_64",
    release_version: str = "",
    source: list[str] = [],  # noqa: B006
    mirror: list[str] = [],  # noqa: B006
    base_image: str = "",
    jobs: int = 0,
    direct: bool = False,
    with_pypy: str = "",
) -> None:
    """Print the stages of a build, which are done, and how long the rest should take."""
    with cli.command():
        order = _order(
            pypy,
            alpine,
            arch,
            release_version,
            source,
            mirror,
            base_image,
            jobs,
            keep=False,
            direct=direct,
            with_pypy=with_pypy or None,
        )
        with cli.builder(order) as builder:
            for line in cli.stage_lines(builder.stages()):
                say(line)


@task(
    help={
        "tarball": "what to check; its .sha256 beside it counts too",
        "base-image": "the clean Alpine to check it in",
        "json": "print the report as JSON",
    },
    auto_shortflags=False,
)
def verify(context: Context, tarball: str, base_image: str = "", json: bool = False) -> None:
    """Check a tarball from outside and in a clean Alpine; exit code 1 when something is wrong."""
    with cli.command():
        path = Path(tarball)
        alpine = load_catalog(ROOT).alpine(alpine_of(path.name))
        with cli.engine() as engine:
            base = find_base(engine, Fetcher(cache_folder()), alpine, "x86_64", base_image, say)
            report = verify_tarball(path, engine, base_image=base.reference)
        say(report.to_json() if json else report.to_text())
        sys.exit(report.exit_code)


@task(
    help={
        "pypy": "the release whose tarball in artifacts/ is checked: 3.11-7.3.22",
        "alpine": _HELP["alpine"],
        "arch": _HELP["arch"],
        "release-version": "the version that it was packaged under, if another",
        "tests": "names or patterns of modules, with commas between (default: all)",
        "jobs": "modules at once (default: the processors)",
        "timeout": "seconds that a module may take",
        "source": "archive or checkout of PyPy whose extra_tests are run too",
        "base-image": "the clean Alpine to check it in",
        "reference": "an interpreter of this machine to run the tests on instead",
        "against": ".json of another check: list what fails only here",
    },
    iterable=["source"],
    auto_shortflags=False,
)
def check(
    context: Context,
    pypy: str = "",
    alpine: str = "",
    arch: str = "x86_64",
    release_version: str = "",
    tests: str = "",
    jobs: int = 0,
    timeout: int = 0,
    source: list[str] = [],  # noqa: B006
    base_image: str = "",
    reference: str = "",
    against: str = "",
) -> None:
    """Run a PyPy's own test suites in a clean Alpine; exit code 1 when the ledger differs."""
    with cli.command():
        scope = cli.scope(tests, jobs, timeout, against)
        if reference:
            checked = cli.checker(scope).reference(Path(reference))
        else:
            target = cli.check_target(pypy, alpine, arch, release_version)
            with cli.engine() as engine:
                checked = cli.checker(scope).tarball(
                    engine, target, sources=tuple(map(Path, source)), base_image=base_image or None
                )
        say(checked.report.to_text())
        say(f"{checked.document}\n{checked.page}")
        sys.exit(checked.report.exit_code)


@task(
    help={
        "alpine": _HELP["alpine"],
        "mirror": _HELP["mirror"],
        "base-image": "an Alpine image in the engine (default alpine:<version>)",
    },
    iterable=["mirror"],
    auto_shortflags=False,
)
def kit(
    context: Context,
    alpine: str = "3.23",
    base_image: str = "",
    mirror: list[str] = [],  # noqa: B006
) -> None:
    """Make the base image that builds where only PyPI and Debian mirrors are in reach."""
    with cli.command(), cli.engine() as engine:
        made = prepare(
            engine, Fetcher(cache_folder(), mirror), ROOT, alpine, base_image or None, say
        )
        say(f"{made.reference} is ready, made on {made.base}")
