"""A release's patches as mails that ``git am`` takes, and as a folder that quilt takes.

For people who package PyPy themselves. The mails have git's form, and no line in them depends on
when or where they were written.
Source: https://git-scm.com/docs/git-format-patch, and quilt(1) on the file ``series``.
"""

from __future__ import annotations

import re
import tempfile
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from email import policy
from email.message import EmailMessage
from itertools import chain, takewhile
from pathlib import Path
from typing import Any

import patch_ng

from alpypy.core.errors import SpecError
from alpypy.recipes.fitting import FittedPatches, fitted_patches
from alpypy.recipes.patch_check import AvailableSource, check
from alpypy.recipes.patches import ISSUE, Patch
from alpypy.recipes.recipe import Catalog
from alpypy.recipes.spec import PypyVersion

SERIES = "series"
# A mail's first line in git's form. The commit that it names exists nowhere.
_FROM_LINE = b"From " + b"0" * 40 + b" Mon Sep 17 00:00:00 2001\n"
_AUTHOR = "alpypy <alpypy@alpypy.invalid>"  # no such address can exist: RFC 2606
_BEGINNING = _FROM_LINE + f"From: {_AUTHOR}\n".encode()
_DATE = "Tue, 01 Jan 1980 00:00:00 +0000"  # as in the tarballs
_COMMIT = re.compile(r"\Aupstream (\w+)\Z")
_WIDTH = 72


def series_patches(
    catalog: Catalog, version: str, source: AvailableSource | None, *, errata: bool = True
) -> FittedPatches:
    """The patches of a series, in the order in which they are applied.

    Args:
        version: ``3.11-8.0.0``, or ``3.12-8.0.0-alpha`` of a tree.
        source: what they are matched with. Without one, they are those that list the version.
        errata: False leaves errata out.

    Raises:
        SpecError: there is no source, and ``version`` is no release in versions/.
        ArchiveError: the source is damaged.
    """
    release = PypyVersion.parse(_stated(version))
    if source is None:
        if release.stage:
            raise SpecError(
                f"PyPy {version} is not a release", remedy="give its source with --source"
            )
        catalog.require_pypy(version)
    # As in a build: what lists a checked release is matched with its source only if it must be.
    if source is None or (catalog.is_checked(str(release)) and check(catalog, source).fits):
        return _listed(catalog, str(release), errata=errata)
    return fitted_patches(catalog, str(release), None, source.copy, errata=errata)


def source_of(version: str, sources: Sequence[AvailableSource]) -> AvailableSource | None:
    """The last source of that version. A tree's may be without its commit."""
    named = (source for source in reversed(sources) if source.release == version)
    stated = (source for source in reversed(sources) if _stated(source.release) == version)
    return next(chain(named, stated), None)


def write_series(patches: Sequence[Patch], folder: Path) -> Sequence[Path]:
    """Write a mail for each patch, numbered in their order, and the file ``series``.

    Args:
        folder: an empty or missing folder, or an earlier series, which alpypy replaces. It cannot
            be the current folder.

    Returns: the paths of the mails.

    Raises:
        SpecError: ``folder`` has something else in it, or cannot be replaced.
    """
    _refuse_other(folder)
    mails = {
        f"{number:04}-{patch.topic}.patch": _mail(patch, number, len(patches))
        for number, patch in enumerate(patches, start=1)
    }
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".series-", dir=folder.parent) as scratch:
        new = Path(scratch, "new")
        new.mkdir()
        for name, mail in mails.items():
            (new / name).write_bytes(mail)
        (new / SERIES).write_text("".join(f"{name}\n" for name in mails), encoding="utf-8")
        if folder.exists():
            folder.rename(Path(scratch, "old"))
        new.rename(folder)
    return [folder / name for name in mails]


def _stated(version: str) -> str:
    return version.partition("+")[0]


def _listed(catalog: Catalog, release: str, *, errata: bool) -> FittedPatches:
    patches = [patch for patch in catalog.patches if release in patch.releases]
    unwanted = [patch for patch in patches if patch.is_erratum and not errata]
    return FittedPatches(
        applied=tuple(patch for patch in patches if patch not in unwanted),
        left_out=(),
        misfits=(),
        no_errata=tuple(patch.topic for patch in unwanted),
    )


