"""invoke download, from a real server on loopback."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from alpypy.cli.releases import default_url, release_url
from alpypy.core import fetch
from alpypy.core.errors import (
    ArchiveError,
    DigestError,
    DownloadError,
    ReleaseError,
    ResourceError,
    SpecError,
)
from alpypy.core.unpack import unpack
from alpypy.publish.download import DownloadSettings, download, next_steps, read_index
from alpypy.publish.index import ReleaseSettings
from alpypy.publish.release import gather
from alpypy.recipes.spec import Target
from tests.loopback import Handler, Site, serve
from tests.manifests import MANIFEST, TARGET
from tests.releases import as_before, manifest_of, verified

NAME = TARGET.tarball
# Larger than a piece of a download, and not made smaller by bzip2.
CONTENT = f"#!/bin/sh\necho PyPy 7.3.22\nexit\n{os.urandom(150_000).hex()}\n"


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy of this machine between a test and its server; no waiting between attempts."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr(fetch, "_PAUSE", 0.0)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of two PyPys."""
    folder = tmp_path_factory.mktemp("made")
    verified(folder, MANIFEST, CONTENT)
    verified(folder, manifest_of(Target("3.6-7.0.0", "3.9", "aarch64")))
    gather(folder, folder / "release", None, print)
    return folder / "release"


@pytest.fixture
def site(made: Path) -> Iterator[Site]:
    files = {f"/pypy/{path.name}": path.read_bytes() for path in made.iterdir() if path.is_file()}
    site = Site(files)
    for address in serve(type("SiteHandler", (Handler,), {"site": site})):
        site.address = address
        yield site


@pytest.fixture
def place(site: Site, tmp_path: Path) -> DownloadSettings:
    return DownloadSettings(f"{site.address}/pypy", tmp_path / "cache", tmp_path / "artifacts")


def test_a_release_of_an_older_alpypy_is_read(made: Path, site: Site, tmp_path: Path) -> None:
    shutil.copytree(made, tmp_path / "older")
    index = as_before(tmp_path / "older")
    site.files["/pypy/index.json"] = (tmp_path / "older/index.json").read_bytes()
    place = DownloadSettings(f"{site.address}/pypy", tmp_path / "cache", tmp_path / "artifacts")
    path, tarball = download(place, TARGET)
    assert path.is_file()
    assert tarball in index.tarballs


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def asked(site: Site) -> list[str | None]:
    """The ranges of the tarball that were asked for."""
    return [one for path, one in site.asked if path == f"/pypy/{NAME}"]


def test_a_pypy_is_found_fetched_and_unpacked(
    site: Site, place: DownloadSettings, tmp_path: Path
) -> None:
    path, tarball = download(place, TARGET)
    assert path == place.artifacts / NAME
    assert path.read_bytes() == site.files[f"/pypy/{NAME}"]
    done = subprocess.run(
        ["sha256sum", "-c", f"{NAME}.sha256"], cwd=path.parent, capture_output=True, check=True
    )
    assert done.stdout.endswith(b": OK\n")
    folder = unpack(path, tmp_path / "opt")
    _, run, verify = next_steps(path, tarball, folder)
    program = run.removeprefix("run it: ")
    assert subprocess.check_output([program]) == b"PyPy 7.3.22\n"
    assert verify == f"verify it before invoke image or invoke wheels: invoke verify {path}"
    assert next_steps(path, tarball, None) == [
        "on Alpine, install what it needs: apk add libffi",
        verify,
    ]


def test_what_is_there_is_not_fetched_again(site: Site, place: DownloadSettings) -> None:
    download(place, TARGET)
    download(place, TARGET)
    assert asked(site) == [None]


@pytest.mark.parametrize("beside", [None, b"\xff", b"0" * 64])
def test_a_tarball_without_its_digest_beside_it_is_taken(
    site: Site, place: DownloadSettings, beside: bytes | None
) -> None:
    path, tarball = download(place, TARGET)
    file = path.with_name(f"{NAME}.sha256")
    file.unlink()
    if beside is not None:
        file.write_bytes(beside)
    shutil.rmtree(place.cache)
    download(place, TARGET)
    assert asked(site) == [None]
    assert file.read_text() == f"{tarball.sha256}  {NAME}\n"


def test_the_architecture_counts(place: DownloadSettings) -> None:
    path, tarball = download(place, Target("3.6-7.0.0", "3.9", "aarch64"))
    assert path.name == "pypy-3.6-7.0.0-alpine3.9-aarch64.tar.bz2"
    assert tarball.target.arch == "aarch64"


@pytest.mark.parametrize(
    "target",
    [
        Target("3.11-7.3.21", "3.23"),
        Target("3.11-7.3.22", "3.22"),
        Target("3.11-7.3.22", "3.23", "aarch64"),
        Target("3.6-7.0.0", "3.9"),
    ],
)
def test_what_the_release_lacks_is_told_with_what_it_has(
    place: DownloadSettings, target: Target
) -> None:
    with pytest.raises(SpecError) as caught:
        download(place, target)
    assert (
        f"no PyPy {target.version} for Alpine {target.alpine}, {target.arch}" in caught.value.what
    )
    assert "3.11-7.3.22 for Alpine 3.23, x86_64" in caught.value.remedy
    assert "3.6-7.0.0 for Alpine 3.9, aarch64" in caught.value.remedy


def test_what_is_no_version_is_told_so(place: DownloadSettings) -> None:
    with pytest.raises(SpecError, match="'pypy3' is not a PyPy version"):
        download(place, Target("pypy3", "3.23"))


