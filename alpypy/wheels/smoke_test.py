"""Test wheels as users would use them: in a clean Alpine with their interpreter, without a network,
a compiler or build packages. A wheel that does not install, import and work is not kept."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from alpypy.core.errors import WheelError
from alpypy.engine.job import Job, Mount
from alpypy.verify.findings import Policy
from alpypy.wheels.build import WheelBuild
from alpypy.wheels.file import Wheel
from alpypy.wheels.images import INSIDE, inside, system_of
from alpypy.wheels.recipe import Module
from alpypy.wheels.record import SmokeTest
from alpypy.wheels.repair import FinalWheel

_WHEELS = "/wheels"
_TIMEOUT = 600.0  # seconds


def smoke_test_all(
    build: WheelBuild, finals: Sequence[FinalWheel], folder: Path, policy: Policy
) -> tuple[SmokeTest, ...]:
    """Test each wheel; pip may install the others for it.

    Args:
        folder: the folder to create and to collect the wheels in, for pip.

    Raises:
        WheelError: a wheel does not install, import or work, or the image is not clean.
    """
    folder.mkdir()
    for final in finals:
        shutil.copy(final.wheel.path, folder)
    packages = sorted({name for final in finals for name in final.packages})
    tag = f"alpypy-wheels:{build.interpreter.short}-alpine{build.interpreter.alpine}-clean"
    image = build.image_with(packages, tag)
    _require_clean(build, image, policy)
    return tuple(_smoke_test(build, image, folder, final) for final in finals)


def _require_clean(build: WheelBuild, image: str, policy: Policy) -> None:
    unclean = sorted(filter(policy.is_build_package, system_of(build.workspace, image).packages))
    if unclean:
        raise WheelError(
            f"wheels cannot be tested on {build.python.source}: it has the build packages"
            f" {', '.join(unclean)}",
            remedy="use an image of the interpreter without build packages",
        )


def smoke_test_request(wheel: Wheel, entry: Module | None) -> dict[str, Any]:
    """The test of a wheel, as inside/try.py reads it.

    Args:
        entry: what versions/wheels.toml says of its module, if it has an entry.

    Raises:
        WheelError: there is nothing to test in it.
        ArchiveError: it is damaged.
    """
    smoke, left_out = (entry.smoke, entry.not_imported) if entry else (None, ())
    imports = [name for name in wheel.imports() if name not in left_out]
    extensions = [name for name in wheel.extensions() if name not in left_out]
    if not (imports or extensions or smoke):
        raise WheelError(
            f"{wheel.path.name} contains nothing to import, so alpypy could not test it",
            remedy=f"add a [[modules]] entry for {wheel.name} with a line `smoke` to"
            " versions/wheels.toml",
        )
    return {
        "name": wheel.name,
        "version": wheel.version,
        "imports": imports,
        "extensions": extensions,
        "smoke": smoke,
    }


def _smoke_test(build: WheelBuild, image: str, folder: Path, final: FinalWheel) -> SmokeTest:
    wheel, entry = final.wheel, final.built.entry
    request = smoke_test_request(wheel, entry)
    build.workspace.say(f"testing {wheel.path.name}")
    job = Job(
        image,
        [build.python.executable, f"{INSIDE}/try.py", json.dumps({**request, "wheels": _WHEELS})],
        mounts=[Mount(folder, _WHEELS), inside(build.workspace)],
        environment={"HOME": "/tmp"},  # noqa: S108 - the container's
        user="0:0",  # it installs into the interpreter, as a Dockerfile does
        timeout=_TIMEOUT,
    )
    done = build.workspace.engine.run(job)
    result = _result(done.output)
    compilers = result.get("compilers")
    problem = result.get("error") or (compilers and f"there is {compilers}")
    if done.exit_code or problem:
        raise WheelError(
            f"{wheel.path.name} does not work in a clean Alpine: {problem or done.output.strip()}",
            remedy=f"no wheel was kept; see the output: {build.log(wheel.path.name, done.output)}",
        )
    imported = sorted({*request["imports"], *request["extensions"]})
    return SmokeTest(tuple(result["installed"]), tuple(imported), request["smoke"])


def _result(output: str) -> dict[str, Any]:
    lines = output.strip().splitlines() or [""]
    try:
        result = json.loads(lines[-1])
    except ValueError:
        result = None
    return result if isinstance(result, dict) else {"error": output.strip() or "it printed nothing"}
