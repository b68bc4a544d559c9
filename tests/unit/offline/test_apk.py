"""Packages and their index, read back by the rules of the format."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import os
import tarfile
import zlib
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from alpypy.offline.apk import KEY_NAME, ApkPackage, ApkPackageInfo, write_index, write_package

ARCH = "x86_64"
INFO = ApkPackageInfo(
    "zlib",
    "1.2.13-r0",
    "compression",
    "Zlib",
    ARCH,
    depends=("so:libc.musl-x86_64.so.1", "musl"),
    provides=("so:libz.so.1=1.2.13",),
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A library, its link, a program with a second name."""
    folder = tmp_path / "tree"
    (folder / "usr/lib").mkdir(parents=True)
    (folder / "usr/bin").mkdir()
    (folder / "usr/lib/libz.so.1.2.13").write_bytes(b"library")
    (folder / "usr/lib/libz.so.1").symlink_to("libz.so.1.2.13")
    (folder / "usr/bin/one").write_bytes(b"program")
    (folder / "usr/bin/one").chmod(0o755)
    os.link(folder / "usr/bin/one", folder / "usr/bin/two")
    return folder


@pytest.fixture
def package(tree: Path, tmp_path: Path) -> ApkPackage:
    """A written package."""
    return write_package(INFO, tree, tmp_path / "repository")


def members(content: bytes) -> list[bytes]:
    """The gzip members of a file, each still compressed."""
    found = []
    while content:
        reader = zlib.decompressobj(wbits=31)
        reader.decompress(content)
        assert reader.eof
        found.append(content[: len(content) - len(reader.unused_data)])
        content = reader.unused_data
    return found


def files(member: bytes) -> dict[str, bytes]:
    """Content of the regular files of a tar segment."""
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(member))) as tar:
        return {one.name: tar.extractfile(one).read() for one in tar if one.isreg()}  # type: ignore[union-attr]


def test_a_package_is_two_segments(package: ApkPackage) -> None:
    assert package.path.name == "zlib-1.2.13-r0.apk"
    assert package.path.parent.name == ARCH
    control, data = members(package.path.read_bytes())
    # The first is a tar without an end, so that both together are one tar.
    assert not gzip.decompress(control).endswith(bytes(1024))
    assert gzip.decompress(data).endswith(bytes(1024))
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(control + data))) as tar:
        assert tar.getnames()[0] == ".PKGINFO"
        assert "usr/lib/libz.so.1" in tar.getnames()


def test_pkginfo_says_what_the_package_is(package: ApkPackage) -> None:
    control, data = members(package.path.read_bytes())
    lines = files(control)[".PKGINFO"].decode().splitlines()
    fields = [tuple(line.split(" = ", 1)) for line in lines]
    assert fields == [
        ("pkgname", "zlib"),
        ("pkgver", "1.2.13-r0"),
        ("pkgdesc", "compression"),
        ("size", str(len(b"library" + 2 * b"program"))),
        ("arch", ARCH),
        ("license", "Zlib"),
        ("depend", "so:libc.musl-x86_64.so.1"),
        ("depend", "musl"),
        ("provides", "so:libz.so.1=1.2.13"),
        ("datahash", hashlib.sha256(data).hexdigest()),
    ]


def test_every_file_has_its_checksum_and_belongs_to_root(package: ApkPackage) -> None:
    _, data = members(package.path.read_bytes())
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(data))) as tar:
        found = {one.name: one for one in tar}
    contents = {
        "usr/lib/libz.so.1.2.13": b"library",
        "usr/lib/libz.so.1": b"libz.so.1.2.13",
        "usr/bin/one": b"program",
        "usr/bin/two": b"program",
    }
    for name, content in contents.items():
        checksum = found[name].pax_headers["APK-TOOLS.checksum.SHA1"]
        assert checksum == hashlib.sha1(content).hexdigest()
    assert {(one.uid, one.gid, one.uname, one.mtime) for one in found.values()} == {
        (0, 0, "root", 0)
    }
    assert found["usr/lib/libz.so.1"].linkname == "libz.so.1.2.13"
    assert found["usr/bin/two"].isreg()
    assert found["usr/bin/two"].mode & 0o777 == 0o755


def test_the_same_tree_gives_the_same_package(
    package: ApkPackage, tree: Path, tmp_path: Path
) -> None:
    os.utime(tree / "usr/bin/one", (1, 1))
    again = write_package(INFO, tree, tmp_path / "other")
    assert again.path.read_bytes() == package.path.read_bytes()
    assert again.identity == package.identity


def test_the_index_names_each_package_by_its_control_segment(
    package: ApkPackage, tmp_path: Path
) -> None:
    write_index([package], tmp_path / "repository", ARCH)
    _, index = members((package.path.parent / "APKINDEX.tar.gz").read_bytes())
    lines = files(index)["APKINDEX"].decode().splitlines()
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    control, _ = members(package.path.read_bytes())
    digest = base64.b64encode(hashlib.sha1(control).digest()).decode()
    assert fields["C"] == package.identity == f"Q1{digest}"
    assert int(fields["S"]) == package.path.stat().st_size
    assert int(fields["I"]) == package.installed_size
    assert (fields["P"], fields["V"], fields["A"]) == (INFO.name, INFO.version, ARCH)
    assert fields["D"].split() == list(INFO.depends)
    assert fields["p"].split() == list(INFO.provides)


def test_the_index_is_signed(package: ApkPackage, tmp_path: Path) -> None:
    pem = write_index([package], tmp_path / "repository", ARCH)
    signature, index = members((package.path.parent / "APKINDEX.tar.gz").read_bytes())
    [(name, signed)] = files(signature).items()
    assert name == f".SIGN.RSA.{KEY_NAME}"
    key = serialization.load_pem_public_key(pem)
    assert isinstance(key, rsa.RSAPublicKey)
    key.verify(signed, index, padding.PKCS1v15(), hashes.SHA1())
    with pytest.raises(InvalidSignature):
        key.verify(signed, index + b"\0", padding.PKCS1v15(), hashes.SHA1())


def test_entries_of_the_index_are_apart(package: ApkPackage, tree: Path, tmp_path: Path) -> None:
    other = write_package(
        ApkPackageInfo("bzip2", "1-r0", "d", "BSD", ARCH), tree, tmp_path / "repository"
    )
    write_index([package, other], tmp_path / "repository", ARCH)
    _, index = members((package.path.parent / "APKINDEX.tar.gz").read_bytes())
    entries = files(index)["APKINDEX"].decode().strip().split("\n\n")
    assert [entry.splitlines()[1] for entry in entries] == ["P:zlib", "P:bzip2"]
