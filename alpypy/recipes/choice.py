"""What ``--pypy`` and ``--alpine`` mean, also where they are short or left out.

Every command that takes them asks here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from alpypy.core.errors import SpecError
from alpypy.recipes.data import PypyRelease, load_alpines, load_pypys
from alpypy.recipes.spec import PypyVersion, Target

_LANGUAGE = re.compile(r"[23]\.\d{1,4}", re.ASCII)


@dataclass(frozen=True)
class Wanted:
    """What the user typed. ``pypy`` is ``3.11`` for the newest of that language, or a version;
    without ``alpine`` the newest Alpine is meant. A ``portable`` PyPy is only built on that one."""

    pypy: str
    alpine: str | None = None
    arch: str = "x86_64"
    release_version: str | None = None
    portable: bool = False

    @property
    def names_language(self) -> bool:
        """Whether it names a language alone."""
        return _LANGUAGE.fullmatch(self.pypy) is not None


@dataclass(frozen=True)
class Choice:
    """A target, and what was chosen of it, in words; None if the user typed all of it."""

    target: Target
    words: str | None


def choose(data: Path, wanted: Wanted, stated: Iterable[str] = ()) -> Choice:
    """The target that is meant.

    Args:
        data: the folder with versions/.
        stated: versions that the user's own sources state. Of one of the language that ``wanted``
            names, that is the version which is meant.

    Raises:
        SpecError: there is no PyPy of that language, or something cannot be part of a name.
        DataError: a file in versions/ is not usable.
    """
    pypy, why_pypy = _pypy(data, wanted, stated)
    alpine = wanted.alpine or newest_alpine(data)
    target = Target.parse(pypy, alpine, wanted.arch, wanted.release_version, wanted.portable)
    if wanted.alpine and not why_pypy:
        return Choice(target, None)
    name = pypy if pypy.startswith("rpython") else f"PyPy {pypy}"
    why_alpine = "" if wanted.alpine else " (the newest)"
    on = ", portable, on" if wanted.portable else " on"
    return Choice(target, f"{name}{why_pypy}{on} Alpine {alpine}{why_alpine}")


def newest_alpine(data: Path) -> str:
    """The newest Alpine that versions/ lists."""
    return list(load_alpines(data / "versions"))[-1]


def _pypy(data: Path, wanted: Wanted, stated: Iterable[str]) -> tuple[str, str]:
    """The version, and why it was chosen, in parentheses if it was."""
    text = wanted.pypy
    if not wanted.names_language:
        return text, ""
    own = [version for version in stated if version.startswith(f"{text}-")]
    if own:
        return own[-1], " (of your source)"
    release, stable = newest_release(load_pypys(data / "versions"), text)
    return release, f" (the newest of {text}{'' if stable else ', no stable one yet'})"


def newest_release(pypys: Mapping[str, PypyRelease], language: str) -> tuple[str, bool]:
    """The newest stable release of a language, else the newest one; and whether it is stable.

    Raises:
        SpecError: there is no release of that language.
    """
    releases = [name for name in pypys if PypyVersion.parse(name).language == language]
    stable = [name for name in releases if pypys[name].stable]
    if not releases:
        languages = dict.fromkeys(PypyVersion.parse(name).language for name in pypys)
        raise SpecError(
            f"versions/pypy.toml has no PyPy of Python {language}",
            remedy=f"choose one of {', '.join(languages)}, or give a source of PyPy with --source",
        )
    return (stable or releases)[-1], bool(stable)