def _refuse_other(folder: Path) -> None:
    """Refuse a folder that cannot be replaced, or that has files other than an earlier series."""
    if not folder.exists():
        return
    current = folder.samefile(Path.cwd())
    if current or folder.is_mount():
        kind = "the current folder" if current else "a mount"
        raise SpecError(
            f"{folder} is {kind}, which alpypy cannot replace",
            remedy=f"give --out a folder inside it: --out {folder / 'musl'}",
        )
    other = _other_files(folder) if folder.is_dir() else {folder.name}
    if other:
        raise SpecError(
            f"{folder} exists and is not a series of patches from alpypy: it has {min(other)}",
            remedy="give --out a new or an empty folder, or remove this one",
        )


def _other_files(folder: Path) -> set[str]:
    """The files that are not of an earlier series: quilt's own folders have ``series`` too."""
    found = {path.name for path in folder.iterdir()}
    series = folder / SERIES
    if not series.is_file():
        return found
    listed = set(series.read_text(encoding="utf-8", errors="replace").splitlines())
    ours = {name for name in found & listed if _is_ours(folder / name)}
    return found - ours - ({SERIES} if listed == ours else set())


def _is_ours(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_BEGINNING)) == _BEGINNING


def _mail(patch: Patch, number: int, total: int) -> bytes:
    # git takes the text up to the line of three dashes for the commit's message.
    text = "\n".join([*_message(patch), "---", ""]).encode()
    return b"".join([_FROM_LINE, _header(patch, number, total), text, *_diff(patch)])


def _header(patch: Patch, number: int, total: int) -> bytes:
    mail = EmailMessage(policy.default)
    mail["From"] = _AUTHOR
    mail["Date"] = _DATE
    mail["Subject"] = f"[PATCH {number:0{len(str(total))}}/{total}] {patch.title}"
    mail["MIME-Version"] = "1.0"
    mail["Content-Type"] = "text/plain; charset=UTF-8"
    mail["Content-Transfer-Encoding"] = "8bit"
    return mail.as_bytes()


def _message(patch: Patch) -> Iterator[str]:
    yield from _wrapped(patch.why, "")
    yield ""
    origin = _COMMIT.sub(r"https://github.com/pypy/pypy/commit/\1", patch.origin)
    yield from _wrapped(f"Origin: {origin}", " ")
    yield from _wrapped(f"Upstream: {patch.upstream}", " ")
    for issue in patch.issues:
        yield ISSUE.sub(r"Issue: https://github.com/\1/issues/\2", issue)
    yield from _wrapped(f"Glibc: {patch.glibc}", " ")
    if str(patch.alpine):
        yield f"Alpine: {patch.alpine}"


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def _diff(patch: Patch) -> Iterator[bytes]:
    """The diff with git's line before each file."""
    for item, file in zip(patch_ng.fromstring(patch.body).items, patch.files, strict=True):
        name = file.encode()
        yield b"diff --git a/%b b/%b\n--- a/%b\n+++ b/%b\n" % (name, name, name, name)
        for hunk in item.hunks:
            yield from _even(hunk)


def _even(hunk: Any) -> Iterator[bytes]:
    """A hunk with as much context before its change as behind it. Less on one side means to
    patch(1), unless fuzz is allowed, that the file begins or ends there. A hunk that has none on
    one side keeps what it has on the other, by which patch(1) finds its place."""
    before, behind = _context(hunk.text), _context(reversed(hunk.text))
    least = min(before, behind)
    front, back = (before - least, behind - least) if least else (0, 0)
    yield b"@@ -%d,%d +%d,%d @@\n" % (
        hunk.startsrc + front,
        hunk.linessrc - front - back,
        hunk.starttgt + front,
        hunk.linestgt - front - back,
    )
    yield from hunk.text[front : len(hunk.text) - back]


def _context(lines: Iterable[bytes]) -> int:
    """The lines before the first changed one."""
    return sum(1 for _ in takewhile(lambda line: line[:1] in (b" ", b"\n"), lines))
