"""Finished stages: each has a folder named by its key, which exists only if it is finished."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar

from filelock import FileLock, Timeout

from alpypy.core import log
from alpypy.core.files import file_digest
from alpypy.core.locks import one_at_a_time

_RECORD = "record.json"
_Result = TypeVar("_Result")
_Loaded = TypeVar("_Loaded", covariant=True)


def key_of(**parts: object) -> str:
    """The key of a stage: a digest of all its inputs, by name."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def digest_of_files(*files: Path) -> str:
    """A digest of source files, for the keys of stages whose result depends on code.

    The files' paths do not count: they differ between an installed alpypy and a checkout.
    """
    return key_of(files=sorted(map(file_digest, files)))


class Stage(Protocol[_Loaded]):
    """A step of the work. Its result is kept, so alpypy does it only once."""

    @property
    def title(self) -> str:
        """Its name in messages, such as ``package 3.11-7.3.22``."""

    @property
    def key(self) -> str:
        """A digest of all its inputs, made by ``key_of``."""

    def load(self) -> _Loaded | None:
        """Its result if it is finished and complete, else None."""

    def make(self, work: Path) -> Mapping[str, Any]:
        """Do the work.

        Args:
            work: an empty folder. Files left in it are kept with the stage.

        Returns:
            The stage's record, in values that JSON has.
        """


class Store:
    """The stages below a cache folder."""

    def __init__(self, cache: Path) -> None:
        self._folder = cache / "stages"

    def run(self, stage: Stage[_Result], *, keep: bool = False, again: bool = False) -> _Result:
        """The result of a stage; makes the stage if it is not finished.

        Only one run at a time makes a stage. Another run waits for it and uses its result.

        Args:
            keep: leave the working folder after a failure.
            again: make the stage even if it is finished.
        """
        result = None if again else stage.load()
        log.detail(
            f"{stage.title} ({stage.key[:12]}) {'has to run' if result is None else 'is finished'}"
        )
        if result is None:
            with one_at_a_time(self._lock(stage.key), stage.title):
                result = None if again else stage.load()  # another run may have made it meanwhile
                if result is None:
                    self._make(stage, keep=keep)
                    result = stage.load()
        if result is None:
            raise AssertionError(f"{stage.title} is finished, but has no result")
        return result

    def folder(self, key: str) -> Path:
        """The folder of the finished stage."""
        return self._folder / key[:24]

    def work_folder(self, key: str) -> Path:
        """The folder of the stage while it is made, and after a failure with ``--keep``."""
        return self._folder / f"{key[:24]}.work"

    def record(self, key: str) -> dict[str, Any] | None:
        """The record of a finished stage; None if it is not finished, or unreadable."""
        return _read(self.folder(key) / _RECORD)

    def records(self) -> Iterator[dict[str, Any]]:
        """The records of all finished stages, oldest first."""
        dated = []
        for path in self._folder.glob(f"*/{_RECORD}"):
            if path.parent.name.endswith(".work"):
                continue
            with contextlib.suppress(FileNotFoundError):  # another run replaces it just now
                dated.append((path.stat().st_mtime, _read(path)))
        yield from (record for _, record in sorted(dated, key=lambda pair: pair[0]) if record)

    def being_made(self, key: str) -> bool:
        """Whether another run is making the stage."""
        lock = FileLock(self._lock(key))
        try:
            with lock.acquire(timeout=0):
                return False
        except Timeout:
            return True

    def _make(self, stage: Stage[object], *, keep: bool) -> None:
        work, folder = self.work_folder(stage.key), self.folder(stage.key)
        if self.record(stage.key) is None:
            _clear(folder)  # a file that cannot be removed must fail before the work
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        started = time.monotonic()
        try:
            record = stage.make(work)
            seconds = round(time.monotonic() - started, 1)
            whole = {"title": stage.title, "seconds": seconds, **record}
            (work / _RECORD).write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")
            _clear(folder)
            work.rename(folder)
        except BaseException:
            if not keep:
                shutil.rmtree(work, ignore_errors=True)
            raise

    def _lock(self, key: str) -> Path:
        self._folder.mkdir(parents=True, exist_ok=True)
        return self._folder / f"{key[:24]}.lock"


def _read(path: Path) -> dict[str, Any] | None:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return record if isinstance(record, dict) else None


def _clear(folder: Path) -> None:
    if folder.exists():
        # The record goes first: a half-removed stage must not look finished.
        (folder / _RECORD).unlink(missing_ok=True)
        shutil.rmtree(folder)
