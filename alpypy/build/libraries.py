"""The static libraries that a build has inside, compiled against the oldest musl.

Each is a stage of its own, so that a new version of one compiles only that one. Their keys do not
hash this code: tests/unit/build/test_keys_cover_the_code.py records what most of it does.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from msgspec import to_builtins

from alpypy.build.base_image import BaseImage
from alpypy.build.estimates import Estimates
from alpypy.build.stage import BuildStage
from alpypy.build.stub_libc import FILE_NAME, StubLibc
from alpypy.build.toolchain import LibraryToolchain, scripts
from alpypy.core.durations import read_durations
from alpypy.core.errors import DataError, LibraryError
from alpypy.core.progress import Tally
from alpypy.core.source import Source
from alpypy.core.store import key_of
from alpypy.core.structs import convert
from alpypy.core.unpack import unpack
from alpypy.engine.job import Job, Mount
from alpypy.engine.pool import JobPool
from alpypy.engine.workspace import Workspace
from alpypy.offline.extra import ExtraTools, load_extra_tools
from alpypy.offline.pins import Pin, Replacement, taken, version_of
from alpypy.offline.replacements import Replacements
from alpypy.recipes.libraries import StaticLibrary, StaticLibraryList, load_static_libraries
from alpypy.recipes.manifest import LinkedLibrary
from alpypy.recipes.musl import Musl, load_musl

_PARTS = ("include", "lib", "licenses")
_LONGEST = 7200.0  # seconds that a library may take, on a machine that does other things too


@dataclass(frozen=True)
class LibraryTree:
    """The finished folder: ``include/``, ``lib/`` with static libraries and the C library to link
    with, and ``licenses/<library>/``."""

    folder: Path
    libraries: tuple[LinkedLibrary, ...]


@dataclass(frozen=True)
class LibrarySource:
    """The archive to compile a library of, and the folder of it that is the library's."""

    source: Source
    folder: str
    version: str


@dataclass(frozen=True)
class LibraryFolders:
    """The folders that a library is compiled with: its source, the C library to link with, the
    scripts, and the one for the result."""

    source: Path
    stub: Path
    scripts: Path
    out: Path


def library_job(
    library: StaticLibrary, image: str, folders: LibraryFolders, processors: int
) -> Job:
    """The command that compiles a library.

    Args:
        image: the ID of the image that compiles.
        processors: how many C compilers to run at once.
    """
    mounts = [
        Mount(folders.source, "/source"),
        Mount(folders.stub, "/stub"),
        Mount(folders.scripts, "/scripts"),
        Mount(folders.out, "/out", writable=True),
    ]
    command = ["sh", "/scripts/compile.sh", library.name, *library.license_files]
    return Job(image, command, mounts, {"JOBS": str(processors)}, timeout=_LONGEST)


