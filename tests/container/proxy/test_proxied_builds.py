"""`invoke proxy` with a real squid: images are built through it, then without upstream."""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import cast

import pytest

from alpypy.core.errors import ProxyError
from alpypy.core.tar import tarfile
from alpypy.engine.docker import Engine
from alpypy.engine.job import Job
from alpypy.offline import kit
from alpypy.proxy.config import BuildProxy, Endpoint
from alpypy.proxy.server import find_endpoint, running, saved
from alpypy.proxy.squid import Squid, find_squid
from tests.loopback import Handler, Site

ROOT = Path(__file__).parents[3]
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
SQUID = shutil.which("squid", path=f"{os.environ['PATH']}:/usr/sbin")

pytestmark = pytest.mark.skipif(
    SQUID is None, reason="no squid: apt-get install --no-install-recommends squid-openssl"
)


@pytest.fixture(autouse=True)
def no_proxy_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A cache that nobody but root and squid itself gets into."""
    path = Path(f"/tmp/alpypy-proxy-{uuid.uuid4().hex[:8]}")
    path.mkdir(mode=0o700)
    yield path / "proxy"
    shutil.rmtree(path)


@pytest.fixture
def proxy(folder: Path) -> BuildProxy:
    return BuildProxy(folder, 0, 1000)


@pytest.fixture
def squid() -> Squid:
    return find_squid(opening=False)


@pytest.fixture
def endpoint(engine: Engine) -> Endpoint:
    return find_endpoint(engine, 0)


@contextmanager
def files_of(engine: Engine, image: str, path: str = "") -> Iterator[tarfile.TarFile]:
    """A folder of an image, or all of it."""
    container = engine.client.containers.create(image, "true")
    try:
        # types-docker says `str` of an export, which comes in pieces as well.
        pieces = container.get_archive(path)[0] if path else container.export()
        with tarfile.open(fileobj=io.BytesIO(b"".join(cast("Iterator[bytes]", pieces)))) as tar:
            yield tar
    finally:
        container.remove()


def read(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    stream = tar.extractfile(member) if member.isfile() else None
    return stream.read() if stream else b""


@pytest.fixture(scope="module")
def packages(engine: Engine, base_image: str) -> dict[str, bytes]:
    """The kit's repository, as files of a web server."""
    with files_of(engine, base_image, "/var/lib/alpypy-kit/repository") as tar:
        return {f"/{one.name}": read(tar, one) for one in tar if one.isfile()}


@contextmanager
def upstream(files: dict[str, bytes], address: str, port: int = 0) -> Iterator[Site]:
    """A web server that this machine and containers reach, until the block ends."""
    site = Site(files)
    server = ThreadingHTTPServer((address, port), type("Mirror", (Handler,), {"site": site}))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    site.address = f"http://{address}:{server.server_port}"
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def tags(engine: Engine) -> Iterator[list[str]]:
    """Names of images, which go after the test."""
    made = [f"alpypy-test:{uuid.uuid4().hex}" for _ in range(2)]
    yield made
    for one in reversed(made):
        engine.remove_image(one)


def alpine_of(engine: Engine, site: Site, tag: str, context: Path, alpine: str) -> None:
    """An Alpine whose packages come from the web server."""
    context.mkdir()
    with files_of(engine, kit.reference(alpine), "/etc/apk/keys") as tar:
        tar.extractall(context, filter="data")
    (context / "Dockerfile").write_text(
        f"FROM {kit.made_on(engine, alpine)}\nCOPY keys /etc/apk/keys\n"
        f"RUN echo {site.address}/repository > /etc/apk/repositories\n"
    )
    engine.build(context, tag=tag, arguments={}, labels={}, network=False)


def summary(proxy: BuildProxy) -> str:
    return saved((proxy.folder / "access.log").read_text().splitlines())


def build(engine: Engine, base: str, tag: str) -> str:
    """The image that tarballs are verified in, with libraries of a PyPy."""
    return engine.build(
        ROOT / "dockerfiles/verify",
        tag=tag,
        arguments={"BASE": base, "PACKAGES": "libffi sqlite-libs ncurses-libs debian-glibc"},
        labels={},
        network=True,
    )


