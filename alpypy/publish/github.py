"""The part of GitHub's REST API that releases need.

The token comes from the environment, goes into one header and is in no message.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import requests
from requests.auth import AuthBase
from tqdm import tqdm

from alpypy.core.errors import ReleaseError, SpecError
from alpypy.core.fetch import brief
from alpypy.publish import github_answers as answers
from alpypy.publish.github_answers import Asset, Release
from alpypy.publish.index import never_replaced

_API = "https://api.github.com"
_VERSION = "2022-11-28"
_ATTEMPTS = 4
_PAUSE = 2.0  # seconds, growing with each attempt
_TIMEOUT = (20, 300)  # seconds: until connected, until what was sent is answered
_PIECE = 1 << 16  # bytes
_CUTS = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
)
_TOKEN = re.compile(r"[\x21-\x7e]+")


class _TroubleError(Exception):
    """The server answers with 5xx or not at all, and asking again may help."""


class _Token(AuthBase):
    """Sends the token to the host that was asked, and to none that it points to."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def token_of_environment() -> str:
    """The token in ``GITHUB_TOKEN``.

    Raises:
        SpecError: there is none, or it has characters that no token has.
    """
    token = os.environ.get("GITHUB_TOKEN", "").strip()
    if _TOKEN.fullmatch(token):
        return token
    raise SpecError(
        "GITHUB_TOKEN has characters that no token has" if token else "GITHUB_TOKEN is not set",
        remedy="make a token that may write the repository's contents, and set GITHUB_TOKEN to it;"
        " in GitHub Actions it is ${{ github.token }} with `permissions: contents: write`",
    )


class Repository:
    """A repository's releases. ``name`` is OWNER/REPO.

    Every method may raise ReleaseError: GitHub refuses, or does not answer.
    """

    def __init__(self, name: str, token: str) -> None:
        self._name = name
        # As GitHub Actions sets it; GitHub's own servers without it.
        self._api = os.environ.get("GITHUB_API_URL", _API).rstrip("/")
        self._session = requests.Session()
        self._session.auth = _Token(token)
        self._session.headers["Accept"] = "application/vnd.github+json"
        self._session.headers["X-GitHub-Api-Version"] = _VERSION

    def release(self, tag: str) -> Release | None:
        """The published release of a tag."""
        response = self._patiently(
            lambda: self._ask("GET", f"/releases/tags/{tag}"), unless=answers.is_missing
        )
        return answers.release_of(answers.document(response)) if response.ok else None

    def create(self, tag: str, title: str) -> Release:
        """A new release; GitHub makes the tag, at the end of the default branch, if need be."""
        try:
            response = self._ask("POST", "/releases", json={"tag_name": tag, "name": title})
        except _TroubleError as error:
            raise answers.trouble(str(error)) from error
        return answers.release_of(answers.document(self._accepted(response)))

    def describe(self, release: Release, body: str) -> None:
        """Replace the text of a release."""
        path = f"/releases/{release.id}"
        self._patiently(lambda: self._ask("PATCH", path, json={"body": body}))

    def assets(self, release: Release) -> dict[str, Asset]:
        """All files of a release by name, those too that were sent in part."""
        found: list[Asset] = []
        for page in range(1, 1000):
            path = f"/releases/{release.id}/assets?per_page=100&page={page}"
            response = self._patiently(partial(self._ask, "GET", path))
            found += answers.assets_of(answers.document(response))
            if "next" not in response.links:
                break
        return {one.name: one for one in found}

    def delete(self, asset: Asset) -> None:
        """Remove a file; that it is gone already is no error."""
        path = f"/releases/assets/{asset.id}"
        self._patiently(lambda: self._ask("DELETE", path), unless=answers.is_missing)

    def rename(self, asset: Asset, name: str) -> None:
        """Give a file another name, which no other run may do at the same time."""
        path = f"/releases/assets/{asset.id}"
        response = self._patiently(
            lambda: self._ask("PATCH", path, json={"name": name}), unless=answers.is_overtaken
        )
        if answers.is_overtaken(response):
            raise answers.overtaken(name)

    def content(self, asset: Asset) -> Iterator[bytes]:
        """The bytes of a file, in pieces; GitHub gives them itself or says where they are."""
        path = f"/releases/assets/{asset.id}"
        raw = {"headers": {"Accept": "application/octet-stream"}, "stream": True}
        with self._patiently(lambda: self._ask("GET", path, allow_redirects=True, **raw)) as found:
            try:
                yield from found.iter_content(_PIECE)
            except requests.RequestException as error:
                raise answers.trouble(brief(error)) from error

    def digest(self, asset: Asset) -> str:
        """A file's SHA-256; it is downloaded where GitHub does not tell it."""
        if asset.sha256:
            return asset.sha256
        whole = hashlib.sha256()
        for piece in self.content(asset):
            whole.update(piece)
        return whole.hexdigest()

    def send(self, release: Release, path: Path, name: str, sha256: str) -> Asset:
        """Make a file one of a release, in up to four attempts; a part of it is removed first.

        Raises:
            DigestError: another file has that name.
        """
        last = "it does not list what it has"
        for attempt in range(1, _ATTEMPTS + 1):
            there = self.assets(release).get(name)
            if there and there.whole:
                return self._same(there, sha256)
            if there:
                self.delete(there)
            try:
                response = self._upload(release, path, name)
                if not answers.name_is_taken(response):
                    return self._arrived(response, name, sha256)
            except _TroubleError as error:
                last = str(error)
            time.sleep(attempt * _PAUSE)
        raise answers.trouble(f"{name} was not taken in {_ATTEMPTS} attempts: {last}")

    def _upload(self, release: Release, path: Path, name: str) -> requests.Response:
        headers = {"Content-Type": "application/octet-stream"}
        terminal = sys.stderr.isatty()
        if not terminal:
            print(f"sending {name}", file=sys.stderr)
        shown = {"desc": name, "unit": "B", "unit_scale": True, "disable": not terminal}
        with path.open("rb") as file:
            size = path.stat().st_size
            with tqdm.wrapattr(file, "read", total=size, bytes=False, **shown) as body:
                more = {"params": {"name": name}, "data": body, "headers": headers}
                return self._send("POST", release.upload, **more)

    def _arrived(self, response: requests.Response, name: str, sha256: str) -> Asset:
        asset = answers.asset_of(answers.document(self._accepted(response)))
        if asset.name != name:
            self.delete(asset)
            raise ReleaseError(
                f"GitHub would call {name} {asset.name}", remedy="give the file another name"
            )
        if asset.sha256 not in (None, sha256):
            self.delete(asset)
            raise _TroubleError(f"it arrived with SHA-256 {asset.sha256}, and {sha256} was sent")
        return asset

    def _same(self, asset: Asset, sha256: str) -> Asset:
        if (digest := self.digest(asset)) != sha256:
            raise never_replaced((asset.name, digest, sha256))
        return asset

    def _ask(self, method: str, path: str, **more: Any) -> requests.Response:
        return self._send(method, f"{self._api}/repos/{self._name}{path}", **more)

    def _send(self, method: str, url: str, **more: Any) -> requests.Response:
        """An answer that is not the server's trouble."""
        more = {"allow_redirects": False, "timeout": _TIMEOUT, **more}
        try:
            response = self._session.request(method, url, **more)
        except _CUTS as error:
            raise _TroubleError(f"{url.partition('?')[0]}: {brief(error)}") from error
        except requests.RequestException as error:
            raise answers.trouble(brief(error)) from error
        if response.status_code >= 500:
            raise _TroubleError(f"{response.status_code} {response.reason}")
        return response

    def _accepted(self, response: requests.Response) -> requests.Response:
        if response.status_code >= 300:
            raise answers.refusal(response, self._name)
        return response

    def _patiently(
        self,
        ask: Callable[[], requests.Response],
        *,
        unless: Callable[[requests.Response], bool] | None = None,
    ) -> requests.Response:
        """Ask what can be asked twice, up to four times; ``unless``: which refusal is an answer."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                response = ask()
                break
            except _TroubleError as error:
                if attempt == _ATTEMPTS:
                    raise answers.trouble(str(error)) from error
                time.sleep(attempt * _PAUSE)
        return response if unless and unless(response) else self._accepted(response)
