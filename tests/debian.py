"""A Debian repository on loopback, signed with a key made for the test, and the settings that
make it one of this machine's apt."""

from __future__ import annotations

import hashlib
import lzma
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

from alpypy.core.source import Source
from tests.loopback import Site

_BEGINNING = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Key:
    """A key to sign with, in a gpg home of its own."""

    home: Path

    def run(self, *words: str, text: bytes = b"") -> bytes:
        command = ["gpg", "--homedir", str(self.home), "--batch", "--quiet", "--armor", *words]
        return subprocess.run(command, input=text, capture_output=True, check=True).stdout

    def sign(self, text: bytes) -> bytes:
        return self.run("--clear-sign", text=text)

    def public(self) -> str:
        return self.run("--export").decode()


@contextmanager
def new_key() -> Iterator[Key]:
    """Its agent ends with it. The path is short: one of a socket is to fit into 108 characters."""
    with tempfile.TemporaryDirectory(prefix="gpg-") as name:
        key = Key(Path(name))
        words = ("--passphrase", "", "--quick-generate-key", "alpypy test", "ed25519", "sign")
        key.run(*words)
        try:
            yield key
        finally:
            subprocess.run(["gpgconf", "--homedir", name, "--kill", "gpg-agent"], check=True)


@dataclass
class Repository:
    """What a mirror has below ``debian/``, as ``publish`` lists it in the suites' indexes."""

    site: Site
    key: Key
    folder: Path
    origin: str = "Debian"
    packages: dict[str, list[str]] = field(default_factory=dict)
    sources: dict[str, list[str]] = field(default_factory=dict)
    published: int = 0

    @property
    def address(self) -> str:
        return f"{self.site.address}/debian"

    def deb(
        self,
        name: str,
        version: str,
        files: Mapping[str, bytes] | None = None,
        *,
        source: str | None = None,
        suite: str = "bookworm",
    ) -> Source:
        """Add a package built with dpkg-deb."""
        with tempfile.TemporaryDirectory(dir=self.folder) as temporary:
            tree = Path(temporary) / "tree"
            for path, content in {"usr/share/x": version.encode(), **(files or {})}.items():
                (tree / path).parent.mkdir(parents=True, exist_ok=True)
                (tree / path).write_bytes(content)
            (tree / "DEBIAN").mkdir()
            control = {
                "Package": name,
                "Version": version,
                "Architecture": "amd64",
                "Maintainer": "a test <test@localhost>",
                "Description": "of a test",
            }
            (tree / "DEBIAN/control").write_text(_stanza(control))
            built = Path(temporary) / "built.deb"
            command = ["dpkg-deb", "--root-owner-group", "--build", str(tree), str(built)]
            subprocess.run(command, check=True, capture_output=True)
            return self._add_deb(control, built.read_bytes(), source or name, suite)

    def repacked(self, deb: Path, version: str, *, source: str, suite: str = "bookworm") -> Source:
        """Add a package of Debian's with the same files as another version."""
        with tempfile.TemporaryDirectory(dir=self.folder) as temporary:
            tree, built = Path(temporary) / "tree", Path(temporary) / "built.deb"
            subprocess.run(["dpkg-deb", "--raw-extract", str(deb), str(tree)], check=True)
            control = tree / "DEBIAN/control"
            lines = [
                f"Version: {version}" if line.startswith("Version: ") else line
                for line in control.read_text().splitlines()
            ]
            control.write_text("\n".join(lines) + "\n")
            command = ["dpkg-deb", "--root-owner-group", "--build", str(tree), str(built)]
            subprocess.run(command, check=True, capture_output=True)
            fields = dict(line.split(": ", 1) for line in lines if ": " in line[1:])
            return self._add_deb(fields, built.read_bytes(), source, suite)

    def _add_deb(
        self, control: Mapping[str, str], content: bytes, source: str, suite: str
    ) -> Source:
        version = control["Version"].rpartition(":")[2]
        name = f"{control['Package']}_{version}_{control['Architecture']}.deb"
        pin = self._put(f"pool/main/{source[0]}/{source}/{name}", content)
        fields = {
            **control,
            "Filename": pin.debian or "",
            "Size": str(len(content)),
            "SHA256": pin.sha256,
        }
        self.packages.setdefault(suite, []).append(_stanza(fields))
        return pin

    def source(
        self,
        name: str,
        version: str,
        content: bytes,
        *,
        suite: str = "bookworm",
        suffix: str = "gz",
    ) -> Source:
        """Add a source package with this upstream tarball, and two files that always go with it."""
        upstream = version.rpartition("-")[0]
        place = f"pool/main/{name[0]}/{name}"
        files = {
            f"{name}_{version}.dsc": b"Format: 3.0 (quilt)\n",
            f"{name}_{upstream}.orig-docs.tar.xz": b"docs",
            f"{name}_{upstream}.orig.tar.{suffix}": content,
        }
        pins = [self._put(f"{place}/{file}", text) for file, text in files.items()]
        sizes = [f"{len(text)} {file}" for file, text in files.items()]
        md5 = [hashlib.md5(text).hexdigest() for text in files.values()]
        fields = {
            "Package": name,
            "Binary": name,
            "Version": version,
            "Architecture": "any",
            "Format": "3.0 (quilt)",
            "Directory": place,
            "Files": _lines(f"{digest} {size}" for digest, size in zip(md5, sizes, strict=True)),
            "Checksums-Sha256": _lines(
                f"{pin.sha256} {size}" for pin, size in zip(pins, sizes, strict=True)
            ),
        }
        self.sources.setdefault(suite, []).append(_stanza(fields))
        return pins[-1]

    def _put(self, path: str, content: bytes) -> Source:
        self.site.files[f"/debian/{path}"] = content
        return Source("", hashlib.sha256(content).hexdigest(), debian=path)

    def remove(self, pin: Source) -> None:
        """What a mirror does to a file that is in no suite any more."""
        del self.site.files[f"/debian/{pin.debian}"]

    def publish(self, *suites: str, key: Key | None = None) -> None:
        """Write the signed indexes of suites anew, each time with a later date."""
        self.published += 1
        for suite in suites or ("bookworm",):
            files = {
                "main/binary-amd64/Packages": "\n".join(self.packages.get(suite, ())),
                "main/source/Sources": "\n".join(self.sources.get(suite, ())),
            }
            packed = {f"{name}.xz": lzma.compress(text.encode()) for name, text in files.items()}
            plain = {name: text.encode() for name, text in files.items()}
            for name, content in packed.items():
                self.site.files[f"/debian/dists/{suite}/{name}"] = content
            text = self._release(suite, {**plain, **packed}).encode()
            self.site.files[f"/debian/dists/{suite}/InRelease"] = (key or self.key).sign(text)

    def _release(self, suite: str, files: Mapping[str, bytes]) -> str:
        fields = {
            "Origin": self.origin,
            "Label": self.origin,
            "Suite": suite,
            "Codename": suite,
            "Date": format_datetime(_BEGINNING + timedelta(days=self.published), usegmt=True),
            "Architectures": "amd64",
            "Components": "main",
            "SHA256": _lines(
                f"{hashlib.sha256(content).hexdigest()} {len(content)} {name}"
                for name, content in files.items()
            ),
        }
        return _stanza(fields)

    def settings(self, *suites: str, more: str = "", entry: str = "", address: str = "") -> Path:
        """The apt.conf, for APT_CONFIG, of a machine that has this repository and no other one.

        Args:
            more: further settings.
            entry: fields of the sources' entry, by default the key to trust.
        """
        parts = self.folder / "sources.list.d"
        parts.mkdir(exist_ok=True)
        key = "".join(f" {line or '.'}\n" for line in self.key.public().splitlines())
        (parts / "debian.sources").write_text(
            f"# of a test\nTypes: deb\nURIs: {address or self.address}\n"
            f"Suites: {' '.join(suites or ('trixie',))}\nComponents: main\n"
            + (entry or f"Signed-By:\n{key}")
        )
        path = self.folder / "apt.conf"
        path.write_text(
            f'Dir::Etc::SourceList "/dev/null";\nDir::Etc::SourceParts "{parts}";\n{more}'
        )
        return path


def _stanza(fields: Mapping[str, str]) -> str:
    return "".join(f"{name}: {value}\n" for name, value in fields.items())


def _lines(lines: Iterator[str]) -> str:
    return "".join(f"\n {line}" for line in lines)
