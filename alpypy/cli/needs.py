"""What this machine still needs, asked by setup.sh: ``python -m alpypy.cli.needs engine`` and
``python -m alpypy.cli.needs kit 3.23`` end with 0 when nothing is missing."""

from __future__ import annotations

import shutil
import sys

import requests
import urllib3

from alpypy.core.errors import AlpypyError
from alpypy.core.folders import ROOT
from alpypy.engine.address import default_sockets, refusal
from alpypy.engine.connection import engine_answers
from alpypy.engine.private import nothing_to_start
from alpypy.recipes.recipe import load_catalog

_TIMEOUT = (5, 10)  # seconds: until connected, between two pieces


def engine_missing() -> bool:
    """Whether no container engine answers and none that alpypy could start is installed.

    Raises:
        EngineError: ``DOCKER_HOST`` names one that does not answer, or there is one that this user
            may not use.
    """
    if engine_answers() or shutil.which("dockerd") or shutil.which("podman"):
        return False
    if any(map(refusal, default_sockets())):
        raise nothing_to_start()
    return True


def kit_needed(alpine: str) -> bool:
    """Whether Alpine's mirrors do not answer for this version's packages."""
    rootfs = load_catalog(ROOT).alpine(alpine).rootfs["x86_64"]
    index = f"{rootfs.url.partition('/releases/')[0]}/main/x86_64/APKINDEX.tar.gz"
    try:
        return not requests.head(index, timeout=_TIMEOUT, allow_redirects=True).ok
    except (requests.RequestException, urllib3.exceptions.HTTPError):
        return True


def main(words: list[str]) -> int:
    """0 when nothing is missing, 1 when something is, an error's own code otherwise."""
    try:
        return int(kit_needed(words[1]) if words[0] == "kit" else engine_missing())
    except AlpypyError as error:
        print(f"alpypy: error: {error}", file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
