"""Odd archives and odd metadata: each gives a finding, and nothing outside is read or written."""

from __future__ import annotations

import bz2
import io
import json
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from alpypy.core.errors import ArchiveError
from alpypy.recipes.manifest import Manifest
from alpypy.verify.findings import Finding, Policy, Recorder
from alpypy.verify.run import Report
from alpypy.verify.static import unpack
from tests.manifests import MANIFEST, TARGET

TOP = TARGET.folder
DOCUMENT = structs.replace(MANIFEST, needed=()).to_json()  # no archive here has an ELF file
Members = list[tuple[tarfile.TarInfo, bytes]]


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    """A member that can be read by all."""
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.mode = kind, link, 0o755
    return made


def content(document: bytes | None = None) -> Members:
    """What every archive below has: the folder and the metadata."""
    if document is None:
        document = DOCUMENT.encode()
    return [(member(TOP, tarfile.DIRTYPE), b""), (member(f"{TOP}/ALPYPY.json"), document)]


def with_field(name: str, value: Any) -> Members:
    """The metadata with one field replaced; a dot leads into an object."""
    document = json.loads(DOCUMENT)
    place, _, last = name.rpartition(".")
    (document[place] if place else document)[last] = value
    return content(json.dumps(document).encode())


def tar(members: Members) -> bytes:
    """A tar archive, not compressed."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for one, data in members:
            one.size = len(data)
            archive.addfile(one, io.BytesIO(data))
    return buffer.getvalue()


def findings(archive: bytes, folder: Path) -> list[Finding]:
    """What is found in an archive."""
    path = folder / TARGET.tarball
    path.write_bytes(bz2.compress(archive))
    recorder = Recorder(Policy((), (), ()))
    unpack(path, folder / "scratch", recorder)
    return recorder.findings


def more(*members: tarfile.TarInfo) -> Members:
    """The usual content and further members."""
    return [*content(), *((one, b"") for one in members)]


def with_header(name: str, value: str) -> Members:
    """A file with a header of PAX."""
    one = member(f"{TOP}/x")
    one.pax_headers = {name: value}
    return more(one)


def through_links() -> Members:
    """Each link alone stays inside; one through the other does not."""
    return more(
        member(f"{TOP}/a/b", tarfile.DIRTYPE),
        member(f"{TOP}/a/b/up", tarfile.SYMTYPE, ".."),
        member(f"{TOP}/out", tarfile.SYMTYPE, "a/b/up/../../.."),
    )


def nested(depth: int) -> bytes:
    """The metadata with a field that is a list in a list in a list."""
    text = DOCUMENT.replace(f'"musl": "{MANIFEST.musl}"', '"musl": %s')
    return (text % ("[" * depth + "]" * depth)).encode()


def many_headers() -> bytes:
    """An archive that begins with headers of headers, which tarfile reads by recursion."""
    one = member("x", tarfile.GNUTYPE_LONGNAME)
    return one.tobuf(tarfile.GNU_FORMAT) * 3000 + tar(content())


# Archives, the check that must find something, and a part of what it says.
ODD: dict[str, tuple[Callable[[], Members | bytes], str, str]] = {
    "dot": (lambda: [(member("."), b""), *content()], "archive.member", "no name"),
    "dot_folder": (lambda: [(member(".", tarfile.DIRTYPE), b""), *content()], "archive.top", "."),
    "dot_link": (
        lambda: [(member(".", tarfile.SYMTYPE, "archive.tar"), b""), *content()],
        "archive.member",
        "no name",
    ),
    "nul_in_name": (lambda: with_header("path", f"{TOP}/a\0b"), "archive.member", "NUL"),
    "nul_in_link": (
        lambda: more(*[member(f"{TOP}/l", tarfile.SYMTYPE, "x" * 101 + "\0")]),
        "archive.member",
        "NUL",
    ),
    "time_nan": (lambda: with_header("mtime", "nan"), "archive.member", "cannot be unpacked"),
    "time_infinite": (lambda: with_header("mtime", "inf"), "archive.member", "cannot be unpacked"),
    "time_huge": (lambda: with_header("mtime", "1e300"), "archive.member", "cannot be unpacked"),
    "size_negative": (lambda: with_header("size", "-10000"), "archive.readable", ""),
    "size_that_leads_back": (
        lambda: with_header("size", "-1024"),
        "archive.readable",
        "below zero",
    ),
    "size_huge": (lambda: with_header("size", "9" * 30), "archive.readable", ""),
    "sparse_map": (lambda: with_header("GNU.sparse.map", "x"), "archive.readable", ""),
    "many_headers": (many_headers, "archive.readable", ""),
    "long_link": (
        lambda: more(member(f"{TOP}/l", tarfile.SYMTYPE, "x" * 300)),
        "archive.member",
        "too long",
    ),
    "long_name": (lambda: more(member(f"{TOP}/{'x' * 300}")), "archive.member", "too long"),
    "write_through_link": (
        lambda: more(member(f"{TOP}/l", tarfile.SYMTYPE, "."), member(f"{TOP}/l/x")),
        "archive.member",
        "through a link",
    ),
    "hard_link_through_link": (
        lambda: more(
            member(f"{TOP}/l", tarfile.SYMTYPE, "."),
            member(f"{TOP}/x", tarfile.LNKTYPE, f"{TOP}/l/ALPYPY.json"),
        ),
        "archive.member",
        "through a link",
    ),
    "link_through_link": (through_links, "archive.member", "through a link"),
    "hard_link_to_nothing": (
        lambda: more(member(f"{TOP}/x", tarfile.LNKTYPE, f"{TOP}/none")),
        "archive.member",
        "cannot be unpacked",
    ),
    "empty": (list, "archive.top", "no folder"),
    "deep_json": (lambda: content(nested(100_000)), "manifest.invalid", "nested"),
    "less_deep_json": (lambda: content(nested(900)), "manifest.invalid", ""),
    "nul_in_executable": (
        lambda: with_field("executables", ["bin/py\0py"]),
        "manifest.invalid",
        "executables[0]",
    ),
    "half_a_character": (
        lambda: with_field("executables", ["bin/\ud800"]),
        "manifest.invalid",
        "surrogate",
    ),
    "nul_in_environment": (
        lambda: with_field(
            "checks", [{"command": ["bin/pypy3"], "expect": "", "environment": {"A\0": ""}}]
        ),
        "manifest.invalid",
        "environment",
    ),
    "huge_repetition": (
        lambda: with_field("checks", [{"command": ["bin/pypy3"], "expect": "a{99999999999}"}]),
        "manifest.invalid",
        "a{99999999999}",
    ),
    "deep_expression": (
        lambda: with_field("checks", [{"command": ["bin/pypy3"], "expect": "(" * 9000}]),
        "manifest.invalid",
        "nested",
    ),
    "long_executable": (
        lambda: with_field("executables", ["x" * 300]),
        "manifest.executables",
        "is missing",
    ),
    "release_of_no_pypy": (
        lambda: with_field("target.release", "nonsense"),
        "manifest.invalid",
        "'nonsense' is not a PyPy version",
    ),
    "endless_release": (
        lambda: with_field("target.release", f"3.{'9' * 5000}-7.3.22"),
        "manifest.invalid",
        "is not a PyPy version",
    ),
    "endless_alpine": (
        lambda: with_field("target.alpine", f"3.{'9' * 5000}"),
        "manifest.invalid",
        "is not an Alpine version",
    ),
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_archive_is_a_finding(name: str, tmp_path: Path) -> None:
    make, wanted, part = ODD[name]
    made = make()
    found = findings(made if isinstance(made, bytes) else tar(made), tmp_path)
    assert any(one.check == wanted and part in str(one) for one in found), found


@pytest.mark.parametrize("name", ODD)
def test_the_metadata_of_an_odd_archive_is_read_or_refused(name: str, tmp_path: Path) -> None:
    made = ODD[name][0]()
    path = tmp_path / TARGET.tarball
    path.write_bytes(bz2.compress(made if isinstance(made, bytes) else tar(made)))
    try:
        assert Manifest.of_tarball(path).target == TARGET
    except ArchiveError as error:
        assert str(path) in error.what or "ALPYPY.json" in error.what


def test_the_usual_content_has_only_the_findings_of_its_missing_program(tmp_path: Path) -> None:
    found = {one.check for one in findings(tar(content()), tmp_path)}
    assert found == {"manifest.executables", "elf.missing"}


@pytest.mark.parametrize("name", ["/etc/evil", "../evil"])
def test_a_folder_outside_is_never_the_one_to_check(name: str, tmp_path: Path) -> None:
    path = tmp_path / TARGET.tarball
    path.write_bytes(bz2.compress(tar([(member(name), b"")])))
    recorder = Recorder(Policy((), (), ()))
    assert unpack(path, tmp_path / "scratch", recorder) is None


def test_a_report_can_be_printed_whatever_the_names_are(tmp_path: Path) -> None:
    names = ["\udcff", "\x1b[2J", "ü"]
    odd = [member(f"{TOP}/{name}", tarfile.FIFOTYPE) for name in names]
    found = findings(tar(more(*odd)), tmp_path)
    text = Report(TARGET.tarball, "0" * 64, tuple(found), 1, 0.0, "2025-11-21T14:05:00Z").to_text()
    assert "\x1b" not in text
    for shown in (r"\udcff", r"\x1b[2J", "ü"):
        assert shown in text
    assert text.encode()


WHOLE = tar(with_header("mtime", "1.5"))


@settings(max_examples=100)
@given(st.dictionaries(st.integers(0, len(WHOLE) - 1), st.integers(0, 255), min_size=1, max_size=4))
def test_damage_anywhere_is_no_traceback(changes: dict[int, int]) -> None:
    whole = bytearray(WHOLE)
    for place, value in changes.items():
        whole[place] = value
    with tempfile.TemporaryDirectory() as folder:
        findings(bytes(whole), Path(folder))
