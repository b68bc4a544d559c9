"""The kit's files of Debian, compared with a signed index that the real apt reads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from alpypy.core.errors import DigestError, DownloadError
from alpypy.core.fetch import Fetcher
from alpypy.core.files import copy_data
from alpypy.core.project import Project
from alpypy.core.source import Source
from alpypy.update import run
from alpypy.update.news import News
from tests.debian import Repository, new_key
from tests.workspaces import ROOT

KIT = """\
[[tools]]
name = "linux-headers"
version = "6.1.176-r1"
description = "headers"
license = "GPL-2.0-only"
depends = []
debs = [
    {{ path = "{headers.debian}", sha256 = "{headers.sha256}" }},  # a comment that stays
    {{ path = "{make.debian}", sha256 = "{make.sha256}" }},
]

[[libraries]]
name = "zlib"
version = "1.2.13-r0"
runtime = "zlib"
description = "compression"
license = "Zlib"
path = "{zlib.debian}"
sha256 = "{zlib.sha256}"

[[openssl]]
soname = "libssl.so.1.1"
release = "bullseye"
version = "1.1.1-r23"
path = "{ssl.debian}"
sha256 = "{ssl.sha256}"

[openssl_parts]
"""
DATA = """\
[[data]]
name = "ncurses-terminfo-base"
version = "6.4-r4"
description = "terminals"
license = "X11"
needed_by = "ncurses-libs"
path = "{terminals.debian}"
sha256 = "{terminals.sha256}"
keep = {{ "lib/terminfo" = "etc/terminfo" }}
"""
WHEELS = """\
release = "bookworm"

[[tools]]
name = "g++"
version = "12.2.0-r14"
description = "C++"
license = "GPL-3.0-or-later"
depends = []
debs = [{{ path = "{cpp.debian}", sha256 = "{cpp.sha256}" }}]
source = {{ path = "{gcc.debian}", sha256 = "{gcc.sha256}" }}

[[libraries]]
name = "yaml"
version = "0.2.5-r0"
runtime = "yaml"
description = "YAML"
license = "MIT"
path = "{yaml.debian}"
sha256 = "{yaml.sha256}"
"""
TOOLS = """\
release = "bookworm"

[[tools]]
name = "perl"
version = "5.36.0-r7"
description = "perl"
license = "Artistic-1.0-Perl OR GPL-1.0-or-later"
depends = ["perl-modules"]
debs = [{{ path = "{perl.debian}", sha256 = "{perl.sha256}" }}]

[[data]]
name = "perl-modules"
version = "5.36.0-r7"
description = "modules"
license = "Artistic-1.0-Perl OR GPL-1.0-or-later"
needed_by = "perl"
path = "{modules.debian}"
sha256 = "{modules.sha256}"
keep = {{ "usr/share/perl" = "usr/share/perl" }}
"""


class Kit:
    """A project whose kit has ten files of Debian's, and the mirror that has them."""

    def __init__(self, repository: Repository, folder: Path) -> None:
        self.repository = repository
        self.versions = copy_data(ROOT / "versions", folder / "versions")
        (folder / "patches").symlink_to(ROOT / "patches")
        cache = folder / "cache"
        self.project = Project(folder, folder, cache, Fetcher(cache), lambda line: None)
        self.pins = {
            "headers": repository.deb("linux-libc-dev", "6.1.176-1", source="linux"),
            "make": repository.deb("make", "4.3-4.1", source="make-dfsg"),
            "zlib": repository.source("zlib", "1.2.13.dfsg-1", b"zlib"),
            "ssl": repository.deb("libssl-dev", "1.1.1w-0+deb11u1", suite="bullseye"),
            "terminals": repository.deb("ncurses-base", "6.4-4", source="ncurses"),
            "yaml": repository.source("libyaml", "0.2.5-1", b"yaml"),
            "cpp": repository.deb("g++-12", "12.2.0-14", source="gcc-12"),
            "gcc": repository.source("gcc-12", "12.2.0-14", b"gcc"),
            "perl": repository.deb("perl-base", "5.36.0-7", source="perl"),
            "modules": repository.deb("perl-modules-5.36", "5.36.0-7", source="perl"),
        }
        self._write()

    def _write(self) -> None:
        path = self.versions / "kit.toml"
        head = path.read_text("utf-8").partition("# Debian's programs")[0]
        path.write_text(head + KIT.format(**self.pins), "utf-8")
        (self.versions / "kit-data.toml").write_text(DATA.format(**self.pins), "utf-8")
        (self.versions / "kit-wheels.toml").write_text(WHEELS.format(**self.pins), "utf-8")
        (self.versions / "kit-libraries.toml").write_text(TOOLS.format(**self.pins), "utf-8")

    def look(self, *, check: bool = False) -> News:
        self.repository.publish("bookworm", "bullseye")
        news = run.look(self.project, ["debian"], check=check)
        return news if check else run.write(self.project, news)

    def texts(self) -> dict[str, str]:
        return {path.name: path.read_text("utf-8") for path in self.versions.glob("kit*.toml")}


@pytest.fixture
def kit(repository: Repository, tmp_path: Path, direct: None) -> Kit:
    folder = tmp_path / "project"
    folder.mkdir()
    return Kit(repository, folder)


def replaced(text: str, old: Source, new: Source) -> str:
    return text.replace(old.debian or "", new.debian or "").replace(old.sha256, new.sha256)


