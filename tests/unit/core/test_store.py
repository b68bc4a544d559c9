"""Finished stages: there or not, nothing between."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpypy.core.store import Store, key_of

KEY = key_of(name="one")
values = st.one_of(st.text(), st.integers(), st.lists(st.text()))
parts = st.dictionaries(st.text(min_size=1), values, max_size=5)
# A stage in a process of its own, which ends when it is told to.
OTHER = """\
import sys
from pathlib import Path
from alpypy.core.store import Store
from tests.unit.core.test_store import Writing
cache, key, content = sys.argv[1:]

def wait():
    print("making", flush=True)
    sys.stdin.read()

store = Store(Path(cache))
store.run(Writing(store, key, content, wait))
"""


@dataclass(frozen=True)
class Writing:
    """A stage that writes a file."""

    store: Store
    key: str
    content: str = "content"
    first: Callable[[], object] = lambda: None
    title: str = "writing"

    def load(self) -> str | None:
        if self.store.record(self.key) is None:
            return None
        return (self.store.folder(self.key) / "made").read_text()

    def make(self, work: Path) -> Mapping[str, Any]:
        assert list(work.iterdir()) == []
        (work / "made").write_text(self.content)
        self.first()
        return {"content": self.content}


@given(parts, parts)
def test_keys_are_equal_only_for_equal_parts(
    one: dict[str, object], two: dict[str, object]
) -> None:
    assert (key_of(**one) == key_of(**two)) == (one == two)
    assert key_of(**one) == key_of(**dict(reversed(one.items())))


def test_a_stage_counts_when_it_is_finished(tmp_path: Path) -> None:
    store = Store(tmp_path)
    seen = list[object]()
    stage = Writing(store, KEY, first=lambda: seen.append(store.record(KEY)))
    assert store.run(stage) == "content"
    assert seen == [None]
    record = store.record(KEY)
    assert record is not None
    assert (record["title"], record["content"]) == ("writing", "content")
    assert record["seconds"] >= 0
    assert list(store.records()) == [record]
    assert not store.work_folder(KEY).exists()


def test_a_finished_stage_is_not_made_again_unless_it_is_wanted(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.run(Writing(store, KEY, "first")) == "first"
    assert store.run(Writing(store, KEY, "second")) == "first"
    assert store.run(Writing(store, KEY, "third"), again=True) == "third"
    assert sorted(path.name for path in store.folder(KEY).iterdir()) == ["made", "record.json"]


def test_a_finished_stage_outlives_a_failure_to_make_it_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.run(Writing(store, KEY, "good"))
    record = store.record(KEY)
    with pytest.raises(ZeroDivisionError):
        store.run(Writing(store, KEY, "other", first=lambda: 1 / 0), again=True)
    assert store.record(KEY) == record
    assert store.run(Writing(store, KEY)) == "good"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("keep", [False, True])
def test_a_failure_leaves_at_most_the_working_folder(
    tmp_path: Path, keep: bool, error: type[BaseException]
) -> None:
    store = Store(tmp_path)

    def fail() -> None:
        raise error

    with pytest.raises(error):
        store.run(Writing(store, KEY, first=fail), keep=keep)
    assert store.record(KEY) is None
    assert list(store.records()) == []
    assert store.work_folder(KEY).exists() == keep
    assert store.run(Writing(store, KEY)) == "content"


def test_what_a_killed_run_left_neither_counts_nor_stays(tmp_path: Path) -> None:
    store = Store(tmp_path)
    work = store.work_folder(KEY)
    work.mkdir(parents=True)
    (work / "record.json").write_text(json.dumps({"title": "killed before the rename"}))
    assert store.record(KEY) is None
    assert list(store.records()) == []
    assert store.run(Writing(store, KEY)) == "content"


def test_records_come_oldest_first(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for number in range(3):
        key = key_of(number=number)
        store.run(Writing(store, key, str(number)))
        stamp = 1_000_000 - number
        path = store.folder(key) / "record.json"
        subprocess.run(["touch", "-d", f"@{stamp}", str(path)], check=True)
    assert [record["content"] for record in store.records()] == ["2", "1", "0"]


@pytest.mark.usefixtures("as_a_command_tells")
def test_one_run_at_a_time_makes_a_stage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", OTHER, str(tmp_path), KEY, "first"],
        cwd=Path(__file__).parents[3],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdin is not None
    assert other.stdout is not None
    assert other.stdout.readline() == "making\n"
    store = Store(tmp_path)
    assert store.being_made(KEY)
    assert not store.being_made(key_of(name="another"))
    threading.Timer(0.5, other.stdin.close).start()
    assert store.run(Writing(store, KEY, "second")) == "first"
    assert other.wait(timeout=60) == 0
    assert not store.being_made(KEY)
    assert "another run is making writing; waiting for it" in capsys.readouterr().err


@pytest.mark.parametrize("text", [None, "", "{", "[]", "\0"])
def test_a_stage_without_a_readable_record_is_made_again(tmp_path: Path, text: str | None) -> None:
    store = Store(tmp_path)
    folder = store.folder(KEY)
    (folder / "tree").mkdir(parents=True)
    if text is not None:
        (folder / "record.json").write_text(text)
    assert store.record(KEY) is None
    assert list(store.records()) == []
    # What cannot be removed is to fail before the work.
    stage = Writing(store, KEY, first=lambda: pytest.fail("too late") if folder.exists() else None)
    assert store.run(stage) == "content"
    assert sorted(path.name for path in folder.iterdir()) == ["made", "record.json"]


def test_records_can_be_read_while_another_run_finishes_stages(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from alpypy.core.store import Store, key_of\n"
        "from tests.unit.core.test_store import Writing\n"
        f"store = Store(Path({str(tmp_path)!r}))\n"
        "print('making', flush=True)\n"
        "for number in range(100):\n"
        "    store.run(Writing(store, key_of(number=number % 20)), again=True)\n"
    )
    command = [sys.executable, "-c", code]
    root = Path(__file__).parents[3]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "making\n"
        store = Store(tmp_path)
        while other.poll() is None:
            assert len(list(store.records())) <= 20
    assert other.returncode == 0
    assert len(list(store.records())) == 20
