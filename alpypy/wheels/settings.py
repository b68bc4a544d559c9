"""Your pip settings, for a container: in a file that is mounted while the container runs.

So no image, no wheel and no container's description ever contains them.
"""

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

from alpypy.core.errors import WheelError
from alpypy.core.redact import without_passwords
from alpypy.engine.job import Mount, proxy_environment
from alpypy.wheels.requirements import index_folder, local_path, with_absolute_path

HOME = "/tmp"  # noqa: S108 - the container's
_CONF = f"{HOME}/pip.conf"
# Settings that say where packages come from and how pip reaches them. The others (such as target,
# user and cache-dir) are for the user's own installations.
_USED = (
    *("index-url", "extra-index-url", "find-links", "no-index", "trusted-host", "proxy", "cert"),
    *("client-cert", "timeout", "default-timeout", "retries", "no-binary", "only-binary"),
    *("prefer-binary", "pre"),
)
_INDEXES = ("index-url", "extra-index-url")
_ADDRESSES = (*_INDEXES, "find-links")  # separated by spaces
_FILES = ("cert", "client-cert")
# The packages of an isolated build are used once: compiling them to bytecode takes longer than
# running them without. (For an option named no-..., pip takes "no" to switch it on.)
_INSTALL = {"no-compile": "no"}
_CERTIFICATES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
# The file where OpenSSL on Alpine and the download code of old setuptools look for certificates.
_SYSTEM_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
_LINE = re.compile(r"(?P<section>[^.=]+)\.(?P<key>[^=]+)=(?P<value>.*)")
_LOOPBACK = re.compile(r"localhost|127(\.\d+){3}|::1|.*\.localhost")


@dataclass(frozen=True)
class PipSettings:
    """Mounts, environment and network of a container that uses the user's index."""

    mounts: tuple[Mount, ...]
    environment: Mapping[str, str]
    network: str


def from_host(scratch: Path, bundled: Mapping[str, str]) -> PipSettings:
    """Write the settings of this machine's pip into ``scratch``, for a container.

    Args:
        bundled: settings to add (``find-links``), for the container alone.

    Raises:
        WheelError: pip cannot read its own settings.
    """
    sections = {name: _with_absolute_paths(values) for name, values in _configuration()}
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
        mounts = [mount for mount in mounts if mount.target != _SYSTEM_BUNDLE]
        mounts.append(Mount(certificate.resolve(), _SYSTEM_BUNDLE))
        environment |= dict.fromkeys(_CERTIFICATES, _SYSTEM_BUNDLE)
    unique = {mount.target: mount for mount in mounts}
    return PipSettings(tuple(unique.values()), environment, _network(sections))


def index_url() -> str | None:
    """The index that pip asks instead of pypi.org, if its settings name one.

    Raises:
        WheelError: pip cannot read its own settings.
    """
    return _index(dict(_configuration()))


def _configuration() -> Iterator[tuple[str, dict[str, str]]]:
    """The sections of pip's configuration: from the files of the system, the user and the virtual
    environment, and from the variables PIP_*, which override every section."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    # Else a setting `user = true` would make pip list the user's file only.
    environment = {**os.environ, "PIP_USER": "0"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise WheelError(
            f"pip's settings could not be read: {without_passwords(done.stderr.strip())}",
            remedy="correct pip's configuration: python -m pip config list",
        )
    sections: dict[str, dict[str, str]] = {}
    for line in done.stdout.splitlines():
        match = _LINE.fullmatch(line)
        if match and match["key"] in _USED:
            value = str(ast.literal_eval(match["value"]))
            sections.setdefault(match["section"], {})[match["key"]] = value
    variables = sections.pop(":env:", {})
    sections.setdefault("global", {})
    for name, values in sections.items():
        yield name, values | {key: value for key, value in variables.items() if key in values}
    yield "global", sections["global"] | variables


def _with(
    sections: Mapping[str, Mapping[str, str]], more: Mapping[str, str]
) -> dict[str, dict[str, str]]:
    """The sections, with the values in ``more`` added to their lists."""
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
    """Only the user may read it: it may contain a password. The container has the same user."""
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")


def _values(sections: Mapping[str, Mapping[str, str]], *keys: str) -> Iterator[str]:
    return (values[key] for values in sections.values() for key in keys if key in values)


def _words(sections: Mapping[str, Mapping[str, str]], *keys: str) -> Iterator[str]:
    return (word for value in _values(sections, *keys) for word in value.split())


def _index(sections: Mapping[str, Mapping[str, str]]) -> str | None:
    return sections["global"].get("index-url")


def _with_absolute_paths(values: Mapping[str, str]) -> dict[str, str]:
    """The values with absolute paths: the container has neither this folder nor this home."""
    changed = dict(values)
    for key in _ADDRESSES:
        if key in values:
            changed[key] = "\n    ".join(map(_absolute, values[key].split()))
    return changed | {key: _absolute(values[key]) for key in _FILES if key in values}


def _absolute(word: str) -> str:
    path = local_path(word, Path.cwd())
    return with_absolute_path(word, path) if path else word


def _paths(sections: Mapping[str, Mapping[str, str]]) -> Iterator[Path]:
    """Files and folders of this machine that settings name. The container sees them at the same
    paths, but nothing beside them except the files of a mirror."""
    here = Path.cwd()
    words = [*_words(sections, "find-links"), *_values(sections, "client-cert")]
    yield from filter(None, (local_path(word, here) for word in words))
    indexes = filter(None, (local_path(word, here) for word in _words(sections, *_INDEXES)))
    yield from map(index_folder, indexes)


def _certificate(sections: Mapping[str, Mapping[str, str]]) -> Path | None:
    candidates = [*_values(sections, "cert"), *map(os.environ.get, _CERTIFICATES)]
    files = (Path(name).absolute() for name in candidates if name and os.path.isfile(name))
    return next(files, None)


def _network(sections: Mapping[str, Mapping[str, str]]) -> str:
    """The host's network only if pip has to reach something on this very machine."""
    words = [*_words(sections, *_ADDRESSES, "proxy")]
    variables = proxy_environment().items()
    proxies = [value for key, value in variables if key.upper() != "NO_PROXY"]
    return "host" if _loopback([*words, *proxies]) else "bridge"


def _loopback(addresses: Sequence[str]) -> bool:
    urls = (address if "//" in address else f"//{address}" for address in addresses)
    hosts = (urlsplit(url).hostname for url in urls)
    return any(host and _LOOPBACK.fullmatch(host) for host in hosts)
