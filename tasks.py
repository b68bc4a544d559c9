"""alpypy's commands: `invoke --list` shows them, `invoke --help bootstrap` the options of one."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from functools import partial
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Any

from invoke import Context, Task, task

from alpypy.build.image import find_base
from alpypy.cli import common as cli
from alpypy.cli.common import say
from alpypy.core.errors import SpecError
from alpypy.core.fetch import Fetcher
from alpypy.core.folders import ROOT, cache_folder
from alpypy.core.unpack import unpack
from alpypy.engine import registry
from alpypy.images.runtime import Wanted, make, understand
from alpypy.offline.kit import prepare
from alpypy.pipeline.request import Order
from alpypy.proxy.server import serve
from alpypy.publish import download, publish, release
from alpypy.publish.destination import destination
from alpypy.publish.index import load_settings
from alpypy.recipes import patch_check
from alpypy.recipes import patch_docs as patch_overview
from alpypy.recipes.recipe import load_catalog
from alpypy.recipes.spec import RUNTIME_REPOSITORY, Target, alpine_of, arch_of
from alpypy.verify import receipt as verdict
from alpypy.verify.run import own_alpine, require_tarball
from alpypy.verify.run import verify as verify_tarball
from alpypy.wheels.maker import WheelMaker, kept_lines
from alpypy.wheels.recipe import load_wheel_data
from alpypy.wheels.request import Request, read_interpreter, read_wanted

_Task = Task[Callable[..., None]]
_HELP = {
    "pypy": "what to build: 3.11-7.3.22, or rpython-0.2.1 for the quickstart",
    "alpine": "for which Alpine: 3.23",
    "arch": "x86_64 (default) or aarch64; the engine must run it",
    "release-version": "package under another version (also PYPY_RELEASE_VERSION)",
    "source": "archive or checkout of PyPy to use instead of the release's; repeatable",
    "mirror": "address below which files are looked for first; repeatable",
    "base-image": "an Alpine image to build on, or a root file system's tarball",
    "jobs": "C compilers at once (default: the processors)",
    "keep": "leave the working directory after a failure",
    "direct": "translate with CPython in one pass, without a PyPy between",
    "with-pypy": "tarball of a PyPy 2.7 for this Alpine, or its version",
    "python": "pypy3.11-7.3.22 for a PyPy of artifacts/, or 3.12 for CPython",
}


def _order(
    pypy: str,
    alpine: str,
    arch: str = "x86_64",
    release_version: str = "",
    source: list[str] = [],  # noqa: B006 - Invoke fills it
    mirror: list[str] = [],  # noqa: B006
    base_image: str = "",
    jobs: str = "",
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
        jobs=_whole_number("jobs", jobs),
    )


def _whole_number(option: str, text: str, digits: int = 4) -> int | None:
    if not text:
        return None
    if not re.fullmatch(rf"[1-9][0-9]{{0,{digits - 1}}}", text):
        raise SpecError(
            f"--{option} is {text!r}", remedy="give a whole number from 1, or leave it out"
        )
    return int(text)


def _require(task: str, given: dict[str, Any], *names: str) -> None:
    missing = [name for name in names if given[name] is None]
    if missing:
        options = [f"--{name.replace('_', '-')}" for name in missing]
        raise SpecError(
            f"invoke {task} needs {' and '.join(options)}",
            remedy="\n  ".join(f"{option}: {_HELP[option[2:]]}" for option in options),
        )


def _order_task(*own: str, required: str = "") -> Callable[[Callable[[Order], None]], _Task]:
    """A task that takes an order: its options are the positional ones of `_order`, and its own."""

    def decorate(body: Callable[[Order], None]) -> _Task:
        def run(context: Context, **given: Any) -> None:
            with cli.command():
                _require(body.__name__, given, "pypy", "alpine", *filter(None, [required]))
                body(_order(**given))

        taken = [
            one
            for name, one in signature(_order).parameters.items()
            if one.kind is not Parameter.KEYWORD_ONLY or name in (*own, required)
        ]
        context = Parameter("context", Parameter.POSITIONAL_OR_KEYWORD)
        vars(run)["__signature__"] = Signature([context, *taken])  # where Invoke reads the options
        run.__name__, run.__doc__ = body.__name__, body.__doc__
        names = [one.name.replace("_", "-") for one in taken]
        texts = {name: _HELP[name] for name in names}
        # Not positional: Invoke would take a misspelt option for the value of a missing one.
        made: _Task = task(
            help=texts, iterable=["source", "mirror"], positional=[], auto_shortflags=False
        )(run)
        return made

    return decorate


@_order_task("keep", "direct")
def bootstrap(order: Order) -> None:
    """Build, package and verify a PyPy for an Alpine, starting from nothing."""
    _carry_out(order)


@_order_task("keep", required="with_pypy")
def build(order: Order) -> None:
    """Build, package and verify a PyPy with a PyPy 2.7 that is there already."""
    _carry_out(order)


@_order_task("direct", "with_pypy")
def plan(order: Order) -> None:
    """Print the stages of a build, which are done, and how long the rest should take."""
    with cli.builder(order) as builder:
        for line in cli.stage_lines(builder.stages()):
            say(line)


def _carry_out(order: Order) -> None:
    with cli.builder(order) as builder:
        outcome = builder.run()
    say(outcome.report.to_text())
    say(f"{outcome.tarball}")
    sys.exit(outcome.report.exit_code)


@task(
    help={
        "tarball": "what to check; its .sha256 beside it counts too",
        "base-image": "the clean Alpine to check it in",
        "json": "print the report as JSON",
        "mirror": _HELP["mirror"],
    },
    iterable=["mirror"],
    auto_shortflags=False,
)
def verify(
    context: Context,
    tarball: str,
    base_image: str = "",
    json: bool = False,
    mirror: list[str] = [],  # noqa: B006
) -> None:
    """Check a tarball from outside and in a clean Alpine; exit code 1 when something is wrong."""
    with cli.command():
        path = Path(tarball)
        require_tarball(path)
        alpine, arch = load_catalog(ROOT).alpine(alpine_of(path.name)), arch_of(path.name)
        fetcher = Fetcher(cache_folder(), mirror)
        with cli.engine() as engine:
            # On stderr: what is on stdout may be read by a program.
            tell = partial(print, file=sys.stderr, flush=True)
            chosen = base_image or own_alpine(path, engine, alpine.version)
            base = find_base(engine, fetcher, alpine, arch, chosen, tell)
            report = verify_tarball(path, engine, base_image=base.reference)
        say(report.to_json() if json else report.to_text())
        if os.access(path.parent, os.W_OK):
            verdict.keep(path, report)
        sys.exit(report.exit_code)


@task(
    help={
        "source": "archive, checkout, or git repository with release tags; repeatable",
        "write-docs": "only write docs/patches.md anew from the headers",
    },
    iterable=["source"],
    auto_shortflags=False,
)
def patches(
    context: Context,
    source: list[str] = [],  # noqa: B006
    write_docs: bool = False,
) -> None:
    """Print which patch serves which release, and check all against the sources at hand."""
    with cli.command():
        catalog = load_catalog(ROOT)
        if write_docs:
            text = patch_overview.page(catalog.patches, catalog.releases)
            (ROOT / patch_overview.PAGE).write_text(text, encoding="utf-8")
            return
        sources = patch_check.at_hand(catalog, map(Path, source), cache_folder())
        for line in patch_overview.table(catalog.patches, catalog.releases):
            say(line)
        sys.exit(patch_check.report(catalog, sources, say))


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
    arch: str = "",
    release_version: str = "",
    tests: str = "",
    jobs: str = "",
    timeout: str = "",
    source: list[str] = [],  # noqa: B006
    base_image: str = "",
    reference: str = "",
    against: str = "",
) -> None:
    """Run a PyPy's own test suites in a clean Alpine; exit code 1 when the ledger differs."""
    with cli.command():
        number, seconds = _whole_number("jobs", jobs), _whole_number("timeout", timeout, 6)
        scope = cli.scope(tests, number, seconds, against)
        if reference:
            cli.refuse_beside_reference(
                pypy=pypy,
                alpine=alpine,
                arch=arch,
                release_version=release_version,
                source=source,
                base_image=base_image,
            )
            checked = cli.checker(scope).reference(Path(reference))
        else:
            target = cli.check_target(pypy, alpine, arch or "x86_64", release_version)
            with cli.engine() as engine:
                checked = cli.checker(scope).tarball(
                    engine, target, sources=tuple(map(Path, source)), base_image=base_image or None
                )
        say(checked.report.to_text())
        say(f"{checked.document}\n{checked.page}")
        sys.exit(checked.report.exit_code)


