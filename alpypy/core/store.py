"""Finished stages, each in a folder named by its key: present means finished."""

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
    """The key of a stage: a digest of all that goes into it, by name."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def digest_of_files(*files: Path) -> str:
    """A digest of files, for the keys of stages whose result their code decides.

    Where they are does not count: an installed alpypy has them elsewhere than a checkout.
    """
    return key_of(files=sorted(map(file_digest, files)))


class Stage(Protocol[_Loaded]):
    """One step of the work, whose result is kept and is never made twice."""

    @property
    def title(self) -> str:
        """What messages call it: ``package 3.11-7.3.22``."""

    @property
    def key(self) -> str:
        """A digest of all that goes into it, as ``key_of`` makes them."""

    def load(self) -> _Loaded | None:
        """Its result when it is finished and whole, else None."""

    def make(self, work: Path) -> Mapping[str, Any]:
        """Do the work.

        Args:
            work: an empty folder. What is left in it is kept with the stage.

        Returns:
            What to record of it, in values that JSON has.
        """


class Store:
    """The stages below a cache folder."""

    def __init__(self, cache: Path) -> None:
        self._folder = cache / "stages"

    def run(self, stage: Stage[_Result], *, keep: bool = False, again: bool = False) -> _Result:
        """The result of a stage, which is made now unless it is finished.

        One run at a time makes a stage. Another one waits, and takes the result of the first.

        Args:
            keep: leave the working folder after a failure.
            again: make it even if it is finished.
        """
        done = None if again else stage.load()
        log.detail(
            f"{stage.title} ({stage.key[:12]}) is {'to be made' if done is None else 'done'}"
        )
        if done is None:
            with one_at_a_time(self._lock(stage.key), stage.title):
                done = None if again else stage.load()  # by a run that this one waited for
                if done is None:
                    self._make(stage, keep=keep)
                    done = stage.load()
        if done is None:
            raise AssertionError(f"{stage.title} is finished, and has no result")
        return done

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
        dated = []
        for path in self._folder.glob(f"*/{_RECORD}"):
            if path.parent.name.endswith(".work"):
                continue
            with contextlib.suppress(FileNotFoundError):  # another run replaces it just now
                dated.append((path.stat().st_mtime, _read(path)))
        yield from (record for _, record in sorted(dated, key=lambda pair: pair[0]) if record)

    def being_made(self, key: str) -> bool:
        """Whether another run makes the stage just now."""
        lock = FileLock(self._lock(key))
        try:
            with lock.acquire(timeout=0):
                return False
        except Timeout:
            return True

    def _make(self, stage: Stage[object], *, keep: bool) -> None:
        work, folder = self.work_folder(stage.key), self.folder(stage.key)
        _clear(folder)  # what cannot be removed is to fail before the work
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        started = time.monotonic()
        try:
            record = stage.make(work)
            seconds = round(time.monotonic() - started, 1)
            whole = {"title": stage.title, "seconds": seconds, **record}
            (work / _RECORD).write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")
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
        # First the record: what is half removed must not look finished.
        (folder / _RECORD).unlink(missing_ok=True)
        shutil.rmtree(folder)
