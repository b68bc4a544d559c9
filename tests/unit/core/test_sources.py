"""Fetching from a real server on loopback, and unpacking real archives."""

from __future__ import annotations

import hashlib
import io
import multiprocessing
import os
import shutil
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
from msgspec.structs import replace

from alpypy.core import fetch as sources
from alpypy.core.errors import ArchiveError, DigestError, DownloadError, ResourceError, SpecError
from alpypy.core.fetch import Fetcher, Page, fetch_page
from alpypy.core.files import file_digest
from alpypy.core.folders import cache_folder
from alpypy.core.redact import without_passwords
from alpypy.core.source import Rootfs, Source
from alpypy.core.unpack import unpack, unpack_some
from alpypy.recipes.checkout import local_source
from tests.loopback import CONTENT, Handler, Site, etag, serve


class Proxy(BaseHTTPRequestHandler):
    """A forward proxy that notes what goes through it."""

    seen: list[str]

    def do_GET(self) -> None:
        self.seen.append(self.path)
        with requests.Session() as session:
            session.trust_env = False
            answer = session.get(self.path, timeout=10)
        self.send_response(answer.status_code)
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy of this machine between a test and its server; no waiting between attempts."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr(sources, "_PAUSE", 0.0)


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    for address in serve(type("SiteHandler", (Handler,), {"site": site})):
        site.address = address
        yield site


@pytest.fixture
def mirror() -> Iterator[Site]:
    mirror = Site()
    for address in serve(type("MirrorHandler", (Handler,), {"site": mirror})):
        mirror.address = address
        yield mirror


