"""Tarballs: the same bytes for the same content, whatever made the folder."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import os
import random
import socket
import stat
import subprocess
import sys
import tarfile
import tempfile
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpypy.core import archive
from alpypy.core.archive import compress_again, publish, published, write_tarball
from alpypy.core.errors import DigestError

FILES = {
    "bin/pypy3": (b"\x7fELF program", 0o755),
    "lib/pypy3/os.py": (b"import sys\n", 0o644),
    "lib/pypy3/a b/\u00fc.py": (b"", 0o640),
    "LICENSE": (b"MIT\n" * 1000, 0o600),
}
LINKS = {"bin/pypy": "pypy3", "lib/current": "pypy3"}


def make(folder: Path, seed: int) -> Path:
    """The same tree, made in another order, at another time, with other unneeded bits."""
    chance = random.Random(seed)
    names = [*FILES, *LINKS]
    chance.shuffle(names)
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name in LINKS:
            path.symlink_to(LINKS[name])
            continue
        content, mode = FILES[name]
        path.write_bytes(content)
        path.chmod(mode | chance.choice((0, stat.S_IWGRP)))
        if os.getuid() == 0:
            os.chown(path, chance.randrange(2000), chance.randrange(2000))
        os.utime(path, (chance.randrange(10**9), chance.randrange(10**9)))
    return folder


def test_two_trees_of_one_content_give_the_same_bytes(tmp_path: Path) -> None:
    digests = set()
    for seed in range(4):
        folder = make(tmp_path / str(seed) / "pypy-alpine3.9", seed)
        digests.add(write_tarball(folder, tmp_path / f"{seed}.tar.bz2"))
    assert len(digests) == 1
    content = (tmp_path / "0.tar.bz2").read_bytes()
    assert digests == {hashlib.sha256(content).hexdigest()}
    assert all((tmp_path / f"{seed}.tar.bz2").read_bytes() == content for seed in range(4))


@given(st.sampled_from(sorted(FILES)), st.binary(min_size=1, max_size=5))
def test_other_content_gives_other_bytes(name: str, more: bytes) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = make(Path(scratch) / "pypy", 1)
        before = write_tarball(folder, Path(scratch) / "t.tar.bz2")
        path = folder / name
        path.write_bytes(path.read_bytes() + more)
        assert write_tarball(folder, Path(scratch) / "t.tar.bz2") != before


def test_members_are_sorted_and_belong_to_root(tmp_path: Path) -> None:
    folder = make(tmp_path / "pypy-alpine3.9", 1)
    write_tarball(folder, tmp_path / "t.tar.bz2")
    with tarfile.open(tmp_path / "t.tar.bz2") as tar:
        members = tar.getmembers()
    names = [member.name for member in members]
    assert names[0] == "pypy-alpine3.9"
    assert set(names) >= {f"pypy-alpine3.9/{name}" for name in (*FILES, *LINKS)}
    assert [Path(name) for name in names] == sorted(map(Path, names))
    assert {(one.uid, one.gid, one.uname, one.gname) for one in members} == {(0, 0, "root", "root")}
    assert len({member.mtime for member in members}) == 1
    modes = {member.name.partition("/")[2]: member.mode for member in members}
    assert modes["bin/pypy3"] == modes["lib"] == 0o755
    assert modes["LICENSE"] == modes["lib/pypy3/os.py"] == 0o644
    links = {one.name.partition("/")[2]: one.linkname for one in members if one.issym()}
    assert links == LINKS


def test_a_tarball_has_its_name_only_when_it_is_whole(tmp_path: Path) -> None:
    folder = make(tmp_path / "pypy", 1)
    with socket.socket(socket.AF_UNIX) as unpackable:  # tarfile knows no member for it
        unpackable.bind(str(folder / "s"))
        with pytest.raises(AttributeError):
            write_tarball(folder, tmp_path / "t.tar.bz2")
    assert not (tmp_path / "t.tar.bz2").exists()


def test_a_published_tarball_has_its_digest_beside_it(tmp_path: Path) -> None:
    source = tmp_path / "pypy-3.6-7.0.0-alpine3.9.tar.bz2"
    source.write_bytes(b"content")
    for _ in range(2):
        digest = hashlib.sha256(b"content").hexdigest()
        target = publish(source, tmp_path / "artifacts", digest)
        assert target.read_bytes() == b"content"
        assert target.with_name(f"{target.name}.sha256").read_text() == f"{digest}  {target.name}\n"
    assert len(list((tmp_path / "artifacts").iterdir())) == 2


def test_other_bytes_than_those_that_were_checked_are_not_published(tmp_path: Path) -> None:
    source, artifacts = tmp_path / "pypy.tar.bz2", tmp_path / "artifacts"
    digest = hashlib.sha256(b"content").hexdigest()
    source.write_bytes(b"content")
    publish(source, artifacts, digest)
    source.write_bytes(b"spoilt")
    with pytest.raises(DigestError, match=r"pypy\.tar\.bz2"):
        publish(source, artifacts, digest)
    assert published(artifacts / source.name, digest)
    assert len(list(artifacts.iterdir())) == 2


def test_a_digest_beside_it_that_is_no_text_does_not_count(tmp_path: Path) -> None:
    source = tmp_path / "pypy.tar.bz2"
    source.write_bytes(b"content")
    digest = hashlib.sha256(b"content").hexdigest()
    target = publish(source, tmp_path / "artifacts", digest)
    target.with_name(f"{target.name}.sha256").write_bytes(b"\xff\xfe\n")
    assert not published(target, digest)


def test_two_runs_publish_one_tarball(tmp_path: Path) -> None:
    source = tmp_path / "pypy.tar.bz2"
    source.write_bytes(os.urandom(1 << 20))
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    code = (
        "from pathlib import Path; from alpypy.core.archive import publish\n"
        f"for _ in range(50): publish(Path({str(source)!r}), Path('artifacts'), {digest!r})\n"
    )
    command = [sys.executable, "-c", code]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    runs = [subprocess.Popen(command, cwd=tmp_path, env=environment) for _ in range(2)]
    assert [run.wait(timeout=120) for run in runs] == [0, 0]
    assert published(tmp_path / "artifacts" / source.name, digest)
    assert len(list((tmp_path / "artifacts").iterdir())) == 2


def test_the_same_tar_compressed_again_is_the_same_bytes(tmp_path: Path) -> None:
    write_tarball(make(tmp_path / "pypy", 1), tmp_path / "t.tar.bz2")
    for name in ("t.tar.gz", "another name.tar.gz"):
        compress_again(tmp_path / "t.tar.bz2", tmp_path / name)
    made = (tmp_path / "t.tar.gz").read_bytes()
    assert gzip.decompress(made) == bz2.decompress((tmp_path / "t.tar.bz2").read_bytes())
    assert (tmp_path / "another name.tar.gz").read_bytes() == made
    flags, time = made[3], made[4:8]
    assert (flags, time) == (0, bytes(4))  # neither a name nor a time: RFC 1952
    subprocess.run(["tar", "-xzf", "t.tar.gz"], cwd=tmp_path, check=True)


def test_compressing_again_holds_pieces_in_memory(tmp_path: Path) -> None:
    (tmp_path / "t.tar.bz2").write_bytes(bz2.compress(bytes(40_000_000)))
    tracemalloc.start()
    compress_again(tmp_path / "t.tar.bz2", tmp_path / "t.tar.gz")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8_000_000


def test_what_compresses_wrongly_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tarball(make(tmp_path / "pypy", 1), tmp_path / "t.tar.bz2")
    monkeypatch.setattr(archive, "_copied", lambda tar, packed: packed.write(b"x") and "0" * 64)
    with pytest.raises(DigestError, match=r"t\.tar\.gz does not unpack to the tar in .*\.bz2"):
        compress_again(tmp_path / "t.tar.bz2", tmp_path / "t.tar.gz")
    assert {path.name for path in tmp_path.iterdir()} == {"pypy", "t.tar.bz2"}
