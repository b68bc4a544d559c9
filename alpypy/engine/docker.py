"""The container engine: find or start one, build images, run commands in containers.

Any daemon with Docker's API serves. Containers get no capability and no privilege, and no network
unless a job says so; each holds on to a lease of the process that started it: when that process is
gone, whatever way it went, the container ends by itself.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import docker.types
import requests
import urllib3
from docker.errors import APIError, BuildError, DockerException, ImageNotFound, NotFound
from docker.models.containers import Container
from docker.models.images import Image

from alpypy.core.errors import EngineError, ImageError
from alpypy.core.locks import one_at_a_time
from alpypy.core.redact import without_passwords
from alpypy.engine.private import SOCKETS, private_engine, refusal

LEASE_LABEL = "org.alpypy.lease"
_LEASE = "/run/alpypy.lease"
# Blocks until the lease's owner is gone, then ends all that runs beside the init process. It is a
# child of that one: the command would wait for it, where it waits for any child of its own.
_GUARD = ("sh", "-c", '(flock "$0" kill -KILL -1 &); exec "$@"', _LEASE)
_LAST_WORDS_TIME = 5  # seconds
_CONFLICT = 409  # HTTP: another run's container uses the image
_ENDED = ("exited", "dead")
_ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}
# Docker leaves ::1 out of a container that has no network. Where the kernel has no IPv6, the engine
# refuses a container that asks for it.
_IPV6 = Path("/proc/sys/net/ipv6/conf/all/disable_ipv6")
_WITH_IPV6 = {"net.ipv6.conf.all.disable_ipv6": "0"}
# What the SDK and the libraries below it raise.
ENGINE_FAILURES = (DockerException, requests.RequestException, urllib3.exceptions.HTTPError)
_PROXY_NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY")


@dataclass(frozen=True)
class Mount:
    """A folder or file of the host and where the container sees it."""

    source: Path
    target: str
    writable: bool = False


@dataclass(frozen=True)
class Job:
    """One command in one container. ``timeout`` is in seconds; None waits for ever.

    ``last_words`` is a signal that the command gets at the timeout, some seconds before its end.
    ``network`` is none, bridge or host, as Docker calls them.
    """

    image: str
    command: Sequence[str]
    mounts: Sequence[Mount] = ()
    environment: Mapping[str, str] | None = None
    user: str | None = None
    workdir: str | None = None
    timeout: float | None = 600
    memory_mib: int | None = None
    last_words: str | None = None
    network: str = "none"


@dataclass(frozen=True)
class Completed:
    """How a command ended. ``exit_code`` is 124 after a timeout, as with timeout(1)."""

    exit_code: int
    output: str


def proxy_environment() -> dict[str, str]:
    """The proxy settings of whoever runs alpypy, for image builds (never kept in an image)."""
    found = {}
    for name in _PROXY_NAMES:
        value = os.environ.get(name) or os.environ.get(name.lower())
        if value:
            found[name] = found[name.lower()] = value
    return found


class Engine:
    """A container engine that answers."""

    def __init__(self, client: docker.DockerClient, lease: Path) -> None:
        self.client = client
        self._lease = lease

    @property
    def rootless(self) -> bool:
        """Whether root in a container is an ordinary user outside."""
        options = self.client.info().get("SecurityOptions") or []
        return any("rootless" in option for option in options)

    @property
    def processors(self) -> int:
        """How many processors containers may use."""
        return int(self.client.info()["NCPU"])

    @property
    def user(self) -> str:
        """The user to run as, so that files in a mounted folder belong to who runs alpypy."""
        return "0:0" if self.rootless else f"{os.getuid()}:{os.getgid()}"

    def image_id(self, reference: str) -> str | None:
        """The ID of an image that the engine holds, or None."""
        try:
            return str(self.client.images.get(reference).id)
        except ImageNotFound:
            return None

    def architecture(self, reference: str) -> str:
        """The architecture of an image that the engine holds, as uname(1) calls it."""
        name = str(self.client.images.get(reference).attrs["Architecture"])
        return _ARCHITECTURES.get(name, name)

    def alpine_release(self, reference: str) -> str | None:
        """What /etc/alpine-release says in an image that the engine holds; None without one.

        Reading it takes up to a second, so it is kept by the image's ID.
        """
        number = (self.image_id(reference) or "").removeprefix("sha256:")
        memo = self._lease.parent / f"release-{number}"
        with contextlib.suppress(FileNotFoundError):
            known = memo.read_text(encoding="utf-8")
            if known.endswith("\n"):  # else another run is writing it, or could not
                return known.strip()
        release = self._read_release(reference)
        if release:
            memo.write_text(f"{release}\n", encoding="utf-8")
        return release

    def _read_release(self, reference: str) -> str | None:
        """Read it of a container that is made and never started."""
        container = self.client.containers.create(**self._options(Job(reference, ["true"])))
        try:
            pieces, _ = container.get_archive("/etc/alpine-release")
            with tarfile.open(fileobj=io.BytesIO(b"".join(pieces))) as archive:
                [member] = archive.getmembers()
                stream = archive.extractfile(member) if member.isfile() else None
                return stream.read().decode(errors="replace").strip() if stream else None
        except NotFound:
            return None
        finally:
            container.remove(force=True)

    def label(self, reference: str, name: str) -> str | None:
        """A label of an image that the engine holds, or None."""
        try:
            return self.client.images.get(reference).labels.get(name)
        except ImageNotFound:
            return None

    def facts(self, reference: str) -> Mapping[str, Any]:
        """All that the engine tells of an image that it holds, as `docker image inspect` does."""
        return dict(self.client.images.get(reference).attrs)

    def tag(self, image: str, reference: str) -> None:
        """Give an image that the engine holds one more name."""
        repository, _, tag = reference.rpartition(":")
        self.client.images.get(image).tag(repository, tag)

    def first_labelled(self, label: str, value: str) -> str | None:
        """ID of the image that was built with a label, if the engine still has it.

        What users make from it inherits the label; it has more layers, or is younger. ``all``: the
        image is still there under such a one when its name is gone.
        """
        images = self.client.images.list(all=True, filters={"label": f"{label}={value}"})
        first = min(images, key=_age, default=None)
        return str(first.id) if first else None

    def dangling(self, label: str, value: str) -> tuple[str, ...]:
        """IDs of the images with a label that have no name."""
        filters = {"dangling": True, "label": f"{label}={value}"}
        return tuple(str(image.id) for image in self.client.images.list(filters=filters))

    def bridges(self) -> tuple[Mapping[str, str], ...]:
        """Address (``Gateway``) and network (``Subnet``) of the default bridge, if there is one."""
        try:
            configs = self.client.networks.get("bridge").attrs["IPAM"]["Config"] or []
        except APIError:
            return ()
        return tuple(configs)

    def build(
        self,
        context: Path,
        *,
        tag: str,
        arguments: Mapping[str, str],
        labels: Mapping[str, str],
        network: bool,
        target: str = "",
        fresh: bool = False,
        on_line: Callable[[str], None] | None = None,
    ) -> str:
        """Build ``context``/Dockerfile, up to the stage ``target``, and give its ID; when it is
        to be ``fresh``, with every step, also those whose result the engine has.

        Raises:
            ImageError: a step failed; the message holds the last lines of its output.
        """
        lines = list[str]()
        stream = self.client.api.build(
            path=str(context),
            tag=tag,
            buildargs={**proxy_environment(), **arguments} if network else dict(arguments),
            labels=dict(labels),
            network_mode="default" if network else "none",
            target=target,
            nocache=fresh,
            rm=True,
            forcerm=True,
            decode=True,
        )
        try:
            made = _follow(stream, lines, on_line)
        except (APIError, BuildError) as error:
            raise _image_error(tag, str(error), lines) from error
        # By its ID where the engine says it: another run may have given the name away meanwhile.
        if found := self.image_id(made or tag):
            return found
        raise _image_error(tag, "the engine did not keep the image", lines)

    def import_rootfs(self, tarball: Path, reference: str) -> str:
        """Make an image of one layer out of a root file system's tarball.

        Raises:
            ImageError: the engine cannot read it.
        """
        repository, _, tag = reference.rpartition(":")
        with contextlib.suppress(APIError):
            self.client.api.import_image(str(tarball), repository=repository, tag=tag)
        found = self.image_id(reference)
        if found is None:
            raise ImageError(
                f"{tarball} could not be imported as {reference}",
                remedy="check that it is a tar archive of a root file system",
            )
        return found

    def remove_image(self, reference: str) -> None:
        """Forget a name of an image, and the image with its last name, unless it is in use."""
        try:
            self.client.images.remove(reference)
        except ImageNotFound:
            pass
        except APIError as error:
            if error.status_code != _CONFLICT:
                raise

    @contextlib.contextmanager
    def building(self, name: str) -> Iterator[None]:
        """One run at a time, of those with this cache, builds what has this name; others wait."""
        with one_at_a_time(self._lease.parent / f"{name[:24]}.lock", "image"):
            yield

    def pull(self, reference: str) -> str | None:
        """Pull an image from its registry; None when that is out of reach."""
        with contextlib.suppress(APIError, ImageNotFound, requests.RequestException):
            return str(self.client.images.pull(reference).id)
        return None

    def run(self, job: Job) -> Completed:
        """Run a command to its end and give its output (stdout and stderr together)."""
        lines: list[str] = []
        with self.started(job) as running:
            for line in running.lines():
                lines.append(line)
            return Completed(running.wait(), "".join(f"{line}\n" for line in lines))

    @contextlib.contextmanager
    def started(self, job: Job) -> Iterator[Running]:
        """A container that runs ``job`` and is removed at the end, whatever happens.

        Raises:
            EngineError: the engine refused to start it.
        """
        try:
            container = self.client.containers.create(**self._options(job))
        except (APIError, ImageNotFound) as error:
            raise EngineError(
                f"the engine refused a container of {job.image}: {error.explanation or error}",
                remedy="see the engine's log; `docker info` shows what it supports",
            ) from error
        try:
            # Attached before the start: who follows the log may miss a last line without an end.
            pieces = container.attach(stream=True, demux=True)
            container.start()
            yield Running(container, pieces, job)
        except APIError as error:
            raise EngineError(
                f"a container of {job.image} did not start: {error.explanation or error}",
                remedy="see the engine's log; `docker info` shows what it supports",
            ) from error
        finally:
            with contextlib.suppress(NotFound):
                container.remove(force=True)

    def _options(self, job: Job) -> dict[str, Any]:
        mounts = [*job.mounts, Mount(self._lease, _LEASE)]
        memory = f"{job.memory_mib}m" if job.memory_mib else None
        return {
            "image": job.image,
            "command": [*_GUARD, *job.command],
            "entrypoint": [],
            "mounts": [
                docker.types.Mount(
                    mount.target, str(mount.source), type="bind", read_only=not mount.writable
                )
                for mount in mounts
            ],
            "environment": dict(job.environment or {}),
            "user": job.user or self.user,
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
            "labels": {LEASE_LABEL: str(self._lease)},
        }


def _age(image: Image) -> tuple[int, str]:
    return len(image.attrs["RootFS"]["Layers"]), image.attrs["Created"]


class Running:
    """A container at work: its lines, its memory, its end."""

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
        self.memory = 0
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

    def signal(self, name: str) -> None:
        """Send it a signal, TERM for one."""
        with contextlib.suppress(APIError, NotFound):
            self._container.kill(name)

    def kill(self) -> None:
        """End it now, whatever it does."""
        with contextlib.suppress(APIError, NotFound):
            self._container.kill()

    def sample_memory(self) -> None:
        """Follow the container's own memory (without page cache), in bytes, until it ends."""
        with contextlib.suppress(APIError, NotFound, requests.RequestException):
            for sample in self._container.stats(stream=True, decode=True):
                if isinstance(sample, dict):
                    self.memory = _own_memory(sample.get("memory_stats") or {})

    def _watch_deadline(self, stop: threading.Event) -> None:
        if self._deadline is None or stop.wait(max(0.0, self._deadline - time.monotonic())):
            return
        self._timed_out = True
        with contextlib.suppress(APIError, NotFound):
            if self._last_words:
                self._container.kill(self._last_words)
                stop.wait(_LAST_WORDS_TIME)
            self._container.kill()


