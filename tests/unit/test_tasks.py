"""What may be typed after `invoke bootstrap`, `build` and `plan`."""

from __future__ import annotations

from pathlib import Path

import pytest
from invoke import Collection, ParseError
from invoke.parser import Parser, ParserContext

import tasks
from alpypy.order import Order
from alpypy.spec import Target

CONTEXTS = Collection.from_module(tasks).to_contexts()
BOTH = ["--pypy", "3.6-7.0.0", "--alpine", "3.9"]


def parse(*words: str) -> ParserContext:
    (context,) = Parser(contexts=CONTEXTS).parse_argv(list(words))
    return context


def test_source_and_mirror_are_repeatable() -> None:
    given = ["--source", "a", "--mirror", "b", "--source", "c"]
    values = parse("bootstrap", *BOTH, *given).as_kwargs
    assert (values["source"], values["mirror"]) == (["a", "c"], ["b"])


def test_every_option_has_a_help_text() -> None:
    bare = [(c.name, a.name) for c in CONTEXTS for a in c.args.values() if not a.help]
    assert bare == []


@pytest.mark.parametrize(
    ("task", "options"),
    [
        ("bootstrap", {"keep", "direct"}),
        ("build", {"keep", "with_pypy"}),
        ("plan", {"direct", "with_pypy"}),
    ],
)
def test_options_of_its_own(task: str, options: set[str]) -> None:
    more = ["--with-pypy", "2.7-7.3.22"] if task == "build" else []
    taken = set(parse(task, *BOTH, *more).as_kwargs)
    assert taken & {"keep", "direct", "with_pypy"} == options


def test_build_needs_a_pypy() -> None:
    with pytest.raises(ParseError, match="with_pypy"):
        parse("build", *BOTH)


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(ParseError, match="--kep"):
        parse("bootstrap", *BOTH, "--kep")


def test_what_is_not_given_is_none_in_the_order() -> None:
    order = tasks._order("3.6-7.0.0", "3.9", source=["a"])
    assert order == Order(target=Target("3.6-7.0.0", "3.9"), sources=(Path("a"),))
