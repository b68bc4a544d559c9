"""Which certificates ssl trusts on systems that keep them elsewhere; /etc/ssl is such a system's.

``system`` says which: alpine (cert.pem), bundle (certs/ca-certificates.crt alone), folder (files
that are named by a digest) or none.
"""

import os
import ssl

from probe_ssl import CERTIFICATE, Server, connect, exchange, hang_up
from probing import Probe, equal, error_of, expect

probe = Probe("certificates")
SYSTEM = probe.request["system"]
VERSIONS = ("TLSv1.2", "TLSv1.3")
FOLDER = os.path.join(probe.request["materials"], "ssl", "folder", "certs")


def named(function):
    """Decorator: a check whose subject says the system, too."""
    probe.add("%s, %s" % (function.__name__, SYSTEM), function)
    return function


def refused(context):
    error = error_of(ssl.SSLError, connect, Server(hang_up), context)
    expect("CERTIFICATE_VERIFY_FAILED" in str(error), "refused, but with %s" % error)


@named
def default_context():
    """It trusts what the system trusts. Where the system trusts nothing, it is no error itself."""
    context = ssl.create_default_context()
    if SYSTEM == "none":
        refused(context)
    else:
        exchange(context, VERSIONS)


@named
def places():
    """What is named exists."""
    found = ssl.get_default_verify_paths()
    for path in (found.cafile, found.capath):
        expect(path is None or os.path.exists(path), "%r does not exist" % path)
    file_is_there = SYSTEM in ("alpine", "bundle")
    expect(bool(found.cafile) == file_is_there, "ssl.get_default_verify_paths() is %r" % (found,))


@named
def file_of_the_environment():
    os.environ["SSL_CERT_FILE"] = CERTIFICATE
    exchange(ssl.create_default_context(), VERSIONS)
    equal(ssl.get_default_verify_paths().cafile, CERTIFICATE, "the file of certificates")


@named
def folder_of_the_environment():
    os.environ["SSL_CERT_DIR"] = FOLDER
    exchange(ssl.create_default_context(), VERSIONS)
    equal(ssl.get_default_verify_paths().capath, FOLDER, "the folder of certificates")


@named
def file_of_the_environment_without_any():
    """It comes in place of the system's."""
    empty = os.path.join("/tmp", "no-certificates.pem")
    open(empty, "w").close()
    os.environ["SSL_CERT_FILE"] = empty
    os.environ["SSL_CERT_DIR"] = "/nowhere"
    refused(ssl.create_default_context())


@named
def two_contexts_are_alike():
    """The places are looked up once."""
    first, second = (len(ssl.create_default_context().get_ca_certs()) for _ in range(2))
    equal(second, first, "certificates that the second context trusts")


if __name__ == "__main__":
    probe.run()