def engine_error(error: Exception) -> EngineError:
    """One of ENGINE_FAILURES as an error with a remedy.

    Files are fetched by a module that makes its own errors, so this one is the engine's.
    """
    if isinstance(error, APIError) and error.response is not None:
        return EngineError(
            f"the engine refused: {error.explanation or error}",
            remedy="correct what it names; the engine's log may say more",
        )
    return EngineError(
        f"the connection to the engine failed: {without_passwords(str(error))}",
        remedy="see that it runs, then run the command again: finished stages are kept",
    )


@contextlib.contextmanager
def connect(cache: Path) -> Iterator[Engine]:
    """An engine: ``DOCKER_HOST``, Docker's socket, Podman's, or a private one for this run.

    Args:
        cache: where leases and a private engine's data are kept.

    Raises:
        EngineError: none answers and none can be started.
    """
    with contextlib.ExitStack() as stack:
        client = _answering() or _client(stack.enter_context(private_engine(cache / "engine")))
        stack.callback(client.close)
        lease = stack.enter_context(_lease(cache / "leases"))
        _sweep(client)
        yield Engine(client, lease)


def engine_answers() -> bool:
    """Whether an engine is running already.

    Raises:
        EngineError: ``DOCKER_HOST`` names one that does not answer or that this user may not use.
    """
    client = _answering()
    if client:
        client.close()
    return client is not None


