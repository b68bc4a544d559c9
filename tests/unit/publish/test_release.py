"""A release out of artifacts/: what is taken, what is refused, what pip makes of it."""

from __future__ import annotations

import bz2
import errno
import gzip
import json
import os
import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec import structs

from alpypy.core.errors import (
    AlpypyError,
    ArchiveError,
    DigestError,
    ReleaseError,
    SpecError,
    UnverifiedError,
)
from alpypy.core.files import file_digest
from alpypy.publish import release, simple
from alpypy.publish.index import ReleaseIndex, parse
from alpypy.publish.release import gather, read
from alpypy.recipes.spec import Target
from alpypy.verify import receipt
from alpypy.wheels import record as wheel_record
from tests.loopback import FolderHandler, serve_folder
from tests.manifests import MANIFEST
from tests.releases import as_before, manifest_of, rpython, tarball, verified, wheel, with_record

OLD = manifest_of(Target("3.6-7.0.0", "3.9"))
JSON_TYPE = "application/vnd.pypi.simple.v1+json"
MUSL = "pp311-pypy311_pp73-musllinux_1_2_x86_64"


@pytest.fixture
def artifacts(tmp_path: Path) -> Path:
    """Two PyPys and three wheels."""
    folder = tmp_path / "artifacts"
    folder.mkdir()
    verified(folder)
    verified(folder, OLD)
    with_record(wheel(folder, tag=MUSL), "libffi")
    with_record(wheel(folder))
    with_record(wheel(folder, "Alpypy.Other", "2.0+musl.1", requires=None))
    return folder


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def make(artifacts: Path, out: Path, url: str | None = None) -> ReleaseIndex:
    return gather(artifacts, out, url, print)


