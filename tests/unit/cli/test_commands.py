"""What may be typed after each command, and what is made of it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from invoke.exceptions import ParseError
from invoke.parser.context import ParserContext
from invoke.parser.parser import Parser

from alpypy.cli.builds import BootstrapOptions
from alpypy.cli.options import read
from alpypy.cli.program import Program, namespace
from alpypy.cli.wheels import WheelsOptions
from alpypy.core import log
from alpypy.pipeline.request import BuildRequest
from alpypy.recipes.choice import newest_alpine, newest_release
from alpypy.recipes.data import load_pypys
from alpypy.recipes.local_source import identify
from alpypy.recipes.optimize import load_optimizations
from alpypy.recipes.spec import Target
from alpypy.wheels.recipe import load_wheel_data
from tests.trees import write_tree
from tests.workspaces import ROOT

CONTEXTS = namespace().to_contexts()
PROGRAM = Program()
BOTH = ["--pypy", "3.6-7.0.0", "--alpine", "3.9"]
REFERENCE = ["--reference", "/nowhere"]


@pytest.fixture
def restored() -> Iterator[None]:
    """What a task does with signals is undone."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def parse(*words: str) -> ParserContext:
    (context,) = Parser(contexts=CONTEXTS).parse_argv(list(words))
    return context


def refusal(capsys: pytest.CaptureFixture[str], *words: str, code: int = 2) -> str:
    """What a command says that ends with this exit code."""
    with pytest.raises(SystemExit) as caught:
        PROGRAM.run(["alpypy", *words])
    assert caught.value.code == code
    return capsys.readouterr().err


def source(folder: Path) -> Path:
    """A tree that states to be 3.6-7.0.0."""
    stated = "CPYTHON_VERSION = (3, 6, 1)\nPYPY_VERSION = (7, 0, 0)\n"
    return write_tree(folder, {"pypy/module/sys/version.py": stated, "rpython/__init__.py": ""})


def test_source_and_mirror_are_repeatable() -> None:
    given = ["--source", "a", "--mirror", "b", "--source", "c"]
    values = parse("bootstrap", *BOTH, *given).as_kwargs
    assert (values["source"], values["mirror"]) == (["a", "c"], ["b"])


def test_every_option_has_a_help_text() -> None:
    bare = [(c.name, a.name) for c in CONTEXTS for a in c.args.values() if not a.help]
    assert bare == []


@pytest.mark.parametrize(
    ("task", "options"),
    [
        ("bootstrap", {"keep", "direct"}),
        ("build", {"keep", "with_pypy"}),
        ("plan", {"direct", "with_pypy"}),
    ],
)
def test_options_of_its_own(task: str, options: set[str]) -> None:
    more = ["--with-pypy", "2.7-7.3.22"] if task == "build" else []
    taken = set(parse(task, *BOTH, *more).as_kwargs)
    assert taken & {"keep", "direct", "with_pypy"} == options


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "bootstrap needs --pypy"),
        (["--alpine", "3.9"], "bootstrap needs --pypy"),
        (["--pypy", "3.99", "--alpine", ""], "no PyPy of Python 3.99"),
        ([*BOTH, "--jobs", "abc"], "--jobs is 'abc'"),
        ([*BOTH, "--jobs=-3"], "--jobs is '-3'"),
        ([*BOTH, "--jobs", "0"], "--jobs is '0'"),
        ([*BOTH, "--jobs", "\u0663"], "--jobs is '\u0663'"),
    ],
)
def test_a_wrong_command_line_is_told_once_and_ends_with_2(
    words: list[str], says: str, capsys: pytest.CaptureFixture[str], restored: None
) -> None:
    said = refusal(capsys, "bootstrap", *words)
    assert says in said
    assert said.count(said.splitlines()[0]) == 1


