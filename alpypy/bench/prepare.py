"""Makes subjects ready to run: unpacks tarballs, finds or builds images, and asks for versions."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from alpypy.bench.interpreter import (
    ContainerInterpreter,
    Ended,
    HostInterpreter,
    Interpreter,
    Shared,
)
from alpypy.bench.subject import Kind, Subject
from alpypy.bench.wheels import OLDEST
from alpypy.build.base_image import find_base
from alpypy.core.errors import BenchError, SpecError
from alpypy.core.fields import Record, Text
from alpypy.core.files import file_digest
from alpypy.core.structs import convert, read_json
from alpypy.core.unpack import unpack
from alpypy.engine.job import Job, Mount
from alpypy.engine.workspace import Workspace
from alpypy.offline import kit as kits
from alpypy.recipes.manifest import FILE_NAME as METADATA
from alpypy.recipes.manifest import Manifest
from alpypy.recipes.recipe import load_catalog
from alpypy.verify.probes import CONTEXT as CLEAN
from alpypy.verify.run import own_alpine

_PROGRAMS = ("pypy3", "python3", "pypy", "python")  # the first that there is
_DESCRIBE = """\
import json, platform, sys
version = ".".join(map(str, sys.version_info[:3]))
if hasattr(sys, "pypy_version_info"):
    version = "%d.%d-%d.%d.%d" % (sys.version_info[:2] + sys.pypy_version_info[:3])