def names(folder: Path) -> set[str]:
    """The files of a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_release_has_all_that_is_verified(artifacts: Path, out: Path) -> None:
    index = make(artifacts, out)
    assert names(out) == {
        "pypy-3.11-7.3.22-alpine3.23.tar.bz2",
        "pypy-3.11-7.3.22-alpine3.23.tar.gz",
        "pypy-3.6-7.0.0-alpine3.9.tar.bz2",
        "pypy-3.6-7.0.0-alpine3.9.tar.gz",
        f"alpypy_tiny-1.0-{MUSL}.whl",
        "alpypy_tiny-1.0-py3-none-any.whl",
        "Alpypy.Other-2.0+musl.1-py3-none-any.whl",
        "SHA256SUMS",
        "index.json",
        "index.html",
        "simple/index.html",
        "simple/index.v1_json",
        "simple/alpypy-tiny/index.html",
        "simple/alpypy-tiny/index.v1_json",
        "simple/alpypy-other/index.html",
        "simple/alpypy-other/index.v1_json",
    }
    assert parse((out / "index.json").read_bytes(), "x") == index == read(out)
    for file in index.files:
        path = out / file.name
        assert (path.stat().st_size, file_digest(path)) == (file.size, file.sha256)


def test_sums_are_right_for_sha256sum(artifacts: Path, out: Path) -> None:
    make(artifacts, out)
    command = ["sha256sum", "--check", "--strict", "SHA256SUMS"]
    done = subprocess.run(command, cwd=out, capture_output=True, text=True, check=True)
    assert done.stdout.count(": OK") == 7


def test_the_same_artifacts_make_the_same_release(artifacts: Path, out: Path) -> None:
    make(artifacts, out)
    before = {name: ((out / name).read_bytes(), (out / name).stat().st_ino) for name in names(out)}
    make(artifacts, out)
    after = {name: ((out / name).read_bytes(), (out / name).stat().st_ino) for name in names(out)}
    assert after == before


def test_what_is_no_longer_there_leaves_the_release(artifacts: Path, out: Path) -> None:
    make(artifacts, out)
    (out / "CNAME").write_text("pypy.example.org")
    (artifacts / OLD.target.tarball).unlink()
    for path in (artifacts / "wheels").glob("Alpypy.Other*"):
        path.unlink()
    verified(artifacts, content="#!/bin/sh\necho new\n")
    make(artifacts, out)
    assert not [name for name in names(out) if "3.6-7.0.0" in name or "ther" in name]
    assert not (out / "simple/alpypy-other").exists()
    assert (out / "CNAME").is_file()
    read(out)


def test_a_tarball_is_there_as_tar_gz_too(artifacts: Path, out: Path) -> None:
    for pypy in make(artifacts, out).tarballs:
        assert pypy.gzip
        tar = bz2.decompress((out / pypy.file).read_bytes())
        assert gzip.decompress((out / pypy.gzip.name).read_bytes()) == tar


def test_the_version_of_python_is_read_from_the_tarball(artifacts: Path, out: Path) -> None:
    text = '#define PYPY_VERSION "7.0.0"\n#define PY_VERSION\t\t"3.6.1"\n'
    verified(artifacts, OLD, headers={"include/patchlevel.h": text})  # where 3.6 has it
    assert [pypy.python for pypy in make(artifacts, out).tarballs] == ["3.11.9", "3.6.1"]


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        ({}, "has no include/patchlevel.h and no include/pypy3.6/patchlevel.h"),
        ({"include/patchlevel.h": '#define PY_VERSION "3.7.1"'}, "names no version of Python 3.6"),
        ({"include/patchlevel.h": '#define PYPY_VERSION "3.6.1"'}, "names no version of Python"),
    ],
)
def test_a_tarball_that_does_not_say_which_python_it_is(
    artifacts: Path, out: Path, headers: dict[str, str], says: str
) -> None:
    verified(artifacts, OLD, headers=headers)
    with pytest.raises(ArchiveError, match=re.escape(says)):
        make(artifacts, out)


def test_a_release_of_before_gets_what_it_lacks(artifacts: Path, out: Path) -> None:
    index = make(artifacts, out)
    as_before(out)
    assert [len(pypy.files) for pypy in read(out).tarballs] == [1, 1]
    assert make(artifacts, out) == index == read(out)


@pytest.mark.parametrize("damage", ["changed", "gone"])
def test_a_tar_gz_that_was_changed_is_made_again(artifacts: Path, out: Path, damage: str) -> None:
    index = make(artifacts, out)
    path = out / MANIFEST.target.gzip_tarball
    path.unlink()
    if damage == "changed":
        path.write_bytes(b"other")
    with pytest.raises(DigestError, match=r"tar\.gz (has SHA-256|is missing)"):
        read(out)
    assert make(artifacts, out) == index == read(out)


def test_uv_and_pyenv_need_the_address(
    artifacts: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(artifacts, out)
    words = "without --url there is no uv-downloads.json, and nothing for pyenv"
    assert words in capsys.readouterr().out.splitlines()
    bare = names(out)
    make(artifacts, out, "https://pypy.example.org/alpine")
    assert words not in capsys.readouterr().out
    assert names(out) - bare == {
        "uv-downloads.json",
        "pyenv/pypy3.11-7.3.22-alpine3.23",
        "pyenv/pypy3.6-7.0.0-alpine3.9",
    }
    make(artifacts, out)
    assert names(out) == bare
    assert not (out / "pyenv").exists()


def test_an_unverified_tarball_is_refused(artifacts: Path, out: Path) -> None:
    path = tarball(artifacts, manifest_of(Target("2.7-7.3.22", "3.23")))
    with pytest.raises(UnverifiedError, match=r"2\.7-7\.3\.22.* has not been verified") as caught:
        make(artifacts, out)
    assert caught.value.remedy == f"invoke verify {path}"
    assert not out.exists()


def test_all_that_is_unverified_is_named(artifacts: Path, out: Path) -> None:
    tarball(artifacts, manifest_of(Target("2.7-7.3.22", "3.23")))
    (artifacts / OLD.target.tarball).write_bytes(b"other")
    with_record(wheel(artifacts, "more"))
    wheel(artifacts, "more", content="other")
    wheel(artifacts, "bare")
    with pytest.raises(UnverifiedError) as caught:
        make(artifacts, out)
    for words in (
        "2.7-7.3.22-alpine3.23.tar.bz2 has not been verified",
        "3.6-7.0.0-alpine3.9.tar.bz2 is not the file that was verified",
        "more-1.0-py3-none-any.whl is not the file that was tested",
        "bare-1.0-py3-none-any.whl was not tested",
    ):
        assert words in caught.value.what
    assert "or move them out of artifacts/" in caught.value.remedy


def test_a_wheel_without_a_record_is_refused(artifacts: Path, out: Path) -> None:
    wheel(artifacts, "bare")
    with pytest.raises(UnverifiedError, match=r"bare-1\.0-.* was not tested") as caught:
        make(artifacts, out)
    assert "invoke wheels" in caught.value.remedy
    assert not out.exists()


def test_a_renamed_tarball_is_refused(artifacts: Path, out: Path) -> None:
    path = artifacts / OLD.target.tarball
    renamed = path.with_name("pypy-3.6-7.0.0-alpine3.10.tar.bz2")
    receipt.path_of(path).rename(receipt.path_of(renamed))
    path.rename(renamed)
    with pytest.raises(UnverifiedError, match=r"was pypy-3\.6-7\.0\.0-alpine3\.9\.tar\.bz2"):
        make(artifacts, out)


def test_what_is_no_pypy_is_left_out(
    artifacts: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rpython(artifacts)
    index = make(artifacts, out)
    left_out = "left out: rpython-0.2.1-alpine3.23.tar.bz2, which is not a PyPy"
    assert left_out in capsys.readouterr().out.splitlines()
    assert len(index.tarballs) == 2


def test_a_release_of_wheels_alone_and_of_pypys_alone(artifacts: Path, out: Path) -> None:
    for path in artifacts.glob("*.tar.bz2"):
        path.unlink()
    assert make(artifacts, out).tarballs == ()
    for path in (artifacts / "wheels").iterdir():
        path.unlink()
    with pytest.raises(SpecError, match="there is nothing to release"):
        make(artifacts, out)


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("a!b-1.0-py3-none-any.whl", ArchiveError),
        ("tiny-1!1.0-py3-none-any.whl", ReleaseError),
        ("x.whl", ArchiveError),
        ("a b-1.0-py3-none-any.whl", ArchiveError),
    ],
)
def test_a_wheel_with_an_odd_name_is_refused(
    artifacts: Path, out: Path, name: str, error: type[AlpypyError]
) -> None:
    path = with_record(wheel(artifacts, "odd"))
    renamed = path.with_name(name)
    wheel_record.record_path(path).rename(wheel_record.record_path(renamed))
    path.rename(renamed)
    with pytest.raises(error, match="name"):
        make(artifacts, out)


def test_a_folder_of_something_else_is_left_alone(artifacts: Path, tmp_path: Path) -> None:
    for name, text in (("index.json", '{"mine": 1}'), ("index.html", "x")):
        out = tmp_path / name / "out"
        (out / "simple").mkdir(parents=True)
        (out / name).write_text(text)
        with pytest.raises(SpecError, match="exists and is not a release"):
            make(artifacts, out)
        assert (out / "simple").is_dir()
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(SpecError, match="exists and is not a release"):
        make(artifacts, file)


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """No file can be written that is larger, in bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_first_run_that_was_interrupted_is_repeated(artifacts: Path, out: Path) -> None:
    verified(artifacts, OLD, f"#!/bin/sh\n# {os.urandom(100_000).hex()}\n")
    with pytest.raises(OSError, match="File too large"), files_of_at_most(50_000):
        make(artifacts, out)
    assert names(out) == {"index.json", MANIFEST.target.tarball, MANIFEST.target.gzip_tarball}
    with pytest.raises(SpecError, match="there is no release in"):
        read(out)
    whole = artifacts.parent / "whole"
    assert make(artifacts, out) == make(artifacts, whole)
    assert names(out) == names(whole)


