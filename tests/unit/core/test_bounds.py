"""Bounds as they are typed."""

from __future__ import annotations

import pytest

from alpypy.core.bounds import Bound, Exceeded, Measure, read_bounds
from alpypy.core.errors import SpecError


def read(*texts: str) -> tuple[Bound, ...]:
    return read_bounds(
        texts,
        {"build", "jit"},
        example="--bound build=0.5",
        remedy="name build or jit",
        kinds=(Measure.TIME,),
    )


def test_a_name_and_a_ratio() -> None:
    assert read("build=0.45", "jit=2") == (Bound("build", 0.45), Bound("jit", 2.0))


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("build", "write --bound build=0.5"),
        ("build=0", "write --bound build=0.5"),
        ("build=-1", "write --bound build=0.5"),
        ("rtype=1", "name build or jit"),
        ("best:build=1", "name build or jit"),  # a kind that is not measured here
    ],
)
def test_what_is_no_bound_is_refused(text: str, remedy: str) -> None:
    with pytest.raises(SpecError, match=f"--bound {text} ") as caught:
        read(text)
    assert caught.value.remedy == remedy


def test_an_exceeded_bound_is_told() -> None:
    told = str(Exceeded("ours", Bound("build", 0.45), 0.5))
    assert told == "ours: build is 0.500, and may be 0.45 at most"
