"""A certificate authority for one run of the proxy: it can vouch for the hosts whose connections
are opened, and for no other."""

from __future__ import annotations

import datetime
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import requests.utils
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from alpypy.proxy.files import Owner, write_new

KEY = "ca.pem"  # private: with the key
BUNDLE = "bundle.pem"  # for clients: the authority, and those that they trust anyway
UPSTREAM = "upstream.pem"  # for squid: those that this machine trusts
_TRUSTED = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
_SYSTEM = Path("/etc/ssl/certs/ca-certificates.crt")
_LIFE = datetime.timedelta(days=365)


@dataclass(frozen=True)
class _Authority:
    certificate: bytes
    key: bytes


def write_authority(folder: Path, hosts: Sequence[str], owner: Owner | None) -> None:
    """Make a new authority, and the lists of authorities for clients and for squid, whose user
    ``owner`` is."""
    made = _make(hosts)
    trusted = _trusted(folder / BUNDLE).read_bytes()
    write_new(folder / KEY, made.certificate + made.key, owner)
    # Other users read these: containers have them mounted.
    write_new(folder / UPSTREAM, trusted, owner, 0o644)
    write_new(folder / BUNDLE, trusted.rstrip() + b"\n" + made.certificate, owner, 0o644)


def _trusted(own: Path) -> Path:
    """The list of authorities of whoever runs alpypy; not the one that an earlier run of the proxy
    made and that may still be in the environment."""
    named = [Path(os.environ[name]) for name in _TRUSTED if os.environ.get(name)]
    found = (path for path in (*named, _SYSTEM) if path.is_file() and path != own)
    return next(found, Path(requests.utils.DEFAULT_CA_BUNDLE_PATH))


def _make(hosts: Sequence[str]) -> _Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "alpypy's build proxy")])
    now = datetime.datetime.now(datetime.UTC)
    usage = dict.fromkeys(
        (
            *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
            *("key_agreement", "encipher_only", "decipher_only"),
        ),
        False,
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + _LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.KeyUsage(key_cert_sign=True, crl_sign=False, **usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.NameConstraints([x509.DNSName(host) for host in hosts], None), critical=True
        )
    )
    return _Authority(
        builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM),
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )
