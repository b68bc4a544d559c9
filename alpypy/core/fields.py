"""Types for the fields of files: how alpypy checks a value, and what messages call it.

msgspec checks the values of structs by these types. The JSON Schemas in versions/schema are made
from them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from msgspec import Meta, Struct
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version


class Record(Struct, frozen=True, forbid_unknown_fields=True):
    """Base of all that is read from files: a frozen value that refuses unknown fields."""


def whole(pattern: str) -> str:
    r"""A pattern that matches a whole text, in Python and in JSON Schema, which has no ``\Z``.

    ``$`` alone would accept a newline at the end.
    """
    return rf"^(?:{pattern})(?![\s\S])"


def text(pattern: str, description: str) -> Meta:
    """A text that matches ``pattern`` as a whole; messages contain ``description``."""
    return Meta(pattern=whole(pattern), description=description)


# Paths and arguments cannot contain NUL. The JSON decoder refuses lone surrogates.
Text = Annotated[str, text(r"[^\0]*", "text (without NUL)")]
Sha256 = Annotated[str, text("[0-9a-f]{64}", "a SHA-256 in lower-case hexadecimal")]
Date = Annotated[
    str,
    text(r"[0-9]{4}(-[0-9]{2}){2}T([0-9]{2}:){2}[0-9]{2}Z", "a date such as 2025-11-21T14:05:00Z"),
]
# verify puts these names into a shell command: a name may not be an option or several words.
PackageName = Annotated[str, text("[0-9A-Za-z_][0-9A-Za-z_.+-]*", "the name of an Alpine package")]
FirstSchema = Annotated[Literal[1], Meta(description="1, which this alpypy reads")]
_PUBLISHED = "that the file's publisher lists; alpypy downloads nothing without it"
PublishedSha256 = Annotated[str, text("[0-9a-f]{64}", f"the SHA-256 {_PUBLISHED}")]
PublishedSha512 = Annotated[str, text("[0-9a-f]{128}", f"the SHA-512 {_PUBLISHED}")]
FileUrl = Annotated[
    str, text(r"https://[^\s/]+/\S*[^\s/]", "an https address that ends in a file name")
]
Reason = Annotated[str, Meta(pattern=r"\S", description="the reason: it may not be empty")]

# Types that are written as text: the function that reads it, and its name in messages.
_PARSED: Mapping[Any, tuple[Callable[[str], object], str]] = {
    SpecifierSet: (SpecifierSet, "a range of versions such as >=3.17,<3.20"),
    Version: (Version, "a version such as 1.1.1"),
    Requirement: (Requirement, "a requirement such as openssl>=1.1,<3"),
    re.Pattern: (re.compile, "a regular expression"),
    Path: (Path, "the path of a file"),
}
_NAMES: Mapping[Any, str] = {
    str: "text in quotes",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    tuple: "a list",
}


def json_schema(kind: Any) -> dict[str, Any]:
    """The JSON Schema of a TOML file that alpypy reads into ``kind``."""
    schema: dict[str, Any] = msgspec.json.schema(kind, schema_hook=_schema_of_text)
    return schema


def _schema_of_text(kind: Any) -> dict[str, Any]:
    return {"type": "string", "description": called(kind)}


def parse(kind: Any, value: object) -> Any:
    """Read a value of a type that is written as text, for msgspec.

    Raises:
        ValueError: the text does not have the type's form.
    """
    if not isinstance(value, str):
        raise ValueError("it is not in quotes")
    try:
        return _PARSED[get_origin(kind) or kind][0](value)
    except re.error as error:
        raise ValueError(str(error)) from error


def bare(kind: Any) -> Any:
    """A type without its description, and without the None of an optional field."""
    if get_origin(kind) is Annotated:
        return bare(get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        return bare(next(part for part in get_args(kind) if part is not NoneType))
    return kind


def called(kind: Any) -> str:
    """The name of a type's values in messages."""
    if get_origin(kind) in (Union, UnionType):
        first, *more = (part for part in get_args(kind) if part is not NoneType)
        return called(float if float in more else first)
    if get_origin(kind) is Annotated:
        return str(get_args(kind)[1].description)
    if get_origin(kind) is Literal:
        return " or ".join(map(str, get_args(kind)))
    plain = get_origin(kind) or kind
    return _PARSED[plain][1] if plain in _PARSED else _NAMES.get(plain, "a table of fields")
