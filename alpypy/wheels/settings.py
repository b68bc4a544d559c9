"""pip's settings of whoever runs alpypy, for one container: a file that is mounted while it runs,
so that neither an image nor a wheel nor the container's description ever has them."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from alpypy.engine.job import Mount, proxy_environment
from alpypy.wheels.requirements import index_folder, local_path, written_out

HOME = "/tmp"  # noqa: S108 - the container's
_CONF = f"{HOME}/pip.conf"
# What says where packages come from and how they are reached; the rest (target, user, cache-dir
# and the like) is about that person's own installations.
_TAKEN = (
    *("index-url", "extra-index-url", "find-links", "no-index", "trusted-host", "proxy", "cert"),
    *("client-cert", "timeout", "default-timeout", "retries", "no-binary", "only-binary"),
    *("prefer-binary", "pre"),
)
_INDEXES = ("index-url", "extra-index-url")
_ADDRESSES = (*_INDEXES, "find-links")  # with spaces between
_FILES = ("cert", "client-cert")
# What a build is isolated with is used once: compiling it to bytecode takes longer than that. (pip
# takes "no" for a yes to an option that is called no-.)
_INSTALL = {"no-compile": "no"}
_CERTIFICATES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
# Where OpenSSL on Alpine and the download code of old setuptools look for certificates.
_SYSTEM_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
_LINE = re.compile(r"(?P<section>[^.=]+)\.(?P<key>[^=]+)=(?P<value>.*)")
_LOOPBACK = re.compile(r"localhost|127(\.\d+){3}|::1|.*\.localhost")


@dataclass(frozen=True)
class PipSettings:
    """Mounts, environment and network of a container that uses the person's index."""

    mounts: tuple[Mount, ...]
    environment: Mapping[str, str]
    network: str


def from_host(scratch: Path, bundled: Mapping[str, str]) -> PipSettings:
    """The settings of this machine's pip, written into ``scratch`` for a container.

    Args:
        bundled: further settings of the container's own (``find-links``).
    """
    sections = {name: _written_out(values) for name, values in _of_pip()}
    certificate = _certificate(sections)
    paths = dict.fromkeys(_paths(sections))
    conf = scratch / "pip.conf"
    whole = _with(sections, bundled)
    _write_private(conf, _ini({**whole, "install": whole.get("install", {}) | _INSTALL}))
    mounts = [Mount(conf, _CONF), *(Mount(path, str(path)) for path in paths)]
    if _index(sections):
        distutils = scratch / "pydistutils.cfg"
        _write_private(distutils, f"[easy_install]\nindex_url = {_index(sections)}\n")
        mounts.append(Mount(distutils, f"{HOME}/.pydistutils.cfg"))
    environment = {"PIP_CONFIG_FILE": _CONF, "HOME": HOME, **proxy_environment()}
    if certificate:
        if str(certificate) != _SYSTEM_BUNDLE:
            mounts.append(Mount(certificate, str(certificate)))
        mounts = [one for one in mounts if one.target != _SYSTEM_BUNDLE]
        mounts.append(Mount(certificate.resolve(), _SYSTEM_BUNDLE))
        environment |= dict.fromkeys(_CERTIFICATES, _SYSTEM_BUNDLE)
    unique = {one.target: one for one in mounts}
    return PipSettings(tuple(unique.values()), environment, _network(sections))


def _of_pip() -> Iterator[tuple[str, dict[str, str]]]:
    """Sections of pip's configuration: files of the system, the user and the virtual environment,
    and the variables PIP_*, which count most and therefore in every section."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    # pip would take a setting `user = true` for its own option, and list the user's file only.
    environment = {**os.environ, "PIP_USER": "0"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    found: dict[str, dict[str, str]] = {}
    for line in done.stdout.splitlines():
        match = _LINE.fullmatch(line)
        if match and match["key"] in _TAKEN:
            value = str(ast.literal_eval(match["value"]))
            found.setdefault(match["section"], {})[match["key"]] = value
    variables = found.pop(":env:", {})
    found.setdefault("global", {})
    for name, values in found.items():
        yield name, values | {key: value for key, value in variables.items() if key in values}
    yield "global", found["global"] | variables


def _with(
    sections: Mapping[str, Mapping[str, str]], more: Mapping[str, str]
) -> dict[str, dict[str, str]]:
    """The sections with values added to those of lists."""
    whole = {name: dict(values) for name, values in sections.items()}
    for key, value in more.items():
        for name, values in whole.items():
            if name == "global" or key in values:
                values[key] = "\n    ".join(filter(None, (values.get(key), value)))
    return whole


def _ini(sections: Mapping[str, Mapping[str, str]]) -> str:
    lines: list[str] = []
    for name, values in sections.items():
        lines.append(f"[{name}]")
        lines += [f"{key} = {_indented(value)}" for key, value in values.items()]
    return "\n".join(lines) + "\n"


def _indented(value: str) -> str:
    return "\n    ".join(filter(None, (line.strip() for line in value.splitlines())))


def _write_private(path: Path, text: str) -> None:
    """It may have a password, and the container's user is the one who runs alpypy."""
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")


def _values(sections: Mapping[str, Mapping[str, str]], *keys: str) -> Iterator[str]:
    return (values[key] for values in sections.values() for key in keys if key in values)


def _words(sections: Mapping[str, Mapping[str, str]], *keys: str) -> Iterator[str]:
    return (word for value in _values(sections, *keys) for word in value.split())


def _index(sections: Mapping[str, Mapping[str, str]]) -> str | None:
    return sections["global"].get("index-url")


def _written_out(values: Mapping[str, str]) -> dict[str, str]:
    """Values with whole paths: the container has neither this folder nor this home."""
    made = dict(values)
    for key in _ADDRESSES:
        if key in values:
            made[key] = "\n    ".join(map(_whole, values[key].split()))
    return made | {key: _whole(values[key]) for key in _FILES if key in values}


def _whole(word: str) -> str:
    path = local_path(word, Path.cwd())
    return written_out(word, path) if path else word


def _paths(sections: Mapping[str, Mapping[str, str]]) -> Iterator[Path]:
    """Files and folders of this machine that settings name: the container sees them where they are
    here, and nothing beside them but the files of a mirror."""
    here = Path.cwd()
    named = [*_words(sections, "find-links"), *_values(sections, "client-cert")]
    yield from filter(None, (local_path(word, here) for word in named))
    indexes = filter(None, (local_path(word, here) for word in _words(sections, *_INDEXES)))
    yield from map(index_folder, indexes)


def _certificate(sections: Mapping[str, Mapping[str, str]]) -> Path | None:
    candidates = [*_values(sections, "cert"), *map(os.environ.get, _CERTIFICATES)]
    found = (Path(one).absolute() for one in candidates if one and os.path.isfile(one))
    return next(found, None)


def _network(sections: Mapping[str, Mapping[str, str]]) -> str:
    """The host's own network only where something on this very machine is to be reached."""
    words = [*_words(sections, *_ADDRESSES, "proxy")]
    named = {key: value for key, value in proxy_environment().items() if key.upper() != "NO_PROXY"}
    return "host" if _loopback([*words, *named.values()]) else "bridge"


def _loopback(addresses: Sequence[str]) -> bool:
    hosts = (urlsplit(one if "//" in one else f"//{one}").hostname for one in addresses)
    return any(host and _LOOPBACK.fullmatch(host) for host in hosts)
