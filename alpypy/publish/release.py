"""A release: a folder of verified tarballs and tested wheels that any static server can serve."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from alpypy.core.archive import copy_verified
from alpypy.core.errors import AlpypyError, DigestError, ReleaseError, SpecError, UnverifiedError
from alpypy.core.files import file_digest, new_file, whole_file
from alpypy.core.program import typed
from alpypy.core.progress import Progress
from alpypy.publish import pyenv, simple, uv
from alpypy.publish.apk_files import APK, KEYS, remove_repository
from alpypy.publish.gzipped import with_gzip
from alpypy.publish.index import (
    FILE_NAME,
    SUMS,
    Artifact,
    ReleasedFile,
    ReleasedTarball,
    ReleasedWheel,
    ReleaseIndex,
    check_name,
    never_replaced,
    parse,
)
from alpypy.publish.page import PAGE, release_page
from alpypy.recipes.manifest import Manifest
from alpypy.verify import receipt
from alpypy.wheels import record as wheel_record
from alpypy.wheels.record import requires_python, wheel_name

WHEELS = "wheels"
_BYTES_A_SECOND = 2_000_000  # of a .tar.bz2, compressed again on one processor
# Beside the index.
PAGES = (PAGE, SUMS, simple.FOLDER, uv.FILE_NAME, pyenv.FOLDER, APK, KEYS)


def gather(artifacts: Path, out: Path, url: str | None, say: Callable[[str], None]) -> ReleaseIndex:
    """Make the folder ``out`` a release of what is in ``artifacts``.

    Args:
        artifacts: has verified tarballs of PyPy, and tested wheels in ``wheels``.
        out: an empty or missing folder, or an earlier release, which alpypy replaces, even if an
            interrupted run left it incomplete.
        url: the address below which it will be served, for the commands in its page, for uv and
            for pyenv.

    Raises:
        UnverifiedError: a tarball has not passed verify, or a wheel its test, or it was changed
            since. The message lists all of them.
        SpecError: there is nothing to release, or ``out`` is not a release.
        ReleaseError: a file cannot be released under its name.
    """
    earlier = _earlier(out)
    gathered = dict(_gather(artifacts, say))
    if not gathered:
        raise SpecError(
            f"there is nothing to release in {artifacts}",
            remedy=f"build a PyPy with `{typed('bootstrap')}`, or a wheel with `{typed('wheels')}`",
        )
    begin(out)
    if remove_repository(out):  # it would not fit the new tarballs, if the run fails
        say(f"{out}: {APK}/ and {KEYS}/ are removed; --apk-key writes them")
    before = {tarball.sha256: tarball for tarball in earlier.tarballs}
    placed = []
    for path, artifact in gathered.items():
        if not _is(out / artifact.file, artifact.sha256):
            with whole_file(out / artifact.file) as temporary:
                copy_verified(path, temporary, artifact.sha256)
        placed.append(_completed(artifact, out, before.get(artifact.sha256), say))
    index = ReleaseIndex.of(placed, url)
    for name in _names(earlier) - _names(index):
        (out / name).unlink(missing_ok=True)
    write_pages(index, out)
    if url is None:
        say(f"without --url there is no {uv.FILE_NAME}, and nothing for {pyenv.FOLDER}")
    return index


def _completed(
    artifact: Artifact, out: Path, before: ReleasedTarball | None, say: Callable[[str], None]
) -> Artifact:
    """A wheel as it is; a tarball with its ``.tar.gz``, which is made unless it is in the folder
    and in its index."""
    if not isinstance(artifact, ReleasedTarball):
        return artifact
    if before and before.gzip and _is(out / before.gzip.name, before.gzip.sha256):
        return replace(artifact, python=before.python, gzip=before.gzip)
    say(f"making {artifact.target.gzip_tarball}")
    expected = artifact.size / _BYTES_A_SECOND
    with Progress(artifact.target.gzip_tarball, expected=expected, say=say):
        return with_gzip(artifact, out)


def read(folder: Path) -> ReleaseIndex:
    """The release in a folder, whose files are checked.

    Raises:
        SpecError: there is no release, or an empty one.
        ReleaseError: its index is not usable.
        DigestError: a file is missing, or its digest is not that of the index.
    """
    path = folder / FILE_NAME
    index = parse(path.read_bytes(), str(path)) if path.is_file() else ReleaseIndex()
    if not index.artifacts:
        raise SpecError(f"there is no release in {folder}", remedy=f"run `{typed('release')}`")
    for file in index.files:
        _check(folder, file)
    return index


def _check(folder: Path, file: ReleasedFile) -> None:
    path = folder / file.name
    digest = file_digest(path) if path.is_file() else None
    if digest != file.sha256:
        what = f"has SHA-256 {digest}" if digest else "is missing"
        raise DigestError(
            f"{path} {what}, but {folder / FILE_NAME} names SHA-256 {file.sha256}",
            remedy=f"run `{typed('release')}` again",
        )


def pages(index: ReleaseIndex, *, flat: bool) -> dict[str, str]:
    """The files that an index gives, by path in the release's folder; index.json comes last.

    Args:
        flat: for a server without folders, which gives no index to pip and nothing to pyenv.
    """
    folders = {} if flat else simple.pages(index) | pyenv.pages(index)
    page = release_page(index, flat=flat)
    lists = {SUMS: index.sums(), **folders, **uv.pages(index)}
    return {**lists, PAGE: page, FILE_NAME: index.to_json()}


def begin(folder: Path) -> None:
    """Give a folder an empty index, by which the next run recognizes it as a release."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / FILE_NAME).exists():
        _write(folder / FILE_NAME, ReleaseIndex().to_json())


