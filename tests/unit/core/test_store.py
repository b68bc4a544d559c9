"""Finished stages: there or not, nothing between."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpypy.core.store import Store, key_of

KEY = key_of(name="one")
values = st.one_of(st.text(), st.integers(), st.lists(st.text()))
parts = st.dictionaries(st.text(min_size=1), values, max_size=5)


@given(parts, parts)
def test_keys_are_equal_only_for_equal_parts(
    one: dict[str, object], two: dict[str, object]
) -> None:
    assert (key_of(**one) == key_of(**two)) == (one == two)
    assert key_of(**one) == key_of(**dict(reversed(one.items())))


def test_a_stage_counts_when_it_is_finished(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.making(KEY, keep=False) as work:
        (work / "made").write_text("content")
        assert store.record(KEY) is None
        folder = store.finish(KEY, {"title": "one"})
    assert folder == store.folder(KEY)
    assert (folder / "made").read_text() == "content"
    assert store.record(KEY) == {"title": "one"}
    assert list(store.records()) == [{"title": "one"}]
    assert not store.work_folder(KEY).exists()


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("keep", [False, True])
def test_a_failure_leaves_at_most_the_working_folder(
    tmp_path: Path, keep: bool, error: type[BaseException]
) -> None:
    store = Store(tmp_path)
    with pytest.raises(error), store.making(KEY, keep=keep) as work:
        (work / "half").write_text("")
        raise error
    assert store.record(KEY) is None
    assert list(store.records()) == []
    assert store.work_folder(KEY).exists() == keep


def test_what_a_killed_run_left_neither_counts_nor_stays(tmp_path: Path) -> None:
    store = Store(tmp_path)
    work = store.work_folder(KEY)
    work.mkdir(parents=True)
    (work / "record.json").write_text(json.dumps({"title": "killed before the rename"}))
    assert store.record(KEY) is None
    assert list(store.records()) == []
    with store.making(KEY, keep=False) as again:
        assert list(again.iterdir()) == []


def test_records_come_oldest_first(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for number in range(3):
        key = key_of(number=number)
        with store.making(key, keep=False) as work:
            (work / "x").touch()
            path = store.finish(key, {"number": number}) / "record.json"
        stamp = 1_000_000 - number
        subprocess.run(["touch", "-d", f"@{stamp}", str(path)], check=True)
    assert [record["number"] for record in store.records()] == [2, 1, 0]


def test_one_run_at_a_time_makes_a_stage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = (
        "import sys; from pathlib import Path; from alpypy.core.store import Store\n"
        f"store = Store(Path({str(tmp_path)!r}))\n"
        f"with store.making({KEY!r}, keep=False):\n"
        "    print('making', flush=True)\n"
        "    sys.stdin.read()\n"
        f"    store.finish({KEY!r}, dict(title='first'))\n"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdin is not None
    assert other.stdout is not None
    assert other.stdout.readline() == "making\n"
    threading.Timer(0.5, other.stdin.close).start()
    store = Store(tmp_path)
    assert store.being_made(KEY)
    assert not store.being_made(key_of(name="another"))
    with store.making(KEY, keep=False):
        assert store.record(KEY) == {"title": "first"}
    assert other.wait(timeout=30) == 0
    assert not store.being_made(KEY)
    assert "waiting for it" in capsys.readouterr().err
    assert store.record(KEY) == {"title": "first"}


def test_a_stage_that_another_run_finished_meanwhile_stays_as_it_is(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for title in ("first", "second"):
        with store.making(KEY, keep=False) as work:
            (work / "made").write_text(title)
            if store.record(KEY) is None:
                store.finish(KEY, {"title": title})
    assert store.record(KEY) == {"title": "first"}
    assert (store.folder(KEY) / "made").read_text() == "first"


@pytest.mark.parametrize("text", [None, "", "{", "[]", "\0"])
def test_a_stage_without_a_readable_record_is_made_again(tmp_path: Path, text: str | None) -> None:
    store = Store(tmp_path)
    folder = store.folder(KEY)
    (folder / "tree").mkdir(parents=True)
    if text is not None:
        (folder / "record.json").write_text(text)
    assert store.record(KEY) is None
    assert list(store.records()) == []
    with store.making(KEY, keep=False) as work:
        assert not folder.exists()  # said now, if it cannot be removed, and not after the work
        (work / "made").touch()
        store.finish(KEY, {"title": "again"})
    assert store.record(KEY) == {"title": "again"}
    assert sorted(path.name for path in folder.iterdir()) == ["made", "record.json"]


def test_finishing_takes_the_place_of_a_finished_stage(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for title in ("spoilt", "good"):
        with store.making(KEY, keep=False) as work:
            (work / title).touch()
            store.finish(KEY, {"title": title})
    assert store.record(KEY) == {"title": "good"}
    assert sorted(path.name for path in store.folder(KEY).iterdir()) == ["good", "record.json"]


def test_records_can_be_read_while_another_run_finishes_stages(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from alpypy.core.store import Store, key_of\n"
        f"store = Store(Path({str(tmp_path)!r}))\n"
        "print('making', flush=True)\n"
        "for number in range(100):\n"
        "    key = key_of(number=number % 20)\n"
        "    with store.making(key, keep=False):\n"
        "        store.finish(key, dict(number=number))\n"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "making\n"
        store = Store(tmp_path)
        while other.poll() is None:
            assert len(list(store.records())) <= 20
    assert other.returncode == 0
    assert len(list(store.records())) == 20
