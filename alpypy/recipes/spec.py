"""The target of a build, and every name that follows from it.

Only this module makes and reads version strings, image tags and file names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache

from packaging.version import Version

from alpypy.core.errors import SpecError

ARCHITECTURES = ("x86_64", "aarch64")
# Few digits only: the text may come from any tarball, and int() refuses more than 4300 digits.
_PYPY = re.compile(
    r"(?P<language>[23]\.\d{1,4})-(?P<release>\d{1,4}\.\d{1,4}\.\d{1,4})"
    r"(?:-(?P<stage>(?:alpha|beta|rc)(?:[1-9]\d{0,3})?))?",
    re.ASCII,
)
# PyPy's levels, and how alpypy and PEP 440 spell them in a version.
_STAGES = {"final": "", "alpha": "alpha", "beta": "beta", "candidate": "rc"}
_ALPINE = re.compile(r"3\.\d{1,4}", re.ASCII)
# The platform of a portable PyPy: musl 1.2 or later, as in the tag of a wheel (PEP 656).
PORTABLE = "musllinux_1_2"
_ARCH = "|".join(ARCHITECTURES)
_TARBALL = re.compile(
    rf"-(?:alpine(?P<alpine>3\.\d{{1,4}})(?:-(?P<arch>{_ARCH}))?|{PORTABLE}_(?P<any_musl>{_ARCH}))"
    r"\.tar\.bz2\Z",
    re.ASCII,
)
_RELEASE_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+_-]*")
# Names of images that registries accept: a host with a port, then folders.
# Source: https://github.com/distribution/reference/blob/main/regexp.go
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(
    rf"(?:[0-9A-Za-z](?:[0-9A-Za-z.-]*[0-9A-Za-z])?(?::[0-9]{{1,5}})?/)?{_PART}(?:/{_PART})*",
    re.ASCII,
)
_LONGEST_REPOSITORY, _LONGEST_TAG = 255, 128
RUNTIME_REPOSITORY = "alpine-pypy"


@dataclass(frozen=True)
class PypyVersion:
    """A PyPy: the Python language it implements and its own release number.

    ``stage`` says how far a tree is on the way to that release: ``alpha``, ``beta2``, ``rc1``. It
    is empty for the release itself.
    """

    language: str
    release: str
    stage: str = ""

    @classmethod
    def parse(cls, text: str) -> PypyVersion:
        """Read ``3.6-7.0.0`` or ``3.12-8.0.0-alpha``.

        Raises:
            SpecError: the text has another form.
        """
        match = _PYPY.fullmatch(text)
        if match is None:
            raise SpecError(
                f"{text!r} is not a PyPy version",
                remedy="write <language>-<release>, for example 3.11-8.0.0",
            )
        return cls(match["language"], match["release"], match["stage"] or "")

    @classmethod
    def stated(cls, language: str, release: str, level: str, serial: int) -> PypyVersion:
        """The version of which PyPy itself says the level and the serial, as in
        ``sys.pypy_version_info``.

        Raises:
            SpecError: Python has no such level.
        """
        if level not in _STAGES:
            raise SpecError(
                f"PyPy {language}-{release} has the level {level!r}",
                remedy=f"PyPy's levels are {', '.join(_STAGES)}",
            )
        number = str(serial) if _STAGES[level] and serial else ""
        return cls(language, release, _STAGES[level] + number)

    @property
    def sort_key(self) -> tuple[Version, Version]:
        """Order by language, then by release; a stage comes before its release."""
        return _order(self.language, self.release + self.stage)

    @property
    def level(self) -> str:
        """The level as ``sys.pypy_version_info`` has it: alpha, beta, candidate or final."""
        word = self.stage.rstrip("0123456789")
        return next(level for level, stage in _STAGES.items() if stage == word)

    @property
    def without_stage(self) -> PypyVersion:
        """The release that a tree is on the way to."""
        return PypyVersion(self.language, self.release)

    def __str__(self) -> str:
        return "-".join(filter(None, (self.language, self.release, self.stage)))


@cache  # reading all patches compares versions tens of thousands of times
def _order(language: str, release: str) -> tuple[Version, Version]:
    return Version(language), Version(release)


@dataclass(frozen=True)
class Target:
    """What to build: a release of PyPy or RPython, for an Alpine and an architecture.

    ``release`` is the name of an entry in versions/, or the version that a tree of PyPy states. A
    ``portable`` one is built on that Alpine, and runs on every musl from 1.2.0 on.
    ``release_version`` replaces it in the names of what is packaged (``PYPY_RELEASE_VERSION``). A
    tree's has its commit: ``3.12-8.0.0-alpha+762c531b493``. Only a tree has a ``+`` behind
    ``release``: what is built from a release's own archive has no commit to name.
    """

    release: str
    alpine: str
    arch: str = "x86_64"
    release_version: str | None = None
    portable: bool = False

    def __post_init__(self) -> None:
        if not _ALPINE.fullmatch(self.alpine):
            raise SpecError(
                f"{self.alpine!r} is not an Alpine version", remedy="write it as 3.9 or 3.24"
            )
        if self.arch not in ARCHITECTURES:
            raise SpecError(
                f"{self.arch!r} is not an architecture alpypy builds for",
                remedy=f"choose one of {', '.join(ARCHITECTURES)}",
            )
        if self.release_version and not _RELEASE_VERSION.fullmatch(self.release_version):
            raise SpecError(
                f"{self.release_version!r} cannot be part of a file name",
                remedy="use letters, digits and . + _ - for --release-version",
            )

    @classmethod
    def parse(
        cls,
        text: str,
        alpine: str,
        arch: str = "x86_64",
        release_version: str | None = None,
        portable: bool = False,
    ) -> Target:
        """Read a version as it stands in the name of a tarball: ``3.12-8.0.0-alpha+762c531b493``.

        Raises:
            SpecError: it, the Alpine, the architecture or ``release_version`` is not usable.
        """
        release, plus, _ = text.partition("+")
        if plus and release_version not in (None, text):
            raise SpecError(
                f"--release-version {release_version} is not {text}", remedy="leave one of them out"
            )
        return cls(release, alpine, arch, text if plus else release_version, portable)

    @property
    def version(self) -> str:
        """The version in file names and tags."""
        return self.release_version or self.release

    @property
    def names_commit(self) -> bool:
        """Whether the version says of which commit it is: ``3.11-7.3.23+762c531b493``."""
        return self.version.startswith(f"{self.release}+")

    @property
    def names_tree(self) -> bool:
        """Whether the version is one of a tree: it has a stage, or a commit behind a ``+``."""
        match = _PYPY.fullmatch(self.release)
        return bool(match and (match["stage"] or self.names_commit))

    @property
    def folder(self) -> str:
        """Top folder of the tarball: ``pypy-3.6-7.0.0-alpine3.9``, or
        ``pypy-3.11-8.0.0-musllinux_1_2_x86_64`` for a portable one."""
        prefix = "" if self.release.startswith("rpython-") else "pypy-"
        return f"{prefix}{self.version}-{self._system}"

    def on(self, alpine: str) -> Target:
        """The same on another Alpine, if it is portable: it runs there, wherever it was built."""
        return replace(self, alpine=alpine) if self.portable else self

    @property
    def system(self) -> str:
        """Where it runs, in words: ``Alpine 3.24``, or any musl."""
        return "musl 1.2 or later" if self.portable else f"Alpine {self.alpine}"

    @property
    def _system(self) -> str:
        """Where it runs, as part of names: ``alpine3.24-aarch64``, ``musllinux_1_2_x86_64``."""
        return f"{PORTABLE}_{self.arch}" if self.portable else self._alpine

    @property
    def _alpine(self) -> str:
        suffix = "" if self.arch == "x86_64" else f"-{self.arch}"
        return f"alpine{self.alpine}{suffix}"

    @property
    def folder_tag(self) -> str:
        """The folder's name where an image's tag is needed, which cannot contain ``+``."""
        return self.folder.replace("+", "_")

    @property
    def tarball(self) -> str:
        """File name of the tarball."""
        return f"{self.folder}.tar.bz2"

    @property
    def gzip_tarball(self) -> str:
        """File name of the same tar, compressed with gzip."""
        return f"{self.folder}.tar.gz"

    @property
    def definition(self) -> str:
        """Name of its definition for pyenv: ``pypy3.6-7.0.0-alpine3.9``."""
        return f"pypy{self.folder.removeprefix('pypy-')}"

    def bootstrap_tag(self, repository: str = "alpine-pypy-build") -> str:
        """Tag of the image that holds CPython 2.7."""
        return f"{repository}:{self.release}-bootstrap-alpine{self.alpine}"

    def build_tag(self, repository: str = "alpine-pypy-build") -> str:
        """Tag of the self-hosted image, which holds PyPy 2.7."""
        return f"{repository}:{self.release}-alpine{self.alpine}"

    def portable_tag(self, repository: str = "alpine-pypy-build") -> str:
        """Tag of the image that translates a portable PyPy."""
        return f"{self.build_tag(repository)}-portable"

    def runtime_tag(self, repository: str = RUNTIME_REPOSITORY, *, variant: str = "") -> str:
        """Tag of the image to run programs on: ``alpine-pypy:3.11-7.3.22-alpine3.23``, or
        ``alpine-pypy:3.11-7.3.22-portable-alpine3.23``.

        An image's name cannot contain ``+``; ``_`` replaces it, as is usual.

        Args:
            variant: what another image of that PyPy is for, such as ``dev``.

        Raises:
            SpecError: the repository, or the version, cannot be part of an image's name.
        """
        if not _REPOSITORY.fullmatch(repository) or len(repository) > _LONGEST_REPOSITORY:
            raise SpecError(
                f"{repository!r} is not the name of an image's repository",
                remedy="write it as alpine-pypy, or with its registry:"
                " registry.example.org/team/alpine-pypy",
            )
        # An image of a portable PyPy stands on one Alpine, too.
        system = f"{'portable-' if self.portable else ''}{self._alpine}"
        tag = f"{self.version.replace('+', '_')}-{system}{variant and f'-{variant}'}"
        if len(tag) > _LONGEST_TAG:
            raise SpecError(
                f"an image's tag has at most {_LONGEST_TAG} characters, but {tag} has {len(tag)}",
                remedy="choose a shorter --release-version",
            )
        return f"{repository}:{tag}"


@dataclass(frozen=True)
class GlibcTarget(Target):
    """The same release on a system with glibc, as a reference for benchmarks. ``alpine`` is that of
    the PyPy that it is compared with."""

    glibc: str = "debian12"

    @property
    def _system(self) -> str:
        return self.glibc if self.arch == "x86_64" else f"{self.glibc}-{self.arch}"

    @property
    def system(self) -> str:
        """Where it runs, in words."""
        return self.glibc

    def build_tag(self, repository: str = "alpine-pypy-build") -> str:
        """Tag of the image that translates it."""
        return f"{repository}:{self.release}-{self._system}"


def alpine_of(file_name: str) -> str | None:
    """The Alpine version in a tarball's name; None for a portable one.

    Raises:
        SpecError: it is not the name of a tarball.
    """
    return _named(file_name)["alpine"]


def arch_of(file_name: str) -> str:
    """The architecture in a tarball's name; without one it is x86_64.

    Raises:
        SpecError: it is not the name of a tarball.
    """
    match = _named(file_name)
    return match["arch"] or match["any_musl"] or "x86_64"


def _named(file_name: str) -> re.Match[str]:
    match = _TARBALL.search(file_name)
    if match is None:
        raise SpecError(
            f"{file_name!r} is not the name of a tarball of alpypy",
            remedy="such a name ends in -alpine3.24.tar.bz2, -alpine3.24-aarch64.tar.bz2 or"
            f" -{PORTABLE}_x86_64.tar.bz2",
        )
    return match
