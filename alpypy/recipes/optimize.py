"""How the C compiler compiles what RPython wrote: versions/optimize.toml."""

from __future__ import annotations

from pathlib import Path

from alpypy.core.errors import DataError, SpecError
from alpypy.core.fields import Reason, Record
from alpypy.core.structs import read_toml


class OptimizationLevel(Record, frozen=True):
    """A level: the flags to compile with for the training, those for the PyPy, and those to link.

    Without ``use``, the objects that the translation compiled are taken.
    """

    name: str
    why: Reason
    generate: tuple[str, ...] = ()
    use: tuple[str, ...] = ()
    link: tuple[str, ...] = ()


class OptimizationData(Record, frozen=True):
    """versions/optimize.toml."""

    default: str
    levels: tuple[OptimizationLevel, ...]

    def level(self, name: str | None) -> OptimizationLevel:
        """The level of that name; without one, the default.

        Raises:
            SpecError: there is no such level.
        """
        for level in self.levels:
            if level.name == (name or self.default):
                return level
        names = ", ".join(level.name for level in self.levels)
        raise SpecError(f"--optimize is {name!r}", remedy=f"choose one of {names}")

    def suffix(self, level: OptimizationLevel) -> str:
        """What stands behind the version in names. The default has nothing there."""
        return "" if level.name == self.default else f"-{level.name.replace('+', '-')}"


def load_optimizations(folder: Path) -> OptimizationData:
    """Read optimize.toml in ``folder``, which is versions/.

    Raises:
        DataError: the file cannot be used, the default is none of its levels, or a level
            has only one of ``generate`` and ``use``.
    """
    data = read_toml(folder / "optimize.toml", OptimizationData)
    for level in data.levels:
        if bool(level.generate) != bool(level.use):
            raise DataError(
                f"versions/optimize.toml: {level.name} has only one of generate and use",
                remedy="give both, or none",
            )
    if data.default not in {level.name for level in data.levels}:
        raise DataError(
            f"versions/optimize.toml: no level has the default's name, {data.default!r}",
            remedy="correct one of the two",
        )
    return data
