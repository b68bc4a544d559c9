"""What the Alpine packages of a PyPy are called, and where the files of its tarball are in them.

As in aports' pypy3, the program is below /usr, so that ``sys.prefix`` is /usr.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

from alpypy.recipes.manifest import FILE_NAME, Manifest
from alpypy.recipes.spec import PypyVersion, Target

DEV, TESTS = "-dev", "-tests"
PARTS = ("", DEV, TESTS)
# With 3.8, PyPy's own layout became that of CPython: lib/pypy3.8 below the prefix.
_FIRST = (3, 8)
_TEST_FOLDERS = {"test", "tests", "idle_test"}
_TEST_MODULES = ("_test", "_ctypes_test")
_REVISION = 0  # of packages: grows if the same tarball is to give other packages


def unfit(manifest: Manifest) -> str | None:
    """Why there are no packages of a PyPy; None if there are."""
    target = manifest.target
    language = PypyVersion.parse(target.release).language
    if tuple(map(int, language.split("."))) < _FIRST:
        return f"packages are made of PyPys from Python {_FIRST[0]}.{_FIRST[1]} on"
    if target.portable:
        return "an apk package is for one Alpine, and a portable PyPy is for all"
    if target.version != target.release and not target.names_commit:
        return f"{target.version} is a version that no package can have"
    return None


def package_name(release: str) -> str:
    """``pypy3.11`` for a release of 3.11."""
    return f"pypy{PypyVersion.parse(release).language}"


def package_version(target: Target, date: str) -> str:
    """PyPy's version as apk orders it: ``8.0.0-r0``. That of a tree, whose commits have no order,
    has the day of verify in it: ``8.0.0_alpha_git20261121-r0``.

    Args:
        date: when it passed verify, as in its record.
    """
    return f"{_number(target, date)}-r{_REVISION}"


def default_version(target: Target, date: str) -> str:
    """The version of the package ``pypy3`` that stands for a PyPy: ``8.0.0_p311-r0``. It has the
    language in it: another one of the same PyPy may become the default."""
    language = PypyVersion.parse(target.release).language.replace(".", "")
    return f"{_number(target, date)}_p{language}-r{_REVISION}"


def place(name: str, manifest: Manifest) -> tuple[str, str] | None:
    """The package's part and the path of a file of the tarball; None if no package has it.

    Args:
        name: its path below the top folder.
    """
    pypy, path = package_name(manifest.target.release), PurePosixPath(name)
    if name == manifest.executables[0]:
        return "", f"usr/bin/{pypy}"
    if path.parts[0] == "bin":  # else there are links to the program alone
        return ("", f"usr/lib/{path.name}") if ".so" in path.suffixes else None
    if path.parts[0] == "include":
        return DEV, f"usr/{name}"
    if path.parts[0] == "lib":
        return TESTS if _is_test(path.parts[2:]) else "", f"usr/{name}"
    places = {
        FILE_NAME: f"usr/lib/{pypy}/{name}",
        "LICENSE": f"usr/share/licenses/{pypy}/{name}",
    }
    return ("", places[name]) if name in places else None


def clean_up(pypy: str) -> Mapping[str, str]:
    """Scripts that remove the bytecode which root's programs left in PyPy's folder, before the
    package is removed or replaced. Its files have the same time in all versions, so another version
    would take the bytecode for its own."""
    script = (
        f"#!/bin/sh\nfind /usr/lib/{pypy} -name __pycache__ -type d -prune"
        " -exec rm -rf {} \\;\nexit 0\n"
    )
    return dict.fromkeys((".pre-deinstall", ".pre-upgrade"), script)


def _number(target: Target, date: str) -> str:
    version = PypyVersion.parse(target.release)
    day = f"git{date[:10].replace('-', '')}" if target.names_commit else None
    return "_".join(filter(None, (version.release, version.stage, day)))


def _is_test(parts: tuple[str, ...]) -> bool:
    """Whether a file of the library serves tests alone; ``parts`` are below lib/pypy3.11."""
    if not parts or parts[0] == "site-packages":
        return False
    return parts[0].startswith(_TEST_MODULES) or not _TEST_FOLDERS.isdisjoint(parts[:-1])
