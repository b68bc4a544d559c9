"""A real server on loopback: whole files, ranges, errors, connections cut in the middle."""

from __future__ import annotations

import base64
import hashlib
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from alpypy.core.source import Source

CONTENT = bytes(range(256)) * 4000  # a megabyte, in which every offset looks different


@dataclass
class Site:
    """What a server has, and what was asked of it."""

    files: dict[str, bytes] = field(default_factory=dict)
    cut_after: dict[str, list[int]] = field(default_factory=dict)
    statuses: dict[str, list[int]] = field(default_factory=dict)
    ranges: bool = True
    etags: bool = True
    types: dict[str, str] = field(default_factory=dict)
    login: str = ""
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    logins: list[tuple[str, str]] = field(default_factory=list)
    address: str = ""

    def source(self, name: str = "pypy-src.tar.bz2", content: bytes = CONTENT) -> Source:
        """A file that the server has."""
        self.files[f"/{name}"] = content
        return Source(f"{self.address}/{name}", hashlib.sha256(content).hexdigest())


def etag(content: bytes) -> str:
    return f'"{hashlib.sha256(content).hexdigest()}"'


class Handler(BaseHTTPRequestHandler):
    """Serves a Site: whole files, ranges, errors, connections cut in the middle."""

    protocol_version = "HTTP/1.1"
    site: Site

    def do_GET(self) -> None:
        self.site.asked.append((self.path, self.headers.get("Range")))
        self.site.logins.append((self.path, self.headers.get("Authorization", "")))
        if self.site.login:
            basic = base64.b64encode(self.site.login.encode()).decode()
            assert self.headers["Authorization"] == f"Basic {basic}"
        statuses = self.site.statuses.get(self.path)
        content = self.site.files.get(self.path)
        if statuses or content is None:
            self.send_error(statuses.pop(0) if statuses else 404)
            return
        start = self._start(content)
        self.send_header("Content-Length", str(len(content) - start))
        if self.path in self.site.types:
            self.send_header("Content-Type", self.site.types[self.path])
        if self.site.etags:
            self.send_header("ETag", etag(content))
        self.end_headers()
        cuts = self.site.cut_after.get(self.path)
        end = start + cuts.pop(0) if cuts else len(content)
        self.wfile.write(content[start:end])
        self.close_connection = end < len(content)

    def _start(self, content: bytes) -> int:
        wanted = self.headers.get("Range")
        unchanged = self.headers.get("If-Range") in (None, etag(content))
        if wanted is None or not self.site.ranges or not unchanged:
            self.send_response(200)
            return 0
        start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        return start

    def log_message(self, *_: object) -> None:
        """Say nothing: pytest shows the test's own messages."""


def serve(
    handler: type[BaseHTTPRequestHandler],
    host: str = "127.0.0.1",
    tls: ssl.SSLContext | None = None,
) -> Iterator[str]:
    server = ThreadingHTTPServer((host, 0), handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http{'s' if tls else ''}://{host}:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


class FolderHandler(SimpleHTTPRequestHandler):
    """Python's own static server."""

    def log_message(self, *_: object) -> None:
        """Say nothing: pytest shows the test's own messages."""


def serve_folder(path: Path, handler: type[FolderHandler] = FolderHandler) -> Iterator[str]:
    """The address of a server that has the files of a folder."""
    yield from serve(partial(handler, directory=str(path)))  # type: ignore[arg-type]
