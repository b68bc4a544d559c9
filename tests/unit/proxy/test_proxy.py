"""The proxy without containers: a real squid on loopback, behind one that stands for upstream."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import requests
import trustme

from alpypy.core.errors import DataError, ProxyError, ResourceError, SpecError
from alpypy.proxy import server as proxies
from alpypy.proxy.authority import BUNDLE
from alpypy.proxy.config import Listen, Upstream, configuration, load_settings
from alpypy.proxy.files import hand_over
from alpypy.proxy.log import Traffic, traffic
from alpypy.proxy.server import Wanted, hints, running, upstream_of
from alpypy.proxy.squid import installed
from tests.loopback import CONTENT, Handler, Site, serve

ROOT = Path(__file__).parents[3]
SQUID = shutil.which("squid", path=f"{os.environ['PATH']}:/usr/sbin")
LOGIN = ("user%", "pa:ss/w@rd é")
IN_URL = "user%25:pa%3Ass%2Fw%40rd%20%C3%A9"
HOST = "packages.test"  # which no name server knows

real = pytest.mark.skipif(
    SQUID is None, reason="no squid: apt-get install --no-install-recommends squid-openssl"
)


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy and no certificates of this machine."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "FTP_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that squid's user gets into only because squid is started in it."""
    path = Path(f"/tmp/alpypy-proxy-{uuid.uuid4().hex[:8]}")
    path.mkdir(mode=0o700)
    yield path / "proxy"
    shutil.rmtree(path)


@pytest.fixture
def listen() -> Listen:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return Listen("127.0.0.1", probe.getsockname()[1], ("127.0.0.1",))


@pytest.fixture
def wanted(folder: Path, listen: Listen) -> Wanted:
    return Wanted(folder, ROOT, load_settings(ROOT), listen.port, ())


@dataclass
class Company(Site):
    """A proxy that everything has to go through; it has what it is asked for itself."""

    logins: set[str] = field(default_factory=set)
    tunnels: list[str] = field(default_factory=list)
    behind: tuple[str, int] = ("", 0)


class CompanyHandler(Handler):
    site: Company

    def do_GET(self) -> None:  # noqa: N802
        self.site.logins.add(self.headers.get("Proxy-Authorization", ""))
        super().do_GET()

    def do_CONNECT(self) -> None:  # noqa: N802
        self.site.logins.add(self.headers.get("Proxy-Authorization", ""))
        self.site.tunnels.append(self.path)
        with socket.create_connection(self.site.behind) as there:
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=copy, args=(there, self.connection), daemon=True)
            back.start()
            copy(self.connection, there)
            back.join(5)
        self.close_connection = True


