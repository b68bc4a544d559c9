"""Finished stages, each in a folder named by its key: present means finished."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

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
        """What a finished stage wrote down; None when it is not finished."""
        try:
            text = (self.folder(key) / _RECORD).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        record: dict[str, Any] = json.loads(text)
        return record

    def records(self) -> Iterator[dict[str, Any]]:
        """The records of all finished stages, oldest first."""
        paths = sorted(self._folder.glob(f"*/{_RECORD}"), key=lambda path: path.stat().st_mtime)
        for path in paths:
            if not path.parent.name.endswith(".work"):
                yield json.loads(path.read_text(encoding="utf-8"))

    @contextlib.contextmanager
    def making(self, key: str, *, keep: bool) -> Iterator[Path]:
        """An empty folder to make the stage in; gone after a failure unless ``keep``.

        One run at a time makes a stage: another one waits. ``finish`` makes it count.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        work = self.work_folder(key)
        with _one_at_a_time(self._folder / f"{key[:24]}.lock"):
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir()
            failed = True
            try:
                yield work
                failed = False
            finally:
                if not (failed and keep):
                    shutil.rmtree(work, ignore_errors=True)

    def finish(self, key: str, record: Mapping[str, Any]) -> Path:
        """Let the folder that ``making`` gave count as the finished stage."""
        work, folder = self.work_folder(key), self.folder(key)
        (work / _RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        work.rename(folder)
        return folder


@contextlib.contextmanager
def _one_at_a_time(path: Path) -> Iterator[None]:
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print("another run is making this stage; waiting for it", file=sys.stderr, flush=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
