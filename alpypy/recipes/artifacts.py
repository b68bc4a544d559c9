"""Tarballs in artifacts/."""

from __future__ import annotations

from pathlib import Path

from alpypy.core.errors import ArchiveError
from alpypy.core.program import typed
from alpypy.recipes.spec import Target, alpine_of, arch_of


def require_tarball(artifacts: Path, target: Target) -> Path:
    """The tarball of a target.

    Raises:
        ArchiveError: it is not there. The remedy is the command that builds it, and where there is
            one for another Alpine, the error says so.
    """
    path = artifacts / target.tarball
    if path.is_file():
        return path
    names = sorted(path.name for path in artifacts.glob(f"pypy-{target.version}-alpine*.tar.bz2"))
    others = [alpine_of(name) for name in names if arch_of(name) == target.arch]
    raise ArchiveError(
        f"artifacts/{path.name} does not exist"
        + (f"; there is one for Alpine {', '.join(others)}" if others else ""),
        remedy=f"build it: {_bootstrap(target)}"
        + (", or choose that Alpine with --alpine" if others else ""),
    )


def _bootstrap(target: Target) -> str:
    options = {"pypy": target.release, "alpine": target.alpine}
    if target.arch != "x86_64":
        options["arch"] = target.arch
    if target.release_version:
        options["release_version"] = target.release_version
    return typed("bootstrap", **options)
