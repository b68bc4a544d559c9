"""Unified diffs in patches/. The header of each says which releases it is for, and why.

Applying is exact: in every file the context must be at the line that the diff names. Otherwise
nothing in the tree changes. For a source that nobody has tried a patch on, ``relocated`` makes a
diff that names other lines.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import patch_ng
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from alpypy.core.errors import DataError, PatchError, SpecError
from alpypy.recipes.spec import PypyVersion

_REQUIRED = ("Title", "Why", "Releases", "Origin", "Upstream", "Glibc")
_OPTIONAL = ("Kind", "Issue", "Alpine", "Upstream-mark")
_KINDS = ("musl", "erratum")
_FIELD = re.compile(r"(?P<name>[A-Za-z-]+):\s*(?P<value>.*)")
_RANGE = re.compile(r"(?P<language>[\d.]+)-(?P<first>[\d.]+?)\.\.(?P<last>[\d.]+)")
_ORIGIN = re.compile(r"own|upstream [0-9a-f]{7,40}")
_HUNK = re.compile(rb"^@@ -\d+(?:,\d+)? \+\d+(?:,\d+)? @@", re.MULTILINE)
ISSUE = re.compile(r"([\w.-]+/[\w.-]+)#(\d+)")
# The translated interpreter reads these files; patches to them do not change the executable...
_APPLICATION_LEVEL = ("lib_pypy/", "lib-python/", "pypy/tool/release/")
# ... except these, which the translation freezes into it.
_FROZEN = "lib-python/3/importlib/"


@dataclass(frozen=True)
class UpstreamMark:
    """A text that a file of PyPy contains since upstream mended the same in its own way."""

    file: str
    text: str

    def is_in(self, tree: Path) -> bool:
        """Whether a tree has the text."""
        path = tree / self.file
        return path.is_file() and self.text.encode() in path.read_bytes()


@dataclass(frozen=True)
class Patch:
    """A patch file: its header and its diff.

    ``kind`` is ``musl``, or ``erratum`` for a fault of the release that upstream has fixed since;
    ``issues`` are the reports of it, as ``pypy/pypy#5490``. ``upstream`` says what PyPy itself did
    about the problem, ``glibc`` what the patch does to a PyPy for glibc. ``mark`` shows that a tree
    has upstream's own change. ``moved`` says that the hunks have other lines than the file does.
    """

    path: Path
    name: str
    title: str
    why: str
    releases: tuple[str, ...]
    origin: str
    kind: str
    issues: tuple[str, ...]
    upstream: str
    glibc: str
    alpine: SpecifierSet
    body: bytes
    files: tuple[str, ...]
    mark: UpstreamMark | None = None
    moved: bool = False

    @property
    def topic(self) -> str:
        """Its subject: the name without the first release of its range."""
        return self.name.partition("@")[0]

    @property
    def is_erratum(self) -> bool:
        """Whether it mends a fault that the release has on every system."""
        return self.kind == "erratum"

    @property
    def digest(self) -> str:
        """SHA-256 of the diff alone, so that a reworded header rebuilds nothing."""
        return hashlib.sha256(self.body).hexdigest()

    @property
    def application_level(self) -> bool:
        """Whether the patch leaves the translated executable unchanged."""
        return all(
            file.startswith(_APPLICATION_LEVEL) and not file.startswith(_FROZEN)
            for file in self.files
        )


def load_patches(folder: Path, known: Sequence[str]) -> tuple[Patch, ...]:
    """Read every ``*.patch`` of a folder, in the order in which they are applied.

    Args:
        folder: where the files are.
        known: the release names that a header may list, ``3.6-7.0.0`` or ``rpython-0.2.1``. A
            header may also list a tree on the way to one of them, ``3.11-8.0.0-alpha``.

    Raises:
        DataError: a header, a release or a diff is not usable, two files of a topic are for the
            same release, an erratum and another patch change the same file, or the folder does not
            exist.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder", remedy="restore it")
    patches = tuple(_load(path, known) for path in sorted(folder.glob("*.patch"), key=_file_name))
    _refuse_overlap(patches)
    _refuse_shared_files(patches)
    return patches


