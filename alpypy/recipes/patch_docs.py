"""The patches for people: the table of ``invoke patches``, and docs/patches.md."""

from __future__ import annotations

import re
import string
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from alpypy.recipes.patches import ISSUE, Patch, ranges, topics

PAGE = Path("docs", "patches.md")
_WIDTH = 120
_INTRODUCTION = (
    "With these patches, PyPy's own sources build and run on musl. `invoke patches --write-docs`"
    " writes this page from the headers in [patches/](../patches). `invoke patches` shows which"
    " patch is for which release, and checks the patches against the sources on your machine."
    " [Adding a release](adding-a-release.md#a-patch) says how to write a patch."
)
_SERIES = (
    "If you package PyPy yourself, `invoke patches --series` writes the patches of a PyPy for you:"
    " files for `git am`, in their order, and the file `series` for quilt. Each names its cause,"
    " origin and reports, and applies without fuzz.",
    "With `--source`, alpypy matches the patches with your source. It leaves out those that the"
    " source has already, and writes a patch whose place has moved for its new lines."
    " `--no-errata` leaves the errata out. The same patches give the same files, byte for byte."
    " Besides the patches, your build needs `PYPY_MULTIARCH=ARCH-linux-musl` in the environment"
    " (`ARCH` as in `x86_64`), and the C flags in `versions/translation.toml`, which says for each"
    " why, and for which Alpine.",
)
_SERIES_COMMANDS = """\
```sh
invoke patches --series 3.11-7.3.23 --out musl            # musl/0001-....patch, musl/series
invoke patches --series 3.12-8.0.0-alpha --source pypy.git@py3.12 --out musl
git -C pypy am "$PWD"/musl/*.patch                        # in a repository that has the source
QUILT_PATCHES="$PWD/musl" quilt push -a --fuzz=0          # in an unpacked source
```"""
_PARTS = (
    (
        "musl",
        "Patches for musl",
        "What PyPy needs on Alpine, and faults that show there.",
    ),
    (
        "erratum",
        "Errata",
        "Faults of a release, on every system, that PyPy has fixed since, and that users met within"
        " days. `--no-errata` builds a PyPy without these patches.",
    ),
)
# What Markdown reads as markup. An underscore inside a word is not markup.
_MARKUP = re.compile(r"(?<!\w)_|_(?!\w)|[*<`\[\]|\\]")
_COMMIT = re.compile(r"\b[0-9a-f]{11,40}\b")


def table(patches: Sequence[Patch], known: Sequence[str]) -> Iterator[str]:
    """A list of the patch files with a letter each, then these letters by release and topic.

    The patches for musl come first, with all releases; then the errata, with those that have some.
    """
    errata = [patch for patch in patches if patch.is_erratum]
    others = [patch for patch in patches if not patch.is_erratum]
    yield from _table(others, known, [*known, *_trees(others, known)])
    if errata:
        faulty = {release for patch in errata for release in patch.releases}
        releases = [release for release in known if release in faulty]
        yield ""
        yield "Errata: faults of these releases that PyPy has fixed since"
        yield from _table(errata, known, [*releases, *_trees(errata, known)])


def _trees(patches: Sequence[Patch], known: Sequence[str]) -> Sequence[str]:
    """The versions of trees that patches are listed for."""
    return sorted({release for patch in patches for release in patch.releases}.difference(known))


def _table(
    patches: Sequence[Patch], known: Sequence[str], releases: Sequence[str]
) -> Iterator[str]:
    """The digits of a topic's number stand below each other; 55 topics fit in 80 columns."""
    by_topic = topics(patches, known)
    for number, (topic, variants) in enumerate(by_topic.items(), 1):
        yield f"{number:2}  {topic}: {variants[0].title}"
        for place, patch in enumerate(variants):
            yield f"      {string.ascii_letters[place]}  patches/{patch.path.name}"
    width = max(map(len, (*known, *releases)))
    wide = len(str(len(by_topic)))
    for digits in zip(*(f"{number:{wide}}" for number in range(1, len(by_topic) + 1)), strict=True):
        yield f"{'':{width}} {_in_fives(digits)}"
    for release in releases:
        letters = [_letter(variants, release) for variants in by_topic.values()]
        yield f"{release:{width}} {_in_fives(letters)}"


