"""What does not fit a struct is named: where it stands, what it is, what it is to be."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import field
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from alpypy.core.errors import DataError
from alpypy.core.fields import FileUrl, PublishedSha256, Reason, Record, Sha256, Text, json_schema
from alpypy.core.fields import text as of_form
from alpypy.core.structs import (
    MismatchError,
    convert,
    list_from_text,
    list_to_text,
    read_json,
    read_toml,
)

DIGEST = "0123456789abcdef" * 4


class Inner(Record, frozen=True):
    """An entry."""

    name: Text
    sha256: Sha256 = DIGEST
    amount: int | float = 1
    kind: Literal["a", "b"] | None = None
    flag: bool = False
    words: tuple[str, ...] = ()
    environment: Mapping[str, str] = {}
    versions: SpecifierSet = field(default_factory=SpecifierSet)
    message: re.Pattern[str] | None = None


class Outer(Record, frozen=True):
    """A file."""

    entries: tuple[Inner, ...] = ()
    named: Mapping[Annotated[str, of_form("[a-z]+", "a small word")], Inner] = {}
    why: Reason = "because"
    url: FileUrl = "https://example.org/a"
    digest: PublishedSha256 = DIGEST
    version: Version | None = None
    takes: tuple[Requirement, ...] = ()


GOOD = """\
why = "so"
takes = ["openssl>=3"]
[[entries]]
name = "x"
versions = ">=3,<4"
message = "^a"
amount = 1.5
environment = { A = "b" }
[named.word]
name = "y"
"""


def read(tmp_path: Path, text: str) -> Outer:
    path = tmp_path / "versions/file.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return read_toml(path, Outer)


def test_a_file_that_fits(tmp_path: Path) -> None:
    found = read(tmp_path, GOOD)
    (entry,) = found.entries
    assert (entry.versions, entry.amount) == (SpecifierSet("<4,>=3"), 1.5)
    assert entry.message == re.compile("^a")
    assert (found.named["word"].name, found.takes) == ("y", (Requirement("openssl>=3"),))
    with pytest.raises(AttributeError):
        entry.name = "z"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "what", "remedy"),
    [
        ("why = ''", ": why is ''", "write the reason: it may not be empty"),
        ("why = 3", ": why is 3", "write the reason: it may not be empty"),
        ("digest = 'ab'", ": digest is 'ab'", "write the SHA-256 that the file's publisher lists"),
        ("url = 'http://h/a'", ": url is 'http://h/a'", "write an https address that ends in"),
        ("url = 'https://h/'", ": url is 'https://h/'", "write an https address that ends in"),
        ("version = 'one'", ": version is 'one'", "write a version such as 1.1.1"),
        ("version = 1.1", ": version is 1.1 (it is not in quotes)", "write a version such as"),
        ("takes = ['>3']", ": takes contains '>3'", "write a requirement such as openssl>=1.1,<3"),
        ("entries = 'x'", ": entries is 'x'", "write a list"),
        ("entries = ['x']", ": entries contains 'x'", "write a table of fields"),
        ("more = 1", ": more is unknown", "possible fields: entries, named, why, url"),
        ("[[entries]]", " [[entries]] number 1: name is missing", "add it: text"),
        ("[Named]", ": Named is unknown", "remove or correct it"),
        ("[named.Word]", " [named]: Word is not allowed as a name", "write a small word"),
        ("[named.word]\nname = 1", " [named] [word]: name is 1", "write text"),
        ("[named.a]\nname = 'x'\n[named.b]", " [named] [b]: name is missing", "add it: text"),
        ("why = [", "Invalid value", "correct that line"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, text: str, what: str, remedy: str) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path, text)
    assert caught.value.what.startswith("versions/file.toml")
    assert what in caught.value.what
    assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    ("field", "what", "remedy"),
    [
        ("kind = 'c'", "kind is 'c'", "write a or b"),
        ("flag = 1", "flag is 1", "write true or false"),
        ("amount = true", "amount is True", "write a number"),
        ("amount = '1'", "amount is '1'", "write a number"),
        ("words = 'a'", "words is 'a'", "write a list"),
        ("words = ['a', 1]", "words contains 1", "write text in quotes"),
        ("environment = { A = 'a', B = 1 }", "[environment]: B is 1", "write text in quotes"),
        ("versions = 'new'", "versions is 'new'", "write a range of versions such as >=3.17,<3.20"),
        ("message = '('", "message is '(' (missing ), unterminated", "write a regular expression"),
        ("nmae = 'x'", "nmae is unknown", "possible fields: name, sha256, amount"),
    ],
)
def test_an_entry_is_called_by_its_number_and_its_name(
    tmp_path: Path, field: str, what: str, remedy: str
) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path, f"[[entries]]\nname = 'one'\n[[entries]]\nname = 'two'\n{field}")
    place = "versions/file.toml [[entries]] number 2 (two)"
    assert caught.value.what.startswith(place)
    assert what in caught.value.what
    assert remedy in caught.value.remedy


def test_a_file_that_is_missing_or_not_text(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"file\.toml does not exist"):
        read_toml(tmp_path / "file.toml", Outer)
    (tmp_path / "file.toml").write_bytes(b"why = '\xff'")
    with pytest.raises(DataError, match=r"file\.toml: .* codec can't decode"):
        read_toml(tmp_path / "file.toml", Outer)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"entries": [{"name": "a", "flag": 1}]}, "entries[0].flag is 1, not true or false"),
        ({"entries": [{"name": "a\0"}]}, "entries[0].name is 'a\\x00', not text (without NUL)"),
        ({"entries": [{"name": "a", "sha256": f"{DIGEST}\n"}]}, "entries[0].sha256 is '0123"),
        ({"entries": [{}]}, "entries[0].name is missing"),
        ({"named": {"a": {"name": "a", "b": 1}}}, "named.a.b is unknown"),
        ({"entries": 5}, "entries is 5, not a list"),
        (5, "it is 5, not a table of fields"),
    ],
)
def test_the_same_in_one_line_for_documents(values: Any, said: str) -> None:
    with pytest.raises(MismatchError) as caught:
        convert(values, Outer)
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(
    "text", ["", "x", "NaN", "1e999", b"\xff", "\ud800", '"\\ud800"', "[" * 100_000, '{"a": 1} 2']
)
def test_what_is_no_json(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"it is not JSON: |it is nested too deeply"):
        read_json(text)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.sampled_from(Inner.__struct_fields__), values)
def test_a_value_of_any_form_is_kept_or_named(name: str, value: Any) -> None:
    document = {"entries": [{"name": "a", name: value}]}
    try:
        (entry,) = convert(document, Outer).entries
    except MismatchError as error:
        assert str(error).startswith(f"entries[0].{name}")
    else:
        kept = getattr(entry, name)
        assert kept == (tuple(value) if isinstance(value, list) else value) or isinstance(
            kept, SpecifierSet | re.Pattern
        )


def test_a_schema_says_what_the_types_say() -> None:
    schema = json_schema(Outer)
    inner, outer = schema["$defs"]["Inner"], schema["$defs"]["Outer"]
    assert outer["additionalProperties"] is inner["additionalProperties"] is False
    assert inner["required"] == ["name"]
    assert inner["properties"]["versions"]["description"].startswith("a range of versions")
    assert outer["properties"]["named"]["propertyNames"]["pattern"] == r"^(?:[a-z]+)(?![\s\S])"


@dataclass(frozen=True)
class Item:
    """An entry of a list in a label."""

    name: str
    good: bool


def test_a_list_in_a_label_is_read_back() -> None:
    items = (Item("b", True), Item("\u00e4 \n", False))
    text = list_to_text(items)
    assert "\n" not in text
    assert list_from_text(text, Item) == items
    assert list_from_text(list_to_text([]), Item) == ()


@pytest.mark.parametrize("text", ["", "7", "[7]", '[{"name": "x"}]', '[{"name": 1, "good": true}]'])
def test_another_text_in_a_label_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"it is not JSON|it is 7|\[0\]"):
        list_from_text(text, Item)