def select(patches: Iterable[Patch], release: str, alpine: str) -> tuple[Patch, ...]:
    """The patches for a release on an Alpine (``3.9``), in the order of their names."""
    return tuple(
        patch for patch in patches if release in patch.releases and patch.alpine.contains(alpine)
    )


def topics(patches: Iterable[Patch], known: Sequence[str]) -> Mapping[str, tuple[Patch, ...]]:
    """The patches by topic; within a topic, the patch for the oldest release comes first."""
    by_topic: dict[str, list[Patch]] = {}
    for patch in patches:
        by_topic.setdefault(patch.topic, []).append(patch)
    return {
        topic: tuple(sorted(same, key=lambda patch: _order(patch.releases[0], known)))
        for topic, same in by_topic.items()
    }


def ranges(releases: Iterable[str], known: Sequence[str]) -> str:
    """Releases as a header lists them: ``2.7-7.0.0..7.3.1, 3.5-7.0.0, rpython-0.2.1``."""
    wanted = set(releases)
    runs: list[list[str]] = []
    before = ""
    for name in known:
        if name in wanted:
            if before in wanted and _language(before) == _language(name) != "rpython":
                runs[-1].append(name)
            else:
                runs.append([name])
        before = name
    trees = sorted(wanted.difference(known), key=lambda name: _order(name, known))
    return ", ".join([*(_range(run) for run in runs), *trees])


def apply(patches: Sequence[Patch], tree: Path, release: str) -> None:
    """Apply patches to a source tree, all of them or none.

    Each patch applies to the result of those before it. alpypy patches copies of the files, which
    replace the originals at the end.

    Args:
        patches: in the order in which they are applied.
        tree: the folder that holds rpython/.
        release: the name of the release, for the message.

    Raises:
        PatchError: a file is missing, or a hunk is not where the diff says; the tree is unchanged.
    """
    files = sorted({file for patch in patches for file in patch.files})
    with tempfile.TemporaryDirectory(prefix=".alpypy-", dir=tree) as scratch:
        new, old = Path(scratch, "new"), Path(scratch, "old")
        for patch in patches:
            _copy_missing(patch, tree, new, release)
            _apply_patch(patch, new, release)
        _swap(files, new, old, tree)


def is_applied(patch: Patch, tree: Path) -> bool:
    """Whether a tree has the change of a patch already: the new side of every hunk is in its file,
    at whatever line."""
    for item, file in zip(patch_ng.fromstring(patch.body).items, patch.files, strict=True):
        if not (tree / file).is_file():
            return False
        lines = _lines(tree / file)
        if not all(_is_within(_side(hunk, b"+"), lines) for hunk in item.hunks):
            return False
    return True


def relocated(patch: Patch, tree: Path) -> Patch | None:
    """The patch for the lines where a tree has its context. A hunk stays at its line if it fits
    there, and else goes to the only place with the same context, whatever is around that. None if
    a hunk has no such place, or the places are not in the order of the hunks."""
    headers = list[bytes]()
    for item, file in zip(patch_ng.fromstring(patch.body).items, patch.files, strict=True):
        starts = _starts(item.hunks, tree / file)
        if not starts:
            return None
        headers += _headers(item.hunks, starts)
    new = iter(headers)
    return replace(patch, body=_HUNK.sub(lambda _: next(new), patch.body), moved=True)


def _language(release: str) -> str:
    return release.partition("-")[0]


def _order(name: str, known: Sequence[str]) -> tuple[int, bool, str]:
    """A key to sort by: a tree comes right before its release."""
    release = _release_of(name)
    return known.index(release), name == release, name


def _release_of(name: str) -> str:
    """The release that a tree is on the way to: 3.11-8.0.0 for 3.11-8.0.0-alpha."""
    try:
        return str(PypyVersion.parse(name).without_stage)
    except SpecError:
        return name  # a release of RPython


def _range(run: Sequence[str]) -> str:
    return run[0] if len(run) == 1 else f"{run[0]}..{run[-1].partition('-')[2]}"


