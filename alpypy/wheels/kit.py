"""Packages that the kit for restricted networks lacks and modules of Python need.

They are a repository of their own, a finished stage in the cache, and not in the kit: its identity
is part of every key, and nothing that is translated depends on them.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from msgspec import to_builtins

from alpypy.core import elf
from alpypy.core.errors import KitError, SpecError
from alpypy.core.store import key_of
from alpypy.core.unpack import unpack
from alpypy.engine.job import Job, Mount
from alpypy.engine.workspace import Workspace
from alpypy.offline import kit
from alpypy.offline import packages as kit_packages
from alpypy.offline.apk import Package, write_index
from alpypy.offline.packages import ARCH, Library
from alpypy.offline.pins import Pin, Replacement, from_text, settle, taken, to_text
from alpypy.wheels.images import DOCKERFILES, INSIDE, Python, inside, with_packages

FILE_NAME = "kit-wheels.toml"
_PLACE = "repository"
_KEY = "alpypy-wheels.rsa.pub"  # beside the kit's own in /etc/apk/keys
_BUILD_PACKAGES = ("gcc", "musl-dev", "make", "linux-headers", "pkgconf", "zlib-dev", "xz-dev")
_TIME = 3600.0  # seconds, on a machine that does other things too


class MorePackages:
    """What an image of the kit gets beside the kit's own packages, made when first asked for."""

    def __init__(self, workspace: Workspace, python: Python) -> None:
        self._workspace = workspace
        self._python = python
        self._libraries = kit_packages.load_libraries(workspace.data / "versions" / FILE_NAME)

    def refuse_missing(self, packages: Sequence[str], what: str) -> None:
        """Raise SpecError for packages to build ``what`` with that the kit has not, if it is used;
        Alpine's own are not known before apk is asked."""
        if self._python.kit is None:
            return
        mine = {name for one in self._libraries for name in _packages(one)}
        missing = sorted(set(packages) - kit.development_packages(self._workspace.data) - mine)
        if missing:
            raise SpecError(
                f"{what} is built with {', '.join(missing)}, which the kit does not have",
                remedy="build it on Alpine's own packages, where its mirrors are in reach",
            )

    def repository(self, packages: Sequence[str]) -> Path | None:
        """The folder of those that are wanted, with the key of their index; None where there are
        none, or the interpreter's image is of Alpine's own.

        Raises:
            KitError: a library did not compile.
            DownloadError, DigestError: a source could not be fetched; see ``pins.settle``.
        """
        tested = tuple(one for one in self._libraries if _packages(one) & set(packages))
        if self._python.kit is None or not tested:
            return None
        store, search = self._workspace.store, Replacements(self._workspace, tested)
        for replacements in ((), search.load() or ()):
            done = self._stage(tested, replacements).load()
            if done is not None:
                return done
        return store.run(self._stage(tested, store.run(search, again=True)))

    def _stage(
        self, tested: Sequence[Library], replacements: Sequence[Replacement]
    ) -> KitLibraries:
        files = taken(replacements)
        libraries = tuple(library.taking(files) for library in tested)
        return KitLibraries(self._workspace, self._python, libraries)


@dataclass(frozen=True)
class Replacements:
    """The stage that fetches the libraries' sources, or what there is in place of tested ones.

    It is kept so that the next run finds what it compiled without the mirrors.
    """

    workspace: Workspace
    libraries: tuple[Library, ...]

    title: ClassVar[str] = "the sources of the kit's libraries for wheels"

    @property
    def key(self) -> str:
        """Of the tested sources."""
        digests = [library.source.sha256 for library in self.libraries]
        return key_of(step="replacements in the kit for wheels", tested=digests)

    def load(self) -> tuple[Replacement, ...] | None:
        """What the last search took; None before the first."""
        record = self.workspace.store.record(self.key)
        return from_text(record["replacements"]) if record else None

    def make(self, work: Path) -> Mapping[str, Any]:
        """Fetch the sources."""
        pins = [Pin(library.source, kit_packages.RELEASE) for library in self.libraries]
        replacements = settle(self.workspace.fetcher, pins, self.workspace.say)
        return {"replacements": to_text(replacements)}


@dataclass(frozen=True)
class KitLibraries:
    """The stage that makes a repository of packages that the kit lacks.

    Its making raises KitError when a library does not compile, DownloadError or DigestError when a
    source could not be fetched.
    """

    workspace: Workspace
    python: Python
    libraries: tuple[Library, ...]

    title: ClassVar[str] = "the kit's libraries for wheels"

    @property
    def key(self) -> str:
        """Of the kit, the libraries and the script that compiles them."""
        folder = self.workspace.data / DOCKERFILES / "inside"
        script = (folder / "kit-libraries.sh").read_text(encoding="utf-8")
        libraries = [to_builtins(library) for library in self.libraries]
        return key_of(
            step="kit for wheels", kit=self.python.kit, libraries=libraries, script=script
        )

    def load(self) -> Path | None:
        """The repository's folder."""
        store = self.workspace.store
        done = store.record(self.key) is not None
        return store.folder(self.key) / _PLACE if done else None

    def make(self, work: Path) -> Mapping[str, Any]:
        """Compile the libraries and write their packages."""
        tag = "alpypy-wheels:kit-libraries"
        image = with_packages(self.workspace, self.python, _BUILD_PACKAGES, None, tag)
        with tempfile.TemporaryDirectory(prefix="alpypy-kit-") as name:
            scratch = Path(name)
            for library in self.libraries:
                source = self.workspace.fetcher.fetch(library.source)
                top = unpack(source, scratch / "unpacked")
                (scratch / "sources").mkdir(exist_ok=True)
                shutil.move(top, scratch / "sources" / library.name)
            self._compile(image, scratch)
            self._write(scratch / "out", work / _PLACE)
        return {}

    def _write(self, built: Path, folder: Path) -> None:
        packages = list[Package]()
        for library in self.libraries:
            tree = built / library.name
            packages += kit_packages.write_library(library, tree, folder, {}, _needs(tree))
        (folder / _KEY).write_bytes(write_index(packages, folder, ARCH, _KEY))

    def _compile(self, image: str, scratch: Path) -> None:
        names = [library.name for library in self.libraries]
        (scratch / "out").mkdir()
        mounts = [
            Mount(scratch / "sources", "/sources"),
            Mount(scratch / "out", "/out", writable=True),
            inside(self.workspace),
        ]
        self.workspace.say(f"compiling {', '.join(names)} for the kit, once")
        jobs = {"JOBS": str(len(os.sched_getaffinity(0)))}
        command = ["sh", f"{INSIDE}/kit-libraries.sh", *names]
        done = self.workspace.engine.run(Job(image, command, mounts, jobs, timeout=_TIME))
        if done.exit_code:
            raise KitError(
                f"the kit's libraries for wheels did not compile:\n{done.output[-3000:]}",
                remedy="the last lines name the library; see dockerfiles/wheels/inside/"
                "kit-libraries.sh",
            )


def _packages(library: Library) -> set[str]:
    return {library.runtime, f"{library.name}-dev"}


def _needs(tree: Path) -> tuple[str, ...]:
    """What the shared objects of a library need of others, as apk calls it."""
    files = (elf.read(path, path.name) for path in elf.find(tree))
    return tuple(f"so:{soname}" for soname in elf.outside_needs(files))
