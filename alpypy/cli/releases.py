"""``release``, ``publish`` and ``download``: how a PyPy gets to those who use it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from alpypy.cli import common
from alpypy.cli.command import command
from alpypy.cli.options import PORTABLE, Option
from alpypy.core.errors import SpecError
from alpypy.core.folders import ROOT, artifacts_folder, cache_folder
from alpypy.core.log import say
from alpypy.core.program import typed
from alpypy.recipes.spec import Target

if TYPE_CHECKING:
    from alpypy.publish.apk_key import ApkKey
    from alpypy.publish.index import ReleaseIndex, ReleaseSettings


@dataclass(frozen=True, kw_only=True)
class ReleaseOptions:
    """Options of ``release``."""

    out: Annotated[
        Path | None, Option("folder to make the release in (default: artifacts/release)")
    ] = None
    url: Annotated[
        str | None,
        Option("address below which it will be served (default: url in versions/release.toml)"),
    ] = None
    apk_key: Annotated[
        Path | None, Option("private RSA key (PEM) to sign an Alpine repository of the PyPys with")
    ] = None


@command(ReleaseOptions)
def release(options: ReleaseOptions) -> None:
    """Gather verified tarballs and tested wheels into a folder that any server can hand out."""
    from alpypy.publish.index import load_settings
    from alpypy.publish.release import gather

    folder = options.out or _release_folder()
    key = _apk_key(options.apk_key, folder)
    url = release_url(options.url, load_settings(ROOT))
    index = gather(artifacts_folder(), folder, url, say)
    common.show(f"{folder}: {len(index.tarballs)} PyPys, {len(index.wheels)} wheels")
    if key:
        _write_repository(index, folder, key)


def _apk_key(path: Path | None, folder: Path) -> ApkKey | None:
    """The key, unless it is in the folder that will be served."""
    from alpypy.publish.apk_key import load_key

    if path and path.resolve().is_relative_to(folder.resolve()):
        raise SpecError(
            f"--apk-key {path} is in the release, which everybody can read",
            remedy="move it to a folder of your own",
        )
    return load_key(path) if path else None


def _write_repository(index: ReleaseIndex, folder: Path, key: ApkKey) -> None:
    from alpypy.publish.apk_files import APK, KEYS
    from alpypy.publish.apk_repository import write_repository
    from alpypy.recipes.data import load_pypys

    releases = load_pypys(ROOT / "versions").items()
    stable = {name for name, pypy in releases if pypy.stable}
    number = write_repository(index, folder, key, stable, say)
    common.show(f"{folder / APK}: {number} Alpine packages, signed; {KEYS}/{key.name}")


@dataclass(frozen=True, kw_only=True)
class PublishOptions:
    """Options of ``publish``."""

    to: Annotated[str, Option("github:OWNER/REPO, or a folder: --to /srv/www")]
    release: Annotated[
        Path | None, Option(f"folder that `{typed('release')}` made (default: artifacts/release)")
    ] = None


@command(PublishOptions)
def publish(options: PublishOptions) -> None:
    """Add a release to what is published; nothing that is there is replaced by another file."""
    from alpypy.publish.destination import destination
    from alpypy.publish.index import load_settings
    from alpypy.publish.publish import publish as add

    there = destination(options.to, load_settings(ROOT).tag)
    folder = options.release or _release_folder()
    index = add(folder, there, say)
    common.show(index.url or options.to)


@dataclass(frozen=True, kw_only=True)
class DownloadOptions:
    """Options of ``download``."""

    pypy: Annotated[str, Option("which PyPy: 3.11-8.0.0, or 3.11 for its newest in the release")]
    alpine: Annotated[
        str | None, Option("for which Alpine: 3.24 (default: the newest in the release)")
    ] = None
    arch: Annotated[str, Option("x86_64 or aarch64")] = "x86_64"
    portable: Annotated[bool, PORTABLE] = False
    from_: Annotated[
        str | None, Option("address of the release (default: url in versions/release.toml)")
    ] = None
    extract: Annotated[Path | None, Option("folder to unpack it in")] = None


@command(DownloadOptions)
def download(options: DownloadOptions) -> None:
    """Download a PyPy for an Alpine out of a release, into artifacts/."""
    from alpypy.core.unpack import unpack
    from alpypy.publish.download import DownloadSettings, next_steps
    from alpypy.publish.download import download as fetch
    from alpypy.publish.index import load_settings

    place = DownloadSettings(
        options.from_ or default_url(load_settings(ROOT)), cache_folder(), artifacts_folder()
    )
    path, tarball = fetch(place, _meant(place.url, options))
    common.show(str(path))
    folder = unpack(path, options.extract) if options.extract else None
    for line in next_steps(path, tarball, folder):
        say(line)


def _meant(url: str, options: DownloadOptions) -> Target:
    """The PyPy to download; says which one it is if the options do not say it in full."""
    from alpypy.publish.download import offered, read_index
    from alpypy.recipes.choice import Wanted

    if options.portable and options.alpine:
        raise SpecError(
            f"a portable PyPy is for every musl, and --alpine is {options.alpine!r}",
            remedy="leave --portable or --alpine out",
        )
    wanted = Wanted(options.pypy, options.alpine, options.arch, portable=options.portable)
    if options.alpine and not wanted.names_language:
        return Target.parse(options.pypy, options.alpine, options.arch)
    choice = offered(read_index(url), wanted)
    say(choice.words or "")
    return choice.target


def _release_folder() -> Path:
    return artifacts_folder() / "release"


def default_url(settings: ReleaseSettings) -> str:
    """Where downloads come from when ``--from`` does not say it.

    Raises:
        SpecError: versions/release.toml names no address.
    """
    if not settings.url:
        raise SpecError(
            "there is no address to download from",
            remedy="give it with --from, or write it into versions/release.toml",
        )
    return settings.url


def release_url(url: str | None, settings: ReleaseSettings) -> str | None:
    """The address that stands in a release's page: the one that is given, else the settings'.

    Raises:
        SpecError: it is none.
    """
    from alpypy.publish.index import public_address

    return public_address(url or settings.url) if url or settings.url else None
