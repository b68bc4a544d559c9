"""A command: a task of Invoke that takes one value, its options."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from invoke.context import Context
from invoke.parser.argument import Argument
from invoke.tasks import Task

from alpypy.cli import options as declared
from alpypy.cli.ending import ended_well

_Options = TypeVar("_Options")


class Command(Task[Callable[..., None]]):
    """A task whose arguments are the fields of a dataclass; see alpypy/cli/options.py."""

    def __init__(self, body: Callable[[Any], None], options: type) -> None:
        name = body.__name__

        def run(context: Context, **typed: Any) -> None:
            with ended_well():
                body(declared.read(name, options, typed))

        super().__init__(run, name=name, positional=declared.positional(options))
        self.options = options
        self.__doc__ = body.__doc__

    def get_arguments(self, ignore_unknown_help: bool | None = None) -> list[Argument]:
        """The options, as Invoke reads them."""
        return declared.arguments(self.options)


def command(options: type[_Options]) -> Callable[[Callable[[_Options], None]], Command]:
    """Make a function with these options a command, whose name and first line of help it gives."""
    return lambda body: Command(body, options)
