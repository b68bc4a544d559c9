"""The proxy without containers: a real squid on loopback, and real servers for it to ask."""

from __future__ import annotations

import base64
import os
import shutil
import signal
import socket
import ssl
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import requests
import trustme

from alpypy.core.errors import DataError, ProxyError
from alpypy.core.folders import ROOT
from alpypy.proxy import server as proxies
from alpypy.proxy.config import BuildProxy, Endpoint, configuration, load_settings
from alpypy.proxy.server import hints, running, saved
from alpypy.proxy.squid import Squid, find_squid
from tests.loopback import CONTENT, Handler, Site, serve

real = pytest.mark.skipif(
    shutil.which("squid", path=f"{os.environ['PATH']}:/usr/sbin") is None,
    reason="no squid: apt-get install --no-install-recommends squid-openssl",
)
as_root = pytest.mark.skipif(os.getuid() != 0, reason="needs root and squid's user")
FILES = dict.fromkeys(("/make_4.3_amd64.deb", "/six-1.17.tar.gz", "/simple/six/"), CONTENT)
FRESH = {"Cache-Control": "max-age=0"}  # as pip asks for an index


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy and no certificates of this machine."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "FTP_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def proxy() -> Iterator[BuildProxy]:
    """A proxy that may ask servers on loopback, in a folder that squid's user gets into only
    because squid is started there."""
    folder = Path(f"/tmp/alpypy-proxy-{uuid.uuid4().hex[:8]}")
    folder.mkdir(mode=0o700)
    yield BuildProxy(folder / "proxy", 0, 100, extra="http_access allow all")
    shutil.rmtree(folder)


@pytest.fixture
def endpoint() -> Endpoint:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return Endpoint("127.0.0.1", probe.getsockname()[1], ("127.0.0.1",))


@pytest.fixture
def squid() -> Squid:
    return find_squid(opening=True)


@contextmanager
def upstream(files: dict[str, bytes], context: ssl.SSLContext | None = None) -> Iterator[Site]:
    """A server on loopback until the block ends, with TLS if there is a context for it."""
    site = Site(dict(files))

    class Served(Handler):
        def setup(self) -> None:
            if context:
                self.request = context.wrap_socket(self.request, server_side=True)
            super().setup()

    Served.site = site
    serving = serve(Served)
    site.address = next(serving).replace(
        "http://127.0.0.1", f"http{'s' if context else ''}://localhost"
    )
    try:
        yield site
    finally:
        next(serving, None)


def get(endpoint: Endpoint, url: str, **options: object) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        proxies = {"http": endpoint.url, "https": endpoint.url}
        return session.get(url, proxies=proxies, timeout=30, **options)  # type: ignore[arg-type]


def summary(proxy: BuildProxy) -> str:
    return saved((proxy.folder / "access.log").read_text().splitlines())


@real
def test_what_was_fetched_once_is_served_without_upstream(
    proxy: BuildProxy, squid: Squid, endpoint: Endpoint
) -> None:
    with upstream(FILES) as site, running(proxy, squid, endpoint):
        assert all(get(endpoint, f"{site.address}{path}").content == CONTENT for path in FILES)
    assert summary(proxy) == "served 3.1 MB in 3 answers, 0.0 MB (0 %) of it from the cache"
    with running(proxy, squid, endpoint):
        assert all(get(endpoint, f"{site.address}{path}").content == CONTENT for path in FILES)
        again = get(endpoint, f"{site.address}/simple/six/", headers=FRESH)
        assert again.content == CONTENT
        assert get(endpoint, f"{site.address}/simple/other/").status_code >= 500
    assert summary(proxy) == "served 4.1 MB in 4 answers, 4.1 MB (100 %) of it from the cache"


@real
def test_an_index_that_changed_is_fetched_and_then_kept_too(
    proxy: BuildProxy, squid: Squid, endpoint: Endpoint
) -> None:
    with upstream({}) as site, running(proxy, squid, endpoint):
        index = f"{site.address}/simple/six/"
        for content in (b"six-1.16", b"six-1.17"):
            site.files["/simple/six/"] = content
            assert get(endpoint, index, headers=FRESH).content == content
    with running(proxy, squid, endpoint):
        assert get(endpoint, index, headers=FRESH).content == b"six-1.17"


@pytest.fixture
def trusted(tmp_path: Path) -> Path:
    return tmp_path / "trusted.pem"


