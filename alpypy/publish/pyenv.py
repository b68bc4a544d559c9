"""Definitions for pyenv's python-build: ``pyenv install ./pypy3.11-8.0.0-alpine3.24``.

A definition is a part of a bash script. What it may call is in pyenv's
plugins/python-build/bin/python-build.
"""

from __future__ import annotations

from string import Template
from urllib.parse import quote

from alpypy.core.folders import ROOT
from alpypy.publish.index import ReleasedTarball, ReleaseIndex

FOLDER = "pyenv"


def pages(index: ReleaseIndex) -> dict[str, str]:
    """The definitions, by their paths in the release's folder; none without an address."""
    if index.url is None:
        return {}
    text = Template((ROOT / "templates/pyenv.sh").read_text(encoding="utf-8"))
    return {page_of(tarball): _definition(text, tarball, index.url) for tarball in index.tarballs}


def page_of(tarball: ReleasedTarball) -> str:
    """The path of a PyPy's definition."""
    return f"{FOLDER}/{tarball.target.definition}"


def _definition(text: Template, tarball: ReleasedTarball, url: str) -> str:
    target = tarball.target
    return text.substitute(
        name=target.definition,
        version=target.version,
        system=target.system,
        arch=target.arch,
        language=tarball.language,
        packages=" ".join(tarball.packages) or "none",
        folder=target.folder,
        address=f"{url}/{quote(tarball.file)}#{tarball.sha256}",
        verify=f"verify_py{tarball.language.replace('.', '')}",
        pip="ensurepip_lt21" if tarball.language == "2.7" else "ensurepip",
    )
