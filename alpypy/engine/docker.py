"""The container engine: its images, and containers that run commands.

Any engine with Docker's API will do. A container gets no capability, no privilege, and no network
unless its job says so. It holds a lease of the process that started it: when that process is gone,
even if it was killed, the container ends by itself.
"""

from __future__ import annotations

import contextlib
import io
import os
import tarfile
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import docker
import requests
from docker.errors import APIError, BuildError, ImageNotFound, NotFound
from docker.models.containers import Container
from docker.models.images import Image

from alpypy.core import log
from alpypy.core.errors import EngineError, ImageError
from alpypy.core.redact import without_passwords
from alpypy.engine.container import Running, container_options
from alpypy.engine.job import Completed, Job, proxy_environment

_CONFLICT = 409  # HTTP: another run's container uses the image
_ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}


@dataclass(frozen=True)
class Bridge:
    """The network that containers are on by default: this machine's address, and its range."""

    address: str
    network: str


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
    def usable_processors(self) -> int:
        """How many of them this process may use too: as many containers make sense at once."""
        return min(len(os.sched_getaffinity(0)), self.processors)

    @property
    def user(self) -> str:
        """The user to run a container as, so that its files in a mounted folder are this user's."""
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
        """The release in /etc/alpine-release of an image that the engine holds; None without it.

        Reading it takes up to a second, so alpypy keeps it under the image's ID.
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
        """Read it from a container that is created and never started."""
        container = self._create(Job(reference, ["true"]))
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
        """What `docker image inspect` prints about an image that the engine holds."""
        return dict(self.client.images.get(reference).attrs)

    def tag(self, image: str, reference: str) -> None:
        """Give another name to an image that the engine holds."""
        repository, _, tag = reference.rpartition(":")
        self.client.images.get(image).tag(repository, tag)

    def first_labelled(self, *labels: str) -> str | None:
        """ID of the image that was built with all these labels, if the engine still has it.

        Images that users make from it inherit the labels, but have more layers or are younger. The
        search includes images without a name: they may still be the base of another. An engine
        without BuildKit also leaves an image for each label that it sets, so name them all.

        Args:
            labels: each as ``name=value``, or as ``name`` for any value.
        """
        images = self.client.images.list(all=True, filters={"label": list(labels)})
        first = min(images, key=_age, default=None)
        return str(first.id) if first else None

    def dangling(self, label: str, value: str) -> tuple[str, ...]:
        """IDs of the images with a label that have no name."""
        filters = {"dangling": True, "label": f"{label}={value}"}
        return tuple(str(image.id) for image in self.client.images.list(filters=filters))

    def bridge(self) -> Bridge | None:
        """The network that containers are on by default, if it has an IPv4 address."""
        try:
            configs = self.client.networks.get("bridge").attrs["IPAM"]["Config"] or []
        except APIError:
            return None
        for config in configs:
            if "." in (network := config.get("Subnet", "")):
                # Docker may leave the gateway out until a container has run: it is the first one.
                return Bridge(config.get("Gateway") or str(ip_network(network)[1]), network)
        return None

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
        """Build ``context``/Dockerfile, up to the stage ``target``, and give the image's ID.

        With ``fresh``, the engine runs every step, even if it has the result.

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
        # By its ID if the engine sends it: another run may have taken the name meanwhile.
        if image := self.image_id(made or tag):
            return image
        raise _image_error(tag, "the engine did not keep the image", lines)

    def import_rootfs(self, tarball: Path, reference: str) -> str:
        """Make an image with one layer from the tarball of a root file system.

        Raises:
            ImageError: the engine cannot read it.
        """
        repository, _, tag = reference.rpartition(":")
        reason = "the engine did not keep the image"
        try:
            self.client.api.import_image(str(tarball), repository=repository, tag=tag)
            if image := self.image_id(reference):
                return image
        except APIError as error:
            reason = str(error.explanation or error)
        raise ImageError(
            f"{tarball} could not be imported as {reference}: {reason}",
            remedy="check that it is a tar archive of a root file system",
        )

    def remove_image(self, reference: str) -> None:
        """Remove a name of an image, and with its last name the image, unless it is in use."""
        try:
            self.client.images.remove(reference)
        except ImageNotFound:
            pass
        except APIError as error:
            if error.status_code != _CONFLICT:
                raise

    def pull(self, reference: str) -> str | None:
        """Pull an image from its registry; None when the registry cannot be reached."""
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
            container = self._create(job)
        except (APIError, ImageNotFound) as error:
            raise EngineError(
                f"the engine refused a container of {job.image}: {error.explanation or error}",
                remedy="see the engine's log; `docker info` shows what it supports",
            ) from error
        try:
            # Attached before the start: a reader of the log may miss a last line without a newline.
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

    def _create(self, job: Job) -> Container:
        words = without_passwords(" ".join(job.command))
        log.detail(f"container of {job.image}: {textwrap.shorten(words, 150)}")
        return self.client.containers.create(**container_options(job, self._lease, self.user))


def _age(image: Image) -> tuple[int, str]:
    return len(image.attrs["RootFS"]["Layers"]), image.attrs["Created"]


def _follow(stream: Iterator[Any], lines: list[str], on_line: Callable[[str], None] | None) -> str:
    """The image's ID, if the engine sends it. The output is appended to ``lines``."""
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
        remedy="the last lines above show the step that failed: fix it, then run the command again",
    )
