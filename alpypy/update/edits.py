"""Changes of the files in versions/. tomlkit keeps everything else: comments, order, layout."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import tomlkit

from alpypy.core.source import Source
from alpypy.recipes.data import PypyRelease
from alpypy.recipes.spec import PypyVersion


def add_pypy(text: str, release: str, source: PypyRelease) -> str:
    """pypy.toml with one more release, after the older ones of its language."""
    document = tomlkit.parse(text)
    new = PypyVersion.parse(release).sort_key
    later = [name for name in document if PypyVersion.parse(name).sort_key > new]
    taken_out = {name: document.pop(name) for name in later}
    entry = tomlkit.table()
    entry["url"] = source.url
    entry["sha256"] = source.sha256
    if not source.stable:
        entry["stable"] = False
    if later:
        entry.add(tomlkit.nl())
    else:
        document.add(tomlkit.nl())
    document[release] = entry
    for name, table in taken_out.items():
        document[name] = table
    return tomlkit.dumps(document)


def set_alpine(text: str, name: str, release: str, digests: Mapping[str, tuple[str, str]]) -> str:
    """alpine.toml with an Alpine's newest point release.

    Args:
        name: the Alpine, such as ``3.23``; a new one is added at the end.
        release: the point release, such as ``3.23.7``.
        digests: by architecture, the address and the SHA-512 of the root file system.
    """
    document = tomlkit.parse(text)
    if name not in document:
        lines = [f'\n["{name}"]', f'release = "{release}"']
        for arch, (url, sha512) in digests.items():
            lines += [f'["{name}".rootfs.{arch}]', f'url = "{url}"', f'sha512 = "{sha512}"']
        return f"{text.rstrip()}\n" + "\n".join(lines) + "\n"
    entry: Any = document[name]
    entry["release"] = release
    for arch, rootfs in entry.get("rootfs", {}).items():
        rootfs["url"], rootfs["sha512"] = digests[arch]
        rootfs.pop("sha256", None)
    return tomlkit.dumps(document)


def set_fields(text: str, sha256: str, fields: Mapping[str, str]) -> str:
    """A file with other values in the entries that have this digest."""
    document = tomlkit.parse(text)
    for table in tables(document):
        if table.get("sha256") == sha256:
            table.update(fields)
    return tomlkit.dumps(document)


def set_library(text: str, name: str, fields: Mapping[str, str], debian: Mapping[str, str]) -> str:
    """libraries.toml with other values of a library, and of Debian's source of it."""
    document: Any = tomlkit.parse(text)
    for library in document["libraries"]:
        if library["name"] == name:
            library.update(fields)
            library["debian"].update(debian)
    return tomlkit.dumps(document)


def set_debian(text: str, sha256: str, source: Source, upstream: tuple[str, str]) -> str:
    """A file of the kit with another file of Debian's.

    Args:
        sha256: the digest of the one before.
        upstream: upstream's version before, and now. Where it is the beginning of the package's
            version, as in ``6.1.176-r1``, that follows.
    """
    document = tomlkit.parse(text)
    before, now = upstream
    for table in tables(document):
        inside = [entry for entry in tables(table) if entry.get("sha256") == sha256]
        if inside and str(table.get("version", "")).startswith(f"{before}-r"):
            table["version"] = table["version"].replace(before, now, 1)
    return set_fields(
        tomlkit.dumps(document), sha256, {"path": source.debian or "", "sha256": source.sha256}
    )


def tables(value: Any) -> Iterator[Any]:
    """Every table of a document, and of a table in it."""
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from tables(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from tables(inner)
