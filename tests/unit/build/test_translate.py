"""What translating says about failures, memory, disk and processors."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpypy.build.estimates import translation_title
from alpypy.build.translate import check_resources, default_jobs, error_excerpt
from alpypy.core.errors import ResourceError
from alpypy.recipes.recipe import load_catalog
from alpypy.recipes.spec import Target

CATALOG = load_catalog(Path(__file__).parents[3])
RECIPE = CATALOG.recipe(Target("3.6-7.0.0", "3.9"))
SMALL = replace(RECIPE, memory_mib=1, disk_mib=1)
ABSURD = 1 << 40  # MiB

lines = st.lists(st.sampled_from(["[rtyper] specializing", "a.c:1: error: no", "", "x = True"]))


@given(lines, st.integers(min_value=3, max_value=40))
def test_the_excerpt_has_lines_of_the_log_in_their_order(tail: list[str], most: int) -> None:
    found = list(error_excerpt(tail, most))
    assert len(found) <= most
    assert (not found) == (not tail)
    assert any(tail[start : start + len(found)] == found for start in range(len(tail) + 1))
    assert any("error" in line for line in found) == any("error" in line for line in tail)


def test_the_last_lines_are_told_when_none_says_error() -> None:
    assert error_excerpt([str(number) for number in range(100)], 2) == ["98", "99"]


@pytest.mark.parametrize(
    "line",
    [
        "Traceback (most recent call last):",
        "[translation:ERROR] Error:",
        "../module_cache/x.c:12:3: error: conflicting types for 'stdin'",
        "/usr/bin/ld: x.o: undefined reference to `crypt'",
        "KeyError: 'x'; Error while translating",
    ],
)
def test_the_error_is_told_with_what_is_around_it(line: str) -> None:
    noise = [f"[rtyper] {number}" for number in range(500)]
    found = list(error_excerpt([*noise, line, "because", "of this", *noise[:40]]))
    assert found[:5] == ["[rtyper] 498", "[rtyper] 499", line, "because", "of this"]
    assert len(found) == 30


@pytest.mark.parametrize("prefix", ["", "[translation:ERROR] "])
def test_a_long_traceback_is_told_to_its_end(prefix: str) -> None:
    frames = [f'{prefix}  File "rtyper.py", line {number}' for number in range(60)]
    last = f"{prefix}TyperError: don't know how to convert"
    tail = [f"{prefix}Traceback (most recent call last):", *frames, last, "[translation] done"]
    assert last in error_excerpt(tail)


def test_enough_memory_and_disk_is_no_error(tmp_path: Path) -> None:
    check_resources(SMALL, tmp_path)
    with pytest.raises(ResourceError):
        check_resources(replace(SMALL, disk_mib=ABSURD), tmp_path)


def test_too_little_memory_is_said_with_both_numbers(tmp_path: Path) -> None:
    with pytest.raises(ResourceError) as caught:
        check_resources(replace(SMALL, memory_mib=ABSURD), tmp_path)
    assert f"needs about {ABSURD} MiB of memory" in caught.value.what
    assert "MiB are available" in caught.value.what
    assert "swap" in caught.value.remedy


def test_too_little_disk_is_said_with_the_folder(tmp_path: Path) -> None:
    with pytest.raises(ResourceError) as caught:
        check_resources(replace(SMALL, disk_mib=ABSURD), tmp_path)
    assert f"needs about {ABSURD} MiB of disk, but {tmp_path} has" in caught.value.what
    assert "ALPYPY_CACHE" in caught.value.remedy


def test_jobs_are_the_processors_that_this_process_may_use() -> None:
    assert default_jobs() == len(os.sched_getaffinity(0))
    first = min(os.sched_getaffinity(0))
    code = (
        f"import os; os.sched_setaffinity(0, {{{first}}});"
        "from alpypy.build.translate import default_jobs; print(default_jobs())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"


def test_titles_tell_the_small_pypy_from_the_whole_one() -> None:
    target = Target("2.7-7.3.23", "3.9")
    assert translation_title(CATALOG.recipe(target)) == "translate 2.7-7.3.23"
    small = translation_title(CATALOG.translator_recipe(target))
    assert small == "translate 2.7-7.3.23 translationmodules"
