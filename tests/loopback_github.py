"""A server on loopback in GitHub's place, which tests cannot reach.

It is what HTTPS_PROXY names, and answers itself for GitHub's hosts, with a certificate of an
authority of its own. It answers as https://docs.github.com/en/rest/releases/releases and .../assets
say, for the few calls that releases need, and keeps releases in memory. What goes wrong at GitHub
now and then is put into ``trouble`` and happens once each.
"""

from __future__ import annotations

import hashlib
import json
import re
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import trustme

from tests.loopback import serve

TOKEN = "ghp_secret0123456789"
REPOSITORY = "octocat/Hello-World"
_API = f"/repos/{REPOSITORY}"
_STORAGE = "release-assets.githubusercontent.com"
_HOSTS = ("api.github.com", "uploads.github.com", "github.com", _STORAGE)
AUTHORITY = trustme.CA()


@dataclass
class File:
    """An asset."""

    id: int
    name: str
    content: bytes
    state: str = "uploaded"


@dataclass
class Hub:
    """What GitHub has, and how it behaves.

    ``trouble``: by the method and the last word of a path, or the name of a file that is sent, what
    happens instead of an answer: a status, ``cut`` (the connection ends) or ``part`` (502, and a
    file with the state starter).
    ``refusals`` has the message of a status, ``headers`` go with each. ``digests``: whether files
    are listed with their digests. ``damage`` is added to what arrives. ``meanwhile``: what another
    run does just before a file of a name is sent (POST) or given that name (PATCH), once.
    """

    releases: dict[int, dict[str, Any]] = field(default_factory=dict)
    files: dict[int, File] = field(default_factory=dict)
    trouble: dict[str, list[int | str]] = field(default_factory=dict)
    refusals: dict[int, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    digests: bool = True
    damage: bytes = b""
    meanwhile: dict[str, Callable[[], object]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    address: str = ""
    number: int = 0

    def next(self) -> int:
        self.number += 1
        return self.number

    def find(self, name: str) -> File | None:
        return next((one for one in self.files.values() if one.name == name), None)

    def names(self) -> list[str]:
        return sorted(one.name for one in self.files.values())

    def add(self, name: str, content: bytes = b"", state: str = "uploaded") -> File:
        file = File(self.next(), name, content, state)
        self.files[file.id] = file
        return file

    def remove(self, name: str) -> None:
        self.files = {number: one for number, one in self.files.items() if one.name != name}

    def add_release(self, tag: str = "pypy", body: str = "") -> dict[str, Any]:
        number = self.next()
        self.releases[number] = {
            "id": number,
            "tag_name": tag,
            "name": tag,
            "body": body,
            "draft": False,
            "upload_url": f"https://uploads.github.com{_API}/releases/{number}/assets{{?name,label}}",
            "html_url": f"https://github.com/{REPOSITORY}/releases/tag/{tag}",
        }
        return self.releases[number]

    def shown(self, file: File) -> dict[str, Any]:
        digest = f"sha256:{hashlib.sha256(file.content).hexdigest()}"
        shown = {"id": file.id, "name": file.name, "state": file.state, "size": len(file.content)}
        return {**shown, "label": None, "digest": digest if self.digests else None}


@cache
def _server_side() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert(*_HOSTS).configure_cert(context)
    return context


class Handler(BaseHTTPRequestHandler):
    """Answers one request with what the hub has."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    hub: Hub

    def do_CONNECT(self) -> None:
        """What a client says to the host, it says to this server from here on."""
        self.send_response(200)
        self.end_headers()
        self.connection = _server_side().wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", 0)
        self.close_connection = False  # though some clients ask for this in HTTP/1.0

    def finish(self) -> None:
        super().finish()
        self.connection.close()

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def do_PATCH(self) -> None:
        self._answer("PATCH")

    def do_DELETE(self) -> None:
        self._answer("DELETE")

    def _answer(self, method: str) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or "0"))
        host, path = self.headers["Host"], urlsplit(self.path).path
        if host == _STORAGE:
            self._stored(path)
            return
        self.hub.asked.append(f"{method} {self.path}")
        if host == "github.com":
            self._redirect(self.hub.find(unquote(path.rpartition("/")[2])))
        elif self.headers["Authorization"] != f"token {TOKEN}":
            self._say(401, {"message": "Bad credentials", "status": "401"})
        elif not self._in_trouble(f"{method} {path.rpartition('/')[2]}"):
            self._answer_call(f"{host.partition('.')[0]} {method} {path}")

    def _answer_call(self, call: str) -> None:
        for pattern, answer in self._calls().items():
            match = re.fullmatch(pattern, call)
            if match:
                answer(*match.groups())
                return
        self._say(404, {"message": "Not Found", "status": "404"})

    def _calls(self) -> dict[str, Callable[..., None]]:
        return {
            f"api GET {_API}/releases/tags/([^/]+)": self._release_of_tag,
            f"api POST {_API}/releases": self._new_release,
            f"api PATCH {_API}/releases/(\\d+)": self._change_release,
            f"api GET {_API}/releases/(\\d+)/assets": self._list,
            f"uploads POST {_API}/releases/(\\d+)/assets": self._upload,
            f"api GET {_API}/releases/assets/(\\d+)": self._asset,
            f"api PATCH {_API}/releases/assets/(\\d+)": self._rename,
            f"api DELETE {_API}/releases/assets/(\\d+)": self._delete,
        }

    def _in_trouble(self, call: str) -> bool:
        waiting = self.hub.trouble.get(call)
        if not waiting:
            return False
        what = waiting.pop(0)
        if what == "cut":
            self.close_connection = True
            self.wfile.write(b"HTTP/1.1 201 Created\r\nContent-Length: 50\r\n\r\n{")
            return True
        if what == "part":
            self.hub.add(self._name(), b"", "starter")
            what = 502
        said = self.hub.refusals.get(int(what), "Server Error")
        self._say(int(what), json.loads(said) if said[0] == "{" else {"message": said})
        return True

    def _name(self) -> str:
        return parse_qs(urlsplit(self.path).query)["name"][0]

    def _release_of_tag(self, tag: str) -> None:
        for one in self.hub.releases.values():
            if one["tag_name"] == tag and not one["draft"]:
                self._say(200, one)
                return
        self._say(404, {"message": "Not Found"})

    def _new_release(self) -> None:
        values = json.loads(self.body)
        self._say(201, self.hub.add_release(values["tag_name"], values.get("body") or ""))

    def _change_release(self, number: str) -> None:
        values = json.loads(self.body)
        if len(values["body"]) > 125_000:
            said = "body is too long (maximum is 125000 characters)"
            errors = [{"resource": "Release", "code": "custom", "field": "body", "message": said}]
            self._say(422, {"message": "Validation Failed", "errors": errors})
            return
        self.hub.releases[int(number)].update(values)
        self._say(200, self.hub.releases[int(number)])

    def _list(self, number: str) -> None:
        asked = {
            name: int(value[-1]) for name, value in parse_qs(urlsplit(self.path).query).items()
        }
        size, page = asked.get("per_page", 30), asked.get("page", 1)
        found = [self.hub.shown(one) for one in self.hub.files.values()]
        more = f'<https://api.github.com{self.path}&page={page + 1}>; rel="next"'
        link = {"Link": more} if len(found) > size * page else {}
        self._say(200, found[size * (page - 1) : size * page], link)

    def _upload(self, number: str) -> None:
        assert self.headers["Content-Type"] == "application/octet-stream"
        name = re.sub(r"[^0-9A-Za-z._+-]", ".", self._name())
        if self._in_trouble(f"POST {name}"):
            return
        self.hub.meanwhile.pop(f"POST {name}", lambda: None)()
        if self.hub.find(name):
            errors = [{"resource": "ReleaseAsset", "code": "already_exists", "field": "name"}]
            self._say(422, {"message": "Validation Failed", "errors": errors})
            return
        self._say(201, self.hub.shown(self.hub.add(name, self.body + self.hub.damage)))

    def _asset(self, number: str) -> None:
        file = self.hub.files[int(number)]
        if self.headers["Accept"] == "application/octet-stream":
            self._redirect(file)
        else:
            self._say(200, self.hub.shown(file))

    def _rename(self, number: str) -> None:
        name = json.loads(self.body)["name"]
        self.hub.meanwhile.pop(f"PATCH {name}", lambda: None)()
        file = self.hub.files.get(int(number))
        if file is None:
            self._say(404, {"message": "Not Found"})
            return
        if self.hub.find(name):
            self._say(422, {"message": "Validation Failed", "errors": [{"code": "already_exists"}]})
            return
        file.name = name
        self._say(200, self.hub.shown(file))

    def _delete(self, number: str) -> None:
        if self.hub.files.pop(int(number), None) is None:
            self._say(404, {"message": "Not Found"})
        else:
            self._say(204, None)

    def _redirect(self, file: File | None) -> None:
        if file is None or file.state != "uploaded":
            self._say(404, {"message": "Not Found"})
            return
        self.send_response(302)
        self.send_header("Location", f"https://{_STORAGE}/{file.id}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _stored(self, path: str) -> None:
        """The bytes of a file: another host, which must not see the token."""
        assert "Authorization" not in self.headers
        content = self.hub.files[int(path[1:])].content
        start = int((self.headers.get("Range") or "bytes=0-")[6:-1])
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.end_headers()
        self.wfile.write(content[start:])

    def _say(self, status: int, document: object, more: dict[str, str] | None = None) -> None:
        content = b"" if document is None else json.dumps(document).encode()
        self.send_response(status)
        for name, value in {**(self.hub.headers if status >= 400 else {}), **(more or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def loopback_github() -> Iterator[Hub]:
    """A hub that answers at its address, as a proxy."""
    hub = Hub()
    with contextmanager(serve)(type("HubHandler", (Handler,), {"hub": hub})) as address:
        hub.address = address
        yield hub
