"""The request of `invoke wheels`: which wheels for which interpreter; and names made from it."""

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
    " project's folder; write several in quotes, with spaces between"
)


@dataclass(frozen=True)
class Interpreter:
    """The Python that wheels are for: a PyPy in artifacts/, or CPython in its image for Alpine.

    ``release_version`` is the version that a PyPy was packaged under, if it is another. A
    ``portable`` PyPy runs on every musl; its wheels are built on that Alpine.
    """

    version: str
    pypy: bool
    alpine: str
    arch: str
    release_version: str | None = None
    portable: bool = False

    def __post_init__(self) -> None:
        _ = self.target  # raises SpecError for an unknown Alpine or architecture

    @property
    def target(self) -> Target:
        """The target that names a PyPy's tarball."""
        return Target(
            self.version, self.alpine, self.arch, self.release_version, portable=self.portable
        )

    @property
    def language(self) -> str:
        """The version of Python, such as ``3.11``."""
        return self.version.partition("-")[0]

    @property
    def implementation(self) -> str:
        """As versions/wheels.toml writes it."""
        return "pypy" if self.pypy else "cpython"

    @property
    def image(self) -> str:
        """CPython's image on Docker Hub."""
        return f"python:{self.version}-alpine{self.alpine}"

    @property
    def short(self) -> str:
        """For tags of images: pp3.11-7.3.22, py3.12."""
        return f"{'pp' if self.pypy else 'py'}{self._full_version.replace('+', '_')}"

    @property
    def _full_version(self) -> str:
        """The version, with the commit if it is one of a tree."""
        return self.target.version if self.pypy and self.target.names_tree else self.version

    def __str__(self) -> str:
        return f"{'pypy' if self.pypy else ''}{self._full_version}"


def pypy_interpreter(target: Target) -> Interpreter:
    """The PyPy of a target.

    Raises:
        SpecError: it is not a PyPy.
    """
    version = PypyVersion.parse(target.release)
    return Interpreter(
        str(version), True, target.alpine, target.arch, target.release_version, target.portable
    )


def read_interpreter(
    text: str,
    alpine: str,
    arch: str,
    release_version: str | None = None,
    *,
    portable: bool = False,
) -> Interpreter:
    """Read ``pypy3.11-7.3.22`` or ``3.12``.

    Raises:
        SpecError: it has another form, or the Alpine, architecture or release version is wrong, or
            a CPython would have to be portable.
    """
    if text.startswith("pypy"):
        target = Target.parse(text.removeprefix("pypy"), alpine, arch, release_version, portable)
        return pypy_interpreter(target)
    if not _CPYTHON.fullmatch(text):
        raise SpecError(
            f"--python is {text!r}, which names no Python that alpypy can build wheels for",
            remedy="write --python pypy3.11-8.0.0 for a PyPy in artifacts/, or --python 3.12 for"
            " CPython in Docker Hub's python image",
        )
    if release_version:
        raise SpecError(
            f"--release-version {release_version} does not work with CPython",
            remedy="leave it out, or choose a PyPy with --python",
        )
    if portable:
        raise SpecError(
            f"--portable does not work with CPython {text}, which Docker Hub has for an Alpine",
            remedy="leave it out, or choose a PyPy with --python",
        )
    return Interpreter(text, False, alpine, arch)


@dataclass(frozen=True)
class RequestedWheels:
    """What to make wheels of: requirements, requirements files, and sources."""

    requirements: tuple[Requirement, ...] = ()
    files: tuple[Path, ...] = ()
    sources: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Request:
    """The request of `invoke wheels`. Without ``tls``, versions/wheels.toml chooses the library."""

    wanted: RequestedWheels
    interpreter: Interpreter
    out: Path
    bundle: bool = True
    tls: str | None = None
    image: bool = False


def read_wanted(text: str) -> RequestedWheels:
    """Read what the user typed: requirements and paths with spaces between, or a single path.

    Raises:
        SpecError: a word is neither a requirement nor the path of something to build.
    """
    # os.path, because pathlib raises OSError for a text that is too long for a file's name.
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
            f"{path} is not a Python project: it has neither {' nor '.join(_PROJECT)}",
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
            remedy=f"spaces separate requirements: write six==1.17.0 without any; {_EXAMPLES}",
        ) from error


def image_tag(module: str, version: str, interpreter: Interpreter) -> str:
    """Name of the image that contains a module's wheels.

    Characters of a version that a tag must not contain (``+``, ``!``) become a ``-``.
    """
    tag = f"{module}{version}-{interpreter.short}-{interpreter.arch}"
    return "musl-wheels:" + re.sub(r"[^A-Za-z0-9_.-]", "-", tag)[:128]