@pytest.fixture
def secure(trusted: Path) -> ssl.SSLContext:
    """TLS for a server with the name localhost, by an authority of its own."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(trusted)
    return context


@real
def test_https_is_cached_for_hosts_that_are_opened(
    proxy: BuildProxy,
    squid: Squid,
    endpoint: Endpoint,
    secure: ssl.SSLContext,
    trusted: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    proxy = replace(proxy, opened=("localhost",))
    bundle = str(proxy.folder / "bundle.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(trusted))  # how squid knows the server
    with upstream(FILES, secure) as site, running(proxy, squid, endpoint):
        url = f"{site.address}/six-1.17.tar.gz"
        assert get(endpoint, url, verify=bundle).content == CONTENT
        with pytest.raises(requests.exceptions.SSLError):
            get(endpoint, url, verify=str(trusted))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", bundle)  # as in the shell that builds
    with running(proxy, squid, endpoint):
        assert get(endpoint, url, verify=bundle).content == CONTENT
    assert summary(proxy).endswith("1.0 MB (100 %) of it from the cache")


@real
def test_a_client_that_verifies_strictly_takes_the_certificate(
    proxy: BuildProxy, squid: Squid, endpoint: Endpoint
) -> None:
    """As Python does from 3.13 on: https://docs.python.org/3/whatsnew/3.13.html#ssl"""
    proxy = replace(proxy, opened=("a.test", "b.test"))
    with running(proxy, squid, endpoint):
        context = ssl.create_default_context(cafile=str(proxy.folder / "bundle.pem"))
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        with socket.create_connection((endpoint.address, endpoint.port)) as tunnel:
            tunnel.sendall(b"CONNECT b.test:443 HTTP/1.1\r\nHost: b.test\r\n\r\n")
            assert b" 200 " in tunnel.recv(1000)
            with context.wrap_socket(tunnel, server_hostname="b.test") as connection:
                certificate = connection.getpeercert() or {}
    assert certificate["subjectAltName"] == (("DNS", "a.test"), ("DNS", "b.test"))


@real
def test_https_of_other_hosts_passes_through(
    proxy: BuildProxy, squid: Squid, endpoint: Endpoint, secure: ssl.SSLContext, trusted: Path
) -> None:
    proxy = replace(proxy, opened=("other.test",))
    with upstream(FILES, secure) as site, running(proxy, squid, endpoint):
        url = f"{site.address}/six-1.17.tar.gz"
        assert get(endpoint, url, verify=str(trusted)).content == CONTENT
    assert summary(proxy) == "served 0.0 MB in 0 answers, 0.0 MB of it from the cache"


@real
def test_squid_goes_through_a_proxy_that_the_user_s_lines_name(
    proxy: BuildProxy, squid: Squid, endpoint: Endpoint
) -> None:
    url = "http://packages.test/six-1.17.tar.gz"  # which no name server knows
    logins = []

    class Parent(Handler):
        site = Site({url: CONTENT})

        def do_GET(self) -> None:  # noqa: N802
            logins.append(self.headers["Proxy-Authorization"])
            super().do_GET()

    for address in serve(Parent):
        port = address.rpartition(":")[2]
        lines = (
            f"cache_peer 127.0.0.1 parent {port} 0 no-query no-digest default login=user:pass",
            "never_direct allow all",
            "http_access allow all",
        )
        with running(replace(proxy, extra="\n".join(lines)), squid, endpoint):
            assert get(endpoint, url).content == CONTENT
    assert logins == [f"Basic {base64.b64encode(b'user:pass').decode()}"]


@real
def test_other_machines_are_refused(proxy: BuildProxy, squid: Squid, endpoint: Endpoint) -> None:
    others = replace(endpoint, clients=("192.0.2.1",))
    with upstream(FILES) as site, running(proxy, squid, others):
        assert get(endpoint, f"{site.address}/six-1.17.tar.gz").status_code == 403
        with pytest.raises(requests.exceptions.ProxyError, match="403"):
            get(endpoint, "https://packages.test/")
    assert not site.asked
    assert summary(proxy).startswith("served 0.0 MB in 0 answers")


@real
def test_what_listens_on_loopback_is_refused(
    proxy: BuildProxy, squid: Squid, endpoint: Endpoint
) -> None:
    with upstream(FILES) as site, running(replace(proxy, extra=""), squid, endpoint):
        for host in ("localhost", "127.0.0.1", "a.localhost", "0.0.0.0", "[::1]"):
            url = site.address.replace("localhost", host)
            assert get(endpoint, f"{url}/six-1.17.tar.gz").status_code == 403
    assert not site.asked


@real
def test_a_second_proxy_with_the_same_cache_is_refused(
    proxy: BuildProxy, squid: Squid, endpoint: Endpoint
) -> None:
    other = replace(endpoint, port=endpoint.port + 1)
    with running(proxy, squid, endpoint):
        before = (proxy.folder / "squid.conf").read_bytes()
        with pytest.raises(ProxyError, match="another proxy runs"), running(proxy, squid, other):
            pass
        assert (proxy.folder / "squid.conf").read_bytes() == before
    with running(proxy, squid, endpoint):
        pass


@real
def test_a_squid_that_ends_by_itself_is_an_error(
    proxy: BuildProxy, squid: Squid, endpoint: Endpoint
) -> None:
    with running(proxy, squid, endpoint) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        error = proxies._ended(proxy.folder)
    for path in Path("/dev/shm").glob(f"alpypy{endpoint.port}-*"):
        path.unlink()  # which squid removes when it ends well
    assert error.exit_code == 20
    assert str(proxy.folder / "squid.log") in error.remedy


@real
def test_lines_that_squid_refuses_are_quoted_without_a_password(
    proxy: BuildProxy, squid: Squid, endpoint: Endpoint
) -> None:
    proxy = replace(proxy, extra="cache_peer a.test nonsense login=user:hunter2")
    refused = pytest.raises(ProxyError, match=r"cache_peer a.test nonsense login=\.\.\.")
    with refused as caught, running(proxy, squid, endpoint):
        pass
    assert "hunter2" not in str(caught.value)