def write_pages(index: ReleaseIndex, folder: Path) -> None:
    """Write the files of an index, and remove those that only the previous index had."""
    made = pages(index, flat=False)
    path = folder / FILE_NAME
    before = parse(path.read_bytes(), str(path)) if path.is_file() else ReleaseIndex()
    for name in pages(before, flat=False).keys() - made.keys():
        (folder / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # someone's own file is in it, or it is gone
            (folder / name).parent.rmdir()
    for name, text in made.items():
        _write(folder / name, text)


def place(source: Path, target: Path, sha256: str) -> None:
    """Copy a file unless it exists; it gets its name only when it is complete.

    Raises:
        DigestError: its digest is another, or another file has its name.
    """
    if _is(target, sha256):
        return
    try:
        with new_file(target) as temporary:
            copy_verified(source, temporary, sha256)
    except FileExistsError as error:
        if not _is(target, sha256):
            raise never_replaced((target.name, file_digest(target), sha256)) from error


def _names(index: ReleaseIndex) -> set[str]:
    return {file.name for file in index.files}


def _is(path: Path, sha256: str) -> bool:
    return path.is_file() and file_digest(path) == sha256


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not (path.is_file() and path.read_bytes() == text.encode()):
        with whole_file(path) as temporary:
            temporary.write_text(text, encoding="utf-8")


def _earlier(out: Path) -> ReleaseIndex:
    """The release in ``out``."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return ReleaseIndex()
    try:
        return parse((out / FILE_NAME).read_bytes(), str(out / FILE_NAME))
    except (OSError, ReleaseError) as error:
        raise SpecError(
            f"{out} exists and is not a release",
            remedy="give --out a new or an empty folder, or remove this one",
        ) from error


def _gather(artifacts: Path, say: Callable[[str], None]) -> Iterator[tuple[Path, Artifact]]:
    problems: list[UnverifiedError] = []
    for make, pattern in ((_tarball, "*.tar.bz2"), (_wheel, f"{WHEELS}/*.whl")):
        for path in sorted(artifacts.glob(pattern)):
            try:
                artifact = make(path)
            except UnverifiedError as error:
                problems.append(error)
                continue
            if artifact is None:
                say(f"left out: {path.name}, which is not a PyPy")
            else:
                check_name(artifact.file)
                yield path, artifact
    if problems:
        raise _all(problems)


def _tarball(path: Path) -> ReleasedTarball | None:
    report = receipt.require(path)
    manifest = Manifest.of_tarball(path)
    if manifest.kind != "pypy":
        return None
    if {report.tarball, manifest.target.tarball} != {path.name}:
        raise UnverifiedError(
            f"{path} was renamed: it was {manifest.target.tarball}",
            remedy="rename it back and verify it again, or move it away",
        )
    return ReleasedTarball(path.stat().st_size, report, manifest)


def _wheel(path: Path) -> ReleasedWheel:
    wheel_name(path.name)
    record = wheel_record.read(path)
    if record is None:
        raise UnverifiedError(
            f"{path} was not tested: it has no record",
            remedy=f"build it with `{typed('wheels')}`, which tests it, or move it away",
        )
    return ReleasedWheel(path.name, path.stat().st_size, record, requires_python(path))


def _all(problems: list[UnverifiedError]) -> AlpypyError:
    """A single error for all files that cannot be released."""
    if len(problems) == 1:
        return problems[0]
    return UnverifiedError(
        "\n    ".join(["alpypy does not release these:", *(problem.what for problem in problems)]),
        remedy="\n  ".join(
            [*(problem.remedy for problem in problems), "or move them out of artifacts/"]
        ),
    )
