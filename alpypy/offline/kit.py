"""The kit: an Alpine whose build packages are in the image itself, made of what PyPI and Debian
mirrors hold, so that the pipeline runs where Alpine's own mirrors are out of reach."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from msgspec import to_builtins

from alpypy.core import apkdb
from alpypy.core.code import digest_of_code
from alpypy.core.durations import read_durations
from alpypy.core.errors import ImageError, KitError, SpecError
from alpypy.core.files import data_files, file_digest
from alpypy.core.locks import one_at_a_time
from alpypy.core.program import typed
from alpypy.core.progress import Agenda, Progress
from alpypy.core.source import Source
from alpypy.core.store import key_of
from alpypy.core.structs import list_from_text, list_to_text
from alpypy.engine.docker import Engine
from alpypy.engine.job import Job
from alpypy.engine.workspace import Workspace
from alpypy.offline import apk, making, packages
from alpypy.offline import given as given_sources
from alpypy.offline.compiling import Times
from alpypy.offline.contents import Contents, Library, load_contents
from alpypy.offline.given import GivenSource
from alpypy.offline.making import Making
from alpypy.offline.packages import OPENSSL
from alpypy.offline.pins import Replacement, settle, taken
from alpypy.offline.wheel_disk import import_wheel

_T = TypeVar("_T")
LABEL = "org.alpypy.kit"
_CONTENT_LABEL = "org.alpypy.kit.content"
_BASE_LABEL = "org.alpypy.kit.base"  # the ID of the image that the kit was made on
_REPLACEMENTS_LABEL = "org.alpypy.kit.replacements"
_SOURCES_LABEL = "org.alpypy.kit.sources"
OTHER_IMAGE = (
    "check the name, or give the path of a root file system's tarball, or leave --base-image out"
)
# The code that decides what is in the packages; a test says why the rest of it is left out.
_CODE = tuple(Path(module.__file__ or "") for module in (apk, making, packages))


@dataclass(frozen=True)
class Kit:
    """A kit's image. ``identity`` is a digest of what builds with it depend on, ``content`` one of
    all that is in it; ``replacements`` are the files that were taken in place of tested ones,
    ``given`` the sources that the user gave."""

    reference: str
    base: str
    base_id: str
    identity: str
    content: str
    replacements: tuple[Replacement, ...]
    given: tuple[GivenSource, ...] = ()


def reference(alpine: str) -> str:
    """Name of the kit's image for an Alpine."""
    return f"alpypy-kit:alpine{alpine}"


def wheel_alpine(root: Path) -> str:
    """The Alpine that a kit can be made of out of nothing, for it is in a wheel of PyPI."""
    return load_contents(root / "versions").kit.wheel.alpine


def development_packages(root: Path, given: Iterable[GivenSource] = ()) -> frozenset[str]:
    """Names of the packages that a kit has to build with (and those of the tools it needs).

    Args:
        given: the sources that it was made with.
    """
    contents = load_contents(root / "versions")
    tools = {tool.name for tool in contents.kit.tools}
    libraries = {name for one in contents.kit.libraries for name in (one.name, f"{one.name}-dev")}
    return frozenset(tools | libraries | {OPENSSL} | {f"{one.library}-dev" for one in given})


def how_to_add(root: Path, packages: Container[str], alpine: str) -> str | None:
    """How to give the kit these packages, from which sources; None if a source cannot add them."""
    offered = given_sources.load_offered(root)
    fitting = [one for one in offered if f"{one.name}-dev" in packages and alpine in one.alpine]
    if not fitting:
        return None
    addresses = " and ".join(one.url for one in fitting)
    files = " ".join(f"--source {one.url.rpartition('/')[2]}" for one in fitting)
    return f"fetch {addresses} and run: {typed('kit', alpine=alpine)} {files}"


def sources(data: Path) -> tuple[Source, ...]:
    """Files to fetch early: all for a kit on the wheel's Alpine, but OpenSSL's headers.

    Args:
        data: the folder with versions/.
    """
    contents = load_contents(data / "versions")
    return (contents.kit.wheel.source, *(pin.source for pin in contents.pins(())))


