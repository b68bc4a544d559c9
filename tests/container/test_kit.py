"""The kit's image: apk installs from the repository inside it, and what it compiles is for musl."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from alpypy.engine import Engine
from alpypy.errors import ImageError, KitError, SpecError
from alpypy.kit import prepare, require_current
from alpypy.sources import Fetcher

pytestmark = pytest.mark.timeout(1200)
ROOT = Path(__file__).parents[2]
HELLO = """\
#include <stdio.h>
#include <zlib.h>
int main(void) { printf("hello with zlib %s\\n", zlibVersion()); return 0; }
"""
REPOSITORY = "/var/lib/alpypy-kit/repository/x86_64"
Build = Callable[[str], list[str]]


@pytest.fixture
def build(engine: Engine, base_image: str, tmp_path: Path) -> Iterator[Build]:
    """Builds an image on the kit's without network, and gives the output."""
    tag = f"alpypy-test:{uuid.uuid4().hex}"

    def run(steps: str) -> list[str]:
        (tmp_path / "hello.c").write_text(HELLO)
        (tmp_path / "Dockerfile").write_text(f"ARG BASE_IMAGE\nFROM ${{BASE_IMAGE}}\n{steps}")
        lines: list[str] = []
        engine.build(
            tmp_path,
            tag=tag,
            arguments={"BASE_IMAGE": base_image},
            labels={},
            network=False,
            on_line=lines.append,
        )
        return lines

    yield run
    engine.remove_image(tag)


def test_a_program_is_compiled_for_musl_with_what_apk_installs(build: Build) -> None:
    lines = build(
        "RUN apk add --no-cache gcc musl-dev zlib-dev\nCOPY hello.c /\n"
        "RUN gcc -o /hello /hello.c -lz && /hello && ldd /hello && gcc -dumpmachine\n"
    )
    text = "\n".join(lines)
    assert "hello with zlib 1." in text
    assert "/lib/ld-musl-x86_64.so.1" in text
    assert "libz.so.1 => " in text
    assert "x86_64-alpine-linux-musl" in lines
    assert "libc.so.6" not in text


@pytest.mark.parametrize("package", ["make", "tar"])
def test_a_package_that_is_broken_on_disk_is_refused(package: str, build: Build) -> None:
    lines = build(
        f"RUN file=$(ls {REPOSITORY}/{package}-[0-9]*.apk) && size=$(stat -c %s $file) && "
        "printf broken | dd of=$file bs=1 seek=$((size / 2)) conv=notrunc && "
        f"! apk add --no-cache {package} && ! apk info -e {package} && echo refused it\n"
    )
    assert "refused it" in lines


def test_an_index_with_another_signature_is_refused(build: Build) -> None:
    lines = build(
        "RUN printf broken | dd of=/etc/apk/keys/alpypy-kit.rsa.pub bs=1 seek=100 conv=notrunc && "
        "! apk add --no-cache make && echo refused it\n"
    )
    assert "refused it" in lines


def test_a_package_that_the_kit_lacks_is_an_error(build: Build) -> None:
    with pytest.raises(ImageError, match="no-such-package"):
        build("RUN apk add --no-cache no-such-package\n")


def test_the_second_time_there_is_nothing_to_do(
    engine: Engine, cache: Path, alpine_version: str
) -> None:
    first = prepare(engine, Fetcher(cache), ROOT, alpine_version, None, print)
    made, said = engine.image_id(first.reference), list[str]()
    assert prepare(engine, Fetcher(cache), ROOT, alpine_version, None, said.append) == first
    assert said == []
    assert engine.image_id(first.reference) == made


def test_a_base_of_another_alpine_is_an_error_before_any_work(
    engine: Engine, cache: Path, base_image: str
) -> None:
    said = list[str]()
    with pytest.raises(SpecError, match=rf"{base_image} is Alpine 3\.23"):
        prepare(engine, Fetcher(cache), ROOT, "3.12", base_image, said.append)
    assert said == []


def test_a_kit_counts_as_current_whatever_image_it_was_made_on(
    engine: Engine, base_image: str, tmp_path: Path
) -> None:
    labels = {"org.alpypy.kit.base": str(engine.image_id("alpine:3.23"))}
    (tmp_path / "Dockerfile").write_text(f"FROM {base_image}\n")
    tag = "alpypy-kit:alpine3.13"
    try:
        engine.build(tmp_path, tag=tag, arguments={}, labels=labels, network=False)
        require_current(engine, ROOT, "3.13")
        labels["org.alpypy.kit.base"] = "sha256:another"
        engine.build(tmp_path, tag=tag, arguments={}, labels=labels, network=False)
        with pytest.raises(KitError, match=tag):
            require_current(engine, ROOT, "3.13")
    finally:
        engine.remove_image(tag)


def test_an_alpine_that_is_nowhere_is_an_error(engine: Engine, cache: Path) -> None:
    with pytest.raises(KitError) as caught:
        prepare(engine, Fetcher(cache), ROOT, "3.1", None, print)
    assert "--base-image" in caught.value.remedy
