"""New, withdrawn and replaced releases of PyPy, and pages that are not what they were."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from alpypy.core.errors import DigestError, DownloadError, PageError
from alpypy.core.fetch import Fetcher
from alpypy.core.project import Project
from alpypy.recipes.choice import newest_release
from alpypy.recipes.data import load_pypys
from tests.loopback import Handler, Site, serve
from tests.publishers import AFTER, BEFORE, Publishers, archive_name

FITS = {
    "rpython/first.py": "old\n",
    "rpython/second.py": "other\n",
    "rpython/third.py": "new\n",
}
REFUSED = archive_name("3.9-7.3.15", "bz2")


def test_nothing_new(outside: Publishers) -> None:
    assert not outside.look("pypy", check=True)


def test_a_new_release_is_written_between_the_others(outside: Publishers) -> None:
    before = outside.file("pypy.toml")
    sha256 = outside.release("3.9-8.0.1", "bz2", FITS)
    outside.publish_pypy()
    news = outside.look("pypy")
    entry = (
        f'["3.9-8.0.1"]\nurl = "{outside.site.address}/pypy/pypy3.9-v8.0.1-src.tar.bz2"\n'
        f'sha256 = "{sha256}"\n\n'
    )
    assert outside.file("pypy.toml") == before.replace('["3.11-7.3.22"]', entry + '["3.11-7.3.22"]')
    [edit] = news.edits
    assert re.findall("by (.*)", edit.what) == [
        f"{outside.site.address}/checksums.html, {outside.site.address}/checksums.rst,"
        " the archive itself"
    ]
    assert not outside.look("pypy", check=True)


def test_a_newest_release_is_written_last(outside: Publishers) -> None:
    before = outside.file("pypy.toml")
    sha256 = outside.release("3.11-8.0.1", "gz", FITS)
    outside.publish_pypy()
    outside.look("pypy")
    url = f"{outside.site.address}/pypy/pypy3.11-v8.0.1-src.tar.gz"
    entry = f'\n["3.11-8.0.1"]\nurl = "{url}"\nsha256 = "{sha256}"\n'
    assert outside.file("pypy.toml") == before + entry


def test_a_beta_is_written_as_not_stable(outside: Publishers) -> None:
    outside.release("3.11-8.0.1", "gz", FITS)
    outside.release("3.11-8.0.2", "gz", FITS)
    outside.betas.add("8.0.2")
    outside.publish_pypy()
    stable, beta = outside.look("pypy").edits
    assert "not stable" not in stable.what
    assert f"not stable, by {outside.site.address}{VERSIONS}" in beta.what
    pypys = load_pypys(outside.versions)
    assert (pypys["3.11-8.0.1"].stable, pypys["3.11-8.0.2"].stable) == (True, False)
    assert newest_release(pypys, "3.11") == ("3.11-8.0.1", True)
    assert outside.file("pypy.toml").count("stable = ") == 1


def test_which_patches_fit_a_new_release(outside: Publishers) -> None:
    outside.release("3.11-8.0.1", "gz", FITS)
    outside.publish_pypy()
    told = "\n".join(outside.look("pypy").decisions)
    assert "of the patches for 3.11-8.0.0 that fit: first\n" in told
    assert "second.patch does not fit 3.11-8.0.1 at hunk 1 of rpython/second.py" in told
    assert "leave third out: the tree has the same change already" in told


def test_check_only_tells(outside: Publishers) -> None:
    before = outside.file("pypy.toml")
    outside.release("3.11-8.0.1", "gz", FITS)
    outside.publish_pypy()
    news = outside.look("pypy", check=True)
    assert [edit.what.partition("\n")[0] for edit in news.edits] == [
        "3.11-8.0.1: pypy3.11-v8.0.1-src.tar.gz"
    ]
    assert outside.file("pypy.toml") == before
    assert "/pypy/pypy3.11-v8.0.1-src.tar.gz" not in [path for path, _ in outside.site.asked]


def test_a_language_without_a_recipe_is_left_to_decide(outside: Publishers) -> None:
    before = outside.file("pypy.toml")
    outside.release("3.99-8.0.1", "gz", FITS)
    outside.publish_pypy()
    news = outside.look("pypy")
    assert (news.edits, outside.file("pypy.toml")) == ((), before)
    assert "3.99-8.0.1: pypy3.99-v8.0.1-src.tar.gz: not written." in news.decisions[-1]
    assert "no [[pypy]] entry covers 3.99-8.0.1" in news.decisions[-1]


def test_a_digest_that_changed_is_refused_with_both(outside: Publishers) -> None:
    path = outside.versions / "pypy.toml"
    path.write_text(path.read_text("utf-8").replace(AFTER, BEFORE), "utf-8")
    outside.release("3.11-8.0.1", "gz", FITS)
    outside.publish_pypy()
    refused = outside.refusal("pypy", "pypy.toml")
    assert isinstance(refused, DigestError)
    assert f"3.9-7.3.15: {REFUSED}" in refused.what
    assert f"{BEFORE}  versions/pypy.toml" in refused.what
    for page in ("checksums.html", "checksums.rst"):
        assert f"{AFTER}  {outside.site.address}/{page}" in refused.what
    assert "by hand" in refused.remedy


def test_two_sources_that_contradict_each_other(outside: Publishers) -> None:
    before = outside.file("pypy.toml")
    sha256 = outside.release("3.11-8.0.1", "gz", FITS)
    outside.publish_pypy()
    page = outside.site.files["/checksums.rst"]
    outside.site.files["/checksums.rst"] = page.replace(sha256.encode(), b"0" * 64)
    news = outside.look("pypy")
    [refused] = news.refusals
    assert isinstance(refused, DigestError)
    assert f"{sha256}  {outside.site.address}/checksums.html" in refused.what
    assert f"{'0' * 64}  {outside.site.address}/checksums.rst" in refused.what
    assert outside.file("pypy.toml") == before


def test_an_archive_that_contradicts_its_digest(outside: Publishers) -> None:
    sha256 = outside.release("3.11-8.0.1", "gz", FITS)
    outside.publish_pypy()
    outside.site.files["/pypy/pypy3.11-v8.0.1-src.tar.gz"] += b"more"
    refused = outside.refusal("pypy", "pypy.toml")
    assert isinstance(refused, DigestError)
    assert f"expected {sha256}, got" in refused.what


def test_an_archive_out_of_reach_is_added_untried(outside: Publishers) -> None:
    outside.release("3.11-8.0.1", "gz", FITS)
    outside.publish_pypy()
    del outside.site.files["/pypy/pypy3.11-v8.0.1-src.tar.gz"]
    news = outside.look("pypy")
    assert "3.11-8.0.1" in outside.file("pypy.toml")
    assert "3.11-8.0.1: its patches are not tried: pypy3.11" in "\n".join(news.decisions)


def test_a_release_without_a_digest_is_not_added(outside: Publishers) -> None:
    outside.announced.insert(0, ("8.0.1", "3.11.16"))
    outside.publish_pypy()
    news = outside.look("pypy")
    assert news.edits == ()
    assert news.decisions == (
        "3.11-8.0.1: PyPy publishes no SHA-256 of its source yet; nothing is added",
    )


def test_a_digest_without_an_announcement_is_not_added(outside: Publishers) -> None:
    outside.release("3.11-8.0.1", "gz", FITS)
    outside.announced.pop(0)
    outside.publish_pypy()
    news = outside.look("pypy")
    assert news.edits == ()
    assert "versions.json does not announce it" in news.decisions[0]


def test_a_single_source_of_a_digest_is_told(outside: Publishers) -> None:
    outside.release("3.11-8.0.1", "gz", FITS)
    outside.publish_pypy()
    del outside.site.files["/checksums.html"]
    news = outside.look("pypy", check=True)
    assert len(news.edits) == 1
    assert news.decisions == ("3.11-8.0.1: only 127.0.0.1 has its SHA-256",)
    assert any("no second source" in line and "checksums.html" in line for line in news.notes)


def two_hosts(outside: Publishers) -> None:
    """PyPy's repository is on another host than its web site."""
    path = outside.versions / "update.toml"
    site = outside.site.address
    text = path.read_text("utf-8")
    rst = f"{site.replace('127.0.0.1', 'localhost')}{RST}"
    path.write_text(text.replace(f"{site}{RST}", rst), "utf-8")


