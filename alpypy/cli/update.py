"""``update``: what is new at PyPy, Alpine, PyPI, Debian, and of the libraries inside a PyPy."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from alpypy.cli import common
from alpypy.cli.command import command
from alpypy.cli.options import MIRROR, Option
from alpypy.core.errors import SpecError
from alpypy.core.folders import CHECKOUT

if TYPE_CHECKING:
    from types import ModuleType

_TOOLS = ("bs4", "tomlkit", "yaml")  # of the group dev in pyproject.toml


@dataclass(frozen=True, kw_only=True)
class UpdateOptions:
    """Options of ``update``."""

    check: Annotated[bool, Option("only say what is new, and exit with 1 if anything is")] = False
    only: Annotated[
        tuple[str, ...], Option("ask only pypy, alpine, pypi, debian or libraries; repeatable")
    ] = ()
    mirror: Annotated[tuple[str, ...], MIRROR] = ()


@command(UpdateOptions)
def update(options: UpdateOptions) -> None:
    """Write new releases and files into versions/, and say what is left to decide."""
    if CHECKOUT is None:
        raise SpecError(
            "`update` changes the files in versions/ of a checkout, and this alpypy is installed",
            remedy="run it in a checkout of alpypy, or install a newer alpypy",
        )
    run = _run()
    project = common.project(options.mirror)
    news = run.look(project, options.only, check=options.check)
    if not options.check:
        news = run.write(project, news)
    for line in run.report(news, check=options.check):
        common.show(line)
    sys.exit(run.exit_code(news, check=options.check))


def _run() -> ModuleType:
    try:
        from alpypy.update import run
    except ModuleNotFoundError as error:
        if error.name not in _TOOLS:
            raise
        raise SpecError(
            f"update needs {error.name}, which builds do not",
            remedy="install the tools of this project: sh -c '. ./setup.sh; setup_python"
            " requirements-dev.lock'",
        ) from error
    return run
