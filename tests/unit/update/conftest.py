"""What these tests share: publishers on loopback, over https as the real ones."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.loopback import Handler, Site, serve
from tests.publishers import Publishers, publishers


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate authority."""
    return tmp_path_factory.mktemp("tls") / "ca.pem"


@pytest.fixture(scope="session")
def tls(bundle: Path) -> ssl.SSLContext:
    """A server's certificate of that authority."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.cert_pem.write_to_path(str(bundle))
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context


@pytest.fixture
def outside(
    tls: ssl.SSLContext,
    bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    direct: None,
) -> Iterator[Publishers]:
    """Publishers that have nothing new; pip's index is theirs too."""
    for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "PIP_CONSTRAINT"):
        monkeypatch.delenv(name, raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT"):
        monkeypatch.setenv(name, str(bundle))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    site, folder = Site(), tmp_path / "project"
    folder.mkdir()
    for address in serve(type("PublisherHandler", (Handler,), {"site": site}), tls=tls):
        site.address = address
        monkeypatch.setenv("PIP_INDEX_URL", f"{address}/simple")
        yield publishers(site, folder)
