"""A Debian mirror on loopback that is the only one of this machine's apt."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from alpypy.core import fetch
from tests.debian import Key, Repository, new_key
from tests.loopback import Handler, Site, serve

_PROGRAMS = ("apt-get", "dpkg-deb", "gpg")


@pytest.fixture(scope="session")
def key() -> Iterator[Key]:
    missing = [name for name in _PROGRAMS if shutil.which(name) is None]
    if missing:
        pytest.skip(f"apt-get install apt dpkg gnupg: this machine has no {' and '.join(missing)}")
    with new_key() as made:
        yield made


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy of this machine between a test and its server; no waiting between attempts."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr(fetch, "_PAUSE", 0.0)


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    for address in serve(type("MirrorHandler", (Handler,), {"site": site})):
        site.address = address
        yield site


@pytest.fixture
def repository(site: Site, key: Key, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    folder = tmp_path / "repository"
    folder.mkdir()
    made = Repository(site, key, folder)
    monkeypatch.setenv("APT_CONFIG", str(made.settings()))
    return made
