"""Connecting to an engine: which one, the lease of this run, and what killed runs left behind."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import docker
import requests
import urllib3
from docker.errors import APIError, DockerException, NotFound

from alpypy.core.errors import EngineError
from alpypy.core.redact import without_passwords
from alpypy.engine.address import (
    EngineAddress,
    address_of_environment,
    default_sockets,
    refusal,
)
from alpypy.engine.client import open_client
from alpypy.engine.container import LEASE_LABEL
from alpypy.engine.context import address_of_context
from alpypy.engine.docker import Engine
from alpypy.engine.private import private_engine

# What the SDK and the libraries below it raise.
ENGINE_FAILURES = (DockerException, requests.RequestException, urllib3.exceptions.HTTPError)
_ENDED = ("exited", "dead")
_LEASE_PREFIX = "run-"


def engine_error(error: Exception) -> EngineError:
    """An error with a remedy, for one of ENGINE_FAILURES.

    Downloads raise errors of their own, so what the libraries raise here comes from the engine.
    """
    if isinstance(error, APIError) and error.response is not None:
        return EngineError(
            f"the engine refused: {error.explanation or error}",
            remedy="correct what the message names; the engine's log may say more",
        )
    return EngineError(
        f"the connection to the engine failed: {without_passwords(str(error))}",
        remedy="check that the engine runs, then run the command again: finished stages are kept",
    )


@contextlib.contextmanager
def connect(cache: Path) -> Iterator[Engine]:
    """The engine of ``DOCKER_HOST`` or of Docker's current context, else one that listens at a
    default socket, else a private one for this run.

    Args:
        cache: where leases and a private engine's data are kept.

    Raises:
        EngineError: the named engine does not answer, or no engine does and none can be started.
    """
    with contextlib.ExitStack() as stack:
        client = _answering()
        if client is None:
            client = open_client(stack.enter_context(private_engine(cache / "engine")))
        stack.callback(client.close)
        lease = stack.enter_context(_lease(cache / "leases"))
        _sweep(client, cache / "leases")
        yield Engine(client, lease)


def engine_answers() -> bool:
    """Whether an engine is running already.

    Raises:
        EngineError: ``DOCKER_HOST`` or Docker's current context names an engine that does not
            answer or that this user may not use.
    """
    client = _answering()
    if client:
        client.close()
    return client is not None


def _answering() -> docker.DockerClient | None:
    """An engine that runs. A named engine is used even if another engine answers."""
    if address := address_of_environment() or address_of_context():
        try:
            return open_client(address.url, address.tls)
        except ENGINE_FAILURES as error:
            raise _no_answer(address, error) from error
    for socket in default_sockets():
        with contextlib.suppress(*ENGINE_FAILURES):
            return open_client(f"unix://{socket}")
    return None


def _no_answer(address: EngineAddress, error: Exception) -> EngineError:
    if address.url.startswith("ssh://") and find_spec("paramiko") is None:
        return EngineError(
            f"an engine is reached by ssh only with the Python package paramiko: {address.setting}",
            remedy=f"install paramiko beside alpypy, or {address.other}",
        )
    return refusal(Path(address.url.removeprefix("unix://"))) or EngineError(
        f"no container engine answers at {address.setting}: {_cause(error)}",
        remedy=f"start that engine, or {address.other}",
    )


def _cause(error: BaseException) -> str:
    """What went wrong below the SDK and the libraries that it goes through."""
    while error.__context__:
        error = error.__context__
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return without_passwords(reason)


@contextlib.contextmanager
def _lease(folder: Path) -> Iterator[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder, prefix=_LEASE_PREFIX) as lease:
        os.chmod(lease.name, 0o644)
        fcntl.flock(lease, fcntl.LOCK_EX)
        yield Path(lease.name)


def _sweep(client: docker.DockerClient, leases: Path) -> None:
    """Remove the containers that killed runs left behind.

    A lease that is not in the folder ``leases`` may be on another machine, in a container, or in
    another cache that uses the same engine. Of those containers only the ended ones are removed:
    the others end with their owner. A container has the labels of its image too, which may name
    any file: only files of the folder are opened or removed.
    """
    left = set[Path]()
    for container in client.containers.list(
        all=True, filters={"label": LEASE_LABEL}, ignore_removed=True
    ):
        lease = Path(container.labels[LEASE_LABEL])
        own = lease.parent == leases and lease.name.startswith(_LEASE_PREFIX)
        if own and _held(lease):
            continue
        if (own and lease.exists()) or (not os.path.exists(lease) and container.status in _ENDED):
            with contextlib.suppress(APIError, NotFound):
                container.remove(force=True)
            if own:
                left.add(lease)
    for lease in left:
        lease.unlink(missing_ok=True)


def _held(lease: Path) -> bool:
    try:
        with lease.open() as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except (BlockingIOError, PermissionError):  # the latter: another user's
        return True
    return False
