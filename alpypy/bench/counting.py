"""Counts the instructions of a process, which do not depend on how busy the machine is.

perf reads the processor's counters, for processes of this machine. Virtual machines often have
none, and a container has no perf: then valgrind's cachegrind counts. It runs the process many
times as slowly. Its programs are linked statically, so Debian's run in every container.
"""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from alpypy.core.errors import SpecError

EVENT = "instructions:u"  # of the process, not of the kernel
# Where distributions keep valgrind's programs: Debian and Alpine, older Debians, others.
_FOLDERS = ("/usr/libexec/valgrind", "/usr/lib/{machine}-linux-gnu/valgrind", "/usr/lib/valgrind")
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}  # as valgrind calls them
_SUMMARY = re.compile(r"^summary: (\d+)", re.MULTILINE)
_PERF_LINE = re.compile(r"^(\d+),[^,]*,", re.MULTILINE)


class Counter(ABC):
    """Counts the instructions of processes. ``folder`` holds what it needs in a container."""

    name: ClassVar[str]
    folder: Path | None = None

    @abstractmethod
    def command(self, folder: str, output: str) -> Sequence[str]:
        """The words before a process's command.

        Args:
            folder: the path of ``folder``, as the process sees it.
            output: the file that the count is written to.
        """

    def environment(self, folder: str) -> Mapping[str, str]:
        """What the environment of the process must have."""
        return {}

    @abstractmethod
    def read(self, text: str) -> int | None:
        """The number in what was written; None without one."""


class Perf(Counter):
    """The processor's own counters."""

    name = "perf"

    def __init__(self, event: str = EVENT) -> None:
        self._event = event

    def command(self, folder: str, output: str) -> Sequence[str]:
        """Run a process and all that it starts."""
        return ["perf", "stat", "-x,", "-e", self._event, "-o", output, "--"]

    def read(self, text: str) -> int | None:
        """Read perf's line of values with commas between. A counter that the machine lacks has the
        value <not supported>."""
        match = _PERF_LINE.search(text)
        return int(match[1]) if match else None

    @property
    def works(self) -> bool:
        """Whether perf is installed and this machine counts for it."""
        if not shutil.which("perf"):
            return False
        command = self.command("", "/dev/stdout")
        done = subprocess.run([*command, "true"], capture_output=True, text=True, check=False)
        return self.read(done.stdout) is not None


class Cachegrind(Counter):
    """valgrind's cachegrind, without the cache that it can simulate."""

    name = "cachegrind"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def command(self, folder: str, output: str) -> Sequence[str]:
        """Run a process, without those that it starts. Code that a JIT writes over old code is
        noticed (--smc-check)."""
        options = ("--tool=cachegrind", "--quiet", "--cache-sim=no", "--smc-check=all-non-file")
        return [f"{folder}/{_program()}", *options, f"--cachegrind-out-file={output}"]

    def environment(self, folder: str) -> Mapping[str, str]:
        """What valgrind's own launcher would set."""
        return {"VALGRIND_LIB": folder, "VALGRIND_LAUNCHER": f"{folder}/valgrind"}

    def read(self, text: str) -> int | None:
        """Read the sum in cachegrind's file."""
        match = _SUMMARY.search(text)
        return int(match[1]) if match else None


def find_counter(*, containers: bool) -> Counter:
    """What can count on this machine.

    Args:
        containers: whether it has to count in containers too.

    Raises:
        SpecError: nothing can.
    """
    perf = Perf()
    if not containers and perf.works:
        return perf
    machine = platform.machine()
    for name in _FOLDERS:
        folder = Path(name.format(machine=machine))
        if (folder / _program()).is_file():
            return Cachegrind(folder)
    raise SpecError(
        "--instructions needs valgrind, which is not installed",
        remedy="apt-get install -y valgrind, or leave --instructions out",
    )


def _program() -> str:
    machine = platform.machine()
    return f"cachegrind-{_MACHINES.get(machine, machine)}-linux"
