"""TLS with a real handshake on loopback; the certificate is made by the verifier."""

import errno
import os
import socket
import ssl
import struct
import threading

from probing import Probe, equal, error_of, expect

probe = Probe("ssl")
CERTIFICATE = os.path.join(probe.request["materials"], "certificate.pem")
KEY = os.path.join(probe.request["materials"], "key.pem")
DISCARD = struct.pack("ii", 1, 0)  # SO_LINGER, which makes close() a reset
MESSAGE = b"hello " * 5000  # more than one TLS record
# What the version of the library begins with, where ALPYPY.json says which one it is.
VERSIONS = {"openssl": "OpenSSL ", "libressl": "LibreSSL "}


def send_back(connection):
    """Answer with what comes, backwards."""
    connection.sendall(read(connection, len(MESSAGE))[::-1])
    connection.close()


def say_goodbye(connection):
    """End the TLS connection, then the one below it."""
    connection.sendall(b"bye")
    connection.unwrap().close()


def hang_up(connection):
    """End the connection below TLS only."""
    connection.sendall(b"bye")
    connection.close()


def reset(connection):
    """Break the connection below TLS, when all that was sent has arrived."""
    connection.sendall(b"bye")
    read(connection, 3)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, DISCARD)
    connection.close()


def wait(connection):
    """Say something, then nothing until the client ends."""
    connection.sendall(b"bye")
    connection.recv(1)


class Server(threading.Thread):
    """Does ``answer`` with one connection."""

    def __init__(self, answer):
        threading.Thread.__init__(self)
        self.daemon = True
        self.error = None
        self._answer = answer
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(1)
        self.address = self._listener.getsockname()
        self.start()

    def run(self):
        try:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(CERTIFICATE, KEY)
            self._answer(context.wrap_socket(self._listener.accept()[0], server_side=True))
        except Exception as error:
            self.error = error

    def ended_well(self):
        """Wait for its end; its failure is the check's."""
        self.join(60)
        expect(self.error is None, "the server failed: %r" % self.error)


def read(connection, length):
    """Exactly ``length`` bytes."""
    data = b""
    while len(data) < length:
        piece = connection.recv(65536)
        expect(piece, "the connection ended after %d bytes" % len(data))
        data += piece
    return data


def trusting():
    """A client's context that trusts the server's certificate."""
    return ssl.create_default_context(cafile=CERTIFICATE)


def connect(server, context, name="localhost", **options):
    plain = socket.create_connection(server.address, timeout=60)
    return context.wrap_socket(plain, server_hostname=name, **options)


def exchange(context, versions):
    """A handshake that ends with one of ``versions``, and a message there and back."""
    server = Server(send_back)
    client = connect(server, context)
    expect(client.version() in versions, "spoke %s" % client.version())
    expect(client.cipher(), "no cipher was agreed on")
    names = client.getpeercert()["subjectAltName"]
    expect(("DNS", "localhost") in names, "the certificate arrived with names %r" % (names,))
    client.sendall(MESSAGE)
    equal(read(client, len(MESSAGE)), MESSAGE[::-1], "what the server sent back")
    client.close()
    server.ended_well()


@probe.check
def handshake():
    exchange(trusting(), ("TLSv1.2", "TLSv1.3"))


@probe.check
def tls12_by_protocol():
    context = ssl.SSLContext(ssl.PROTOCOL_TLSv1_2)
    context.load_verify_locations(CERTIFICATE)
    context.verify_mode = ssl.CERT_REQUIRED
    context.check_hostname = True
    exchange(context, ("TLSv1.2",))


if hasattr(ssl, "OP_NO_TLSv1_3"):

    @probe.check
    def tls12_by_option():
        context = trusting()
        context.options |= ssl.OP_NO_TLSv1_3
        exchange(context, ("TLSv1.2",))


if hasattr(ssl, "TLSVersion"):

    @probe.check
    def tls12_by_maximum_version():
        context = trusting()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        exchange(context, ("TLSv1.2",))


