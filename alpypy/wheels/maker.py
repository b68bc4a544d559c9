"""`invoke wheels`: wheels for musl, of requirements or sources, tried before they are kept."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from packaging.utils import canonicalize_name, canonicalize_version

from alpypy.core.errors import SpecError, UnverifiedError
from alpypy.core.files import file_digest, whole_file
from alpypy.engine.workspace import Workspace
from alpypy.recipes.recipe import load_catalog
from alpypy.verify.findings import load_policy
from alpypy.wheels import record as wheel_record
from alpypy.wheels.build import Collected, WheelBuild, collect
from alpypy.wheels.file import Wheel
from alpypy.wheels.images import WheelsImage, python_of
from alpypy.wheels.kit import MorePackages
from alpypy.wheels.recipe import WheelData
from alpypy.wheels.record import Trial, WheelRecord
from alpypy.wheels.repair import Finished, finish
from alpypy.wheels.request import Request, image_tag
from alpypy.wheels.smoke_test import try_all


@dataclass(frozen=True)
class Kept:
    """What came out: wheels with their records beside them, and the images that hold them."""

    wheels: tuple[Path, ...]
    packages: tuple[str, ...]
    images: tuple[str, ...]


class WheelMaker:
    """Makes wheels of this project's interpreters."""

    def __init__(self, workspace: Workspace, data: WheelData) -> None:
        self._workspace = workspace
        self._data = data

    def make(self, request: Request) -> Kept:
        """Build, repair, try and keep the wheels of a request.

        Raises:
            AlpypyError: a step failed; nothing is kept then.
        """
        with tempfile.TemporaryDirectory(prefix="alpypy-wheels-") as name:
            scratch = Path(name)
            build = self._new_build(request, scratch)
            collected = collect(build, request)
            finished = finish(build, collected.wheels, bundle=request.bundle)
            for one in finished:
                refuse_other_alpine(request.out, one.wheel, request.interpreter.alpine)
            trials = try_all(build, finished, scratch / "trial", load_policy(self._workspace.data))
            wheels = tuple(
                self._keep(build, request.out, one, trial)
                for one, trial in zip(finished, trials, strict=True)
            )
            images = self._images(build, collected, finished, trials) if request.image else ()
        packages = sorted({package for one in finished for package in one.packages})
        return Kept(wheels, tuple(packages), images)

    def _new_build(self, request: Request, scratch: Path) -> WheelBuild:
        interpreter = request.interpreter
        alpine = load_catalog(self._workspace.data).alpine(interpreter.alpine)
        python = python_of(self._workspace, alpine, interpreter)
        return WheelBuild(
            workspace=self._workspace,
            data=self._data,
            python=python,
            interpreter=interpreter,
            more=MorePackages(self._workspace, python),
            tls=request.tls,
            scratch=scratch,
        )

    def _keep(self, build: WheelBuild, out: Path, one: Finished, trial: Trial) -> Path:
        """Put a wheel and its record where users find it: first the record, so that no wheel is
        there without one."""
        out.mkdir(parents=True, exist_ok=True)
        path = out / one.wheel.path.name
        wheel_record.keep(path, _record(build, one, trial))
        with whole_file(path) as temporary:
            shutil.copyfile(one.wheel.path, temporary)
        return path

    def _images(
        self,
        build: WheelBuild,
        collected: Collected,
        finished: Sequence[Finished],
        trials: Sequence[Trial],
    ) -> tuple[str, ...]:
        """An image for each wheel that was asked for, with those that pip installed beside it."""
        wheels = [one.wheel for one in finished]
        return tuple(
            self._image(build, one.wheel, belonging(one.wheel, wheels, trial.installed))
            for one, trial in zip(finished, trials, strict=True)
            if one.wheel.name in collected.asked
        )

    def _image(self, build: WheelBuild, wheel: Wheel, chosen: Sequence[Wheel]) -> str:
        folder = build.scratch / f"image-{wheel.name}"
        folder.mkdir()
        for one in chosen:
            shutil.copy(one.path, folder)
        tag = image_tag(wheel.name, wheel.version, build.interpreter)
        image = WheelsImage(self._workspace, "scratch", tag, {}, {"wheels": folder})
        self._workspace.engine.tag(self._workspace.store.run(image), tag)
        return tag


def refuse_other_alpine(out: Path, wheel: Wheel, alpine: str) -> None:
    """Keep compiled wheels of two Alpines apart: both are named for musl, which tells neither
    their libraries nor the packages that they need.

    Args:
        out: where the wheel is to be kept.

    Raises:
        SpecError: there is one of another Alpine by its name.
    """
    path = out / wheel.path.name
    if wheel.pure or not path.is_file():
        return
    try:
        there = wheel_record.read(path)
    except UnverifiedError:  # what was not tested as it is may be replaced
        return
    if there and there.alpine != alpine:
        raise SpecError(
            f"{path} is there already, for Alpine {there.alpine}",
            remedy=f"keep those for Alpine {alpine} in another folder: --out FOLDER",
        )


def belonging(own: Wheel, wheels: Sequence[Wheel], installed: Sequence[str]) -> list[Wheel]:
    """A module's own wheel, and those that pip installed with it.

    Args:
        installed: what pip said, as ``zope.interface-6.0``.
    """
    return [one for one in wheels if one == own or any(_is(one, said) for said in installed)]


def _is(wheel: Wheel, said: str) -> bool:
    """Whether pip means a wheel; it says name and version as the wheel's METADATA do, where both
    may have dashes. Old ones say no version where tiny.dep is needed by the name tiny-dep."""
    if canonicalize_name(said) == wheel.name:
        return True
    words = said.split("-")
    pairs = (("-".join(words[:at]), "-".join(words[at:])) for at in range(1, len(words)))
    version = canonicalize_version(wheel.version)
    return any(
        canonicalize_name(name) == wheel.name and canonicalize_version(text) == version
        for name, text in pairs
    )


def _record(build: WheelBuild, one: Finished, trial: Trial) -> WheelRecord:
    return WheelRecord(
        sha256=file_digest(one.wheel.path),
        interpreter=str(build.interpreter),
        alpine=build.interpreter.alpine,
        packages=one.packages,
        date=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        kind=one.kind,
        built=one.built.image is not None,
        source=build.python.source,
        kit=build.python.kit is not None,
        bundled=one.bundled,
        tested=trial,
    )


def kept_lines(kept: Kept) -> Iterator[str]:
    """What is said at the end: the wheels, what they need, the images."""
    yield from map(str, kept.wheels)
    if kept.packages:
        yield f"they need: apk add {' '.join(kept.packages)}"
    yield from (f"image {tag}" for tag in kept.images)