@pytest.mark.parametrize(
    ("pypy", "level", "says"),
    [
        ("3.11-7.3.22", "fast", "--optimize is 'fast'"),
        ("rpython-0.2.1", "pgo", "--optimize is 'pgo', but rpython-0.2.1"),
    ],
)
def test_a_level_that_cannot_be_is_refused_before_an_engine_is_asked(
    pypy: str, level: str, says: str, capsys: pytest.CaptureFixture[str], restored: None
) -> None:
    words = ["--pypy", pypy, "--alpine", "3.23", "--optimize", level]
    assert says in refusal(capsys, "plan", *words)


def test_the_help_of_optimize_names_the_levels_and_the_default() -> None:
    data = load_optimizations(ROOT / "versions")
    text = parse("bootstrap", *BOTH).args["optimize"].help
    assert text is not None
    assert all(level.name in text for level in data.levels)
    assert f"(default: {data.default})" in text


def test_reference_needs_a_pypy_2_7(capsys: pytest.CaptureFixture[str], restored: None) -> None:
    said = refusal(capsys, "reference", "--pypy", "3.11-7.3.23")
    assert "reference needs --with-pypy" in said


def test_build_needs_a_pypy(capsys: pytest.CaptureFixture[str], restored: None) -> None:
    assert "build needs --with-pypy\n  --with-pypy: tarball of a PyPy" in refusal(
        capsys, "build", *BOTH
    )


def test_an_empty_path_is_none(capsys: pytest.CaptureFixture[str], restored: None) -> None:
    assert "verify needs TARBALL" in refusal(capsys, "verify", "")


