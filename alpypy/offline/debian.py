"""Debian's signed index: which version of a package its mirrors have today.

apt itself reads and verifies it: the signature of InRelease by the keys that this machine trusts,
by it the lists of packages and sources, and by these the digest of each file. What apt writes for
this is in a folder of alpypy's own; the machine's apt is not changed.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

from filelock import FileLock

from alpypy.core.apt import Repository, repositories
from alpypy.core.errors import DownloadError
from alpypy.core.fetch import fetch_unverified
from alpypy.core.files import disk
from alpypy.core.redact import split_login, without_passwords
from alpypy.core.source import Source

Kind = Literal["deb", "deb-src"]  # packages, or the sources that they are built from
# What suites of a release have after its name; backports and the like are not of the release.
_SUFFIXES = ("", "-updates", "-security")
_ARCH = "amd64"
_TARGETS = {"deb": "Packages", "deb-src": "Sources"}
_COMMANDS = {"deb": ("download",), "deb-src": ("source", "--only-source", "--download-only")}
_LINE = re.compile(r"'(?P<address>[^']+)' \S+ \d+ SHA256:(?P<sha256>[0-9a-f]{64})")
# What apt says of a package, or a source, that it does not have.
_UNKNOWN = re.compile(
    r"^E: (Unable to locate package|Unable to find a source package|.* has no candidate$"
    r"|.* has no installation candidate$)",
    re.MULTILINE,
)
# In place of settings of the machine that run programs, prefer versions or allow what is unsigned.
_SETTINGS = """\
#clear APT::Update;
#clear APT::Architectures;
#clear APT::Default-Release;
APT::Architecture "amd64";
APT::Update::Error-Mode "any";
Acquire::AllowInsecureRepositories "false";
Acquire::AllowWeakRepositories "false";
Acquire::AllowDowngradeToInsecureRepositories "false";
Acquire::ForceHash "SHA256";
Acquire::Languages "none";
Acquire::PDiffs "false";
Dir::Etc::SourceList "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
"""


def open_index(cache: Path, release: str, kind: Kind) -> Index | None:
    """The index of a Debian release as its mirrors have it now; None where none is in reach.

    Args:
        cache: the folder below which apt keeps it.

    Raises:
        DownloadError: an index is not signed as it should be, or its parts do not agree.
        ResourceError: the disk is full.
    """
    of_release = (one for one in repositories() if one.suffix in _SUFFIXES)
    places = {(one.address, one.suffix): one for one in of_release}
    mirrors = [one for one in places.values() if _is_debian(one, release)]
    return Index(cache, release, kind, mirrors) if mirrors else None


def _is_debian(mirror: Repository, release: str) -> bool:
    """Whether a repository has the release and says to be Debian: apt has other ones too, and would
    take a missing one for an error. That it says so truly is for apt to verify."""
    with tempfile.TemporaryDirectory(prefix="alpypy-apt-") as name:
        path = Path(name) / "InRelease"
        try:
            fetch_unverified(f"{mirror.address}/dists/{release}{mirror.suffix}/InRelease", path)
        except DownloadError:
            return False
        return b"\nOrigin: Debian\n" in path.read_bytes()


class Index:
    """What ``open_index`` gives: packages of a release, or their sources."""

    def __init__(
        self, cache: Path, release: str, kind: Kind, mirrors: Sequence[Repository]
    ) -> None:
        self._release = release
        self._kind = kind
        self._roots = tuple(unquote(split_login(mirror.address)[0]) for mirror in mirrors)
        sources = "\n".join(map(self._stanza, mirrors))
        self._folder = cache / "apt" / hashlib.sha256(sources.encode()).hexdigest()[:16]
        with disk(cache):
            self._write(sources)
            self._update()

    def files(self, package: str) -> tuple[Source, ...]:
        """The files of a package's newest version: its .deb, or those of a source package.

        There are none when the release does not have the package.

        Raises:
            DownloadError: apt fails for another reason.
        """
        return self._look_up([package]) or ()

    def all_files(self, packages: Sequence[str]) -> Mapping[str, tuple[Source, ...]]:
        """The same for several packages, which apt looks up in the time of one.

        Raises:
            DownloadError: apt fails for another reason than that a package is unknown.
        """
        files = self._look_up(packages)
        if files is None:  # apt then says nothing of the others
            return {package: self.files(package) for package in packages}
        by_package: dict[str, list[Source]] = {package: [] for package in packages}
        for file in files:
            by_package[file.file_name.partition("_")[0]].append(file)
        return {package: tuple(found) for package, found in by_package.items()}

    def _look_up(self, packages: Sequence[str]) -> tuple[Source, ...] | None:
        """The files of all these packages; None if the release does not have one of them."""
        done = self._apt(*_COMMANDS[self._kind], "--print-uris", *packages)
        if done.returncode and _UNKNOWN.search(done.stderr):
            return None
        if done.returncode:
            raise DownloadError(
                f"apt cannot look up {', '.join(packages)}:\n"
                f"{without_passwords(done.stderr.strip())}",
                remedy="correct what apt says; or pass --mirror with a folder that holds the tested"
                " files",
            )
        lines = (_LINE.match(line) for line in done.stdout.splitlines())
        return tuple(self._file(line) for line in lines if line)

    def _file(self, line: re.Match[str]) -> Source:
        address = unquote(split_login(line["address"])[0])
        root = next(root for root in self._roots if address.startswith(f"{root}/"))
        return Source("", line["sha256"], debian=address.removeprefix(f"{root}/"))

    def _stanza(self, mirror: Repository) -> str:
        fields = {
            "Types": self._kind,
            "URIs": mirror.address,
            "Suites": f"{self._release}{mirror.suffix}",
            "Components": "main",
            "Architectures": _ARCH,
            "Targets": _TARGETS[self._kind],
            "Signed-By": mirror.signed_by,
        }
        return "".join(f"{name}: {value}\n" for name, value in fields.items() if value)

    def _write(self, sources: str) -> None:
        for name in ("sources", "lists/partial", "archives/partial"):
            (self._folder / name).mkdir(parents=True, exist_ok=True)
        path = self._folder / "sources/debian.sources"
        path.touch(mode=0o600)  # an address can have a password in it
        path.write_text(sources, encoding="utf-8")
        (self._folder / "apt.conf").write_text(_SETTINGS, encoding="utf-8")
        (self._folder / "status").touch()  # the packages of this machine do not count

    def _update(self) -> None:
        with FileLock(self._folder / "update.lock"):
            done = self._apt("update")
        if done.returncode:
            said = without_passwords(done.stderr.strip())
            raise DownloadError(
                f"apt refuses the index of Debian {self._release}:\n{said}",
                remedy="check that Debian's keys are installed (apt-get install"
                " debian-archive-keyring), that the clock is right, and that no proxy changes"
                " files; or pass --mirror with a folder that holds the tested files",
            )

    def _apt(self, *words: str) -> subprocess.CompletedProcess[str]:
        places = {
            "Dir::State": self._folder,
            "Dir::State::status": self._folder / "status",
            "Dir::Cache": self._folder,
            "Dir::Etc::SourceParts": self._folder / "sources",
        }
        options = [word for name, path in places.items() for word in ("-o", f"{name}={path}")]
        command = ["apt-get", "-qq", "-c", str(self._folder / "apt.conf"), *options, *words]
        environment = {**os.environ, "LC_ALL": "C.UTF-8"}
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
