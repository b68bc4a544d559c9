"""What the probes work with, made anew for each run: a certificate for loopback and a wheel."""

from __future__ import annotations

import base64
import datetime
import hashlib
import ipaddress
import zipfile
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

_WHEEL = "alpypy_probe-1.0"
_MODULE = "ANSWER = 42\n\n\ndef main():\n    print(ANSWER)\n"
_METADATA = "Metadata-Version: 2.1\nName: alpypy-probe\nVersion: 1.0\n"
_TAGS = (
    "Wheel-Version: 1.0\nGenerator: alpypy\nRoot-Is-Purelib: true\nTag: py2-none-any\n"
    "Tag: py3-none-any\n"
)
_ENTRY_POINTS = "[console_scripts]\nalpypy-probe = alpypy_probe:main\n"


def write(folder: Path) -> None:
    """Write certificate.pem, key.pem and the wheel into ``folder``, readable by all.

    The key is for this run alone: it vouches for ``localhost`` for one day.
    """
    _write_certificate(folder)
    _write_wheel(folder / f"{_WHEEL}-py2.py3-none-any.whl")
    for path in folder.iterdir():
        path.chmod(0o644)


def _write_certificate(folder: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    certificate = _certificate(key)
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )


def _certificate(key: rsa.RSAPrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    now = datetime.datetime.now(datetime.UTC)
    day = datetime.timedelta(days=1)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )


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
