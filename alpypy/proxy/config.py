"""squid's configuration for `invoke proxy`: a few lines of this run, then templates/squid.conf."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from alpypy.core.fields import Record, text
from alpypy.core.folders import ROOT
from alpypy.core.structs import read_toml

_LEAST = 100  # MiB: squid's own default
_LABEL = "[0-9A-Za-z-]+"
Host = Annotated[
    str, text(rf"{_LABEL}(?:\.{_LABEL})*", "the name of a host such as pypi.org, without https://")
]


class ProxySettings(Record, frozen=True):
    """versions/proxy.toml: where the proxy listens, how big its cache gets (in MiB), and the hosts
    whose https connections it opens when it is asked to."""

    port: int
    megabytes: int
    https: tuple[Host, ...]


@dataclass(frozen=True)
class Endpoint:
    """An address of this machine, and the addresses and networks that may connect to it."""

    address: str
    port: int
    clients: tuple[str, ...]

    @property
    def url(self) -> str:
        """The value for HTTP_PROXY."""
        return f"http://{self.address}:{self.port}"


def load_settings(root: Path) -> ProxySettings:
    """Read versions/proxy.toml.

    Raises:
        DataError: it is missing or wrong.
    """
    return read_toml(root / "versions/proxy.toml", ProxySettings)


@dataclass(frozen=True)
class BuildProxy:
    """The proxy that a user asks for: its folder, its port, the limit of its cache (in MiB), the
    hosts whose https connections it opens, and the user's own lines for squid's configuration."""

    folder: Path
    port: int
    megabytes: int
    opened: tuple[str, ...] = ()
    extra: str = ""


def configuration(proxy: BuildProxy, endpoint: Endpoint) -> str:
    """What squid reads. The user's lines come where they count first, but open the proxy to no
    other clients."""
    common = (ROOT / "templates/squid.conf").read_text(encoding="utf-8")
    bump = " ssl-bump tls-cert=server.pem generate-host-certificates=off" if proxy.opened else ""
    half = shutil.disk_usage(proxy.folder).free // 2**21  # of what is free, in MiB
    megabytes = max(min(proxy.megabytes, half), _LEAST)
    # Connections are opened before the server is asked: what is in the cache needs no server.
    opening = f"""\
tls_outgoing_options cafile=upstream.pem
acl opened dstdomain {" ".join(proxy.opened)}
ssl_bump bump opened
ssl_bump splice all
"""
    return f"""\
http_port {endpoint.address}:{endpoint.port}{bump}
cache_dir ufs store/objects {megabytes} 16 16
acl clients src {" ".join(endpoint.clients)}
http_access deny !clients
{opening if proxy.opened else ""}{proxy.extra}
{common}"""