def prepare(
    workspace: Workspace, alpine: str, base: str | None = None, archives: Sequence[Path] = ()
) -> Kit:
    """Make the kit's image for an Alpine, unless the engine has this very one.

    Args:
        base: an Alpine image the engine holds, or the path of a root file system's tarball; by
            default ``alpine:<alpine>``, and where there is none, for the wheel's Alpine, the one
            that the wheel holds.
        archives: sources of libraries in versions/kit-sources.toml; by default those that the
            engine's kit was made with.

    Raises:
        KitError: no base image is at hand, or a step of the making failed.
        SpecError: the base image is another Alpine, or an archive is not such a source.
        ArchiveError: an archive is damaged.
        DownloadError, DigestError: a file could not be fetched; see ``pins.settle``.
    """
    folder = workspace.cache / "kits"
    folder.mkdir(parents=True, exist_ok=True)
    offered = given_sources.load_offered(workspace.data)
    given = {archive: given_sources.identify(archive, offered, alpine) for archive in archives}
    given = dict(sorted(given.items(), key=lambda item: item[1].library))
    with one_at_a_time(folder / f"alpine{alpine}.lock", f"the kit for Alpine {alpine}"):
        return _Preparation(workspace, alpine, given).run(base or f"alpine:{alpine}")


class _Preparation:
    """The way to a kit, each step with the time that it should take."""

    def __init__(
        self, workspace: Workspace, alpine: str, archives: Mapping[Path, GivenSource]
    ) -> None:
        self._workspace = workspace
        self._alpine = alpine
        self._archives = archives
        self._contents = load_contents(workspace.data / "versions")
        self._libraries = read_durations(workspace.data).kit.libraries
        self._agenda = Agenda(_step_seconds(workspace.data, workspace.engine.usable_processors))

    def run(self, base: str) -> Kit:
        engine, made = self._workspace.engine, reference(self._alpine)
        base = self._base_image(base)
        require_release(engine, base, self._alpine)
        base_id = engine.image_id(base) or ""
        data, given = self._workspace.data, tuple(self._archives.values()) or given_to(engine, made)
        has = replacements_in(engine, made)
        kit = _described(data, self._contents, made, (base, base_id), has, given)
        if engine.label(made, _CONTENT_LABEL) == kit.content:
            return kit
        extra = self._kept(given)
        owned = _owned(engine, base)
        replacements = self._fetch(owned)
        contents = self._contents.taking(taken(replacements)).adding(extra)
        kit = _described(data, self._contents, made, (base, base_id), replacements, given)
        with tempfile.TemporaryDirectory(prefix="alpypy-kit-") as scratch:
            self._make(kit, Making(self._workspace, contents, base, owned, Path(scratch)))
        return kit

    def _base_image(self, base: str) -> str:
        """The image to make the kit on, which is brought into the engine."""
        engine, fetcher = self._workspace.engine, self._workspace.fetcher
        if Path(base).is_file():
            return import_tarball(engine, Path(base), self._alpine)
        if engine.image_id(base) is None:
            # Much of it is waiting, so what is needed next is fetched meanwhile.
            early = fetcher.ahead(sources(self._workspace.data))
            with self._step("alpine", f"Alpine {self._alpine} out of a wheel"), early:
                import_wheel(self._workspace, self._contents.kit.wheel, self._alpine, base)
        return base

    def _kept(self, given: Sequence[GivenSource]) -> tuple[Library, ...]:
        """The libraries of given sources, whose archives are in the cache then."""
        fetcher = self._workspace.fetcher
        chosen = given_sources.libraries(given_sources.load_offered(self._workspace.data), given)
        archives = {source.library: archive for archive, source in self._archives.items()}
        for library in chosen:
            if library.name in archives:
                fetcher.keep(archives[library.name], library.source)
            elif fetcher.cached(library.source) is None:
                file = library.source.file_name
                raise KitError(
                    f"{reference(self._alpine)} was made with {file}, which is no longer in the"
                    " cache",
                    remedy=f"give it again: {typed('kit', alpine=self._alpine)} --source {file}"
                    "   (or remove that image, for a kit without it)",
                )
        return chosen

    def _fetch(self, owned: Mapping[str, str]) -> tuple[Replacement, ...]:
        fetcher, pins = self._workspace.fetcher, self._contents.pins(owned)
        early = fetcher.ahead(pin.source for pin in pins)
        with self._step("files", f"{len(pins)} files of Debian"), early:
            return settle(fetcher, pins, self._workspace.say)

    def _make(self, kit: Kit, making: Making) -> None:
        labels = {
            LABEL: kit.identity,
            _CONTENT_LABEL: kit.content,
            _BASE_LABEL: kit.base_id,
            _REPLACEMENTS_LABEL: list_to_text(kit.replacements),
        }
        if kit.given:
            labels[_SOURCES_LABEL] = list_to_text(kit.given)
        toolchain = f"{kit.reference}-toolchain"
        with self._step("toolchain", "compiler and tools"):
            making.toolchain(toolchain)
        try:
            with self._agenda.begin("libraries") as seconds:
                built = making.libraries(toolchain, Times(self._libraries, seconds))
        finally:
            self._workspace.engine.remove_image(toolchain)
        with self._step("image", "packing"):
            number = making.kit(built, kit.reference, labels)
        self._workspace.say(f"kit: {number} packages in {kit.reference}")

    @contextlib.contextmanager
    def _step(self, name: str, words: str) -> Iterator[None]:
        title, say = f"kit: {words}", self._workspace.say
        say(title)
        with self._agenda.begin(name) as seconds, Progress(title, expected=seconds, say=say):
            yield


