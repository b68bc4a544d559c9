"""Packages that modules of Python need and that the kit for restricted networks lacks.

Each library or tool has a repository of its own, which is a stage in the cache. They are not in the
kit: its identity is part of every key, so a change to them would make every translation run again.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec import to_builtins

from alpypy.core import elf
from alpypy.core.errors import KitError, SpecError
from alpypy.core.source import Source
from alpypy.core.store import digest_of_files, key_of
from alpypy.core.unpack import unpack
from alpypy.engine.job import Job, Mount
from alpypy.engine.workspace import Workspace
from alpypy.offline import kit as kits
from alpypy.offline import packages as kit_packages
from alpypy.offline.apk import ApkPackage, write_index
from alpypy.offline.contents import WheelLibrary, WheelTool, load_wheel_packages
from alpypy.offline.packages import ARCH
from alpypy.offline.pins import Replacement, taken
from alpypy.offline.replacements import Replacements
from alpypy.wheels.images import DOCKERFILES, INSIDE, inside, with_packages

FILE_NAME = "kit-wheels.toml"
_PLACE = "repository"
_SCRIPT = "kit-package.sh"
_BUILD_PACKAGES = ("gcc", "musl-dev", "make", "linux-headers", "pkgconf", "zlib-dev", "xz-dev")
_TIMEOUT = 7200.0  # seconds, enough on a machine that does other things too
_Entry = WheelLibrary | WheelTool


class ExtraPackages:
    """The packages that an image of the kit gets beside the kit's own, built on first use.

    ``kit`` is the identity of the kit that the image's packages come from, None for Alpine's own.
    """

    def __init__(self, workspace: Workspace, image: str, kit: str | None) -> None:
        self._workspace = workspace
        self._image = image
        self._kit = kit
        self._list = load_wheel_packages(workspace.data / "versions" / FILE_NAME)

    def refuse_missing(self, packages: Sequence[str], what: str, alpine: str) -> None:
        """Raise SpecError if ``what`` needs build packages that the kit lacks.

        Without the kit this checks nothing: only apk knows Alpine's packages.
        """
        if self._kit is None:
            return
        data = self._workspace.data
        given = kits.given_to(self._workspace.engine, self._image)
        extra = {name for entry in self._list.entries for name in entry.packages}
        missing = sorted(set(packages) - kits.development_packages(data, given) - extra)
        if missing:
            add = kits.how_to_add(data, missing, alpine)
            raise SpecError(
                f"{what} needs build packages that the kit does not have: {', '.join(missing)}",
                remedy="build it where Alpine's mirrors can be reached"
                + (f"; or {add}" if add else ""),
            )

    def repositories(self, packages: Iterable[str]) -> Mapping[str, Path]:
        """Folders with the extra packages among ``packages`` and the key of their index, by the
        name of the library or tool; empty if the interpreter's packages are Alpine's own.

        Raises:
            KitError: a library did not compile.
            DownloadError, DigestError: a source could not be downloaded; see ``pins.settle``.
        """
        wanted = set(packages)
        if self._kit is None:
            return {}
        entries = (entry for entry in self._list.entries if entry.packages & wanted)
        return {entry.name: self._repository(entry) for entry in entries}

    def _repository(self, entry: _Entry) -> Path:
        store, against = self._workspace.store, self.repositories(entry.needs)
        search = Replacements(self._workspace, entry.name, self._list.pins(entry))
        for replacements in ((), search.load() or ()):
            folder = self._stage(entry, replacements, against).load()
            if folder is not None:
                return folder
        return store.run(self._stage(entry, store.run(search, again=True), against))

    def _stage(
        self, entry: _Entry, replacements: Sequence[Replacement], against: Mapping[str, Path]
    ) -> ExtraPackage:
        entry = entry.taking(taken(replacements))
        return ExtraPackage(self._workspace, self._image, self._kit, entry, against)


@dataclass(frozen=True)
class ExtraPackage:
    """The stage that makes the repository of a library or tool that the kit lacks.

    ``against`` has the repositories of what it is compiled with. Making it raises
    KitError if it does not compile, DownloadError or DigestError if a file cannot be downloaded.
    """

    workspace: Workspace
    image: str
    kit: str | None
    entry: _Entry
    against: Mapping[str, Path]

    @property
    def title(self) -> str:
        """Such as ``yaml for the kit``."""
        return f"{self.entry.name} for the kit"

    @property
    def key(self) -> str:
        """Of the kit, the entry, what it needs and the script that compiles it."""
        folder = self.workspace.data / DOCKERFILES / "inside"
        scripts = [folder / _SCRIPT, *folder.glob(f"kit/{self.entry.name}.*")]
        return key_of(
            step="kit for wheels",
            kit=self.kit,
            entry=to_builtins(self.entry),
            against=[place.parent.name for place in self.against.values()],
            scripts=digest_of_files(*scripts),
        )

    def load(self) -> Path | None:
        """The repository's folder."""
        store = self.workspace.store
        done = store.record(self.key) is not None
        return store.folder(self.key) / _PLACE if done else None

    def make(self, work: Path) -> Mapping[str, Any]:
        """Compile what is a source, and write the packages."""
        with tempfile.TemporaryDirectory(prefix="alpypy-kit-") as name:
            scratch, repository = Path(name), work / _PLACE
            packages = self._packages(scratch, repository)
            key = f"alpypy-{self.entry.name}.rsa.pub"  # beside the kit's own in /etc/apk/keys
            (repository / key).write_bytes(write_index(packages, repository, ARCH, key))
        return {}

    def _packages(self, scratch: Path, repository: Path) -> list[ApkPackage]:
        tree = scratch / "out" / self.entry.name
        if isinstance(self.entry, WheelLibrary):
            tree.parent.mkdir()
            self._compile(self.entry.source, scratch)
            return kit_packages.write_library(self.entry, tree, repository, {}, _needs(tree))
        fetch = self.workspace.fetcher.fetch
        kit_packages.lay_out_tool(self.entry, fetch, scratch / "overlays", tree)
        if self.entry.source:
            self._compile(self.entry.source.source, scratch)
        return [kit_packages.write_tool(self.entry, tree, repository)]

    def _compile(self, source: Source, scratch: Path) -> None:
        """Run the script, which makes scratch/out/<name> or adds to it."""
        name = self.entry.name
        packages = [*_BUILD_PACKAGES, *self.entry.needs]
        tag = f"alpypy-wheels:kit-{key_of(packages=packages)[:12]}"
        image = with_packages(self.workspace, self.image, packages, self.against, tag)
        top = unpack(self.workspace.fetcher.fetch(source), scratch / "unpacked")
        mounts = [
            Mount(top, "/source"),
            Mount(scratch / "out", "/out", writable=True),
            inside(self.workspace),
        ]
        self.workspace.say(f"compiling {name} for the kit, once")
        jobs = {"JOBS": str(self.workspace.engine.usable_processors)}
        command = ["sh", f"{INSIDE}/{_SCRIPT}", name]
        done = self.workspace.engine.run(Job(image, command, mounts, jobs, timeout=_TIMEOUT))
        if done.exit_code:
            raise KitError(
                f"{name} did not compile for the kit:\n{done.output[-3000:]}",
                remedy=f"how it is compiled is in {DOCKERFILES}/inside/kit/{name}.sh",
            )


def _needs(tree: Path) -> tuple[str, ...]:
    """The other libraries that a library's shared objects need, in apk's names."""
    files = (elf.read(path, path.name) for path in elf.find(tree))
    return tuple(f"so:{soname}" for soname in elf.outside_needs(files))
