"""What is told about the work, and where."""

from __future__ import annotations

from pathlib import Path

import pytest

from alpypy.core import log
from alpypy.core.fetch import Fetcher
from alpypy.core.files import file_digest
from alpypy.core.source import Source


@pytest.mark.parametrize(
    ("verbose", "quiet", "told"),
    [(False, False, "doing\n"), (True, False, "doing\nwhy\n"), (False, True, "")],
)
def test_more_or_less_is_told_on_stderr(
    verbose: bool, quiet: bool, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    log.configure(verbose=verbose, quiet=quiet)
    log.say("doing")
    log.detail("why")
    assert capsys.readouterr() == ("", told)


def test_nothing_is_told_twice(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure()
    log.configure()
    log.say("100 % done")
    assert capsys.readouterr().err == "100 % done\n"


def test_bars_are_for_a_terminal_and_not_for_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    log.configure()
    assert not log.show_bars()
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert log.show_bars()
    log.configure(quiet=True)
    assert not log.show_bars()


def test_details_say_which_file_is_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file.txt").write_text("content")
    digest = file_digest(tmp_path / "file.txt")
    place = tmp_path / "files" / digest[:16]
    place.mkdir(parents=True)
    (tmp_path / "file.txt").rename(place / "file.txt")
    log.configure(verbose=True)
    path = Fetcher(tmp_path).fetch(Source("https://example.org/file.txt", digest))
    assert capsys.readouterr().err == f"file.txt is {path}\n"
