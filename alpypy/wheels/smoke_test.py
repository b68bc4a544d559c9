"""Wheels are tried as users would: in a clean Alpine of their interpreter, without a network, a
compiler or any build package. What cannot be installed, imported and used reaches nobody."""

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
from alpypy.wheels.record import Trial
from alpypy.wheels.repair import Finished

_WHEELS = "/wheels"
_TIME = 600.0  # seconds


def try_all(
    build: WheelBuild, finished: Sequence[Finished], folder: Path, policy: Policy
) -> tuple[Trial, ...]:
    """Try each wheel, with the others at hand for what it depends on.

    Args:
        folder: where the wheels are put together for pip; it is made.

    Raises:
        WheelError: one cannot be installed, imported or used, or the image is not clean.
    """
    folder.mkdir()
    for one in finished:
        shutil.copy(one.wheel.path, folder)
    packages = sorted({name for one in finished for name in one.packages})
    tag = f"alpypy-wheels:{build.interpreter.short}-alpine{build.interpreter.alpine}-clean"
    image = build.image_with(packages, tag)
    _require_clean(build, image, policy)
    return tuple(_try(build, image, folder, one) for one in finished)


def _require_clean(build: WheelBuild, image: str, policy: Policy) -> None:
    unclean = sorted(filter(policy.is_build_package, system_of(build.workspace, image).packages))
    if unclean:
        raise WheelError(
            f"{build.python.source} is no place to try wheels in: it has {', '.join(unclean)}",
            remedy="use an image of the interpreter without build packages",
        )


def what_to_try(wheel: Wheel, smoke: str | None) -> dict[str, Any]:
    """What try.py is told of a wheel.

    Raises:
        WheelError: nothing of it can be tried.
        ArchiveError: it is damaged.
    """
    imports, extensions = wheel.imports(), wheel.extensions()
    if not (imports or extensions or smoke):
        raise WheelError(
            f"{wheel.path.name} holds nothing that can be imported, and so nothing was tried",
            remedy=f"give {wheel.name} a line `smoke` in versions/wheels.toml ([[modules]])",
        )
    return {
        "name": wheel.name,
        "version": wheel.version,
        "imports": imports,
        "extensions": extensions,
        "smoke": smoke,
    }


def _try(build: WheelBuild, image: str, folder: Path, one: Finished) -> Trial:
    wheel, entry = one.wheel, one.built.entry
    wanted = what_to_try(wheel, entry.smoke if entry else None)
    build.workspace.say(f"trying {wheel.path.name}")
    job = Job(
        image,
        [build.python.executable, f"{INSIDE}/try.py", json.dumps({**wanted, "wheels": _WHEELS})],
        mounts=[Mount(folder, _WHEELS), inside(build.workspace)],
        environment={"HOME": "/tmp"},  # noqa: S108 - the container's
        user="0:0",  # it installs into the interpreter, as a Dockerfile does
        timeout=_TIME,
    )
    done = build.workspace.engine.run(job)
    said = _document(done.output)
    wrong = said.get("error") or (said.get("compilers") and f"there is {said['compilers']}")
    if done.exit_code or wrong:
        raise WheelError(
            f"{wheel.path.name} does not work in a clean Alpine: {wrong or done.output.strip()}",
            remedy=f"nothing was kept; all it said: {build.log(wheel.path.name, done.output)}",
        )
    imported = sorted({*wanted["imports"], *wanted["extensions"]})
    return Trial(tuple(said["installed"]), tuple(imported), wanted["smoke"])


def _document(output: str) -> dict[str, Any]:
    lines = output.strip().splitlines() or [""]
    try:
        said = json.loads(lines[-1])
    except ValueError:
        said = None
    return said if isinstance(said, dict) else {"error": output.strip() or "it printed nothing"}
