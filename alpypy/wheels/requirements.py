"""Requirements files: read as pip does, and copied for containers with those that they refer to.

What runs in a container runs other people's programs with a network, so it sees these copies and
the folders of packages that they name, and nothing that lies beside them.
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
    """Requirements files in a folder of their own.

    ``names`` are those of the copies that were asked for; ``places`` files and folders of this
    machine that they name to find packages in. ``constraints`` hold versions, and ask for nothing.
    """

    names: tuple[str, ...]
    places: tuple[Path, ...]
    requirements: tuple[Requirement, ...]
    constraints: tuple[Requirement, ...]


def copy_files(files: Sequence[Path], folder: Path) -> Copies:
    """Copy requirements files, and those that they refer to with -r and -c, into ``folder``.

    Raises:
        SpecError: one of them does not exist, or is not text.
    """
    copying = _Copying(folder)
    names = tuple(copying.copy(file, held=False) for file in files)
    return Copies(
        names, tuple(copying.places), tuple(copying.requirements), tuple(copying.constraints)
    )


def in_effect(
    requirements: Iterable[Requirement],
    constraints: Iterable[Requirement],
    environment: Mapping[str, str],
) -> tuple[Requirement, ...]:
    """One requirement for each name that an interpreter needs, with all that holds its version.

    Args:
        environment: what the interpreter says for environment markers (PEP 508).
    """
    found: dict[str, Requirement] = {}
    for one in filter(lambda one: _holds(one, environment), requirements):
        name = canonicalize_name(one.name)
        found.setdefault(name, Requirement(one.name)).specifier &= one.specifier
    for one in constraints:
        name = canonicalize_name(one.name)
        if name in found and _holds(one, environment):
            found[name].specifier &= one.specifier
    return tuple(found.values())


def _holds(requirement: Requirement, environment: Mapping[str, str]) -> bool:
    return requirement.marker is None or requirement.marker.evaluate(dict(environment))


def local_path(word: str, folder: Path) -> Path | None:
    """The file or folder of this machine that a setting names, relative to ``folder``; None for
    an address, or where there is none."""
    if word.startswith("file:"):
        word = url2pathname(urlsplit(word).path)
    elif "://" in word or not word:
        return None
    path = folder / os.path.expanduser(word)
    return path.resolve() if os.path.exists(path) else None


def index_folder(index: Path) -> Path:
    """What of this machine belongs to an index of files: of a mirror, whose ``simple`` has links to
    the files beside it (bandersnatch), the folder around that. A home is never taken for one."""
    mirror = index.parent
    return mirror if index.name == "simple" and not Path.home().is_relative_to(mirror) else index


def written_out(word: str, path: Path) -> str:
    """The word with the whole path that it was found to name, as a container needs it."""
    return path.as_uri() if word.startswith("file:") else str(path)


@dataclass
class _Copying:
    folder: Path
    places: dict[Path, None] = field(default_factory=dict)
    requirements: list[Requirement] = field(default_factory=list)
    constraints: list[Requirement] = field(default_factory=list)
    _done: dict[tuple[Path, bool], str] = field(default_factory=dict)

    def copy(self, file: Path, *, held: bool) -> str:
        """The name of the copy of a file, which holds versions or asks for modules."""
        key = (file.resolve(), held)
        if key not in self._done:  # else two files that refer to each other would never end
            self._done[key] = name = f"{len(self._done)}-{file.name}"
            lines = [self._line(line, file, held) for line in _lines(_text(file))]
            (self.folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
        return self._done[key]

    def _line(self, line: str, file: Path, held: bool) -> str:
        if line.startswith("-"):
            return self._options(line, file, held)
        found = self.constraints if held else self.requirements
        # Else there is nothing on it, or a path: pip says what it takes it for.
        with suppress(InvalidRequirement):
            found.append(Requirement(re.split(r"\s-", line)[0].strip()))
        return line

    def _options(self, line: str, file: Path, held: bool) -> str:
        try:
            words = shlex.split(line)
        except ValueError:
            return line  # a quotation without an end: pip says so
        return shlex.join(
            self._value(option, value, file, held) if option else value
            for option, value in _values(words)
        )

    def _value(self, option: str, value: str, file: Path, held: bool) -> str:
        """What the copy has in the place of an option's value."""
        path = local_path(value, file.parent)
        if option in _PLACES:
            if path is None:
                return value
            self.places[index_folder(path) if option in _INDEXES else path] = None
            return written_out(value, path)
        if path is None and ("://" not in value or value.startswith("file:")):
            raise SpecError(
                f"{file} refers to {value!r}, which does not exist",
                remedy=f"correct it; it is looked for in {file.parent}",
            )
        return self.copy(path, held=held or option in _CONSTRAINTS) if path else value


def _text(file: Path) -> str:
    data = file.read_bytes()
    encoding = next((name for mark, name in _BOMS if data.startswith(mark)), "utf-8")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise SpecError(
            f"{file} is not text in UTF-8: byte {error.start} is {data[error.start]:#04x}",
            remedy="save it as UTF-8; a file's name that ends in .txt is one of requirements",
        ) from error


def _lines(text: str) -> Iterator[str]:
    """The lines without comments, those that end in a backslash joined with the next; as many as
    there were, for the numbers in pip's messages."""
    held, joined = "", 0
    for line in text.splitlines():
        comment = line.lstrip().startswith("#")
        if line.endswith("\\") and not comment:
            held, joined = held + line[:-1], joined + 1
            continue
        yield _COMMENT.sub("", held + (" " + line if comment else line)).strip()
        yield from [""] * joined
        held, joined = "", 0
    if held:
        yield _COMMENT.sub("", held).strip()


def _values(words: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Words of a line of options: with the option that it is the value of, for some options."""
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
