"""The docker SDK's client, with an engine's own certificates in any environment."""

from __future__ import annotations

from typing import Any

import docker
from docker.tls import TLSConfig

from alpypy.core import log
from alpypy.core.redact import without_login

_TIMEOUT = 600  # seconds: an engine that imports an image says nothing for minutes


class _Connection(docker.APIClient):
    def merge_environment_settings(
        self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any
    ) -> Any:
        """Keep the engine's own authority: requests prefers REQUESTS_CA_BUNDLE to it
        (docker/docker-py#2433)."""
        chosen = self.verify if verify is None else verify
        return super().merge_environment_settings(url, proxies, stream, chosen, cert)


class _Client(docker.DockerClient):
    def __init__(self, url: str, tls: TLSConfig | None) -> None:
        self.api = _Connection(
            url, version="auto", timeout=_TIMEOUT, tls=tls or False, use_ssh_client=True
        )


def open_client(url: str, tls: TLSConfig | None = None) -> docker.DockerClient:
    """A client of the engine at an address.

    Raises:
        DockerException: no engine answers there.
    """
    client = _Client(url, tls)
    client.ping()
    log.detail(f"the engine at {without_login(url)} answers")
    return client
