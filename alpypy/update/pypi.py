"""Pinned files of PyPI: still there with the same digest, and whether a newer one is wanted."""

from __future__ import annotations

import hashlib
import re
import tomllib
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urldefrag, urljoin

from msgspec import Struct
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.tags import Tag
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
from alpypy.wheels import cibuildwheel
from alpypy.wheels.settings import index_url

KIT = "kit.toml"
_INDEX = "https://pypi.org/simple"
_FILES = "https://files.pythonhosted.org/packages"
# https://packaging.python.org/en/latest/specifications/simple-repository-api/
JSON = "application/vnd.pypi.simple.v1+json"
_FORMS = f"{JSON}, text/html;q=0.1"
# Projects whose next version is wanted, beside the wheels of the kit and of the image for
# cibuildwheel. Every other pin is held at a version, for the reason that stands beside it.
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


class IndexedFile(Struct, frozen=True, rename="kebab"):
    """A file of a project, as an index lists it; ``url`` may be relative to the page."""

    filename: str
    hashes: Mapping[str, str]
    url: str = ""
    yanked: bool | str = False
    requires_python: str | None = None

    @property
    def sha256(self) -> str:
        """Empty if the index has another digest alone."""
        return self.hashes.get("sha256", "")


class IndexedProject(Struct, frozen=True):
    """A project's page in an index."""

    files: tuple[IndexedFile, ...]


def compare(project: Project, *, check: bool) -> News:
    """What PyPI says of the pinned files today, and the next wheels for the kit and the image for
    cibuildwheel.

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
    python = cibuildwheel.load_data(project.data).python
    fetcher = None if check else project.fetcher
    parts = []
    for pin, page in listed:
        if page is None:
            where = split_login(index)[0]
            parts.append(decide(f"{pin.label}: withdrawn? {where} has no such project"))
            continue
        parts.append(News(decisions=tuple(_state(pin, page))))
        if pin.sha256 == wheel.sha256:
            parts.append(_next_wheel(_for_kit(wheel, pin), pin, page, fetcher))
        elif pin.file == cibuildwheel.FILE_NAME:
            parts.append(_next_wheel(_for_image(python, pin), pin, page, fetcher))
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
    """A project's page, its address with user and password, and its files by name."""

    page: Page
    files: Mapping[str, IndexedFile]
    url: str

    def url_of(self, file: IndexedFile) -> str:
        """Where the index has a file; with the page's login, if it is on the same server."""
        return urljoin(self.url, file.url)


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
    return _Project(page, {file.filename: file for file in files}, f"{index}/{name}/")


def _html_files(page: Page) -> Iterator[IndexedFile]:
    """The files of a page in HTML: an index need not have JSON."""
    for link in html_of(page).find_all("a"):
        url, fragment = urldefrag(str(link.get("href")))
        name, _, digest = fragment.partition("=")
        yield IndexedFile(
            link.get_text().strip(),
            {name: digest},
            url,
            yanked=link.has_attr("data-yanked"),
            requires_python=str(link.get("data-requires-python") or ""),
        )


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


@dataclass(frozen=True)
class _Wanted:
    """What a wheel must have to take the place of a pinned one: one of the ``tags``, and a Python
    as old as ``python``. ``fields`` gives what its entry needs beside version and digest; None if
    the wheel does not fit, which ``unfit`` explains."""

    tags: frozenset[Tag]
    fields: Callable[[Path], Mapping[str, str] | None]
    python: Version | None = None
    unfit: str = ""


def _for_kit(wheel: AlpineWheel, pin: PypiPin) -> _Wanted:
    """A wheel of the same kind that has the same Alpine in it."""
    return _Wanted(
        _tags(pin.name),
        lambda path: {"file_name": path.name} if _has(path, wheel.disk) else None,
        unfit=f"it has no {wheel.disk}; which Alpine is in it? See [wheel] in versions/{KIT}",
    )


def _for_image(python: Version, pin: PypiPin) -> _Wanted:
    """A wheel that runs on the oldest PyPy of an image for cibuildwheel, on musl."""
    tags = (tag for tag in _tags(pin.name) if tag.platform.startswith(("any", "musllinux")))
    return _Wanted(frozenset(tags), lambda path: {"url": _published(path)}, python)


def _next_wheel(wanted: _Wanted, pin: PypiPin, listed: _Project, fetcher: Fetcher | None) -> News:
    """The newest wheel that is wanted; without ``fetcher`` it is not looked into."""
    file = max(_fitting(wanted, listed), key=_version, default=None)
    if file is None or _version(file) <= pin.version:
        return News()
    what = f"{pin.project} {_version(file)}"
    if not re.fullmatch("[0-9a-f]{64}", file.sha256):
        return decide(f"{what}: {listed.page.address} has no SHA-256 of it")
    fields = {"pypi": f"{pin.project}=={_version(file)}", "sha256": file.sha256}
    origin = listed.page.address
    if fetcher is not None:
        source = Source(listed.url_of(file), file.sha256, fields["pypi"], name=file.filename)
        try:
            more = wanted.fields(fetcher.fetch(source))
        except (DigestError, DownloadError) as error:
            return News(refusals=(error,))
        if more is None:
            return decide(f"{what}: {wanted.unfit}")
        fields |= more
        origin += ", the wheel itself"
    line = f"{fields['pypi']} ({pin.version} until now)\n    sha256 {file.sha256}\n    by {origin}"
    return News((Edit(pin.file, line, lambda text: set_fields(text, pin.sha256, fields)),))


def _tags(name: str) -> frozenset[Tag]:
    return parse_wheel_filename(name)[3]


def _fitting(wanted: _Wanted, listed: _Project) -> Iterator[IndexedFile]:
    """The final wheels with such a tag that are for such a Python, and not yanked."""
    for file in listed.files.values():
        if file.filename.endswith(".whl") and file.yanked is False:
            try:
                _, version, _, tags = parse_wheel_filename(file.filename)
            except InvalidWheelFilename:
                continue
            if tags & wanted.tags and not version.is_prerelease and _runs(wanted.python, file):
                yield file


def _runs(python: Version | None, file: IndexedFile) -> bool:
    """Whether a file is for such a Python. Old ones have ``>=3.5.*``, which is no specifier."""
    try:
        return python is None or python in SpecifierSet(file.requires_python or "")
    except InvalidSpecifier:
        return False


def _published(path: Path) -> str:
    """The address of a file on PyPI, which its BLAKE2b digest gives. That of an index may be a
    mirror's, which is not for others.

    Source: https://github.com/pypi/warehouse, warehouse/forklift/legacy.py
    """
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=32)).hexdigest()
    return f"{_FILES}/{digest[:2]}/{digest[2:4]}/{digest[4:]}/{path.name}"


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