def test_a_folder_without_hard_links(
    artifacts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "as link(2) says of FAT")

    monkeypatch.setattr(os, "link", refuse)
    source = artifacts / OLD.target.tarball
    digest = file_digest(source)
    release.place(source, tmp_path / source.name, digest)
    assert file_digest(tmp_path / source.name) == digest
    (tmp_path / source.name).write_bytes(b"faster")
    with pytest.raises(DigestError, match="never replaces"):
        release.place(source, tmp_path / source.name, digest)
    assert (tmp_path / source.name).read_bytes() == b"faster"


@pytest.mark.parametrize("damage", ["changed", "gone"])
def test_a_release_that_was_changed_is_not_read(artifacts: Path, out: Path, damage: str) -> None:
    make(artifacts, out)
    path = out / OLD.target.tarball
    path.unlink()
    if damage == "changed":
        path.write_bytes(b"other")
    with pytest.raises(DigestError, match=r"alpine3\.9\.tar\.bz2 (has SHA-256|is missing)"):
        read(out)


def test_a_folder_without_a_release(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="there is no release in"):
        read(tmp_path)


def test_a_file_that_changes_while_it_is_copied(artifacts: Path, out: Path) -> None:
    out.mkdir()
    source = artifacts / OLD.target.tarball
    with pytest.raises(DigestError, match="is not the file that was verified"):
        release.place(source, out / source.name, "0" * 64)
    assert names(out) == set()


class Choosing(FolderHandler):
    """A static server that chooses by the header Accept, as docs/releases.md sets one up."""

    given: list[str]

    def do_GET(self) -> None:  # noqa: N802 - http.server's name for it
        path = Path(self.translate_path(self.path)) / simple.JSON_NAME
        if JSON_TYPE not in self.headers["Accept"] or not path.is_file():
            super().do_GET()
            return
        self.given.append(self.path)
        self.send_response(200)
        self.send_header("Content-Type", JSON_TYPE)
        self.send_header("Content-Length", str(path.stat().st_size))
        self.end_headers()
        self.wfile.write(path.read_bytes())


@pytest.fixture(params=["html", "json"])
def server(request: pytest.FixtureRequest, artifacts: Path, out: Path) -> Iterator[str]:
    """The address of a release, given to pip as PEP 503 and as PEP 691 say."""
    make(artifacts, out)
    if request.param == "html":
        yield from serve_folder(out)
        return
    kind: type[Choosing] = type("Noting", (Choosing,), {"given": []})
    yield from serve_folder(out, kind)
    assert kind.given