def test_a_digest_on_two_hosts_is_left_to_nobody(outside: Publishers) -> None:
    two_hosts(outside)
    outside.release("3.11-8.0.1", "gz", FITS)
    outside.publish_pypy()
    news = outside.look("pypy", check=True)
    assert (len(news.edits), news.decisions) == (1, ())


def test_two_pages_of_one_mirror_are_one_source(outside: Publishers) -> None:
    two_hosts(outside)
    outside.release("3.11-8.0.1", "gz", FITS)
    outside.publish_pypy()
    pages = {f"/{path.rpartition('/')[2]}": outside.site.files[path] for path in (HTML, RST)}
    before = outside.project
    for address in serve(type("MirrorHandler", (Handler,), {"site": Site(files=pages)})):
        fetcher = Fetcher(before.cache, [address])
        outside.project = Project(
            before.data, before.artifacts, before.cache, fetcher, lambda line: None
        )
        news = outside.look("pypy")
        assert f"{address}{HTML}, {address}{RST}, the archive itself" in news.edits[0].what
        assert news.decisions[0] == "3.11-8.0.1: only 127.0.0.1 has its SHA-256"


def test_a_withdrawn_release_is_told_and_stays(outside: Publishers) -> None:
    before = outside.file("pypy.toml")
    del outside.digests[archive_name("3.9-7.3.15", "bz2")]
    outside.announced.remove(("7.3.15", "3.9.9"))
    outside.publish_pypy()
    [told] = outside.look("pypy").decisions
    assert told.startswith("3.9-7.3.15: withdrawn?")
    for page in ("versions.json", "checksums.html", "checksums.rst"):
        assert page in told
    assert outside.file("pypy.toml") == before
    path = outside.versions / "update.toml"
    text = path.read_text("utf-8").replace("withdrawn = []", 'withdrawn = ["3.9-7.3.15"]')
    path.write_text(text, "utf-8")
    assert not outside.look("pypy", check=True)


