"""The kit's image: apk installs from the repository inside it, and what it compiles is for musl."""

from __future__ import annotations

import tarfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from alpypy.core.errors import ImageError, KitError, SpecError
from alpypy.core.files import file_digest
from alpypy.engine.docker import Engine
from alpypy.offline.kit import import_tarball, prepare, require_current
from tests.workspaces import workspace

pytestmark = pytest.mark.timeout(1200)
ROOT = Path(__file__).parents[3]
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
    first = prepare(workspace(ROOT, engine, cache), alpine_version)
    made, said = engine.image_id(first.reference), list[str]()
    assert prepare(workspace(ROOT, engine, cache, said.append), alpine_version) == first
    assert said == []
    assert engine.image_id(first.reference) == made


def test_a_base_of_another_alpine_is_an_error_before_any_work(
    engine: Engine, cache: Path, base_image: str
) -> None:
    said = list[str]()
    with pytest.raises(SpecError, match=rf"{base_image} is Alpine 3\.23"):
        prepare(workspace(ROOT, engine, cache, said.append), "3.12", base_image)
    assert said == []


@pytest.fixture
def kit_on(engine: Engine, base_image: str, tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """Gives the engine a kit for Alpine 3.13 that says which image it was made on."""
    tag = "alpypy-kit:alpine3.13"

    def make(base_id: str) -> None:
        labels = {"org.alpypy.kit.base": base_id}
        (tmp_path / "Dockerfile").write_text(f"FROM {base_image}\n")
        engine.build(tmp_path, tag=tag, arguments={}, labels=labels, network=False)

    yield make
    engine.remove_image(tag)


def test_a_kit_counts_as_current_by_the_image_it_was_made_on(
    engine: Engine, kit_on: Callable[[str], None]
) -> None:
    kit_on(str(engine.image_id("alpine:3.23")))
    require_current(engine, ROOT, "3.13")


def test_a_kit_that_was_made_otherwise_is_refused(
    engine: Engine, kit_on: Callable[[str], None]
) -> None:
    kit_on("sha256:another")
    with pytest.raises(KitError, match=r"alpypy-kit:alpine3\.13"):
        require_current(engine, ROOT, "3.13")


@pytest.fixture
def rootfs(engine: Engine, tmp_path: Path) -> Iterator[Path]:
    """A tarball that says to be the root file system of Alpine 3.14; its images go."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/alpine-release").write_text("3.14.99\n")
    path = tmp_path / f"{uuid.uuid4().hex}.tar"
    with tarfile.open(path, "w") as archive:
        archive.add(tmp_path / "etc", "etc")
    had = engine.image_id("alpine:3.14")
    yield path
    engine.remove_image(f"alpypy-base:{file_digest(path)[:16]}")
    if had is None:
        engine.remove_image("alpine:3.14")


def test_a_root_file_system_is_imported_once_and_as_the_usual_base(
    engine: Engine, rootfs: Path
) -> None:
    if engine.image_id("alpine:3.14"):
        pytest.skip("this engine has an Alpine 3.14 already")
    name = import_tarball(engine, rootfs, "3.14")
    made = engine.image_id(name)
    assert engine.image_id("alpine:3.14") == made
    assert import_tarball(engine, rootfs, "3.14") == name
    assert engine.image_id(name) == made


def test_a_root_file_system_of_another_alpine_is_refused_and_not_kept(
    engine: Engine, cache: Path, rootfs: Path
) -> None:
    with pytest.raises(SpecError, match=rf"{rootfs} is Alpine 3\.14\.99, and Alpine 3\.12 "):
        prepare(workspace(ROOT, engine, cache), "3.12", str(rootfs))
    assert engine.image_id(f"alpypy-base:{file_digest(rootfs)[:16]}") is None
    assert engine.image_id("alpine:3.12") is None


def test_a_file_that_is_no_root_file_system_is_an_error(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("nothing of a tarball\n" * 1000)
    with pytest.raises(ImageError, match="could not be imported"):
        import_tarball(engine, tmp_path / "file", "3.12")


def test_an_alpine_that_is_nowhere_is_an_error(engine: Engine, cache: Path) -> None:
    with pytest.raises(KitError) as caught:
        prepare(workspace(ROOT, engine, cache), "3.1")
    assert "--base-image" in caught.value.remedy
