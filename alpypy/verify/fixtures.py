"""Fixtures of the probes, new for each run: a certificate for loopback, and a wheel.

For portable PyPys also the folder /etc/ssl of other systems, which trust that certificate.
"""

from __future__ import annotations

import base64
import hashlib
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme
from cryptography import x509

_OWNER = "alpypy's fixtures"
_WHEEL = "alpypy_probe-1.0"
_MODULE = "ANSWER = 42\n\n\ndef main():\n    print(ANSWER)\n"
_METADATA = "Metadata-Version: 2.1\nName: alpypy-probe\nVersion: 1.0\n"
_TAGS = (
    "Wheel-Version: 1.0\nGenerator: alpypy\nRoot-Is-Purelib: true\nTag: py2-none-any\n"
    "Tag: py3-none-any\n"
)
_ENTRY_POINTS = "[console_scripts]\nalpypy-probe = alpypy_probe:main\n"


# Where systems keep the certificates that they trust: in cert.pem, as Alpine does; in the one file
# that Void and a small Debian have; under the digests of their owners; nowhere.
SYSTEMS = ("alpine", "bundle", "folder", "none")


def write(folder: Path) -> None:
    """Write certificate.pem, key.pem and the wheel into ``folder``, readable by all users; and an
    ``empty`` folder, and below ``ssl`` what each of ``SYSTEMS`` has as /etc/ssl.

    The key is for this run only. Its certificate is for ``localhost`` and valid for a day.
    """
    (folder / "empty").mkdir()
    authority = _write_certificate(folder)
    _write_systems(folder / "ssl", authority)
    _write_wheel(folder / f"{_WHEEL}-py2.py3-none-any.whl")
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


def _write_systems(folder: Path, authority: trustme.CA) -> None:
    for name in SYSTEMS:
        (folder / name / "certs").mkdir(parents=True)
    for name in ("alpine", "bundle"):
        authority.cert_pem.write_to_path(folder / name / "certs/ca-certificates.crt")
    (folder / "alpine/cert.pem").symlink_to("certs/ca-certificates.crt")
    authority.cert_pem.write_to_path(folder / "folder/certs" / f"{_hash_of_owner(authority)}.0")
    (folder / "none/certs").rmdir()


def _hash_of_owner(authority: trustme.CA) -> str:
    """The name by which OpenSSL looks for a certificate in a folder: the digest of its subject in
    lower case, as X509_NAME_hash() makes it. ``_OWNER`` is in lower case."""
    subject = x509.load_pem_x509_certificate(authority.cert_pem.bytes()).subject
    parts = b"".join(x509.Name([part]).public_bytes()[2:] for part in subject.rdns)
    return hashlib.sha1(parts).digest()[3::-1].hex()  # noqa: S324 - the one that OpenSSL takes


def _write_certificate(folder: Path) -> trustme.CA:
    """Both keys are RSA, which the old OpenSSL of an old Alpine knows. The server reads the file as
    its chain, and the client as its trusted certificates."""
    authority = trustme.CA(
        organization_name=_OWNER, organization_unit_name=_OWNER, key_type=trustme.KeyType.RSA
    )
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    issued = authority.issue_cert(
        "localhost", "127.0.0.1", not_after=tomorrow, key_type=trustme.KeyType.RSA
    )
    chain = [blob.bytes() for blob in (*issued.cert_chain_pems, authority.cert_pem)]
    (folder / "certificate.pem").write_bytes(b"".join(chain))
    issued.private_key_pem.write_to_path(folder / "key.pem")
    return authority


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
