"""``proxy``: a cache for what builds download."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from alpypy.cli import common
from alpypy.cli.command import command
from alpypy.cli.options import Option
from alpypy.core.folders import ROOT, cache_folder


@dataclass(frozen=True, kw_only=True)
class ProxyOptions:
    """Options of ``proxy``."""

    # Ports below 1024 are root's, and squid never runs as root.
    port: Annotated[
        int | None,
        Option(
            "where it listens, on the engine's bridge: from 1024 on (default: in"
            " versions/proxy.toml)",
            least=1024,
            most=65535,
        ),
    ] = None
    https: Annotated[
        bool, Option("open https to the hosts of versions/proxy.toml, so that it is cached too")
    ] = False
    config: Annotated[
        Path | None,
        Option("file with lines for squid's configuration, such as a proxy to go through"),
    ] = None


@command(ProxyOptions)
def proxy(options: ProxyOptions) -> None:
    """Cache what builds download: runs squid until Ctrl-C, and says what it saved."""
    from alpypy.proxy.config import BuildProxy, load_settings
    from alpypy.proxy.server import serve

    settings = load_settings(ROOT)
    asked = BuildProxy(
        cache_folder() / "proxy",
        options.port or settings.port,
        settings.megabytes,
        settings.https if options.https else (),
        options.config.read_text(encoding="utf-8", errors="replace") if options.config else "",
    )
    with common.workspace(common.project()) as workspace:
        common.show(serve(workspace.engine, asked, common.show))
