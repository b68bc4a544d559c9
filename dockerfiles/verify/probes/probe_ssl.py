"""TLS with a real handshake on loopback; the certificate is made by the verifier."""

import os
import socket
import ssl
import threading

from probing import Probe, equal, expect

probe = Probe("ssl")
CERTIFICATE = os.path.join(probe.request["materials"], "certificate.pem")
KEY = os.path.join(probe.request["materials"], "key.pem")
MESSAGE = b"hello " * 5000  # more than one TLS record


class Server(threading.Thread):
    """Answers one connection with what it gets, backwards."""

    def __init__(self):
        threading.Thread.__init__(self)
        self.daemon = True
        self.error = None
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(1)
        self.address = self._listener.getsockname()
        self.start()

    def run(self):
        try:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(CERTIFICATE, KEY)
            connection = context.wrap_socket(self._listener.accept()[0], server_side=True)
            connection.sendall(read(connection, len(MESSAGE))[::-1])
            connection.close()
        except Exception as error:
            self.error = error


def read(connection, length):
    """Exactly ``length`` bytes."""
    data = b""
    while len(data) < length:
        piece = connection.recv(65536)
        expect(piece, "the connection ended after %d bytes" % len(data))
        data += piece
    return data


def connect(server, context):
    plain = socket.create_connection(server.address, timeout=60)
    return context.wrap_socket(plain, server_hostname="localhost")


@probe.check
def handshake():
    server = Server()
    client = connect(server, ssl.create_default_context(cafile=CERTIFICATE))
    expect(client.version() in ("TLSv1.2", "TLSv1.3"), "spoke %s" % client.version())
    expect(client.cipher(), "no cipher was agreed on")
    names = client.getpeercert()["subjectAltName"]
    expect(("DNS", "localhost") in names, "the certificate arrived with names %r" % (names,))
    client.sendall(MESSAGE)
    equal(read(client, len(MESSAGE)), MESSAGE[::-1], "what the server sent back")
    client.close()
    server.join(60)
    expect(server.error is None, "the server failed: %r" % server.error)


@probe.check
def unknown_certificate_is_refused():
    server = Server()
    try:
        connect(server, ssl.create_default_context())
    except ssl.SSLError as error:
        expect("CERTIFICATE_VERIFY_FAILED" in str(error), "refused, but with %s" % error)
    else:
        raise AssertionError("a certificate that nobody vouches for was accepted")


@probe.check
def library():
    expect("SSL" in ssl.OPENSSL_VERSION, "ssl.OPENSSL_VERSION is %r" % ssl.OPENSSL_VERSION)
    expect(ssl.RAND_status(), "ssl.RAND_status() is false: no random numbers")
    expect(ssl.HAS_SNI, "ssl.HAS_SNI is false")


if __name__ == "__main__":
    probe.run()
