"""Where an engine may listen."""

from __future__ import annotations

import os
from pathlib import Path

from alpypy.core.errors import EngineError


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
    """What to tell a user who may not use an engine's socket; None when that is not so."""
    if not _is_socket(socket) or os.access(socket, os.R_OK | os.W_OK):
        return None
    return EngineError(
        f"permission denied: this user may not use the container engine at {socket}",
        remedy="join the group that owns it and log in again (Docker's:"
        " sudo usermod -aG docker USER), or run as root",
    )
