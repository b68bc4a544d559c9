"""Alpine's releases: the list that each release's folder has of its newest files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from msgspec import Struct
from packaging.version import Version

from alpypy.core.errors import DigestError, DownloadError
from alpypy.core.fetch import Fetcher, Page
from alpypy.core.project import Project
from alpypy.core.source import Rootfs
from alpypy.recipes.data import Alpine, load_alpines
from alpypy.recipes.spec import ARCHITECTURES
from alpypy.update.addresses import load_pages
from alpypy.update.edits import set_alpine
from alpypy.update.news import Edit, News, decide, refuse, together
from alpypy.update.pages import text_of, unusable, yaml_of

FILE = "alpine.toml"
_FLAVOR = "alpine-minirootfs"
_BRANCH = re.compile(r"v(3\.\d{1,4})", re.ASCII)
_POINT = re.compile(r"3\.\d{1,4}\.\d{1,4}", re.ASCII)
_ANSWER = re.compile(r"([0-9a-f]{128})\s+\*?(\S+)\s*", re.ASCII)


class AlpineFile(Struct, frozen=True):
    """An entry of latest-releases.yaml; it has more fields."""

    flavor: str = ""
    branch: str = ""
    arch: str = ""
    version: str = ""
    file: str = ""
    sha256: str = ""
    sha512: str = ""


@dataclass(frozen=True)
class LatestRootfs:
    """The newest root file system of an Alpine: its page and entry, and where it is itself."""

    page: Page
    entry: AlpineFile
    path: str
    url: str

    def agrees(self, rootfs: Rootfs) -> bool:
        """Whether it is the file whose digest is listed."""
        algorithm, digest = rootfs.digest
        return bool(getattr(self.entry, algorithm) == digest)


@dataclass(frozen=True)
class _Mirror:
    """Alpine's mirrors, whose files are at the same paths."""

    fetcher: Fetcher
    root: str

    def page(self, path: str) -> Page:
        return self.fetcher.page(f"{self.root}/{path}", path)

    def latest(self, branch: str, arch: str) -> LatestRootfs:
        """What a release's folder lists.

        Raises:
            DownloadError: it is out of reach; ``missing`` if there is none.
            PageError: it is not in the known form.
        """
        folder = f"{branch}/releases/{arch}"
        page = self.page(f"{folder}/latest-releases.yaml")
        entries = [
            entry for entry in yaml_of(page, tuple[AlpineFile, ...]) if entry.flavor == _FLAVOR
        ]
        if len(entries) != 1:
            raise unusable(page, f"it has {len(entries)} entries for {_FLAVOR}, not one")
        _require_usable(page, entries[0], branch, arch)
        path = f"{entries[0].branch}/releases/{arch}/{entries[0].file}"
        return LatestRootfs(page, entries[0], path, f"{self.root}/{path}")


def compare(project: Project, *, check: bool) -> News:
    """The Alpines and point releases that versions/alpine.toml lacks.

    Args:
        check: do not ask for the second source of a digest.

    Raises:
        DigestError: Alpine publishes another digest for a listed file.
        DownloadError: a page is out of reach.
        PageError: a page is not in the known form.
    """
    mirror = _Mirror(project.fetcher, load_pages(project.data).alpine.mirror)
    alpines = load_alpines(project.data / "versions")
    replaced, parts = list[str](), list[News]()
    for name, alpine in {**alpines, **_newer(mirror, alpines)}.items():
        try:
            latest = _latest(mirror, name, alpine)
        except DownloadError as error:
            if not error.missing:
                raise
            parts.append(decide(f"{name}: withdrawn? {error.what}"))
            continue
        replaced += _replaced(alpine, latest) if alpine else ()
        parts.append(_new(mirror, name, alpine, latest, check=check))
    refuse(
        "Alpine publishes another digest for a listed file",
        replaced,
        f"find out why before you change versions/{FILE} by hand; until the two agree, alpypy"
        " writes nothing of Alpine",
    )
    return together(parts)


def _newer(mirror: _Mirror, alpines: Mapping[str, Alpine]) -> Mapping[str, None]:
    """The Alpines up to the newest stable one that versions/ lacks."""
    latest = mirror.latest("latest-stable", ARCHITECTURES[0]).entry.branch.removeprefix("v")
    first = max(map(Version, alpines)).minor + 1
    return {f"3.{minor}": None for minor in range(first, Version(latest).minor + 1)}


def _latest(mirror: _Mirror, name: str, alpine: Alpine | None) -> Mapping[str, LatestRootfs]:
    """By architecture: those that are listed, or all that alpypy builds for."""
    known = alpine.rootfs if alpine else ()
    return {arch: mirror.latest(f"v{name}", arch) for arch in known or ARCHITECTURES}