def expected_seconds(data: Path) -> float:
    """How long a kit takes to make on this machine's processors.

    Args:
        data: the folder with versions/.
    """
    return sum(_step_seconds(data, len(os.sched_getaffinity(0))).values())


def _step_seconds(data: Path, processors: int) -> Mapping[str, float]:
    times = read_durations(data).kit
    together = max(sum(times.libraries.values()) / processors, *times.libraries.values())
    return {**times.steps, "libraries": together}


def import_tarball(engine: Engine, tarball: Path, alpine: str) -> str:
    """Name of the image of a root file system's tarball, imported unless the engine has it.

    Where the engine has no ``alpine:<alpine>`` it becomes that too, so that what comes later finds
    it without being told.

    Raises:
        ImageError: the engine cannot import it.
        SpecError: it is no Alpine of this version.
    """
    name, usual = _imported(engine, tarball), f"alpine:{alpine}"
    try:
        require_release(engine, name, alpine, called=str(tarball))
    except SpecError:
        engine.remove_image(name)
        raise
    if engine.image_id(usual) is None:
        engine.tag(name, usual)
    return name


def any_alpine(engine: Engine, chosen: str, arch: str) -> str:
    """Name of an image of the engine with an Alpine of any version.

    Args:
        chosen: an image's name, or the path of a root file system's tarball.

    Raises:
        ImageError: it is not in the engine and cannot be pulled or imported, or is for another
            architecture.
        SpecError: it is no Alpine.
    """
    image = _imported(engine, Path(chosen)) if Path(chosen).is_file() else chosen
    pull_missing(engine, image, remedy=OTHER_IMAGE)
    if engine.alpine_release(image) is None:
        raise SpecError(
            f"{chosen} is no Alpine: it has no /etc/alpine-release",
            remedy="pass an image of an Alpine, or its root file system, with --base-image",
        )
    actual = engine.architecture(image)
    if actual != arch:
        raise ImageError(f"{chosen} is for {actual}, not {arch}", remedy=f"choose one for {arch}")
    return image


def _imported(engine: Engine, tarball: Path) -> str:
    name = f"alpypy-base:{file_digest(tarball)[:16]}"
    if engine.image_id(name) is None:
        engine.import_rootfs(tarball, name)
    return name


def pull_missing(engine: Engine, image: str, *, remedy: str) -> str:
    """Pull an image, unless the engine has it; its ID.

    Raises:
        ImageError: the engine does not have it and cannot pull it.
    """
    found = engine.image_id(image) or engine.pull(image)
    if found is None:
        raise ImageError(
            f"the engine does not have the image {image} and cannot pull it", remedy=remedy
        )
    return found


def require_release(engine: Engine, image: str, alpine: str, *, called: str | None = None) -> None:
    """Refuse an image of the engine that is no Alpine of this version.

    Args:
        called: what the user knows the image by, if not its name.

    Raises:
        SpecError: its /etc/alpine-release says another version, or is not there.
    """
    release = engine.alpine_release(image)
    if release is None or release.split(".")[:2] != alpine.split("."):
        raise SpecError(
            f"{called or image} is {f'Alpine {release}' if release else 'no Alpine'}, and Alpine"
            f" {alpine} is asked for",
            remedy=f"pass an image of Alpine {alpine} with --base-image, or leave it out",
        )


