"""Options of the commands: each is declared once, as a field of a frozen dataclass.

A field's type says how what was typed is read, its default what counts when nothing was. A field
without a default must be given.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from invoke.parser.argument import Argument

from alpypy.core.errors import SpecError

_Options = TypeVar("_Options")


@dataclass(frozen=True)
class Option:
    """What ``--help`` says of an option, whether it has no name, and the numbers that it takes."""

    help: str
    positional: bool = False
    least: int = 1
    most: int = 9999


@dataclass(frozen=True)
class _Declared:
    """A field as it is declared: ``download`` has ``from_`` for ``--from``."""

    field: str
    type: Any
    default: Any
    option: Option

    @property
    def name(self) -> str:
        """The option's name without dashes before it."""
        return self.field.rstrip("_").replace("_", "-")

    @property
    def title(self) -> str:
        """How messages call it: ``--from``, or ``TARBALL`` for one without a name."""
        return self.name.upper() if self.option.positional else f"--{self.name}"

    def argument(self) -> Argument:
        """How Invoke reads it: whether a value follows, or several."""
        several = self.type in (tuple[str, ...], tuple[Path, ...])
        return Argument(
            names=(self.name,),
            kind=(bool if self.type is bool else list if several else str),
            default=self.default if self.type is bool else None,
            help=self.option.help,
            positional=self.option.positional,
            attr_name=self.field if self.field != self.name else None,
        )

    def value(self, typed: Any) -> Any:
        """What was typed, as the field's type has it."""
        if self.type in (tuple[str, ...], tuple[Path, ...]):
            return tuple(map(Path, typed) if self.type == tuple[Path, ...] else typed)
        if self.type in (Path, Path | None):
            return Path(typed)
        return self._number(typed) if self.type == int | None else typed

    def _number(self, text: str) -> int:
        least, most = self.option.least, self.option.most
        if re.fullmatch(r"[0-9]{1,9}", text, re.ASCII) and least <= int(text) <= most:
            return int(text)
        raise SpecError(
            f"{self.title} is {text!r}",
            remedy=f"give a whole number from {least} to {most}, or leave it out",
        )


def arguments(options: type) -> list[Argument]:
    """The arguments that Invoke is to read for these options."""
    return [declared.argument() for declared in _declared(options)]


def positional(options: type) -> list[str]:
    """The fields whose values are given without a name."""
    return [declared.field for declared in _declared(options) if declared.option.positional]


def required(options: type) -> list[str]:
    """What must be given, as ``--help`` shows it."""
    needed = (declared for declared in _declared(options) if declared.default is MISSING)
    return [
        declared.title if declared.option.positional else f"{declared.title}=..."
        for declared in needed
    ]


def read(command: str, options: type[_Options], typed: Mapping[str, Any]) -> _Options:
    """The options of a command.

    Args:
        command: its name, for messages.
        typed: by field, what Invoke has read; None for what was not typed. An empty value counts as
            not typed.

    Raises:
        SpecError: an option is missing, or a value is no number where one is needed.
    """
    typed = {field: None if value == "" else value for field, value in typed.items()}
    declared = tuple(_declared(options))
    missing = [one for one in declared if one.default is MISSING and typed[one.field] is None]
    if missing:
        raise needs(command, {one.title: one.option.help for one in missing})
    given = (one for one in declared if typed[one.field] is not None)
    return options(**{one.field: one.value(typed[one.field]) for one in given})


def needs(command: str, missing: Mapping[str, str]) -> SpecError:
    """The error for what must be given and was not: its names and what ``--help`` says of each."""
    return SpecError(
        f"{command} needs {' and '.join(missing)}",
        remedy="\n  ".join(f"{title}: {text}" for title, text in missing.items()),
    )


def _declared(options: Any) -> Iterator[_Declared]:
    hints = get_type_hints(options, include_extras=True)
    for field in fields(options):
        annotated = hints[field.name]
        yield _Declared(field.name, annotated.__origin__, field.default, annotated.__metadata__[0])


# Options that several commands have.
ALPINE = Option("for which Alpine: 3.24 (default: the newest)")
ARCH = Option("x86_64 (default) or aarch64; the engine must run it")
MIRROR = Option("address below which files are looked for first; repeatable")
PORTABLE = Option("the portable one, which runs on every musl from 1.2.0 on")
PACKAGED_AS = Option("the version that the PyPy was packaged under, if another")