def _file_name(path: Path) -> str:
    return path.name


def _load(path: Path, known: Sequence[str]) -> Patch:
    header, body = _split(path)
    fields = _fields(path, header)
    return Patch(
        path=path,
        name=path.stem,
        title=fields["Title"],
        why=fields["Why"],
        releases=_releases(path, fields["Releases"], known),
        origin=_origin(path, fields["Origin"]),
        kind=_kind(path, fields.get("Kind", "musl")),
        issues=_issues(path, fields),
        upstream=fields["Upstream"],
        glibc=fields["Glibc"],
        alpine=_alpine(path, fields.get("Alpine", "")),
        body=body,
        files=_files(path, body),
        mark=_mark(path, fields.get("Upstream-mark")),
    )


def _bad(path: Path, what: str, remedy: str) -> DataError:
    return DataError(f"{path.name}: {what}", remedy=f"{remedy} ({path})")


def _split(path: Path) -> tuple[str, bytes]:
    """Header and diff; the diff is bytes, because not all sources are UTF-8."""
    lines = path.read_bytes().splitlines(keepends=True)
    start = next((i for i, line in enumerate(lines) if line.startswith(b"--- ")), len(lines))
    try:
        return b"".join(lines[:start]).decode("utf-8"), b"".join(lines[start:])
    except UnicodeDecodeError as error:
        raise _bad(path, f"the header is not UTF-8: {error}", "save it as UTF-8") from error


def _fields(path: Path, header: str) -> Mapping[str, str]:
    """The fields of a header; an indented line continues the field above it."""
    fields: dict[str, str] = {}
    name = ""
    for line in header.splitlines():
        match = _FIELD.fullmatch(line)
        if match is not None and match["name"] in (*_REQUIRED, *_OPTIONAL):
            name = match["name"]
            if name in fields:
                raise _bad(path, f"the header has the field {name} twice", "keep one of them")
            fields[name] = match["value"].strip()
        elif name and line[:1].isspace() and line.strip():
            fields[name] = f"{fields[name]} {line.strip()}"
        elif line.strip():
            known = ", ".join((*_REQUIRED, *_OPTIONAL))
            raise _bad(path, f"{line!r} is not a header field", f"use {known}, or indent the line")
    for name in _REQUIRED:
        if not fields.get(name):
            raise _bad(path, f"field {name} is missing or empty", f"write a line '{name}: ...'")
    return fields


def _releases(path: Path, text: str, known: Sequence[str]) -> tuple[str, ...]:
    """The releases that a list of names and ranges stands for, in the order of ``known``; trees on
    the way to a release come before it."""
    wanted: list[str] = []
    for item in (part.strip() for part in text.split(",")):
        match = _RANGE.fullmatch(item)
        names = [item] if match is None else _expand(path, match, known)
        for name in names:
            if _release_of(name) not in known:
                raise _bad(
                    path,
                    f"field Releases: {name!r} is not a known release",
                    "use a name of versions/, LANGUAGE-FIRST..LAST, or a tree on the way to one of"
                    " these releases, such as 3.11-8.0.0-alpha; separate them by commas",
                )
        wanted += names
    twice = sorted({name for name in wanted if wanted.count(name) > 1})
    if twice:
        raise _bad(path, f"field Releases: {', '.join(twice)} is listed twice", "list it once")
    return tuple(sorted(wanted, key=lambda name: _order(name, known)))


def _expand(path: Path, match: re.Match[str], known: Sequence[str]) -> list[str]:
    """The known releases of a range, and both of its ends even if they are unknown."""
    try:
        first = PypyVersion.parse(f"{match['language']}-{match['first']}")
        last = PypyVersion.parse(f"{match['language']}-{match['last']}")
    except SpecError as error:
        raise _bad(path, f"field Releases: {error.what}", error.remedy) from error
    if first.sort_key >= last.sort_key:
        raise _bad(
            path,
            f"field Releases: {match[0]!r} does not go upwards",
            "write the older release first, and a single release without '..'",
        )
    inside = [name for name in known if _between(first, name, last)]
    return [*inside, *(str(end) for end in (first, last) if str(end) not in inside)]


