"""The oldest musl that portable builds run with, and the symbols that its C library has."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from alpypy.core.errors import DataError
from alpypy.core.fields import Record
from alpypy.core.structs import read_toml
from alpypy.recipes.data import Arch

FILE_NAME = "musl.toml"


class MuslVariable(Record, frozen=True):
    """A variable: its names, those that are weak, and its size in bytes."""

    names: Annotated[tuple[str, ...], Meta(min_length=1)]
    size: Annotated[int, Meta(gt=0)]
    weak_names: tuple[str, ...] = ()


class MuslData(Record, frozen=True):
    """versions/musl.toml; ``functions_of`` has the functions of single architectures."""

    version: str
    functions: tuple[str, ...]
    weak_functions: tuple[str, ...]
    functions_of: dict[Arch, tuple[str, ...]]
    variables: tuple[MuslVariable, ...]


@dataclass(frozen=True)
class Musl:
    """A musl on an architecture, and what its C library exports."""

    version: str
    arch: str
    functions: tuple[str, ...]
    weak_functions: tuple[str, ...]
    variables: tuple[MuslVariable, ...]

    @property
    def soname(self) -> str:
        """The name by which programs need it."""
        return f"libc.musl-{self.arch}.so.1"

    @cached_property
    def symbols(self) -> frozenset[str]:
        """The names of all functions and variables."""
        variables = (name for one in self.variables for name in (*one.names, *one.weak_names))
        return frozenset((*self.functions, *self.weak_functions, *variables))


def load_musl(folder: Path, arch: str) -> Musl:
    """The oldest musl that portable builds run with.

    Args:
        folder: versions/.

    Raises:
        DataError: musl.toml cannot be used, or does not have the architecture.
    """
    data = read_toml(folder / FILE_NAME, MuslData)
    if arch not in data.functions_of:
        raise DataError(
            f"{folder.name}/{FILE_NAME} [functions_of] lacks {arch}",
            remedy="add the functions that only this architecture has; the list may be empty",
        )
    functions = (*data.functions, *data.functions_of[arch])
    return Musl(data.version, arch, functions, data.weak_functions, data.variables)
