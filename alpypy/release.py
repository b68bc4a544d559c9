"""A release: a folder of verified tarballs and tested wheels that any static server can serve."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from alpypy import release_simple, verdict, wheel_record
from alpypy.errors import AlpypyError, DigestError, ReleaseError, SpecError, UnverifiedError
from alpypy.manifest import Manifest
from alpypy.release_index import FILE_NAME, SUMS, Artifact, Index, Tarball, Wheel, check_name, parse
from alpypy.release_page import release_page
from alpypy.sources import file_digest
from alpypy.store import whole_file
from alpypy.wheel_record import requires_python, wheel_name

WHEELS = "wheels"
PAGE = "index.html"


def gather(artifacts: Path, out: Path, url: str | None, say: Callable[[str], None]) -> Index:
    """Make the folder ``out`` a release of what is in ``artifacts``.

    Args:
        artifacts: has verified tarballs of PyPy, and tested wheels in ``wheels``.
        out: a folder that is empty, not there, or an earlier release, which is replaced.
        url: the address below which it will be served, for the commands in its page.

    Raises:
        UnverifiedError: a tarball has not passed verify, or a wheel its test, as they are now; the
            message has all of them.
        SpecError: there is nothing to release, or ``out`` is something else.
        ReleaseError: a file has a name that cannot be handed out.
    """
    earlier = _earlier(out)
    found = dict(_found(artifacts, say))
    if not found:
        raise SpecError(
            f"{artifacts} has nothing to release",
            remedy="build a PyPy with invoke bootstrap, or a wheel with invoke wheels",
        )
    index = Index.of(list(found.values()), url)
    out.mkdir(parents=True, exist_ok=True)
    for path, artifact in found.items():
        place(path, out / artifact.file, artifact.sha256)
    for name in {one.file for one in earlier.artifacts} - {one.file for one in index.artifacts}:
        (out / name).unlink(missing_ok=True)
    write_pages(index, out)
    return index


def read(folder: Path) -> Index:
    """The release in a folder, whose files are checked.

    Raises:
        SpecError: there is none.
        ReleaseError: its index is not usable.
        DigestError: a file is missing, or is not the one that the index names.
    """
    path = folder / FILE_NAME
    if not path.is_file():
        raise SpecError(f"{folder} has no release", remedy="make it: invoke release")
    index = parse(path.read_bytes(), str(path))
    for one in index.artifacts:
        digest = file_digest(folder / one.file) if (folder / one.file).is_file() else "none"
        if digest != one.sha256:
            raise DigestError(
                f"{folder / one.file} is not the file that {path} names: SHA-256 {digest}, and"
                f" {one.sha256} there",
                remedy="make the release again: invoke release",
            )
    return index


def pages(index: Index, *, flat: bool) -> dict[str, str]:
    """What is made of an index, by paths in the release's folder: index.json comes last.

    Args:
        flat: for a server without folders, which gives no index to pip.
    """
    simple = {} if flat else release_simple.pages(index)
    page = release_page(index, flat=flat)
    return {SUMS: index.sums(), **simple, PAGE: page, FILE_NAME: index.to_json()}


def write_pages(index: Index, folder: Path) -> None:
    """Write what is made of an index, and remove what is left of an earlier simple index."""
    made = pages(index, flat=False)
    for name, text in made.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not (path.is_file() and path.read_bytes() == text.encode()):
            with whole_file(path) as temporary:
                temporary.write_text(text, encoding="utf-8")
    for path in (folder / release_simple.FOLDER).iterdir():
        if path.is_dir() and f"{release_simple.FOLDER}/{path.name}/index.html" not in made:
            shutil.rmtree(path)


def place(source: Path, target: Path, sha256: str) -> None:
    """Copy a file, unless it is there already; it has its name only when it is whole.

    Raises:
        DigestError: it is not the file with that digest.
    """
    if target.is_file() and file_digest(target) == sha256:
        return
    with whole_file(target) as temporary:
        shutil.copyfile(source, temporary)
        if file_digest(temporary) != sha256:
            raise DigestError(
                f"{source} has changed meanwhile: its SHA-256 is not {sha256}",
                remedy="run it again when nothing else writes there",
            )


def _earlier(out: Path) -> Index:
    """The release that ``out`` has."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return Index()
    try:
        return parse((out / FILE_NAME).read_bytes(), str(out / FILE_NAME))
    except (OSError, ReleaseError) as error:
        raise SpecError(
            f"{out} is there and is no release: it could be something else",
            remedy="give --out a folder that is empty or not there, or remove it",
        ) from error


def _found(artifacts: Path, say: Callable[[str], None]) -> Iterator[tuple[Path, Artifact]]:
    problems: list[UnverifiedError] = []
    for make, pattern in ((_tarball, "*.tar.bz2"), (_wheel, f"{WHEELS}/*.whl")):
        for path in sorted(artifacts.glob(pattern)):
            try:
                artifact = make(path)
            except UnverifiedError as error:
                problems.append(error)
                continue
            if artifact is None:
                say(f"left out: {path.name} is no PyPy")
            else:
                check_name(artifact.file)
                yield path, artifact
    if problems:
        raise _all(problems)


def _tarball(path: Path) -> Tarball | None:
    report = verdict.require(path)
    manifest = Manifest.of_tarball(path)
    if manifest.kind != "pypy":
        return None
    if {report.tarball, manifest.target.tarball} != {path.name}:
        raise UnverifiedError(
            f"{path} was {manifest.target.tarball} when it was made",
            remedy="give it that name again and verify it, or move it away",
        )
    return Tarball(path.stat().st_size, report, manifest)


def _wheel(path: Path) -> Wheel:
    wheel_name(path.name)
    record = wheel_record.read(path)
    if record is None:
        raise UnverifiedError(
            f"{path} has no record of a test that it passed",
            remedy="build it with invoke wheels, which tests it, or move it away",
        )
    return Wheel(path.name, path.stat().st_size, record, requires_python(path))


def _all(problems: list[UnverifiedError]) -> AlpypyError:
    """One error for all that cannot be released."""
    if len(problems) == 1:
        return problems[0]
    return UnverifiedError(
        "\n    ".join(["these cannot be released:", *(one.what for one in problems)]),
        remedy="\n  ".join([*(one.remedy for one in problems), "or move them out of artifacts/"]),
    )
