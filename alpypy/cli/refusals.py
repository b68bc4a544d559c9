"""What Invoke's parser does not take, told as alpypy tells a mistake: what, and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterable

from invoke.exceptions import ParseError
from invoke.parser.context import ParserContext

from alpypy.cli.options import needs
from alpypy.core.errors import SpecError

# Invoke has one class for all its refusals; its texts say which one it is.
_UNKNOWN = re.compile(r"No idea what ['\"](?P<word>.*)['\"] is!", re.DOTALL)
_NO_VALUE = re.compile(r"Flag <Argument: (?P<name>[^ >]+).* needed value and was not given one!")


def refusal(error: ParseError, program: str, commands: Iterable[str]) -> SpecError:
    """The error for a command line that Invoke refuses.

    Args:
        program: what the person typed to start alpypy.
        commands: names of all commands.
    """
    context = error.context
    command = context.name if context else None
    if context and (missing := context.missing_positional_args):
        return needs(str(command), {str(one.names[0]).upper(): one.help or "" for one in missing})
    if context and (mistaken := mistaken_option(context, program)):
        return mistaken
    help_ = f"`{program} --help {command}` shows its options" if command else _see(program)
    if unknown := _UNKNOWN.fullmatch(str(error)):
        word = unknown["word"]
        if context and command:
            return _unknown_word(context, word, program)
        kind = "option" if word.startswith("-") else "command"
        return SpecError(f"there is no {kind} {word}", remedy=_nearest(word, commands) or help_)
    if valueless := _NO_VALUE.fullmatch(str(error)):
        name = valueless["name"].replace("_", "-")
        return SpecError(f"--{name} was given without a value", remedy=help_)
    return SpecError(str(error), remedy=help_)


def mistaken_option(context: ParserContext, program: str) -> SpecError | None:
    """The error for a misspelt option that Invoke took for a value without a name, if there is."""
    for argument in context.positional_args:
        if str(argument.raw_value).startswith("-"):
            return _unknown_word(context, str(argument.raw_value), program)
    return None


def _unknown_word(context: ParserContext, word: str, program: str) -> SpecError:
    command = context.name
    if word.startswith("-"):
        return SpecError(
            f"{command} has no option {word.partition('=')[0]}",
            remedy=_nearest(word.partition("=")[0], context.flags)
            or f"`{program} --help {command}` shows its options",
        )
    if context.positional_args:
        argument = context.positional_args[-1]
        title = str(argument.names[0]).upper()
        return SpecError(
            f"{command} takes one word, and there are two: {argument.value}, {word}",
            remedy=f"{title}: {argument.help}",
        )
    return SpecError(
        f"{command} does not take {word}",
        remedy=f"it takes options only: `{program} --help {command}` shows them",
    )


def _nearest(word: str, words: Iterable[str]) -> str | None:
    from difflib import get_close_matches  # for a mistake alone

    near = get_close_matches(word, words, cutoff=0.7)
    return f"did you mean {' or '.join(near)}?" if near else None


def _see(program: str) -> str:
    return f"`{program} --list` shows the commands, `{program} --help COMMAND` the options of one"
