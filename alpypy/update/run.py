"""Asks the publishers what is new, writes it into versions/ and reports it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from alpypy.core.errors import AlpypyError, DataError, SpecError
from alpypy.core.files import copy_data, whole_file
from alpypy.core.project import Project
from alpypy.offline.contents import load_contents, load_wheel_packages
from alpypy.offline.extra import load_extra_tools
from alpypy.recipes.libraries import FILE_NAME as LIBRARIES
from alpypy.recipes.libraries import load_static_libraries
from alpypy.recipes.recipe import load_catalog
from alpypy.update import alpine, debian, libraries, pypi, pypy
from alpypy.update.news import NAMES, Edit, News, together


class Compare(Protocol):
    """Compares what a publisher has with versions/; ``check`` downloads nothing but pages."""

    def __call__(self, project: Project, *, check: bool) -> News:
        """What is new. A refusal is raised, and so is a page that cannot be used."""
        ...


_COMPARE: Sequence[Compare] = (
    pypy.compare,
    alpine.compare,
    pypi.compare,
    debian.compare,
    libraries.compare,
)
PUBLISHERS: Mapping[str, Compare] = dict(zip(NAMES, _COMPARE, strict=True))


def look(project: Project, only: Sequence[str], *, check: bool) -> News:
    """What is new. A publisher that fails does not keep the others from being asked.

    Args:
        only: names of publishers; empty for all.
        check: download nothing but pages.

    Raises:
        SpecError: there is no such publisher.
    """
    unknown = [name for name in only if name not in PUBLISHERS]
    if unknown:
        raise SpecError(
            f"there is no publisher {' or '.join(map(repr, unknown))}",
            remedy=f"choose among {', '.join(PUBLISHERS)}",
        )
    return together(_ask(project, name, check=check) for name in only or PUBLISHERS)


def _ask(project: Project, name: str, *, check: bool) -> News:
    project.say(f"comparing versions/ with {name}")
    try:
        return PUBLISHERS[name](project, check=check)
    except AlpypyError as error:
        return News(refusals=(error,))


def write(project: Project, news: News) -> News:
    """Write the edits: each file whole, and only if alpypy can still read all of versions/.

    Returns:
        What was written; an edit that does not fit is now something to decide.
    """
    folder = project.data / "versions"
    texts = {edit.file: (folder / edit.file).read_text(encoding="utf-8") for edit in news.edits}
    before = dict(texts)
    written, decisions = list[Edit](), list(news.decisions)
    for edit in news.edits:
        changed = {**texts, edit.file: edit.apply(texts[edit.file])}
        try:
            _read_back(project.data, changed)
        except DataError as error:
            name = edit.what.partition("\n")[0]
            decisions.append(f"{name}: not written. {error.what}: {error.remedy}")
        else:
            texts = changed
            written.append(edit)
    for name, text in texts.items():
        if text != before[name]:
            with whole_file(folder / name) as temporary:
                temporary.write_text(text, encoding="utf-8")
    return replace(news, edits=tuple(written), decisions=tuple(decisions))


def _read_back(root: Path, texts: Mapping[str, str]) -> None:
    """Raise DataError if alpypy cannot read versions/ with these texts of files."""
    with tempfile.TemporaryDirectory(prefix="alpypy-update-") as name:
        copy = Path(name)
        folder = copy_data(root / "versions", copy / "versions")
        (copy / "patches").symlink_to(root.resolve() / "patches")
        for file, text in texts.items():
            (folder / file).write_text(text, encoding="utf-8")
        load_catalog(copy)
        load_contents(folder)
        load_wheel_packages(folder / "kit-wheels.toml")
        load_extra_tools(folder)
        load_static_libraries(folder / LIBRARIES)


def report(news: News, *, check: bool) -> Iterator[str]:
    """The lines of the report."""
    if not news and news.notes:
        yield "nothing new in what could be read"
    elif not news:
        yield "versions/ has everything that is published"
    files = dict.fromkeys(edit.file for edit in news.edits)
    for file in files:
        yield f"{'New for' if check else 'Written to'} versions/{file}:\n"
        yield from (_item(edit.what) for edit in news.edits if edit.file == file)
        yield ""
    for title, lines in (
        ("For you to decide", news.decisions),
        ("Refused", tuple(map(str, news.refusals))),
        ("Newer, and not taken", news.passed_over),
        ("Could not be read", news.notes),
    ):
        if lines:
            yield f"{title}:\n"
            yield from map(_item, lines)
            yield ""


def _item(text: str) -> str:
    first, *more = text.splitlines()
    return "\n".join([f"- {first}", *(f"  {line}" for line in more)])


def exit_code(news: News, *, check: bool) -> int:
    """That of the first refusal; else 1 if something is left to decide, or to write."""
    if news.refusals:
        return news.refusals[0].exit_code
    return 1 if news.decisions or (check and news.edits) else 0
