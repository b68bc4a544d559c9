"""Names, addresses and services, as getaddrinfo and its kin resolve them, without a network."""

import socket

from probing import Probe, equal, error_of, expect

probe = Probe("network")
STREAM = socket.SOCK_STREAM
# RFC 6761 reserves it: it never exists.
UNKNOWN = "no-such-host.invalid"


def addresses(*arguments):
    """Family and address of each answer of getaddrinfo."""
    return [(answer[0], answer[4][:2]) for answer in socket.getaddrinfo(*arguments)]


@probe.check
def localhost():
    found = addresses("localhost", 80, 0, STREAM)
    loopback = [(socket.AF_INET, ("127.0.0.1", 80)), (socket.AF_INET6, ("::1", 80))]
    expect(found and set(found) <= set(loopback), "getaddrinfo of localhost: %r" % (found,))
    expect(loopback[0] in found, "127.0.0.1 is not among the addresses of localhost: %r" % (found,))


@probe.check
def numeric():
    flags = (0, socket.AI_NUMERICHOST)
    equal(
        addresses("127.0.0.1", 80, 0, STREAM, *flags),
        [(socket.AF_INET, ("127.0.0.1", 80))],
        "getaddrinfo of 127.0.0.1",
    )
    equal(
        addresses("::1", 80, 0, STREAM, *flags),
        [(socket.AF_INET6, ("::1", 80))],
        "getaddrinfo of ::1",
    )
    error_of(socket.gaierror, socket.getaddrinfo, "localhost", 80, 0, STREAM, *flags)


@probe.check
def passive():
    found = addresses(None, 80, socket.AF_INET, STREAM, 0, socket.AI_PASSIVE)
    equal(found, [(socket.AF_INET, ("0.0.0.0", 80))], "getaddrinfo to listen")


@probe.check
def service_names():
    equal(addresses("127.0.0.1", "http", 0, STREAM)[0][1][1], 80, "port of http")
    equal(socket.getservbyname("https", "tcp"), 443, "getservbyname('https')")
    equal(socket.getservbyport(443, "tcp"), "https", "getservbyport(443)")
    error = error_of(socket.gaierror, socket.getaddrinfo, "127.0.0.1", "no-such-service")
    equal(error.args[0], socket.EAI_SERVICE, "error of an unknown service")


@probe.check
def protocol_names():
    equal(socket.getprotobyname("tcp"), socket.IPPROTO_TCP, "getprotobyname('tcp')")


@probe.check
def unknown_host():
    """EAI_NONAME from a server that answers; EAI_AGAIN where none does."""
    error = error_of(socket.gaierror, socket.getaddrinfo, UNKNOWN, 80)
    known = (socket.EAI_NONAME, socket.EAI_AGAIN)
    expect(error.args[0] in known, "error of an unknown host: %r" % error)
    expect(error.args[1], "the error says nothing")


@probe.check
def address_to_name():
    equal(socket.gethostbyname("localhost"), "127.0.0.1", "gethostbyname('localhost')")
    equal(socket.gethostbyaddr("127.0.0.1")[2], ["127.0.0.1"], "gethostbyaddr('127.0.0.1')")
    flags = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
    equal(socket.getnameinfo(("127.0.0.1", 80), flags), ("127.0.0.1", "80"), "getnameinfo")
    equal(socket.getnameinfo(("127.0.0.1", 80), socket.NI_NUMERICHOST)[1], "http", "service of 80")


@probe.check
def presentation():
    equal(socket.inet_ntop(socket.AF_INET6, b"\0" * 15 + b"\1"), "::1", "inet_ntop")
    equal(socket.inet_pton(socket.AF_INET, "10.1.2.3"), b"\n\1\2\3", "inet_pton")
    error_of(socket.error, socket.inet_aton, "10.1.2.x")


if __name__ == "__main__":
    probe.run()
