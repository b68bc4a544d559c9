"""Where a release is published: a folder, or a release of a GitHub repository."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from pathlib import Path
from typing import Protocol

from alpypy.core.errors import DigestError, SpecError
from alpypy.core.files import file_digest
from alpypy.publish import release
from alpypy.publish.github import Asset, GithubRelease, GithubRepository, overtaken
from alpypy.publish.index import FILE_NAME, ReleaseIndex
from alpypy.publish.page import TITLE, notes

_GITHUB = "github:"
_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{0,38}/[0-9A-Za-z._-]{1,100}", re.ASCII)
_NEW = ".new"  # ends a new file's name until the old file is deleted


class Destination(Protocol):
    """What publishing needs of a place."""

    @property
    def folder(self) -> Path | None:
        """The place, if it is a folder; None if it can hold no folders."""

    def index(self) -> bytes | None:
        """The published index; None if there is none."""

    def pages(self) -> list[str]:
        """Files and folders that have the names of a release's pages."""

    def begin(self) -> None:
        """Write an empty index, by which a run after an interruption recognizes the place."""

    def digest(self, name: str) -> str | None:
        """The SHA-256 of the published file of that name; None if it is missing or incomplete."""

    def add(self, path: Path, sha256: str) -> None:
        """Publish a file under its name, unless another published file has that name."""

    def finish(self, index: ReleaseIndex) -> ReleaseIndex:
        """Replace the pages, the index last; returns the index with the address of the place."""


def destination(to: str, tag: str) -> Destination:
    """What ``--to`` names: ``github:OWNER/REPO``, else a folder.

    Raises:
        SpecError: it is empty or neither, or gh is not installed or not logged in.
        ReleaseError: GitHub refuses.
    """
    if to.startswith(_GITHUB):
        name = to.removeprefix(_GITHUB)
        if not _NAME.fullmatch(name) or name.endswith(("/.", "/..")):
            raise SpecError(
                f"{to!r} does not name a GitHub repository", remedy="write --to github:OWNER/REPO"
            )
        return GithubDestination(GithubRepository(name), tag)
    if not to:
        raise SpecError(
            "publish needs --to", remedy="give a folder, or github:OWNER/REPO: --to /srv/www"
        )
    if "://" in to:
        raise SpecError(
            f"--to {to!r} is neither a folder nor a GitHub repository",
            remedy="write --to FOLDER or --to github:OWNER/REPO",
        )
    return FolderDestination(Path(to))


class FolderDestination:
    """A folder that a server hands out."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def folder(self) -> Path:
        """The folder."""
        return self._path

    def index(self) -> bytes | None:
        """The published index; None if there is none."""
        path = self._path / FILE_NAME
        return path.read_bytes() if path.is_file() else None

    def pages(self) -> list[str]:
        """Those that exist."""
        return [name for name in release.PAGES if os.path.lexists(self._path / name)]

    def begin(self) -> None:
        """Write it."""
        release.begin(self._path)

    def digest(self, name: str) -> str | None:
        """The SHA-256 of a file."""
        path = self._path / name
        return file_digest(path) if path.is_file() else None

    def add(self, path: Path, sha256: str) -> None:
        """Copy a file."""
        release.place(path, self._path / path.name, sha256)

    def finish(self, index: ReleaseIndex) -> ReleaseIndex:
        """Write the pages."""
        release.write_pages(index, self._path)
        return index


class GithubDestination:
    """One release of a repository. Its tag stays, and so does the address of its files."""

    folder = None

    def __init__(self, repository: GithubRepository, tag: str) -> None:
        self._repository = repository
        self._tag = tag
        self._found = repository.release(tag)
        self._assets = repository.assets(self._found) if self._found else {}

    def index(self) -> bytes | None:
        """The published index; after an interruption it may still have the name for new files."""
        for name in (FILE_NAME, f"{FILE_NAME}{_NEW}"):
            asset = self._assets.get(name)
            if asset and asset.whole:
                return self._repository.content(asset)
        return None

    def pages(self) -> list[str]:
        """Those that exist."""
        return [name for name in release.PAGES if self.digest(name)]

    def begin(self) -> None:
        """Send it."""
        self._replace(FILE_NAME, ReleaseIndex().to_json().encode())

    def digest(self, name: str) -> str | None:
        """The SHA-256 of a file; None if it is missing or incomplete."""
        asset = self._assets.get(name)
        return self._repository.digest(asset) if asset and asset.whole else None

    def add(self, path: Path, sha256: str) -> None:
        """Send a file."""
        self._assets[path.name] = self._repository.send(self._release(), path, sha256)

    def finish(self, index: ReleaseIndex) -> ReleaseIndex:
        """Send the pages (those in folders are left out), then the text of the release."""
        made = self._release()
        there = index.at(made.download)
        for name, text in release.pages(there, flat=True).items():
            self._replace(name, text.encode())
        if (made.body or "").split() != notes(there).split():
            self._repository.describe(made, notes(there))
        return there

    def _release(self) -> GithubRelease:
        """The release; created before the first file is sent."""
        if self._found is None:
            self._found = self._repository.create(self._tag, TITLE)
        return self._found

    def _replace(self, name: str, content: bytes) -> None:
        """Send the new file completely before the old one is deleted."""
        sha256 = hashlib.sha256(content).hexdigest()
        before, new = self._assets.get(name), f"{name}{_NEW}"
        if before is None and new not in self._assets:
            self._assets[name] = self._send_page(name, content, sha256)
        elif self.digest(name) != sha256:
            if new in self._assets and self.digest(new) != sha256:
                self._repository.delete(self._assets.pop(new))
            sent = self._assets.pop(new, None) or self._send_page(new, content, sha256)
            if before:
                self._repository.delete(before)
            self._assets[name] = self._repository.rename(sent, name)

    def _send_page(self, name: str, content: bytes, sha256: str) -> Asset:
        with tempfile.TemporaryDirectory(prefix="alpypy-publish-") as folder:
            path = Path(folder) / name
            path.write_bytes(content)
            try:
                return self._repository.send(self._release(), path, sha256)
            except DigestError as error:  # earlier runs' files with this name were deleted before
                raise overtaken(name.removesuffix(_NEW)) from error
