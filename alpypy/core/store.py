"""Finished stages, each in a folder named by its key: present means finished."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from alpypy.core.locks import one_at_a_time

_RECORD = "record.json"


def key_of(**parts: object) -> str:
    """The key of a stage: a digest of all that goes into it, by name."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


class Store:
    """The stages below a cache folder."""

    def __init__(self, cache: Path) -> None:
        self._folder = cache / "stages"
        self.logs = cache / "logs"

    def folder(self, key: str) -> Path:
        """Where the stage is when it is finished."""
        return self._folder / key[:24]

    def work_folder(self, key: str) -> Path:
        """Where the stage is while it is made, and after a failure with ``--keep``."""
        return self._folder / f"{key[:24]}.work"

    def record(self, key: str) -> dict[str, Any] | None:
        """What a finished stage wrote down; None when it is not finished, or that is unreadable."""
        return _read(self.folder(key) / _RECORD)

    def records(self) -> Iterator[dict[str, Any]]:
        """The records of all finished stages, oldest first."""
        found = []
        for path in self._folder.glob(f"*/{_RECORD}"):
            if path.parent.name.endswith(".work"):
                continue
            with contextlib.suppress(FileNotFoundError):  # another run makes it anew just now
                found.append((path.stat().st_mtime, _read(path)))
        yield from (record for _, record in sorted(found, key=lambda one: one[0]) if record)

    @contextlib.contextmanager
    def making(self, key: str, *, keep: bool) -> Iterator[Path]:
        """An empty folder to make the stage in; gone after a failure unless ``keep``.

        One run at a time makes a stage: another one waits. ``finish`` makes it count.
        """
        work = self.work_folder(key)
        with one_at_a_time(self._lock(key), "stage"):
            if self.record(key) is None:
                _clear(self.folder(key))  # what cannot be removed is to fail before the work
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir()
            failed = True
            try:
                yield work
                failed = False
            finally:
                if not (failed and keep):
                    shutil.rmtree(work, ignore_errors=True)

    def being_made(self, key: str) -> bool:
        """Whether another run makes the stage just now."""
        lock = FileLock(self._lock(key))
        try:
            with lock.acquire(timeout=0):
                return False
        except Timeout:
            return True

    def _lock(self, key: str) -> Path:
        self._folder.mkdir(parents=True, exist_ok=True)
        return self._folder / f"{key[:24]}.lock"

    def finish(self, key: str, record: Mapping[str, Any]) -> Path:
        """Let the folder that ``making`` gave count as the stage, in place of an older one."""
        work, folder = self.work_folder(key), self.folder(key)
        (work / _RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        _clear(folder)
        work.rename(folder)
        return folder


def _read(path: Path) -> dict[str, Any] | None:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return record if isinstance(record, dict) else None


def _clear(folder: Path) -> None:
    if folder.exists():
        # First the record: what is half removed must not look finished.
        (folder / _RECORD).unlink(missing_ok=True)
        shutil.rmtree(folder)