def _answering() -> docker.DockerClient | None:
    host = os.environ.get("DOCKER_HOST")
    if host:
        try:
            return _client(host)
        except DockerException as error:
            raise _no_answer(host) from error
    for socket in SOCKETS():
        with contextlib.suppress(DockerException, requests.RequestException):
            return _client(f"unix://{socket}")
    return None


def _no_answer(host: str) -> EngineError:
    return refusal(Path(host.removeprefix("unix://"))) or EngineError(
        f"no container engine answers at DOCKER_HOST={host}",
        remedy="start that engine, or unset DOCKER_HOST to let alpypy find or start one",
    )


def _client(host: str) -> docker.DockerClient:
    client = docker.DockerClient(base_url=host, version="auto", timeout=600)
    client.ping()
    return client


@contextlib.contextmanager
def _lease(folder: Path) -> Iterator[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder, prefix="run-") as lease:
        os.chmod(lease.name, 0o644)
        fcntl.flock(lease, fcntl.LOCK_EX)
        yield Path(lease.name)


def _sweep(client: docker.DockerClient) -> None:
    """Remove what the containers of killed runs left behind.

    A lease that is not here may be one of another machine, or container, that uses the engine too.
    Of those only what has ended goes: the rest ends by itself with its owner.
    """
    left = set[Path]()
    for container in client.containers.list(
        all=True, filters={"label": LEASE_LABEL}, ignore_removed=True
    ):
        lease = Path(container.labels[LEASE_LABEL])
        if not _held(lease) and (lease.exists() or container.status in _ENDED):
            with contextlib.suppress(APIError, NotFound):
                container.remove(force=True)
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


