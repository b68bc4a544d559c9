"""Upstreams of libraries on loopback, with pages in the form of GitHub's and SQLite's, and a
versions/libraries.toml that knows what they and Debian had before."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

import tomlkit

from tests.debian import Repository
from tests.publishers import Publishers

LIST = """\
packages = ["gcc"]

# Debian packs it again.
[[libraries]]
name = "expat"
version = "2.8.3"
license = "MIT"
license_files = ["COPYING"]
url = "{site}/libexpat/libexpat/releases/download/R_2_8_3/expat-2.8.3.tar.xz"
sha256 = "{expat}"

[libraries.debian]
release = "trixie"
version = "2.8.3"
path = "{of_debian[expat].debian}"
sha256 = "{of_debian[expat].sha256}"
folder = "expat"

# Upstream's archive is Debian's.
[[libraries]]
name = "ncurses"
version = "6.5.20250216"
license = "X11"
license_files = ["COPYING"]
url = "{site}/debian/{of_debian[ncurses].debian}"
sha256 = "{of_debian[ncurses].sha256}"

[libraries.debian]
release = "trixie"
version = "6.5.20250216"
path = "{of_debian[ncurses].debian}"
sha256 = "{of_debian[ncurses].sha256}"

# SHA3-256 alone is published.
[[libraries]]
name = "sqlite3"
version = "3.53.4"
license = "blessing"
license_files = []
url = "{site}/2026/sqlite-autoconf-3530400.tar.gz"
sha256 = "{sqlite}"

[libraries.debian]
release = "forky"
version = "3.53.4"
path = "{of_debian[sqlite3].debian}"
sha256 = "{of_debian[sqlite3].sha256}"

# The same file in Debian.
[[libraries]]
name = "openssl"
version = "3.5.7"
line = "3.5"
license = "Apache-2.0"
license_files = ["LICENSE.txt"]
url = "{site}/openssl/openssl/releases/download/openssl-3.5.7/openssl-3.5.7.tar.gz"
sha256 = "{of_debian[openssl].sha256}"

[libraries.debian]
release = "trixie"
version = "3.5.7"
path = "{of_debian[openssl].debian}"
sha256 = "{of_debian[openssl].sha256}"

# The same file in Debian, and no page.
[[libraries]]
name = "gdbm"
version = "1.24"
license = "GPL-3.0-or-later"
license_files = ["COPYING"]
url = "{site}/gnu/gdbm/gdbm-1.24.tar.gz"
sha256 = "{of_debian[gdbm].sha256}"

