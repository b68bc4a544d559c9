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
import tarfile
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import cast

import pytest
import requests

from alpypy.core.errors import ProxyError
from alpypy.engine.docker import Engine
from alpypy.engine.job import Job
from alpypy.offline import kit
from alpypy.proxy.config import Listen, load_settings
from alpypy.proxy.server import Wanted, find_listen, running
from alpypy.proxy.squid import find_squid, installed
from tests.loopback import CONTENT, Handler, Site

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


def proxy_in(folder: Path) -> Wanted:
    return Wanted(folder, ROOT, load_settings(ROOT), 0, ())


@pytest.fixture
def listen(engine: Engine) -> Listen:
    return find_listen(engine, 0)


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
    folder: Path,
    listen: Listen,
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

    with upstream(packages, listen.address) as site:
        alpine_of(engine, site, base, tmp_path / "alpine", alpine_version)
        made()
        direct = len(site.asked)
        assert direct > 4
        monkeypatch.setenv("HTTP_PROXY", listen.url)
        with running(proxy_in(folder), installed(), listen) as proxy:
            made()
        first = proxy.traffic()
        assert (first.cached, first.failed) == (0, 0)
        assert len(site.asked) == 2 * direct
    with running(proxy_in(folder), installed(), listen) as proxy:
        made()
    second = proxy.traffic()
    assert second.failed == 0
    assert second.cached == second.served
    assert second.cached > 8_000_000
    assert contents[0] == contents[1] == contents[2]


def test_the_engine_takes_a_build_through_the_proxy_for_the_same(
    engine: Engine,
    listen: Listen,
    packages: dict[str, bytes],
    tags: list[str],
    tmp_path: Path,
    alpine_version: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    base, tag = tags
    with upstream(packages, listen.address) as site:
        alpine_of(engine, site, base, tmp_path / "alpine", alpine_version)
        direct = build(engine, base, tag)
        asked = len(site.asked)
        monkeypatch.setenv("HTTP_PROXY", listen.url)
        assert build(engine, base, tag) == direct
        assert len(site.asked) == asked


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_runs_until_it_is_told_to_end(
    engine: Engine, cache: Path, folder: Path, listen: Listen, number: int
) -> None:
    private = cache / "engine/engine.sock"
    host = {"DOCKER_HOST": f"unix://{private}"} if private.is_socket() else {}
    command = [sys.executable, "-m", "invoke", "proxy", "--port", str(listen.port)]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**host, **os.environ, "ALPYPY_CACHE": str(folder.parent)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    said = [process.stdout.readline() for _ in range(4)]
    assert said[2] == f"  export HTTP_PROXY={listen.url} HTTPS_PROXY={listen.url}\n"
    process.send_signal(number)
    last, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert last == "served 0.0 MB in 0 answers, 0.0 MB of it from the cache\n"


def test_containers_reach_the_proxy_and_not_this_machine_s_loopback(
    engine: Engine, base_image: str, folder: Path, listen: Listen
) -> None:
    with (
        upstream({"/secret": b"secret"}, "127.0.0.1") as site,
        running(proxy_in(folder), installed(), listen),
    ):
        addresses = (site.address, site.address.replace("127.0.0.1", "localhost"))
        for address in addresses:
            command = ["wget", "-O-", f"{address}/secret"]
            job = Job(base_image, command, environment={"http_proxy": listen.url}, network="bridge")
            done = engine.run(job)
            assert done.exit_code == 1
            assert "403 Forbidden" in done.output
        assert not site.asked


def test_a_port_that_is_taken(engine: Engine, listen: Listen) -> None:
    taken = pytest.raises(ProxyError, match=rf"port {listen.port} of .* is taken")
    with upstream({}, listen.address, listen.port), taken as caught:
        find_listen(engine, listen.port)
    assert "--port" in caught.value.remedy


@pytest.fixture(scope="module")
def squid_image(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An image of this machine's own squid and what that needs to run."""
    folder = Path(installed().helpers)
    programs = [str(SQUID), str(folder / "unlinkd"), *map(str, map(shutil.which, ("sh", "flock")))]
    said = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=True).stdout
    libraries = set(re.findall(r"(?:=> |^\t)(/\S+)", said, re.MULTILINE))
    others = ("/etc/passwd", "/etc/squid", "/usr/share/squid")
    path = tmp_path_factory.mktemp("squid") / "squid.tar"
    with tarfile.open(path, "w", dereference=True) as tar:
        for one in (*programs, *libraries, *others):
            tar.add(one)
    tag = f"alpypy-test:{uuid.uuid4().hex}"
    engine.import_rootfs(path, tag)
    yield tag
    engine.remove_image(tag)


def test_squid_out_of_an_image(
    engine: Engine, squid_image: str, folder: Path, listen: Listen
) -> None:
    squid = find_squid(engine, squid_image, opening=False)
    seen, port = [], 0
    for _ in range(2):
        with upstream({"/six-1.17.tar.gz": CONTENT}, listen.address, port) as site:
            port = int(site.address.rpartition(":")[2])
            with running(proxy_in(folder), squid, listen) as proxy:
                found = engine.client.containers.list(filters={"ancestor": squid_image})
                assert len(found) == 1
                session = requests.Session()
                session.proxies = {"http": listen.url}
                got = session.get(f"{site.address}/six-1.17.tar.gz", timeout=30)
                assert got.content == CONTENT
            seen.append((len(site.asked), proxy.traffic().cached > len(CONTENT)))
        assert not engine.client.containers.list(all=True, filters={"ancestor": squid_image})
    assert seen == [(1, False), (0, True)]


def test_an_image_without_squid(engine: Engine, base_image: str) -> None:
    with pytest.raises(ProxyError, match="has no squid that runs"):
        find_squid(engine, base_image, opening=False)
    with pytest.raises(ProxyError, match="cannot pull it"):
        find_squid(engine, f"127.0.0.1:9/{uuid.uuid4().hex}:none", opening=False)
