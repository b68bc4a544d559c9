"""What /proc says of the machine."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from alpypy.core.procfs import busy_seconds, memory, used_memory

MEMINFO = """\
MemTotal:       24683584 kB
MemFree:        14303544 kB
MemAvailable:   22361420 kB
SwapFree:              0 kB
HugePages_Total:       7
"""
# user nice system idle iowait irq softirq steal guest guest_nice
STAT = "cpu  1000 200 300 99999 8888 10 20 70 500 60\ncpu0 1 2 3 4 5 6 7 8 9 0\n"


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """A folder with these two files."""
    (tmp_path / "meminfo").write_text(MEMINFO)
    (tmp_path / "stat").write_text(STAT)
    return tmp_path


def test_sizes_are_bytes_and_what_is_no_size_is_left_out(proc: Path) -> None:
    assert memory(proc) == {
        "MemTotal": 24683584 << 10,
        "MemFree": 14303544 << 10,
        "MemAvailable": 22361420 << 10,
        "SwapFree": 0,
    }
    assert used_memory(proc) == (24683584 - 22361420) << 10


def test_idle_time_and_what_counts_twice_is_left_out(proc: Path) -> None:
    assert busy_seconds(proc) == 1600 / os.sysconf("SC_CLK_TCK")


def test_this_machine_has_used_some_memory_and_works_while_a_program_does() -> None:
    assert 0 < used_memory() < memory()["MemTotal"]
    before, since = busy_seconds(), time.process_time()
    while time.process_time() - since < 0.3:
        pass
    assert busy_seconds() - before > 0.2