def test_nothing_new(kit: Kit) -> None:
    assert not kit.look(check=True)


def test_new_files_are_written_into_the_three_lists(kit: Kit) -> None:
    before = kit.texts()
    new = {
        "headers": kit.repository.deb("linux-libc-dev", "6.1.180-2", source="linux"),
        "ssl": kit.repository.deb("libssl-dev", "1.1.1w-0+deb11u8", suite="bullseye"),
        "terminals": kit.repository.deb("ncurses-base", "6.4-4+deb12u1", source="ncurses"),
        "yaml": kit.repository.source("libyaml", "0.2.6-1", b"newer"),
        "cpp": kit.repository.deb("g++-12", "12.2.0-14+deb12u1", source="gcc-12"),
    }
    news = kit.look()
    for name, source in new.items():
        before = {file: replaced(text, kit.pins[name], source) for file, text in before.items()}
    before["kit.toml"] = before["kit.toml"].replace("6.1.176-r1", "6.1.180-r1")
    before["kit-wheels.toml"] = before["kit-wheels.toml"].replace("0.2.5-r0", "0.2.6-r0")
    assert kit.texts() == before
    assert sorted(edit.what.splitlines()[0] for edit in news.edits) == [
        "g++-12 12.2.0-14+deb12u1 (12.2.0-14 until now)",
        "libssl-dev 1.1.1w-0+deb11u8 (1.1.1w-0+deb11u1 until now)",
        "libyaml 0.2.6 (0.2.5 until now)",
        "linux-libc-dev 6.1.180-2 (6.1.176-1 until now)",
        "ncurses-base 6.4-4+deb12u1 (6.4-4 until now)",
    ]
    assert all("by the signed index of Debian" in edit.what for edit in news.edits)
    [told] = news.decisions
    assert "another identity" in told
    assert not kit.look(check=True)


def test_new_files_of_perl_are_written_and_compile_the_libraries_again(kit: Kit) -> None:
    before = kit.texts()
    for name, package in (("perl", "perl-base"), ("modules", "perl-modules-5.36")):
        source = kit.repository.deb(package, "5.36.1-2+deb12u1", source="perl")
        before["kit-libraries.toml"] = replaced(
            before["kit-libraries.toml"], kit.pins[name], source
        )
    news = kit.look()
    before["kit-libraries.toml"] = before["kit-libraries.toml"].replace("5.36.0-r7", "5.36.1-r7")
    assert kit.texts() == before
    [told] = news.decisions
    assert told.startswith("versions/kit-libraries.toml has other files")
    assert not kit.look(check=True)


def test_an_older_file_is_not_taken(kit: Kit) -> None:
    before = kit.texts()
    kit.repository.packages["bookworm"] = [
        text for text in kit.repository.packages["bookworm"] if "Package: make" not in text
    ]
    kit.repository.deb("make", "4.2-9", source="make-dfsg")
    news = kit.look()
    assert (news.edits, kit.texts()) == ((), before)
    [told] = news.decisions
    assert "your mirror has 4.2-9, which is older than 4.3-4.1" in told


def test_a_withdrawn_package_is_told_and_stays(kit: Kit) -> None:
    before = kit.texts()
    kit.repository.sources["bookworm"] = [
        text for text in kit.repository.sources["bookworm"] if "Package: zlib" not in text
    ]
    news = kit.look()
    assert news.decisions == ("zlib (versions/kit.toml): withdrawn? Debian bookworm has none",)
    assert kit.texts() == before


def test_a_digest_that_changed_is_refused_with_both(kit: Kit) -> None:
    before, old = kit.texts(), kit.pins["make"].sha256
    stanzas = kit.repository.packages["bookworm"]
    kit.repository.packages["bookworm"] = [text.replace(old, "0" * 64) for text in stanzas]
    kit.repository.deb("linux-libc-dev", "6.1.180-2", source="linux")
    news = kit.look()
    [refused] = news.refusals
    assert isinstance(refused, DigestError)
    assert f"{old}  versions/kit.toml" in refused.what
    assert f"{'0' * 64}  the signed index of Debian bookworm" in refused.what
    assert (news.edits, kit.texts()) == ((), before)


def test_an_index_with_a_bad_signature_is_refused(kit: Kit) -> None:
    before = kit.texts()
    kit.repository.deb("linux-libc-dev", "6.1.180-2", source="linux")
    with new_key() as other:
        kit.repository.publish("bookworm", "bullseye", key=other)
        [refused] = run.look(kit.project, ["debian"], check=True).refusals
        news = run.write(kit.project, run.look(kit.project, ["debian"], check=False))
    assert isinstance(refused, DownloadError)
    assert refused.what.startswith("apt refuses the index of Debian bookworm:\n")
    assert (news.edits, kit.texts()) == ((), before)


def test_a_release_that_no_mirror_has_is_told(kit: Kit) -> None:
    kit.repository.publish("bookworm")
    news = run.look(kit.project, ["debian"], check=True)
    assert not news
    assert news.notes == ("no mirror of apt's has Debian bullseye: libssl-dev",)


def test_no_mirror_at_all(kit: Kit) -> None:
    [refused] = run.look(kit.project, ["debian"], check=True).refusals
    assert isinstance(refused, DownloadError)
    assert re.search("--only pypy --only alpine --only pypi", refused.remedy)
