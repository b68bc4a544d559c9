"""The program: what it prints and where, how it refuses a command line, how Invoke starts it."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import alpypy
from alpypy.cli.program import COMMANDS, Program
from alpypy.core.program import typed

ROOT = Path(__file__).parents[3]
STARTS = {"alpypy": ["-m", "alpypy"], "invoke": ["-m", "invoke"]}


def run(start: str, *words: str, cache: Path) -> subprocess.CompletedProcess[str]:
    """Run the program where no engine answers."""
    host = f"unix://{cache}/none.sock"
    return subprocess.run(
        [sys.executable, *STARTS[start], *words],
        cwd=ROOT,
        env={**os.environ, "ALPYPY_CACHE": str(cache), "DOCKER_HOST": host, "COLUMNS": "100"},
        capture_output=True,
        text=True,
        check=False,
    )


REFUSED = [
    ("wheels a b --python 3.12", "wheels takes one word, and there are two: a, b", "in quotes"),
    ("wheels", "wheels needs REQUIREMENTS", "REQUIREMENTS: requirements, "),
    ("verify", "verify needs TARBALL", "TARBALL: what to check"),
    ("verify --jsn x", "verify has no option --jsn", "did you mean --json?"),
    ("verify --jsn", "verify has no option --jsn", "did you mean --json?"),
    ("wheels --qwerty=1", "wheels has no option --qwerty", "{} --help wheels"),
    ("pln", "there is no command pln", "did you mean plan?"),
    ("qwerty", "there is no command qwerty", "`{} --list` shows the commands"),
    ("--help qwerty", "there is no command qwerty", "`{} --list` shows the commands"),
    ("--list qwerty", "Sub-collection 'qwerty' not found!", "`{} --list` shows all commands"),
    ("--qwerty", "there is no option --qwerty", "`{} --help COMMAND`"),
    ("bootstrap --pypi=x", "bootstrap has no option --pypi", "did you mean --pypy?"),
    ("bootstrap x", "bootstrap does not take x", "`{} --help bootstrap`"),
    ("bootstrap --pypy", "--pypy was given without a value", "`{} --help bootstrap`"),
    ("plan --with-pypy", "--with-pypy was given without a value", "`{} --help plan`"),
    ("-v -q kit", "-v and -q contradict each other", "give one of them"),
]


@pytest.mark.parametrize(("words", "message", "remedy"), REFUSED)
def test_a_wrong_command_line_ends_with_2_and_a_remedy(
    words: str, message: str, remedy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        Program().run(["alpypy", *words.split()])
    printed = capsys.readouterr()
    assert (caught.value.code, printed.out) == (2, "")
    said, hint = printed.err.splitlines()[:2]
    assert said == f"alpypy: error: {message}"
    assert remedy.format("alpypy") in hint


@pytest.mark.parametrize("case", [0, 1, 6, 7], ids=lambda case: REFUSED[case][0])
def test_invoke_ends_it_in_the_same_way(case: int, tmp_path: Path) -> None:
    words, message, remedy = REFUSED[case]
    done = run("invoke", *words.split(), cache=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    said, hint = done.stderr.splitlines()[:2]
    assert said == f"alpypy: error: {message}"
    assert remedy.format("invoke") in hint


def test_a_number_that_is_none_is_told_for_invoke_s_options_too(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as caught:
        Program().run(["alpypy", "--list-depth", "x"])
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith("alpypy: error: invalid literal")


@pytest.mark.parametrize("start", STARTS)
def test_list_and_help_name_all_that_can_be_typed(start: str, tmp_path: Path) -> None:
    listed = run(start, "--list", cache=tmp_path)
    assert (listed.returncode, listed.stderr) == (0, "")
    lines = listed.stdout.splitlines()
    for command in COMMANDS:
        assert any(line.split()[:1] == [command.name] for line in lines), command.name
    help_ = run(start, "--help", "wheels", cache=tmp_path).stdout
    assert help_.startswith(f"Usage: {start} wheels REQUIREMENTS --python=... [options]\n")
    assert "--[no-]bundle" in help_
    assert help_ == run(start, "wheels", "-h", "x", cache=tmp_path).stdout


def test_help_shows_no_option_that_does_nothing_here(tmp_path: Path) -> None:
    done = run("alpypy", "--help", cache=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    for option in ("--version", "--verbose", "--quiet", "--list"):
        assert option in done.stdout
    for option in ("--pty", "--prompt-for-sudo-password", "--search-root"):
        assert option not in done.stdout
    assert "bootstrap" in done.stdout
    assert done.stdout == run("alpypy", cache=tmp_path).stdout


def test_the_version_is_that_of_the_package(tmp_path: Path) -> None:
    assert run("alpypy", "--version", cache=tmp_path).stdout == f"alpypy {alpypy.__version__}\n"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = alpypy.nothing


def test_a_shell_completes_commands_and_options(tmp_path: Path) -> None:
    done = run("alpypy", "--complete", "--", "alpypy boot", cache=tmp_path)
    assert "bootstrap" in done.stdout.split()
    done = run("alpypy", "--complete", "--", "alpypy bootstrap --p", cache=tmp_path)
    assert "--pypy" in done.stdout.split()


def test_results_are_on_stdout_whatever_is_told(tmp_path: Path) -> None:
    loud, quiet = (run("alpypy", "patches", flag, cache=tmp_path) for flag in ("-v", "-q"))
    assert (loud.returncode, quiet.returncode) == (0, 0)
    assert loud.stdout == quiet.stdout
    assert "releases:" in quiet.stdout
    assert quiet.stderr == ""


HEAVY = ("docker", "requests", "tqdm", "cryptography", "auditwheel", "patch_ng", "elftools")


IMPORTS = f"""\
import json, sys
from alpypy.cli.program import Program
for words in json.loads(sys.argv[1]):
    try:
        Program().run(["alpypy", *words.split()])
    except SystemExit:
        pass
print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))
"""


def test_what_needs_no_library_imports_none() -> None:
    lines = ["--list", "--help bootstrap", "check --jobs x", "publish", "proxy --port 1", "bogus"]
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS, json.dumps(lines)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr.count("alpypy: error: ") == 4
    assert json.loads(done.stdout.splitlines()[-1]) == []


@pytest.mark.parametrize(
    ("started", "name"),
    [
        ("/usr/bin/alpypy", "alpypy"),
        ("/x/alpypy/__main__.py", "alpypy"),
        ("/usr/bin/invoke", "invoke"),
        ("/x/invoke/__main__.py", "invoke"),
        ("-c", "invoke"),
    ],
)
def test_messages_name_commands_as_they_are_typed_here(
    started: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [started])
    assert typed("kit", alpine="3.23") == f"{name} kit --alpine 3.23"


def test_no_message_says_invoke_where_alpypy_may_be_typed() -> None:
    command = re.compile(rf"\binvoke ({'|'.join(command.name for command in COMMANDS)})\b")
    for path in (ROOT / "alpypy").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and id(node) not in docs:
                told = path.name != "patch_docs.py"  # its text is for a checkout's docs/
                assert not (told and command.search(str(node.value))), f"{path}:{node.lineno}"
