"""The libraries of portable builds: newer ones of upstream's and of Debian's, and their lines."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from packaging.version import Version

from alpypy.core.errors import AlpypyError, DataError, DigestError, DownloadError, PageError
from alpypy.core.fetch import Fetcher
from alpypy.core.project import Project
from alpypy.core.source import Source
from alpypy.offline.pins import version_of
from alpypy.recipes.libraries import StaticLibrary, load_static_libraries
from alpypy.update import run, upstream
from alpypy.update.addresses import load_pages
from alpypy.update.debian_index import upstream_version
from tests.debian import Repository, new_key
from tests.loopback import Handler, Site, serve
from tests.publishers import Publishers
from tests.upstreams import EXPAT, OPENSSL, SQLITE, SUITES, Upstreams, sha256, upstreams
from tests.workspaces import ROOT

FILE, NAME = "libraries.toml", "libraries"
ADDRESS = "/openssl/openssl/releases/download/openssl-{0}/openssl-{0}.tar.gz"
COST = "portable PyPys that you published have the old version inside: "
COST_OF_DEBIAN = "only builds on a kit use Debian's source: they compile the library again"
REAL = load_static_libraries(ROOT / "versions" / FILE).libraries
Change = Callable[[bytes], bytes]


@pytest.fixture
def made(outside: Publishers, repository: Repository) -> Upstreams:
    return upstreams(outside, repository)


def text(made: Upstreams) -> str:
    return made.outside.file(FILE)


def listed(made: Upstreams, name: str) -> StaticLibrary:
    libraries = load_static_libraries(made.outside.versions / FILE).libraries
    return next(library for library in libraries if library.name == name)


def refusal(made: Upstreams) -> AlpypyError:
    return made.outside.refusal(NAME, FILE)


def out_of_reach(made: Upstreams, *paths: str) -> None:
    for path in paths:
        del made.outside.site.files[path]


def test_nothing_new(made: Upstreams) -> None:
    assert not made.outside.look(NAME, check=True)


def test_a_new_openssl_that_debian_does_not_have_yet(made: Upstreams) -> None:
    before, old = text(made), listed(made, "openssl").sha256
    new = made.openssl("3.5.8")
    made.publish()
    news = made.outside.look(NAME)
    head, entry, rest = before.partition('[[libraries]]\nname = "openssl"\n')
    entry += rest.partition("[libraries.debian]")[0].replace("3.5.7", "3.5.8").replace(old, new)
    assert text(made) == head + entry + "".join(rest.partition("[libraries.debian]")[1:])
    [edit] = news.edits
    assert edit.what.splitlines() == [
        "openssl 3.5.8 (3.5.7 until now): openssl-3.5.8.tar.gz",
        f"    sha256 {new}",
        f"    by {made.outside.site.address}{OPENSSL}, the archive itself",
        "    Debian trixie: 3.5.7",
    ]
    [told] = news.decisions
    assert told.startswith(COST)
    openssl = listed(made, "openssl")
    assert openssl.url == made.outside.site.address + ADDRESS.format("3.5.8")
    assert (openssl.version, openssl.debian_version) == ("3.5.8", "3.5.7")
    assert not made.outside.look(NAME, check=True)


def test_debian_has_it_later(made: Upstreams) -> None:
    new = made.openssl("3.5.8")
    made.publish()
    made.outside.look(NAME)
    source = made.debian.source("openssl", "3.5.8-1~deb13u1", b"openssl-3.5.8", suite="trixie")
    made.publish()
    news = made.outside.look(NAME)
    [edit] = news.edits
    assert news.decisions == (COST_OF_DEBIAN,)
    assert edit.what.startswith("openssl: Debian's source of it (3.5.7 until now)\n")
    openssl = listed(made, "openssl")
    assert (openssl.version, openssl.debian_version, openssl.sha256) == ("3.5.8", "3.5.8", new)
    assert openssl.upstream.debian == source.debian
    assert edit.what.endswith("Debian trixie: 3.5.8, the same file")
    assert not made.outside.look(NAME, check=True)


def test_debian_has_it_later_with_other_bytes(made: Upstreams) -> None:
    new = made.openssl("3.5.8")
    made.publish()
    made.outside.look(NAME)
    made.debian.source("openssl", "3.5.8-1", b"without something", suite="trixie")
    made.publish()
    refused = refusal(made)
    assert isinstance(refused, DigestError)
    assert "openssl 3.5.8 has two digests" in refused.what
    assert f"{new}  versions/libraries.toml" in refused.what
    assert f"{sha256(b'without something')}  the signed index of Debian trixie" in refused.what


def test_debian_packs_the_listed_version_again(made: Upstreams) -> None:
    old = listed(made, "openssl").sha256
    made.debian.source("openssl", "3.5.7+dfsg-1", b"without something", suite="trixie")
    made.publish()
    refused = refusal(made)
    assert isinstance(refused, DigestError)
    assert "openssl 3.5.7 has two digests" in refused.what
    assert f"{old}  versions/libraries.toml" in refused.what


def test_debian_packs_the_listed_version_again_while_upstream_has_a_newer(made: Upstreams) -> None:
    made.openssl("3.5.8")
    made.debian.source("openssl", "3.5.7+dfsg-1", b"without something", suite="trixie")
    made.publish()
    assert "openssl 3.5.7 has two digests" in refusal(made).what


def test_debian_is_late_and_packs_it_again_as_always(made: Upstreams) -> None:
    made.expat("2.9.0")
    made.publish()
    made.outside.look(NAME)
    source = made.debian.source("expat", "2.9.0-1", b"expat 2.9.0 again", suite="trixie")
    made.publish()
    assert not made.outside.look(NAME).refusals
    assert listed(made, "expat").packed_by_debian == source


def test_debian_is_the_second_origin_of_a_digest(made: Upstreams) -> None:
    made.openssl("3.5.8")
    made.debian.source("openssl", "3.5.8-1", b"openssl-3.5.8", suite="trixie")
    made.publish()
    [edit] = made.outside.look(NAME).edits
    page = f"{made.outside.site.address}{OPENSSL}"
    assert f"by {page}, the signed index of Debian trixie, the archive itself\n" in edit.what
    assert edit.what.endswith("Debian trixie: 3.5.8, the same file")
    assert listed(made, "openssl").debian_version == "3.5.8"


def test_another_line_and_what_is_no_release_are_not_taken(made: Upstreams) -> None:
    before = text(made)
    made.openssl("3.6.4")
    made.openssl("4.0.0")
    made.openssl("3.5.9", draft=True)
    made.openssl("3.5.10", prerelease=True)
    made.openssl("3.5.11-beta1")
    made.publish()
    news = made.outside.look(NAME)
    assert not news
    assert text(made) == before
    [line] = news.passed_over
    assert line.startswith(f"openssl 4.0.0, by {made.outside.site.address}{OPENSSL}: ")
    assert "not of the line 3.5" in line


def test_a_line_is_not_the_beginning_of_a_number(made: Upstreams) -> None:
    made.openssl("3.50.0")
    made.publish()
    assert not made.outside.look(NAME, check=True)


def test_a_whole_version_holds_a_library(made: Upstreams) -> None:
    path = made.outside.versions / FILE
    path.write_text(text(made).replace('line = "3.5"', 'line = "3.5.7"'))
    made.openssl("3.5.8")
    made.debian.source("openssl", "3.5.8-1", b"openssl-3.5.8", suite="trixie")
    made.publish()
    news = made.outside.look(NAME, check=True)
    assert not news
    assert "not of the line 3.5.7" in news.passed_over[0]


def test_check_fetches_no_archive(made: Upstreams) -> None:
    before = text(made)
    made.openssl("3.5.8")
    made.sqlite("3.54.0", 3540000)
    made.publish()
    news = made.outside.look(NAME, check=True)
    assert [edit.what.split(" (")[0] for edit in news.edits] == ["sqlite3 3.54.0", "openssl 3.5.8"]
    assert f"    sha3_256 {made.products[-1][-1]}\n" in news.edits[0].what
    assert text(made) == before
    assert not [path for path, _ in made.outside.site.asked if path.endswith(".tar.gz")]


def test_a_new_sqlite_by_its_sha3(made: Upstreams) -> None:
    new = made.sqlite("3.54.0", 3540000)
    made.publish()
    [edit] = made.outside.look(NAME).edits
    assert f"    sha256 {new}\n    by {made.outside.site.address}{SQLITE}, the archive" in edit.what
    sqlite = listed(made, "sqlite3")
    assert (sqlite.version, sqlite.sha256) == ("3.54.0", new)
    assert sqlite.url == f"{made.outside.site.address}/2026/sqlite-autoconf-3540000.tar.gz"
    assert not made.outside.look(NAME, check=True)


def test_an_archive_with_another_sha3(made: Upstreams) -> None:
    made.sqlite("3.54.0", 3540000, sha3="0" * 64)
    made.publish()
    refused = refusal(made)
    assert isinstance(refused, DigestError)
    assert f"sqlite-autoconf-3540000.tar.gz: sha3_256 expected {'0' * 64}" in refused.what
    assert f"{made.outside.site.address}/2026/sqlite-autoconf-3540000.tar.gz has " in refused.what


def test_an_archive_by_its_sha3_is_kept_and_a_stale_mirror_is_passed_over(made: Upstreams) -> None:
    new = made.sqlite("3.54.0", 3540000)
    made.publish()
    project = made.outside.project
    mirror = Site(files={"/sqlite-autoconf-3540000.tar.gz": b"stale"})
    for address in serve(type("MirrorHandler", (Handler,), {"site": mirror})):
        made.outside.project = replace(project, fetcher=Fetcher(project.cache, [address]))
        assert not made.outside.look(NAME).refusals
    sqlite = listed(made, "sqlite3")
    assert sqlite.sha256 == new
    assert project.fetcher.cached(sqlite.upstream) is not None


def test_debian_has_upstreams_file_and_the_page_has_its_sha3(made: Upstreams) -> None:
    path, old = made.outside.versions / FILE, listed(made, "sqlite3")
    path.write_text(text(made).replace(old.debian.sha256, old.sha256))
    kept = [stanza for stanza in made.debian.sources["forky"] if "sqlite3" not in stanza]
    made.debian.sources["forky"] = kept
    new = made.sqlite("3.54.0", 3540000)
    made.debian.source("sqlite3", "3.54.0-1", b"sqlite 3.54.0", suite="forky")
    made.publish()
    assert not made.outside.look(NAME).refusals
    sqlite = listed(made, "sqlite3")
    assert sqlite.sha256 == sqlite.debian.sha256 == new


def test_an_archive_that_contradicts_its_page_does_not_stop_the_others(made: Upstreams) -> None:
    made.openssl("3.5.8", digest=f"sha256:{'0' * 64}")
    made.expat("2.9.0")
    made.publish()
    news = made.outside.look(NAME)
    [refused] = news.refusals
    assert isinstance(refused, DigestError)
    assert f"expected {'0' * 64}" in refused.what
    assert listed(made, "openssl").version == "3.5.7"
    assert listed(made, "expat").version == "2.9.0"


def test_an_archive_that_upstream_does_not_have_yet(made: Upstreams) -> None:
    made.openssl("3.5.8")
    made.publish()
    out_of_reach(made, ADDRESS.format("3.5.8"))
    refused = refusal(made)
    assert isinstance(refused, DownloadError)
    assert "openssl-3.5.8.tar.gz could not be fetched" in refused.what


@pytest.mark.parametrize("digest", [None, "sha512:00"])
def test_without_a_digest_nothing_is_written(made: Upstreams, digest: str | None) -> None:
    before = text(made)
    made.openssl("3.5.8", digest=digest)
    made.publish()
    news = made.outside.look(NAME)
    assert (news.edits, text(made)) == ((), before)
    [told] = news.decisions
    assert told.startswith(f"openssl 3.5.8, by {made.outside.site.address}{OPENSSL}: no page in")


def test_debians_digest_will_do_if_upstreams_page_has_none(made: Upstreams) -> None:
    new = made.openssl("3.5.8", digest=None)
    made.debian.source("openssl", "3.5.8-1", b"openssl-3.5.8", suite="trixie")
    made.publish()
    [edit] = made.outside.look(NAME).edits
    assert "by the signed index of Debian trixie, the archive itself" in edit.what
    assert listed(made, "openssl").sha256 == new


def test_upstream_is_out_of_reach_and_debian_has_the_same_file(made: Upstreams) -> None:
    for path in (OPENSSL, ADDRESS.format("3.5.8")):
        made.outside.site.statuses[path] = [503] * 10
    source = made.debian.source("openssl", "3.5.8-1~deb13u1", b"new", suite="trixie")
    made.debian.publish(*SUITES)
    news = made.outside.look(NAME)
    assert news.notes[0].startswith(f"openssl: {made.outside.site.address}{OPENSSL} could not be")
    told, cost = news.decisions
    assert told.startswith("openssl 3.5.8: only the signed index of Debian trixie has its SHA-256")
    assert ADDRESS.format("3.5.8") in told
    assert cost.startswith(COST)
    openssl = listed(made, "openssl")
    assert openssl.version == openssl.debian_version == "3.5.8"
    assert openssl.upstream == Source(
        made.outside.site.address + ADDRESS.format("3.5.8"), source.sha256, debian=source.debian
    )


def test_upstream_has_nothing_at_the_guessed_address(made: Upstreams) -> None:
    out_of_reach(made, OPENSSL)
    made.debian.source("openssl", "3.5.8-1", b"new", suite="trixie")
    made.debian.publish(*SUITES)
    refused = refusal(made)
    assert isinstance(refused, DownloadError)
    assert f"{ADDRESS.format('3.5.8')}: 404" in refused.what


def test_debian_packs_in_another_way_and_upstreams_address_is_not_guessed(made: Upstreams) -> None:
    out_of_reach(made, OPENSSL)
    before = listed(made, "openssl")
    source = made.debian.source("openssl", "3.5.8-1", b"new", suite="trixie", suffix="xz")
    made.debian.publish(*SUITES)
    told = made.outside.look(NAME).decisions[0]
    assert told.startswith("openssl 3.5.8, by the signed index of Debian trixie: no page in reach")
    openssl = listed(made, "openssl")
    assert (openssl.version, openssl.upstream.url) == ("3.5.7", before.url)
    assert openssl.packed_by_debian == source


def test_upstream_has_another_file_than_debian_at_its_address(made: Upstreams) -> None:
    out_of_reach(made, OPENSSL)
    made.debian.source("openssl", "3.5.8-1", b"new", suite="trixie")
    made.debian.publish(*SUITES)
    made.archive(ADDRESS.format("3.5.8"), b"another")
    refused = refusal(made)
    assert isinstance(refused, DigestError)
    assert f"expected {sha256(b'new')}, got {sha256(b'another')}" in refused.what


def test_upstream_is_out_of_reach_and_debian_packs_again(made: Upstreams) -> None:
    out_of_reach(made, EXPAT)
    source = made.debian.source("expat", "2.9.0-1", b"expat 2.9.0 again", suite="trixie")
    made.debian.publish(*SUITES)
    old = listed(made, "expat")
    news = made.outside.look(NAME)
    told, cost = news.decisions
    assert told.startswith("expat 2.9.0, by the signed index of Debian trixie: no page in reach")
    assert told.endswith("keeps upstream's 2.8.3")
    assert cost == COST_OF_DEBIAN
    expat = listed(made, "expat")
    assert (expat.version, expat.upstream) == ("2.8.3", old.upstream)
    assert (expat.debian_version, expat.packed_by_debian) == ("2.9.0", source)
    made.expat("2.9.0")
    made.publish()
    made.outside.look(NAME)
    assert listed(made, "expat").version == "2.9.0"
    assert not made.outside.look(NAME, check=True)


def test_a_mark_of_debians_says_that_it_is_not_upstreams_file(made: Upstreams) -> None:
    for path in (OPENSSL, ADDRESS.format("3.5.8")):
        made.outside.site.statuses[path] = [503] * 10
    source = made.debian.source("openssl", "3.5.8+dfsg-1", b"new", suite="trixie")
    made.debian.publish(*SUITES)
    told = made.outside.look(NAME).decisions[0]
    assert told.startswith("openssl 3.5.8, by the signed index of Debian trixie: no page in reach")
    openssl = listed(made, "openssl")
    assert (openssl.version, openssl.packed_by_debian) == ("3.5.7", source)


def test_an_archive_that_is_debians(made: Upstreams) -> None:
    source = made.debian.source("ncurses", "6.5+20260101-1", b"newer", suite="trixie")
    made.archive(f"/debian/{source.debian}", b"newer")
    made.publish()
    made.outside.look(NAME)
    ncurses = listed(made, "ncurses")
    assert ncurses.version == ncurses.debian_version == "6.5.20260101"
    assert ncurses.url == f"{made.outside.site.address}/debian/{source.debian}"
    assert ncurses.sha256 == source.sha256


def test_another_release_of_debian_is_told_and_not_taken(made: Upstreams) -> None:
    before = text(made)
    made.debian.source("gdbm", "1.26-1", b"gdbm 1.26", suite="forky")
    made.publish()
    news = made.outside.look(NAME)
    assert (news.edits, news.decisions, text(made)) == ((), (), before)
    assert news.passed_over[1:] == (
        "gdbm 1.26 is in Debian forky; it is not taken, as versions/libraries.toml follows Debian"
        " trixie",
    )


@pytest.mark.parametrize("version", ["1.25+repack", "1.25~rc1"])
def test_a_version_of_debians_that_cannot_be_read_is_told(made: Upstreams, version: str) -> None:
    made.debian.source("gdbm", f"{version}-1", b"gdbm 1.25", suite="trixie")
    made.publish()
    news = made.outside.look(NAME, check=True)
    assert not news
    _, line = news.passed_over  # the other is a line of OpenSSL's
    assert line.startswith(f"gdbm {version}, by the signed index of Debian trixie: alpypy cannot")


def test_the_next_line_needs_another_release_of_debian(made: Upstreams) -> None:
    path = made.outside.versions / FILE
    path.write_text(text(made).replace('line = "3.5"', 'line = "3.6"'))
    news = made.outside.look(NAME)
    assert [edit.what.split(" (")[0] for edit in news.edits] == ["openssl 3.6.3"]
    told, cost = news.decisions
    assert told.startswith("openssl: Debian trixie has 3.5.7, which is not of the line 3.6: choose")
    assert cost.startswith(COST)
    assert made.outside.look(NAME, check=True).decisions == (told,)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('version = "1.24"\nlicense', 'version = "1.1.1w"\nlicense'),
        ('version = "1.24"\npath', 'version = "1.1.1w"\npath'),
    ],
)
def test_a_version_that_cannot_be_compared(made: Upstreams, old: str, new: str) -> None:
    path = made.outside.versions / FILE
    assert old in text(made)
    path.write_text(text(made).replace(old, new))
    refused = refusal(made)
    assert isinstance(refused, DataError)
    assert refused.what.startswith(f"{path}: gdbm has the version '1.1.1w', which cannot be")
    assert "--only pypy --only alpine --only pypi --only debian" in refused.remedy


def test_a_file_that_debian_packs_again_now_is_left_to_decide(made: Upstreams) -> None:
    made.openssl("3.5.8")
    made.debian.source("openssl", "3.5.8-1", b"without something", suite="trixie")
    made.publish()
    refused = refusal(made)
    assert isinstance(refused, DigestError)
    assert "openssl 3.5.8 has two digests" in refused.what
    assert sha256(b"openssl-3.5.8") in refused.what
    assert sha256(b"without something") in refused.what


@pytest.mark.parametrize("where", ["upstream", "debian"])
def test_a_digest_that_changed_is_refused_with_both(made: Upstreams, where: str) -> None:
    old = listed(made, "openssl").sha256
    made.expat("2.9.0")
    made.publish()
    if where == "upstream":
        files, origin = made.outside.site.files, f"{made.outside.site.address}{OPENSSL}"
        files[OPENSSL] = files[OPENSSL].replace(old.encode(), b"0" * 64)
    else:
        stanzas, origin = made.debian.sources["trixie"], "the signed index of Debian trixie"
        made.debian.sources["trixie"] = [stanza.replace(old, "0" * 64) for stanza in stanzas]
        made.debian.publish(*SUITES)
    refused = refusal(made)
    assert isinstance(refused, DigestError)
    assert f"{old}  versions/libraries.toml" in refused.what
    assert f"{'0' * 64}  {origin}" in refused.what


def test_what_is_gone_or_older_is_told_and_stays(made: Upstreams) -> None:
    before = text(made)
    made.releases[EXPAT] = [made.releases[EXPAT][-1]]
    kept = [stanza for stanza in made.debian.sources["trixie"] if "openssl" not in stanza]
    made.debian.sources["trixie"] = [stanza for stanza in kept if "Package: gdbm" not in stanza]
    made.debian.source("openssl", "3.5.6-1", b"older", suite="trixie")
    made.publish()
    news = made.outside.look(NAME)
    assert (news.edits, text(made)) == ((), before)
    assert [told.partition(" (")[0] for told in news.decisions] == [
        f"expat 2.8.3: withdrawn? It is no longer on {made.outside.site.address}{EXPAT}",
        "openssl",
        "gdbm",
    ]
    assert "your mirror has 3.5.6, which is older than 3.5.7" in news.decisions[1]
    assert news.decisions[2].endswith("withdrawn? Debian trixie has none")


def test_a_page_without_the_line_does_not_say_that_it_is_withdrawn(made: Upstreams) -> None:
    tags = ("openssl-3.0.22", "openssl-3.6.3")
    made.releases[OPENSSL] = [
        release for release in made.releases[OPENSSL] if release["tag_name"] in tags
    ]
    made.publish()
    assert not made.outside.look(NAME, check=True)


@pytest.mark.parametrize(
    ("page", "change", "says"),
    [
        (OPENSSL, lambda page: b"", "it is empty"),
        (OPENSSL, lambda page: b"<html>Sign in</html>", "invalid"),
        (OPENSSL, lambda page: b'{"message": "Not Found"}', "not a list"),
        (OPENSSL, lambda page: b"[]", "it lists no file such as openssl-3.5.7.tar.gz"),
        (OPENSSL, lambda page: page.replace(b'assets"', b'files"'), "assets"),
        (OPENSSL, lambda page: page.replace(b"https:", b"http:"), "browser_download_url"),
        (OPENSSL, lambda page: page.replace(b"127.0.0.1", b"127.0.0.2"), "is not at the host of"),
        (SQLITE, lambda page: b"<html>Sign in</html>", "no file such as sqlite-autoconf-3530400"),
        (SQLITE, lambda page: page.replace(b",2026/", b","), "no file such as sqlite-autoconf"),
    ],
)
def test_a_page_that_is_not_what_it_was(
    made: Upstreams, page: str, change: Change, says: str
) -> None:
    new = made.expat("2.9.0")
    made.publish()
    made.outside.site.files[page] = change(made.outside.site.files[page])
    news = made.outside.look(NAME)
    [refused] = news.refusals
    assert isinstance(refused, PageError)
    assert refused.what.startswith(f"{made.outside.site.address}{page} is not what it was: ")
    assert says in refused.what
    assert listed(made, "expat").sha256 == new


def test_an_index_with_a_bad_signature_does_not_keep_upstream_away(made: Upstreams) -> None:
    made.openssl("3.5.8")
    made.debian.source("gdbm", "1.25-1", b"gdbm 1.25", suite="trixie")
    made.publish()
    with new_key() as other:
        made.debian.publish(*SUITES, key=other)
        news = made.outside.look(NAME)
    assert [type(refused) for refused in news.refusals] == [DownloadError, DownloadError]
    assert "apt refuses the index of Debian trixie" in news.refusals[0].what
    assert listed(made, "openssl").version == "3.5.8"
    assert listed(made, "gdbm").version == "1.24"


def test_a_release_that_no_mirror_has_is_told(made: Upstreams) -> None:
    del made.debian.site.files["/debian/dists/forky/InRelease"]
    news = made.outside.look(NAME, check=True)
    assert not news
    assert "no mirror of apt's has Debian forky: sqlite3" in news.notes


def test_nothing_is_in_reach(made: Upstreams) -> None:
    out_of_reach(made, OPENSSL, EXPAT, SQLITE)
    for suite in SUITES:
        del made.debian.site.files[f"/debian/dists/{suite}/InRelease"]
    refused = refusal(made)
    assert isinstance(refused, DownloadError)
    for reason in ("Debian trixie", "Debian forky", OPENSSL, EXPAT, SQLITE):
        assert reason in refused.what
    assert "--only pypy --only alpine --only pypi --only debian" in refused.remedy


def test_a_mirror_is_asked_first_and_not_written_anywhere(made: Upstreams) -> None:
    made.openssl("3.5.8")
    made.sqlite("3.54.0", 3540000)
    made.publish()
    files, before = made.outside.site.files, made.outside.project
    names = [OPENSSL, EXPAT, SQLITE]
    archives = ("/2026/sqlite-autoconf-3540000.tar.gz", ADDRESS.format("3.5.8"))
    mirror = Site(files={path: files.pop(path) for path in names})
    mirror.files |= {f"/{Path(path).name}": files.pop(path) for path in archives}
    for address in serve(type("MirrorHandler", (Handler,), {"site": mirror})):
        fetcher = Fetcher(before.cache, [address])
        made.outside.project = Project(
            before.data, before.artifacts, before.cache, fetcher, lambda line: None
        )
        news = made.outside.look(NAME)
        assert not news.refusals
        assert address not in text(made)
    assert [told for told in news.decisions if "a mirror" in told] == [
        f"{what}: only 127.0.0.1, a mirror, has its digest"
        for what in ("sqlite3 3.54.0", "openssl 3.5.8")
    ]
    assert [listed(made, name).version for name in ("openssl", "sqlite3")] == ["3.5.8", "3.54.0"]
    assert made.outside.site.address in listed(made, "sqlite3").url


@pytest.mark.parametrize("check", [True, False])
def test_the_token_goes_to_github_alone(
    made: Upstreams, monkeypatch: pytest.MonkeyPatch, *, check: bool
) -> None:
    site, asked = made.outside.site, f"{made.outside.site.address}/repos/"
    made.openssl("3.5.8")
    made.sqlite("3.54.0", 3540000)
    made.publish()
    monkeypatch.setenv("GH_TOKEN", "ghp_a/b")
    monkeypatch.setattr(upstream, "_GITHUB", asked)
    news = made.outside.look(NAME, check=check)
    login = base64.b64encode(b"x-access-token:ghp_a/b").decode()
    sent = {path: login for path, login in site.logins if login}
    assert sent == dict.fromkeys((OPENSSL, EXPAT), f"Basic {login}")
    paths = {path for path, _ in site.logins}
    assert (ADDRESS.format("3.5.8") in paths) == (not check)
    assert {SQLITE, OPENSSL, EXPAT} <= paths
    assert "ghp" not in "\n".join(run.report(news, check=check)) + text(made)


def test_debian_is_the_second_origin_of_a_mirrors_digest(made: Upstreams) -> None:
    made.openssl("3.5.8")
    made.debian.source("openssl", "3.5.8-1", b"openssl-3.5.8", suite="trixie")
    made.publish()
    project = made.outside.project
    mirror = Site(files={OPENSSL: made.outside.site.files[OPENSSL]})
    for address in serve(type("MirrorHandler", (Handler,), {"site": mirror})):
        made.outside.project = replace(project, fetcher=Fetcher(project.cache, [address]))
        [told] = made.outside.look(NAME).decisions
    assert told.startswith(COST)


def test_the_token_goes_to_no_other_site(made: Upstreams, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GH_TOKEN", "ghp_a/b")
    assert not made.outside.look(NAME, check=True)
    assert {login for _, login in made.outside.site.logins} == {""}


@pytest.mark.parametrize("status", [401, 403, 429])
def test_github_answers_no_more(
    made: Upstreams, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    site = made.outside.site
    monkeypatch.setattr(upstream, "_GITHUB", f"{site.address}/repos/")
    site.statuses |= {path: [status] for path in (OPENSSL, EXPAT)}
    news = made.outside.look(NAME, check=True)
    assert not news
    assert [note.partition(": ")[0] for note in news.notes] == ["expat", "openssl"]
    for note in news.notes:
        assert f"could not be fetched: {status} " in note
        assert note.endswith("set GH_TOKEN to a valid token (any will do), or wait an hour")
    report = "\n".join(run.report(news, check=True))
    assert report.startswith("nothing new in what could be read\nCould not be read:\n\n- expat: ")


@pytest.mark.parametrize("library", REAL, ids=lambda library: library.name)
def test_the_real_list(library: StaticLibrary) -> None:
    of_debian = upstream_version(version_of(library.packed_by_debian)).replace("+", ".")
    assert Version(of_debian) == Version(library.debian_version)
    page = load_pages(ROOT).libraries.get(library.name)
    if page and not page.endswith(".html"):
        repository = urlsplit(page).path.removeprefix("/repos").removesuffix("/releases")
        assert library.url.startswith(f"https://github.com{repository}/releases/download/")
        assert library.version in library.upstream.file_name
