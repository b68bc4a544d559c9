"""Docker's contexts: the engine that the `docker` command uses.

docker-py 7.2.0 reads contexts too, but finds none where there is no config.json, takes the default
engine in place of one that does not exist, speaks no TLS to one that has only an authority, and
raises a bare Exception for a file that it cannot read.
"""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import msgspec
from docker.tls import TLSConfig

from alpypy.core.errors import EngineError
from alpypy.core.redact import without_login
from alpypy.engine.address import EngineAddress

_DEFAULT = "default"  # Docker's name for the default sockets
_OTHER = (
    "choose another (`docker context use NAME`), or set DOCKER_CONTEXT=default to let alpypy find"
    " or start one"
)


class _DockerConfig(msgspec.Struct, rename={"current_context": "currentContext"}):
    current_context: str = _DEFAULT


class _DockerEndpoint(msgspec.Struct, rename={"host": "Host", "unchecked": "SkipTLSVerify"}):
    host: str
    unchecked: bool = False


class _ContextEndpoints(msgspec.Struct):
    docker: _DockerEndpoint


class _ContextMeta(msgspec.Struct, rename={"endpoints": "Endpoints"}):
    endpoints: _ContextEndpoints


def address_of_context() -> EngineAddress | None:
    """The engine of Docker's current context; None when that is the default one.

    Raises:
        EngineError: the context does not exist, or its files cannot be read.
    """
    folder = Path(os.environ.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker"))
    name = os.environ.get("DOCKER_CONTEXT")
    config = folder / "config.json"
    origin = "DOCKER_CONTEXT" if name else f"currentContext of {config}"
    name = name or _current(config)
    return None if name == _DEFAULT else _load(folder / "contexts", name, origin)


def _current(config: Path) -> str:
    """``currentContext`` of Docker's settings. Like `docker`, go on without a broken file."""
    try:
        settings = msgspec.json.decode(config.read_bytes(), type=_DockerConfig)
    except FileNotFoundError:
        return _DEFAULT
    except msgspec.ValidationError as error:  # which the SDK does not survive
        raise EngineError(
            f"Docker's settings in {config} are not what `docker` writes: {error}",
            remedy="correct that file, or move it away",
        ) from error
    except (OSError, ValueError) as error:
        warning = f"alpypy: warning: Docker's settings in {config} are ignored: {error}"
        print(warning, file=sys.stderr)
        return _DEFAULT
    return settings.current_context or _DEFAULT


def _load(folder: Path, name: str, origin: str) -> EngineAddress:
    """A context's engine, from the files that ``docker context create`` makes."""
    number = hashlib.sha256(name.encode()).hexdigest()
    path = folder / "meta" / number / "meta.json"
    try:
        endpoint = msgspec.json.decode(path.read_bytes(), type=_ContextMeta).endpoints.docker
    except FileNotFoundError as error:
        raise EngineError(
            f"there is no Docker context {name!r} ({origin} names it)",
            remedy=f"see `docker context ls`; {_OTHER}",
        ) from error
    except (OSError, ValueError) as error:
        raise EngineError(
            f"Docker's context {name!r} cannot be read: {path}: {error}",
            remedy=f"make it again with `docker context create`; {_OTHER}",
        ) from error
    tls = _tls(folder / "tls" / number / "docker", unchecked=endpoint.unchecked)
    shown = f"{without_login(endpoint.host)}, the address of Docker's context {name!r} ({origin})"
    return EngineAddress(endpoint.host, shown, tls, _OTHER)


def _tls(folder: Path, *, unchecked: bool) -> TLSConfig | None:
    """TLS as `docker` speaks it: with the files that are there, or with a server left unchecked."""
    paths = {name: folder / f"{name}.pem" for name in ("ca", "cert", "key")}
    files = {name: str(path) for name, path in paths.items() if path.is_file()}
    if not files and not unchecked:
        return None
    pair = (files["cert"], files["key"]) if {"cert", "key"} <= files.keys() else None
    return TLSConfig(client_cert=pair, ca_cert=files.get("ca"), verify=not unchecked)