def _follow(stream: Iterator[Any], lines: list[str], on_line: Callable[[str], None] | None) -> str:
    """The ID that the engine gives the image, if it says it; ``lines`` gets what is printed."""
    made = ""
    for event in stream:
        _take_build_event(event, lines, on_line)
        made = (event.get("aux") or {}).get("ID") or made
    return made


def _take_build_event(
    event: Mapping[str, Any], lines: list[str], on_line: Callable[[str], None] | None
) -> None:
    if "error" in event:
        raise BuildError(event["error"], iter(()))
    for line in str(event.get("stream", "")).splitlines():
        lines.append(line)
        if on_line and line.strip():
            on_line(line)


def _image_error(tag: str, reason: str, lines: Sequence[str]) -> ImageError:
    tail = "\n".join(f"    {line}" for line in lines[-25:])
    return ImageError(
        f"image {tag} could not be built: {reason}\n{tail}",
        remedy="the last lines above name the step; run the command again once its cause is gone",
    )


def _own_memory(stats: Mapping[str, Any]) -> int:
    """Anonymous memory: ``anon`` (cgroup v2), ``total_rss`` (v1), else all that is counted."""
    detail = stats.get("stats") or {}
    own = detail.get("anon") or detail.get("total_rss") or stats.get("usage") or 0
    return int(own)
