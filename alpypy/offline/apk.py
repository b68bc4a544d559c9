"""Packages and a repository that Alpine's ``apk`` installs from (its format, version 2).

A package is two gzip members after one another: the control segment, a tar that is not ended and
holds ``.PKGINFO``, and the data. The index names each package by the SHA-1 of its control segment
and is signed with RSA; apk takes what a signed index names.
Source: https://wiki.alpinelinux.org/wiki/Apk_spec
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import os
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

KEY_NAME = "alpypy-kit.rsa.pub"


@dataclass(frozen=True)
class ApkPackageInfo:
    """What a package says of itself; dependencies may be names or ``so:`` names."""

    name: str
    version: str
    description: str
    license: str
    arch: str
    depends: Sequence[str] = ()
    provides: Sequence[str] = ()


@dataclass(frozen=True)
class ApkPackage:
    """A written package and what the index says of it."""

    info: ApkPackageInfo
    path: Path
    identity: str
    installed_size: int


def write_package(info: ApkPackageInfo, tree: Path, repository: Path) -> ApkPackage:
    """Pack ``tree`` (its paths are those on Alpine) into ``repository``/<arch>/."""
    data, installed_size = _data_segment(tree)
    control = _control_segment(info, installed_size, hashlib.sha256(data).hexdigest())
    path = repository / info.arch / f"{info.name}-{info.version}.apk"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(control + data)
    identity = base64.b64encode(hashlib.sha1(control, usedforsecurity=False).digest()).decode()
    return ApkPackage(info, path, f"Q1{identity}", installed_size)


def write_index(
    packages: Sequence[ApkPackage], repository: Path, arch: str, key_name: str = KEY_NAME
) -> bytes:
    """Write the signed index and give the public key (PEM) that apk needs in /etc/apk/keys, in a
    file of that name: the signature says it.

    The private key lives only for this call: a repository is made once and never added to.
    """
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    entries = "\n".join(_index_entry(package) for package in packages)
    members = {"DESCRIPTION": b"alpypy kit\n", "APKINDEX": f"{entries}\n".encode()}
    index = _gzip(_tar(members, end=True))
    # apk 2.10 (Alpine 3.9) knows no other digest than SHA-1 for a signature's file name .SIGN.RSA.
    signature = key.sign(index, padding.PKCS1v15(), hashes.SHA1())  # noqa: S303
    signed = _gzip(_tar({f".SIGN.RSA.{key_name}": signature}, end=False)) + index
    (repository / arch / "APKINDEX.tar.gz").write_bytes(signed)
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _control_segment(info: ApkPackageInfo, size: int, data_hash: str) -> bytes:
    fields = [
        ("pkgname", info.name),
        ("pkgver", info.version),
        ("pkgdesc", info.description),
        ("size", str(size)),
        ("arch", info.arch),
        ("license", info.license),
        *(("depend", name) for name in info.depends),
        *(("provides", name) for name in info.provides),
        ("datahash", data_hash),
    ]
    text = "".join(f"{name} = {value}\n" for name, value in fields)
    return _gzip(_tar({".PKGINFO": text.encode()}, end=False))


def _data_segment(tree: Path) -> tuple[bytes, int]:
    buffer, total = io.BytesIO(), 0
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(tree.rglob("*")):
            member = archive.gettarinfo(path, str(path.relative_to(tree)))
            member.uid = member.gid = member.mtime = 0
            member.uname = member.gname = "root"
            if path.is_symlink():
                checksum = hashlib.sha1(os.readlink(path).encode(), usedforsecurity=False)
                member.pax_headers = {"APK-TOOLS.checksum.SHA1": checksum.hexdigest()}
                archive.addfile(member)
            elif path.is_file():
                total += _add_file(archive, member, path)
            else:
                archive.addfile(member)
    return _gzip(buffer.getvalue()), total


def _add_file(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> int:
    content = path.read_bytes()
    # Two names of one file become two files: apk's data has no use for the order links need.
    member.type, member.size = tarfile.REGTYPE, len(content)
    checksum = hashlib.sha1(content, usedforsecurity=False).hexdigest()
    member.pax_headers = {"APK-TOOLS.checksum.SHA1": checksum}
    archive.addfile(member, io.BytesIO(content))
    return len(content)


def _index_entry(package: ApkPackage) -> str:
    info = package.info
    fields: Mapping[str, str] = {
        "C": package.identity,
        "P": info.name,
        "V": info.version,
        "A": info.arch,
        "S": str(package.path.stat().st_size),
        "I": str(package.installed_size),
        "T": info.description,
        "U": "https://www.debian.org/",
        "L": info.license,
        "D": " ".join(info.depends),
        "p": " ".join(info.provides),
    }
    return "".join(f"{name}:{value}\n" for name, value in fields.items() if value)


def _tar(members: Mapping[str, bytes], *, end: bool) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o644
            archive.addfile(member, io.BytesIO(content))
        length = archive.offset
    return buffer.getvalue() if end else buffer.getvalue()[:length]


def _gzip(content: bytes) -> bytes:
    return gzip.compress(content, compresslevel=1, mtime=0)
