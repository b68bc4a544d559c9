"""Releases of a GitHub repository, through ``gh``, GitHub's own program.

Of gh only ``gh api`` is used, with the calls of https://docs.github.com/en/rest/releases. gh has
the token, sends it to GitHub alone, and shows it nowhere: alpypy never reads it.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import time
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import msgspec

from alpypy.core.errors import ReleaseError, SpecError
from alpypy.core.redact import without_passwords
from alpypy.publish.index import never_replaced

_PAUSES = (2.0, 4.0, 6.0)  # seconds between attempts
_SECONDS = 120.0  # that an answer may take, and the time of the bytes that are sent or received
_SLOWEST = 50_000  # bytes in a second
_NOT_LOGGED_IN = 4  # gh's exit code: https://cli.github.com/manual/gh_help_exit-codes
# No questions, and nothing but the answer: https://cli.github.com/manual/gh_help_environment
_QUIET = {
    "CLICOLOR_FORCE": "0",
    "GH_DEBUG": "",
    "GH_FORCE_TTY": "",
    "GH_NO_UPDATE_NOTIFIER": "1",
    "GH_PROMPT_DISABLED": "1",
}
_LOGIN = (
    "run `gh auth login`, or set GH_TOKEN to a token that may write the repository's contents; in"
    " GitHub Actions it is ${{ github.token }} with `permissions: contents: write`"
)
_AGAIN = "alpypy sends nothing twice"
_RETRY = f"check the connection and HTTPS_PROXY, then publish again: {_AGAIN}"
_REMEDIES = {
    401: f"the token is wrong or has expired: {_LOGIN}",
    403: f"gh's token may not do this: {_LOGIN}",
    404: "check the name in --to github:OWNER/REPO, and that gh's token may write to it",
}
T = TypeVar("T")


class GithubRelease(msgspec.Struct, frozen=True):
    """A release as GitHub describes it; ``upload_url`` is a template: .../assets{?name,label}."""

    id: int
    upload_url: str
    html_url: str
    body: str | None = None

    @property
    def download(self) -> str:
        """The address below which its files are."""
        return self.html_url.replace("/releases/tag/", "/releases/download/")


class Asset(msgspec.Struct, frozen=True):
    """A file of a release as GitHub describes it; old files have no digest there."""

    id: int
    name: str
    state: str
    digest: str | None = None
    size: int = 0

    @property
    def whole(self) -> bool:
        """Whether all of it is there; an upload that failed leaves a "starter"."""
        return self.state == "uploaded"

    @property
    def sha256(self) -> str | None:
        """Its digest, if GitHub sends it."""
        algorithm, _, digest = (self.digest or "").partition(":")
        return digest if algorithm == "sha256" else None


class _Complaint(msgspec.Struct, frozen=True):
    code: str = ""
    message: str = ""


class _Refusal(msgspec.Struct, frozen=True):
    """GitHub's answer when it refuses; gh shows its message, but not its ``errors``."""

    errors: tuple[_Complaint, ...] = ()


class UnansweredError(ReleaseError):
    """GitHub does not answer, or reports a failure of its own: another attempt may help."""


class RefusedError(ReleaseError):
    """GitHub refuses: the object is ``missing``, or another file has the name (``name_taken``)."""

    missing = False
    name_taken = False


