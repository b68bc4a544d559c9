"""What is measured: an executable of this machine, a tarball, or an image, and its name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from alpypy.core.errors import SpecError

_NAMED = re.compile(r"(?P<name>[0-9A-Za-z][0-9A-Za-z._+-]*)=(?P<what>.+)", re.ASCII)
_ARCHIVE = re.compile(r"\.(?:tar\.(?:bz2|gz|xz)|tgz)\Z")
_NOT_IN_FILE_NAMES = re.compile(r"[^0-9A-Za-z._+-]+", re.ASCII)


class Kind(Enum):
    """Where a subject comes from."""

    EXECUTABLE = "executable"
    TARBALL = "tarball"
    IMAGE = "image"


@dataclass(frozen=True)
class Subject:
    """An interpreter to measure. ``what`` is a path, or an image's name; ``image`` is the one that
    a tarball is to run in, if the user named one."""

    name: str
    kind: Kind
    what: str
    image: str | None = None

    @property
    def in_container(self) -> bool:
        """Whether it needs a container engine."""
        return self.kind is not Kind.EXECUTABLE

    @property
    def file_name(self) -> str:
        """The name as a part of file names."""
        return _NOT_IN_FILE_NAMES.sub("-", self.name).strip("-.") or "subject"


def parse(text: str) -> Subject:
    """Read ``[NAME=]WHAT[@IMAGE]``: a path of a file that exists, or an image.

    Raises:
        SpecError: it is the path of a file that does not exist or is not usable, or an executable
            with an image.
    """
    match = None if Path(text).exists() else _NAMED.fullmatch(text)
    name, what = (match["name"], match["what"]) if match else ("", text)
    path, at, image = what.rpartition("@")
    if Path(what).exists() or not (at and _is_path(path)):
        path, image = what, ""
    if _is_path(path):
        return _file(name, path, image)
    return Subject(name or path, Kind.IMAGE, path)


def parse_all(texts: Sequence[str]) -> tuple[Subject, ...]:
    """Read several, whose names must differ.

    Raises:
        SpecError: ``parse`` raises it, or two have the same name.
    """
    subjects = tuple(map(parse, texts))
    for by in (lambda subject: subject.name, lambda subject: subject.file_name):
        [(name, number)] = Counter(map(by, subjects)).most_common(1)
        if number > 1:
            raise SpecError(
                f"{number} of what is to be measured are called {name}",
                remedy=f"give them names: before={texts[0]}",
            )
    return subjects


def _is_path(text: str) -> bool:
    """Whether it is a path: an archive's, one that exists, or one with a slash at its beginning."""
    return bool(_ARCHIVE.search(text)) or text.startswith(("/", "./", "../")) or Path(text).exists()


def _file(name: str, path: str, image: str) -> Subject:
    if not Path(path).is_file():
        raise SpecError(
            f"{path} is not a file",
            remedy="give the path of an interpreter or of a tarball, or the name of an image",
        )
    if _ARCHIVE.search(path):
        stem = _ARCHIVE.sub("", Path(path).name)
        return Subject(name or f"{stem}{image and f'@{image}'}", Kind.TARBALL, path, image or None)
    if image:
        raise SpecError(
            f"{path} is an executable of this machine, and @{image} names an image",
            remedy="leave the image out, or give a tarball",
        )
    return Subject(name or Path(path).name, Kind.EXECUTABLE, path)