def content(engine: Engine, image: str) -> tuple[object, ...]:
    """All of an image but for times: what its files are, how it is run, what it was made by."""
    with files_of(engine, image) as tar:
        files = []
        for one in tar:
            if one.name == "var/log/apk.log":  # has the time
                continue
            digest = hashlib.sha256(read(tar, one)).digest()
            files.append((one.name, one.type, one.mode, one.uid, one.linkname, digest))
    found = engine.client.images.get(image)
    config = {key: value for key, value in found.attrs["Config"].items() if key != "Image"}
    return sorted(files), config, [one["CreatedBy"] for one in found.history()]


def test_a_second_build_needs_no_upstream(
    engine: Engine,
    proxy: BuildProxy,
    squid: Squid,
    endpoint: Endpoint,
    packages: dict[str, bytes],
    tags: list[str],
    tmp_path: Path,
    alpine_version: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    base, tag = tags
    contents = []

    def made() -> None:
        contents.append(content(engine, build(engine, base, tag)))
        engine.remove_image(tag)  # with its layers: the next build runs its commands

    with upstream(packages, endpoint.address) as site:
        alpine_of(engine, site, base, tmp_path / "alpine", alpine_version)
        made()
        direct = len(site.asked)
        assert direct > 4
        monkeypatch.setenv("HTTP_PROXY", endpoint.url)
        with running(proxy, squid, endpoint):
            made()
        assert " 0.0 MB (0 %) of it from the cache" in summary(proxy)
        assert len(site.asked) == 2 * direct
    with running(proxy, squid, endpoint):
        made()
    served = re.fullmatch(r"served (\S+) MB in .* \(100 %\) of it from the cache", summary(proxy))
    assert served
    assert float(served[1]) > 8
    assert contents[0] == contents[1] == contents[2]


def test_the_engine_takes_a_build_through_the_proxy_for_the_same(
    engine: Engine,
    endpoint: Endpoint,
    packages: dict[str, bytes],
    tags: list[str],
    tmp_path: Path,
    alpine_version: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    base, tag = tags
    with upstream(packages, endpoint.address) as site:
        alpine_of(engine, site, base, tmp_path / "alpine", alpine_version)
        direct = build(engine, base, tag)
        asked = len(site.asked)
        monkeypatch.setenv("HTTP_PROXY", endpoint.url)
        assert build(engine, base, tag) == direct
        assert len(site.asked) == asked


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_runs_until_it_is_told_to_end(
    engine: Engine, cache: Path, folder: Path, endpoint: Endpoint, number: int
) -> None:
    private = cache / "engine/engine.sock"
    host = {"DOCKER_HOST": f"unix://{private}"} if private.is_socket() else {}
    command = [sys.executable, "-m", "invoke", "proxy", "--port", str(endpoint.port)]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**host, **os.environ, "ALPYPY_CACHE": str(folder.parent)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    said = [process.stdout.readline() for _ in range(4)]
    assert said[2] == f"  export HTTP_PROXY={endpoint.url} HTTPS_PROXY={endpoint.url}\n"
    process.send_signal(number)
    last, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert last == "served 0.0 MB in 0 answers, 0.0 MB of it from the cache\n"


def test_containers_reach_the_proxy_and_not_this_machine_s_loopback(
    engine: Engine, base_image: str, proxy: BuildProxy, squid: Squid, endpoint: Endpoint
) -> None:
    with (
        upstream({"/secret": b"secret"}, "127.0.0.1") as site,
        running(proxy, squid, endpoint),
    ):
        addresses = (site.address, site.address.replace("127.0.0.1", "localhost"))
        for address in addresses:
            command = ["wget", "-O-", f"{address}/secret"]
            job = Job(
                base_image, command, environment={"http_proxy": endpoint.url}, network="bridge"
            )
            done = engine.run(job)
            assert done.exit_code == 1
            assert "403 Forbidden" in done.output
        assert not site.asked


def test_a_port_that_is_taken(engine: Engine, endpoint: Endpoint) -> None:
    taken = pytest.raises(ProxyError, match=rf"port {endpoint.port} of .*: Address already in use")
    with upstream({}, endpoint.address, endpoint.port), taken as caught:
        find_endpoint(engine, endpoint.port)
    assert "--port" in caught.value.remedy