print(json.dumps({
    "language": sys.version_info[:2],
    "implementation": platform.python_implementation(),
    "release": version,
    "version": sys.version.replace("\\n", " "),
}))
"""
_TIMEOUT = 120  # seconds, for an interpreter to say what it is


class _Description(Record, frozen=True):
    """What an interpreter says of itself."""

    language: tuple[int, int]
    implementation: Text
    release: Text
    version: Text


@dataclass(frozen=True)
class Ready:
    """An interpreter that runs, and what the report says about it."""

    subject: Subject
    interpreter: Interpreter
    facts: Mapping[str, str]


@contextmanager
def ready(
    subjects: Sequence[Subject], workspace: Workspace | None, shared: Shared
) -> Iterator[list[Ready]]:
    """Make all subjects ready; images that were built for them are removed at the end.

    Args:
        workspace: may be None if no subject needs a container.

    Raises:
        SpecError: nothing says in which image to run a tarball, or the Python is too old.
        ArchiveError: a tarball is damaged.
        ImageError: an image is missing, or could not be built.
        BenchError: an interpreter does not run.
    """
    with ExitStack() as stack:
        yield [_ready(subject, workspace, shared, stack) for subject in subjects]


def _ready(
    subject: Subject, workspace: Workspace | None, shared: Shared, stack: ExitStack
) -> Ready:
    interpreter, facts = _interpreter(subject, workspace, shared, stack)
    described = _describe(interpreter)
    if described.language < OLDEST:
        language = ".".join(map(str, described.language))
        raise SpecError(
            f"{subject.name} is a Python {language}, and pyperf needs {'.'.join(map(str, OLDEST))}",
            remedy="leave it out: bench cannot measure older Pythons",
        )
    name = f"{described.implementation} {described.release}"
    return Ready(
        subject, interpreter, {"interpreter": name, "sys.version": described.version, **facts}
    )


def _interpreter(
    subject: Subject, workspace: Workspace | None, shared: Shared, stack: ExitStack
) -> tuple[Interpreter, Mapping[str, str]]:
    if subject.kind is Kind.EXECUTABLE:
        return HostInterpreter(subject, shared), {"executable": subject.what}
    assert workspace is not None
    if subject.kind is Kind.IMAGE:
        return _of_image(subject, workspace, shared)
    return _of_tarball(subject, workspace, shared, stack)


def _of_image(
    subject: Subject, workspace: Workspace, shared: Shared
) -> tuple[Interpreter, Mapping[str, str]]:
    engine, image = workspace.engine, subject.what
    kits.pull_missing(engine, image, remedy="build or pull it, or name another image")
    search = " || ".join(f"command -v {program}" for program in _PROGRAMS)
    done = engine.run(Job(image, ["sh", "-c", search]))
    if done.exit_code:
        raise BenchError(
            f"{image} has no {' or '.join(_PROGRAMS)} on its PATH",
            remedy="name an image with a Python, or a tarball and an image: TARBALL@IMAGE",
        )
    command = [done.output.split()[0]]
    interpreter = ContainerInterpreter(subject, engine, image, command, shared)
    return interpreter, {"image": image, "image's ID": str(engine.image_id(image))}


def _of_tarball(
    subject: Subject, workspace: Workspace, shared: Shared, stack: ExitStack
) -> tuple[Interpreter, Mapping[str, str]]:
    tarball = Path(subject.what)
    workspace.say(f"unpacking {tarball.name}")
    tree = unpack(tarball, shared.scratch / subject.file_name / "tree")
    manifest = tree / METADATA
    known = Manifest.from_json(manifest.read_bytes()) if manifest.is_file() else None
    image = _image_for(subject, workspace, known, stack)
    place = f"/opt/{tree.name}"
    program = known.executables[0] if known else _program_in(tree)
    interpreter = ContainerInterpreter(
        subject,
        workspace.engine,
        image,
        [f"{place}/{program}"],
        shared,
        (Mount(tree, place),),
    )
    names = {"tarball": tarball.name, "sha256": file_digest(tarball)}
    return interpreter, {**names, "image": subject.image or image}


def _program_in(tree: Path) -> str:
    for name in _PROGRAMS:
        if (tree / "bin" / name).exists():
            return f"bin/{name}"
    raise SpecError(
        f"{tree.name} has no bin/{' or bin/'.join(_PROGRAMS)}",
        remedy="give the tarball of a Python that needs no installation",
    )


def _image_for(
    subject: Subject, workspace: Workspace, manifest: Manifest | None, stack: ExitStack
) -> str:
    """The image that a tarball runs in: the user's, or an Alpine with the packages it needs."""
    if subject.image:
        remedy = "build or pull it, or name another image"
        kits.pull_missing(workspace.engine, subject.image, remedy=remedy)
        return subject.image
    if manifest is None:
        raise SpecError(
            f"{subject.what} has no {METADATA}, so nothing says in which image it runs",
            remedy=f"name the image: {subject.what}@debian:12",
        )
    target, catalog = manifest.target, load_catalog(workspace.data)
    own = own_alpine(Path(subject.what), workspace.engine, target.alpine)
    base = find_base(workspace, catalog.alpine(target.alpine), target.arch, own)
    if target.portable or not manifest.runtime_packages:
        return base.reference
    tag = f"alpypy-bench:{secrets.token_hex(8)}"  # its own: another run may remove its image
    stack.callback(workspace.engine.remove_image, tag)
    return workspace.engine.build(
        workspace.data / CLEAN,
        tag=tag,
        arguments={"BASE": base.reference, "PACKAGES": " ".join(manifest.runtime_packages)},
        labels={},
        network=not base.kit,
    )


def _describe(interpreter: Interpreter) -> _Description:
    ended = interpreter.run(["-c", _DESCRIBE], seed=1, timeout=_TIMEOUT)
    try:
        return convert(read_json(ended.output.strip().rpartition("\n")[2]), _Description)
    except ValueError as error:
        raise _does_not_run(interpreter.name, ended) from error


def _does_not_run(name: str, ended: Ended) -> BenchError:
    lines = ended.output.strip().splitlines()
    reason = lines[-1] if lines else f"exit code {ended.exit_code}"
    return BenchError(
        f"{name} does not run as a Python: {reason}",
        remedy="give an interpreter of this machine, a tarball, or an image; for a tarball of"
        " another system name its image: TARBALL@debian:12",
    )
