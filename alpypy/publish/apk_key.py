"""The key that signs an Alpine repository. The maintainer gives it; alpypy makes none."""

from __future__ import annotations

import hashlib
import shlex
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from alpypy.core.errors import SpecError

KEY_PREFIX = "alpypy-"  # of the names of keys
_LEAST = 2048  # bits
_MAKE = "openssl genrsa -out {} 4096"


@dataclass(frozen=True)
class ApkKey:
    """An RSA key. ``name`` is that of the file in /etc/apk/keys which has ``public`` (PEM): each
    signature names it."""

    name: str
    public: bytes
    _private: rsa.RSAPrivateKey = field(repr=False)

    def sign(self, content: bytes) -> bytes:
        """The signature with SHA-1: apk 2.10 (Alpine 3.9) knows no other digest."""
        return self._private.sign(content, padding.PKCS1v15(), hashes.SHA1())  # noqa: S303


def load_key(path: Path) -> ApkKey:
    """Read a private RSA key (PEM). Its name is made of its public half, not of its file's name.

    Raises:
        SpecError: the file is missing, or is not such a key.
    """
    if not path.exists():
        raise SpecError(
            f"--apk-key {path} does not exist",
            remedy="alpypy never makes a key. Make one, once, and keep it to yourself:"
            f" {_MAKE.format(shlex.quote(str(path)))}",
        )
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise _unusable(path, f"cannot be read: {error.strerror}") from error
    except TypeError as error:  # of cryptography: a password is needed
        raise SpecError(
            f"--apk-key {path} is encrypted",
            remedy=f"decrypt it: openssl rsa -in {shlex.quote(str(path))} -out apk.rsa",
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _unusable(path, "is not a private key in PEM") from error
    if not isinstance(key, rsa.RSAPrivateKey):
        raise _unusable(path, "is not an RSA key, and apk reads no other")
    if key.key_size < _LEAST:
        raise _unusable(path, f"has {key.key_size} bits, and {_LEAST} is the least")
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return ApkKey(f"{KEY_PREFIX}{hashlib.sha256(public).hexdigest()[:8]}.rsa.pub", public, key)


def _unusable(path: Path, what: str) -> SpecError:
    return SpecError(
        f"--apk-key {path} {what}", remedy=f"give another one: {_MAKE.format('apk.rsa')}"
    )