@pytest.fixture
def nowhere() -> str:
    """An address at which nothing answers."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.server_close()
    return f"http://127.0.0.1:{server.server_port}"


def leftovers(cache: Path) -> list[str]:
    """Files of a cache that look like neither a lock nor a finished file."""
    return [path.name for path in cache.rglob("*.part")]


def test_fetched_once_then_from_the_cache(site: Site, tmp_path: Path) -> None:
    source = site.source()
    path = Fetcher(tmp_path).fetch(source)
    assert path.name == "pypy-src.tar.bz2"
    assert path.read_bytes() == CONTENT
    assert Fetcher(tmp_path).fetch(source) == path
    assert len(site.asked) == 1


def test_files_fetched_ahead_are_fetched_once(site: Site, tmp_path: Path) -> None:
    sources = [site.source(f"file-{number}", b"%d" % number) for number in range(20)]
    missing = Source(f"{site.address}/missing", "0" * 64)
    fetcher = Fetcher(tmp_path)
    with fetcher.ahead([missing, *sources]):
        paths = [fetcher.fetch(source) for source in sources]
    assert [path.read_bytes() for path in paths] == [b"%d" % number for number in range(20)]
    asked = [path for path, _ in site.asked if path != "/missing"]
    assert sorted(asked) == sorted(f"/file-{number}" for number in range(20))
    with pytest.raises(DownloadError):
        fetcher.fetch(missing)


def test_what_is_in_the_cache_is_told_without_fetching(site: Site, tmp_path: Path) -> None:
    fetcher = Fetcher(tmp_path)
    source = site.source()
    assert fetcher.cached(source) is None
    assert not site.asked
    assert not list(tmp_path.iterdir())
    path = fetcher.fetch(source)
    assert fetcher.cached(source) == path
    path.write_bytes(b"damaged")
    assert fetcher.cached(source) is None


def test_a_page_of_the_first_mirror_that_has_it(
    site: Site, mirror: Site, nowhere: str, tmp_path: Path
) -> None:
    site.files["/list.json"], mirror.files["/v3.23/list.json"] = b"published", b"of a mirror"
    fetcher = Fetcher(tmp_path, [nowhere, mirror.address])
    page = fetcher.page(f"{site.address}/list.json", "v3.23/list.json")
    assert page == Page(f"{mirror.address}/v3.23/list.json", b"of a mirror")
    page = fetcher.page(f"{site.address}/list.json", "list.json")
    assert page == Page(f"{site.address}/list.json", b"published")
    site.files["/list.json"] = b"later"
    assert fetcher.page(f"{site.address}/list.json", "list.json").content == b"later"


def test_a_page_that_nobody_has(site: Site, mirror: Site, nowhere: str, tmp_path: Path) -> None:
    with pytest.raises(DownloadError) as caught:
        Fetcher(tmp_path, [mirror.address]).page(f"{site.address}/x/list.json", "list.json")
    assert caught.value.missing
    assert f"{mirror.address}/list.json could not be fetched" in caught.value.what
    assert f"{site.address}/x/list.json could not be fetched" in caught.value.what
    with pytest.raises(DownloadError) as caught:
        Fetcher(tmp_path, [nowhere]).page(f"{site.address}/list.json", "list.json")
    assert not caught.value.missing


def test_a_password_in_the_address_of_a_page_is_not_shown(site: Site, tmp_path: Path) -> None:
    site.login, site.files["/list.json"] = "me:secret", b"published"
    url = site.address.replace("//", "//me:secret@")
    assert fetch_page(f"{url}/list.json").address == f"{site.address}/list.json"


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_root_file_system_by_either_digest(algorithm: str, site: Site, tmp_path: Path) -> None:
    url, digest = site.source("root.tar.gz").url, hashlib.new(algorithm, CONTENT).hexdigest()
    path = Fetcher(tmp_path).fetch(Rootfs(url, **{algorithm: digest}))
    assert path.read_bytes() == CONTENT
    with pytest.raises(DigestError, match=f"{algorithm} expected 0000"):
        Fetcher(tmp_path).fetch(Rootfs(url, **{algorithm: "0" * len(digest)}))


def test_resumed_after_a_cut(site: Site, tmp_path: Path) -> None:
    source = site.source()
    piece = sources._PIECE
    site.cut_after["/pypy-src.tar.bz2"] = [3 * piece, 1, piece + 1]
    assert Fetcher(tmp_path).fetch(source).read_bytes() == CONTENT
    ranges = [asked for _, asked in site.asked]
    assert ranges == [None, f"bytes={3 * piece}-", f"bytes={3 * piece}-", f"bytes={4 * piece}-"]


def test_started_again_when_the_server_knows_no_ranges(site: Site, tmp_path: Path) -> None:
    source = site.source()
    site.ranges = False
    site.cut_after["/pypy-src.tar.bz2"] = [300_000]
    assert Fetcher(tmp_path).fetch(source).read_bytes() == CONTENT
    assert len(site.asked) == 2


def test_the_next_run_goes_on_where_one_was_cut(site: Site, tmp_path: Path) -> None:
    source = site.source()
    piece = sources._PIECE
    site.cut_after["/pypy-src.tar.bz2"] = [3 * piece, 0, 0, 0]
    with pytest.raises(DownloadError, match="cut 4 times"):
        Fetcher(tmp_path).fetch(source)
    site.asked.clear()
    assert Fetcher(tmp_path).fetch(source).read_bytes() == CONTENT
    assert [asked for _, asked in site.asked] == [f"bytes={3 * piece}-"]
    assert [path.name for path in tmp_path.rglob("*src*")] == ["pypy-src.tar.bz2"]


def test_the_next_run_goes_on_where_one_was_killed(tmp_path: Path) -> None:
    site, half = Site(), len(CONTENT) // 2
    sent = threading.Event()

    class Stalling(Handler):
        def do_GET(self) -> None:  # noqa: N802 - its name for GET
            if sent.is_set():
                super().do_GET()
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.send_header("ETag", etag(CONTENT))
            self.end_headers()
            self.wfile.write(CONTENT[:half])
            self.wfile.flush()
            sent.set()
            self.rfile.read(1)  # until the other side is gone
            self.close_connection = True

    Stalling.site = site
    for address in serve(Stalling):
        site.address = address
        source = site.source()
        code = (
            "import sys; from pathlib import Path; from alpypy.core.source import Source;"
            " from alpypy.core.fetch import Fetcher;"
            " Fetcher(Path(sys.argv[1])).fetch(Source(*sys.argv[2:]))"
        )
        command = [sys.executable, "-c", code, str(tmp_path), source.url, source.sha256]
        with subprocess.Popen(command, cwd=Path(__file__).parents[3]) as running:
            assert sent.wait(60)
            [part] = wait_for(lambda: [one for one in tmp_path.rglob("*.part") if size(one)])
            running.kill()
        have = size(part)
        assert Fetcher(tmp_path).fetch(source).read_bytes() == CONTENT
    assert [asked for _, asked in site.asked] == [f"bytes={have}-"]


def size(path: Path) -> int:
    return path.stat().st_size


def wait_for(found: Callable[[], list[Path]]) -> list[Path]:
    """What is there at last."""
    for _ in range(6000):
        if result := found():
            return result
        time.sleep(0.01)
    raise AssertionError("it never came")


@pytest.mark.parametrize("change", ["etags", "bytes", "address"])
def test_the_next_run_starts_again_where_it_cannot_be_sure(
    site: Site, mirror: Site, tmp_path: Path, change: str
) -> None:
    source = site.source()
    site.etags = change != "etags"
    site.files["/pypy-src.tar.bz2"] = CONTENT[::-1] if change == "bytes" else CONTENT
    site.cut_after["/pypy-src.tar.bz2"] = [3 * sources._PIECE, 0, 0, 0]
    with pytest.raises(DownloadError, match="cut 4 times"):
        Fetcher(tmp_path).fetch(source)
    site.files["/pypy-src.tar.bz2"] = CONTENT
    mirror.source()
    mirrors = [mirror.address] if change == "address" else []
    assert Fetcher(tmp_path, mirrors).fetch(source).read_bytes() == CONTENT
    assert [asked for _, asked in mirror.asked] == ([None] if mirrors else [])


def before_second(site: Site, happen: Callable[[], None]) -> type[Handler]:
    """A handler of ``site`` that lets something happen before the second answer."""

    class Changing(Handler):
        def do_GET(self) -> None:  # noqa: N802 - its name for GET
            if len(site.asked) == 1:
                happen()
            super().do_GET()

    Changing.site = site
    return Changing


def test_started_again_when_the_server_refuses_the_range(tmp_path: Path) -> None:
    site = Site(cut_after={"/a": [sources._PIECE]})
    for address in serve(before_second(site, lambda: site.statuses.update({"/a": [416]}))):
        site.address = address
        assert Fetcher(tmp_path).fetch(site.source("a")).read_bytes() == CONTENT
    assert [asked for _, asked in site.asked] == [None, f"bytes={sources._PIECE}-", None]


def test_started_again_when_the_file_changed_meanwhile(tmp_path: Path) -> None:
    site = Site(cut_after={"/a": [sources._PIECE]})
    for address in serve(before_second(site, lambda: site.files.update({"/a": CONTENT}))):
        site.address = address
        source = site.source("a")
        site.files["/a"] = CONTENT[::-1]
        assert Fetcher(tmp_path).fetch(source).read_bytes() == CONTENT
    assert [asked for _, asked in site.asked] == [None, f"bytes={sources._PIECE}-"]


def test_a_server_that_cuts_again_and_again_is_left(site: Site, tmp_path: Path) -> None:
    source = site.source()
    site.cut_after["/pypy-src.tar.bz2"] = [1000] * 9
    with pytest.raises(DownloadError) as caught:
        Fetcher(tmp_path).fetch(source)
    assert "cut 4 times" in caught.value.what
    assert source.url in caught.value.what
    assert len(site.asked) == 4


def test_a_server_in_trouble_is_asked_again(site: Site, tmp_path: Path) -> None:
    source = site.source()
    site.statuses["/pypy-src.tar.bz2"] = [503, 502]
    assert Fetcher(tmp_path).fetch(source).read_bytes() == CONTENT
    assert len(site.asked) == 3


def test_mirrors_come_first_in_their_order(
    site: Site, mirror: Site, nowhere: str, tmp_path: Path
) -> None:
    source = site.source()
    mirror.files["/some/pypy-src.tar.bz2"] = CONTENT
    mirrors = [nowhere, f"{mirror.address}/other", f"{mirror.address}/some/"]
    assert Fetcher(tmp_path, mirrors).fetch(source).read_bytes() == CONTENT
    assert [path for path, _ in mirror.asked] == [
        "/other/pypy-src.tar.bz2",
        "/some/pypy-src.tar.bz2",
    ]
    assert site.asked == []


def test_mirror_without_the_file_leads_to_the_publisher(
    site: Site, mirror: Site, tmp_path: Path
) -> None:
    source = site.source()
    assert Fetcher(tmp_path, [mirror.address]).fetch(source).read_bytes() == CONTENT
    assert len(mirror.asked) == len(site.asked) == 1


def test_mirror_that_is_no_address_is_named(site: Site, tmp_path: Path) -> None:
    source = replace(site.source(), url=f"{site.address}/missing")
    with pytest.raises(DownloadError) as caught:
        Fetcher(tmp_path, ["mirror.example/pypy"]).fetch(source)
    assert "mirror.example/pypy/missing: Invalid URL" in caught.value.what
    assert "404" in caught.value.what


@pytest.mark.usefixtures("as_a_command_tells")
@pytest.mark.parametrize(
    ("login", "sent"),
    [
        ("user:secret", "user:secret"),
        ("user:s%40cret%2F", "user:s@cret/"),
        ("user:s@cret", "user:s@cret"),
        ("user:sec/ret", "user:sec/ret"),
        ("secret", "secret:"),
    ],
)
def test_a_mirror_s_user_and_password_are_sent_and_not_shown(
    site: Site, login: str, sent: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source = replace(site.source(), url="", name="pypy-src.tar.bz2")
    site.login = sent
    mirror = site.address.replace("//", f"//{login}@")
    assert Fetcher(tmp_path, [mirror]).fetch(source).read_bytes() == CONTENT
    site.statuses["/missing"] = [401]
    with pytest.raises(DownloadError) as caught:
        Fetcher(tmp_path, [mirror]).fetch(replace(source, sha256="0" * 64, name="missing"))
    assert f"{site.address}/missing: 401" in caught.value.what
    hidden(str(caught.value))
    with pytest.raises(DigestError) as wrong:
        Fetcher(tmp_path, [mirror]).fetch(replace(source, sha256="0" * 64))
    hidden(str(wrong.value))
    shown = capfd.readouterr().err
    assert f"fetching {site.address}/pypy-src.tar.bz2" in shown
    hidden(shown)


def hidden(text: str) -> None:
    """Nothing in the text is part of a login of these tests."""
    assert "user" not in text
    assert "cret" not in text
    assert "sec" not in text
    assert "@" not in text


@pytest.mark.parametrize(
    "address",
    [
        "http://user:secret@a..b",
        "http://user:secret@[::1",
        "user:secret@mirror.example",
        "ftp://user:secret@mirror.example",
        "http://user:secret@nowhere.invalid",
        "http://user:sec ret@127.0.0.1:9",
    ],
)
def test_an_impossible_mirror_s_password_is_not_shown(address: str, tmp_path: Path) -> None:
    with pytest.raises(DownloadError) as caught:
        Fetcher(tmp_path, [address]).fetch(Source("", "0" * 64, name="x"))
    hidden(str(caught.value))


@pytest.mark.parametrize("proxy", ["http://user:secret@a..b", "user:secret@a..b", "http://se@a..b"])
def test_an_impossible_proxy_s_password_is_not_shown(
    proxy: str, nowhere: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy)
    with pytest.raises(DownloadError) as caught:
        Fetcher(tmp_path).fetch(Source("http://mirror.example/x", "0" * 64))
    hidden(str(caught.value).replace("mirror.example", ""))


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:80/@scope/x", "http://[::1]:80/a@b", "http://h/a:b@c", "h/x"]
)
def test_an_address_without_a_login_is_shown_whole(address: str) -> None:
    assert sources._from_url(address).address == address


@pytest.mark.parametrize(
    "text",
    ["'http://user:secret@h/x'", "to http://secret@h: no", "for user:s@cret@h.", "(user:secret@h)"],
)
def test_messages_of_other_programs_lose_a_login(text: str) -> None:
    shown = without_passwords(text)
    hidden(shown)
    assert "h" in shown


def test_reasons_are_short_and_whole(tmp_path: Path) -> None:
    with pytest.raises(DownloadError) as caught:
        Fetcher(tmp_path).fetch(Source("https://nowhere.invalid/x", "0" * 64))
    [line] = caught.value.what.splitlines()[1:]
    assert "Failed to resolve 'nowhere.invalid' (" in line
    assert line.count("(") == line.count(")")
    assert "Connection" not in line


def test_a_zip_archive_is_called_one(tmp_path: Path) -> None:
    path = tmp_path / "pypy.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("pypy/x", "x")
    for reading in (lambda: unpack(path, tmp_path), lambda: unpack_some(path, ["x"], tmp_path)):
        with pytest.raises(ArchiveError, match=r"pypy\.zip is a zip archive, and a tar archive"):
            reading()


def test_what_is_no_archive_is_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    path.write_text("not an archive\n")
    with pytest.raises(ArchiveError) as caught:
        unpack(path, tmp_path)
    assert caught.value.what.endswith("damaged: file could not be opened successfully")


def test_wrong_file_of_a_mirror_is_not_taken(site: Site, mirror: Site, tmp_path: Path) -> None:
    source = site.source()
    mirror.source(content=b"something else")
    assert Fetcher(tmp_path, [mirror.address]).fetch(source).read_bytes() == CONTENT


def test_wrong_file_everywhere_is_a_digest_error(site: Site, mirror: Site, tmp_path: Path) -> None:
    wanted = hashlib.sha256(CONTENT).hexdigest()
    mirror.source(content=b"one")
    source = replace(site.source(content=b"two"), sha256=wanted)
    with pytest.raises(DigestError) as caught:
        Fetcher(tmp_path, [mirror.address]).fetch(source)
    for address, content in ((mirror.address, b"one"), (site.address, b"two")):
        got = hashlib.sha256(content).hexdigest()
        line = f"{address}/pypy-src.tar.bz2: sha256 expected {wanted}, got {got}"
        assert line in caught.value.what
    assert not list(tmp_path.rglob("pypy-src*"))


def test_wrong_file_outweighs_an_address_that_fails(
    site: Site, mirror: Site, tmp_path: Path
) -> None:
    mirror.source(content=b"one")
    source = site.source()
    del site.files["/pypy-src.tar.bz2"]
    with pytest.raises(DigestError, match="404"):
        Fetcher(tmp_path, [mirror.address]).fetch(source)


def test_a_file_that_nobody_has(site: Site, mirror: Site, nowhere: str, tmp_path: Path) -> None:
    source = Source(f"{site.address}/x.tar", "0" * 64)
    for fetcher, missing in (
        (Fetcher(tmp_path, [mirror.address]), True),
        (Fetcher(tmp_path, [nowhere]), False),
    ):
        with pytest.raises(DownloadError) as caught:
            fetcher.fetch(source)
        assert caught.value.missing == missing


def test_nothing_reachable_is_a_download_error_that_names_the_option(
    nowhere: str, tmp_path: Path
) -> None:
    with pytest.raises(DownloadError) as caught:
        Fetcher(tmp_path).fetch(Source(f"{nowhere}/x.tar", "0" * 64))
    assert f"{nowhere}/x.tar: " in caught.value.what
    assert "refused" in caught.value.what
    assert "--mirror" in caught.value.remedy


@pytest.mark.parametrize("damaged", [b"", CONTENT[:-1], b"x" + CONTENT[1:]])
def test_file_damaged_in_the_cache_is_fetched_again(
    site: Site, tmp_path: Path, damaged: bytes
) -> None:
    source = site.source()
    path = Fetcher(tmp_path).fetch(source)
    path.write_bytes(damaged)
    assert Fetcher(tmp_path).fetch(source).read_bytes() == CONTENT
    assert len(site.asked) == 2


def test_a_part_left_by_a_killed_run_does_no_harm(site: Site, tmp_path: Path) -> None:
    source = site.source()
    path = Fetcher(tmp_path).fetch(source)
    path.rename(path.with_name(f"{path.name}.part"))
    assert Fetcher(tmp_path).fetch(source).read_bytes() == CONTENT
    assert [asked for _, asked in site.asked] == [None, None]
    assert leftovers(tmp_path) == []


def fetch_in_a_process(cache: Path, source: Source, start: object) -> None:
    start.wait()  # type: ignore[attr-defined]
    assert Fetcher(cache).fetch(source).read_bytes() == CONTENT


def test_two_processes_fetch_a_file_once(site: Site, tmp_path: Path) -> None:
    source = site.source()
    context = multiprocessing.get_context("fork")
    start = context.Barrier(2)
    arguments = (tmp_path, source, start)
    processes = [context.Process(target=fetch_in_a_process, args=arguments) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
    assert [process.exitcode for process in processes] == [0, 0]
    assert len(site.asked) == 1


def test_proxy_of_the_environment(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = site.source()
    seen: list[str] = []
    for address in serve(type("SeeingProxy", (Proxy,), {"seen": seen})):
        monkeypatch.setenv("http_proxy", address)
        assert Fetcher(tmp_path).fetch(source).read_bytes() == CONTENT
    assert seen == [source.url]


@pytest.mark.skipif(shutil.which("apt-get") is None, reason="this machine has no apt")
def test_file_in_a_debian_repository(
    site: Site, nowhere: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sources.list").write_text(
        f"deb {nowhere} sid main\ndeb cdrom:x sid main\ndeb {site.address}/debian/ sid main\n"
    )
    (tmp_path / "apt.conf").write_text(
        f'Dir::Etc::SourceList "{tmp_path}/sources.list";\nDir::Etc::SourceParts "/dev/null";\n'
    )
    monkeypatch.setenv("APT_CONFIG", str(tmp_path / "apt.conf"))
    site.files["/debian/pool/p.orig.tar.gz"] = CONTENT
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    source = Source(f"{nowhere}/Python.tgz", sha256, debian="pool/p.orig.tar.gz")
    path = Fetcher(tmp_path / "cache").fetch(source)
    assert path.name == "Python.tgz"
    assert path.read_bytes() == CONTENT


def test_no_debian_repository_on_a_machine_without_apt(
    nowhere: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    source = Source(f"{nowhere}/Python.tgz", "0" * 64, debian="pool/p.orig.tar.gz")
    with pytest.raises(DownloadError) as caught:
        Fetcher(tmp_path / "cache").fetch(source)
    assert caught.value.what.count("\n") == 1


def wheel(folder: Path) -> Path:
    """A wheel of one module, such as pip takes from a folder of wheels."""
    path = folder / "alpypy_nothing-1.0-py3-none-any.whl"
    info = "alpypy_nothing-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("alpypy_nothing.py", "")
        archive.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: alpypy-nothing\nVersion: 1.0\n"
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels that pip uses instead of any index."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    return folder


def test_file_that_only_pip_can_reach(index: Path, nowhere: str, tmp_path: Path) -> None:
    path = wheel(index)
    pypi = "alpypy-nothing==1.0"
    source = Source(f"{nowhere}/{path.name}", file_digest(path), pypi=pypi)
    assert Fetcher(tmp_path / "cache").fetch(source).read_bytes() == path.read_bytes()


def test_file_that_pip_cannot_reach_either(index: Path, nowhere: str, tmp_path: Path) -> None:
    assert list(index.iterdir()) == []
    source = Source(f"{nowhere}/n-1.0-py3-none-any.whl", "0" * 64, pypi="alpypy-nothing==1.0")
    with pytest.raises(DownloadError) as caught:
        Fetcher(tmp_path / "cache").fetch(source)
    assert "pip download alpypy-nothing==1.0: ERROR: No matching distribution" in caught.value.what


@pytest.mark.usefixtures("as_a_command_tells")
def test_one_line_instead_of_a_bar_where_there_is_no_terminal(
    site: Site, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source = site.source()
    Fetcher(tmp_path).fetch(source)
    assert capfd.readouterr() == ("", f"fetching {source.url}\n")


def test_full_disk_is_a_resource_error(site: Site, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk takes root")
    source = site.source()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(tmp_path)], check=False
    )
    if mounted.returncode:
        pytest.skip("this machine allows no mount")
    try:
        with pytest.raises(ResourceError, match="full"):
            Fetcher(tmp_path).fetch(source)
        assert leftovers(tmp_path) == []
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_cache_that_is_a_file_is_a_resource_error(site: Site, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.write_text("", encoding="utf-8")
    with pytest.raises(ResourceError, match="cannot be used") as caught:
        Fetcher(cache).fetch(site.source())
    assert "ALPYPY_CACHE" in caught.value.remedy
    assert site.asked == []


def test_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALPYPY_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("ALPYPY_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "alpypy"


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ("cache", "work/cache"),
        ("./a/../cache", "work/cache"),
        ("~/cache", "home/cache"),
        ("../link/cache", "link/cache"),
    ],
)
def test_cache_folder_is_absolute(
    chosen: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "link").symlink_to("work")  # maybe made for a shorter path
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ALPYPY_CACHE", chosen)
    assert cache_folder() == tmp_path / expected


def test_cache_of_a_user_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALPYPY_CACHE", "~no-such-user/cache")
    with pytest.raises(SpecError, match=r"ALPYPY_CACHE is ~no-such-user/cache"):
        cache_folder()


# --- unpacking -----------------------------------------------------------------------------------

Member = tuple[str, bytes | None, dict[str, object]]


def archive(path: Path, *members: Member, mode: str = "w:bz2") -> Path:
    """A tar archive: name, content (None for what is no file), fields of the header."""
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, content, fields in members:
            info = tarfile.TarInfo(name)
            info.size = len(content or b"")
            for key, value in fields.items():
                setattr(info, key, value)
            tar.addfile(info, io.BytesIO(content or b""))
    return path


def folder(name: str) -> Member:
    return name, None, {"type": tarfile.DIRTYPE, "mode": 0o755}


def link(name: str, target: str) -> Member:
    return name, None, {"type": tarfile.SYMTYPE, "linkname": target}


def hard_link(name: str, target: str) -> Member:
    return name, None, {"type": tarfile.LNKTYPE, "linkname": target}


def file(name: str, content: bytes = b"x", mode: int = 0o644) -> Member:
    return name, content, {"mode": mode}


@pytest.mark.parametrize("mode", ["w", "w:bz2", "w:gz", "w:xz"])
def test_unpacked_whole(tmp_path: Path, mode: str) -> None:
    members = [
        folder("top"),
        file("top/bin/run", b"#!", 0o6755),
        file("top/data", b"12"),
        link("top/lib", "bin"),
        link("top/bin/other", "../data"),
        hard_link("top/same", "top/data"),
    ]
    path = archive(tmp_path / "a.tar", *members, mode=mode)
    top = unpack(path, tmp_path / "out")
    assert top == tmp_path / "out" / "top"
    assert (top / "bin" / "run").stat().st_mode & 0o7777 == 0o755
    assert (top / "lib" / "run").read_bytes() == b"#!"
    assert (top / "bin" / "other").read_bytes() == b"12"
    assert (top / "same").read_bytes() == b"12"
    assert os.listdir(tmp_path / "out") == ["top"]


@pytest.mark.parametrize(
    "members",
    [
        [file("top/a"), file("../evil")],
        [file("top/a"), file("top/../../evil")],
        [file("top/a"), link("top/l", "../../evil")],
        [file("top/a"), link("top/l", "..")],
        [file("top/a"), link("top/l", "/etc/passwd")],
        [folder("top"), link("top/x", "."), link("top/y", "x/..")],
        [folder("top"), link("top/y", "x/.."), link("top/x", ".")],
        [folder("top"), folder("top/d"), link("top/l", "d"), file("top/l/evil")],
        [folder("top"), folder("top/d"), link("top/d/l", "../.."), file("top/d/l/evil")],
        [file("top/a"), link("top/l", "a"), hard_link("top/h", "top/l")],
        [file("top/a"), hard_link("top/h", "../../etc/passwd")],
        [file("top/a"), ("top/dev", None, {"type": tarfile.CHRTYPE, "devmajor": 1})],
        [file("top/a"), ("top/pipe", None, {"type": tarfile.FIFOTYPE})],
        [file("top/a"), file("other/b")],
        [file("top/a"), file("/abs")],
        [file("alone")],
        [link("top", "elsewhere")],
        [],
    ],
    ids=str,
)
def test_unfit_archive_leaves_nothing(tmp_path: Path, members: list[Member]) -> None:
    path = archive(tmp_path / "a.tar.bz2", *members)
    with pytest.raises(ArchiveError) as caught:
        unpack(path, tmp_path / "deep" / "out")
    assert str(path) in caught.value.what
    assert sorted(item.name for item in tmp_path.rglob("*")) == ["a.tar.bz2", "deep", "out"]


@pytest.mark.parametrize("mode", ["w", "w:bz2", "w:gz", "w:xz"])
@pytest.mark.parametrize("part", [0.0, 0.05, 0.5, 0.95])
def test_truncated_archive_leaves_nothing(tmp_path: Path, mode: str, part: float) -> None:
    content = os.urandom(200_000)
    path = archive(tmp_path / "a.tar", file("top/a", content), file("top/b"), mode=mode)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(ArchiveError) as caught:
        unpack(path, tmp_path / "out")
    assert f"{path} is truncated or damaged" in caught.value.what
    assert os.listdir(tmp_path / "out") == []


@pytest.mark.parametrize("mode", ["w:bz2", "w:gz", "w:xz"])
def test_damaged_archive_leaves_nothing(tmp_path: Path, mode: str) -> None:
    path = archive(tmp_path / "a.tar", file("top/a", os.urandom(200_000)), mode=mode)
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 0xFF
    path.write_bytes(whole)
    with pytest.raises(ArchiveError, match="damaged"):
        unpack(path, tmp_path / "out")
    assert os.listdir(tmp_path / "out") == []


@pytest.mark.parametrize("mode", ["w", "w:bz2", "w:gz", "w:xz"])
def test_some_files_are_unpacked(tmp_path: Path, mode: str) -> None:
    members = [
        folder("./top"),
        file("./top/lib/a", b"1"),
        link("./top/lib/l", "a"),
        file("./top/lib/b", b"2"),
        file("./lib/b", b"elsewhere"),
        file("top/../../evil"),
    ]
    path = archive(tmp_path / "a.tar", *members, mode=mode)
    unpack_some(path, ["lib/b", "lib/l", "lib/none"], tmp_path / "out")
    found = [entry for entry in (tmp_path / "out").rglob("*") if not entry.is_dir()]
    assert found == [tmp_path / "out/lib/b"]
    assert found[0].read_bytes() == b"2"


@pytest.mark.parametrize("mode", ["w", "w:bz2", "w:gz", "w:xz"])
def test_some_files_of_a_truncated_archive(tmp_path: Path, mode: str) -> None:
    path = archive(tmp_path / "a.tar", file("top/a", os.urandom(50_000)), mode=mode)
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(ArchiveError, match="truncated or damaged"):
        unpack_some(path, ["a"], tmp_path / "out")


def test_what_is_there_already_is_kept(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.tar.bz2", file("top/a"))
    top = unpack(path, tmp_path)
    (top / "a").write_text("patched", encoding="utf-8")
    with pytest.raises(ArchiveError, match="already exists"):
        unpack(path, tmp_path)
    assert (top / "a").read_text(encoding="utf-8") == "patched"


# --- --source ------------------------------------------------------------------------------------

GOAL = "pypy/goal/targetpypystandalone.py"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A tree that looks like PyPy's."""
    tree = tmp_path / "mine"
    for name in (GOAL, "rpython/rlib/x.py", ".hg/store", "sub/.git/config"):
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name, encoding="utf-8")
    (tree / "run").write_text("#!", encoding="utf-8")
    (tree / "run").chmod(0o755)
    (tree / "link").symlink_to("run")
    (tree / "folder").symlink_to("pypy")
    return tree


