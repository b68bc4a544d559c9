"""A running container, and the options that every container gets."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker.types
import requests
from docker.errors import APIError, NotFound
from docker.models.containers import Container

from alpypy.engine.job import Job, MeasuredJob, Mount

LEASE_LABEL = "org.alpypy.lease"
_LEASE = "/run/alpypy.lease"
# The guard blocks until the lease's owner is gone, then kills every process but init. It is a child
# of init: a command that waits for all its children would wait for it too.
_GUARD = ("sh", "-c", '(flock "$0" kill -KILL -1 &); exec "$@"', _LEASE)
_LAST_WORDS_TIME = 5  # seconds
# Docker leaves ::1 out of a container that has no network. Where the kernel has no IPv6, the engine
# refuses a container that asks for it.
_IPV6 = Path("/proc/sys/net/ipv6/conf/all/disable_ipv6")
_WITH_IPV6 = {"net.ipv6.conf.all.disable_ipv6": "0"}


def container_options(job: Job, lease: Path, user: str) -> dict[str, Any]:
    """The options to create a container with: no capability, no privilege, an end with its owner.

    Args:
        lease: the file that the process which starts the container keeps locked.
        user: the user and group to run as, where the job names none.
    """
    memory = f"{job.memory_mib}m" if job.memory_mib else None
    return {
        "image": job.image,
        "command": [*_GUARD, *job.command],
        "entrypoint": [],
        "mounts": [_bind(mount) for mount in (*job.mounts, Mount(lease, _LEASE))],
        "environment": dict(job.environment or {}),
        "user": job.user or user,
        "working_dir": job.workdir,
        "mem_limit": memory,
        "memswap_limit": memory,  # the same: no swap beyond it
        "network_mode": job.network,
        "sysctls": _WITH_IPV6 if job.network == "none" and _IPV6.exists() else {},
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "init": True,
        # The core file of a translator would be gigabytes.
        "ulimits": [docker.types.Ulimit(name="core", soft=0, hard=0)],
        "labels": {LEASE_LABEL: str(lease)},
        **(_measured(job) if isinstance(job, MeasuredJob) else {}),
    }


def _measured(job: MeasuredJob) -> dict[str, Any]:
    folders = dict.fromkeys(job.in_memory, "mode=1777")  # as /tmp
    return {"tmpfs": folders, "cpuset_cpus": job.processors}


def _bind(mount: Mount) -> docker.types.Mount:
    return docker.types.Mount(
        mount.target, str(mount.source), type="bind", read_only=not mount.writable
    )


@dataclass(frozen=True)
class Usage:
    """What a container uses: memory without page cache, in bytes, and since its start the time of
    all processors together, in seconds."""

    memory: int
    processor_seconds: float


class Running:
    """A running container: its output, what it uses, its end."""

    def __init__(
        self,
        container: Container,
        pieces: Iterator[tuple[bytes | None, bytes | None]],
        job: Job,
    ) -> None:
        self._container = container
        self._pieces = pieces
        self._deadline = None if job.timeout is None else time.monotonic() + job.timeout
        self._last_words = job.last_words
        self._timed_out = False

    def lines(self) -> Iterator[str]:
        """Each line of output as it comes, without its end."""
        stop = threading.Event()
        watcher = threading.Thread(target=self._watch_deadline, args=(stop,), daemon=True)
        watcher.start()
        pending = [b"", b""]  # of stdout and stderr
        try:
            for pair in self._pieces:
                for number, piece in enumerate(pair):
                    *whole, pending[number] = (pending[number] + (piece or b"")).split(b"\n")
                    yield from (line.decode(errors="replace") for line in whole)
        finally:
            stop.set()
        yield from (rest.decode(errors="replace") for rest in pending if rest)

    def wait(self) -> int:
        """The command's exit code."""
        code = int(self._container.wait()["StatusCode"])
        return 124 if self._timed_out else code

    def kill(self) -> None:
        """End it at once."""
        with contextlib.suppress(APIError, NotFound):
            self._container.kill()

    def usage(self) -> Iterator[Usage]:
        """What it uses, about once a second, until it ends."""
        with contextlib.suppress(APIError, NotFound, requests.RequestException):
            for sample in self._container.stats(stream=True, decode=True):
                used = usage_of(sample) if isinstance(sample, dict) else None
                if used:
                    yield used

    def _watch_deadline(self, stop: threading.Event) -> None:
        if self._deadline is None or stop.wait(max(0.0, self._deadline - time.monotonic())):
            return
        self._timed_out = True
        with contextlib.suppress(APIError, NotFound):
            if self._last_words:
                self._container.kill(self._last_words)
                stop.wait(_LAST_WORDS_TIME)
            self._container.kill()


def usage_of(sample: Mapping[str, Any]) -> Usage | None:
    """Read a sample of the engine's API; None of a container that has ended, or does not run yet.

    The times in it are nanoseconds. All of them are 0 once the container has ended.
    """
    cpu = (sample.get("cpu_stats") or {}).get("cpu_usage") or {}
    if not cpu.get("total_usage"):
        return None
    return Usage(_own_memory(sample.get("memory_stats") or {}), cpu["total_usage"] / 1e9)


def _own_memory(stats: Mapping[str, Any]) -> int:
    """Anonymous memory: ``anon`` (cgroup v2), ``total_rss`` (v1), else all that is counted."""
    detail = stats.get("stats") or {}
    own = detail.get("anon") or detail.get("total_rss") or stats.get("usage") or 0
    return int(own)
