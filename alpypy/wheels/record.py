"""A wheel's name and metadata, and the record of its test beside it: ``<wheel>.json``."""

from __future__ import annotations

import email
import json
import zipfile
from dataclasses import dataclass
from email.errors import MessageError
from pathlib import Path
from typing import Literal

from msgspec import Struct, to_builtins
from packaging.tags import Tag
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from alpypy.core.archive import BROKEN
from alpypy.core.errors import ArchiveError, UnverifiedError
from alpypy.core.fields import Date, FirstSchema, PackageName, Record, Sha256, Text
from alpypy.core.files import file_digest, whole_file
from alpypy.core.structs import convert, read_json
from alpypy.recipes.spec import ARCHITECTURES

Kind = Literal["musllinux", "linux", "any", "index"]


class Bundled(Record, frozen=True):
    """A library inside a wheel: its file there, and the Alpine package that it was copied from."""

    file: Text
    package: PackageName


class SmokeTest(Record, frozen=True, omit_defaults=True):
    """A wheel's smoke test: what pip installed, what was imported, the line of Python that ran."""

    installed: tuple[Text, ...]
    imported: tuple[Text, ...]
    smoke: Text | None = None


class WheelRecord(Record, frozen=True):
    """How a wheel passed its test, and when (in UTC, 2025-11-21T14:05:00Z).

    ``interpreter`` is named as for ``invoke wheels --python``: pypy3.11-7.3.22 or 3.12, and
    ``source`` says where it came from. ``packages`` are the Alpine packages that the wheel needs.
    ``kind`` is musllinux, linux, any, or index for an unchanged wheel from an index; ``built`` says
    whether alpypy built it.
    """

    sha256: Sha256
    interpreter: Text
    alpine: Text
    packages: tuple[PackageName, ...]
    date: Date
    kind: Kind
    built: bool
    source: Text
    kit: bool
    bundled: tuple[Bundled, ...]
    tested: SmokeTest


class _RecordHead(Struct, frozen=True):
    """The version of the record's format, read before the rest."""

    schema: FirstSchema


@dataclass(frozen=True)
class WheelName:
    """The parts of a wheel's file name. ``project`` is normalized, as an index writes it."""

    project: str
    version: str
    tags: tuple[Tag, ...]

    @property
    def arch(self) -> str:
        """The wheel's architecture; ``any`` for a wheel without compiled code."""
        for tag in self.tags:
            for arch in ARCHITECTURES:
                if tag.platform.endswith(f"_{arch}"):
                    return arch
        return "any"


def wheel_name(file_name: str) -> WheelName:
    """Read a wheel's file name.

    Raises:
        ArchiveError: it is not the name of a wheel.
    """
    try:
        project, version, _, tags = parse_wheel_filename(file_name)
    except InvalidWheelFilename as error:
        raise _bad(file_name, f"is not the name of a wheel: {error}") from error
    return WheelName(project, str(version), tuple(sorted(tags, key=str)))


def requires_python(wheel: Path) -> str | None:
    """The Pythons that a wheel's metadata say it is for, such as ``>=3.9``.

    Raises:
        ArchiveError: the file is damaged or not a wheel.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            names = [name for name in archive.namelist() if _is_metadata(name)]
            if len(names) != 1:
                raise _bad(wheel, f"has {len(names)} files METADATA instead of one")
            value = email.message_from_bytes(archive.read(names[0]))["Requires-Python"]
            return None if value is None else str(value)
    except (*BROKEN, zipfile.BadZipFile, MessageError) as error:
        raise _bad(wheel, f"is truncated or damaged: {error}") from error


def record_path(wheel: Path) -> Path:
    """The path of a wheel's record."""
    return wheel.with_name(f"{wheel.name}.json")


def keep(wheel: Path, record: WheelRecord) -> None:
    """Write the record of a wheel that has passed its test."""
    text = json.dumps({"schema": 1, **to_builtins(record)}, indent=2) + "\n"
    with whole_file(record_path(wheel)) as temporary:
        temporary.write_text(text, encoding="utf-8")


def read(wheel: Path) -> WheelRecord | None:
    """A wheel's record; None if it has none.

    Raises:
        UnverifiedError: the record cannot be read, or is the record of another file.
    """
    path = record_path(wheel)
    try:
        values = read_json(path.read_bytes())
        convert(values, _RecordHead)
        del values["schema"]
        record = convert(values, WheelRecord)
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise _untested(path, f"is not the record of a wheel: {error}") from error
    if record.sha256 != file_digest(wheel):
        raise _untested(wheel, "is not the file that was tested")
    return record


def _is_metadata(name: str) -> bool:
    folder, _, rest = name.partition("/")
    return folder.endswith(".dist-info") and rest == "METADATA"


def _bad(wheel: Path | str, what: str) -> ArchiveError:
    return ArchiveError(f"{wheel} {what}", remedy="remove it, or build it again")


def _untested(path: Path, what: str) -> UnverifiedError:
    return UnverifiedError(
        f"{path} {what}", remedy="build the wheel again, which also tests it, or remove it"
    )
