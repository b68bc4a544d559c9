"""What a wheel is, and what stands beside it."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from alpypy.core.errors import ArchiveError, UnverifiedError
from alpypy.wheels import record as wheel_record
from alpypy.wheels.record import requires_python, wheel_name
from tests.releases import DATE, wheel, with_record

MUSL = "pp311-pypy311_pp73-musllinux_1_2_x86_64"


def test_what_is_kept_is_given_back(tmp_path: Path) -> None:
    record = wheel_record.read(with_record(wheel(tmp_path), "libffi"))
    assert record is not None
    assert (record.interpreter, record.alpine, record.date) == ("pypy3.11-7.3.22", "3.23", DATE)
    assert record.packages == ("libffi",)


def test_a_wheel_may_have_no_record(tmp_path: Path) -> None:
    assert wheel_record.read(wheel(tmp_path)) is None


def test_a_record_of_other_bytes_is_refused(tmp_path: Path) -> None:
    with_record(wheel(tmp_path))
    path = wheel(tmp_path, content="ANSWER = 43\n")
    with pytest.raises(UnverifiedError, match="is not the file that was tested"):
        wheel_record.read(path)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("schema", 2, "schema is 2, not 1, which this alpypy reads"),
        ("packages", ["--root=/", "x"], "is '--root=/', not the name of an Alpine package"),
        ("packages", "libffi", "not a list"),
        ("date", "yesterday", "date is 'yesterday'"),
        ("sha256", "abc", "not a SHA-256"),
        ("more", 1, "more is unknown"),
    ],
)
def test_a_damaged_record_is_named(tmp_path: Path, field: str, value: object, says: str) -> None:
    path = with_record(wheel(tmp_path))
    file = wheel_record.record_path(path)
    file.write_text(json.dumps(json.loads(file.read_text()) | {field: value}))
    with pytest.raises(UnverifiedError) as caught:
        wheel_record.read(path)
    assert says in caught.value.what


@pytest.mark.parametrize("text", ["", "[]", "null", "{}"])
def test_a_record_that_is_none(tmp_path: Path, text: str) -> None:
    path = wheel(tmp_path)
    wheel_record.record_path(path).write_text(text)
    with pytest.raises(UnverifiedError, match="is no"):
        wheel_record.read(path)


def test_the_name_of_a_wheel() -> None:
    name = wheel_name(f"Alpypy_Tiny-1.0+musl.1-{MUSL}.whl")
    assert (name.project, name.version, name.arch) == ("alpypy-tiny", "1.0+musl.1", "x86_64")
    assert [str(tag) for tag in name.tags] == [MUSL]
    pure = wheel_name("alpypy_tiny-1.0-py2.py3-none-any.whl")
    assert pure.arch == "any"
    assert len(pure.tags) == 2
    assert wheel_name("a-1-cp312-cp312-linux_aarch64.whl").arch == "aarch64"


@pytest.mark.parametrize("name", ["", "a.whl", "a-1.0.tar.gz", "a-x-py3-none-any.whl"])
def test_what_is_no_name_of_a_wheel(name: str) -> None:
    with pytest.raises(ArchiveError, match="is not the name of a wheel"):
        wheel_name(name)


def test_which_pythons_a_wheel_is_for(tmp_path: Path) -> None:
    assert requires_python(wheel(tmp_path)) == ">=3.6,<4"
    assert requires_python(wheel(tmp_path, requires=None)) is None


@pytest.mark.parametrize("damage", ["cut", "empty", "no_metadata", "two_metadata"])
def test_a_damaged_wheel_is_an_error(tmp_path: Path, damage: str) -> None:
    path = wheel(tmp_path)
    if damage in ("cut", "empty"):
        path.write_bytes(path.read_bytes()[: 100 if damage == "cut" else 0])
    else:
        with zipfile.ZipFile(path, "w") as made:
            for name in ("a", "b") if damage == "two_metadata" else ():
                made.writestr(f"{name}.dist-info/METADATA", "Name: a\n")
    with pytest.raises(ArchiveError, match=r"damaged|files METADATA"):
        requires_python(path)