def copy(one: socket.socket, other: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := one.recv(1 << 16):
            other.sendall(piece)
        other.shutdown(socket.SHUT_WR)


@pytest.fixture
def company(monkeypatch: pytest.MonkeyPatch) -> Iterator[Company]:
    site = Company()
    for address in serve(type("OwnHandler", (CompanyHandler,), {"site": site})):
        site.address = address
        for name in ("HTTP_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, address.replace("//", f"//{IN_URL}@"))
        yield site


def get(listen: Listen, url: str, **options: object) -> requests.Response:
    proxy = {"http": listen.url, "https": listen.url}
    with requests.Session() as session:
        session.trust_env = False
        return session.get(url, proxies=proxy, timeout=30, **options)  # type: ignore[arg-type]


def written(folder: Path) -> Iterator[tuple[Path, bytes]]:
    for path in folder.rglob("*"):
        if path.is_file():
            yield path, path.read_bytes()


@real
def test_what_was_fetched_once_is_served_without_upstream(
    wanted: Wanted, listen: Listen, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    urls = [f"http://{HOST}/pool/{name}" for name in ("make_4.3-4.1_amd64.deb", "six-1.17.tar.gz")]
    index = f"http://{HOST}/simple/six/"
    company.files = dict.fromkeys((*urls, index), CONTENT)
    with running(wanted, installed(), listen) as proxy:
        assert all(get(listen, url).content == CONTENT for url in (*urls, index))
    assert proxy.traffic().cached == 0
    basic = base64.b64encode(":".join(LOGIN).encode()).decode()
    assert company.logins == {f"Basic {basic}"}
    asked = len(company.asked)
    for name in ("HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # where nothing listens
    with running(wanted, installed(), listen) as proxy:
        assert all(get(listen, url).content == CONTENT for url in (*urls, index))
        # pip asks for an index so: it wants to know whether it is still right.
        again = get(listen, index, headers={"Cache-Control": "max-age=0"})
        assert again.content == CONTENT
        assert get(listen, f"http://{HOST}/simple/other/").status_code == 502
    seen = proxy.traffic()
    assert (seen.answers, seen.failed) == (4, 1)
    assert 4 * len(CONTENT) < seen.cached == seen.served
    assert len(company.asked) == asked


@real
def test_an_index_that_changed_is_fetched_and_then_kept_too(
    wanted: Wanted, listen: Listen, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = f"http://{HOST}/simple/six/"
    fresh = {"Cache-Control": "max-age=0"}
    with running(wanted, installed(), listen):
        for text in (b"six-1.16", b"six-1.17"):
            company.files[index] = text
            assert get(listen, index, headers=fresh).content == text
    for name in ("HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with running(wanted, installed(), listen):
        assert get(listen, index, headers=fresh).content == b"six-1.17"


@real
def test_a_password_is_in_no_file_and_no_argument(
    wanted: Wanted, listen: Listen, company: Company
) -> None:
    url = f"http://{HOST}/six-1.17.tar.gz"
    company.files[url] = CONTENT
    with running(wanted, installed(), listen) as proxy:
        assert get(listen, url.replace("//", "//me:hunter2@")).content == CONTENT
        assert isinstance(proxy.process, subprocess.Popen)
        arguments = Path(f"/proc/{proxy.process.pid}/cmdline").read_bytes()
        files = [*written(wanted.folder), (Path("arguments"), arguments)]
    files += written(wanted.folder)
    for path, content in files:
        assert not re.search(rb"w(@|%40)rd|hunter2|\bme:", content), path
    assert wanted.folder.stat().st_mode & 0o777 == 0o700


@dataclass(frozen=True)
class Secure:
    """A server with https, that a list of certificate authorities vouches for."""

    address: tuple[str, int]
    authorities: Path


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[Secure]:
    authority, authorities = trustme.CA(), tmp_path / "authorities.pem"
    authority.cert_pem.write_to_path(authorities)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST).configure_cert(context)
    site = Site({"/six-1.17.tar.gz": CONTENT})

    class Encrypted(Handler):
        def setup(self) -> None:
            self.request = context.wrap_socket(self.request, server_side=True)
            super().setup()

    for address in serve(type("Own", (Encrypted,), {"site": site})):
        port = int(address.rpartition(":")[2])
        yield Secure(("127.0.0.1", port), authorities)


@real
def test_https_is_cached_for_hosts_that_are_opened(
    wanted: Wanted,
    listen: Listen,
    company: Company,
    secure: Secure,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not installed().opens:
        pytest.skip("this squid has no OpenSSL: apt-get install squid-openssl")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(secure.authorities))
    company.behind = secure.address
    wanted = replace(wanted, opened=(HOST,))
    bundle, url = str(wanted.folder / BUNDLE), f"https://{HOST}/six-1.17.tar.gz"
    with running(wanted, installed(), listen):
        assert get(listen, url, verify=bundle).content == CONTENT
        with pytest.raises(requests.exceptions.SSLError):
            get(listen, url, verify=str(secure.authorities))
    assert company.tunnels == [f"{HOST}:443"]
    for name in ("HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", bundle)  # as in the shell that builds
    with running(wanted, installed(), listen) as proxy:
        assert get(listen, url, verify=bundle).content == CONTENT
    seen = proxy.traffic()
    assert seen.cached == seen.served > len(CONTENT)
    assert len(company.tunnels) == 1


@real
def test_https_of_other_hosts_passes_through(
    wanted: Wanted,
    listen: Listen,
    company: Company,
    secure: Secure,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    company.behind = secure.address
    if installed().opens:
        wanted = replace(wanted, opened=("other.test",))
    with running(wanted, installed(), listen) as proxy:
        url = f"https://{HOST}/six-1.17.tar.gz"
        assert get(listen, url, verify=str(secure.authorities)).content == CONTENT
    seen = proxy.traffic()
    assert seen.passed > len(CONTENT)
    assert (seen.served, seen.failed) == (0, 0)


@real
def test_what_needs_no_proxy_is_asked_directly(
    wanted: Wanted, listen: Listen, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", ".direct.test,192.0.2.0/24")
    url = "http://at.direct.test/six-1.17.tar.gz"
    company.files = {url: CONTENT}
    with running(wanted, installed(), listen):
        assert get(listen, url).status_code >= 500  # there is no such host
    assert not company.asked


@real
def test_other_machines_are_refused(wanted: Wanted, listen: Listen, company: Company) -> None:
    url = f"http://{HOST}/six-1.17.tar.gz"
    company.files = {url: CONTENT}
    with running(wanted, installed(), replace(listen, clients=("192.0.2.1",))) as proxy:
        assert get(listen, url).status_code == 403
        with pytest.raises(requests.exceptions.ProxyError, match="403"):
            get(listen, url.replace("http:", "https:"))
    assert proxy.traffic() == Traffic()
    assert not company.asked + company.tunnels


@real
def test_a_second_proxy_with_the_same_cache_is_refused(wanted: Wanted, listen: Listen) -> None:
    with running(wanted, installed(), listen):
        refused = pytest.raises(ProxyError, match="another proxy runs with the cache")
        with refused as caught, running(wanted, installed(), replace(listen, port=listen.port + 1)):
            pass
        assert "ALPYPY_CACHE" in caught.value.remedy
    with running(wanted, installed(), listen):
        pass


@real
def test_a_squid_that_ends_by_itself_is_an_error(wanted: Wanted, listen: Listen) -> None:
    with running(wanted, installed(), listen) as proxy:
        assert isinstance(proxy.process, subprocess.Popen)
        proxy.process.send_signal(signal.SIGKILL)
        proxy.process.wait()
        error = proxies._ended(wanted.folder)
        for path in Path("/dev/shm").glob(f"alpypy*at{listen.port}-*"):
            path.unlink()  # which squid removes when it ends well
    assert error.exit_code == 20
    assert str(wanted.folder / "squid.log") in error.remedy


@real
def test_a_configuration_that_squid_refuses_is_told_without_its_password(
    wanted: Wanted, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://user:hunter2@proxy.test:3128")
    broken = replace(listen, clients=("nonsense of clients",))
    with (
        pytest.raises(ProxyError, match="squid ended") as caught,
        running(wanted, installed(), broken),
    ):
        pass
    assert "hunter2" not in str(caught.value)
    assert all(b"hunter2" not in content for path, content in written(wanted.folder))


@real
@pytest.mark.skipif(os.getuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk(wanted: Wanted, listen: Listen) -> None:
    wanted.folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(wanted.folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        full = pytest.raises(ResourceError, match=r"the disk that holds .* is full")
        with full as caught, running(wanted, installed(), listen):
            pass
        assert "ALPYPY_CACHE" in caught.value.remedy
    finally:
        subprocess.run(["umount", str(wanted.folder)], check=True)


as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can give files to another user")


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A file of another user than squid's."""
    path = tmp_path / "victim"
    path.write_text("kept")
    return path


def untouched(victim: Path) -> bool:
    return victim.read_text() == "kept" and victim.stat().st_uid == os.getuid()


@real
@as_root
@pytest.mark.parametrize(
    "name", ["squid.conf", "squid.log", "access.log", "ca.pem", BUNDLE, "upstream.pem", "any"]
)
def test_links_that_squid_left_are_not_followed(
    wanted: Wanted, listen: Listen, victim: Path, name: str
) -> None:
    squid = installed()
    if squid.opens:
        wanted = replace(wanted, opened=(HOST,))
    wanted.folder.mkdir()
    (wanted.folder / name).symlink_to(victim)
    assert squid.owner
    os.chown(wanted.folder, *squid.owner)
    with running(wanted, squid, listen):
        assert get(listen, f"http://{listen.address}:{listen.port}/").status_code == 403
    assert untouched(victim)


@real
def test_a_log_that_squid_made_a_link_is_not_read(
    wanted: Wanted, listen: Listen, victim: Path
) -> None:
    with running(wanted, installed(), listen):
        log = wanted.folder / "squid.log"
        log.unlink()
        log.symlink_to(victim)
        with pytest.raises(OSError, match="symbolic links"):
            proxies._ended(wanted.folder)
    assert untouched(victim)


def test_a_lock_that_is_a_link_is_not_followed(
    wanted: Wanted, listen: Listen, tmp_path: Path
) -> None:
    wanted.folder.mkdir()
    (wanted.folder / "lock").symlink_to(tmp_path / "made")
    with pytest.raises(ResourceError, match="symbolic links"), proxies._alone(wanted.folder):
        pass
    assert not (tmp_path / "made").exists()


@as_root
def test_a_cache_of_another_user_is_handed_over_without_what_its_links_lead_to(
    folder: Path, victim: Path
) -> None:
    (folder / "store/00").mkdir(parents=True)
    (folder / "store/00/object").touch()
    (folder / "store/link").symlink_to(victim)
    (folder / "store/folder").symlink_to(victim.parent)
    hand_over(folder, (65534, 65534))
    assert untouched(victim)
    assert victim.parent.stat().st_uid == 0
    given = (folder, folder / "store", folder / "store/00", folder / "store/00/object")
    assert {path.stat().st_uid for path in given} == {65534}


def test_without_squid_the_package_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(ProxyError, match="squid is not installed") as caught:
        installed()
    assert "apt-get install" in caught.value.remedy


def test_the_proxy_of_the_environment_is_not_the_one_that_is_started(
    listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", listen.url)
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.test:8080")
    monkeypatch.setenv("NO_PROXY", "10.0.0.0/8")
    assert upstream_of(listen) == Upstream("", "http://proxy.test:8080", "10.0.0.0/8")


@pytest.mark.parametrize(
    ("proxy", "shown"),
    [
        ("https://user:hunter2@proxy.test", "https://proxy.test"),
        ("socks5://user:hunter2@proxy.test:1080", "socks5://proxy.test:1080"),
        ("http://user:hunter2@proxy.test:port", "http://proxy.test:port"),
        ("http://user:hunter2@proxy.test x\nhttp_access allow all", "proxy.test x"),
    ],
)
def test_a_proxy_that_squid_cannot_use(listen: Listen, proxy: str, shown: str) -> None:
    with pytest.raises(SpecError) as caught:
        configuration(ROOT, listen, 100, Upstream(http=proxy))
    assert shown in caught.value.what
    assert "hunter2" not in str(caught.value)


def test_no_proxy_is_taken_word_by_word(listen: Listen) -> None:
    upstream = Upstream("proxy.test:8080", "", "localhost, .a.test *.b.test:8080,10.0.0.1,*,(bad)")
    text = configuration(ROOT, listen, 100, upstream)
    assert r"acl direct_names dstdom_regex -n -i (^|\.)a\.test$" in text
    assert r"acl direct_names dstdom_regex -n -i (^|\.)b\.test$" in text
    assert "acl direct_addresses dst -n 10.0.0.1/32" in text
    assert "always_direct allow direct_all" in text
    assert "bad" not in text
    assert "cache_peer proxy.test parent 8080 0 no-query no-digest default name=plain\n" in text


def test_hints_keep_what_is_set(
    wanted: Wanted, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "intra.test localhost")
    lines = list(hints(replace(wanted, opened=(HOST,)), listen))
    assert "  export NO_PROXY=intra.test,localhost,127.0.0.1" in lines
    bundle = wanted.folder / BUNDLE
    assert lines[-1] == f"  export REQUESTS_CA_BUNDLE={bundle} PIP_CERT={bundle}"


def test_traffic_is_added_up() -> None:
    lines = (
        "NONE_NONE 0 0 - error:transaction-end-before-headers",
        "TCP_MISS 200 1000000 GET http://a.test/1",
        "TCP_HIT 200 2000000 GET http://a.test/1",
        "TCP_REFRESH_UNMODIFIED 304 1000000 GET http://a.test/2",
        "TCP_REFRESH_FAIL_OLD 200 3000000 GET http://a.test/3",
        "TCP_REFRESH_MODIFIED 200 1000000 GET http://a.test/3",
        "TCP_MISS 503 0 GET http://a.test/4",
        "TCP_TUNNEL 200 5000000 CONNECT b.test:443",
        "NONE_NONE 200 0 CONNECT c.test:443",
        "TCP_DENIED 403 3426 CONNECT d.test:443",
        "TCP_DENIED 403 3426 GET http://d.test/",
        "NONE_NONE 502 3426 CONNECT e.test:443",
        "TCP_HIT 200 20000",
    )
    seen = traffic(lines)
    assert seen == Traffic(5, 8_000_000, 6_000_000, 5_000_000, 2)
    assert str(seen) == (
        "served 8.0 MB in 5 answers, 6.0 MB (75 %) of it from the cache;"
        " 5.0 MB of https passed through; 2 could not be fetched"
    )


def test_hosts_are_written_without_https(tmp_path: Path) -> None:
    (tmp_path / "versions").mkdir()
    path = tmp_path / "versions/proxy.toml"
    path.write_text('port = 1\nmegabytes = 1\nhttps = ["https://a.test"]\n')
    with pytest.raises(DataError, match=r"proxy.toml: https has 'https://a.test'"):
        load_settings(tmp_path)
    assert "dl-cdn.alpinelinux.org" not in load_settings(ROOT).https
