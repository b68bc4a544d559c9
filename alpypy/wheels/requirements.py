"""Requirements files: read as pip does, and copied for containers with the files they refer to.

A container runs other people's programs, with a network. So it sees these copies and the folders of
packages that they name, but nothing that lies beside the files.
"""

from __future__ import annotations

import codecs
import os
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from alpypy.core.errors import SpecError

# Source: https://pip.pypa.io/en/stable/reference/requirements-file-format/
_CONSTRAINTS = ("-c", "--constraint")
_FILES = ("-r", "--requirement", *_CONSTRAINTS)
_INDEXES = ("-i", "--index-url", "--extra-index-url")
_PLACES = ("-f", "--find-links", *_INDEXES)
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_COMMENT = re.compile(r"(^|\s+)#.*$")


@dataclass(frozen=True)
class Copies:
    """Copies of requirements files, in a folder of their own.

    ``names`` are the file names of the copies of the requested files. ``places`` are the files and
    folders of this machine that the files name as sources of packages. ``constraints`` limit
    versions, but request nothing.
    """

    names: tuple[str, ...]
    places: tuple[Path, ...]
    requirements: tuple[Requirement, ...]
    constraints: tuple[Requirement, ...]


def copy_files(files: Sequence[Path], folder: Path) -> Copies:
    """Copy requirements files, and the files that they name after -r and -c, into ``folder``.

    Raises:
        SpecError: a file does not exist, or is not text.
    """
    copier = _Copier(folder)
    names = tuple(copier.copy(file, constraint=False) for file in files)
    return Copies(
        names, tuple(copier.places), tuple(copier.requirements), tuple(copier.constraints)
    )


def in_effect(
    requirements: Iterable[Requirement],
    constraints: Iterable[Requirement],
    environment: Mapping[str, str],
) -> tuple[Requirement, ...]:
    """A requirement for each name that the interpreter needs, with all limits of its version.

    Args:
        environment: the interpreter's values for environment markers (PEP 508).
    """
    merged: dict[str, Requirement] = {}
    for requirement in requirements:
        if _applies(requirement, environment):
            first = merged.setdefault(
                canonicalize_name(requirement.name), Requirement(requirement.name)
            )
            first.specifier &= requirement.specifier
    for constraint in constraints:
        name = canonicalize_name(constraint.name)
        if name in merged and _applies(constraint, environment):
            merged[name].specifier &= constraint.specifier
    return tuple(merged.values())


def _applies(requirement: Requirement, environment: Mapping[str, str]) -> bool:
    return requirement.marker is None or requirement.marker.evaluate(dict(environment))


def local_path(word: str, folder: Path) -> Path | None:
    """The file or folder of this machine that a setting names, relative to ``folder``; None for
    an address, or if it does not exist."""
    if word.startswith("file:"):
        word = url2pathname(urlsplit(word).path)
    elif "://" in word or not word:
        return None
    path = folder / os.path.expanduser(word)
    return path.resolve() if os.path.exists(path) else None


def index_folder(index: Path) -> Path:
    """The folder of this machine that an index in files needs: usually its own.

    In a mirror (bandersnatch), ``simple`` links to the files beside it, so the mirror's folder is
    needed. A home folder never counts as a mirror.
    """
    mirror = index.parent
    return mirror if index.name == "simple" and not Path.home().is_relative_to(mirror) else index


def with_absolute_path(word: str, path: Path) -> str:
    """The word with the absolute path that it names, as a container needs it."""
    return path.as_uri() if word.startswith("file:") else str(path)


@dataclass
class _Copier:
    folder: Path
    places: dict[Path, None] = field(default_factory=dict)
    requirements: list[Requirement] = field(default_factory=list)
    constraints: list[Requirement] = field(default_factory=list)
    _done: dict[tuple[Path, bool], str] = field(default_factory=dict)

    def copy(self, file: Path, *, constraint: bool) -> str:
        """Copy a file once and return the copy's name. ``constraint``: it is a constraints file."""
        key = (file.resolve(), constraint)
        if key not in self._done:  # two files may refer to each other
            self._done[key] = name = f"{len(self._done)}-{file.name}"
            lines = [self._line(line, file, constraint) for line in _lines(_text(file))]
            (self.folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
        return self._done[key]

    def _line(self, line: str, file: Path, constraint: bool) -> str:
        if line.startswith("-"):
            return self._options(line, file, constraint)
        requirements = self.constraints if constraint else self.requirements
        # Else the line is empty, or a path, which is left to pip.
        with suppress(InvalidRequirement):
            requirements.append(Requirement(re.split(r"\s-", line)[0].strip()))
        return line

    def _options(self, line: str, file: Path, constraint: bool) -> str:
        try:
            words = shlex.split(line)
        except ValueError:
            return line  # a quotation mark is missing: pip reports it
        return shlex.join(
            self._value(option, value, file, constraint) if option else value
            for option, value in _values(words)
        )

    def _value(self, option: str, value: str, file: Path, constraint: bool) -> str:
        """The value that an option gets in the copy."""
        path = local_path(value, file.parent)
        if option in _PLACES:
            if path is None:
                return value
            self.places[index_folder(path) if option in _INDEXES else path] = None
            return with_absolute_path(value, path)
        if path is None and ("://" not in value or value.startswith("file:")):
            raise SpecError(
                f"{file} refers to {value!r}, which does not exist",
                remedy=f"correct the path; it is relative to {file.parent}",
            )
        return self.copy(path, constraint=constraint or option in _CONSTRAINTS) if path else value


def _text(file: Path) -> str:
    data = file.read_bytes()
    encoding = next((name for mark, name in _BOMS if data.startswith(mark)), "utf-8")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise SpecError(
            f"{file} is not text in UTF-8: byte {error.start} is {data[error.start]:#04x}",
            remedy="save it as UTF-8; alpypy reads each .txt file as a requirements file",
        ) from error


def _lines(text: str) -> Iterator[str]:
    """The lines without comments; a line that ends in a backslash is joined with the next.

    Empty lines keep their number the same, so that the line numbers in pip's messages are right.
    """
    start, joined = "", 0
    for line in text.splitlines():
        comment = line.lstrip().startswith("#")
        if line.endswith("\\") and not comment:
            start, joined = start + line[:-1], joined + 1
            continue
        yield _COMMENT.sub("", start + (" " + line if comment else line)).strip()
        yield from [""] * joined
        start, joined = "", 0
    if start:
        yield _COMMENT.sub("", start).strip()


def _values(words: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The words of a line of options, each after the option whose value it is (else "")."""
    rest = iter(words)
    for word in rest:
        option, sign, value = word.partition("=")
        if word in (*_FILES, *_PLACES):
            yield "", word
            yield word, next(rest, "")
        elif option in (*_FILES, *_PLACES) and sign and option.startswith("--"):
            yield "", option
            yield option, value
        elif word[:2] in (*_FILES, *_PLACES):
            yield "", word[:2]
            yield word[:2], word[2:]
        else:
            yield "", word