@probe.check
def certificates_of_alpine():
    found = os.path.realpath(ssl.get_default_verify_paths().cafile or "")
    expect(found.startswith("/etc/ssl/"), "the file of trusted certificates is %r" % found)
    count = len(ssl.create_default_context().get_ca_certs())
    expect(count > 100, "a default context trusts %d certificates, of %s" % (count, found))


if not ssl.OPENSSL_VERSION.startswith("LibreSSL"):  # it reads no file that the environment names

    @probe.check
    def certificates_from_the_environment():
        os.environ["SSL_CERT_FILE"] = CERTIFICATE
        exchange(ssl.create_default_context(), ("TLSv1.2", "TLSv1.3"))


@probe.check
def other_name_is_refused():
    arguments = Server(send_back), trusting(), "elsewhere.example"
    error = error_of(ssl.CertificateError, connect, *arguments)
    expect("elsewhere.example" in str(error), "refused, but with %s" % error)


def ends_cleanly(suppress):
    server = Server(say_goodbye)
    client = connect(server, trusting(), suppress_ragged_eofs=suppress)
    equal(read(client, 3), b"bye", "what the server sent")
    equal(client.recv(1), b"", "what comes after the last byte")
    client.unwrap().close()
    server.ended_well()


probe.add("clean_end", ends_cleanly, True)
probe.add("clean_end_without_suppression", ends_cleanly, False)


@probe.check
def ragged_end_is_suppressed():
    client = connect(Server(hang_up), trusting())
    equal(read(client, 3), b"bye", "what the server sent")
    equal(client.recv(1), b"", "what comes after the last byte")
    equal(client.recv(1), b"", "what comes after the end")


@probe.check
def ragged_end_is_an_error():
    """Else nobody could tell a whole answer from one that was cut."""
    client = connect(Server(hang_up), trusting(), suppress_ragged_eofs=False)
    equal(read(client, 3), b"bye", "what the server sent")
    error_of(ssl.SSLEOFError, client.recv, 1)


def after_a_reset():
    """A client whose server has reset the connection."""
    server = Server(reset)
    client = connect(server, trusting())
    equal(read(client, 3), b"bye", "what the server sent")
    client.sendall(b"bye")
    server.ended_well()
    return client


def is_a_reset(operation, argument):
    error = error_of(socket.error, operation, argument)
    equal(error.errno, errno.ECONNRESET, "the error's number (%r)" % error)


@probe.check
def reset_is_no_end():
    """Else what was cut looks whole."""
    is_a_reset(after_a_reset().recv, 1)


if ssl.OPENSSL_VERSION_INFO >= (3,):

    @probe.check
    def reset_is_the_systems_error():
        """OpenSSL 3 hands it over as one of its own, without a text."""
        is_a_reset(after_a_reset().sendall, b"more")


@probe.check
def unknown_certificate_is_refused():
    error = error_of(ssl.SSLError, connect, Server(send_back), ssl.create_default_context())
    expect("CERTIFICATE_VERIFY_FAILED" in str(error), "refused, but with %s" % error)


@probe.check
def errors_stay_with_their_connection():
    """OpenSSL has one queue of errors for all connections of a thread."""
    other = connect(Server(wait), trusting())
    equal(read(other, 3), b"bye", "what the server sent")
    other.setblocking(False)
    unknown_certificate_is_refused()
    error_of(ssl.SSLWantReadError, other.recv, 1)
    error_of(socket.error, after_a_reset().sendall, b"more")
    error_of(ssl.SSLWantReadError, other.recv, 1)
    other.close()


@probe.check
def library():
    begin = VERSIONS.get(probe.request["tls"], "")
    found = ssl.OPENSSL_VERSION
    good = "SSL" in found and found.startswith(begin)
    expect(good, "ssl.OPENSSL_VERSION is %r, not of %s" % (found, begin.strip() or "a TLS library"))
    expect(ssl.RAND_status(), "ssl.RAND_status() is false: no random numbers")
    expect(ssl.HAS_SNI, "ssl.HAS_SNI is false")


if __name__ == "__main__":
    probe.run()
