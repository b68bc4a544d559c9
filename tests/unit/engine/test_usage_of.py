"""Samples of the engine's API, cut down to what alpypy reads."""

from __future__ import annotations

from typing import Any

import pytest

from alpypy.engine.container import Usage, usage_of

CPU = {"cpu_usage": {"total_usage": 187883361082}, "online_cpus": 2}
# Docker 20.10 with cgroup v1.
V1 = {
    "cpu_stats": CPU,
    "memory_stats": {"usage": 1723392000, "stats": {"total_rss": 1633275904, "cache": 90000000}},
}
# With cgroup v2, the kernel has other names.
V2 = {
    "cpu_stats": CPU,
    "memory_stats": {"usage": 1723392000, "stats": {"anon": 1633275904, "file": 90000000}},
}
BARE = {"cpu_stats": CPU, "memory_stats": {"usage": 1723392000}}
# Docker goes on after the end of a container, until it is removed.
ENDED = {
    "cpu_stats": {"cpu_usage": {"total_usage": 0, "usage_in_kernelmode": 0}, "online_cpus": 0},
    "memory_stats": {},
}


@pytest.mark.parametrize("sample", [V1, V2])
def test_memory_is_without_the_page_cache_and_time_is_in_seconds(sample: dict[str, Any]) -> None:
    assert usage_of(sample) == Usage(1633275904, 187.883361082)


def test_all_memory_counts_where_the_engine_says_no_more() -> None:
    assert usage_of(BARE) == Usage(1723392000, 187.883361082)


@pytest.mark.parametrize("sample", [ENDED, {}, {"cpu_stats": None}, {"cpu_stats": {}}])
def test_a_container_that_has_ended_uses_nothing(sample: dict[str, Any]) -> None:
    assert usage_of(sample) is None