def require_current(engine: Engine, root: Path, alpine: str) -> None:
    """Refuse a kit of the engine that another version of alpypy made.

    Raises:
        KitError: it is not what ``prepare`` makes on the same base.
    """
    if not is_current(engine, root, alpine):
        raise KitError(
            f"{reference(alpine)} in the engine was made by another version of alpypy",
            remedy=f"make it again: {typed('kit', alpine=alpine)}   (or remove that image)",
        )


def is_current(engine: Engine, root: Path, alpine: str) -> bool:
    """Whether the engine's kit is what ``prepare`` makes on the same base."""
    made = reference(alpine)
    # A kit that does not say what it was made on can be checked only against the usual base.
    base_id = engine.label(made, _BASE_LABEL) or engine.image_id(f"alpine:{alpine}") or ""
    contents = load_contents(root / "versions")
    replacements, given = replacements_in(engine, made), given_to(engine, made)
    kit = _described(root, contents, made, (base_id, base_id), replacements, given)
    return engine.label(made, _CONTENT_LABEL) == kit.content


def made_on(engine: Engine, alpine: str) -> str:
    """ID of the Alpine that the engine's kit was made on.

    Raises:
        KitError: the engine has it no more.
    """
    # A kit that does not say so was made on the usual one, as ``require_current`` has it.
    base = engine.label(reference(alpine), _BASE_LABEL) or f"alpine:{alpine}"
    found = engine.image_id(base)
    if found is None:
        raise KitError(
            f"{reference(alpine)} was made on {base}, which the engine has no more",
            remedy=f"make it anew: {typed('kit', alpine=alpine)}",
        )
    return found


def replacements_in(engine: Engine, image: str) -> tuple[Replacement, ...]:
    """The files that were taken in place of tested ones for the kit that an image is or is made
    from; none where it does not say so."""
    return _labelled(engine, image, _REPLACEMENTS_LABEL, Replacement)


def given_to(engine: Engine, image: str) -> tuple[GivenSource, ...]:
    """The sources that were given for the kit that an image is or is made from."""
    return _labelled(engine, image, _SOURCES_LABEL, GivenSource)


def _labelled(engine: Engine, image: str, label: str, kind: type[_T]) -> tuple[_T, ...]:
    """The list in a label; empty if the image does not have it, or another version wrote it."""
    try:
        return list_from_text(engine.label(image, label) or "[]", kind)
    except ValueError:
        return ()


def _described(
    root: Path,
    contents: Contents,
    made: str,
    base: tuple[str, str],
    replacements: Sequence[Replacement],
    given: Sequence[GivenSource] = (),
) -> Kit:
    """What the kit is with these files in place of tested ones, and with given sources.

    Tested files and replacements count alike: if they are the same, so are the kits.

    Args:
        base: name and ID of the image that it is made on.
    """
    extra = given_sources.libraries(given_sources.load_offered(root), given) if given else ()
    chosen = contents.taking(taken(replacements)).adding(extra)
    folder, lists = root / "dockerfiles/kit", to_builtins(chosen.kit)
    del lists["wheel"]  # what it holds is in the base image
    identity = key_of(
        base=base[1],
        code=digest_of_code(*_CODE),
        files={
            **{str(path.relative_to(folder)): file_digest(path) for path in data_files(folder)},
            **given_sources.scripts(root, extra),
        },
        lists=lists,
    )
    content = key_of(identity=identity, data=to_builtins(chosen.data))
    return Kit(made, *base, identity, content, tuple(replacements), tuple(given))


def _owned(engine: Engine, base: str) -> Mapping[str, str]:
    """Paths of the libraries that an Alpine brings, by soname."""
    done = engine.run(Job(base, ["cat", apkdb.PATH]))
    if done.exit_code:
        raise KitError(
            f"{base} has no {apkdb.PATH}: {done.output.strip()}",
            remedy="pass an Alpine image with --base-image",
        )
    return apkdb.read(done.output).places