def test_only_a_portable_pypy_is_verified_on_several_alpines(
    capsys: pytest.CaptureFixture[str], restored: None, tmp_path: Path
) -> None:
    tarball = tmp_path / "pypy-3.11-8.0.0-alpine3.23.tar.bz2"
    tarball.touch()
    images = ["--base-image", "alpine:3.18", "--base-image", "alpine:3.23"]
    said = refusal(capsys, "verify", str(tarball), *images)
    assert "is for one Alpine, and --base-image names 2" in said


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ([], 2, "image needs --pypy"),
        (["--pypy", "3.99"], 2, "no PyPy of Python 3.99"),
        ([*BOTH, "--repository", "a;reboot"], 2, "'a;reboot' is not the name"),
        (["--pypy", "3.6-7.0.0", "--alpine", "3.9;id"], 2, "'3.9;id' is not an Alpine"),
        (["--pypy", "$(id)", "--alpine", "3.9"], 2, "no release '$(id)'"),
        (["--pypy", "3.6-7.0.0", "--alpine", "3.12"], 6, "alpine3.12.tar.bz2 does not exist"),
    ],
)
def test_a_wrong_image_is_told_before_an_engine_is_looked_for(
    words: list[str],
    code: int,
    says: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    restored: None,
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere")
    assert says in refusal(capsys, "image", *words, code=code)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "there is nothing to check"),
        (["--jobs=-3"], "--jobs is '-3'"),
        (["--jobs", "0"], "--jobs is '0'"),
        (["--jobs", "abc"], "--jobs is 'abc'"),
        ([*REFERENCE, "--timeout=-5"], "--timeout is '-5'"),
        (["--timeout", "0"], "--timeout is '0'"),
        (["--timeout", "1.5"], "--timeout is '1.5'"),
        (["--timeout", "abc"], "--timeout is 'abc'"),
        (
            ["--timeout", "1000000"],
            "--timeout is '1000000'\n  give a whole number from 1 to 999999",
        ),
        ([*REFERENCE, "--pypy", "3.6-7.0.0"], "--reference does not go with --pypy"),
        ([*REFERENCE, "--alpine", "3.9"], "--reference does not go with --alpine"),
        ([*REFERENCE, "--arch", "x86_64"], "--reference does not go with --arch"),
        ([*REFERENCE, "--release-version", "1"], "--reference does not go with --release-version"),
        (
            [*REFERENCE, "--base-image", "b", "--source", "a"],
            "does not go with --source, --base-image",
        ),
    ],
)
def test_a_wrong_check_is_told_before_anything_runs(
    words: list[str],
    says: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    restored: None,
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere")
    assert says in refusal(capsys, "check", *words)


@pytest.mark.parametrize("words", [["--bogus", "x"], ["3.6-7.0.0", "3.9"], [*BOTH, "--jobs"]])
def test_invoke_does_not_take_one_word_for_another(words: list[str]) -> None:
    with pytest.raises(ParseError):
        parse("bootstrap", *words)


def test_help_and_list_end_well(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--help", "bootstrap"], ["--list"]):
        with pytest.raises(SystemExit) as caught:
            PROGRAM.run(["alpypy", *words])
        assert caught.value.code == 0
        assert "erify a PyPy for an Alpine" in capsys.readouterr().out


def options(*words: str) -> BootstrapOptions:
    """The options of ``bootstrap``, as its body gets them."""
    return read("bootstrap", BootstrapOptions, parse("bootstrap", *words).as_kwargs)


def test_jobs_are_a_number_in_the_request() -> None:
    assert options(*BOTH, "--jobs", "12").request().jobs == 12


def test_errata_are_wanted_unless_the_user_says_no() -> None:
    assert options(*BOTH).request().errata
    assert not options(*BOTH, "--no-errata").request().errata


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(ParseError, match="--kep"):
        parse("bootstrap", *BOTH, "--kep")


def test_what_is_not_given_is_none_in_the_request() -> None:
    request = options(*BOTH, "--source", "a").request()
    assert request == BuildRequest(target=Target("3.6-7.0.0", "3.9"), sources=(Path("a"),))


def test_what_is_chosen_is_said() -> None:
    said = list[str]()
    log.configure()
    with log.through(said.append):
        target = options("--pypy", "3.11").request().target
    release, alpine = newest_release(load_pypys(ROOT / "versions"), "3.11")[0], newest_alpine(ROOT)
    assert target == Target(release, alpine)
    assert said == [f"PyPy {release} (the newest of 3.11) on Alpine {alpine} (the newest)"]


@pytest.mark.parametrize("alpine", [None, "3.23"])
def test_the_alpine_that_is_chosen_for_a_cpython_is_said(alpine: str | None) -> None:
    words = ["six", "--python", "3.12", *(["--alpine", alpine] if alpine else [])]
    given = read("wheels", WheelsOptions, parse("wheels", *words).as_kwargs)
    said = list[str]()
    log.configure()
    with log.through(said.append):
        interpreter = given.request(load_wheel_data(ROOT)).interpreter
    assert interpreter.alpine == (alpine or newest_alpine(ROOT))
    assert said == ([] if alpine else [f"Alpine {newest_alpine(ROOT)} (the newest)"])


def test_what_a_tree_is_packaged_as_is_said_before_an_engine_is_looked_for(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    restored: None,
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    monkeypatch.setenv("ALPYPY_CACHE", str(tmp_path))
    path = source(tmp_path / "pypy")
    version = identify(path, tmp_path).version
    words = ["--pypy", version, "--alpine", "3.9", "--direct"]
    said = refusal(capsys, "plan", *words, "--source", str(path), code=8)
    assert f"your source is packaged as pypy-{version}-alpine3.9\n" in said
    assert "builds it from its source alone" in refusal(capsys, "plan", *words)


def test_a_series_is_written_and_its_files_are_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    restored: None,
) -> None:
    monkeypatch.setenv("ALPYPY_CACHE", str(tmp_path / "cache"))
    words = ["patches", "--series", "3.11-8.0.0", "--no-errata", "--out", str(tmp_path / "out")]
    PROGRAM.run(["alpypy", *words], exit=False)
    said = capsys.readouterr()
    names = (tmp_path / "out" / "series").read_text().split()
    assert said.out.splitlines() == [str(tmp_path / "out" / name) for name in names]
    assert "these patches are untested on 3.11-8.0.0; give its source with --source" in said.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--out", "a"], "--out and --no-errata are for --series"),
        (["--no-errata"], "--out and --no-errata are for --series"),
        (["--write-docs", "--out", "a"], "--write-docs takes no other option"),
        (["--write-docs", "--series", "3.11-8.0.0"], "--write-docs takes no other option"),
        (["--write-docs", "--source", "{}"], "--write-docs takes no other option"),
        (["--series", "3.11-7.3.99"], "no release '3.11-7.3.99'"),
        (["--series", "3.11-7.3.23", "--source", "{}"], "--source is 3.6-7.0.0, not 3.11-7.3.23"),
        (["--series", "3.11-7.3.23", "--source", "{}"], "use --series 3.6-7.0.0, or name a branch"),
        (
            ["--series", "3.11-7.3.23", "--out", "{}"],
            "is not a series of patches from alpypy: it has",
        ),
    ],
)
def test_a_wrong_series(
    words: list[str],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    restored: None,
) -> None:
    monkeypatch.setenv("ALPYPY_CACHE", str(tmp_path / "cache"))
    tree = source(tmp_path / "tree")
    assert says in refusal(capsys, "patches", *(word.format(tree) for word in words))


