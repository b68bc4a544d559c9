"""The program ``alpypy``: Invoke's own one, with alpypy's commands and its kind of message."""

from __future__ import annotations

import contextlib
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

from invoke import program
from invoke.collection import Collection
from invoke.exceptions import Exit, ParseError
from invoke.parser.argument import Argument

import alpypy
from alpypy.cli import bench, builds, checks, images, patches, proxy, releases, update, wheels
from alpypy.cli import options as declared
from alpypy.cli.command import Command
from alpypy.cli.ending import end_with
from alpypy.cli.refusals import mistaken_option, refusal
from alpypy.core import log
from alpypy.core.errors import SpecError

COMMANDS = (
    builds.quickstart,
    builds.bootstrap,
    builds.build,
    builds.plan,
    builds.reference,
    checks.verify,
    checks.check,
    bench.bench,
    images.image,
    images.kit,
    patches.patches,
    proxy.proxy,
    releases.release,
    releases.publish,
    releases.download,
    update.update,
    wheels.wheels,
)
# Of Invoke's own options, those that mean something here.
_SHOWN = ("help", "list", "quiet", "verbose", "version", "print-completion-script")


def namespace() -> Collection:
    """All commands, as Invoke has them."""
    return Collection(*COMMANDS)


class Program(program.Program):
    """Invoke's program, which ends a wrong command line with alpypy's message and code."""

    def __init__(self, name: str = "alpypy") -> None:
        super().__init__(namespace=namespace(), binary=name, binary_names=[name])

    def core_args(self) -> list[Argument]:
        """Invoke's options, and how much is told."""
        own = [
            Argument(names=("verbose", "v"), kind=bool, default=False, help="Tell more."),
            Argument(names=("quiet", "q"), kind=bool, default=False, help="Tell errors only."),
        ]
        return [*super().core_args(), *own]

    def parse_core(self, argv: list[str] | None) -> None:
        """Read the program's own options."""
        with self._refusing():
            super().parse_core(argv)
        self._take_own_options(self.core.unparsed)
        # Invoke turns the cache of compiled modules off, and each start would compile them all.
        sys.dont_write_bytecode = bool(sys.flags.dont_write_bytecode)

    def parse_tasks(self) -> None:
        """Read the commands and their options."""
        with self._refusing():
            super().parse_tasks()
        for context in self.tasks:
            if mistaken := mistaken_option(context, self.binary):
                end_with(mistaken)

    def parse_cleanup(self) -> None:
        """Print what ``--help`` and ``--list`` ask for."""
        with self._refusing():
            super().parse_cleanup()

    def execute(self) -> None:
        """Run the commands, which tell as much as is wanted."""
        verbose, quiet = self.args.verbose.value, self.args.quiet.value
        if verbose and quiet:
            end_with(SpecError("-v and -q contradict each other", remedy="give one of them"))
        log.configure(verbose=verbose, quiet=quiet)
        super().execute()

    def print_version(self) -> None:
        """Print alpypy's version; Invoke's is not meant."""
        print(f"alpypy {alpypy.__version__}")

    def print_help(self) -> None:
        """Print the options and the commands."""
        print(f"Usage: {self.binary} [options] COMMAND [the command's options]\n\nOptions:\n")
        shown = {f"--{name}" for name in _SHOWN}
        tuples = self.initial_context.help_tuples()
        self.print_columns([row for row in tuples if shown & set(_names(row[0]))])
        self.list_tasks()

    def print_task_help(self, name: str) -> None:
        """Print what a command does and its options."""
        command = self.collection[name]
        assert isinstance(command, Command)
        needed = " ".join(declared.required(command.options))
        print(f"Usage: {self.binary} {name} {needed} [options]\n\n{inspect.getdoc(command)}\n")
        print("Options:\n")
        self.print_columns(self.parser.contexts[name].help_tuples())

    def task_list_opener(self, extra: str = "") -> str:
        """The title of the list of commands."""
        return f"Commands ({self.binary} --help COMMAND shows the options of one)"

    def _take_own_options(self, words: list[str]) -> None:
        """Take those that stand behind the command: there Invoke would take them for a value
        without a name, where the command has such a value."""
        for name in ("help", "quiet", "verbose"):
            spellings = {f"--{name}", f"-{name[0]}"}
            if spellings.intersection(words):
                words[:] = [word for word in words if word not in spellings]
                self.args[name].value = words[0] if name == "help" else True
        if self.args.help.value:
            words.clear()

    @contextlib.contextmanager
    def _refusing(self) -> Iterator[None]:
        try:
            yield
        except ParseError as error:
            end_with(refusal(error, self.binary, (command.name for command in COMMANDS)))
        except ValueError as error:  # of Invoke's own options that are numbers
            end_with(SpecError(str(error), remedy=f"see `{self.binary} --help`"))
        except Exit as error:
            if not error.message:
                raise
            end_with(SpecError(error.message, remedy=f"`{self.binary} --list` shows all commands"))


def _names(specification: str) -> list[str]:
    """The options of a line of help: ``--list[=STRING], -l [STRING]``."""
    return [word.partition("=")[0].rstrip("[") for word in specification.split(", ")]


def main() -> None:
    """What the command ``alpypy`` runs."""
    Program().run()


def take_over() -> None:
    """Go on as alpypy's program where Invoke's own one has loaded tasks.py.

    Invoke's ends a wrong command line in its own words, and knows no ``-v`` and ``-q``.
    """
    started = Path(sys.argv[0])
    if started.stem in ("inv", "invoke") or started.parts[-2:] == ("invoke", "__main__.py"):
        Program("invoke").run()
        sys.exit()
