"""New Alpines and point releases, replaced files, and lists that are not what they were."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from alpypy.core.errors import DigestError, DownloadError, PageError
from alpypy.core.fetch import Fetcher
from alpypy.core.project import Project
from tests.loopback import Handler, Site, serve
from tests.publishers import ARCHES, Publishers, digest

PLACE = "/alpine/v3.23/releases/x86_64"
LIST = f"{PLACE}/latest-releases.yaml"
FILE = "alpine-minirootfs-3.23.6-x86_64.tar.gz"
NEXT = "alpine-minirootfs-3.23.7-x86_64.tar.gz"


def test_nothing_new(outside: Publishers) -> None:
    assert not outside.look("alpine", check=True)


def test_a_point_release(outside: Publishers) -> None:
    before = outside.file("alpine.toml")
    outside.alpines["3.23"] = "3.23.7"
    outside.publish_alpine()
    [edit] = outside.look("alpine").edits
    expected = before.replace("3.23.6", "3.23.7")
    for arch in ARCHES:
        old, new = (f"alpine-minirootfs-3.23.{n}-{arch}.tar.gz" for n in (6, 7))
        expected = expected.replace(digest(old, "sha512"), digest(new, "sha512"))
    assert outside.file("alpine.toml") == expected
    assert edit.what.startswith("Alpine 3.23: 3.23.7 (3.23.6 until now)\n")
    assert f"by {outside.site.address}{LIST}, {outside.site.address}{PLACE}/{NEXT}.sha512" in (
        edit.what
    )
    assert not outside.look("alpine", check=True)


def test_an_alpine_with_sha256_alone_gets_the_stronger_digest(outside: Publishers) -> None:
    path = outside.versions / "alpine.toml"
    text = path.read_text("utf-8")
    for arch in ARCHES:
        name = FILE.replace("x86_64", arch)
        text = text.replace(f'sha512 = "{digest(name, "sha512")}"', f'sha256 = "{digest(name)}"')
    path.write_text(text, "utf-8")
    assert not outside.look("alpine", check=True)
    outside.alpines["3.23"] = "3.23.7"
    outside.publish_alpine()
    outside.look("alpine")
    entry = outside.file("alpine.toml").partition('["3.23"]')[2]
    assert "sha256" not in entry
    assert digest(NEXT, "sha512") in entry


def test_a_new_alpine(outside: Publishers) -> None:
    before = outside.file("alpine.toml")
    outside.alpines |= {"3.24": "3.24.2", "3.25": "3.25.0"}
    outside.publish_alpine()
    news = outside.look("alpine")
    text = outside.file("alpine.toml")
    assert text.startswith(before)
    expected = ""
    for name, release in (("3.24", "3.24.2"), ("3.25", "3.25.0")):
        expected += f'\n["{name}"]\nrelease = "{release}"\n'
        for arch in ARCHES:
            file = f"alpine-minirootfs-{release}-{arch}.tar.gz"
            expected += (
                f'["{name}".rootfs.{arch}]\n'
                f'url = "{outside.site.address}/alpine/v{name}/releases/{arch}/{file}"\n'
                f'sha512 = "{digest(file, "sha512")}"\n'
            )
    assert text == before + expected
    assert [line.partition(":")[0] for line in news.decisions] == [
        "Alpine 3.24 is new",
        "Alpine 3.25 is new",
    ]
    assert not outside.look("alpine", check=True)


def test_a_digest_that_changed_is_refused_with_both(outside: Publishers) -> None:
    outside.alpines["3.22"] = "3.22.7"
    outside.publish_alpine()
    old, page = digest(FILE, "sha512"), outside.site.files[LIST]
    outside.site.files[LIST] = page.replace(old.encode(), b"0" * 128)
    refused = outside.refusal("alpine", "alpine.toml")
    assert isinstance(refused, DigestError)
    assert f"{old}  versions/alpine.toml" in refused.what
    assert f"{'0' * 128}  {outside.site.address}{LIST}" in refused.what


def test_two_sources_that_contradict_each_other(outside: Publishers) -> None:
    before = outside.file("alpine.toml")
    outside.alpines |= {"3.22": "3.22.7", "3.23": "3.23.7"}
    outside.publish_alpine()
    outside.site.files[f"{PLACE}/{NEXT}.sha512"] = f"{'0' * 128}  {NEXT}\n".encode()
    news = outside.look("alpine")
    [refused] = news.refusals
    assert isinstance(refused, DigestError)
    assert f"{digest(NEXT, 'sha512')}  {outside.site.address}{LIST}" in refused.what
    assert f"{'0' * 128}  {outside.site.address}{PLACE}/{NEXT}.sha512" in refused.what
    text = outside.file("alpine.toml")
    assert text.partition('["3.23"]')[2] == before.partition('["3.23"]')[2]
    assert 'release = "3.22.7"' in text


def test_a_single_source_of_a_digest_is_told(outside: Publishers) -> None:
    outside.alpines["3.23"] = "3.23.7"
    outside.publish_alpine()
    del outside.site.files[f"{PLACE}/{NEXT}.sha512"]
    news = outside.look("alpine")
    assert len(news.edits) == 1
    [told] = news.decisions
    assert told.startswith(f"{NEXT}: no second source of its digest: ")
    assert f"{NEXT}.sha512" in told


def test_a_point_release_that_is_gone_is_told_and_stays(outside: Publishers) -> None:
    before = outside.file("alpine.toml")
    outside.alpines["3.23"] = "3.23.5"
    outside.publish_alpine()
    news = outside.look("alpine")
    assert (news.edits, outside.file("alpine.toml")) == ((), before)
    [told] = news.decisions
    assert told.startswith("3.23: 3.23.6 withdrawn? The newest release is 3.23.5, by ")


def test_a_folder_that_is_gone_is_told_and_stays(outside: Publishers) -> None:
    before = outside.file("alpine.toml")
    for arch in ARCHES:
        del outside.site.files[f"/alpine/v3.22/releases/{arch}/latest-releases.yaml"]
    [told] = outside.look("alpine").decisions
    assert told.startswith("3.22: withdrawn? ")
    assert outside.file("alpine.toml") == before


def test_architectures_that_differ_wait_for_each_other(outside: Publishers) -> None:
    before = outside.file("alpine.toml")
    outside.publish_rootfs("v3.23", "3.23.7", "x86_64")
    [told] = outside.look("alpine").decisions
    assert told.endswith("nothing is changed: 3.23.7 for x86_64, 3.23.6 for aarch64")
    assert outside.file("alpine.toml") == before


Change = Callable[[bytes], bytes]
ERROR_PAGE = b"<html><head><title>Sign in</title></head><body>Sign in</body></html>"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda page: b"", "it is empty"),
        (lambda page: ERROR_PAGE, "not a list"),
        (lambda page: b"a: [", "it is not YAML"),
        (lambda page: b"[" * 5000, "it is not YAML"),
        (lambda page: page.replace(b"flavor", b"kind"), "0 entries for alpine-minirootfs"),
        (lambda page: page[: page.rindex(b"-\n  title")], "0 entries for alpine-minirootfs"),
        (lambda page: page + page.removeprefix(b"---\n"), "2 entries for alpine-minirootfs"),
        (lambda page: page[:-20], "its sha512 is"),
        (lambda page: page.replace(b"branch: v3.23", b"branch: v3.22"), "its branch is 'v3.22'"),
        (lambda page: page.replace(b"branch: v3.23", b"branch: edge"), "its branch is 'edge'"),
        (lambda page: page.replace(b": 3.23.6", b": 3.22.6"), "its version is '3.22.6'"),
        (lambda page: page.replace(b": 3.23.6", b": 3.23.6_rc1"), "its version is"),
        (lambda page: page.replace(FILE.encode(), b"../x.tar.gz"), "its file is '../x.tar.gz'"),
        (lambda page: page.replace(b"sha256: ", b"sha256: 0"), "its sha256 is"),
    ],
)
def test_a_list_that_is_not_what_it_was(outside: Publishers, change: Change, says: str) -> None:
    outside.alpines["3.22"] = "3.22.7"
    outside.publish_alpine()
    outside.site.files[LIST] = change(outside.site.files[LIST])
    refused = outside.refusal("alpine", "alpine.toml")
    assert isinstance(refused, PageError)
    assert refused.what.startswith(f"{outside.site.address}{LIST} is not what it was: ")
    assert says in refused.what


@pytest.mark.parametrize("answer", [b"Sign in", f"{'0' * 128}  other.tar.gz\n".encode()])
def test_a_file_s_own_digest_that_is_not_what_it_was(outside: Publishers, answer: bytes) -> None:
    outside.alpines["3.23"] = "3.23.7"
    outside.publish_alpine()
    outside.site.files[f"{PLACE}/{NEXT}.sha512"] = answer
    refused = outside.refusal("alpine", "alpine.toml")
    assert isinstance(refused, PageError)
    assert f"it is not the SHA-512 of {NEXT}" in refused.what


def test_a_list_out_of_reach(outside: Publishers) -> None:
    outside.site.statuses[LIST] = [503] * 4
    refused = outside.refusal("alpine", "alpine.toml")
    assert isinstance(refused, DownloadError)
    assert f"{outside.site.address}{LIST} could not be fetched" in refused.what


def test_a_mirror_is_asked_first_and_not_written_anywhere(outside: Publishers) -> None:
    outside.alpines["3.23"] = "3.23.7"
    outside.publish_alpine()
    mirror = Site(files=_taken(outside))
    before = outside.project
    for address in serve(type("MirrorHandler", (Handler,), {"site": mirror})):
        fetcher = Fetcher(before.cache, [address])
        outside.project = Project(
            before.data, before.artifacts, before.cache, fetcher, lambda line: None
        )
        outside.look("alpine")
        assert address not in outside.file("alpine.toml")
    assert digest(NEXT, "sha512") in outside.file("alpine.toml")
    assert not [path for path, _ in outside.site.asked if path.startswith("/alpine")]


def _taken(outside: Publishers) -> dict[str, bytes]:
    """All that Alpine has, which only the mirror has from now on."""
    paths = [path for path in outside.site.files if path.startswith("/alpine")]
    return {path.removeprefix("/alpine"): outside.site.files.pop(path) for path in paths}