@task(
    help={
        "pypy": "the release whose tarball in artifacts/ the image is made of: 3.11-7.3.22",
        "alpine": _HELP["alpine"],
        "arch": _HELP["arch"],
        "release-version": "the version that it was packaged under, if another",
        "repository": "alpine-pypy, or the name before the tag with its registry:"
        " registry.example.org/team/alpine-pypy",
        "base-image": "the Alpine that it stands on: an image, or a root file system's tarball",
        "dev": "with headers, so that extension modules can be compiled in it",
        "fresh": "make it anew where it is there, with the packages that Alpine has now",
        "push": "push it to its registry when it is built",
    },
    auto_shortflags=False,
)
def image(
    context: Context,
    pypy: str = "",
    alpine: str = "",
    arch: str = "x86_64",
    release_version: str = "",
    repository: str = RUNTIME_REPOSITORY,
    base_image: str = "",
    dev: bool = False,
    fresh: bool = False,
    push: bool = False,
) -> None:
    """Make the image to run programs on out of a verified tarball, and push it."""
    with cli.command():
        target = cli.image_target(pypy, alpine, arch, release_version)
        plan = understand(ROOT, Wanted(target, repository, dev, base_image or None, fresh))
        with cli.engine() as engine:
            cache = cache_folder()
            make(engine, Fetcher(cache), ROOT, cache, plan, say)
            say(f"{plan.reference} is ready")
            if push:
                registry.push(engine, plan.reference, say)


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


