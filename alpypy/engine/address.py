"""Where the engine listens: ``DOCKER_HOST``, Docker's current context, or a default socket."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from docker.errors import TLSParameterError
from docker.tls import TLSConfig
from docker.utils import kwargs_from_env

from alpypy.core.errors import EngineError
from alpypy.core.redact import without_login


@dataclass(frozen=True)
class EngineAddress:
    """Where an engine listens, which setting says so (as it is shown), what TLS needs, and how to
    choose another engine."""

    url: str
    setting: str
    tls: TLSConfig | None
    other: str


def address_of_environment() -> EngineAddress | None:
    """The engine that ``DOCKER_HOST`` names; None when it is not set.

    Raises:
        EngineError: DOCKER_TLS_VERIFY asks for certificates that are not there.
    """
    host = os.environ.get("DOCKER_HOST")
    if not host:
        return None
    try:
        tls = kwargs_from_env().get("tls")
    except TLSParameterError as error:
        raise EngineError(
            "DOCKER_TLS_VERIFY or DOCKER_CERT_PATH is set, and the certificates cannot be read",
            remedy="put ca.pem, cert.pem and key.pem into DOCKER_CERT_PATH, or unset both",
        ) from error
    shown = f"DOCKER_HOST={without_login(host)}"
    return EngineAddress(host, shown, tls, "unset DOCKER_HOST to let alpypy find or start one")


def default_sockets() -> tuple[Path, ...]:
    """Where engines listen by default: Docker's and then Podman's, of root and of this user."""
    runtime = Path(os.environ.get("XDG_RUNTIME_DIR", f"/run/user/{os.getuid()}"))
    known = (
        Path("/var/run/docker.sock"),
        runtime / "docker.sock",
        Path("/run/podman/podman.sock"),
        runtime / "podman/podman.sock",
    )
    return tuple(path for path in known if _is_socket(path))


def _is_socket(path: Path) -> bool:
    try:
        return path.is_socket()
    except PermissionError:  # its folder is closed to this user
        return False


def refusal(socket: Path) -> EngineError | None:
    """The error for a user who may not use an engine's socket; None for one who may."""
    if not _is_socket(socket) or os.access(socket, os.R_OK | os.W_OK):
        return None
    return EngineError(
        f"permission denied: this user may not use the container engine at {socket}",
        remedy="join the group that owns it and log in again (Docker's:"
        " sudo usermod -aG docker USER), or run as root",
    )
