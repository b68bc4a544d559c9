"""Signed packages and indexes for Alpine's ``apk`` (its format, version 2).

A package is three gzip members: the signature of the second, the control segment and the data. An
index is two: its signature, and a tar with an entry for each package. The first members of both
are tars that are not ended.
Source: https://wiki.alpinelinux.org/wiki/Apk_spec

The kit has a smaller writer, alpypy/offline/apk.py, without lasting keys and scripts. Its code
counts in the keys of all translations made with the kit, so nothing is taken out of it here.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import shutil
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from alpypy.core.archive import BROKEN, gzip_writer
from alpypy.core.errors import ReleaseError
from alpypy.core.files import file_digest, whole_file
from alpypy.core.tar import tarfile
from alpypy.publish.apk_files import INDEX
from alpypy.publish.apk_key import ApkKey

_SIGNATURE = ".SIGN.RSA."  # begins a signature's name; the rest is that of the key


@dataclass(frozen=True)
class SignedPackageInfo:
    """What a package says of itself. ``origin`` is the package that it is a part of; ``scripts``
    are shell scripts by their names in the format, such as ``.pre-deinstall``."""

    name: str
    version: str
    arch: str
    description: str
    origin: str
    url: str
    license: str
    depends: Sequence[str] = ()
    provides: Sequence[str] = ()
    scripts: Mapping[str, str] = field(default_factory=dict)

    @property
    def file(self) -> str:
        """The name of its file."""
        return f"{self.name}-{self.version}.apk"


@dataclass(frozen=True)
class SignedPackage:
    """A written package: its size and the installed size in bytes, and how the index names it."""

    info: SignedPackageInfo
    size: int
    installed_size: int
    identity: str


class DataSegment:
    """The files of a package, which are packed one after the other; all belong to root. ``size``
    is the installed size in bytes."""

    def __init__(self, archive: tarfile.TarFile) -> None:
        self._archive = archive
        self._folders: set[PurePosixPath] = set()
        self.size = 0

    def add(self, path: str, content: bytes, like: tarfile.TarInfo) -> None:
        """Pack a file, with the folders above it.

        Args:
            path: where it is on Alpine, without a slash before it.
            like: has its mode and time.
        """
        entry = self._entry(path, tarfile.REGTYPE, content, like)
        entry.mode, entry.size = like.mode, len(content)
        self._archive.addfile(entry, io.BytesIO(content))
        self.size += len(content)

    def add_link(self, path: str, target: str) -> None:
        """Pack a symbolic link, with the folders above it."""
        entry = self._entry(path, tarfile.SYMTYPE, target.encode())
        entry.mode, entry.linkname = 0o777, target
        self._archive.addfile(entry)
        self.size += len(target)  # of a package with the size 0, apk unpacks nothing

    def _entry(
        self, path: str, kind: bytes, content: bytes, like: tarfile.TarInfo | None = None
    ) -> tarfile.TarInfo:
        """The header of a file or a link, after those of its folders."""
        for folder in reversed(PurePosixPath(path).parents[:-1]):
            if folder not in self._folders:
                self._folders.add(folder)
                self._archive.addfile(_entry(str(folder), tarfile.DIRTYPE, 0o755))
        entry = _entry(path, kind, 0o644)
        entry.mtime = like.mtime if like else 0
        entry.pax_headers = {"APK-TOOLS.checksum.SHA1": _sha1(content).hex()}
        return entry


@contextlib.contextmanager
def data_segment(path: Path) -> Iterator[DataSegment]:
    """Write a data segment to a file."""
    with (
        path.open("wb") as file,
        gzip_writer(file) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        yield DataSegment(archive)


def write_package(
    info: SignedPackageInfo, data: Path, installed_size: int, key: ApkKey, folder: Path
) -> SignedPackage:
    """Write a package into ``folder``.

    Args:
        data: a data segment.
        installed_size: of its files, in bytes.
    """
    control = _control(info, installed_size, file_digest(data))
    path = folder / info.file
    with whole_file(path) as temporary, temporary.open("wb") as file, data.open("rb") as content:
        file.write(_signature(control, key) + control)
        shutil.copyfileobj(content, file)
    identity = f"Q1{base64.b64encode(_sha1(control)).decode()}"
    return SignedPackage(info, path.stat().st_size, installed_size, identity)


def write_index(packages: Sequence[SignedPackage], title: str, key: ApkKey, folder: Path) -> None:
    """Write the index of a repository's packages into their folder."""
    entries = "\n".join(_index_entry(package) for package in packages)
    members = {"DESCRIPTION": f"{title}\n", "APKINDEX": f"{entries}\n"}
    index = _segment({name: (text.encode(), 0o644) for name, text in members.items()}, end=True)
    with whole_file(folder / INDEX) as temporary:
        temporary.write_bytes(_signature(index, key) + index)


