"""A push: the registry that a name means, its answers, and what to do about them."""

from __future__ import annotations

from typing import Any

import pytest

from alpypy.core.errors import PushError
from alpypy.engine.registry import _follow, _refused, registry_of

NAME = "registry.example.org:5000/team/alpine-pypy:1"


@pytest.mark.parametrize(
    ("repository", "registry"),
    [
        ("alpine-pypy", "docker.io"),
        ("team/alpine-pypy", "docker.io"),
        ("ghcr.io/team/alpine-pypy", "ghcr.io"),
        ("localhost/alpine-pypy", "localhost"),
        ("127.0.0.1:5000/alpine-pypy", "127.0.0.1:5000"),
    ],
)
def test_the_registry_of_a_name(repository: str, registry: str) -> None:
    assert registry_of(repository) == registry


# What Docker 20.10 and registries say, and a part of the remedy.
MESSAGES = {
    "denied: requested access to the resource is denied": "docker login registry.example.org:5000",
    "unauthorized: authentication required": "docker login",
    "no basic auth credentials": "docker login",
    "Get https://r/v2/: dial tcp 127.0.0.1:9: connect: connection refused": "cannot reach",
    "Get https://r/v2/: dial tcp: lookup r on 1.1.1.1:53: no such host": "cannot reach",
    "Get https://r/v2/: x509: certificate signed by unknown authority": "certs.d",
    "Get https://r/v2/: http: server gave HTTP response to HTTPS client": "insecure-registries",
    "blob upload invalid": "push again",
}


@pytest.mark.parametrize("message", MESSAGES)
def test_a_refusal_has_its_remedy(message: str) -> None:
    error = _refused(NAME, message)
    assert message in error.what
    assert NAME in error.what
    assert MESSAGES[message] in error.remedy


def test_a_login_in_a_message_is_not_shown() -> None:
    error = _refused(NAME, "Get https://user:secret@r.example.org/v2/: 500")
    assert "secret" not in str(error)


def events(*last: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"status": "The push refers to repository [r/a]"},
        {"status": "Preparing", "progressDetail": {}, "id": "1"},
        {"status": "Pushing", "progressDetail": {"current": 5, "total": 10}, "id": "1"},
        {"status": "Pushing", "progressDetail": {"current": 12, "total": 10}, "id": "1"},
        {"status": "Pushing", "progressDetail": {"current": 3}, "id": "2"},
        {"status": "Pushed", "progressDetail": {}, "id": "1"},
        *last,
    ]


def test_the_digest_is_given() -> None:
    aux = {"Tag": "1", "Digest": "sha256:abc", "Size": 527}
    assert _follow(NAME, events({"progressDetail": {}, "aux": aux})) == "sha256:abc"


def test_an_error_on_the_way_ends_it() -> None:
    with pytest.raises(PushError, match="denied"):
        _follow(NAME, events({"error": "denied", "errorDetail": {"message": "denied"}}))


def test_an_end_without_a_digest_is_an_error() -> None:
    with pytest.raises(PushError, match="without the image's digest"):
        _follow(NAME, events())