def _between(first: PypyVersion, name: str, last: PypyVersion) -> bool:
    try:
        version = PypyVersion.parse(name)
    except SpecError:
        return False  # a release of RPython, not of PyPy
    return first.sort_key <= version.sort_key <= last.sort_key


def _origin(path: Path, text: str) -> str:
    if not _ORIGIN.fullmatch(text):
        raise _bad(path, f"field Origin: {text!r}", "write 'own' or 'upstream <commit>'")
    return text


def _kind(path: Path, text: str) -> str:
    if text not in _KINDS:
        raise _bad(path, f"field Kind: {text!r}", "write 'musl' or 'erratum', or leave it out")
    return text


def _issues(path: Path, fields: Mapping[str, str]) -> tuple[str, ...]:
    """The reports of an erratum, which must have one."""
    issues = tuple(issue.strip() for issue in fields.get("Issue", "").split(",") if issue.strip())
    for issue in issues:
        if not ISSUE.fullmatch(issue):
            raise _bad(path, f"field Issue: {issue!r}", "write OWNER/NAME#NUMBER: pypy/pypy#5490")
    if not issues and fields.get("Kind") == "erratum":
        raise _bad(path, "an erratum without the field Issue", "write 'Issue: OWNER/NAME#NUMBER'")
    return issues


def _alpine(path: Path, text: str) -> SpecifierSet:
    try:
        return SpecifierSet(text)
    except InvalidSpecifier as error:
        raise _bad(path, f"field Alpine: {error}", "write '>=3.17' or '>=3.9,<3.13'") from error


def _mark(path: Path, text: str | None) -> UpstreamMark | None:
    if text is None:
        return None
    file, colon, content = text.partition(": ")
    if not (file and colon and content):
        raise _bad(path, f"field Upstream-mark: {text!r}", "write 'Upstream-mark: FILE: TEXT'")
    return UpstreamMark(file, content)


def _files(path: Path, body: bytes) -> tuple[str, ...]:
    """The paths that a diff changes, without a/. Each must occur once and be in the tree."""
    parsed: Any = patch_ng.fromstring(body) if body else False
    if not parsed or parsed.warnings:
        raise _bad(path, "the diff is empty or damaged", "make it again with diff -u")
    files = []
    for item in parsed.items:
        source, target = item.source.decode(), item.target.decode()
        if not source.startswith("a/") or target != f"b/{source[2:]}":
            raise _bad(
                path,
                f"the diff goes from {source!r} to {target!r}",
                "it may only change files that exist: --- a/FILE, +++ b/FILE",
            )
        files.append(source[2:])
    if len(files) != len(set(files)):
        raise _bad(path, "the diff names a file twice", "put all its hunks in one place")
    return tuple(files)


def _refuse_overlap(patches: Sequence[Patch]) -> None:
    """Refuse two variants of a topic for the same release."""
    owner: dict[tuple[str, str], Patch] = {}
    for patch in patches:
        for release in patch.releases:
            other = owner.setdefault((patch.topic, release), patch)
            if other is not patch:
                raise _bad(
                    patch.path,
                    f"field Releases: {release} already has {other.name}",
                    "list every release in one variant of a topic only",
                )


def _refuse_shared_files(patches: Sequence[Patch]) -> None:
    """Refuse an erratum that the other patches of its releases need, or that needs them: hunks
    apply at exact lines, and all must fit without the errata too."""
    others = {place: patch for patch in patches if not patch.is_erratum for place in _places(patch)}
    for patch in filter(lambda patch: patch.is_erratum, patches):
        for place in _places(patch):
            if place in others:
                raise _bad(
                    patch.path,
                    f"{others[place].name} changes {place[1]} of {place[0]} too",
                    "let an erratum and a patch for musl change different files",
                )


def _places(patch: Patch) -> Iterator[tuple[str, str]]:
    """Each release and file that a patch changes; a tree counts as the release it becomes."""
    return itertools.product(map(_release_of, patch.releases), patch.files)


