"""A caching proxy for builds: squid, for this machine and its containers, until it is ended."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import requests.utils
import trustme
from filelock import FileLock, Timeout

from alpypy.core.errors import ProxyError
from alpypy.core.files import whole_file
from alpypy.engine.docker import Engine
from alpypy.engine.job import proxy_environment
from alpypy.proxy.config import BuildProxy, Endpoint, configuration
from alpypy.proxy.squid import Squid, find_squid

_START_SECONDS = 60
_BUNDLE = "bundle.pem"  # for clients: the proxy's authority, and those that the user trusts
_LIFE = timedelta(days=365)
_TRUSTED = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
_SYSTEM = Path("/etc/ssl/certs/ca-certificates.crt")
# From the cache: as it was; confirmed by upstream; or kept because upstream cannot be reached.
_CACHED = re.compile(r"HIT|REFRESH_UNMODIFIED|REFRESH_FAIL_OLD")


def serve(engine: Engine, proxy: BuildProxy, show: Callable[[str], None]) -> str:
    """Run squid for this machine and the engine's containers until Ctrl-C or SIGTERM; then say
    what it saved.

    Raises:
        ProxyError: squid is not installed, cannot listen there, or ended by itself.
    """
    squid = find_squid(opening=bool(proxy.opened))
    endpoint = find_endpoint(engine, proxy.port)
    with running(proxy, squid, endpoint) as process, contextlib.suppress(KeyboardInterrupt):
        for line in hints(proxy, endpoint):
            show(line)
        process.wait()
        raise _ended(proxy.folder)
    with (proxy.folder / "access.log").open(encoding="utf-8", errors="replace") as lines:
        return saved(lines)


def find_endpoint(engine: Engine, port: int) -> Endpoint:
    """Where this machine and the engine's containers reach the proxy, and no other machine does.

    Raises:
        ProxyError: the engine has no such address, or the port is taken.
    """
    bridge = engine.bridge()
    if bridge is None or not ip_address(bridge.address).is_private:
        raise ProxyError(
            "the engine has no bridge network through which its containers reach this machine",
            remedy="use an engine with Docker's usual network; rootless ones have none",
        )
    try:
        with socket.create_server((bridge.address, port)) as probe:
            port = probe.getsockname()[1]  # if it was 0, the system chose a free port
            # Docker rewrites the source of this machine's own connections to its bridge.
            with socket.create_connection((bridge.address, port)), probe.accept()[0] as accepted:
                own = str(accepted.getpeername()[0])
    except OSError as error:
        reason = error.strerror or error
        raise ProxyError(
            f"squid cannot listen at port {port} of {bridge.address}: {reason}",
            remedy="end the program that listens there, or choose another --port; the engine must"
            " run on this machine, and not rootless",
        ) from error
    return Endpoint(bridge.address, port, tuple(dict.fromkeys((bridge.network, own))))


@contextlib.contextmanager
def running(
    proxy: BuildProxy, squid: Squid, endpoint: Endpoint
) -> Iterator[subprocess.Popen[bytes]]:
    """Run squid: the block starts when squid listens, and squid has ended after it.

    Raises:
        ProxyError: another proxy uses the folder, or squid ended by itself.
    """
    # squid names its shared memory by what follows -n.
    arguments = ("-N", "-n", f"alpypy{endpoint.port}", "-f", "squid.conf")
    make_folder(proxy.folder, squid)
    with _alone(proxy.folder):
        _write_files(proxy, squid, endpoint)
        if squid.start([*arguments, "-z"], proxy.folder).wait():
            raise _ended(proxy.folder)
        process = squid.start(arguments, proxy.folder)
        try:
            _wait_until_up(process, proxy.folder, endpoint)
            yield process
        finally:
            process.terminate()
            process.wait()


def make_folder(folder: Path, squid: Squid) -> None:
    """Make a folder in which squid's user can change only ``store``, so that no file or link of
    that user is in the way of what root writes.

    Raises:
        ProxyError: the folder belongs to somebody else.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise ProxyError(
            f"{folder} belongs to another user", remedy="remove it; set ALPYPY_CACHE for your own"
        )
    folder.chmod(0o711)  # squid's user gets through
    store = folder / "store"
    store.mkdir(mode=0o700, exist_ok=True)
    os.chown(store, squid.user, squid.group)


def write_new(path: Path, content: bytes, squid: Squid) -> None:
    """Write a file that only squid's user can read; replaces an old file."""
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        os.fchown(file.fileno(), squid.user, squid.group)
        file.write(content)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    try:
        with FileLock(folder / "lock", timeout=0):
            yield
    except Timeout as error:
        raise ProxyError(
            f"another proxy runs with the cache {folder}",
            remedy="use that proxy, end it, or choose another cache for this one with ALPYPY_CACHE",
        ) from error