@dataclass(frozen=True)
class CompiledLibrary:
    """The stage that compiles one library.

    Making it raises LibraryError if it does not compile, DownloadError or DigestError if its source
    cannot be downloaded, and ArchiveError if that is damaged.
    """

    workspace: Workspace
    stub: StubLibc
    library: StaticLibrary
    archive: LibrarySource
    pool: JobPool

    @property
    def title(self) -> str:
        """Such as ``library openssl 3.5.7``."""
        return f"library {self.library.name} {self.archive.version}"

    @property
    def script(self) -> Path:
        """The library's own script."""
        return scripts(self.workspace) / f"{self.library.name}.sh"

    @cached_property
    def key(self) -> str:
        """Of the source, the scripts, the C library and the toolchain."""
        files = (scripts(self.workspace) / "compile.sh", self.script)
        return key_of(
            step="library",
            source=self.archive.source.sha256,
            folder=self.archive.folder,
            library=[self.library.name, self.library.license_files],
            scripts=[path.read_text(encoding="utf-8") for path in files],
            stub=self.stub.key,
        )

    def load(self) -> Path | None:
        """The folder with its headers, libraries and licence."""
        store = self.workspace.store
        return store.folder(self.key) if store.record(self.key) else None

    def make(self, work: Path) -> Mapping[str, Any]:
        """Compile it."""
        stub = self.workspace.store.run(self.stub)
        image = self.workspace.store.run(self.stub.toolchain)
        archive = self.workspace.fetcher.fetch(self.archive.source)
        with tempfile.TemporaryDirectory(prefix="alpypy-library-") as scratch:
            source = unpack(archive, Path(scratch)) / self.archive.folder
            folders = LibraryFolders(source, stub, scripts(self.workspace), work)
            processors = self.workspace.engine.usable_processors
            done = self.pool.run(library_job(self.library, image, folders, processors))
        log = self.workspace.logs / f"library-{self.library.name}-{self.key[:8]}.log"
        log.write_text(done.output, encoding="utf-8")
        if done.exit_code:
            tail = "\n".join(f"    {line}" for line in done.output.splitlines()[-30:])
            raise LibraryError(
                f"{self.library.name} {self.archive.version} did not compile:\n{tail}",
                remedy=f"the log is {log}; {self.script} compiles it",
            )
        return {"library": self.library.name}