def _copy_missing(patch: Patch, tree: Path, new: Path, release: str) -> None:
    """Copy the files of a patch that no earlier patch has copied."""
    for file in patch.files:
        source, copy = tree / file, new / file
        if copy.exists():
            continue
        if source.is_symlink() or not source.is_file():
            raise _misfit(patch, f"{file}, which does not exist", release)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, copy)


def _apply_patch(patch: Patch, folder: Path, release: str) -> None:
    parsed = patch_ng.fromstring(patch.body)
    for item, file in zip(parsed.items, patch.files, strict=True):
        lines = _lines(folder / file)
        for number, hunk in enumerate(item.hunks, start=1):
            # patch-ng also accepts a hunk that is applied already.
            if not _is_at(hunk.startsrc, _side(hunk, b"-"), lines):
                where = f"hunk {number} of {file} (line {hunk.startsrc})"
                raise _misfit(patch, where, release)
    if not parsed.apply(strip=1, root=str(folder)):
        raise _misfit(patch, ", ".join(patch.files), release)


def _lines(file: Path) -> list[bytes]:
    return [line.rstrip(b"\r") for line in file.read_bytes().split(b"\n")]


def _side(hunk: Any, sign: bytes) -> list[bytes]:
    """The lines of a hunk's old side (``-``) or new side (``+``)."""
    return [line[1:].rstrip(b"\r\n") for line in hunk.text if line[:1] in (b" ", sign)]


def _is_within(expected: Sequence[bytes], lines: Sequence[bytes]) -> bool:
    return any(_is_at(number, expected, lines) for number in range(1, len(lines) + 1))


def _starts(hunks: Sequence[Any], file: Path) -> Sequence[int]:
    """The lines of a file at which the hunks fit; nothing if one of them does not."""
    if not file.is_file():
        return ()
    lines = _lines(file)
    if not lines[-1]:
        lines.pop()  # what follows the last newline is no line
    starts = [_place(hunk, lines) for hunk in hunks]
    ends = [start + hunk.linessrc for start, hunk in zip(starts, hunks, strict=True)]
    in_order = all(end <= start for end, start in zip(ends, starts[1:], strict=False))
    return starts if all(starts) and in_order else ()


def _headers(hunks: Sequence[Any], starts: Sequence[int]) -> Iterator[bytes]:
    """The first line of each hunk."""
    shift = 0
    for hunk, start in zip(hunks, starts, strict=True):
        sizes = start, hunk.linessrc, start + shift, hunk.linestgt
        yield b"@@ -%d,%d +%d,%d @@" % sizes
        shift += hunk.linestgt - hunk.linessrc


def _place(hunk: Any, lines: Sequence[bytes]) -> int:
    """The line at which a hunk fits: its own, or the only one; else 0."""
    old = _side(hunk, b"-")
    if _is_at(hunk.startsrc, old, lines):
        return int(hunk.startsrc)
    places = [number for number in range(1, len(lines) + 1) if _is_at(number, old, lines)]
    return places[0] if len(places) == 1 else 0


def _is_at(number: int, expected: Sequence[bytes], lines: Sequence[bytes]) -> bool:
    return list(lines[number - 1 : number - 1 + len(expected)]) == list(expected)


def _misfit(patch: Patch, where: str, release: str) -> PatchError:
    return PatchError(
        f"{patch.path.name} does not fit {release} at {where}",
        remedy="nothing was changed; use the unchanged source of that release, or write a variant"
        f" '{patch.topic}@{release}.patch' for this source",
    )


def _swap(files: Sequence[str], new: Path, old: Path, tree: Path) -> None:
    """Replace the files; an error restores those that were already replaced."""
    with ExitStack() as undo:
        for file in files:
            (old / file).parent.mkdir(parents=True, exist_ok=True)
            os.replace(tree / file, old / file)
            undo.callback(os.replace, old / file, tree / file)
            os.replace(new / file, tree / file)
        undo.pop_all()
