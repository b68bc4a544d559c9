"""Publish a release: files first, the index last, and nothing that is there is ever replaced."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from alpypy.core.errors import SpecError
from alpypy.publish import release
from alpypy.publish.destination import Destination
from alpypy.publish.index import FILE_NAME, Artifact, ReleaseIndex, never_replaced, parse


def publish(folder: Path, there: Destination, say: Callable[[str], None]) -> ReleaseIndex:
    """Add the release in a folder to what is published; it can be run again at any time.

    What is published already stays, and the index afterwards has both. A published file that was
    removed by hand leaves the index.

    Raises:
        SpecError: the folder has no release, or what is there is something else.
        DigestError: a file of it is not the one that its index names, or a published one has its
            name and other bytes; nothing is sent then.
        ReleaseError: the index there is not usable, or the place refuses.
    """
    mine = release.read(folder)
    missing = _missing(mine, there)
    earlier = _published(there)
    kept = list(_kept(mine, earlier, there, say))
    for artifact in missing:
        say(f"publishing {artifact.file} ({artifact.size / 1e6:.1f} MB)")
        there.add(folder / artifact.file, artifact.sha256)
    index = there.finish(ReleaseIndex.of([*mine.artifacts, *kept], mine.url or earlier.url))
    say(f"{len(missing)} new, {len(index.artifacts) - len(missing)} were there already")
    return index


def _missing(mine: ReleaseIndex, there: Destination) -> list[Artifact]:
    missing, taken = list[Artifact](), list[tuple[str, str, str]]()
    for artifact in mine.artifacts:
        digest = there.digest(artifact.file)
        if digest is None:
            missing.append(artifact)
        elif digest != artifact.sha256:
            taken.append((artifact.file, digest, artifact.sha256))
    if taken:
        raise never_replaced(*taken)
    return missing


def _published(there: Destination) -> ReleaseIndex:
    """What is published; a place without anything of a release becomes one of an empty one."""
    text = there.index()
    if text is not None:
        return parse(text, f"the published {FILE_NAME}")
    if pages := there.pages():
        raise SpecError(
            f"there is no {FILE_NAME} in that place, but something else: {', '.join(pages)}",
            remedy="give --to another place, such as a new folder in it, or move these away",
        )
    there.begin()
    return ReleaseIndex()


def _kept(
    mine: ReleaseIndex, earlier: ReleaseIndex, there: Destination, say: Callable[[str], None]
) -> Iterator[Artifact]:
    """What was published before and is not in this release."""
    own = {artifact.file for artifact in mine.artifacts}
    for artifact in earlier.artifacts:
        if artifact.file in own:
            continue
        if there.digest(artifact.file) == artifact.sha256:
            yield artifact
        else:
            say(f"no longer in the index: {artifact.file}, which was removed there or changed")