@task(
    name="release",
    help={
        "out": "folder to make the release in (default: artifacts/release)",
        "url": "address below which it will be served (default: url in versions/release.toml)",
    },
    auto_shortflags=False,
)
def make_release(context: Context, out: str = "", url: str = "") -> None:
    """Gather verified tarballs and tested wheels into a folder that any server can hand out."""
    with cli.command():
        folder = Path(out) if out else cli.RELEASE
        address = cli.release_url(url, load_settings(ROOT))
        index = release.gather(cli.ARTIFACTS, folder, address, say)
        say(f"{folder}: {len(index.tarballs)} PyPys, {len(index.wheels)} wheels")


@task(
    name="download",
    help={
        "pypy": "which PyPy: 3.11-7.3.22",
        "alpine": "for which Alpine: 3.23",
        "arch": "x86_64 or aarch64",
        "from": "address of the release (default: url in versions/release.toml)",
        "extract": "folder to unpack it in",
    },
    positional=[],
    auto_shortflags=False,
)
def download_pypy(
    context: Context,
    pypy: str = "",
    alpine: str = "",
    arch: str = "x86_64",
    from_: str = "",
    extract: str = "",
) -> None:
    """Download a PyPy for an Alpine out of a release, into artifacts/."""
    with cli.command():
        wanted = {"pypy": pypy or None, "alpine": alpine or None}
        _require("download", wanted, "pypy", "alpine")
        url = from_ or cli.default_url(load_settings(ROOT))
        place = download.Place(url, cache_folder(), cli.ARTIFACTS)
        path, tarball = download.download(place, Target(pypy, alpine, arch))
        say(f"{path}")
        folder = unpack(path, Path(extract)) if extract else None
        for line in download.next_steps(path, tarball, folder):
            say(line)


@task(
    name="publish",
    help={
        "to": "github:OWNER/REPO, or a folder",
        "release": "folder that `invoke release` made (default: artifacts/release)",
    },
    positional=[],
    auto_shortflags=False,
)
def publish_release(context: Context, to: str = "", release: str = "") -> None:
    """Add a release to what is published; nothing that is there is replaced by another file."""
    with cli.command():
        there = destination(to, load_settings(ROOT).tag)
        index = publish.publish(Path(release) if release else cli.RELEASE, there, say)
        say(index.url or to)


@task(
    help={
        "what": "requirements, requirements files, sdists or project folders; several in quotes",
        "python": _HELP["python"],
        "alpine": "for which Alpine (default: 3.23)",
        "arch": _HELP["arch"],
        "release-version": "the version that the PyPy was packaged under, if another",
        "bundle": "--no-bundle leaves libraries out: wheels tagged linux, and the packages to add",
        "tls": "openssl or libressl, where a module can be built with either",
        "out": "folder for the wheels (default: artifacts/wheels)",
        "image": "wrap them into images too: musl-wheels:<module><version>-...",
        "mirror": _HELP["mirror"],
    },
    iterable=["mirror"],
    positional=["what"],
    auto_shortflags=False,
)
def wheels(
    context: Context,
    what: str,
    python: str = "",
    alpine: str = "3.23",
    arch: str = "x86_64",
    release_version: str = "",
    bundle: bool = True,
    tls: str = "",
    out: str = "",
    image: bool = False,
    mirror: list[str] = [],  # noqa: B006
) -> None:
    """Build wheels for musl and try each in a clean Alpine before it is kept."""
    with cli.command():
        _require("wheels", {"python": python or None}, "python")
        data = load_wheel_data(ROOT)
        request = Request(
            wanted=read_wanted(what),
            interpreter=read_interpreter(python, alpine, arch, release_version or None),
            out=Path(out or ROOT / "artifacts/wheels"),
            bundle=bundle,
            tls=data.require_tls(tls or None),
            image=image,
        )
        cache = cache_folder()
        with cli.engine() as engine:
            maker = WheelMaker(ROOT, cache, engine, Fetcher(cache, mirror), data, say)
            kept = maker.make(request)
        for line in kept_lines(kept):
            say(line)


@task(
    help={
        "port": "where it listens, on the engine's bridge: from 1024 on (default: in"
        " versions/proxy.toml)",
        "https": "open https to the hosts of versions/proxy.toml, so that it is cached too",
        "image": "name of an image that has squid, which runs in a container of it; for machines"
        " without one",
    },
    auto_shortflags=False,
)
def proxy(context: Context, port: str = "", https: bool = False, image: str = "") -> None:
    """Cache what builds download: runs squid until Ctrl-C, and says what it saved."""
    with cli.command():
        wanted = cli.wanted_proxy(port, image, https=https)
        with cli.engine() as engine:
            say(str(serve(engine, wanted, say)))