def pip(*words: str, url: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check", *words]
    more = ["--no-cache-dir", "--no-deps", "--index-url", f"{url}/simple/"]
    return subprocess.run([*command, *more], capture_output=True, text=True, check=False)


def test_pip_installs_from_a_release(server: str, tmp_path: Path) -> None:
    target = tmp_path / "installed"
    done = pip("install", "--target", str(target), "alpypy_tiny", "Alpypy-Other", url=server)
    assert done.returncode == 0, done.stderr
    assert (target / "alpypy_tiny.py").read_text() == "ANSWER = 42\n"
    assert (target / "alpypy_other-2.0+musl.1.dist-info").is_dir() or list(target.glob("*ther*"))


def test_pip_takes_the_wheel_of_the_interpreter(server: str, tmp_path: Path) -> None:
    asks = ["--only-binary=:all:", "--platform", "musllinux_1_2_x86_64", "--implementation", "pp"]
    asks += ["--python-version", "3.11", "--abi", "pypy311_pp73", "--dest", str(tmp_path / "got")]
    done = pip("download", *asks, "alpypy_tiny==1.0", url=server)
    assert done.returncode == 0, done.stderr
    assert names(tmp_path / "got") == {f"alpypy_tiny-1.0-{MUSL}.whl"}


def test_pip_heeds_what_a_wheel_requires(artifacts: Path, server: str, tmp_path: Path) -> None:
    asks = ["--only-binary=:all:", "--python-version", "3.5", "--dest", str(tmp_path / "got")]
    done = pip("download", *asks, "alpypy_tiny", url=server)
    assert done.returncode != 0
    assert "Requires-Python" in done.stderr or "requires a different python" in done.stderr.lower()


def test_pip_refuses_other_bytes(server: str, out: Path, tmp_path: Path) -> None:
    path = out / "alpypy_tiny-1.0-py3-none-any.whl"
    path.write_bytes(path.read_bytes() + b"\0")
    done = pip("install", "--target", str(tmp_path / "installed"), "alpypy_tiny", url=server)
    assert done.returncode != 0
    assert "DO NOT MATCH THE HASHES" in done.stderr


def test_the_simple_index_in_json(artifacts: Path, out: Path) -> None:
    make(artifacts, out)
    assert json.loads((out / "simple/index.v1_json").read_text()) == {
        "meta": {"api-version": "1.1"},
        "projects": [{"name": "alpypy-other"}, {"name": "alpypy-tiny"}],
    }
    found = json.loads((out / "simple/alpypy-other/index.v1_json").read_text())
    path = out / "Alpypy.Other-2.0+musl.1-py3-none-any.whl"
    assert found == {
        "meta": {"api-version": "1.1"},
        "name": "alpypy-other",
        "versions": ["2.0+musl.1"],
        "files": [
            {
                "filename": path.name,
                "url": f"../../{path.name.replace('+', '%2B')}",
                "hashes": {"sha256": file_digest(path)},
                "size": path.stat().st_size,
                "upload-time": json.loads((artifacts / "wheels" / f"{path.name}.json").read_text())[
                    "date"
                ],
            }
        ],
    }


@pytest.mark.parametrize("server", ["json"], indirect=True)
@pytest.mark.parametrize(("limit", "found"), [("2000-01-01", False), ("2999-01-01", True)])
def test_uv_heeds_the_date_of_a_wheel(server: str, tmp_path: Path, limit: str, found: bool) -> None:
    command = [
        sys.executable,
        "-m",
        "uv",
        "pip",
        "compile",
        "-",
        "--no-config",
        "--cache-dir",
        str(tmp_path / "cache"),
    ]
    asks = ["--default-index", f"{server}/simple/", "--exclude-newer", limit]
    uv = subprocess.run(
        [*command, *asks], input="alpypy-tiny\n", capture_output=True, text=True, check=False
    )
    assert ("alpypy-tiny==" in uv.stdout, uv.returncode == 0) == (found, found), uv.stderr


def test_what_a_wheel_says_is_escaped(artifacts: Path, out: Path) -> None:
    with_record(wheel(artifacts, "odd", requires='>=3"><script>'))
    make(artifacts, out)
    text = (out / "simple/odd/index.html").read_text()
    assert 'data-requires-python="&gt;=3&#34;&gt;&lt;script&gt;"' in text


def test_a_tarball_that_is_damaged_is_told(artifacts: Path, out: Path) -> None:
    manifest = structs.replace(MANIFEST, target=Target("2.7-7.3.22", "3.23"))
    path = verified(artifacts, manifest)
    report = receipt.require(path)
    path.write_bytes(path.read_bytes()[:100])
    receipt.keep(path, structs.replace(report, sha256=file_digest(path)))
    with pytest.raises(ArchiveError, match="damaged"):
        make(artifacts, out)
