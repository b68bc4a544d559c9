"""What `invoke wheels` is asked for: which wheels for which interpreter, and names made of it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from alpypy.core.errors import SpecError
from alpypy.recipes.spec import PypyVersion, Target

_CPYTHON = re.compile(r"3\.\d{1,4}", re.ASCII)
_SDIST = (".tar.gz", ".tar.bz2", ".tar.xz", ".tgz", ".zip")
_PROJECT = ("pyproject.toml", "setup.py")
_EXAMPLES = (
    "name a requirement such as cryptography==3.3.2, a requirements file (.txt), an sdist or a"
    " project's folder; several with spaces between, in quotes"
)


@dataclass(frozen=True)
class Interpreter:
    """The Python that wheels are for: a PyPy of artifacts/, or the CPython of Alpine's image.

    ``release_version`` is the version that a PyPy was packaged under, if another.
    """

    version: str
    pypy: bool
    alpine: str
    arch: str
    release_version: str | None = None

    def __post_init__(self) -> None:
        _ = self.target  # which refuses other Alpines and architectures

    @property
    def target(self) -> Target:
        """What a PyPy's tarball is named after."""
        return Target(self.version, self.alpine, self.arch, self.release_version)

    @property
    def language(self) -> str:
        """The version of Python: 3.11."""
        return self.version.partition("-")[0]

    @property
    def implementation(self) -> str:
        """As the word in versions/wheels.toml."""
        return "pypy" if self.pypy else "cpython"

    @property
    def image(self) -> str:
        """CPython's image on Docker Hub."""
        return f"python:{self.version}-alpine{self.alpine}"

    @property
    def short(self) -> str:
        """For tags of images: pp3.11-7.3.22, py3.12."""
        return f"{'pp' if self.pypy else 'py'}{self.version}"

    def __str__(self) -> str:
        return f"{'pypy' if self.pypy else ''}{self.version}"


def read_interpreter(
    text: str, alpine: str, arch: str, release_version: str | None = None
) -> Interpreter:
    """Read ``pypy3.11-7.3.22`` or ``3.12``.

    Raises:
        SpecError: it has another form, or the Alpine, the architecture or the release version has.
    """
    if text.startswith("pypy"):
        version = PypyVersion.parse(text.removeprefix("pypy"))
        return Interpreter(str(version), True, alpine, arch, release_version)
    if not _CPYTHON.fullmatch(text):
        raise SpecError(
            f"{text!r} is not a Python that wheels can be made for",
            remedy="write --python pypy3.11-7.3.22 for a PyPy of artifacts/, or --python 3.12 for"
            " CPython of Docker Hub's python image",
        )
    if release_version:
        raise SpecError(
            f"--release-version is {release_version!r}, and CPython's image has no other version",
            remedy="leave it out, or choose a PyPy with --python",
        )
    return Interpreter(text, False, alpine, arch)


@dataclass(frozen=True)
class RequestedWheels:
    """What wheels are to be made of."""

    requirements: tuple[Requirement, ...] = ()
    files: tuple[Path, ...] = ()
    sources: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Request:
    """All that `invoke wheels` is asked for. ``tls`` is None where the data says which."""

    wanted: RequestedWheels
    interpreter: Interpreter
    out: Path
    bundle: bool = True
    tls: str | None = None
    image: bool = False


def read_wanted(text: str) -> RequestedWheels:
    """Read what was typed: requirements and paths with spaces between, or one path.

    Raises:
        SpecError: a word is neither a requirement nor a path of something to build.
    """
    # os.path, as pathlib raises OSError for what is too long for a file's name.
    words = [text] if os.path.exists(text) else text.split()
    if not words:
        raise SpecError("there is nothing to make wheels of", remedy=_EXAMPLES)
    requirements, files, sources = list[Requirement](), list[Path](), list[Path]()
    for word in words:
        path = Path(word)
        if os.path.isdir(path):
            sources.append(_project(path))
        elif word.endswith((".txt", *_SDIST)):
            (files if word.endswith(".txt") else sources).append(_file(path))
        else:
            requirements.append(_requirement(word))
    once = tuple(dict.fromkeys(sources))
    return RequestedWheels(tuple(requirements), tuple(dict.fromkeys(files)), once)


def _project(path: Path) -> Path:
    if not any((path / name).is_file() for name in _PROJECT):
        raise SpecError(
            f"{path} is no Python project: it has neither {' nor '.join(_PROJECT)}",
            remedy="give the project's top folder",
        )
    return path.resolve()


def _file(path: Path) -> Path:
    if not os.path.isfile(path):
        raise SpecError(f"{path} does not exist", remedy=_EXAMPLES)
    return path.resolve()


def _requirement(word: str) -> Requirement:
    try:
        return Requirement(word)
    except InvalidRequirement as error:
        reason = str(error).partition("\n")[0]
        raise SpecError(
            f"{word!r} is neither a requirement nor a path: {reason}",
            remedy=f"spaces separate requirements, so that one has none: six==1.17.0; {_EXAMPLES}",
        ) from error


def image_tag(module: str, version: str, interpreter: Interpreter) -> str:
    """Name of the image that holds a module's wheels.

    What a version has and a tag may not (``+``, ``!``) becomes a ``-``.
    """
    tag = f"{module}{version}-{interpreter.short}-{interpreter.arch}"
    return "musl-wheels:" + re.sub(r"[^A-Za-z0-9_.-]", "-", tag)[:128]
