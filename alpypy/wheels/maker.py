"""`invoke wheels`: build wheels for musl from requirements or sources, test them, keep them."""

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
from alpypy.wheels import record
from alpypy.wheels.build import CollectedWheels, WheelBuild, collect
from alpypy.wheels.file import Wheel
from alpypy.wheels.images import WheelsImage, python_of
from alpypy.wheels.kit import ExtraPackages
from alpypy.wheels.recipe import WheelData
from alpypy.wheels.record import SmokeTest, WheelRecord
from alpypy.wheels.repair import FinalWheel, repair_all
from alpypy.wheels.request import Interpreter, Request, image_tag
from alpypy.wheels.smoke_test import smoke_test_all


@dataclass(frozen=True)
class WheelsResult:
    """The wheels, with their records beside them, the Alpine packages that they need, and the names
    of the images that contain them."""

    wheels: tuple[Path, ...]
    packages: tuple[str, ...]
    images: tuple[str, ...]


class WheelMaker:
    """Makes wheels of this project's interpreters."""

    def __init__(self, workspace: Workspace, data: WheelData) -> None:
        self._workspace = workspace
        self._data = data

    def make(self, request: Request) -> WheelsResult:
        """Build, repair, test and keep the wheels of a request.

        Raises:
            AlpypyError: a step failed; then no wheel is kept.
        """
        with tempfile.TemporaryDirectory(prefix="alpypy-wheels-") as name:
            scratch = Path(name)
            build = self.begin(request.interpreter, scratch, request.tls)
            collected = collect(build, request)
            finals = repair_all(build, collected.wheels, bundle=request.bundle)
            for final in finals:
                refuse_other_alpine(request.out, final.wheel, request.interpreter.alpine)
            policy = load_policy(self._workspace.data)
            tests = smoke_test_all(build, finals, scratch / "smoke-test", policy)
            wheels = tuple(
                self._keep(build, request.out, final, test)
                for final, test in zip(finals, tests, strict=True)
            )
            images = self._images(build, collected, finals, tests) if request.image else ()
        packages = sorted({package for final in finals for package in final.packages})
        return WheelsResult(wheels, tuple(packages), images)

    def begin(self, interpreter: Interpreter, scratch: Path, tls: str | None = None) -> WheelBuild:
        """What builds and tests of an interpreter's wheels stand on; see ``python_of`` for errors.

        Args:
            scratch: an empty folder, to work in.
        """
        alpine = load_catalog(self._workspace.data).alpine(interpreter.alpine)
        python = python_of(self._workspace, alpine, interpreter)
        return WheelBuild(
            workspace=self._workspace,
            data=self._data,
            python=python,
            interpreter=interpreter,
            extra_packages=ExtraPackages(self._workspace, python.image, python.kit),
            tls=tls,
            scratch=scratch,
        )

    def _keep(self, build: WheelBuild, out: Path, final: FinalWheel, test: SmokeTest) -> Path:
        """Write a wheel and its record into ``out``: first the record, so that no wheel is ever
        there without its record."""
        out.mkdir(parents=True, exist_ok=True)
        path = out / final.wheel.path.name
        record.keep(path, _record(build, final, test))
        with whole_file(path) as temporary:
            shutil.copyfile(final.wheel.path, temporary)
        return path

    def _images(
        self,
        build: WheelBuild,
        collected: CollectedWheels,
        finals: Sequence[FinalWheel],
        tests: Sequence[SmokeTest],
    ) -> tuple[str, ...]:
        """An image for each requested wheel, with the wheels that pip installed beside it."""
        wheels = [final.wheel for final in finals]
        return tuple(
            self._image(build, final.wheel, belonging(final.wheel, wheels, test.installed))
            for final, test in zip(finals, tests, strict=True)
            if final.wheel.name in collected.requested
        )

    def _image(self, build: WheelBuild, wheel: Wheel, contents: Sequence[Wheel]) -> str:
        folder = build.scratch / f"image-{wheel.name}"
        folder.mkdir()
        for content in contents:
            shutil.copy(content.path, folder)
        tag = image_tag(wheel.name, wheel.version, build.interpreter)
        image = WheelsImage(self._workspace, "scratch", tag, {}, {"wheels": folder})
        self._workspace.store.run(image)
        return tag


def refuse_other_alpine(out: Path, wheel: Wheel, alpine: str) -> None:
    """Keep compiled wheels of two Alpines apart. Their tags name musl, which does not tell their
    libraries nor the packages that they need.

    Args:
        out: the folder for the wheel.

    Raises:
        SpecError: the folder has a wheel of the same name for another Alpine.
    """
    path = out / wheel.path.name
    if wheel.pure or not path.is_file():
        return
    try:
        existing = record.read(path)
    except UnverifiedError:  # a wheel that differs from the tested one may be replaced
        return
    if existing and existing.alpine != alpine:
        raise SpecError(
            f"{path} exists already, for Alpine {existing.alpine}",
            remedy=f"keep the wheels for Alpine {alpine} in another folder: --out FOLDER",
        )


def belonging(own: Wheel, wheels: Sequence[Wheel], installed: Sequence[str]) -> list[Wheel]:
    """A module's own wheel, and those that pip installed with it.

    Args:
        installed: what pip printed, such as ``zope.interface-6.0``.
    """
    return [
        wheel
        for wheel in wheels
        if wheel == own or any(_is_installed(wheel, text) for text in installed)
    ]


def _is_installed(wheel: Wheel, printed: str) -> bool:
    """Whether pip printed the name and version of a wheel.

    pip takes both from the wheel's METADATA, where they may contain dashes. Old pips print no
    version if tiny.dep was required as tiny-dep.
    """
    if canonicalize_name(printed) == wheel.name:
        return True
    words = printed.split("-")
    pairs = (("-".join(words[:at]), "-".join(words[at:])) for at in range(1, len(words)))
    version = canonicalize_version(wheel.version)
    return any(
        canonicalize_name(name) == wheel.name and canonicalize_version(text) == version
        for name, text in pairs
    )


def _record(build: WheelBuild, final: FinalWheel, test: SmokeTest) -> WheelRecord:
    return WheelRecord(
        sha256=file_digest(final.wheel.path),
        interpreter=str(build.interpreter),
        alpine=build.interpreter.alpine,
        packages=final.packages,
        date=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        kind=final.kind,
        built=final.built.image is not None,
        source=build.python.source,
        kit=build.python.kit is not None,
        bundled=final.bundled,
        tested=test,
    )


def result_lines(result: WheelsResult) -> Iterator[str]:
    """The lines that the command prints at its end: the wheels, their packages, the images."""
    yield from map(str, result.wheels)
    if result.packages:
        yield f"they need: apk add {' '.join(result.packages)}"
    yield from (f"image {tag}" for tag in result.images)