[libraries.debian]
release = "trixie"
version = "1.24"
path = "{of_debian[gdbm].debian}"
sha256 = "{of_debian[gdbm].sha256}"
"""
OPENSSL, EXPAT = "/repos/openssl/openssl/releases", "/repos/libexpat/libexpat/releases"
SQLITE = "/download.html"
SUITES = ("trixie", "forky")


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass
class Upstreams:
    """What upstreams have; ``publish`` writes their pages and Debian's indexes."""

    outside: Publishers
    debian: Repository
    releases: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    products: list[tuple[str, str, int, str]] = field(default_factory=list)

    def archive(self, path: str, content: bytes) -> str:
        """An archive that can be fetched; its digest."""
        self.outside.site.files[path] = content
        return sha256(content)

    def openssl(self, version: str, content: bytes = b"", **more: Any) -> str:
        """A release of OpenSSL; the digest of its archive."""
        tag = f"openssl-{version}"
        return self.github(OPENSSL, tag, f"{tag}.tar.gz", content or tag.encode(), **more)

    def expat(self, version: str, **more: Any) -> str:
        """A release of expat; the digest of its archive."""
        tag, name = f"R_{version.replace('.', '_')}", f"expat-{version}.tar.xz"
        return self.github(EXPAT, tag, name, name.encode(), **more)

    def github(
        self,
        page: str,
        tag: str,
        name: str,
        content: bytes,
        *,
        digest: str | None = "",
        **more: Any,
    ) -> str:
        """A release, as GitHub describes it; the digest of its archive.

        Args:
            digest: what the page says of that, if not the truth.
            more: other values of fields.
        """
        repository = page.removeprefix("/repos/").removesuffix("/releases")
        folder = f"/{repository}/releases/download/{tag}"
        published = self.archive(f"{folder}/{name}", content)
        said = f"sha256:{published}" if digest == "" else digest
        files = {name: said, f"{name}.asc": f"sha256:{sha256(b'signature')}"}
        entry = {
            "url": f"{self.outside.site.address}{page}/1",
            "html_url": f"{self.outside.site.address}/{repository}/releases/tag/{tag}",
            "id": 1,
            "tag_name": tag,
            "name": tag.replace("-", " "),
            "draft": False,
            "immutable": True,
            "prerelease": False,
            "published_at": "2026-06-09T14:20:00Z",
            "assets": [
                {
                    "url": f"{self.outside.site.address}{page}/assets/{number}",
                    "id": number,
                    "name": file,
                    "label": "",
                    "content_type": "application/gzip",
                    "state": "uploaded",
                    "size": len(content),
                    "digest": of_file,
                    "browser_download_url": f"{self.outside.site.address}{folder}/{file}",
                }
                for number, (file, of_file) in enumerate(files.items())
            ],
            "body": f"{tag} is a security patch release.",
            **more,
        }
        self.releases.setdefault(page, []).insert(0, entry)
        return published

    def sqlite(self, version: str, number: int, *, sha3: str = "") -> str:
        """SQLite's only release; the SHA-256 of its archive."""
        path, content = f"2026/sqlite-autoconf-{number}.tar.gz", f"sqlite {version}".encode()
        published = self.archive(f"/{path}", content)
        sha3 = sha3 or hashlib.sha3_256(content).hexdigest()
        self.products = [
            ("2026-07-31 22:45 UTC", "snapshot/sqlite-snapshot-202607312245.tar.gz", 4, sha3),
            (version, f"2026/sqlite-amalgamation-{number}.zip", 4, sha3),
            (version, path, len(content), sha3),
        ]
        return published

    def sqlite_page(self) -> str:
        rows = "\n".join(f"PRODUCT,{','.join(map(str, row))}" for row in self.products)
        return (
            "<!DOCTYPE html>\n<html><head>\n<title>SQLite Download Page</title>\n</head>\n<body>\n"
            "<!-- Download product data for scripts to read\n"
            f"PRODUCT,VERSION,RELATIVE-URL,SIZE-IN-BYTES,SHA3-HASH\n{rows}\n -->\n</body></html>\n"
        )

    def publish(self) -> None:
        files = self.outside.site.files
        for page, releases in self.releases.items():
            files[page] = json.dumps(releases, indent=2).encode()
        files[SQLITE] = self.sqlite_page().encode()
        self.debian.publish(*SUITES)


def upstreams(outside: Publishers, debian: Repository) -> Upstreams:
    """Upstreams and a Debian that have what the list of ``outside`` then lists, and older ones."""
    made = Upstreams(outside, debian)
    for version in ("3.0.22", "3.5.6", "3.5.7", "3.6.3"):
        made.openssl(version)
    made.expat("2.8.2", digest=None)
    values = {"expat": made.expat("2.8.3"), "sqlite": made.sqlite("3.53.4", 3530400)}
    of_debian = {
        "expat": debian.source("expat", "2.8.3-1", b"expat again", suite="trixie"),
        "ncurses": debian.source("ncurses", "6.5+20250216-2", b"curses", suite="trixie"),
        "openssl": debian.source("openssl", "3.5.7-1", b"openssl-3.5.7", suite="trixie"),
        "gdbm": debian.source("gdbm", "1.24-2", b"gdbm", suite="trixie"),
        "sqlite3": debian.source("sqlite3", "3.53.4-1", b"sqlite again", suite="forky"),
    }
    text = LIST.format(site=outside.site.address, of_debian=of_debian, **values)
    (outside.versions / "libraries.toml").write_text(text, encoding="utf-8")
    path = outside.versions / "update.toml"
    document = tomlkit.parse(path.read_text(encoding="utf-8"))
    pages = {"expat": EXPAT, "openssl": OPENSSL, "sqlite3": SQLITE}
    document["libraries"] = {name: outside.site.address + page for name, page in pages.items()}
    path.write_text(tomlkit.dumps(document), encoding="utf-8")
    made.publish()
    return made
