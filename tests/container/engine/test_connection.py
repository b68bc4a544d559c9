"""Which engine is connected to: that of Docker's context, over TLS too, or a default socket."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from alpypy.core.errors import EngineError
from alpypy.engine.connection import connect
from alpypy.engine.docker import Engine

needs_docker = pytest.mark.skipif(
    shutil.which("docker") is None, reason="needs the docker command: apt-get install docker.io"
)


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty settings of Docker, once the session's engine has been found with the user's."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "docker"


@pytest.fixture
def socket(engine: Engine) -> str:
    """Path of the session's engine."""
    path = getattr(engine.client.api.get_adapter("http+docker://"), "socket_path", None)
    if path is None:
        pytest.skip("the engine has no socket on this machine: unset DOCKER_HOST")
    return str(path)


def use(name: str, endpoint: str) -> None:
    for words in (("create", name, "--docker", endpoint), ("use", name)):
        subprocess.run(["docker", "context", *words], check=True, capture_output=True)


def connected_to(cache: Path) -> str:
    with connect(cache) as engine:
        return str(engine.client.info()["ID"])


@needs_docker
def test_the_engine_of_the_current_context_is_used(
    engine: Engine, socket: str, tmp_path: Path
) -> None:
    use("mine", f"host=unix://{socket}")
    assert connected_to(tmp_path / "cache") == engine.client.info()["ID"]
    assert not (tmp_path / "cache/engine").exists()


def test_the_default_sockets_are_those_of_root_and_of_the_user(
    engine: Engine, socket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if Path("/var/run/docker.sock").is_socket():
        pytest.skip("an engine listens at /var/run/docker.sock, which is asked first")
    (tmp_path / "docker.sock").symlink_to(socket)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert connected_to(tmp_path / "cache") == engine.client.info()["ID"]


class Relay:
    """A port of loopback with TLS in front of an engine's socket, for who has a certificate."""

    def __init__(self, socket: str, authority: trustme.CA) -> None:
        self.socket = socket
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(self.context)
        authority.configure_trust(self.context)
        self.context.verify_mode = ssl.CERT_REQUIRED
        self.loop = asyncio.new_event_loop()
        serving = asyncio.start_server(self._relay, "127.0.0.1", 0, ssl=self.context)
        self.server = self.loop.run_until_complete(serving)
        self.port = self.server.sockets[0].getsockname()[1]

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_unix_connection(self.socket)
        await asyncio.gather(self._copy(reader, back), self._copy(there, writer))

    async def _copy(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while piece := await source.read(1 << 16):
                target.write(piece)
                await target.drain()
        except OSError:  # the other end is gone, or refused the certificate
            pass
        finally:
            target.close()


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def relay(socket: str, authority: trustme.CA) -> Iterator[Relay]:
    relay = Relay(socket, authority)
    thread = threading.Thread(target=relay.loop.run_forever)
    thread.start()
    yield relay
    relay.loop.call_soon_threadsafe(relay.loop.stop)
    thread.join()
    relay.server.close()
    relay.loop.close()


def endpoint(relay: Relay, trusted: trustme.CA, client: trustme.CA, folder: Path) -> str:
    """A context's endpoint, with the authority it trusts and a client's certificate."""
    certificate = client.issue_cert("client.test")
    for name, blob in (
        ("ca", trusted.cert_pem),
        ("cert", certificate.cert_chain_pems[0]),
        ("key", certificate.private_key_pem),
    ):
        blob.write_to_path(folder / f"{name}.pem")
    files = ",".join(f"{name}={folder / name}.pem" for name in ("ca", "cert", "key"))
    return f"host=tcp://127.0.0.1:{relay.port},{files}"


@needs_docker
def test_a_context_s_certificates_are_used(
    engine: Engine,
    relay: Relay,
    authority: trustme.CA,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    others = tmp_path / "others.pem"
    trustme.CA().cert_pem.write_to_path(others)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(others))  # as `invoke proxy --https` says
    use("mine", endpoint(relay, authority, authority, tmp_path))
    assert connected_to(tmp_path / "cache") == engine.client.info()["ID"]


@needs_docker
def test_a_server_that_the_context_does_not_vouch_for_is_refused(
    relay: Relay, authority: trustme.CA, tmp_path: Path
) -> None:
    use("mine", endpoint(relay, trustme.CA(), authority, tmp_path))
    with pytest.raises(EngineError, match=r"context 'mine' .*certificate"):
        connected_to(tmp_path / "cache")
