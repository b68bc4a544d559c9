"""Reads TOML and JSON files into structs, and explains in plain words what does not fit."""

from __future__ import annotations

import json
import re
import reprlib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

import msgspec

from alpypy.core.errors import DataError
from alpypy.core.fields import bare, called, parse

_T = TypeVar("_T")
_Steps = tuple[str | int, ...]
_MESSAGE = re.compile(r"(?P<said>.*?)(?: - at (?P<key>`key` in )?`\$(?P<path>[^`]*)`)?", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.*)`", re.DOTALL)
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_STEP = re.compile(r"\.(?P<field>\w+)|\[(?P<item>\d+|\.\.\.)\]")
_LONGEST_LABEL = 60  # characters
_short = reprlib.Repr()
_short.maxstring = _short.maxother = 100  # characters


class MismatchError(ValueError):
    """A value that does not fit. ``steps`` lead to it: field names, and item numbers from 0."""

    def __init__(self, steps: _Steps, complaint: str, remedy: str, wanted: str = "") -> None:
        super().__init__(complaint)
        self.steps = steps
        self.complaint = complaint
        self.remedy = remedy
        self._wanted = wanted

    def __str__(self) -> str:
        """Place and complaint in one line: ``phases[0].seconds is '82', not a number``."""
        steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.steps)
        place = "".join(steps).removeprefix(".") or "it"
        return f"{place} {self.complaint}{self._wanted and f', not {self._wanted}'}"


def convert(values: object, kind: type[_T], *steps: str | int) -> _T:
    """Values as a struct. ``steps`` lead to them if they are only a part of a document.

    Raises:
        MismatchError: a value is missing, unknown or invalid.
    """
    try:
        return msgspec.convert(values, kind, dec_hook=parse)
    except msgspec.ValidationError as error:
        raise _mismatch(str(error), _Place(steps, values, kind)) from error


def read_json(content: str | bytes) -> Any:
    """The values of a JSON document.

    Raises:
        ValueError: it is not JSON, is nested too deeply or has a number that is too large.
    """
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise ValueError(f"it is not JSON: {error}") from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def list_to_text(items: Iterable[Any]) -> str:
    """Dataclasses as one line of JSON, for the label of an image."""
    return json.dumps([asdict(item) for item in items], sort_keys=True)


def list_from_text(text: str, kind: type[_T]) -> tuple[_T, ...]:
    """Read what ``list_to_text`` wrote of dataclasses of this kind.

    Raises:
        ValueError: it is no such list.
    """
    return convert(read_json(text), tuple[kind, ...])  # type: ignore[valid-type]


def read_toml(path: Path, kind: type[_T]) -> _T:
    """A TOML file as a struct.

    Raises:
        DataError: it is missing, is not TOML or does not fit; the message names file, entry and
            field.
    """
    file = f"{path.parent.name}/{path.name}"
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist", remedy="restore it") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: {error}", remedy="correct that line") from error
    try:
        return convert(values, kind)
    except MismatchError as error:
        raise DataError(f"{file}{_entry(values, error)}", remedy=error.remedy) from error


@dataclass(frozen=True)
class _Place:
    """A value in a document, the steps to it, and its expected type, if that is known."""

    steps: _Steps
    value: Any
    kind: Any

    def below(self, step: str | int) -> _Place:
        return _Place((*self.steps, step), self.value[step], _inner(self.kind, step))

    def wrong_key(self) -> str:
        """The key of a table that is not allowed; msgspec does not say which."""
        kind = get_args(self.kind)[0]
        return str(next(name for name in self.value if not _fits(name, kind)))

    def key_of_wrong_value(self) -> str:
        """The key of a table whose value does not fit; msgspec does not say which."""
        kind = _inner(self.kind, "")
        return str(next(name for name, value in self.value.items() if not _fits(value, kind)))


def _mismatch(message: str, place: _Place) -> MismatchError:
    """msgspec's complaint about a document, with the values and names that it leaves out."""
    match = _MESSAGE.fullmatch(message)
    assert match is not None
    for step in _STEP.finditer(match["path"] or ""):
        item = place.key_of_wrong_value() if step["item"] == "..." else int(step["item"] or 0)
        place = place.below(step["field"] or item)
    steps, wanted = place.steps, called(place.kind)
    if match["key"]:
        name, wanted = place.wrong_key(), called(get_args(place.kind)[0])
        return MismatchError((*steps, name), "is not allowed as a name", f"write {wanted}")
    if missing := _MISSING.fullmatch(match["said"]):
        wanted = called(_inner(place.kind, missing[1]))
        return MismatchError((*steps, missing[1]), "is missing", f"add it: {wanted}")
    if unknown := _UNKNOWN.fullmatch(match["said"]):
        known = ", ".join(bare(place.kind).__struct_fields__)
        return MismatchError(
            (*steps, unknown[1]), "is unknown", f"remove or correct it; possible fields: {known}"
        )
    complaint, remedy = f"is {_short.repr(place.value)}", f"write {wanted}"
    if not match["said"].startswith(("Expected", "Invalid")):  # these only repeat the type
        complaint += f" ({match['said']})"
        if isinstance(place.value, Mapping):  # a table of fields that do not go together
            remedy, wanted = "correct its fields", ""
    return MismatchError(steps, complaint, remedy, wanted)


def _fits(value: object, kind: Any) -> bool:
    try:
        convert(value, kind)
    except MismatchError:
        return False
    return True


def _inner(kind: Any, step: str | int) -> Any:
    """The type of a struct's field, or of the items of a list or a table."""
    kind = bare(kind)
    if hasattr(kind, "__struct_fields__"):
        return get_type_hints(kind, include_extras=True).get(str(step))
    parts = [part for part in get_args(kind) if part is not ...]
    return parts[-1] if parts else None


def _entry(values: Any, error: MismatchError) -> str:
    """Where to look in a TOML file, and what is wrong there."""
    *entries, name = error.steps
    complaint = f"{name} {error.complaint}"
    if isinstance(name, int):
        complaint = f"{entries.pop()} contains {error.complaint.removeprefix('is ')}"
    words = []
    for step in entries:
        values = values[step]
        if isinstance(step, int):
            words.append(f"number {step + 1}{_label(values)}")
        else:
            words.append(f"[[{step}]]" if isinstance(values, list) else f"[{step}]")
    return f"{' '.join(['', *words])}: {complaint}"


def _label(entry: Mapping[str, Any]) -> str:
    """The first value of an entry in a list, which is usually its name."""
    first = next(iter(entry.values()), None)
    first = first[0] if isinstance(first, list) and first else first
    return f" ({first})" if isinstance(first, str) and len(first) <= _LONGEST_LABEL else ""
