"""Publish a release: files first, the index last. A published file is never replaced."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from alpypy.core.errors import SpecError
from alpypy.publish import release
from alpypy.publish.apk_publish import check_repository, publish_repository
from alpypy.publish.destination import Destination
from alpypy.publish.index import (
    FILE_NAME,
    Artifact,
    ReleasedFile,
    ReleasedTarball,
    ReleaseIndex,
    never_replaced,
    parse,
)


def publish(folder: Path, destination: Destination, say: Callable[[str], None]) -> ReleaseIndex:
    """Add the release in a folder to the published release; you can repeat this at any time.

    Published files stay, and the new index has both. A published file that was removed by hand
    leaves the index.

    Raises:
        SpecError: the folder has no release, or the destination has other files.
        DigestError: a file's digest is not that of its index, or a published file has its name and
            other bytes. alpypy then sends nothing.
        ReleaseError: the published index is not usable, a published Alpine package differs, or the
            destination refuses.
    """
    made = release.read(folder)
    text = destination.index()
    earlier = ReleaseIndex() if text is None else parse(text, f"the published {FILE_NAME}")
    local = _with_published_gzip(made, earlier, destination)
    missing = _missing(local, destination)
    if text is None:
        _refuse_others(destination)
    check_repository(folder, destination.folder)
    if text is None:
        destination.begin()
    kept = list(_kept(local, earlier, destination, say))
    for file in missing:
        say(f"publishing {file.name} ({file.size / 1e6:.1f} MB)")
        destination.add(folder / file.name, file.sha256)
    publish_repository(folder, destination.folder, say)
    index = destination.finish(ReleaseIndex.of([*local.artifacts, *kept], local.url or earlier.url))
    say(f"{len(missing)} new, {len(index.files) - len(missing)} were there already")
    return index


def _with_published_gzip(
    local: ReleaseIndex, earlier: ReleaseIndex, destination: Destination
) -> ReleaseIndex:
    """The release with the ``.tar.gz`` that is published already, where there is one: another zlib
    may have made other bytes of the same tar here."""
    published = {
        tarball.sha256: tarball
        for tarball in earlier.tarballs
        if tarball.gzip and _is_there(tarball.gzip, destination)
    }

    def settled(artifact: Artifact) -> Artifact:
        there = published.get(artifact.sha256)
        if there and isinstance(artifact, ReleasedTarball):
            return replace(artifact, gzip=there.gzip, python=there.python)
        return artifact

    return replace(local, artifacts=tuple(map(settled, local.artifacts)))


def _is_there(file: ReleasedFile, destination: Destination) -> bool:
    return destination.digest(file.name) == file.sha256


def _missing(local: ReleaseIndex, destination: Destination) -> list[ReleasedFile]:
    missing, taken = list[ReleasedFile](), list[tuple[str, str, str]]()
    for file in local.files:
        digest = destination.digest(file.name)
        if digest is None:
            missing.append(file)
        elif digest != file.sha256:
            taken.append((file.name, digest, file.sha256))
    if taken:
        raise never_replaced(*taken)
    return missing


def _refuse_others(destination: Destination) -> None:
    """Raise SpecError if a place without a release has somebody else's files."""
    if pages := destination.pages():
        raise SpecError(
            f"there is no {FILE_NAME} in that place, but there are other files: {', '.join(pages)}",
            remedy="give --to another place, such as a new folder in it, or move these away",
        )


def _kept(
    local: ReleaseIndex, earlier: ReleaseIndex, destination: Destination, say: Callable[[str], None]
) -> Iterator[Artifact]:
    """The published artifacts that are not in this release, with the files that are still there."""
    own = {artifact.file for artifact in local.artifacts}
    for artifact in earlier.artifacts:
        if artifact.file in own:
            continue
        lost = [file.name for file in artifact.files if not _is_there(file, destination)]
        for name in lost:
            say(f"no longer in the index: {name}, which was removed there or changed")
        if artifact.file in lost:
            continue
        if lost and isinstance(artifact, ReleasedTarball):
            yield replace(artifact, gzip=None)
        else:
            yield artifact
