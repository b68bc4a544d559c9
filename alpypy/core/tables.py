"""Tables of TOML files, read field by field; every complaint says where it comes from."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from alpypy.core.errors import DataError

_DIGEST_LENGTHS = {"sha256": 64, "sha512": 128}
_KINDS = {str: "a quoted word", int: "a number", list: "a list", dict: "a table"}
_T = TypeVar("_T")


def read_table(root: Path, name: str, folder: str = "versions") -> Table:
    """The file ``root``/``folder``/``name``.

    Raises:
        DataError: it is missing or not TOML.
    """
    return read_file(root / folder / name)


def read_file(path: Path) -> Table:
    """A TOML file, called by its folder and name.

    Raises:
        DataError: it is missing or not TOML.
    """
    where = f"{path.parent.name}/{path.name}"
    try:
        return Table(where, tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist", remedy="restore it") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{where}: {error}", remedy="correct that line") from error


class Table:
    """A table of a TOML file; its methods raise DataError, naming file, entry and field."""

    def __init__(self, where: str, values: Mapping[str, Any]) -> None:
        self.where = where
        self._values = values

    def error(self, what: str, remedy: str) -> DataError:
        """A DataError about this table, to be raised."""
        return DataError(f"{self.where}: {what}", remedy=remedy)

    def allow(self, *keys: str) -> None:
        """Refuse fields that nothing reads: most are misspelt."""
        unknown = sorted(set(self._values) - set(keys))
        if unknown:
            raise self.error(
                f"unknown field {', '.join(unknown)}", f"remove it; known are {', '.join(keys)}"
            )

    def names(self) -> Iterable[str]:
        """Names of the fields, in the order of the file."""
        return self._values.keys()

    def has(self, key: str) -> bool:
        """Whether the field is there."""
        return key in self._values

    def _value(self, key: str, kind: type[_T]) -> _T:
        if key not in self._values:
            raise self.error(f"{key} is missing", f"add {key} to this entry")
        value = self._values[key]
        if not isinstance(value, kind) or isinstance(value, bool):
            raise self.error(f"{key} is {value!r}", f"write it as {_KINDS[kind]}")
        return value

    def text(self, key: str) -> str:
        """A word that must be there."""
        return self._value(key, str)

    def optional_text(self, key: str) -> str | None:
        """A word, None when the field is not there."""
        return self.text(key) if self.has(key) else None

    def choice(self, key: str, known: Iterable[str]) -> str:
        """A word that is the name of another entry."""
        value = self.text(key)
        if value not in known:
            raise self.error(f"{key} is {value!r}, which versions/ does not have", "correct it")
        return value

    def flag(self, key: str) -> bool:
        """Whether a field is true; False when it is not there."""
        value = self._values.get(key, False)
        if not isinstance(value, bool):
            raise self.error(f"{key} is {value!r}", "write it as true or false")
        return value

    def number(self, key: str) -> int:
        """A whole number that must be there."""
        return self._value(key, int)

    def amount(self, key: str) -> float:
        """A number, whole or not, that must be there."""
        value = self._values.get(key)
        return value if isinstance(value, float) else float(self.number(key))

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of words that must be there, possibly empty."""
        values = self._value(key, list)
        if not all(isinstance(value, str) for value in values):
            raise self.error(f"{key} is {values!r}", "write it as a list of quoted words")
        return tuple(values)

    def called(self, name: str) -> Table:
        """The same table, with a word of its own beside its place in what is said of it."""
        return Table(f"{self.where} ({name})", self._values)

    def table(self, key: str) -> Table:
        """A table inside this one that must be there."""
        return Table(f"{self.where} [{key}]", self._value(key, dict))

    def tables(self, key: str) -> tuple[Table, ...]:
        """A list of tables that must be there."""
        values = self._value(key, list)
        if not all(isinstance(value, dict) for value in values):
            raise self.error(f"{key} is {values!r}", f"write each as [[{key}]]")
        return tuple(
            Table(f"{self.where} [{key}] number {number}", value)
            for number, value in enumerate(values, 1)
        )

    def range(self, key: str) -> SpecifierSet:
        """A range of versions; all when the field is not there."""
        try:
            return SpecifierSet(self.text(key) if self.has(key) else "")
        except InvalidSpecifier as error:
            raise self.error(f"{key}: {error}", "write a range such as >=3.17,<3.20") from error

    def version(self, key: str) -> Version:
        """A version that must be there."""
        try:
            return Version(self.text(key))
        except InvalidVersion as error:
            raise self.error(f"{key}: {error}", "write a version such as 1.1.1") from error

    def digest(self, algorithm: str) -> str:
        """The field named ``algorithm``: sha256 or sha512, in lower-case hexadecimal."""
        value = self._values.get(algorithm, "")
        if not re.fullmatch(rf"[0-9a-f]{{{_DIGEST_LENGTHS[algorithm]}}}", str(value)):
            raise self.error(
                f"{algorithm} is missing or not a digest",
                f"add the {algorithm} that the publisher of the file lists; nothing is downloaded"
                " without one",
            )
        return str(value)

    def url(self) -> str:
        """The field ``url``: an https address of a file."""
        value = self.text("url")
        if not re.fullmatch(r"https://[^\s/]+/\S*[^\s/]", value):
            raise self.error(f"url is {value!r}", "write an https address that ends in a file name")
        return value
