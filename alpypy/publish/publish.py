"""Publish a release: files first, the index last. A published file is never replaced."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from alpypy.core.errors import SpecError
from alpypy.publish import release
from alpypy.publish.destination import Destination
from alpypy.publish.index import FILE_NAME, Artifact, ReleaseIndex, never_replaced, parse


def publish(folder: Path, destination: Destination, say: Callable[[str], None]) -> ReleaseIndex:
    """Add the release in a folder to the published release; you can repeat this at any time.

    Published files stay, and the new index has both. A published file that was removed by hand
    leaves the index.

    Raises:
        SpecError: the folder has no release, or the destination has other files.
        DigestError: a file's digest is not that of its index, or a published file has its name and
            other bytes. alpypy then sends nothing.
        ReleaseError: the published index is not usable, or the destination refuses.
    """
    local = release.read(folder)
    missing = _missing(local, destination)
    earlier = _published(destination)
    kept = list(_kept(local, earlier, destination, say))
    for artifact in missing:
        say(f"publishing {artifact.file} ({artifact.size / 1e6:.1f} MB)")
        destination.add(folder / artifact.file, artifact.sha256)
    index = destination.finish(ReleaseIndex.of([*local.artifacts, *kept], local.url or earlier.url))
    say(f"{len(missing)} new, {len(index.artifacts) - len(missing)} were there already")
    return index


def _missing(local: ReleaseIndex, destination: Destination) -> list[Artifact]:
    missing, taken = list[Artifact](), list[tuple[str, str, str]]()
    for artifact in local.artifacts:
        digest = destination.digest(artifact.file)
        if digest is None:
            missing.append(artifact)
        elif digest != artifact.sha256:
            taken.append((artifact.file, digest, artifact.sha256))
    if taken:
        raise never_replaced(*taken)
    return missing


def _published(destination: Destination) -> ReleaseIndex:
    """The published release; an empty place gets an empty release."""
    text = destination.index()
    if text is not None:
        return parse(text, f"the published {FILE_NAME}")
    if pages := destination.pages():
        raise SpecError(
            f"there is no {FILE_NAME} in that place, but there are other files: {', '.join(pages)}",
            remedy="give --to another place, such as a new folder in it, or move these away",
        )
    destination.begin()
    return ReleaseIndex()


def _kept(
    local: ReleaseIndex, earlier: ReleaseIndex, destination: Destination, say: Callable[[str], None]
) -> Iterator[Artifact]:
    """The published artifacts that are not in this release."""
    own = {artifact.file for artifact in local.artifacts}
    for artifact in earlier.artifacts:
        if artifact.file in own:
            continue
        if destination.digest(artifact.file) == artifact.sha256:
            yield artifact
        else:
            say(f"no longer in the index: {artifact.file}, which was removed there or changed")