def _in_fives(letters: Sequence[str]) -> str:
    groups = (letters[start : start + 5] for start in range(0, len(letters), 5))
    return " ".join("".join(group) for group in groups)


def page(patches: Sequence[Patch], known: Sequence[str]) -> str:
    """The text of docs/patches.md: a section for each topic, from the headers and the diffs."""
    lines = ["# Patches", "", *_wrapped(_INTRODUCTION, "")]
    lines += ["", "## For your own package", "", *_wrapped(_SERIES[0], "")]
    lines += ["", *_SERIES_COMMANDS.splitlines(), "", *_wrapped(_SERIES[1], "")]
    for kind, title, introduction in _PARTS:
        of_kind = topics([patch for patch in patches if patch.kind == kind], known)
        if of_kind:
            lines += ["", f"## {title}", "", *_wrapped(introduction, "")]
        for topic, variants in of_kind.items():
            lines += ["", *_section(topic, variants, known)]
    return "\n".join([*lines, ""])


def _letter(variants: Sequence[Patch], release: str) -> str:
    places = (place for place, patch in enumerate(variants) if release in patch.releases)
    return next((string.ascii_letters[place] for place in places), ".")


def _section(topic: str, variants: Sequence[Patch], known: Sequence[str]) -> list[str]:
    releases = [release for patch in variants for release in patch.releases]
    files = sorted({f"`{file}`" for patch in variants for file in patch.files})
    lines = [f"### {topic}", "", f"**{_plain(variants[0].title)}**", ""]
    lines += _paragraphs(_by_text(variants, lambda patch: patch.why))
    lines += _item("Releases", {ranges(releases, known): variants})
    lines += _wrapped(f"- Files: {', '.join(files)}", "  ")
    lines += _item("Origin", _by_text(variants, lambda patch: patch.origin))
    if any(patch.issues for patch in variants):
        lines += _item("Issue", _by_text(variants, lambda patch: ", ".join(patch.issues)))
    lines += _item("Upstream", _by_text(variants, lambda patch: patch.upstream))
    lines += _item("glibc", _by_text(variants, lambda patch: patch.glibc))
    if any(str(patch.alpine) for patch in variants):
        lines += _item("Alpine", _by_text(variants, lambda patch: str(patch.alpine) or "all"))
    lines += ["", "| patch | releases |", "|---|---|"]
    lines += [f"| {_link(patch)} | {ranges(patch.releases, known)} |" for patch in variants]
    return lines


def _by_text(
    variants: Sequence[Patch], text: Callable[[Patch], str]
) -> Mapping[str, Sequence[Patch]]:
    """The texts in the headers of a topic, and the patches with each text."""
    by_text: dict[str, list[Patch]] = {}
    for patch in variants:
        by_text.setdefault(text(patch), []).append(patch)
    return by_text


def _paragraphs(texts: Mapping[str, Sequence[Patch]]) -> Iterator[str]:
    for text, patches in texts.items():
        yield from _wrapped(f"{_whose(texts, patches)}{_plain(text)}", "")
        yield ""


def _item(name: str, texts: Mapping[str, Sequence[Patch]]) -> Iterator[str]:
    for text, patches in texts.items():
        linked = _COMMIT.sub(r"[\g<0>](https://github.com/pypy/pypy/commit/\g<0>)", _plain(text))
        linked = ISSUE.sub(r"[\g<0>](https://github.com/\1/issues/\2)", linked)
        yield from _wrapped(f"- {name}: {_whose(texts, patches)}{linked}", "  ")


def _whose(texts: Mapping[str, Sequence[Patch]], patches: Sequence[Patch]) -> str:
    """The names of a text's patches; empty for the topic's first text."""
    if patches is next(iter(texts.values())):
        return ""
    return f"({', '.join(f'`{patch.name}`' for patch in patches)}) "


def _link(patch: Patch) -> str:
    return f"[{patch.name}](../patches/{patch.path.name})"


def _plain(text: str) -> str:
    return _MARKUP.sub(r"\\\g<0>", text)


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
