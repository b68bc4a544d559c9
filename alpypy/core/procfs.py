"""What Linux says of the whole machine's memory and processors."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

_PROC = Path("/proc")
_KIBI = 1024


def memory(proc: Path = _PROC) -> Mapping[str, int]:
    """The sizes in proc_meminfo(5), in bytes: ``MemTotal``, ``MemAvailable``, ``SwapFree``..."""
    lines = (line.split() for line in (proc / "meminfo").read_text().splitlines())
    return {
        words[0].removesuffix(":"): int(words[1]) * _KIBI for words in lines if words[-1] == "kB"
    }


def used_memory(proc: Path = _PROC) -> int:
    """Bytes that programs cannot get without swapping; what files are cached in does not count."""
    sizes = memory(proc)
    return sizes["MemTotal"] - sizes["MemAvailable"]


def busy_seconds(proc: Path = _PROC) -> float:
    """Time that all processors together have worked since the machine started.

    The first line of proc_stat(5): waiting for the disk counts as idle, and what the host of a
    virtual machine took (``steal``) as work. Guests are part of ``user`` and ``nice``.
    """
    line = (proc / "stat").read_text().partition("\n")[0]
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, line.split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
