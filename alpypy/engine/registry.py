"""Push an image to its registry: progress while it goes, what the registry says in plain words."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from docker.errors import APIError
from tqdm import tqdm

from alpypy.core.errors import PushError
from alpypy.core.redact import without_passwords
from alpypy.engine.docker import Engine

_HUB = "docker.io"
# Parts of what engines and registries say, and what to do about it. The first that fits counts.
_REMEDIES = (
    (
        ("server gave http response to https client",),
        "the registry speaks plain HTTP: list it in the engine's insecure-registries, or give it"
        " TLS",
    ),
    (
        ("x509", "certificate"),
        "the engine does not trust the registry's certificate: put its authority's into"
        " /etc/docker/certs.d/{registry}/ca.crt",
    ),
    (
        ("unauthorized", "authentication", "no basic auth", "denied", "forbidden"),
        "docker login {registry}, as somebody who may write to {repository}; --repository"
        " names another place",
    ),
    (
        ("refused", "no such host", "timeout", "unreachable", "deadline", "eof", "503"),
        "the registry {registry} is out of the engine's reach: check the name in --repository,"
        " and the engine's proxy",
    ),
)
_OTHER = "the message is the registry's; push again once its cause is gone"


def registry_of(repository: str) -> str:
    """The registry that a repository's name means, by the rule of Docker's names."""
    first, slash, _ = repository.partition("/")
    named = slash and ("." in first or ":" in first or first == "localhost")
    return first if named else _HUB


def push(engine: Engine, reference: str, say: Callable[[str], None]) -> str:
    """Push an image and give its digest there. Logins are those of ``docker login``.

    Raises:
        PushError: the registry does not answer, or refuses.
    """
    repository, _, tag = reference.rpartition(":")
    say(f"pushing {reference} to {registry_of(repository)}")
    try:
        events = engine.client.api.push(repository, tag=tag, stream=True, decode=True)
        digest = _follow(reference, events)
    except APIError as error:
        raise _refused(reference, str(error.explanation or error)) from error
    say(f"pushed {repository}@{digest}")
    return digest


def _follow(reference: str, events: Iterable[Mapping[str, Any]]) -> str:
    """Show the progress of all layers, to the end; the digest is in one of the last events."""
    digest, sent, sizes = "", dict[str, int](), dict[str, int]()
    with tqdm(unit="B", unit_scale=True, disable=not sys.stderr.isatty()) as bar:
        for event in events:
            if "error" in event:
                raise _refused(reference, str(event["error"]))
            digest = str((event.get("aux") or {}).get("Digest") or digest)
            detail, layer = event.get("progressDetail") or {}, str(event.get("id"))
            if "current" in detail:
                sent[layer] = int(detail["current"])
                sizes[layer] = max(sent[layer], int(detail.get("total") or 0))
                bar.total = sum(sizes.values())
                bar.update(sum(sent.values()) - bar.n)
    if not digest:
        raise _refused(reference, "the engine ended without the image's digest")
    return digest


def _refused(reference: str, message: str) -> PushError:
    repository = reference.rpartition(":")[0]
    said, registry = without_passwords(message.strip()), registry_of(repository)
    fits = (remedy for words, remedy in _REMEDIES if any(word in said.lower() for word in words))
    return PushError(
        f"{registry} did not take {reference}: {said}",
        remedy=next(fits, _OTHER).format(registry=registry, repository=repository),
    )
