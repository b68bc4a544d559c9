"""uv-downloads.json: which PyPys are in it, and that uv reads it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from alpypy.publish import uv
from alpypy.publish.index import ReleasedFile, ReleasedTarball, ReleaseIndex
from alpypy.recipes.manifest import Need
from alpypy.recipes.spec import Target
from tests.manifests import DIGEST
from tests.releases import manifest_of, report_of

URL = "https://pypy.example.org/alpine"
SSL3, SSL1 = ("libffi.so.8", "libssl.so.3"), ("libffi.so.7", "libssl.so.1.1")


def pypy(
    version: str,
    alpine: str,
    python: str,
    arch: str = "x86_64",
    *,
    needs: tuple[str, ...] = SSL3,
    kit: bool = False,
    portable: bool = False,
) -> ReleasedTarball:
    target = Target.parse(version, alpine, arch, portable=portable)
    build = manifest_of(target)
    build = structs.replace(
        build,
        needed=tuple(Need(name, "x") for name in needs),
        image=structs.replace(build.image, kit=kit),
    )
    gzip = ReleasedFile(target.gzip_tarball, 28_000_000, DIGEST)
    return ReleasedTarball(26_000_000, report_of(target), build, python, gzip)


def choose(*tarballs: ReleasedTarball) -> list[str]:
    """The folders of the PyPys that uv is offered."""
    return [tarball.target.folder for tarball in uv.choose(ReleaseIndex.of(tarballs, URL))]


def test_the_newest_pypy_of_each_python_and_architecture() -> None:
    assert choose(
        pypy("3.11-7.3.20", "3.23", "3.11.13"),
        pypy("3.11-7.3.22", "3.23", "3.11.15"),
        pypy("3.11-7.3.23", "3.23", "3.11.15"),
        pypy("3.11-7.3.22", "3.23", "3.11.15", "aarch64"),
        pypy("3.9-7.3.16", "3.23", "3.9.19"),
    ) == [
        "pypy-3.11-7.3.23-alpine3.23",
        "pypy-3.11-7.3.22-alpine3.23-aarch64",
        "pypy-3.11-7.3.20-alpine3.23",
        "pypy-3.9-7.3.16-alpine3.23",
    ]


def test_the_oldest_alpine_with_the_libraries_of_the_newest() -> None:
    alpines = [("3.9", SSL1), ("3.17", SSL3), ("3.23", SSL3), ("3.24", SSL3)]
    tarballs = [pypy("3.11-8.0.0", name, "3.11.15", needs=needs) for name, needs in alpines]
    assert choose(*tarballs) == ["pypy-3.11-8.0.0-alpine3.17"]
    assert choose(*tarballs[:2]) == ["pypy-3.11-8.0.0-alpine3.17"]
    assert choose(*tarballs[:1]) == ["pypy-3.11-8.0.0-alpine3.9"]


def test_a_portable_one_comes_first_also_when_the_kit_made_it() -> None:
    portable = pypy("3.11-8.0.0", "3.23", "3.11.15", needs=(), kit=True, portable=True)
    other = pypy("3.11-8.0.0", "3.24", "3.11.15")
    assert choose(other, portable) == ["pypy-3.11-8.0.0-musllinux_1_2_x86_64"]
    newer = pypy("3.11-8.0.1", "3.24", "3.11.15")
    assert choose(other, portable, newer) == ["pypy-3.11-8.0.1-alpine3.24"]


def test_an_older_pypy_for_an_older_alpine_does_not_count() -> None:
    older = pypy("3.11-7.3.22", "3.20", "3.11.15")
    newer = pypy("3.11-7.3.23", "3.23", "3.11.15")
    assert choose(older, newer) == ["pypy-3.11-7.3.23-alpine3.23"]


def test_a_tree_counts_only_without_a_release_of_the_language() -> None:
    tree = pypy("3.11-8.1.0-alpha+1", "3.23", "3.11.16")
    release = pypy("3.11-8.0.0", "3.23", "3.11.15")
    other = pypy("3.12-8.0.0-alpha+762c531b493", "3.23", "3.12.13")
    assert choose(tree, release, other) == [
        "pypy-3.12-8.0.0-alpha+762c531b493-alpine3.23",
        "pypy-3.11-8.0.0-alpine3.23",
    ]
    assert choose(tree) == ["pypy-3.11-8.1.0-alpha+1-alpine3.23"]


def test_the_kit_counts_only_without_alpine_s_own_packages() -> None:
    kit = pypy("3.11-8.0.0", "3.23", "3.11.15", kit=True)
    own = pypy("3.11-7.3.22", "3.22", "3.11.13")
    assert choose(kit, own) == ["pypy-3.11-7.3.22-alpine3.22"]
    assert choose(kit) == ["pypy-3.11-8.0.0-alpine3.23"]


def test_a_release_of_the_kit_comes_before_a_tree_of_alpine_s_own_packages() -> None:
    kit = pypy("3.11-8.0.0", "3.23", "3.11.15", kit=True)
    tree = pypy("3.11-8.1.0-alpha+1", "3.23", "3.11.16")
    assert choose(kit, tree) == ["pypy-3.11-8.0.0-alpine3.23"]


def test_what_uv_cannot_install_is_left_out() -> None:
    before = replace(pypy("3.11-8.0.0", "3.23", "3.11.15"), python=None, gzip=None)
    without = replace(pypy("3.10-7.3.19", "3.23", "3.10.16"), gzip=None)
    two, old = pypy("2.7-7.3.22", "3.23", "2.7.18"), pypy("3.7-7.3.9", "3.23", "3.7.13")
    assert choose(before, without, two, old, pypy("3.8-7.3.11", "3.23", "3.8.16")) == [
        "pypy-3.8-7.3.11-alpine3.23"
    ]


def test_the_list_needs_an_address() -> None:
    assert uv.pages(ReleaseIndex.of([pypy("3.11-8.0.0", "3.23", "3.11.15")], None)) == {}
    assert uv.pages(ReleaseIndex((), URL)) == {"uv-downloads.json": "{}\n"}


def test_an_entry_has_what_uv_reads() -> None:
    tree = pypy("3.12-8.0.0-alpha+762c531b493", "3.23", "3.12.13", "aarch64")
    (text,) = uv.pages(ReleaseIndex.of([tree], URL)).values()
    assert json.loads(text) == {
        "pypy-3.12.13-linux-aarch64-musl": {
            "name": "pypy",
            "arch": {"family": "aarch64", "variant": None},
            "os": "linux",
            "libc": "musl",
            "major": 3,
            "minor": 12,
            "patch": 13,
            "prerelease": "",
            "url": f"{URL}/pypy-3.12-8.0.0-alpha%2B762c531b493-alpine3.23-aarch64.tar.gz",
            "sha256": DIGEST,
            "variant": None,
            "build": "8.0.0-alpha+762c531b493",
        }
    }


@pytest.mark.timeout(600)
def test_uv_lists_every_entry(tmp_path: Path) -> None:
    index = ReleaseIndex.of(
        [
            pypy("3.12-8.0.0-alpha+762c531b493", "3.23", "3.12.13"),
            pypy("3.11-8.0.0", "3.23", "3.11.15"),
            pypy("3.11-8.0.0", "3.23", "3.11.15", "aarch64"),
            pypy("3.11-7.3.20", "3.23", "3.11.13"),
        ],
        URL,
    )
    path = tmp_path / "uv-downloads.json"
    path.write_text(uv.pages(index)[path.name])
    command = [sys.executable, "-m", "uv", "python", "list", "--output-format", "json"]
    command += [
        "--all-platforms",
        "--all-arches",
        "--all-versions",
        "--only-downloads",
        "--no-config",
    ]
    command += ["--cache-dir", str(tmp_path / "cache"), "--python-downloads-json-url", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert {listed["key"]: listed["url"] for listed in json.loads(done.stdout)} == {
        key: entry["url"] for key, entry in json.loads(path.read_text()).items()
    }