@dataclass(frozen=True)
class Libraries:
    """The stage that makes the folder of all libraries.

    ``path`` is versions/libraries.toml, or a file that replaces it. A PyPy that is not ``portable``
    has few of them. On a kit, ``key`` downloads the sources if they are not in the cache: Debian
    may have replaced one, which changes the key.

    Every member raises DataError if a list cannot be used; on a kit, DownloadError or DigestError
    if a file cannot be downloaded. ``make`` raises what ``CompiledLibrary`` raises, and ImageError
    or KitError if the image that compiles cannot be built.
    """

    workspace: Workspace
    base: BaseImage
    arch: str
    path: Path
    portable: bool

    title: ClassVar[str] = "libraries"

    @property
    def needs(self) -> Sequence[BuildStage]:
        """Empty: a new library needs no new translation, and the other way round."""
        return ()

    @cached_property
    def key(self) -> str:
        """Of the stages of all libraries, what the folder takes of each, and what it says of it."""
        return key_of(
            step="libraries",
            layout=_PARTS,
            parts=[stage.key for stage in self.parts],
            libraries=[to_builtins(_linked(stage)) for stage in self.parts],
        )

    @cached_property
    def parts(self) -> tuple[CompiledLibrary, ...]:
        """The stage of each library, in the order of the list."""
        replacements, pool = self._replacements, JobPool(self.workspace.engine)
        parts = tuple(
            CompiledLibrary(
                self.workspace, self.stub, library, self._archive(library, replacements), pool
            )
            for library in self._libraries
        )
        for part in parts:
            _require_script(part, self.path)
        return parts

    def expected(self, estimates: Estimates) -> float:
        """Seconds for the libraries that are not compiled yet, as listed."""
        left = [part.library.name for part in self.parts if part.load() is None]
        weights = self._weights(left)
        processors = self.workspace.engine.usable_processors
        return max((sum(weights.values()) / processors, *weights.values()), default=0.0)

    def load(self) -> LibraryTree | None:
        """The folder, if all libraries are compiled."""
        store = self.workspace.store
        record = store.record(self.key)
        if record is None:
            return None
        libraries = convert(record["libraries"], tuple[LinkedLibrary, ...])
        return LibraryTree(store.folder(self.key), libraries)

    def make(self, work: Path) -> Mapping[str, Any]:
        """Compile what is not compiled yet, and lay out the folder."""
        self._compile([part for part in self.parts if part.load() is None])
        run = self.workspace.store.run
        for part in self.parts:
            for name in _PARTS:
                shutil.copytree(run(part) / name, work / name, symlinks=True, dirs_exist_ok=True)
        shutil.copy(run(self.stub) / FILE_NAME, work / "lib")
        libraries = [to_builtins(_linked(part)) for part in self.parts]
        return {"stage": "libraries", "libraries": libraries}

    def _compile(self, parts: Sequence[CompiledLibrary]) -> None:
        if not parts:
            return
        run, say = self.workspace.store.run, self.workspace.say
        stages = {part.library.name: part for part in parts}
        run(self.stub)  # and the image that compiles: once, before all others
        weights = self._weights(stages)
        ordered = sorted(weights, key=lambda name: -weights[name])
        say(f"libraries: compiling {', '.join(ordered)}")
        sources = [part.archive.source for part in parts]
        early = self.workspace.fetcher.ahead(sources)
        with early, Tally("libraries: compiling", weights, say=say) as tally:
            parts[0].pool.work(ordered, lambda name: run(stages[name]), tally.finish)

    def _weights(self, names: Sequence[str] | Mapping[str, object]) -> Mapping[str, float]:
        """Processor seconds of libraries."""
        times = read_durations(self.workspace.data).libraries
        return {name: times.get(name, 10.0) for name in names}

    @cached_property
    def _list(self) -> StaticLibraryList:
        return load_static_libraries(self.path)

    @property
    def _libraries(self) -> Sequence[StaticLibrary]:
        """Those of the list that this PyPy has inside."""
        return [library for library in self._list.libraries if self.portable or library.every]

    @cached_property
    def _musl(self) -> Musl:
        return load_musl(self.workspace.data / "versions", self.arch)

    @cached_property
    def stub(self) -> StubLibc:
        """The stage of the C library to link with."""
        extra = self._extra
        if extra:
            extra = extra.taking(taken(self._replacements))
        packages = (*self._list.packages, *self._own_packages)
        toolchain = LibraryToolchain(self.workspace, self.base, packages, extra)
        return StubLibc(self.workspace, toolchain, self._musl)

    @property
    def _own_packages(self) -> tuple[str, ...]:
        """What single libraries need to be compiled."""
        return tuple(name for library in self._libraries for name in library.packages)

    @property
    def _extra(self) -> ExtraTools | None:
        """The programs that the kit lacks: None where there is no kit, or no library needs them."""
        if not self.base.kit or not self._own_packages:
            return None
        return load_extra_tools(self.workspace.data / "versions")

    @cached_property
    def _replacements(self) -> tuple[Replacement, ...]:
        """What Debian's mirrors have in place of tested files: nothing where there is no kit."""
        if not self.base.kit:
            return ()
        extra = self._extra.pins if self._extra else ()
        sources = tuple(Pin(one.packed_by_debian, one.debian.release) for one in self._libraries)
        search = Replacements(self.workspace, "the libraries", (*sources, *extra))
        for replacements in ((), search.load() or ()):
            files = taken(replacements)
            wanted = [files.get(pin.source.sha256, pin.source) for pin in search.pins]
            if all(map(self.workspace.fetcher.cached, wanted)):
                return replacements
        return self.workspace.store.run(search, again=True)

    def _archive(
        self, library: StaticLibrary, replacements: Sequence[Replacement]
    ) -> LibrarySource:
        if not self.base.kit:
            return LibrarySource(library.upstream, ".", library.version)
        tested = library.packed_by_debian
        source = taken(replacements).get(tested.sha256, tested)
        version = library.debian_version if source == tested else version_of(source)
        return LibrarySource(source, library.debian.folder or ".", version)


def _linked(part: CompiledLibrary) -> LinkedLibrary:
    library, archive = part.library, part.archive
    return LinkedLibrary(library.name, archive.version, library.license, archive.source.sha256)


def _require_script(part: CompiledLibrary, path: Path) -> None:
    if not part.script.is_file():
        known = sorted(file.stem for file in part.script.parent.glob("*.sh"))
        names = ", ".join(name for name in known if name not in ("compile", "stub"))
        raise DataError(
            f"{path}: no script compiles {part.library.name}",
            remedy=f"list only libraries that alpypy can compile: {names}",
        )