def test_a_patch_that_does_not_fit_ends_a_series_with_7(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    restored: None,
) -> None:
    monkeypatch.setenv("ALPYPY_CACHE", str(tmp_path / "cache"))
    tree = source(tmp_path / "tree")
    words = ["--series", "3.6-7.0.0", "--source", str(tree), "--out", str(tmp_path / "out")]
    said = refusal(capsys, "patches", *words, code=7)
    assert f"patches do not fit {tree}:\n    clibffi-libc-name@2.7-7.0.0.patch does not" in said
    assert not (tmp_path / "out").exists()


def test_a_release_version_may_be_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYPY_RELEASE_VERSION", "1.0")
    assert options(*BOTH).request().target.version == "1.0"
    assert options(*BOTH, "--release-version", "2.0").request().target.version == "2.0"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["six"], "wheels needs --python"),
        (["six", "--python", "2.7"], "--python is '2.7', which names no Python"),
        (["six;ls", "--python", "3.12"], "'six;ls' is neither a requirement nor a path"),
        (["six", "--python", "3.12", "--tls", "none"], "--tls is 'none'"),
        (["six", "--python", "3.12", "--alpine", "edge"], "'edge' is not an Alpine version"),
        (["six", "--python", "3.12", "--arch", "mips"], "'mips' is not an architecture"),
        (
            ["six", "--python", "3.12", "--release-version", "2"],
            "--release-version 2 does not work with CPython",
        ),
        (["six", "--python", "3.12", "--portable"], "--portable does not work with CPython 3.12"),
    ],
)
def test_a_wrong_order_of_wheels_ends_with_2(
    words: list[str], says: str, capsys: pytest.CaptureFixture[str], restored: None
) -> None:
    assert says in refusal(capsys, "wheels", *words)


def test_wheels_need_an_engine(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    restored: None,
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    monkeypatch.setenv("ALPYPY_CACHE", str(tmp_path))
    assert "no container engine answers" in refusal(
        capsys, "wheels", "six", "--python", "3.12", code=8
    )


@pytest.mark.parametrize("port", ["0", "80", "1023", "65536", "http", "\u0663"])
def test_a_port_that_squid_cannot_listen_at_is_told_before_an_engine_is_looked_for(
    port: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    restored: None,
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere")
    said = refusal(capsys, "proxy", "--port", port)
    assert f"--port is '{port}'\n  give a whole number from 1024 to 65535, or" in said


def test_wheels_are_for_a_portable_pypy_if_it_is_asked_for() -> None:
    words = ["six", "--python", "pypy3.11-8.0.0", "--portable", "--alpine", "3.20"]
    given = read("wheels", WheelsOptions, parse("wheels", *words).as_kwargs)
    assert given.interpreter().target == Target("3.11-8.0.0", "3.20", portable=True)


def test_wheels_bundle_libraries_unless_told_not_to() -> None:
    given = parse("wheels", "six", "--python", "3.12").as_kwargs
    assert (given["requirements"], given["bundle"], given["image"]) == ("six", True, False)
    assert parse("wheels", "six", "--no-bundle").as_kwargs["bundle"] is False