def read_index(path: Path) -> Sequence[str]:
    """The file names of the packages in an index.

    Raises:
        ReleaseError: it is damaged, or not an index.
    """
    with _readable(path) as archive:
        content = archive.extractfile("APKINDEX")
        entries = content.read().decode().strip().split("\n\n") if content else []
        lines = [dict(line.split(":", 1) for line in entry.splitlines()) for entry in entries]
        return [f"{fields['P']}-{fields['V']}.apk" for fields in lines]


def key_name(path: Path) -> str | None:
    """The name of the key that signed a package or an index; None if it is not signed.

    Raises:
        ReleaseError: it is damaged.
    """
    with _readable(path) as archive:
        first = archive.next()
    name = first.name if first else ""
    return name.removeprefix(_SIGNATURE) if name.startswith(_SIGNATURE) else None


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[tarfile.TarFile]:
    """A package or an index; what goes wrong while it is read becomes a ReleaseError."""
    try:
        with tarfile.open(path) as archive:
            yield archive
    except (*BROKEN, zlib.error) as error:
        raise ReleaseError(
            f"{path} is damaged: {error}",
            remedy="remove it and publish again; or, if it is in the release, make that again",
        ) from error


def _control(info: SignedPackageInfo, size: int, data_digest: str) -> bytes:
    fields = [
        ("pkgname", info.name),
        ("pkgver", info.version),
        ("pkgdesc", info.description),
        ("url", info.url),
        ("size", str(size)),
        ("arch", info.arch),
        ("origin", info.origin),
        ("license", info.license),
        *(("depend", name) for name in info.depends),
        *(("provides", name) for name in info.provides),
        ("datahash", data_digest),
    ]
    text = "".join(f"{name} = {value}\n" for name, value in fields)
    scripts = {name: (script.encode(), 0o755) for name, script in info.scripts.items()}
    return _segment({".PKGINFO": (text.encode(), 0o644), **scripts}, end=False)


def _index_entry(package: SignedPackage) -> str:
    info = package.info
    fields = {
        "C": package.identity,
        "P": info.name,
        "V": info.version,
        "A": info.arch,
        "S": str(package.size),
        "I": str(package.installed_size),
        "T": info.description,
        "U": info.url,
        "L": info.license,
        "o": info.origin,
        "D": " ".join(info.depends),
        "p": " ".join(info.provides),
    }
    return "".join(f"{name}:{value}\n" for name, value in fields.items() if value)


def _signature(content: bytes, key: ApkKey) -> bytes:
    return _segment({f"{_SIGNATURE}{key.name}": (key.sign(content), 0o644)}, end=False)


def _segment(members: Mapping[str, tuple[bytes, int]], *, end: bool) -> bytes:
    """A gzip member with a tar. Each file is given as its content and its mode."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, (content, mode) in members.items():
            entry = _entry(name, tarfile.REGTYPE, mode)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        length = archive.offset
    whole = buffer.getvalue()
    packed = io.BytesIO()
    with gzip_writer(packed) as writer:
        writer.write(whole if end else whole[:length])
    return packed.getvalue()


def _entry(path: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(path)
    entry.type, entry.mode = kind, mode
    entry.uname = entry.gname = "root"
    return entry


def _sha1(content: bytes) -> bytes:
    return hashlib.sha1(content, usedforsecurity=False).digest()
