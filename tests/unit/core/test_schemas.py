"""The JSON Schemas of versions/: made of the structs, found by editors, true of every file."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from scripts.schemas import FOLDER, KINDS, ROOT, texts

FILES = sorted((*(ROOT / "versions").glob("*.toml"), *(ROOT / "ledger").glob("*.toml")))
MARK = "#:schema "
Change = Callable[[dict[str, Any]], object]


def schema_of(file: Path) -> Path:
    """The schema that an editor finds for a file."""
    first = file.read_text(encoding="utf-8").partition("\n")[0]
    assert first.startswith(MARK), f"{file.name} does not begin with {MARK}"
    return file.parent / first.removeprefix(MARK)


def complaints(file: Path, values: object) -> list[str]:
    schema = json.loads(schema_of(file).read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return [error.message for error in Draft202012Validator(schema).iter_errors(values)]


def test_the_schemas_are_those_of_the_structs() -> None:
    found = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / FOLDER).iterdir()}
    assert found == texts(), "write them again: nox -s schemas"


def test_every_file_has_a_schema() -> None:
    names = {path.stem for path in FILES if path.parent.name == "versions"}
    assert names | {"ledger"} == set(KINDS)
    assert len(FILES) > 20


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_a_file_fits_its_schema(file: Path) -> None:
    kind = "ledger" if file.parent.name == "ledger" else file.stem
    assert schema_of(file).resolve() == ROOT / FOLDER / f"{kind}.json"
    assert complaints(file, tomllib.loads(file.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("pypy", lambda file: file["2.7-7.0.0"].update(sha256="abc"), "'abc' does not match"),
        ("pypy", lambda file: file["2.7-7.0.0"].pop("sha256"), "'sha256' is a required property"),
        ("pypy", lambda file: file["2.7-7.0.0"].update(ulr="x"), "'ulr' was unexpected"),
        ("pypy", lambda file: file.update({"pypy-7": {}}), "'pypy-7' does not match"),
        ("alpine", lambda file: file["3.9"]["rootfs"].update(mips={}), "'mips' does not match"),
        ("tls", lambda file: file["libraries"][0].update(alpine=3), "3 is not of type 'string'"),
        ("verify", lambda file: file["allowed"][0].update(why=" "), "' ' does not match"),
    ],
)
def test_what_alpypy_refuses_an_editor_marks(name: str, change: Change, said: str) -> None:
    file = ROOT / f"versions/{name}.toml"
    values = tomllib.loads(file.read_text(encoding="utf-8"))
    change(values)
    assert any(said in complaint for complaint in complaints(file, values))
