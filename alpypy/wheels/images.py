"""The images of `invoke wheels`: the interpreter's, the one that builds, and the ones to try in.

The interpreter's image is a PyPy's tarball on its Alpine, or CPython's own image. All that builds
or tries a wheel stands on it and adds packages.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alpypy.build.image import KEY_LABEL, Base, built, find_base
from alpypy.core import apkdb, elf
from alpypy.core.errors import ArchiveError, ImageError, SpecError, WheelError
from alpypy.core.fetch import Fetcher
from alpypy.core.files import file_digest
from alpypy.core.store import Store, key_of
from alpypy.core.system import System, read_system
from alpypy.engine.docker import Engine
from alpypy.engine.job import Job, Mount
from alpypy.offline import kit
from alpypy.recipes.data import Alpine
from alpypy.recipes.manifest import Manifest
from alpypy.recipes.spec import PypyVersion, alpine_of
from alpypy.verify import receipt as verdict
from alpypy.wheels.pip import newer_pip
from alpypy.wheels.request import Interpreter

INSIDE = "/alpypy"  # where containers see dockerfiles/wheels/inside
_CPYTHON = "/usr/local/bin/python3"


@dataclass(frozen=True)
class Python:
    """An interpreter in an image: by ID, with what it says of itself.

    ``kit`` is the identity of the kit that its packages come from, None for Alpine's own.
    ``bundled`` has name, version and metadata of distributions in its library, ``markers`` what
    it says for environment markers of requirements.
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


@dataclass(frozen=True)
class Workshop:
    """Where images are made: the engine, the project's dockerfiles/wheels, what is known of images
    already, and what is said."""

    engine: Engine
    dockerfiles: Path
    store: Store
    say: Callable[[str], None]

    @property
    def inside(self) -> Mount:
        """The programs that run in the containers."""
        return Mount(self.dockerfiles / "inside", INSIDE)

    def build(
        self, name: str, tag: str, arguments: Mapping[str, str], files: Mapping[str, Path | None]
    ) -> str:
        """Build dockerfiles/wheels/``name``, with files or folders beside its Dockerfile or in a
        folder there (None for an empty folder), unless the engine has the image; its ID.

        Raises:
            ImageError: a step failed.
        """
        text = (self.dockerfiles / name / "Dockerfile").read_text(encoding="utf-8")
        digests = {key: path and _digest(path) for key, path in files.items()}
        key = key_of(dockerfile=text, arguments=arguments, files=digests)
        with self.engine.building(key):
            return built(self.engine, key) or self._build(name, tag, arguments, files, key)

    def _build(
        self,
        name: str,
        tag: str,
        arguments: Mapping[str, str],
        files: Mapping[str, Path | None],
        key: str,
    ) -> str:
        self.say(f"image {tag}")
        with tempfile.TemporaryDirectory(prefix="alpypy-image-") as scratch:
            context = Path(scratch)
            shutil.copy(self.dockerfiles / name / "Dockerfile", context)
            for file, path in files.items():
                (context / file).parent.mkdir(exist_ok=True)
                if path is None:
                    (context / file).mkdir()
                elif path.is_dir():
                    shutil.copytree(path, context / file)
                else:
                    shutil.copy(path, context / file)
            labels = {KEY_LABEL: key}
            return self.engine.build(
                context, tag=tag, arguments=arguments, labels=labels, network=True
            )


def _digest(path: Path) -> str:
    if path.is_file():
        return file_digest(path)
    files = sorted(one for one in path.rglob("*") if one.is_file())
    return key_of(files=[(str(one.relative_to(path)), file_digest(one)) for one in files])


def python_of(
    shop: Workshop, fetcher: Fetcher, artifacts: Path, alpine: Alpine, interpreter: Interpreter
) -> Python:
    """The interpreter's image, made where there is none.

    Raises:
        ArchiveError: artifacts/ has no such tarball.
        UnverifiedError: the tarball has not passed verify.
        SpecError: the tarball or the image is for another Alpine or Python.
        ImageError: the image cannot be had.
        DownloadError, DigestError: the pip for it could not be fetched.
    """
    if interpreter.pypy:
        return _pypy(shop, fetcher, artifacts, alpine, interpreter)
    return _cpython(shop, interpreter)


def _pypy(
    shop: Workshop, fetcher: Fetcher, artifacts: Path, alpine: Alpine, interpreter: Interpreter
) -> Python:
    tarball = _tarball(artifacts, interpreter)
    verdict.require(tarball)
    manifest = Manifest.of_tarball(tarball)
    if manifest.target != interpreter.target or manifest.kind != "pypy":
        raise SpecError(
            f"{tarball.name} holds {manifest.target.folder}, and {interpreter.target.folder} is"
            " asked for",
            remedy="give the tarball its own name, or build the one that is asked for",
        )
    base = find_base(
        shop.engine, fetcher, alpine, interpreter.arch, None, shop.say, kit=manifest.image.kit
    )
    executable = f"/opt/{interpreter.target.folder}/{manifest.executables[0]}"
    arguments = {
        "BASE": base.reference,
        "PACKAGES": " ".join(manifest.runtime_packages),
        "EXECUTABLE": executable,
    }
    tag = f"alpypy-wheels:{interpreter.target.folder}"
    files = {"pypy.tar.bz2": tarball, **_newer_pip(shop, fetcher, interpreter)}
    image = shop.build("interpreter", tag, arguments, files)
    source = f"{tarball.name} sha256:{file_digest(tarball)}"
    return _described(shop, image, executable, interpreter, source, _kit_of(base))