def names(tree: Path) -> list[str]:
    found = [path for path in tree.rglob("*") if path.is_symlink() or path.is_file()]
    return sorted(str(path.relative_to(tree)) for path in found)


def test_folder_is_copied_without_its_history(checkout: Path, tmp_path: Path) -> None:
    local = local_source(checkout, tmp_path / "work")
    assert local.tree == tmp_path / "work" / "mine"
    assert local.path == checkout
    expected = ["folder", "link", GOAL, "rpython/rlib/x.py", "run"]
    assert names(local.tree) == expected
    assert os.listdir(tmp_path / "work") == ["mine"]
    assert (local.tree / "run").stat().st_mode & 0o777 == 0o755
    assert os.readlink(local.tree / "folder") == "pypy"


def git(tree: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(tree), *arguments], check=True, capture_output=True)


def test_of_a_git_checkout_what_is_tracked_is_taken_as_it_is(
    checkout: Path, tmp_path: Path
) -> None:
    git(checkout, "init")
    git(checkout, "add", GOAL, "rpython", "run")
    (checkout / "rpython" / "rlib" / "x.py").write_text("changed", encoding="utf-8")
    (checkout / "run").unlink()
    local = local_source(checkout, tmp_path / "work")
    assert names(local.tree) == [GOAL, "rpython/rlib/x.py"]
    assert (local.tree / "rpython" / "rlib" / "x.py").read_text(encoding="utf-8") == "changed"


