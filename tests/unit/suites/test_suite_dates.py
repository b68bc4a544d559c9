"""Suites whose certificates ended: the driver's own way with dates, in a real handshake."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest
import trustme

DRIVER = Path(__file__).parents[3] / "dockerfiles/check"
HANDSHAKE = """
import ssl, sys
sys.path.insert(0, sys.argv[1])
import drive
if sys.argv[3] == "any date":
    drive.take_any_date()
own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
own.load_cert_chain(sys.argv[2])
trusting = ssl.create_default_context(cafile=sys.argv[2])
there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
client = trusting.wrap_bio(back, there, server_hostname="localhost")
server = own.wrap_bio(there, back, server_side=True)
for side in (client, server, client):
    try:
        side.do_handshake()
    except ssl.SSLWantReadError:
        pass
print(client.version())
"""


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost, with its key, that ended in 2020."""
    authority = trustme.CA()
    issued = authority.issue_cert(
        "localhost", not_before=datetime(2010, 1, 1), not_after=datetime(2020, 1, 1)
    )
    path = tmp_path_factory.mktemp("ended") / "certificate.pem"
    issued.private_key_and_cert_chain_pem.write_to_path(path)
    authority.cert_pem.write_to_path(path, append=True)
    return path


@pytest.mark.parametrize(
    ("dates", "code", "says"),
    [("any date", 0, "TLSv1.3"), ("its date", 1, "certificate has expired")],
)
def test_a_certificate_that_ended(ended: Path, dates: str, code: int, says: str) -> None:
    command = [sys.executable, "-c", HANDSHAKE, str(DRIVER), str(ended), dates]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, says in done.stdout + done.stderr) == (code, True), done.stderr