class GithubRepository:
    """A repository's releases. ``name`` is OWNER/REPO.

    Every method may raise SpecError (gh is not installed or not logged in) and ReleaseError
    (GitHub refuses, or does not answer).
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def release(self, tag: str) -> GithubRelease | None:
        """The published release of a tag."""
        try:
            return _decoded(self._ask(f"releases/tags/{tag}"), GithubRelease)
        except RefusedError as error:
            if error.missing:
                return None
            raise

    def create(self, tag: str, title: str) -> GithubRelease:
        """Create a release. GitHub creates a missing tag at the end of the default branch."""
        values = ("--raw-field", f"tag_name={tag}", "--raw-field", f"name={title}")
        return _decoded(self._ask_once("releases", *values), GithubRelease)

    def describe(self, release: GithubRelease, body: str) -> None:
        """Replace the text of a release."""
        call = ("--method", "PATCH", "--field", "body=@-")
        self._ask(f"releases/{release.id}", *call, body=body)

    def assets(self, release: GithubRelease) -> dict[str, Asset]:
        """All files of a release by name, including incomplete ones."""
        lines = self._ask(
            f"releases/{release.id}/assets?per_page=100&page=1", "--paginate", "--jq", ".[]"
        )
        assets = (_decoded(line, Asset) for line in lines.splitlines())
        return {asset.name: asset for asset in assets}

    def delete(self, asset: Asset) -> None:
        """Delete a file, unless it is gone already."""
        try:
            self._ask(f"releases/assets/{asset.id}", "--method", "DELETE")
        except RefusedError as error:
            if not error.missing:
                raise

    def rename(self, asset: Asset, name: str) -> Asset:
        """Rename a file; an error if another run does the same at the same time."""
        call = ("--method", "PATCH", "--raw-field", f"name={name}")
        try:
            return _decoded(self._ask(f"releases/assets/{asset.id}", *call), Asset)
        except RefusedError as error:
            if error.missing or error.name_taken:
                raise overtaken(name) from error
            raise

    def content(self, asset: Asset) -> bytes:
        """The bytes of a file."""
        return self._ask(
            f"releases/assets/{asset.id}",
            *("--header", "Accept: application/octet-stream"),
            size=asset.size,
        )

    def digest(self, asset: Asset) -> str:
        """A file's SHA-256. If GitHub does not say it, the file is downloaded."""
        return asset.sha256 or hashlib.sha256(self.content(asset)).hexdigest()

    def send(self, release: GithubRelease, path: Path, sha256: str) -> Asset:
        """Add a file to a release, in up to four attempts.

        A failed attempt may leave an incomplete file, which is deleted, or the complete file.

        Raises:
            DigestError: another file has its name.
        """
        for pause in (*_PAUSES, 0.0):
            try:
                return self._upload(release, path, sha256)
            except UnansweredError as error:
                last = error.what
                time.sleep(pause)
            except RefusedError as error:
                if not error.name_taken:
                    raise
                last = error.what
            there = self.assets(release).get(path.name)
            if there and there.whole:
                return self._same(there, sha256)
            if there:
                self.delete(there)
        raise UnansweredError(
            f"{path.name} did not arrive in {len(_PAUSES) + 1} attempts: {last}", remedy=_RETRY
        )

    def _same(self, asset: Asset, sha256: str) -> Asset:
        if (digest := self.digest(asset)) != sha256:
            raise never_replaced((asset.name, digest, sha256))
        return asset

    def _upload(self, release: GithubRelease, path: Path, sha256: str) -> Asset:
        address = f"{release.upload_url.partition('{')[0]}?name={quote(path.name)}"
        size = path.stat().st_size
        kind = ("--header", "Content-Type: application/octet-stream")
        answer = self._run(address, "--method", "POST", *kind, "--input", str(path), size=size)
        asset = _decoded(answer, Asset)
        if asset.sha256 not in (None, sha256):
            self.delete(asset)
            raise _unanswered(f"{path.name} arrived with SHA-256 {asset.sha256}, not {sha256}")
        return asset

    def _ask(self, path: str, *options: str, body: str = "", size: int = 0) -> bytes:
        """GitHub's answer to a request that may be repeated."""
        for pause in _PAUSES:
            try:
                return self._ask_once(path, *options, body=body, size=size)
            except UnansweredError:
                time.sleep(pause)
        return self._ask_once(path, *options, body=body, size=size)

    def _ask_once(self, path: str, *options: str, body: str = "", size: int = 0) -> bytes:
        return self._run(f"repos/{self._name}/{path}", *options, body=body, size=size)

    def _run(self, address: str, *options: str, body: str = "", size: int = 0) -> bytes:
        """What gh answers; ``size`` is that of a file which is sent or received, in bytes."""
        done = _gh(*options, address, body=body, seconds=_SECONDS + size / _SLOWEST)
        if done.returncode:
            raise self._error(done)
        return done.stdout

    def _error(self, done: subprocess.CompletedProcess[bytes]) -> ReleaseError | SpecError:
        """What gh says, and what to do about it."""
        if done.returncode == _NOT_LOGGED_IN:
            return SpecError("gh is not logged in to GitHub", remedy=_LOGIN)
        said = " ".join(done.stderr.decode(errors="replace").split()).removeprefix("gh: ")
        said = without_passwords(said)[:300]
        answered = re.search(r"\(HTTP (\d{3})\)", said)
        status = int(answered[1]) if answered else 0
        if not 300 <= status < 500:
            return _unanswered(said)
        complaints = _complaints(done.stdout)
        more = "; ".join(complaint.message for complaint in complaints if complaint.message)
        refused = RefusedError(
            f"GitHub refuses, for {self._name}: {said}{f': {more}' if more else ''}",
            remedy=_remedy(status, said),
        )
        refused.missing = status == 404
        refused.name_taken = any(complaint.code == "already_exists" for complaint in complaints)
        return refused


def _gh(*words: str, body: str, seconds: float) -> subprocess.CompletedProcess[bytes]:
    command = ["gh", "api", *words]
    environment = {**os.environ, **_QUIET}
    try:
        return subprocess.run(
            command,
            input=body.encode(),
            env=environment,
            capture_output=True,
            check=False,
            timeout=seconds,
        )
    except FileNotFoundError as error:
        raise SpecError(
            "gh is not installed, and alpypy publishes to GitHub with it",
            remedy=f"install it as https://cli.github.com says, then {_LOGIN}",
        ) from error
    except subprocess.TimeoutExpired as error:
        raise _unanswered(f"no answer in {seconds:.0f} s") from error


def _complaints(answer: bytes) -> tuple[_Complaint, ...]:
    try:
        return msgspec.json.decode(answer, type=_Refusal).errors
    except msgspec.DecodeError:  # an answer without errors, or from a proxy
        return ()


def _remedy(status: int, said: str) -> str:
    if "rate limit" in said.lower():
        return f"wait an hour at most, then publish again: {_AGAIN}"
    return _REMEDIES.get(status, f"correct what GitHub names, then publish again: {_AGAIN}")


def overtaken(name: str) -> ReleaseError:
    """The error if another run replaces the same file at the same time."""
    return ReleaseError(
        f"another run publishes to this release at the same time: it sent another {name}",
        remedy=f"wait until the other run has ended, then publish again: {_AGAIN}",
    )


def _unanswered(what: str) -> ReleaseError:
    return UnansweredError(f"GitHub does not answer as it should: {what}", remedy=_RETRY)


def _decoded(answer: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(answer, type=kind)
    except msgspec.DecodeError as error:
        raise ReleaseError(
            f"GitHub's answer does not have the documented form: {error}",
            remedy="check GH_HOST, and whether a proxy answers instead of GitHub",
        ) from error
