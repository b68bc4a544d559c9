"""Tarballs in artifacts/."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from alpypy.core.errors import ArchiveError, SpecError
from alpypy.core.program import typed
from alpypy.recipes.spec import PORTABLE, Target, alpine_of, arch_of


def with_commit(artifacts: Path, target: Target) -> Target:
    """A target of a tree, such as ``3.12-8.0.0-alpha``, with the commit of the one tarball that is
    there for its Alpine and architecture; any other target as it is.

    Raises:
        SpecError: there are several.
    """
    if not target.names_tree or target.release_version:
        return target
    end = target.tarball.removeprefix(f"pypy-{target.release}")
    names = sorted(path.name for path in artifacts.glob(f"pypy-{target.release}+*{end}"))
    versions = [name.removeprefix("pypy-").removesuffix(end) for name in names]
    if len(versions) > 1:
        raise SpecError(
            f"artifacts/ has several builds of {target.release}: {', '.join(versions)}",
            remedy=f"choose one: --pypy {versions[0]}",
        )
    return replace(target, release_version=versions[0]) if versions else target


def require_tarball(artifacts: Path, target: Target) -> Path:
    """The tarball of a target.

    Raises:
        ArchiveError: it is not there. The remedy is the command that builds it, and where there is
            one for another Alpine, or else of the same language, the error says so.
    """
    path = artifacts / target.tarball
    if path.is_file():
        return path
    names = sorted(path.name for path in artifacts.glob(f"pypy-{target.version}-alpine*.tar.bz2"))
    others = [str(alpine_of(name)) for name in names if arch_of(name) == target.arch]
    if target.portable:  # whose name no --alpine changes
        others = []
    raise ArchiveError(
        f"artifacts/{path.name} does not exist"
        + (
            f"; there is one for Alpine {', '.join(others)}"
            if others
            else _alike(artifacts, target)
        ),
        remedy=f"build it: {_bootstrap(target)}"
        + (", or choose that Alpine with --alpine" if others else ""),
    )


def _alike(artifacts: Path, target: Target) -> str:
    """Which tarballs of the same language and architecture there are."""
    language = target.release.partition("-")[0]
    systems = ("alpine", PORTABLE)
    paths = (path for of in systems for path in artifacts.glob(f"pypy-{language}-*-{of}*.tar.bz2"))
    names = sorted(path.name for path in paths if arch_of(path.name) == target.arch)
    return f"; for Python {language} it has {', '.join(names)}" if names else ""


def _bootstrap(target: Target) -> str:
    options: dict[str, str | bool] = {"pypy": target.release, "alpine": target.alpine}
    if target.arch != "x86_64":
        options["arch"] = target.arch
    if target.portable:
        options["portable"] = True
    if target.names_tree:
        options["source"] = "CHECKOUT"
    elif target.release_version:
        options["release_version"] = target.release_version
    return typed("bootstrap", **options)