def _write_files(proxy: BuildProxy, squid: Squid, endpoint: Endpoint) -> None:
    files = {"squid.conf": configuration(proxy, endpoint), "squid.log": "", "access.log": ""}
    for name, content in files.items():
        write_new(proxy.folder / name, content.encode(), squid)
    if proxy.opened:
        _write_certificates(proxy, squid)


def _write_certificates(proxy: BuildProxy, squid: Squid) -> None:
    """A certificate for the hosts that are opened. Its authority can never vouch for anything else:
    that key is in no file."""
    bundle = proxy.folder / _BUNDLE
    trusted = _trusted(bundle).read_bytes()
    authority = trustme.CA(
        path_length=0,
        organization_name="alpypy",
        organization_unit_name="the authority of one run of the build proxy",
    )
    issued = authority.issue_cert(*proxy.opened, not_after=datetime.now(UTC) + _LIFE)
    write_new(proxy.folder / "server.pem", issued.private_key_and_cert_chain_pem.bytes(), squid)
    write_new(proxy.folder / "upstream.pem", trusted, squid)
    with whole_file(bundle) as path:
        path.write_bytes(trusted.rstrip() + b"\n" + authority.cert_pem.bytes())


def _trusted(own: Path) -> Path:
    """The authorities that the user trusts, but not the list of an earlier run of the proxy, which
    may still be in the environment."""
    named = (Path(os.environ.get(name) or own) for name in _TRUSTED)
    others = (path for path in (*named, _SYSTEM) if path != own and path.is_file())
    return next(others, Path(requests.utils.DEFAULT_CA_BUNDLE_PATH))


def _wait_until_up(process: subprocess.Popen[bytes], folder: Path, endpoint: Endpoint) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        address = (endpoint.address, endpoint.port)
        with contextlib.suppress(OSError), socket.create_connection(address):
            return
        time.sleep(0.05)
    raise _ended(folder)


def _ended(folder: Path) -> ProxyError:
    log = folder / "squid.log"
    text = log.read_text(encoding="utf-8", errors="replace")
    lines = re.sub(r"login=\S+", "login=...", text).splitlines()  # of a line that squid quotes
    wrong = [line for line in lines if re.search("FATAL|ERROR", line)]
    last = "".join(f"\n    {line}" for line in wrong[-3:] or lines[-3:])
    return ProxyError(f"squid ended:{last}", remedy=f"its log is {log}")


def hints(proxy: BuildProxy, endpoint: Endpoint) -> Iterator[str]:
    """What to type where builds are started."""
    given = proxy_environment()
    others = {given.get(name, endpoint.url) for name in ("HTTP_PROXY", "HTTPS_PROXY")}
    if others != {endpoint.url} and not proxy.extra:
        yield "HTTP_PROXY is set, but squid uses it only with --config: see docs/proxy.md."
    yield f"squid listens at {endpoint.url}, with its cache in {proxy.folder}; Ctrl-C ends it."
    yield "Where builds are started:"
    yield f"  export HTTP_PROXY={endpoint.url} HTTPS_PROXY={endpoint.url}"
    # The proxy refuses this machine's own servers.
    direct = (*re.findall(r"[^,\s]+", given.get("NO_PROXY", "")), "localhost", "127.0.0.1")
    yield f"  export NO_PROXY={','.join(dict.fromkeys(direct))}"
    if proxy.opened:
        bundle = shlex.quote(str(proxy.folder / _BUNDLE))
        yield f"  export REQUESTS_CA_BUNDLE={bundle} PIP_CERT={bundle}"


def saved(lines: Iterable[str]) -> str:
    """The sums of squid's log of answers, without tunnels, refusals and failures."""
    answers = served = cached = 0
    for line in lines:
        words = line.split()
        if len(words) != 5 or not (words[1].isdigit() and words[2].isdigit()):
            continue  # cut off
        how, status, size, method = words[0], int(words[1]), int(words[2]), words[3]
        if status >= 500 or method == "CONNECT" or how.startswith(("NONE", "TCP_DENIED")):
            continue
        answers, served = answers + 1, served + size
        cached += size if _CACHED.search(how) else 0
    share = f" ({100 * cached // served} %)" if served else ""
    sent = f"served {served / 1e6:.1f} MB in {answers} answers"
    return f"{sent}, {cached / 1e6:.1f} MB{share} of it from the cache"