def test_a_cut_download_goes_on_in_the_next_run(site: Site, place: DownloadSettings) -> None:
    site.cut_after[f"/pypy/{NAME}"] = [fetch._PIECE, 0, 0, 0]
    with pytest.raises(DownloadError, match="cut 4 times") as caught:
        download(place, TARGET)
    assert "continues where it was cut" in caught.value.remedy
    site.asked.clear()
    path, _ = download(place, TARGET)
    assert asked(site) == [f"bytes={fetch._PIECE}-"]
    assert path.read_bytes() == site.files[f"/pypy/{NAME}"]


def test_a_server_without_ranges_starts_anew(site: Site, place: DownloadSettings) -> None:
    site.ranges = False
    site.cut_after[f"/pypy/{NAME}"] = [fetch._PIECE]
    path, _ = download(place, TARGET)
    assert path.read_bytes() == site.files[f"/pypy/{NAME}"]


def test_an_index_that_lies_about_a_digest(site: Site, place: DownloadSettings) -> None:
    document = json.loads(site.files["/pypy/index.json"])
    (entry,) = [one for one in document["artifacts"] if one["file"] == NAME]
    entry["digests"]["sha256"] = entry["verify"]["sha256"] = "f" * 64
    site.files["/pypy/index.json"] = json.dumps(document).encode()
    with pytest.raises(DigestError) as caught:
        download(place, TARGET)
    got = digest(site.files[f"/pypy/{NAME}"])
    assert f"sha256 expected {'f' * 64}, got {got}" in caught.value.what
    assert "do not use the file" in caught.value.remedy
    assert not place.artifacts.exists()


@pytest.mark.parametrize("text", [b"<html>Sign in</html>", b"", b"{}", b"[1]"])
def test_an_index_that_is_none(site: Site, place: DownloadSettings, text: bytes) -> None:
    site.files["/pypy/index.json"] = text
    with pytest.raises(ReleaseError) as caught:
        download(place, TARGET)
    assert f"{site.address}/pypy/index.json is not the index of a release" in caught.value.what


def test_an_address_without_an_index(site: Site) -> None:
    with pytest.raises(DownloadError, match=r"/elsewhere/index\.json could not be fetched: 404"):
        read_index(f"{site.address}/elsewhere/")


def test_a_file_that_is_gone(site: Site, place: DownloadSettings) -> None:
    del site.files[f"/pypy/{NAME}"]
    with pytest.raises(DownloadError, match="404"):
        download(place, TARGET)


def test_nobody_answers(site: Site, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="Connection refused"):
        read_index("http://127.0.0.1:9")


@pytest.mark.parametrize("url", ["", "pypy.example.org", "ftp://me:s3cret@127.0.0.1/x", "/srv/www"])
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(SpecError, match="is not an http or https address") as caught:
        read_index(url)
    assert "s3cret" not in str(caught.value)
    assert "--from" in caught.value.remedy


def test_a_login_is_sent_and_not_shown(site: Site, place: DownloadSettings) -> None:
    site.login = "me:s3cret"
    url = place.url.replace("//", "//me:s3cret@")
    path, _ = download(DownloadSettings(url, place.cache, place.artifacts), TARGET)
    assert path.is_file()
    for files in ({**site.files, "/pypy/index.json": b"{}"}, {}):
        site.files = files
        with pytest.raises((ReleaseError, DownloadError)) as caught:
            read_index(url)
        assert "s3cret" not in str(caught.value)


def test_a_pypy_of_ones_own_is_not_lost(place: DownloadSettings) -> None:
    place.artifacts.mkdir()
    (place.artifacts / NAME).write_bytes(b"mine, after an hour")
    with pytest.raises(DigestError) as caught:
        download(place, TARGET)
    assert digest(b"mine, after an hour") in caught.value.what
    assert (place.artifacts / NAME).read_bytes() == b"mine, after an hour"


def test_what_is_unpacked_already_stays(place: DownloadSettings, tmp_path: Path) -> None:
    path, _ = download(place, TARGET)
    unpack(path, tmp_path / "opt")
    with pytest.raises(ArchiveError, match="already exists"):
        unpack(path, tmp_path / "opt")


def test_the_address_of_the_settings_is_taken_where_none_is_given() -> None:
    assert (
        default_url(ReleaseSettings("https://pypy.example.org", "pypy"))
        == "https://pypy.example.org"
    )
    with pytest.raises(SpecError, match="no address to download from") as caught:
        default_url(ReleaseSettings("", "pypy"))
    assert "--from" in caught.value.remedy


def test_a_release_is_served_where_the_settings_say_unless_it_is_told() -> None:
    settings = ReleaseSettings("https://pypy.example.org/alpine/", "pypy")
    assert release_url(None, settings) == "https://pypy.example.org/alpine"
    assert release_url("http://127.0.0.1:80", settings) == "http://127.0.0.1:80"
    assert release_url(None, ReleaseSettings("", "pypy")) is None
    with pytest.raises(SpecError, match="cannot be the address of a release"):
        release_url("pypy.example.org", settings)


def test_a_full_disk_is_told(place: DownloadSettings) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk takes root")
    place.artifacts.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place.artifacts)]
    if subprocess.run(command, check=False).returncode:
        pytest.skip("this machine allows no mount")
    try:
        with pytest.raises(ResourceError, match=r"the disk that holds .*artifacts is full"):
            download(place, TARGET)
        assert list(place.artifacts.iterdir()) == []
    finally:
        subprocess.run(["umount", str(place.artifacts)], check=True)
