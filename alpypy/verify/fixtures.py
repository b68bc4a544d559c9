"""Fixtures of the probes, new for each run: a certificate for loopback, and a wheel."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme

_WHEEL = "alpypy_probe-1.0"
_MODULE = "ANSWER = 42\n\n\ndef main():\n    print(ANSWER)\n"
_METADATA = "Metadata-Version: 2.1\nName: alpypy-probe\nVersion: 1.0\n"
_TAGS = (
    "Wheel-Version: 1.0\nGenerator: alpypy\nRoot-Is-Purelib: true\nTag: py2-none-any\n"
    "Tag: py3-none-any\n"
)
_ENTRY_POINTS = "[console_scripts]\nalpypy-probe = alpypy_probe:main\n"


def write(folder: Path) -> None:
    """Write certificate.pem, key.pem and the wheel into ``folder``, readable by all users.

    The key is for this run only. Its certificate is for ``localhost`` and valid for a day.
    """
    _write_certificate(folder)
    _write_wheel(folder / f"{_WHEEL}-py2.py3-none-any.whl")
    for path in folder.iterdir():
        path.chmod(0o644)


def _write_certificate(folder: Path) -> None:
    """Both keys are RSA, which the old OpenSSL of an old Alpine knows. The server reads the file as
    its chain, and the client as its trusted certificates."""
    authority = trustme.CA(key_type=trustme.KeyType.RSA)
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    issued = authority.issue_cert(
        "localhost", "127.0.0.1", not_after=tomorrow, key_type=trustme.KeyType.RSA
    )
    chain = [blob.bytes() for blob in (*issued.cert_chain_pems, authority.cert_pem)]
    (folder / "certificate.pem").write_bytes(b"".join(chain))
    issued.private_key_pem.write_to_path(folder / "key.pem")


def _write_wheel(path: Path) -> None:
    files = {
        "alpypy_probe.py": _MODULE,
        f"{_WHEEL}.dist-info/METADATA": _METADATA,
        f"{_WHEEL}.dist-info/WHEEL": _TAGS,
        f"{_WHEEL}.dist-info/entry_points.txt": _ENTRY_POINTS,
    }
    record = f"{_WHEEL}.dist-info/RECORD"
    lines = [f"{name},{_record_hash(text)},{len(text)}" for name, text in files.items()]
    files[record] = "\n".join([*lines, f"{record},,", ""])
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)


def _record_hash(text: str) -> str:
    """Source: https://packaging.python.org/en/latest/specifications/recording-installed-packages"""
    digest = hashlib.sha256(text.encode()).digest()
    return "sha256=" + base64.urlsafe_b64encode(digest).decode().rstrip("=")
