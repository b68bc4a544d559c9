"""What the probes work with: a certificate that is trusted by itself, a wheel that pip reads."""

from __future__ import annotations

import ssl
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest

from alpypy.verify import fixtures


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_a_client_that_trusts_the_certificate_connects(tmp_path: Path, name: str) -> None:
    fixtures.write(tmp_path)
    certificate = tmp_path / "certificate.pem"
    own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own.load_cert_chain(certificate, tmp_path / "key.pem")
    trusting = ssl.create_default_context(cafile=certificate)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trusting.wrap_bio(back, there, server_hostname=name)
    server = own.wrap_bio(there, back, server_side=True)
    for side in (client, server, client):
        with suppress(ssl.SSLWantReadError):
            side.do_handshake()
    assert client.version() == "TLSv1.3"


def trusts(folder: Path, where: dict[str, str]) -> bool:
    """Whether a client that trusts only what is there connects."""
    own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(**where)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(back, there, server_hostname="localhost")
    server = own.wrap_bio(there, back, server_side=True)
    try:
        for side in (client, server, client):
            with suppress(ssl.SSLWantReadError):
                side.do_handshake()
    except ssl.SSLCertVerificationError:
        return False
    return client.version() is not None


def test_the_systems_trust_the_certificate_each_in_its_own_way(tmp_path: Path) -> None:
    fixtures.write(tmp_path)
    places = {name: tmp_path / "ssl" / name for name in fixtures.SYSTEMS}
    assert trusts(tmp_path, {"cafile": str(places["alpine"] / "cert.pem")})
    assert trusts(tmp_path, {"cafile": str(places["bundle"] / "certs/ca-certificates.crt")})
    assert trusts(tmp_path, {"capath": str(places["folder"] / "certs")})
    assert not trusts(tmp_path, {"capath": str(places["bundle"] / "certs")})
    assert not (places["bundle"] / "cert.pem").exists()
    assert list(places["none"].iterdir()) == []


def test_the_wheel_is_whole(tmp_path: Path) -> None:
    fixtures.write(tmp_path)
    (path,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(path) as wheel:
        assert wheel.testzip() is None
        record = wheel.read("alpypy_probe-1.0.dist-info/RECORD").decode()
        assert {line.partition(",")[0] for line in record.splitlines()} == set(wheel.namelist())
    assert path.stat().st_mode & 0o777 == 0o644
