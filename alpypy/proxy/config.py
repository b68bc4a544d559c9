"""squid's configuration for `invoke proxy`: templates/squid.conf, filled in."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from urllib.parse import quote, unquote, urlsplit

from alpypy.core.errors import SpecError
from alpypy.core.redact import without_login
from alpypy.core.tables import read_table

_ADDRESS = re.compile(r"[0-9A-Za-z.-]+")
_YEAR = 365 * 24 * 60  # minutes


@dataclass(frozen=True)
class Settings:
    """versions/proxy.toml: where the proxy listens, how big its cache gets (in MiB), and the hosts
    whose https connections it opens when it is asked to."""

    port: int
    megabytes: int
    https: tuple[str, ...]


@dataclass(frozen=True)
class Listen:
    """An address of this machine, and who may ask there (addresses and networks)."""

    address: str
    port: int
    clients: tuple[str, ...]

    @property
    def url(self) -> str:
        """What HTTP_PROXY is to be set to."""
        return f"http://{self.address}:{self.port}"


@dataclass(frozen=True)
class Upstream:
    """The proxies that this machine itself needs, and the hosts that it reaches without them: the
    values of HTTP_PROXY, HTTPS_PROXY and NO_PROXY. They may have a password."""

    http: str = ""
    https: str = ""
    direct: str = ""


class _Text(Template):
    delimiter = "@"  # regular expressions are full of the usual one


def load_settings(root: Path) -> Settings:
    """Read versions/proxy.toml.

    Raises:
        DataError: it is missing or wrong.
    """
    table = read_table(root, "proxy.toml")
    table.allow("port", "megabytes", "https")
    hosts = table.texts("https")
    for host in hosts:
        if not _ADDRESS.fullmatch(host):
            raise table.error(f"https has {host!r}", "write names of hosts, without https://")
    return Settings(table.number("port"), table.number("megabytes"), hosts)


def configuration(
    root: Path,
    listen: Listen,
    megabytes: int,
    upstream: Upstream,
    opened: Sequence[str] = (),
    helpers: str = "",
) -> str:
    """What squid reads. It has the upstream's password: it is for a private file.

    Args:
        opened: hosts whose https connections are opened.
        helpers: the folder of squid's own programs.

    Raises:
        SpecError: a proxy of the environment is none that squid can use.
    """
    text = _Text((root / "templates/squid.conf").read_text(encoding="utf-8"))
    port_options = " ssl-bump tls-cert=ca.pem generate-host-certificates=on" if opened else ""
    return text.substitute(
        address=listen.address,
        port=listen.port,
        bump_options=port_options,
        clients=" ".join(listen.clients),
        # The proxy upstream looks names up; many a machine behind one cannot.
        lookup="-n " if upstream.http or upstream.https else "",
        megabytes=megabytes,
        year=_YEAR,
        upstream="\n".join(_upstream(upstream)),
        bump="\n".join(_bump(opened, helpers)),
    )


def _bump(opened: Sequence[str], helpers: str) -> Iterator[str]:
    """Opened before the server is asked: what is in the cache needs no server."""
    if opened:
        yield f"sslcrtd_program {helpers}/security_file_certgen -s certificates -M 4MB"
        yield "sslcrtd_children 2 startup=1"
        yield "tls_outgoing_options cafile=upstream.pem"
        yield f"acl opened dstdomain {' '.join(opened)}"
        yield "ssl_bump bump opened"
        yield "ssl_bump splice all"


def _upstream(upstream: Upstream) -> Iterator[str]:
    """Never past a proxy that the machine needs, but to hosts that it reaches without."""
    yield "acl tunnel method CONNECT"
    yield "acl opened_url proto HTTPS"
    yield "acl secure any-of tunnel opened_url"
    if upstream.http or upstream.https:
        lines = tuple(_direct(upstream.direct))
        yield from lines
        for name in dict.fromkeys(line.split()[1] for line in lines):
            yield f"always_direct allow {name}"
    if upstream.http:
        yield _peer("plain", upstream.http)
        yield "cache_peer_access plain deny secure"
        yield "never_direct allow !secure"
    if upstream.https:
        yield _peer("secure", upstream.https)
        yield "cache_peer_access secure allow secure"
        yield "cache_peer_access secure deny all"
        yield "never_direct allow secure"


def _peer(name: str, proxy: str) -> str:
    try:
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        host, port = parts.hostname or "", parts.port or 80
    except ValueError as error:
        raise _unusable(proxy) from error
    if parts.scheme != "http" or not _ADDRESS.fullmatch(host):
        raise _unusable(proxy)
    login = ""
    if parts.username is not None:
        # squid takes %-escapes apart, after it took %% for %.
        words = (quote(unquote(one or ""), safe="") for one in (parts.username, parts.password))
        login = f" login={':'.join(words)}"
    return f"cache_peer {host} parent {port} 0 no-query no-digest default name={name}{login}"


def _unusable(proxy: str) -> SpecError:
    return SpecError(
        f"squid cannot go through the proxy of the environment, {without_login(proxy)}",
        remedy="set HTTP_PROXY and HTTPS_PROXY to http://host:port, or unset them",
    )


def _direct(no_proxy: str) -> Iterator[str]:
    """Access lists of NO_PROXY, in which a name stands for those below it too."""
    for word in re.split(r"[,\s]+", no_proxy):
        name = word.removeprefix("*.").lstrip(".")
        if word == "*":
            yield "acl direct_all src all"
            continue
        try:
            yield f"acl direct_addresses dst -n {ipaddress.ip_network(name, strict=False)}"
        except ValueError:
            host = name.partition(":")[0]
            if _ADDRESS.fullmatch(host):
                pattern = host.replace(".", r"\.")
                yield rf"acl direct_names dstdom_regex -n -i (^|\.){pattern}$"
