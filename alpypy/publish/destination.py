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
from alpypy.publish.github import Asset, GithubRelease, Repository, overtaken
from alpypy.publish.index import FILE_NAME, Index
from alpypy.publish.page import TITLE, notes

_GITHUB = "github:"
_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{0,38}/[0-9A-Za-z._-]{1,100}", re.ASCII)
_NEW = ".new"  # ends the name of a file until it takes the place of the one before


class Destination(Protocol):
    """What publishing needs of a place."""

    def index(self) -> bytes | None:
        """The index that is there."""

    def pages(self) -> list[str]:
        """What is there under the names of a release's pages."""

    def begin(self) -> None:
        """Put an index of nothing yet there, by which an interrupted run is known."""

    def digest(self, name: str) -> str | None:
        """The SHA-256 of the whole file of that name; None when there is none."""

    def add(self, path: Path, sha256: str) -> None:
        """Make a file part of what is there, under its name, which no other file may have."""

    def finish(self, index: Index) -> Index:
        """Replace what is made of the index, itself last; gives it as it is there."""


def destination(to: str, tag: str) -> Destination:
    """What ``--to`` names: ``github:OWNER/REPO``, else a folder.

    Raises:
        SpecError: it is empty or neither, or gh is not installed or not logged in.
        ReleaseError: GitHub refuses.
    """
    if to.startswith(_GITHUB):
        name = to.removeprefix(_GITHUB)
        if not _NAME.fullmatch(name) or name.endswith(("/.", "/..")):
            raise SpecError(f"{to!r} is no repository", remedy="write it as github:OWNER/REPO")
        return GithubDestination(Repository(name), tag)
    if not to:
        raise SpecError(
            "invoke publish needs --to", remedy="give a folder, or github:OWNER/REPO: --to /srv/www"
        )
    if "://" in to:
        raise SpecError(
            f"{to!r} is neither a folder nor a repository",
            remedy="give --to a folder, or github:OWNER/REPO",
        )
    return FolderDestination(Path(to))


class FolderDestination:
    """A folder that a server hands out."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def index(self) -> bytes | None:
        """The index that is there."""
        path = self._path / FILE_NAME
        return path.read_bytes() if path.is_file() else None

    def pages(self) -> list[str]:
        """What is there under their names."""
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

    def finish(self, index: Index) -> Index:
        """Write the pages."""
        release.write_pages(index, self._path)
        return index


class GithubDestination:
    """One release of a repository. Its tag stays, and so does the address of its files."""

    def __init__(self, repository: Repository, tag: str) -> None:
        self._repository = repository
        self._tag = tag
        self._found = repository.release(tag)
        self._assets = repository.assets(self._found) if self._found else {}

    def index(self) -> bytes | None:
        """The index that is there; one counts that was cut off before it had its name."""
        for name in (FILE_NAME, f"{FILE_NAME}{_NEW}"):
            asset = self._assets.get(name)
            if asset and asset.whole:
                return self._repository.content(asset)
        return None

    def pages(self) -> list[str]:
        """What is there under their names."""
        return [name for name in release.PAGES if self.digest(name)]

    def begin(self) -> None:
        """Send it."""
        self._replace(FILE_NAME, Index().to_json().encode())

    def digest(self, name: str) -> str | None:
        """The SHA-256 of a file; one that was sent in part is none."""
        asset = self._assets.get(name)
        return self._repository.digest(asset) if asset and asset.whole else None

    def add(self, path: Path, sha256: str) -> None:
        """Send a file."""
        self._assets[path.name] = self._repository.send(self._release(), path, sha256)

    def finish(self, index: Index) -> Index:
        """Send the pages, without folders as a release has none; then the release's own text."""
        made = self._release()
        there = index.at(made.download)
        for name, text in release.pages(there, flat=True).items():
            self._replace(name, text.encode())
        if (made.body or "").split() != notes(there).split():
            self._repository.describe(made, notes(there))
        return there

    def _release(self) -> GithubRelease:
        """It is made when there is something to send."""
        if self._found is None:
            self._found = self._repository.create(self._tag, TITLE)
        return self._found

    def _replace(self, name: str, content: bytes) -> None:
        """The new file is there whole before the one before goes."""
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
            except DigestError as error:  # what an earlier run left there was removed before
                raise overtaken(name.removesuffix(_NEW)) from error
