"""What images weigh: as the engine unpacks them and as a registry keeps them, by part.

Uncompressed is the sum of the files, which is what engines list. Compressed is each layer as a tar
through gzip, which is what engines send and registries keep.
"""

from __future__ import annotations

import gzip
import json
import re
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO

from alpypy.core.errors import ImageError
from alpypy.engine.docker import Engine
from alpypy.images.runtime import FOLDER, is_runtime_image

PARTS = ("Alpine", "run-time libraries", "interpreter", "stdlib", "pip")
_HEADERS = "headers"  # a part of -dev images alone
_LEVEL = 6  # gzip's own default, which Docker, Podman and containerd use too
_GZIP = 16 + zlib.MAX_WBITS  # for zlib: with gzip's header
_PIECE = 1 << 20
_BLOCK = tarfile.BLOCKSIZE
_UNREADABLE = (tarfile.TarError, LookupError, ValueError, EOFError, gzip.BadGzipFile, zlib.error)
# Of the same kind: PyPy's images and CPython's on Alpine, whatever registry they came from.
_KIND = re.compile(r"(.*/)?((alpine-)?pypy:.+|python:.*alpine.*)")


@dataclass(frozen=True)
class Weight:
    """Bytes, of an image or of a part of one."""

    uncompressed: int = 0
    compressed: int = 0

    def __add__(self, other: Weight) -> Weight:
        return Weight(self.uncompressed + other.uncompressed, self.compressed + other.compressed)


@dataclass(frozen=True)
class Weighed:
    """An image's name and the weight of each of its parts; one part where they are not known."""

    name: str
    parts: Mapping[str, Weight]

    @property
    def whole(self) -> Weight:
        """All parts together."""
        return sum(self.parts.values(), Weight())


def same_kind(engine: Engine) -> tuple[str, ...]:
    """Names of the images in the engine that are for the same use, this project's first."""
    images = engine.client.images.list()
    named = {name: is_runtime_image(image) for image in images for name in image.tags}
    kind = [name for name, own in named.items() if own or _KIND.fullmatch(name)]
    return tuple(sorted(kind, key=lambda name: (not named[name], name)))


def weigh(engine: Engine, reference: str, *, by_part: bool) -> Weighed:
    """Weigh an image that the engine holds: its layers are fetched and compressed as for a push.

    Args:
        by_part: tell the parts of an image of this project apart; of others they are not known.

    Raises:
        ImageError: the engine's archive of it cannot be read.
    """
    own = by_part and is_runtime_image(engine.client.images.get(reference))
    weights = dict.fromkeys(PARTS, Weight()) if own else {}
    with tempfile.TemporaryFile() as file:
        for piece in engine.client.api.get_image(reference):
            file.write(piece)
        file.seek(0)
        try:
            for number, (layer, layers) in enumerate(_layers(file)):
                # The last two are those that the image has more than Alpine.
                part_of = _part_of(layers - number) if own else _whole
                for name, weight in weigh_layer(layer, part_of).items():
                    weights[name] = weights.get(name, Weight()) + weight
        except _UNREADABLE as error:
            raise ImageError(
                f"the engine's archive of {reference} cannot be read: {error}",
                remedy="pull or build the image again",
            ) from error
    return Weighed(reference, weights)


def weigh_layer(layer: IO[bytes], part_of: Callable[[str], str]) -> dict[str, Weight]:
    """Weigh a layer, a tar, by the part that each of its paths belongs to.

    All of it goes through one gzip, as for a registry, so that parts add up to the layer. What gzip
    still holds at the border of two parts counts for the later one: less than 100 kB.
    """
    weights: dict[str, Weight] = {}
    press = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    part = ""
    for part, end, size in _members(layer, part_of):
        pressed = sum(len(press.compress(piece)) for piece in _read_to(layer, end))
        weights[part] = weights.get(part, Weight()) + Weight(size, pressed)
    rest = sum(len(press.compress(piece)) for piece in _read_to(layer, None))
    weights[part] = weights.get(part, Weight()) + Weight(0, rest + len(press.flush()))
    return weights