def _require_usable(page: Page, entry: AlpineFile, branch: str, arch: str) -> None:
    """Raise PageError if an entry does not name the file of this release and architecture."""
    known = _BRANCH.fullmatch(entry.branch)
    if known is None or (branch != "latest-stable" and entry.branch != branch):
        raise unusable(page, f"its branch is {entry.branch!r}")
    if not _POINT.fullmatch(entry.version) or not entry.version.startswith(f"{known[1]}."):
        raise unusable(page, f"its version is {entry.version!r}")
    if entry.file != f"{_FLAVOR}-{entry.version}-{arch}.tar.gz":
        raise unusable(page, f"its file is {entry.file!r}")
    for name, digits in (("sha256", 64), ("sha512", 128)):
        if not re.fullmatch(rf"[0-9a-f]{{{digits}}}", getattr(entry, name)):
            raise unusable(page, f"its {name} is {getattr(entry, name)!r}")


def _replaced(alpine: Alpine, latest: Mapping[str, LatestRootfs]) -> Iterator[str]:
    """Both digests of each listed file that Alpine has another digest for."""
    for arch, rootfs in alpine.rootfs.items():
        now = latest[arch]
        if now.entry.version == alpine.release and not now.agrees(rootfs):
            algorithm, digest = rootfs.digest
            yield f"{now.entry.file} ({algorithm}):"
            yield f"  {digest}  versions/{FILE}"
            yield f"  {getattr(now.entry, algorithm)}  {now.page.address}"


def _new(
    mirror: _Mirror,
    name: str,
    alpine: Alpine | None,
    latest: Mapping[str, LatestRootfs],
    *,
    check: bool,
) -> News:
    """A new Alpine or point release, if it is one."""
    release = next(iter(latest.values())).entry.version
    if question := _question(name, alpine, latest):
        return decide(question)
    if alpine and release == alpine.release:
        return News()
    try:
        parts = [_origin(mirror, now, check=check) for now in latest.values()]
    except DigestError as error:
        return News(refusals=(error,))
    before = f" ({alpine.release} until now)" if alpine else ""
    what = "\n".join([f"Alpine {name}: {release}{before}", *(part.lines for part in parts)])
    digests = {arch: (now.url, now.entry.sha512) for arch, now in latest.items()}
    edit = Edit(FILE, what, lambda text: set_alpine(text, name, release, digests))
    advice = () if alpine else (_advice(name),)
    return News((edit,), (*advice, *(part.question for part in parts if part.question)))


def _question(name: str, alpine: Alpine | None, latest: Mapping[str, LatestRootfs]) -> str | None:
    """Why a newest release is not taken."""
    versions = {arch: now.entry.version for arch, now in latest.items()}
    release = next(iter(versions.values()))
    if len(set(versions.values())) > 1:
        told = ", ".join(f"{version} for {arch}" for arch, version in versions.items())
        return f"{name}: the architectures differ, so nothing is changed: {told}"
    if alpine and Version(release) < Version(alpine.release):
        return (
            f"{name}: {alpine.release} withdrawn? The newest release is {release}, by"
            f" {next(iter(latest.values())).page.address}; nothing is changed"
        )
    return None


@dataclass(frozen=True)
class _DigestOrigin:
    """A file, its digest and the pages that have it; ``question`` if it is only one."""

    lines: str
    question: str | None = None


def _origin(mirror: _Mirror, now: LatestRootfs, *, check: bool) -> _DigestOrigin:
    """Where a digest is from; raises DigestError if two pages contradict each other."""
    lines = f"    {now.entry.file}\n    sha512 {now.entry.sha512}\n    by {now.page.address}"
    if check:
        return _DigestOrigin(lines)
    try:
        return _DigestOrigin(f"{lines}, {_confirmed(mirror, now)}")
    except DownloadError as error:
        question = f"{now.entry.file}: no second source of its digest: {error.what}"
        return _DigestOrigin(lines, question)


def _confirmed(mirror: _Mirror, now: LatestRootfs) -> str:
    """The address of the file's own digest, which says the same.

    Raises:
        DigestError: it says something else.
    """
    page = mirror.page(f"{now.path}.sha512")
    match = _ANSWER.fullmatch(text_of(page))
    if match is None or match[2] != now.entry.file:
        raise unusable(page, f"it is not the SHA-512 of {now.entry.file}")
    if match[1] != now.entry.sha512:
        raise DigestError(
            f"Alpine contradicts itself about {now.entry.file}:"
            f"\n    {now.entry.sha512}  {now.page.address}\n    {match[1]}  {page.address}",
            remedy="nothing is changed for this Alpine; try again later or with another --mirror",
        )
    return page.address


def _advice(name: str) -> str:
    return (
        f"Alpine {name} is new: have packages changed their names (versions/packages.toml), has it"
        " another OpenSSL (versions/tls.toml) or compiler (versions/translation.toml)?"
    )