def chmod(tree: Path) -> None:
    (tree / "run").chmod(0o644)


def edit(tree: Path) -> None:
    (tree / "rpython" / "rlib" / "x.py").write_text("y", encoding="utf-8")


def rename(tree: Path) -> None:
    (tree / "run").rename(tree / "walk")


def relink(tree: Path) -> None:
    (tree / "link").unlink()
    shutil.copy2(tree / "run", tree / "link")


@pytest.mark.parametrize("change", [chmod, edit, rename, relink])
def test_digest_of_a_tree_tells_every_change(
    checkout: Path, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    before = local_source(checkout, tmp_path / "before").sha256
    assert local_source(checkout, tmp_path / "same").sha256 == before
    change(checkout)
    assert local_source(checkout, tmp_path / "after").sha256 != before


def test_local_archive(checkout: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        tar.add(checkout, "pypy-mine")
    local = local_source(path, tmp_path / "work")
    assert local.tree == tmp_path / "work" / "pypy-mine"
    assert local.sha256 == file_digest(path)
    assert (local.tree / GOAL).is_file()


def test_something_else_than_pypy_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other"
    (other / "src").mkdir(parents=True)
    with pytest.raises(SpecError, match="not a source tree of PyPy"):
        local_source(other, tmp_path / "work")
    path = archive(tmp_path / "other.tar", file("other/src"), mode="w")
    with pytest.raises(SpecError, match="not a source tree of PyPy"):
        local_source(path, tmp_path / "work")
    with pytest.raises(SpecError, match="does not exist"):
        local_source(tmp_path / "none", tmp_path / "work")


def test_broken_git_checkout_says_what_git_says(checkout: Path, tmp_path: Path) -> None:
    (checkout / ".git").write_text("gitdir: nowhere", encoding="utf-8")
    with pytest.raises(SpecError, match="nowhere"):
        local_source(checkout, tmp_path / "work")
