"""The results of scripts/compatibility.py, and docs/compatibility.md, which is made of them."""

from __future__ import annotations

import json
import re
import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from msgspec import to_builtins

from alpypy.core.errors import DataError
from alpypy.core.fields import PackageName, Reason, Record, Text
from alpypy.core.files import whole_file
from alpypy.core.structs import convert, read_json

LIST = Path("versions/top-packages.txt")
RESULTS = Path("docs/evidence/compatibility.jsonl")
PAGE = Path("docs/compatibility.md")
_WIDTH = 120  # of prose
Outcome = Literal["pure", "binary", "source", "bundled", "refused", "broken"]
_COUNTED: Mapping[Outcome, str] = {
    "pure": "installed from a wheel without compiled code",
    "binary": "installed from a wheel with compiled code",
    "source": "built from source",
    "bundled": "part of PyPy itself",
    "refused": "not installed",
    "broken": "installed, but cannot be imported",
}
_IN_TABLE: Mapping[Outcome, str] = {
    "pure": "wheel",
    "binary": "wheel with compiled code",
    "source": "built from source",
    "bundled": "part of PyPy",
    "refused": "**not installed**",
    "broken": "**cannot be imported**",
}
# What the first telling line of an error means. The first that fits is taken; any other line is
# shown as it is.
_REASONS = (
    (
        r"(?i)\b(?:rust|cargo|maturin)\b",
        "They are written in Rust or need something that is, and PyPI has no wheel of that for this"
        " PyPy on musl. ([Wheels](wheels.md) says for which PyPys it has some.){rust}",
    ),
    (
        r"^soupsieve: ModuleNotFoundError: No module named 'bs4'$",
        "It imports a package that pip does not install with it: `beautifulsoup4`, which needs it"
        " in turn. Install that one, and both can be imported. It is the same on CPython.",
    ),
)
_NO_RUST = (
    " The [kit](restricted-networks.md), with which this was run, has no Rust, and the build could"
    " not download one. Where Alpine's mirrors can be reached, run `apk add cargo rust` first; that"
    " has not been tried."
)
_WHAT = (
    "{count} of the packages that are downloaded most from PyPI, on {interpreter} and Alpine"
    " {alpine} ({arch}), {dates}. `versions/top-packages.txt` lists them, and says which of the"
    " first are left out. `pip install` chose the versions: pip {pip}, which it brings.",
    "Each package was installed into a fresh virtual environment, where there are also compilers:"
    " the image that [`invoke wheels`](wheels.md) builds in{kit}. Then all of its top-level"
    " packages and all compiled modules were imported. Its own tests were not run: a package that"
    " can be imported may still fail at something.",
)
_KIT = ", here made with the [kit](restricted-networks.md)"
_HOW = (
    "A script tries what has no result yet, keeps the results in"
    " `docs/evidence/compatibility.jsonl` and writes this page from them:"
)


class Run(Record, frozen=True):
    """On what the packages were tried: the interpreter as ``invoke wheels --python`` names it."""

    interpreter: Text
    alpine: Text
    arch: Text
    portable: bool
    kit: bool
    pip: Text

    def __str__(self) -> str:
        portable, kit = ", portable" if self.portable else "", " and the kit" if self.kit else ""
        where = f"{self.interpreter}{portable}, on Alpine {self.alpine} ({self.arch})"
        return f"{where} with pip {self.pip}{kit}"


class Result(Record, frozen=True, omit_defaults=True):
    """How it went with a package, on a day in UTC, such as 2026-12-01.

    ``compiled`` says whether what was installed has compiled modules, ``built`` which of its
    dependencies pip built from source. ``apk`` are the Alpine packages that were there for it
    beside the compilers. ``optional`` are packages that some of its modules lack, but not the
    others. ``error`` is the first telling line, ``failed`` the dependency that it is
    about.
    """

    package: Text
    outcome: Outcome
    date: Text
    version: Text | None = None
    compiled: bool = False
    built: tuple[Text, ...] = ()
    apk: tuple[PackageName, ...] = ()
    optional: tuple[Text, ...] = ()
    failed: Text | None = None
    error: Reason | None = None


