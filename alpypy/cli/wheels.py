"""``wheels``: wheels for musl, of requirements or sources."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from alpypy.cli import common
from alpypy.cli.command import command
from alpypy.cli.options import ALPINE, ARCH, MIRROR, PACKAGED_AS, PORTABLE, Option
from alpypy.core.folders import ROOT, artifacts_folder
from alpypy.core.log import say

if TYPE_CHECKING:
    from alpypy.wheels.recipe import WheelData
    from alpypy.wheels.request import Interpreter, Request


@dataclass(frozen=True, kw_only=True)
class WheelsOptions:
    """Options of ``wheels``."""

    requirements: Annotated[
        str,
        Option(
            "requirements, requirements files, sdists or project folders; several in quotes",
            positional=True,
        ),
    ]
    python: Annotated[
        str,
        Option(
            "pypy3.11-8.0.0 for a PyPy in artifacts/, pypy3.11 for the newest release that alpypy"
            " knows, 3.12 for CPython"
        ),
    ]
    alpine: Annotated[str | None, ALPINE] = None
    arch: Annotated[str, ARCH] = "x86_64"
    release_version: Annotated[str | None, PACKAGED_AS] = None
    portable: Annotated[bool, PORTABLE] = False
    bundle: Annotated[
        bool,
        Option("--no-bundle leaves libraries out: wheels tagged linux, and the packages to add"),
    ] = True
    tls: Annotated[
        str | None, Option("openssl or libressl, where a module can be built with either")
    ] = None
    out: Annotated[Path | None, Option("folder for the wheels (default: artifacts/wheels)")] = None
    image: Annotated[
        bool, Option("wrap them into images too: musl-wheels:<module><version>-...")
    ] = False
    mirror: Annotated[tuple[str, ...], MIRROR] = ()

    def request(self, data: WheelData) -> Request:
        """Which wheels are wanted, for which interpreter."""
        from alpypy.wheels.request import Request, read_wanted

        return Request(
            wanted=read_wanted(self.requirements),
            interpreter=self.interpreter(),
            out=self.out or artifacts_folder() / "wheels",
            bundle=self.bundle,
            tls=data.require_tls(self.tls),
            image=self.image,
        )

    def interpreter(self) -> Interpreter:
        """The Python that the wheels are for; says what was chosen of it."""
        from alpypy.recipes.choice import Wanted, newest_alpine
        from alpypy.wheels.request import pypy_interpreter, read_interpreter

        arch, version, portable = self.arch, self.release_version, self.portable
        if self.python.startswith("pypy"):
            wanted = Wanted(self.python.removeprefix("pypy"), self.alpine, arch, version, portable)
            return pypy_interpreter(common.made(wanted))
        alpine = self.alpine or newest_alpine(ROOT)
        interpreter = read_interpreter(self.python, alpine, arch, version, portable=portable)
        if self.alpine is None:
            say(f"Alpine {alpine} (the newest)")
        return interpreter


@command(WheelsOptions)
def wheels(options: WheelsOptions) -> None:
    """Build wheels for musl and try each in a clean Alpine before it is kept."""
    from alpypy.wheels.maker import WheelMaker, result_lines
    from alpypy.wheels.recipe import load_wheel_data

    data = load_wheel_data(ROOT)
    request = options.request(data)
    with common.workspace(common.project(options.mirror)) as workspace:
        result = WheelMaker(workspace, data).make(request)
    for line in result_lines(result):
        common.show(line)
