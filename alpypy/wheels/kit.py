"""Packages that modules of Python need and that the kit for restricted networks lacks.

They are in a repository of their own, which is a stage in the cache. They are not in the kit: its
identity is part of every key, so a change to them would make every translation run again.
"""

from __future__ import annotations

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
from alpypy.core.structs import list_from_text, list_to_text
from alpypy.core.unpack import unpack
from alpypy.engine.job import Job, Mount
from alpypy.engine.workspace import Workspace
from alpypy.offline import kit as kits
from alpypy.offline import packages as kit_packages
from alpypy.offline.apk import ApkPackage, write_index
from alpypy.offline.contents import Library, load_libraries
from alpypy.offline.packages import ARCH
from alpypy.offline.pins import Pin, Replacement, settle, taken
from alpypy.wheels.images import DOCKERFILES, INSIDE, inside, with_packages

FILE_NAME = "kit-wheels.toml"
_PLACE = "repository"
_KEY = "alpypy-wheels.rsa.pub"  # beside the kit's own in /etc/apk/keys
_BUILD_PACKAGES = ("gcc", "musl-dev", "make", "linux-headers", "pkgconf", "zlib-dev", "xz-dev")
_TIMEOUT = 3600.0  # seconds, enough on a machine that does other things too


class ExtraPackages:
    """The packages that an image of the kit gets beside the kit's own, built on first use.

    ``kit`` is the identity of the kit that the image's packages come from, None for Alpine's own.
    """

    def __init__(self, workspace: Workspace, image: str, kit: str | None) -> None:
        self._workspace = workspace
        self._image = image
        self._kit = kit
        self._list = load_libraries(workspace.data / "versions" / FILE_NAME)

    def refuse_missing(self, packages: Sequence[str], what: str, alpine: str) -> None:
        """Raise SpecError if ``what`` needs build packages that the kit lacks.

        Without the kit this checks nothing: only apk knows Alpine's packages.
        """
        if self._kit is None:
            return
        data = self._workspace.data
        given = kits.given_to(self._workspace.engine, self._image)
        extra = {name for library in self._list.libraries for name in _packages(library)}
        missing = sorted(set(packages) - kits.development_packages(data, given) - extra)
        if missing:
            add = kits.how_to_add(data, missing, alpine)
            raise SpecError(
                f"{what} needs build packages that the kit does not have: {', '.join(missing)}",
                remedy="build it where Alpine's mirrors can be reached"
                + (f"; or {add}" if add else ""),
            )

    def repository(self, packages: Sequence[str]) -> Path | None:
        """The folder that has the extra packages among ``packages``, and the key of their index;
        None if there are none, or the interpreter's packages are Alpine's own.

        Raises:
            KitError: a library did not compile.
            DownloadError, DigestError: a source could not be downloaded; see ``pins.settle``.
        """
        wanted = set(packages)
        tested = tuple(one for one in self._list.libraries if _packages(one) & wanted)
        if self._kit is None or not tested:
            return None
        store = self._workspace.store
        search = Replacements(self._workspace, self._list.release, tested)
        for replacements in ((), search.load() or ()):
            folder = self._stage(tested, replacements).load()
            if folder is not None:
                return folder
        return store.run(self._stage(tested, store.run(search, again=True)))

    def _stage(
        self, tested: Sequence[Library], replacements: Sequence[Replacement]
    ) -> KitLibraries:
        files = taken(replacements)
        libraries = tuple(library.taking(files) for library in tested)
        return KitLibraries(self._workspace, self._image, self._kit, libraries)


@dataclass(frozen=True)
class Replacements:
    """The stage that downloads the libraries' sources, or what the mirrors have in their place.

    Its record lets the next run find the compiled libraries without the mirrors.
    """

    workspace: Workspace
    release: str
    libraries: tuple[Library, ...]

    title: ClassVar[str] = "the sources of the kit's libraries for wheels"

    @property
    def key(self) -> str:
        """Of the tested sources."""
        digests = [library.source.sha256 for library in self.libraries]
        return key_of(step="replacements in the kit for wheels", tested=digests)

    def load(self) -> tuple[Replacement, ...] | None:
        """The replacements that the last run took; None before the first run."""
        record = self.workspace.store.record(self.key)
        return list_from_text(record["replacements"], Replacement) if record else None

    def make(self, work: Path) -> Mapping[str, Any]:
        """Download the sources."""
        pins = [Pin(library.source, self.release) for library in self.libraries]
        replacements = settle(self.workspace.fetcher, pins, self.workspace.say)
        return {"replacements": list_to_text(replacements)}


@dataclass(frozen=True)
class KitLibraries:
    """The stage that makes a repository of packages that the kit lacks.

    Making it raises KitError if a library does not compile, DownloadError or DigestError if a
    source cannot be downloaded.
    """

    workspace: Workspace
    image: str
    kit: str | None
    libraries: tuple[Library, ...]

    title: ClassVar[str] = "the kit's libraries for wheels"

    @property
    def key(self) -> str:
        """Of the kit, the libraries and the script that compiles them."""
        folder = self.workspace.data / DOCKERFILES / "inside"
        script = (folder / "kit-libraries.sh").read_text(encoding="utf-8")
        libraries = [to_builtins(library) for library in self.libraries]
        return key_of(step="kit for wheels", kit=self.kit, libraries=libraries, script=script)

    def load(self) -> Path | None:
        """The repository's folder."""
        store = self.workspace.store
        done = store.record(self.key) is not None
        return store.folder(self.key) / _PLACE if done else None

    def make(self, work: Path) -> Mapping[str, Any]:
        """Compile the libraries and write their packages."""
        tag = "alpypy-wheels:kit-libraries"
        image = with_packages(self.workspace, self.image, _BUILD_PACKAGES, None, tag)
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
        packages = list[ApkPackage]()
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
        jobs = {"JOBS": str(self.workspace.engine.usable_processors)}
        command = ["sh", f"{INSIDE}/kit-libraries.sh", *names]
        done = self.workspace.engine.run(Job(image, command, mounts, jobs, timeout=_TIMEOUT))
        if done.exit_code:
            raise KitError(
                f"the kit's libraries for wheels did not compile:\n{done.output[-3000:]}",
                remedy="the last lines name the library; how it is compiled is in"
                " dockerfiles/wheels/inside/kit-libraries.sh",
            )


def _packages(library: Library) -> set[str]:
    return {library.runtime, f"{library.name}-dev"}


def _needs(tree: Path) -> tuple[str, ...]:
    """The other libraries that a library's shared objects need, in apk's names."""
    files = (elf.read(path, path.name) for path in elf.find(tree))
    return tuple(f"so:{soname}" for soname in elf.outside_needs(files))
