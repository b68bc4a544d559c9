"""Made-up PyPys in the layout of PyPy 3.8 and later, and keys to sign their packages with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from msgspec import structs

from alpypy.core.files import file_digest
from alpypy.publish.index import ReleasedTarball
from alpypy.recipes.manifest import Manifest, Need
from alpypy.recipes.spec import Target
from alpypy.verify.run import Report
from tests.manifests import MANIFEST, pack
from tests.releases import DATE
from tests.trees import write_tree

# apk 2.10 reads names of this length from another header.
LONG = "x" * 60


def manifest_of(target: Target, needed: tuple[Need, ...] = ()) -> Manifest:
    """The manifest of a PyPy, which needs nothing but musl unless told otherwise."""
    program = f"bin/pypy{target.release.partition('-')[0]}"
    return structs.replace(MANIFEST, target=target, executables=(program,), needed=needed)


def files_of(target: Target) -> Mapping[str, str]:
    """The files of a PyPy whose program says which one it is."""
    pypy = f"pypy{target.release.partition('-')[0]}"
    names = (
        f"bin/lib{pypy}-c.so",
        f"lib/{pypy}/os.py",
        f"lib/{pypy}/_testcapi.py",
        f"lib/{pypy}/test/{LONG}/{LONG}.py",
        f"lib/{pypy}/site-packages/README",
        f"include/{pypy}/Python.h",
        "LICENSE",
        "README.rst",
    )
    header = '#define PY_VERSION "{}.0"\n'.format(pypy.removeprefix("pypy"))
    return {
        f"include/{pypy}/patchlevel.h": header,
        f"bin/{pypy}": f"#!/bin/sh\necho {target.version}\n",
        **dict.fromkeys(names, "text\n"),
    }


def made_up(folder: Path, target: Target, needed: tuple[Need, ...] = ()) -> ReleasedTarball:
    """A tarball in a folder, and its entry in the index of a release."""
    manifest, tree = manifest_of(target, needed), folder / ".trees" / target.folder
    write_tree(tree, files_of(target))
    program = tree / manifest.executables[0]
    program.chmod(0o755)
    for name in ("pypy3", "python3"):
        (program.parent / name).symlink_to(program.name)
    path = pack(manifest, folder, tree)
    report = Report(path.name, file_digest(path), (), 1, 1.0, DATE)
    return ReleasedTarball(path.stat().st_size, report, manifest)


def write_key(path: Path, bits: int = 2048, password: bytes | None = None) -> Path:
    """A new RSA key."""
    return _write(rsa.generate_private_key(public_exponent=65537, key_size=bits), path, password)


def write_other_key(path: Path) -> Path:
    """A new key that is not RSA."""
    return _write(ec.generate_private_key(ec.SECP256R1()), path, None)


def _write(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, path: Path, password: bytes | None
) -> Path:
    encryption = (
        serialization.BestAvailableEncryption(password)
        if password
        else serialization.NoEncryption()
    )
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    )
    return path