@real
@as_root
def test_squid_does_not_run_as_root_and_changes_nothing_but_its_store(
    proxy: BuildProxy, squid: Squid, endpoint: Endpoint
) -> None:
    proxy = replace(proxy, opened=("localhost",))
    with running(proxy, squid, endpoint) as process:
        owners = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        names = {path.name: path.stat() for path in proxy.folder.iterdir()}
    assert f"Uid:\t{squid.user}\t{squid.user}\t{squid.user}\t{squid.user}" in owners
    private = {name for name, found in names.items() if found.st_mode & 0o077 == 0}
    assert private == names.keys() - {"bundle.pem", "lock"}
    assert names["bundle.pem"].st_uid == 0
    script = "! rm -f squid.conf; ! ln -s /etc/passwd any; ! mv store other; touch store/any"
    squid_s = {"user": squid.user, "group": squid.group, "extra_groups": []}
    command = ["sh", "-ec", script]
    subprocess.run(command, cwd=proxy.folder, check=True, **squid_s)  # type: ignore[call-overload]
    assert {path.name for path in proxy.folder.iterdir()} == names.keys()


@real
@as_root
@pytest.mark.parametrize("linked", [False, True])
def test_a_folder_of_another_user_is_left_alone(
    proxy: BuildProxy, squid: Squid, endpoint: Endpoint, tmp_path: Path, linked: bool
) -> None:
    theirs = tmp_path / "theirs" if linked else proxy.folder
    theirs.mkdir()
    (theirs / "squid.conf").symlink_to(tmp_path / "victim")
    os.chown(theirs, squid.user, squid.group)
    if linked:
        proxy.folder.symlink_to(theirs)
    with pytest.raises(ProxyError, match="belongs to another"), running(proxy, squid, endpoint):
        pass
    assert [path.name for path in theirs.iterdir()] == ["squid.conf"]
    assert not (tmp_path / "victim").exists()


def test_without_squid_the_package_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(ProxyError, match="squid is not installed") as caught:
        find_squid(opening=False)
    assert "apt-get install" in caught.value.remedy


@pytest.mark.parametrize(
    ("said", "opening", "error"),
    [
        ("'--with-default-user=root' '--with-gnutls'", True, "compiled without OpenSSL"),
        ("'--with-default-user=nobody-has-it'", False, "has no user nobody-has-it"),
    ],
)
def test_a_stand_in_for_a_squid_that_cannot_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, opening: bool, error: str
) -> None:
    (tmp_path / "squid").write_text(f'#!/bin/sh\necho "{said}"\n')
    (tmp_path / "squid").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(os, "getuid", lambda: 0)
    with pytest.raises(ProxyError, match=error):
        find_squid(opening=opening)


def test_hints_keep_what_is_set(
    proxy: BuildProxy, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "intra.test localhost")
    monkeypatch.setenv("HTTP_PROXY", endpoint.url)  # of an earlier run in the same shell
    lines = list(hints(replace(proxy, opened=("localhost",), extra=""), endpoint))
    assert lines[0].startswith(f"squid listens at {endpoint.url}")
    assert "  export NO_PROXY=intra.test,localhost,127.0.0.1" in lines
    bundle = proxy.folder / "bundle.pem"
    assert lines[-1] == f"  export REQUESTS_CA_BUNDLE={bundle} PIP_CERT={bundle}"


def test_a_proxy_of_the_environment_is_not_passed_over_in_silence(
    proxy: BuildProxy, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://user:hunter2@proxy.test:8080")
    first, *_ = hints(replace(proxy, extra=""), endpoint)
    assert "--config" in first
    assert "hunter2" not in first
    assert "--config" not in next(hints(proxy, endpoint))


def test_the_cache_leaves_half_of_a_small_disk(proxy: BuildProxy, endpoint: Endpoint) -> None:
    proxy.folder.mkdir()
    text = configuration(replace(proxy, megabytes=10**9), endpoint)
    megabytes = int(text.partition("store/objects ")[2].split()[0])
    assert 100 <= megabytes <= max(100, shutil.disk_usage("/").total >> 20)
    assert "store/objects 100 " in configuration(proxy, endpoint)


def test_answers_are_added_up() -> None:
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
        "TCP_DENIED 403 3426 GET http://d.test/",
        "TCP_HIT 200 20000",
    )
    text = "served 8.0 MB in 5 answers, 6.0 MB (75 %) of it from the cache"
    assert saved(lines) == text


def test_hosts_are_written_without_https(tmp_path: Path) -> None:
    (tmp_path / "versions").mkdir()
    path = tmp_path / "versions/proxy.toml"
    path.write_text('port = 1\nmegabytes = 1\nhttps = ["https://a.test"]\n')
    with pytest.raises(DataError, match=r"proxy.toml: https contains 'https://a.test'"):
        load_settings(tmp_path)
    assert "dl-cdn.alpinelinux.org" not in load_settings(ROOT).https
