"""The images of `invoke wheels`: the interpreter's, the build images and the clean ones for tests.

The interpreter's image is a PyPy's tarball on its Alpine, or CPython's own image. The images that
build and test wheels start from it and add packages.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from alpypy.build.base_image import find_base
from alpypy.build.images import KEY_LABEL, built
from alpypy.core import apkdb, elf
from alpypy.core.errors import ImageError, SpecError, WheelError
from alpypy.core.files import file_digest
from alpypy.core.store import key_of
from alpypy.core.system import System, read_system
from alpypy.engine.job import Job, Mount
from alpypy.engine.workspace import Workspace
from alpypy.offline import kit
from alpypy.recipes.artifacts import require_tarball
from alpypy.recipes.data import Alpine
from alpypy.recipes.manifest import Manifest
from alpypy.recipes.spec import PypyVersion
from alpypy.verify import receipt
from alpypy.wheels.pip import newer_pip
from alpypy.wheels.request import Interpreter

DOCKERFILES = "dockerfiles/wheels"  # below the data folder
INSIDE = "/alpypy"  # where containers see dockerfiles/wheels/inside
_CPYTHON = "/usr/local/bin/python3"


@dataclass(frozen=True)
class Python:
    """An interpreter in an image (by ID), with what it says about itself.

    ``kit`` is the identity of the kit that its packages come from, None for Alpine's own.
    ``bundled`` has name, version and metadata of the distributions in its library. ``markers``
    are its values for the environment markers of requirements.
    """

    image: str
    executable: str
    source: str
    kit: str | None
    release: str
    pip: str
    knows_musllinux: bool
    bundled: tuple[Mapping[str, str], ...]
    markers: Mapping[str, str]


def inside(workspace: Workspace) -> Mount:
    """The programs that run in the containers."""
    return Mount(workspace.data / DOCKERFILES / "inside", INSIDE)


@dataclass(frozen=True)
class WheelsImage:
    """The stage that builds dockerfiles/wheels/``name``.

    ``files`` maps paths beside its Dockerfile to files or folders to copy there (None: make an
    empty folder). Building it raises ImageError if a step fails.
    """

    workspace: Workspace
    name: str
    tag: str
    arguments: Mapping[str, str]
    files: Mapping[str, Path | None]

    @property
    def title(self) -> str:
        """The image's name."""
        return f"image {self.tag}"

    @cached_property
    def key(self) -> str:
        """Of the Dockerfile, its arguments and files."""
        text = self._dockerfile.read_text(encoding="utf-8")
        digests = {name: path and _digest(path) for name, path in self.files.items()}
        return key_of(dockerfile=text, arguments=self.arguments, files=digests)

    def load(self) -> str | None:
        """The image's ID, if the engine has it. It gets its name back, which an image of another
        key may have taken meanwhile."""
        image = built(self.workspace.engine, self.key)
        if image:
            self.workspace.engine.tag(image, self.tag)
        return image

    def make(self, work: Path) -> Mapping[str, Any]:
        """Build the image."""
        self.workspace.say(self.title)
        context = work / "context"
        context.mkdir()
        shutil.copy(self._dockerfile, context)
        for name, path in self.files.items():
            _place(path, context / name)
        image = self.workspace.engine.build(
            context,
            tag=self.tag,
            arguments=self.arguments,
            labels={KEY_LABEL: self.key},
            network=True,
        )
        shutil.rmtree(context)
        return {"image": image}

    @property
    def _dockerfile(self) -> Path:
        return self.workspace.data / DOCKERFILES / self.name / "Dockerfile"