def test_a_listed_release_that_the_pages_do_not_have_yet(outside: Publishers) -> None:
    del outside.digests[archive_name("3.11-8.0.0", "gz")]
    outside.publish_pypy()
    [told] = outside.look("pypy", check=True).decisions
    assert told == "3.11-8.0.0: listed, but no page of PyPy's has its SHA-256 yet"


VERSIONS, HTML, RST = "/pypy/versions.json", "/checksums.html", "/checksums.rst"
ERROR_PAGE = b"<html><head><title>Sign in</title></head><body>Sign in</body></html>"
Change = Callable[[bytes], bytes]


@pytest.mark.parametrize(
    ("page", "change", "says"),
    [
        (VERSIONS, lambda page: b"", "it is empty"),
        (VERSIONS, lambda page: ERROR_PAGE, "it is not JSON"),
        (VERSIONS, lambda page: page[:-200], "it is not JSON"),
        (VERSIONS, lambda page: b'{"error": "moved"}', "it is {'error': 'moved'}, not a list"),
        (VERSIONS, lambda page: b"[]", "it lists no release"),
        (VERSIONS, lambda page: page.replace(b"pypy_version", b"version"), "is missing"),
        (VERSIONS, lambda page: page.replace(b'"stable"', b'"beta"'), "stable is missing"),
        (VERSIONS, lambda page: page.replace(b'"8.0.0"', b'"v8"'), "pypy_version is 'v8'"),
        (VERSIONS, lambda page: page.replace(b'"3.9.9"', b'"9"'), "python_version is '9'"),
        (VERSIONS, lambda page: page.replace(b'"7.3.14"', b'"7.3.16"'), "goes back to 7.3.15"),
        (VERSIONS, lambda page: b"\xff\xfe", "it is not UTF-8"),
        (HTML, lambda page: b"", "it is empty"),
        (HTML, lambda page: ERROR_PAGE, "it lists no release"),
        (HTML, lambda page: page[:-600], "does not end as an HTML page"),
        (HTML, lambda page: page.replace(b"pre", b"div"), "it lists no release"),
        (HTML, lambda page: page.replace(b"  pypy3.9-v", b" of pypy3.9-v"), "is not a SHA-256"),
        (RST, lambda page: b"404: Not Found", "it lists no release"),
        (RST, lambda page: page[: page.index(b"pypy3.9-v7.3.14")], "goes back to 7.3.15 only"),
        (RST, lambda page: page[:-40], "is not a SHA-256 and a file's name"),
        (RST, lambda page: page + b"\n    " + b"0" * 64 + b"  " + REFUSED.encode(), "two digests"),
    ],
)
def test_a_page_that_is_not_what_it_was(
    outside: Publishers, page: str, change: Change, says: str
) -> None:
    outside.release("3.11-8.0.1", "gz", FITS)
    outside.publish_pypy()
    outside.site.files[page] = change(outside.site.files[page])
    refused = outside.refusal("pypy", "pypy.toml")
    assert isinstance(refused, PageError)
    assert refused.what.startswith(f"{outside.site.address}{page} is not what it was: ")
    assert says in refused.what


def test_a_page_out_of_reach(outside: Publishers) -> None:
    outside.site.statuses[VERSIONS] = [503] * 4
    refused = outside.refusal("pypy", "pypy.toml")
    assert isinstance(refused, DownloadError)
    assert f"{outside.site.address}{VERSIONS} could not be fetched" in refused.what
