"""versions/benchmarks.toml: the benchmarks, their groups, and how long each is measured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from alpypy.core.errors import SpecError
from alpypy.core.fields import Record, text
from alpypy.core.structs import read_toml

FILE_NAME = "benchmarks.toml"
PYPERFORMANCE, OWN = "pyperformance", "own"
MEAN = "mean"  # of all benchmarks, where a bound names it
# Where the programs are: below the folder of installed wheels, and below benchmarks/.
_PROGRAMS = "pyperformance/data-files/benchmarks"

_Name = Annotated[str, text("[a-z][a-z0-9_]*", "a name of small letters, digits and _")]
_Seconds = Annotated[float, Meta(gt=0, description="seconds, more than 0")]
_Count = Annotated[int, Meta(ge=1, le=1000, description="a number from 1 to 1000")]


class Timing(Record, frozen=True):
    """How long a process measures, in seconds, and how many values it takes at least and most."""

    value: _Seconds
    warmup: _Seconds
    steady: _Seconds
    least: _Count
    most: _Count
    timeout: _Seconds


class Counting(Record, frozen=True):
    """How instructions are counted: ``fewer`` times fewer loops for a value, so many values for
    warm-up, and so many that count; a process may take ``timeout`` seconds."""

    fewer: _Count
    warmups: _Count
    values: _Count
    timeout: _Seconds


class Program(Record, frozen=True):
    """A benchmark of pyperformance. ``script`` is its folder's name without ``bm_``, if that is not
    the benchmark's; ``task`` is which of the script's benchmarks it is."""

    name: _Name
    group: _Name
    script: _Name | None = None
    arguments: tuple[str, ...] = ()
    task: Annotated[int, Meta(ge=0, description="a number from 0 on")] = 0


class OwnGroup(Record, frozen=True):
    """The benchmarks of a file in benchmarks/own/. ``counted``: instructions say something about
    them."""

    group: _Name
    benchmarks: tuple[_Name, ...]
    counted: bool = True


class BenchmarkData(Record, frozen=True):
    """versions/benchmarks.toml."""

    timing: Timing
    fast: Timing
    instructions: Counting
    programs: tuple[Program, ...]
    own: tuple[OwnGroup, ...]


@dataclass(frozen=True)
class Benchmark:
    """A benchmark: ``script`` is a path below the folder of installed wheels if ``suite`` is
    pyperformance's, else below benchmarks/own/. ``counted``: its instructions can be counted."""

    name: str
    group: str
    suite: str
    script: str
    arguments: tuple[str, ...] = ()
    task: int = 0
    counted: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        """What ``--only`` and ``--bound`` may call it by: its name, its group, its suite."""
        return (self.name, self.group, self.suite)


def load(root: Path) -> BenchmarkData:
    """Read and check ``root``/versions/benchmarks.toml.

    Raises:
        DataError: a field is missing or unknown, or has a wrong value.
    """
    return read_toml(root / "versions" / FILE_NAME, BenchmarkData)


def benchmarks(data: BenchmarkData) -> tuple[Benchmark, ...]:
    """All benchmarks, in the order of the file."""
    return (*map(_of_pyperformance, data.programs), *(b for own in data.own for b in _own(own)))


def choose(found: Sequence[Benchmark], patterns: Iterable[str]) -> tuple[Benchmark, ...]:
    """The benchmarks that a pattern names, by name, group or suite; without patterns, all.

    Raises:
        SpecError: a pattern names none.
    """
    patterns = tuple(patterns)
    for pattern in patterns:
        if not any(_fits(benchmark, pattern) for benchmark in found):
            groups = dict.fromkeys(benchmark.group for benchmark in found)
            raise SpecError(
                f"--only {pattern} names no benchmark",
                remedy=f"the groups are {', '.join(groups)}; versions/{FILE_NAME} has all names",
            )
    if not patterns:
        return tuple(found)
    return tuple(b for b in found if any(_fits(b, pattern) for pattern in patterns))


def _fits(benchmark: Benchmark, pattern: str) -> bool:
    return any(fnmatchcase(name, pattern) for name in benchmark.names)


def _of_pyperformance(program: Program) -> Benchmark:
    script = f"{_PROGRAMS}/bm_{program.script or program.name}/run_benchmark.py"
    return Benchmark(
        program.name, program.group, PYPERFORMANCE, script, program.arguments, program.task
    )


def _own(own: OwnGroup) -> Iterable[Benchmark]:
    for name in own.benchmarks:
        script = f"bench_{own.group}.py"
        title = f"{own.group}.{name}"
        yield Benchmark(title, own.group, OWN, script, (name,), counted=own.counted)
