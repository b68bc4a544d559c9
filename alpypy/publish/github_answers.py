"""What GitHub's REST API answers: releases, their files, and refusals in plain words.

Written after https://docs.github.com/en/rest/releases and, for the limits,
https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import requests

from alpypy.core.errors import ReleaseError

MOVED = (301, 302, 307, 308)
_AGAIN = "what is there is not sent twice"


@dataclass(frozen=True)
class Release:
    """A release: where files are sent to, and the address below which they are then."""

    id: int
    upload: str
    download: str
    body: str


@dataclass(frozen=True)
class Asset:
    """A file of a release; ``whole`` unless it was sent in part, ``sha256`` where GitHub tells."""

    id: int
    name: str
    whole: bool
    sha256: str | None


def document(response: requests.Response) -> Any:
    """An answer's JSON.

    Raises:
        ReleaseError: it is none.
    """
    try:
        return response.json()
    except ValueError as error:
        raise _odd(response.text) from error


def release_of(found: Any) -> Release:
    """A release out of an answer.

    Raises:
        ReleaseError: it is none.
    """
    try:
        return Release(
            id=int(found["id"]),
            # a template: .../assets{?name,label}
            upload=str(found["upload_url"]).partition("{")[0],
            download=str(found["html_url"]).replace("/releases/tag/", "/releases/download/"),
            body=str(found.get("body") or ""),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _odd(found) from error


def asset_of(found: Any) -> Asset:
    """A file out of an answer.

    Raises:
        ReleaseError: it is none.
    """
    try:
        algorithm, _, digest = str(found.get("digest") or "").partition(":")
        return Asset(
            id=int(found["id"]),
            name=str(found["name"]),
            whole=found["state"] == "uploaded",  # "starter": what a failed upload leaves
            sha256=digest if algorithm == "sha256" else None,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _odd(found) from error


def assets_of(found: Any) -> list[Asset]:
    """The files of one page of their list.

    Raises:
        ReleaseError: it is none.
    """
    if not isinstance(found, list):
        raise _odd(found)
    return [asset_of(one) for one in found]


def is_missing(response: requests.Response) -> bool:
    """Whether there is no such thing, or none for this token."""
    return response.status_code == 404


def name_is_taken(response: requests.Response) -> bool:
    """Whether a file was refused because another one has its name."""
    return response.status_code == 422 and "already_exists" in response.text


def is_overtaken(response: requests.Response) -> bool:
    """Whether another run removed the file, or gave its new name to another one."""
    return is_missing(response) or name_is_taken(response)


def overtaken(name: str) -> ReleaseError:
    """The error for a file that another run replaces at the same time."""
    return ReleaseError(
        f"another run publishes to this release at the same time: it has sent another {name}",
        remedy=f"run it again when the other has ended: {_AGAIN}",
    )


def refusal(response: requests.Response, name: str) -> ReleaseError:
    """The error for what GitHub refuses; ``name`` is the repository's."""
    status, said = response.status_code, _message(response)
    limit = _limit(response, said) if status in (403, 429) else None
    if limit:
        what, remedy = f"GitHub's rate limit is reached: {said}", f"run it again {limit}: {_AGAIN}"
    elif status in MOVED:
        what, remedy = f"{name} has moved on GitHub", "give --to github: its name of today"
    elif status == 401:
        what = f"GitHub does not accept the token in GITHUB_TOKEN: {said}"
        remedy = "it is wrong, or has expired: make a new one"
    elif status == 403:
        what = f"the token in GITHUB_TOKEN may not do this in {name}: {said}"
        remedy = (
            "give it the permission to write the repository's contents; in GitHub Actions:"
            " `permissions: contents: write`"
        )
    elif status == 404:
        what = f"GitHub has no repository {name}, or the token in GITHUB_TOKEN may not write to it"
        remedy = "check the name in --to github:OWNER/REPO, and the token's permissions"
    else:
        what = f"GitHub refuses with {status} {response.reason}: {said}"
        remedy = f"correct what it names, then run it again: {_AGAIN}"
    return ReleaseError(what, remedy=remedy)


def trouble(what: str) -> ReleaseError:
    """The error for a GitHub that does not answer, or not whole."""
    return ReleaseError(
        f"GitHub does not answer as it should: {what}",
        remedy=f"check the connection and HTTPS_PROXY, then run it again: {_AGAIN}",
    )


def _limit(response: requests.Response, said: str) -> str | None:
    """When to come back, if this is about asking too often."""
    wait = response.headers.get("Retry-After", "")
    reset = response.headers.get("X-RateLimit-Reset", "")
    if re.fullmatch("[0-9]{1,9}", wait):
        return f"in {wait} seconds"
    used_up = response.headers.get("X-RateLimit-Remaining") == "0"
    if used_up and re.fullmatch("[0-9]{1,11}", reset):
        return f"after {datetime.fromtimestamp(int(reset), UTC):%Y-%m-%d %H:%M} UTC"
    return "in a few minutes" if "rate limit" in said.lower() else None


def _message(response: requests.Response) -> str:
    """What GitHub says, on one line: its message, then what it says of each error."""
    try:
        found = response.json()
        more = [one.get("message") or one.get("code") or "" for one in found.get("errors") or []]
        said = ": ".join([str(found["message"]), *map(str, filter(None, more))])
    except (ValueError, KeyError, TypeError, AttributeError):
        said = response.text
    return " ".join(said.split())[:300] or "without a reason"


def _odd(found: object) -> ReleaseError:
    return ReleaseError(
        f"GitHub's answer is not as its documentation says: {str(found)[:200]!r}",
        remedy="check GITHUB_API_URL, and whether a proxy answers in its place",
    )