@dataclass(frozen=True)
class Results:
    """The results of a run, by the names of packages."""

    run: Run
    of: Mapping[str, Result]

    def write(self, path: Path, packages: Sequence[str]) -> None:
        """Write the run and then its results, a line each, in the order of ``packages``."""
        records = [self.run, *(self.of[name] for name in packages if name in self.of)]
        lines = (json.dumps(to_builtins(record), ensure_ascii=False) for record in records)
        with whole_file(path) as temporary:
            temporary.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def read_results(path: Path) -> Results | None:
    """Read what ``Results.write`` wrote; None if the file does not exist.

    Raises:
        DataError: a line does not fit.
    """
    if not path.is_file():
        return None
    first, *lines = path.read_text(encoding="utf-8").splitlines()
    try:
        run = convert(read_json(first), Run)
        results = [convert(read_json(line), Result) for line in lines]
    except ValueError as error:
        raise DataError(
            f"{path}: {error}", remedy="restore it, or delete it and run again"
        ) from error
    return Results(run, {result.package: result for result in results})


def top_packages(path: Path) -> tuple[str, ...]:
    """The names in the list of packages, without its comments."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return tuple(line for line in lines if line and not line.startswith("#"))


def page(results: Results, packages: Sequence[str]) -> str:
    """docs/compatibility.md: the results of those packages that have one."""
    run, found = results.run, [results.of[name] for name in packages if name in results.of]
    parts = [
        "# What works on it",
        *_introduction(run, found),
        "\n".join(_counts(found)),
        "## What does not work",
        *_failures(run, [result for result in found if result.outcome in ("refused", "broken")]),
        "## All of them",
        "\n".join(_table(found)),
    ]
    return "\n\n".join(parts) + "\n"


def _introduction(run: Run, found: Sequence[Result]) -> Iterator[str]:
    interpreter = f"PyPy {run.interpreter.removeprefix('pypy')}"
    values = {
        "count": len(found),
        "interpreter": interpreter + (", [portable](portable.md)," if run.portable else ""),
        "alpine": run.alpine,
        "arch": run.arch,
        "dates": _dates([result.date for result in found]),
        "pip": run.pip,
        "kit": _KIT if run.kit else "",
    }
    yield from (_wrapped(text.format(**values)) for text in _WHAT)
    yield _wrapped(_HOW)
    portable = " --portable" if run.portable else ""
    command = f"python -m scripts.compatibility --python {run.interpreter} --alpine {run.alpine}"
    yield f"    {command}{portable}"


def _dates(dates: Sequence[str]) -> str:
    first, last = min(dates), max(dates)
    return f"on {first}" if first == last else f"from {first} to {last}"


def _wrapped(text: str) -> str:
    return textwrap.fill(text, _WIDTH, break_long_words=False, break_on_hyphens=False)


def _counts(found: Sequence[Result]) -> Iterator[str]:
    count = Counter(result.outcome for result in found)
    yield from ("| outcome | packages |", "|---|---|")
    yield from (f"| {words} | {count[outcome]} |" for outcome, words in _COUNTED.items())


def _failures(run: Run, failures: Sequence[Result]) -> Iterator[str]:
    """The failures by their reasons: the words for a known one, else the error itself."""
    groups: dict[str, list[str]] = {}
    for result in failures:
        groups.setdefault(_reason(run, result), []).append(f"- {_named(result)}")
    for reason, lines in groups.items():
        yield reason
        yield "\n".join(lines)


def _reason(run: Run, result: Result) -> str:
    error = result.error or "it printed nothing"
    for pattern, words in _REASONS:
        if re.search(pattern, error):
            return _wrapped(words.format(rust=_NO_RUST if run.kit else ""))
    return f"The first telling line of the error:\n\n    {error}"


def _named(result: Result) -> str:
    name = f"{result.package} {result.version or ''}".strip()
    return f"{name}: it needs {result.failed}" if result.failed else name


def _table(found: Sequence[Result]) -> Iterator[str]:
    yield from ("| package | version | outcome | remark |", "|---|---|---|---|")
    for result in found:
        cells = (result.package, result.version or "", _IN_TABLE[result.outcome], _remark(result))
        yield f"| {' | '.join(cells)} |".replace("|  |", "| |")


def _remark(result: Result) -> str:
    remarks = list[str]()
    if result.outcome == "source":
        remarks.append("compiled" if result.compiled else "without compiled code")
    if result.outcome == "source" and result.apk:
        remarks.append(f"needs {', '.join(result.apk)}")
    if result.failed:
        remarks.append(f"needs {result.failed}")
    if result.built:
        remarks.append(f"pip also builds {', '.join(result.built)}")
    if result.optional:
        remarks.append(f"some of its modules need {', '.join(result.optional)}")
    return "; ".join(remarks)