def _place(path: Path | None, target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    if path is None:
        target.mkdir()
    elif path.is_dir():
        shutil.copytree(path, target)
    else:
        shutil.copy(path, target)


def _digest(path: Path) -> str:
    if path.is_file():
        return file_digest(path)
    files = sorted(file for file in path.rglob("*") if file.is_file())
    return key_of(files=[(str(file.relative_to(path)), file_digest(file)) for file in files])


def python_of(workspace: Workspace, alpine: Alpine, interpreter: Interpreter) -> Python:
    """The interpreter in its image, which alpypy builds or pulls if the engine does not have it.

    Raises:
        ArchiveError: artifacts/ has no such tarball.
        UnverifiedError: the tarball did not pass verify.
        SpecError: the tarball or the image is for another Alpine or Python.
        ImageError: the image cannot be built or pulled.
        DownloadError, DigestError: a newer pip for it could not be downloaded.
    """
    if interpreter.pypy:
        return _pypy(workspace, alpine, interpreter)
    return _cpython(workspace, interpreter)


def _pypy(workspace: Workspace, alpine: Alpine, interpreter: Interpreter) -> Python:
    tarball = require_tarball(workspace.artifacts, interpreter.target)
    receipt.require(tarball)
    manifest = Manifest.of_tarball(tarball)
    built = manifest.target.on(interpreter.alpine)
    if built != interpreter.target or manifest.kind != "pypy":
        raise SpecError(
            f"{tarball.name} contains {manifest.target.folder}, not {interpreter.target.folder}",
            remedy=f"rename it to {manifest.target.tarball}, and build {tarball.name}",
        )
    # Only its libraries can be the kit's, and a portable one has its own.
    kit_needed = None if interpreter.portable else manifest.image.kit
    base = find_base(workspace, alpine, interpreter.arch, None, kit=kit_needed)
    executable = f"/opt/{interpreter.target.folder}/{manifest.executables[0]}"
    arguments = {
        "BASE": base.reference,
        "PACKAGES": " ".join(manifest.runtime_packages),
        "EXECUTABLE": executable,
    }
    tag = f"alpypy-wheels:{interpreter.target.folder_tag}"
    if interpreter.portable:  # whose folder names no Alpine
        tag += f"-alpine{interpreter.alpine}"
    files = {"pypy.tar.bz2": tarball, **_newer_pip(workspace, interpreter)}
    image = workspace.store.run(WheelsImage(workspace, "interpreter", tag, arguments, files))
    source = f"{tarball.name} sha256:{file_digest(tarball)}"
    kit_identity = base.identity if base.kit else None
    described = DescribedPython(workspace, image, executable, str(interpreter))
    return _python(described, interpreter, source, kit_identity)


def _newer_pip(workspace: Workspace, interpreter: Interpreter) -> Mapping[str, Path | None]:
    """A folder for the image with a newer pip; empty if the PyPy's own is new enough."""
    source = newer_pip(workspace.data, PypyVersion.parse(interpreter.version))
    return {f"pip/{source.file_name}": workspace.fetcher.fetch(source)} if source else {"pip": None}


def _cpython(workspace: Workspace, interpreter: Interpreter) -> Python:
    engine, name = workspace.engine, interpreter.image
    if engine.image_id(name) is None:
        workspace.say(f"pulling {name}")
    image = kit.pull_missing(
        engine,
        name,
        remedy=f"load it (docker load), or pull it (docker pull {name}); or choose a PyPy with"
        " --python",
    )
    kit.require_release(engine, name, interpreter.alpine)
    if engine.architecture(name) != interpreter.arch:
        raise ImageError(
            f"the engine's image {name} is for {engine.architecture(name)}",
            remedy=f"pull it for {interpreter.arch}",
        )
    described = DescribedPython(workspace, image, _CPYTHON, str(interpreter))
    return _python(described, interpreter, name, engine.label(name, kit.LABEL))


@dataclass(frozen=True)
class DescribedPython:
    """The stage that runs an image's interpreter to describe itself; its result is the description.

    Making it raises ImageError if the interpreter does not run.
    """

    workspace: Workspace
    image: str
    executable: str
    name: str

    @property
    def title(self) -> str:
        """Such as ``description of pypy3.11-7.3.22``."""
        return f"description of {self.name}"

    @property
    def key(self) -> str:
        """Of the image, the interpreter's path and the script that it runs."""
        folder = self.workspace.data / DOCKERFILES / "inside"
        script = (folder / "describe.py").read_text(encoding="utf-8")
        return key_of(step="describe", image=self.image, executable=self.executable, script=script)

    def load(self) -> Mapping[str, Any] | None:
        """The description."""
        return self.workspace.store.record(self.key)

    def make(self, work: Path) -> Mapping[str, Any]:
        """Run the interpreter."""
        command = [self.executable, f"{INSIDE}/describe.py"]
        job = Job(self.image, command, mounts=(inside(self.workspace),), user="0:0")
        output = self.workspace.engine.run(job).output.strip()
        try:
            description = json.loads(output.splitlines()[-1])
        except (ValueError, IndexError):
            description = None
        if not isinstance(description, dict):
            raise ImageError(
                f"{self.executable} in the image of {self.name} does not run: {output}",
                remedy=f"check that the image contains {self.name}",
            )
        return description


def _python(
    described: DescribedPython, interpreter: Interpreter, source: str, identity: str | None
) -> Python:
    """The interpreter with what it says about itself."""
    description = described.workspace.store.run(described)
    version = language = description["language"]
    if interpreter.pypy:
        level = description["level"], description["serial"]
        version = str(PypyVersion.stated(language, description["release"], *level))
    if version != interpreter.version:
        raise SpecError(
            f"{source} contains {description['implementation']} {version}, not {interpreter}",
            remedy="choose that version with --python",
        )
    return Python(
        image=described.image,
        executable=described.executable,
        source=source,
        kit=identity,
        release=description["release"],
        pip=description["pip"],
        knows_musllinux=description["musllinux"],
        bundled=tuple(description["bundled"]),
        markers=description["markers"],
    )


def with_packages(
    workspace: Workspace,
    image: str,
    packages: Sequence[str],
    repositories: Mapping[str, Path],
    tag: str,
) -> str:
    """An image with more packages, by ID.

    Args:
        repositories: folders with packages that the kit lacks, by name.

    Raises:
        WheelError: Alpine has no such package.
        ImageError: the image could not be built for another reason.
    """
    if not packages:
        return image
    arguments = {"BASE": image, "PACKAGES": " ".join(packages)}
    try:
        files: dict[str, Path | None] = {"repositories": None}
        files |= {f"repositories/{name}": path for name, path in repositories.items()}
        return workspace.store.run(WheelsImage(workspace, "packages", tag, arguments, files))
    except ImageError as error:
        unknown = apkdb.unknown_packages(error.what)
        if not unknown:
            raise
        raise WheelError(
            f"this Alpine has no package {', '.join(unknown)}",
            remedy="correct the module's packages in versions/wheels.toml",
        ) from error


def system_of(workspace: Workspace, image: str) -> System:
    """An image's packages and the libraries that they provide."""
    probes = Mount(workspace.data / "dockerfiles/verify/probes", "/probes")
    done = workspace.engine.run(Job(image, ["sh", "/probes/system.sh"], mounts=(probes,)))
    return read_system(done.output)


def musl_of(workspace: Workspace, image: str, arch: str) -> tuple[int, int]:
    """The version of an image's musl, which is part of the wheel's tag (PEP 656).

    Raises:
        ImageError: its loader does not print a version.
    """
    output = workspace.engine.run(Job(image, [elf.loader(arch)])).output
    words = output.partition("\nVersion ")[2].split()
    numbers = words[0].split(".") if words else []
    if len(numbers) < 2 or not all(number.isdigit() for number in numbers[:2]):
        raise ImageError(
            f"the loader of {image} does not print musl's version: {output.strip()}",
            remedy="check that the image is an Alpine",
        )
    return int(numbers[0]), int(numbers[1])