def _members(layer: IO[bytes], part_of: Callable[[str], str]) -> list[tuple[str, int, int]]:
    """Part, end in the tar and bytes of content of each member; the tar is at its start again."""
    found = []
    with tarfile.open(fileobj=layer) as tar:
        for member in tar:
            size = member.size if member.isreg() else 0
            end = member.offset_data + (size + _BLOCK - 1) // _BLOCK * _BLOCK
            found.append((part_of(member.name), end, size))
    layer.seek(0)
    return found


def _read_to(stream: IO[bytes], end: int | None) -> Iterator[bytes]:
    while piece := stream.read(_PIECE if end is None else min(_PIECE, end - stream.tell())):
        yield piece


def _layers(archive: IO[bytes]) -> Iterator[tuple[IO[bytes], int]]:
    """Each layer of an archive that an engine saved an image in, lowest first, and their number."""
    with tarfile.open(fileobj=archive) as tar:
        [image] = json.loads(_content(tar, "manifest.json").read())
        for name in image["Layers"]:
            # A layer that is the same as another is saved as a link to it; extractfile follows.
            yield _unpressed(_content(tar, name)), len(image["Layers"])


def _content(tar: tarfile.TarFile, name: str) -> IO[bytes]:
    content = tar.extractfile(name)
    if content is None:
        raise KeyError(name)
    return content


def _unpressed(layer: IO[bytes]) -> IO[bytes]:
    """A layer as a plain tar: engines that keep images as registries do save it with gzip."""
    pressed = layer.read(2) == b"\x1f\x8b"
    layer.seek(0)
    if not pressed:
        return layer
    plain = tempfile.TemporaryFile()  # noqa: SIM115 - gone with its last reader
    with gzip.GzipFile(fileobj=layer) as unpressed:  # which may be several, one after another
        shutil.copyfileobj(unpressed, plain)
    plain.seek(0)
    return plain


def _whole(path: str) -> str:
    return "whole"


def _part_of(from_the_end: int) -> Callable[[str], str]:
    if from_the_end == 1:
        return part_of_pypy
    return lambda path: PARTS[1] if from_the_end == 2 else PARTS[0]


def part_of_pypy(path: str) -> str:
    """Which part a path of PyPy's layer belongs to; ensurepip's wheels are pip's."""
    top, *names = [*PurePosixPath(path).relative_to(PurePosixPath(FOLDER).parts[0]).parts[1:], ""]
    if {"site-packages", "_bundled"} & {top, *names} or (top == "bin" and "pip" in names[0][:3]):
        return "pip"
    if top == "include":
        return _HEADERS
    return "stdlib" if top.startswith("lib") else "interpreter"


def table(images: Sequence[Weighed]) -> Iterator[str]:
    """Lines for people: the images whose parts are known, then the others."""
    known = [image for image in images if len(image.parts) > 1]
    others = [image for image in images if len(image.parts) <= 1]
    rows = [name for image in images for name in (image.name, *image.parts)]
    width = max(map(len, rows), default=0) + 2
    for image in known:
        yield f"{image.name:{width}}  {'uncompressed':>12}  {'compressed':>10}"
        for name, weight in image.parts.items():
            yield _row(f"  {name}", weight, width)
        yield _row("  all", image.whole, width)
        yield ""
    yield (
        "for comparison"
        if others
        else (
            "the engine holds no other image of the kind to compare with;"
            " docker pull pypy:3.11-slim python:3.11-alpine gives it some"
        )
    )
    for image in others:
        yield _row(f"  {image.name}", image.whole, width)


def _row(name: str, weight: Weight, width: int) -> str:
    sizes = weight.uncompressed / 1e6, weight.compressed / 1e6
    return f"{name:{width}}  {sizes[0]:9.1f} MB  {sizes[1]:7.1f} MB"
