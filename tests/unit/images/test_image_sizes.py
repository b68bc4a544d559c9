"""Weights of images: layers as they go to a registry, and the part that a path belongs to."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import zlib

import pytest

from alpypy.images.sizes import (
    _KIND,
    _UNREADABLE,
    Weighed,
    Weight,
    _unpressed,
    part_of_pypy,
    table,
    weigh_layer,
)

PYPY = {
    "opt/pypy/ALPYPY.json": "interpreter",
    "opt/pypy/bin/libpypy3.11-c.so": "interpreter",
    "opt/pypy/bin/pypy3": "interpreter",
    "opt/pypy/bin/pip3.11": "pip",
    "opt/pypy/lib/pypy3.11/os.py": "stdlib",
    "opt/pypy/lib/pypy3.11/site-packages/pip/__init__.py": "pip",
    "opt/pypy/lib/pypy3.11/ensurepip/__init__.py": "stdlib",
    "opt/pypy/lib/pypy3.11/ensurepip/_bundled/pip-24.0-py3-none-any.whl": "pip",
    "opt/pypy/lib-python/2.7/os.py": "stdlib",
    "opt/pypy/lib_pypy/_ssl.py": "stdlib",
    "opt/pypy/site-packages/pip/__init__.py": "pip",
    "opt/pypy/include/pypy3.11/Python.h": "headers",
    "opt/pypy": "interpreter",
    "opt/": "interpreter",
}


@pytest.mark.parametrize("path", PYPY)
def test_the_part_of_a_path(path: str) -> None:
    assert part_of_pypy(path) == PYPY[path]


def layer(contents: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
        link = tarfile.TarInfo("a-link")
        link.type, link.linkname = tarfile.SYMTYPE, "a"
        tar.addfile(link)
    return buffer.getvalue()


def test_a_layer_weighs_what_gzip_makes_of_it() -> None:
    noise = os.urandom(300_000)
    data = layer({"a": noise, "b": bytes(400_000), "c": b"x", "a2": b"1" * 511})
    weights = weigh_layer(io.BytesIO(data), lambda path: path[0])
    assert {part: one.uncompressed for part, one in weights.items()} == {
        "a": 300_511,
        "b": 400_000,
        "c": 1,
    }
    whole = sum(weights.values(), Weight())
    press = zlib.compressobj(6, zlib.DEFLATED, 31)
    assert whole.compressed == len(press.compress(data) + press.flush())
    # Noise cannot be compressed, zeros can, and what gzip holds back is little.
    assert weights["a"].compressed > 250_000
    assert weights["b"].compressed < 100_000


def test_an_empty_layer() -> None:
    weights = weigh_layer(io.BytesIO(layer({})), lambda path: "all")
    assert weights["all"].uncompressed == 0
    assert 0 < weights["all"].compressed < 200


def test_a_layer_that_the_engine_keeps_compressed() -> None:
    data = layer({"a": b"content" * 1000})
    assert _unpressed(io.BytesIO(gzip.compress(data))).read() == data
    assert _unpressed(io.BytesIO(data)).read() == data
    # Compressed in pieces, as parallel programs do: each is a gzip of its own.
    pieces = gzip.compress(data[:5000]) + gzip.compress(data[5000:])
    assert _unpressed(io.BytesIO(pieces)).read() == data


def test_a_compressed_layer_that_is_damaged_is_not_weighed() -> None:
    pressed = gzip.compress(layer({"a": os.urandom(9000)}))
    for damaged in (pressed[:5000], pressed[:-1], pressed + b"more"):
        with pytest.raises(_UNREADABLE):
            _unpressed(io.BytesIO(damaged))


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("pypy:3.11-slim", True),
        ("pypy:latest", True),
        ("python:3.12-alpine3.23", True),
        ("docker.io/library/python:3-alpine", True),
        ("registry.example.org:5000/team/alpine-pypy:3.11-7.3.22-alpine3.23", True),
        ("python:3.12-slim", False),
        ("alpine-pypy-build:3.11-7.3.22-alpine3.23", False),
        ("alpypy-verify:pypy-3.11", False),
        ("my-pypy:1", False),
    ],
)
def test_images_of_the_same_kind(name: str, fits: bool) -> None:
    assert (_KIND.fullmatch(name) is not None) is fits


def test_the_table() -> None:
    parts = {"Alpine": Weight(8_000_000, 3_500_000), "pip": Weight(2_049_999, 1_000_000)}
    lines = list(
        table([Weighed("alpine-pypy:x", parts), Weighed("pypy:slim", {"whole": Weight(10**8, 1)})])
    )
    assert lines[1].split() == ["Alpine", "8.0", "MB", "3.5", "MB"]
    assert lines[3].split() == ["all", "10.0", "MB", "4.5", "MB"]
    assert lines[-1].split() == ["pypy:slim", "100.0", "MB", "0.0", "MB"]


def test_a_table_without_others_says_how_to_get_some() -> None:
    *_, last = table([Weighed("alpine-pypy:x", {"a": Weight(), "b": Weight()})])
    assert "docker pull" in last
