"""The symbols of the oldest musl that portable builds run with."""

from __future__ import annotations

from pathlib import Path

import pytest

from alpypy.core.errors import DataError
from alpypy.recipes.musl import Musl, load_musl
from alpypy.recipes.spec import ARCHITECTURES

ROOT = Path(__file__).parents[3]
# By the musl that has them first.
LATER = {
    "1.2.2": {"_Fork", "gettid", "reallocarray"},
    "1.2.3": {"qsort_r"},
    "1.2.5": {"preadv2", "pwritev2", "statx"},
}


@pytest.fixture(params=ARCHITECTURES)
def musl(request: pytest.FixtureRequest) -> Musl:
    return load_musl(ROOT / "versions", request.param)


def test_it_is_the_musl_that_the_tag_of_wheels_promises(musl: Musl) -> None:
    assert musl.version == "1.2.0"
    assert musl.soname == f"libc.musl-{musl.arch}.so.1"


def test_it_has_what_every_program_needs_and_nothing_that_came_later(musl: Musl) -> None:
    assert {"__libc_start_main", "malloc", "getrandom", "getentropy", "environ"} <= musl.symbols
    for names in LATER.values():
        assert not names & musl.symbols


def test_no_name_stands_twice(musl: Musl) -> None:
    variables = [name for one in musl.variables for name in (*one.names, *one.weak_names)]
    assert len((*musl.functions, *musl.weak_functions, *variables)) == len(musl.symbols)
    assert len(musl.symbols) > 1600


def test_the_names_of_one_variable_are_together(musl: Musl) -> None:
    [environ] = [one for one in musl.variables if "environ" in one.weak_names]
    assert environ.names == ("__environ",)
    assert environ.size == 8


def test_calls_of_one_architecture() -> None:
    found = {arch: load_musl(ROOT / "versions", arch).symbols for arch in ARCHITECTURES}
    assert found["x86_64"] - found["aarch64"] == {"arch_prctl", "ioperm", "iopl"}
    assert found["aarch64"] < found["x86_64"]


def test_an_architecture_that_the_file_lacks(tmp_path: Path) -> None:
    (tmp_path / "musl.toml").write_text(
        'version = "1"\nfunctions = []\nweak_functions = []\nfunctions_of = {}\nvariables = []\n'
    )
    with pytest.raises(DataError, match="lacks x86_64"):
        load_musl(tmp_path, "x86_64")