def _newer_pip(
    shop: Workshop, fetcher: Fetcher, interpreter: Interpreter
) -> Mapping[str, Path | None]:
    """A folder of the image with a pip for it, empty where the PyPy's own will do."""
    root = shop.dockerfiles.parents[1]
    source = newer_pip(root, PypyVersion.parse(interpreter.version))
    return {f"pip/{source.file_name}": fetcher.fetch(source)} if source else {"pip": None}


def _kit_of(base: Base) -> str | None:
    return base.identity if base.kit else None


def _tarball(artifacts: Path, interpreter: Interpreter) -> Path:
    path = artifacts / interpreter.target.tarball
    if path.is_file():
        return path
    target = interpreter.target
    others = sorted(artifacts.glob(f"pypy-{target.version}-alpine*.tar.bz2"))
    alpines = ", ".join(alpine_of(other.name) for other in others)
    there = f"; there is one for Alpine {alpines}" if others else ""
    packaged = target.release_version and f" --release-version {target.release_version}"
    raise ArchiveError(
        f"artifacts/{path.name} does not exist{there}",
        remedy=f"build it: invoke bootstrap --pypy {target.release} --alpine {target.alpine}"
        + (packaged or "")
        + (", or name the other with --alpine" if others else ""),
    )


def _cpython(shop: Workshop, interpreter: Interpreter) -> Python:
    engine, name = shop.engine, interpreter.image
    if engine.image_id(name) is None:
        shop.say(f"pulling {name}")
        engine.pull(name)
    image = engine.image_id(name)
    if image is None:
        raise ImageError(
            f"the engine holds no {name} and cannot pull it",
            remedy=f"bring it, docker load or docker pull {name}; or choose a PyPy with --python",
        )
    kit.require_release(engine, name, interpreter.alpine)
    if engine.architecture(name) != interpreter.arch:
        raise ImageError(
            f"{name} in the engine is for {engine.architecture(name)}",
            remedy=f"pull the one for {interpreter.arch}",
        )
    return _described(shop, image, _CPYTHON, interpreter, name, engine.label(name, kit.LABEL))


def _described(
    shop: Workshop,
    image: str,
    executable: str,
    interpreter: Interpreter,
    source: str,
    identity: str | None,
) -> Python:
    """The interpreter with what it says of itself, which is asked once of an image."""
    script = (shop.dockerfiles / "inside/describe.py").read_text(encoding="utf-8")
    key = key_of(step="describe", image=image, executable=executable, script=script)
    said = shop.store.record(key)
    if said is None:
        with shop.store.making(key, keep=False):
            said = _ask(shop, image, executable, interpreter)
            shop.store.finish(key, said)
    release = said["release"]
    version = f"{said['language']}-{release}" if interpreter.pypy else said["language"]
    if version != interpreter.version:
        raise SpecError(
            f"{source} holds {said['implementation']} {version}, and {interpreter} is asked for",
            remedy="name the one that it holds with --python",
        )
    return Python(
        image=image,
        executable=executable,
        source=source,
        kit=identity,
        release=release,
        pip=said["pip"],
        knows_musllinux=said["musllinux"],
        bundled=tuple(said["bundled"]),
        markers=said["markers"],
    )


def _ask(shop: Workshop, image: str, executable: str, interpreter: Interpreter) -> dict[str, Any]:
    job = Job(image, [executable, f"{INSIDE}/describe.py"], mounts=(shop.inside,), user="0:0")
    done = shop.engine.run(job)
    try:
        said = json.loads(done.output.strip().splitlines()[-1])
    except (ValueError, IndexError):
        said = None
    if not isinstance(said, dict):
        raise ImageError(
            f"{executable} in the image of {interpreter} does not run: {done.output.strip()}",
            remedy="see that the image is the one that it is named for",
        )
    return said


def with_packages(
    shop: Workshop, python: Python, packages: Sequence[str], repository: Path | None, tag: str
) -> str:
    """An image with more packages than the interpreter's, by ID.

    Args:
        repository: a folder with packages that the kit lacks, None where it is not used.

    Raises:
        WheelError: Alpine has no such package.
        ImageError: the image could not be built for another reason.
    """
    if not packages:
        return python.image
    arguments = {"BASE": python.image, "PACKAGES": " ".join(packages)}
    try:
        return shop.build("packages", tag, arguments, {"repository": repository})
    except ImageError as error:
        unknown = apkdb.unknown_packages(error.what)
        if not unknown:
            raise
        raise WheelError(
            f"this Alpine has no package {', '.join(unknown)}",
            remedy="correct the packages of the module in versions/wheels.toml",
        ) from error


def system_of(shop: Workshop, image: str) -> System:
    """Packages of an image and the libraries that they provide."""
    probes = Mount(shop.dockerfiles.parent / "verify/probes", "/probes")
    done = shop.engine.run(Job(image, ["sh", "/probes/system.sh"], mounts=(probes,)))
    return read_system(done.output)


def musl_of(shop: Workshop, image: str, arch: str) -> tuple[int, int]:
    """Version of the musl of an image, which PEP 656 makes a tag of.

    Raises:
        ImageError: its loader does not say one.
    """
    output = shop.engine.run(Job(image, [elf.loader(arch)])).output
    words = output.partition("\nVersion ")[2].split()
    numbers = words[0].split(".") if words else []
    if len(numbers) < 2 or not all(number.isdigit() for number in numbers[:2]):
        raise ImageError(
            f"the loader of {image} does not tell musl's version: {output.strip()}",
            remedy="see that the image is an Alpine",
        )
    return int(numbers[0]), int(numbers[1])
