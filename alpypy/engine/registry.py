"""Push an image to its registry, with its progress, and explain what the registry refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from docker.errors import APIError

from alpypy.core.errors import PushError
from alpypy.core.progress import Transfer
from alpypy.core.redact import without_passwords
from alpypy.engine.docker import Engine

_HUB = "docker.io"
# Parts of what engines and registries say, and what to do then. The first match counts.
_REMEDIES = (
    (
        ("server gave http response to https client",),
        "the registry speaks plain HTTP: add it to the engine's insecure-registries, or"
        " give it TLS",
    ),
    (
        ("x509", "certificate"),
        "the engine does not trust the registry's certificate: put its authority's certificate into"
        " /etc/docker/certs.d/{registry}/ca.crt",
    ),
    (
        ("unauthorized", "authentication", "no basic auth", "denied", "forbidden"),
        "run `docker login {registry}` as a user who may write to {repository}, or choose another"
        " --repository",
    ),
    (
        ("refused", "no such host", "timeout", "unreachable", "deadline", "eof", "503"),
        "the engine cannot reach the registry {registry}: check the name in --repository, and the"
        " engine's proxy",
    ),
)
_OTHER = "the registry sent this message: remove the cause, then push again"


def registry_of(repository: str) -> str:
    """The registry in a repository's name, by Docker's rule for names."""
    first, slash, _ = repository.partition("/")
    named = slash and ("." in first or ":" in first or first == "localhost")
    return first if named else _HUB


def push(engine: Engine, reference: str, say: Callable[[str], None]) -> str:
    """Push an image with the login of ``docker login``, and give its digest in the registry.

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
    """Show the progress of all layers; the digest comes with the last events."""
    digest, sent, sizes = "", dict[str, int](), dict[str, int]()
    with Transfer(f"push {reference}") as progress:
        for event in events:
            if "error" in event:
                raise _refused(reference, str(event["error"]))
            digest = str((event.get("aux") or {}).get("Digest") or digest)
            detail, layer = event.get("progressDetail") or {}, str(event.get("id"))
            if "current" in detail:
                sent[layer] = int(detail["current"])
                sizes[layer] = max(sent[layer], int(detail.get("total") or 0))
                progress.grow(sum(sent.values()), sum(sizes.values()))
    if not digest:
        raise _refused(reference, "the engine ended without the image's digest")
    return digest


def _refused(reference: str, message: str) -> PushError:
    repository = reference.rpartition(":")[0]
    said, registry = without_passwords(message.strip()), registry_of(repository)
    fits = (remedy for words, remedy in _REMEDIES if any(word in said.lower() for word in words))
    return PushError(
        f"{registry} refused {reference}: {said}",
        remedy=next(fits, _OTHER).format(registry=registry, repository=repository),
    )
