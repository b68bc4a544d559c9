"""What scripts/compatibility.py makes of pip's reports and outputs, which are pip's own here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from msgspec import structs

from alpypy.core.errors import DownloadError, EngineError, ResourceError, SpecError
from alpypy.core.folders import ROOT
from alpypy.core.log import configure
from alpypy.engine.job import Completed
from scripts.compatibility import (
    imported,
    installed,
    modules,
    other_cause,
    refused,
    results_to_keep,
)
from scripts.compatibility_page import Result, Results, Run

IMPORT = ROOT / "dockerfiles/wheels/inside/import.py"
RUN = Run("pypy3.11-8.0.0", "3.24", "x86_64", portable=False, kit=False, pip="24.0")
RESULT = Result("thing", "source", "2026-12-01", "1.0")
METADATA = "Metadata-Version: 2.1\nName: {}\nVersion: 1.0\n"
WHEEL = "Wheel-Version: 1.0\nGenerator: a test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
# A project that is its own build backend, because a test has no index.
PROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
BACKEND = f"""
import zipfile
def build_wheel(folder, config_settings=None, metadata_directory=None):
    name = "made-1.0-py3-none-any.whl"
    with zipfile.ZipFile(folder + "/" + name, "w") as archive:
        archive.writestr("made.py", "")
        archive.writestr("made-1.0.dist-info/METADATA", {METADATA.format("made")!r})
        archive.writestr("made-1.0.dist-info/WHEEL", {WHEEL!r})
        archive.writestr("made-1.0.dist-info/RECORD", "")
    return name
"""
# pip 22.3.1 with pydantic 2.14.4, and what it prints of a build; without progress bars.
NO_RUST = """\
Collecting pydantic
  Downloading https://files.example.org/a/pydantic-2.14.4-py3-none-any.whl (463 kB)
Processing /opt/files/annotated_types-0.7.0-py3-none-any.whl
Collecting pydantic-core==2.50.5
  Downloading pydantic_core-2.50.5.tar.gz (523 kB)
  Preparing metadata (pyproject.toml): finished with status 'error'
  error: subprocess-exited-with-error
      Collecting maturin
      Rust not found, installing into a temporary directory
      Traceback (most recent call last):
        File "httpx.py", line 118, in map_httpcore_exceptions
          raise mapped_exc(message) from exc
      httpx.ConnectError: [Errno -2] Name does not resolve
error: metadata-generation-failed
"""
NOT_COMPILED = """\
Collecting tool
  Downloading tool-3.0-py3-none-any.whl (1 kB)
Collecting fast
  Downloading fast-2.0.tar.gz (1 kB)
Collecting six
  Downloading six-1.17.0-py2.py3-none-any.whl (11 kB)
Building wheels for collected packages: fast
  Building wheel for fast (pyproject.toml): finished with status 'error'
      fast.c:3:10: fatal error: fast.h: No such file or directory
  ERROR: Failed building wheel for fast
ERROR: Could not build wheels for fast, which is required to install pyproject.toml-based projects
"""


# pip 24.2: the first is of a full disk, the second of an index whose files no server has.
FULL = """\
ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device
"""
UNREACHABLE = """\
Collecting thing
ERROR: Could not install packages due to an OSError: HTTPConnectionPool(host='127.0.0.1', port=9): \
Max retries exceeded with url: /thing-1.0-py3-none-any.whl (Caused by NewConnectionError(\
'<pip._vendor.urllib3.connection.HTTPConnection object at 0x7f>: Failed to establish a new \
connection: [Errno 111] Connection refused'))
"""
NO_VERSION = """\
ERROR: Could not find a version that satisfies the requirement thing (from versions: none)
ERROR: No matching distribution found for thing
"""


def wheel(folder: Path, name: str, tag: str, *members: str, needs: str = "") -> None:
    """A wheel with empty files."""
    place = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-{tag}.whl", "w") as archive:
        for member in members:
            archive.writestr(member, "")
        archive.writestr(f"{place}/METADATA", METADATA.format(name) + needs)
        archive.writestr(f"{place}/WHEEL", WHEEL)
        archive.writestr(f"{place}/RECORD", "")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What pip installs of three packages, and its report; made is built from source."""
    links, folder = tmp_path_factory.mktemp("links"), tmp_path_factory.mktemp("environment")
    members = ("thing/__init__.py", "thing/fast.so", "thing_extra.py", "space/part.py")
    wheel(links, "thing", "linux_x86_64", *members, needs="Requires-Dist: made\n")
    wheel(links, "small_thing", "any", "small.py")
    project = tmp_path_factory.mktemp("project")
    (project / "pyproject.toml").write_text(PROJECT)
    (project / "backend.py").write_text(BACKEND)
    (project / "PKG-INFO").write_text(METADATA.format("made"))
    with tarfile.open(links / "made-1.0.tar.gz", "w:gz") as archive:
        archive.add(project, "made-1.0")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-compile"]
    command += ["--find-links", str(links), "--prefix", str(folder), "--ignore-installed"]
    command += ["--report", str(folder / "report.json"), "thing", "small-thing"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def test_a_wheel_with_compiled_code(environment: Path) -> None:
    result = installed("thing", environment, {})
    assert (result.outcome, result.version, result.compiled) == ("binary", "1.0", True)
    assert result.built == ("made",)
    assert modules("thing", environment) == ("space.part", "thing", "thing_extra")


def test_a_wheel_without(environment: Path) -> None:
    result = installed("Small.Thing", environment, {})
    assert (result.outcome, result.version, result.compiled) == ("pure", "1.0", False)
    assert modules("Small.Thing", environment) == ("small",)


def test_what_is_built_from_source(environment: Path) -> None:
    result = installed("made", environment, {})
    assert (result.outcome, result.compiled, result.built) == ("source", False, ())


def test_what_is_part_of_pypy(environment: Path) -> None:
    result = installed("own-part", environment, {"own-part": "2.0.0"})  # type: ignore[dict-item]
    assert (result.outcome, result.version) == ("bundled", "2.0.0")
    assert modules("own-part", environment) == ("own_part",)


def test_what_a_new_environment_has_already(environment: Path, tmp_path: Path) -> None:
    site = next(environment.glob("lib/*/site-packages"))
    shutil.copytree(site, tmp_path / "lib/python3.11/site-packages")
    (tmp_path / "report.json").write_text('{"install": []}')
    result = installed("thing", tmp_path, {})
    assert (result.outcome, result.version) == ("bundled", "1.0")


def test_a_dependency_that_cannot_be_built() -> None:
    result = refused("pydantic", Completed(1, NO_RUST))
    assert (result.outcome, result.version) == ("refused", "2.14.4")
    assert result.failed == "pydantic-core"
    assert result.error == "Rust not found, installing into a temporary directory"
    result = refused("tool", Completed(1, NOT_COMPILED))
    assert (result.version, result.failed) == ("3.0", "fast")
    assert result.error == "fast.c:3:10: fatal error: fast.h: No such file or directory"


def test_a_package_that_cannot_be_built_itself() -> None:
    result = refused("Pydantic_Core", Completed(1, NO_RUST))
    assert (result.version, result.failed) == ("2.50.5", None)


def test_an_installation_that_takes_too_long() -> None:
    result = refused("fast", Completed(124, "Collecting fast\n"))
    assert result.error == "pip needed more than 7200 seconds"
    assert (result.version, result.failed) == (None, None)


@pytest.mark.parametrize(
    ("code", "output", "error", "words"),
    [
        (1, FULL, ResourceError, "no space left on the disk for thing"),
        (137, "Collecting thing\n", ResourceError, "killed while it installed thing"),
        (1, UNREACHABLE, DownloadError, "could not get a file for thing"),
    ],
)
def test_what_is_not_the_package_s_fault(
    code: int, output: str, error: type[Exception], words: str
) -> None:
    cause = other_cause("thing", Completed(code, output), "/logs/thing.log")
    assert isinstance(cause, error)
    assert words in str(cause)
    assert "/logs/thing.log" in str(cause)


@pytest.mark.parametrize("output", [NO_RUST, NOT_COMPILED, "".join(["      ", FULL]), NO_VERSION])
def test_what_is_the_package_s_fault(output: str) -> None:
    assert other_cause("thing", Completed(1, output), "/logs/thing.log") is None


def test_a_message_has_no_password_and_an_end() -> None:
    said = f"  ValueError: https://me:secret@example.org/{'x' * 999}\n"
    error = refused("fast", Completed(1, said)).error
    assert error is not None
    assert error.startswith("ValueError: https://example.org/xxx")
    assert error.endswith("x...")
    assert len(error) < 250


def after_import(folder: Path, **modules: str) -> Result:
    """The result of a package with these modules, which Python here imports."""
    for name, text in modules.items():
        (folder / f"{name}.py").write_text(text)
    done = subprocess.run(
        [sys.executable, str(IMPORT), *modules],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return imported(RESULT, [*modules], Completed(done.returncode, done.stdout))


def test_a_package_that_is_imported(tmp_path: Path) -> None:
    assert after_import(tmp_path, own_a="print('noise')", own_b="import own_a") == RESULT


def test_a_package_that_prints_at_the_end(tmp_path: Path) -> None:
    text = "import atexit; atexit.register(print, 'bye')"
    assert after_import(tmp_path, own_a=text) == RESULT


def test_a_package_that_ends_the_import(tmp_path: Path) -> None:
    for text, last in (("", "it printed nothing"), ("print('{}', flush=True);", "{}")):
        ended = after_import(tmp_path, own_a=f"import os; {text} os._exit(0)")
        assert (ended.outcome, ended.error) == ("broken", f"the import ended with 0: {last}")


def test_the_programs_beside_it_are_no_packages(tmp_path: Path) -> None:
    assert (IMPORT.parent / "describe.py").is_file()
    result = after_import(tmp_path, own_a="", own_b="import describe")
    assert result.optional == ("describe",)


def test_a_module_error_without_a_name(tmp_path: Path) -> None:
    broken = after_import(tmp_path, own_a="", own_b="raise ModuleNotFoundError('no libraries')")
    assert broken.error == "own_b: ModuleNotFoundError: no libraries"


def test_a_package_that_fails_when_a_module_of_it_is_looked_for(tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text("1 / 0")
    text = "raise ModuleNotFoundError('no odd.part', name='odd.part')"
    broken = after_import(tmp_path, own_a="", own_b=text)
    assert broken.error == "own_b: ModuleNotFoundError: no odd.part"


def test_a_package_that_cannot_be_imported(tmp_path: Path) -> None:
    broken = after_import(tmp_path, own_a="", own_b="1 / 0", own_c="import os.not_there, own_d")
    assert (broken.outcome, broken.version, broken.optional) == ("broken", "1.0", ())
    assert broken.error is not None
    assert broken.error.startswith("own_b: ZeroDivisionError: division by zero; own_c: Module")


def test_a_package_that_leaves(tmp_path: Path) -> None:
    left = after_import(tmp_path, own_a="raise SystemExit('no')")
    assert left.error == "own_a: SystemExit: no"
    crashed = after_import(tmp_path, own_a="import os; print('Too bad', flush=True); os._exit(139)")
    assert (crashed.outcome, crashed.error) == ("broken", "the import ended with 139: Too bad")


def test_what_some_modules_do_without(tmp_path: Path) -> None:
    result = after_import(tmp_path, own_a="", own_b="import not_there.at_all")
    assert result == structs.replace(RESULT, optional=("not_there",))
    (tmp_path / "half").mkdir()
    (tmp_path / "half/__init__.py").write_text("import half.left_out")
    result = after_import(tmp_path, own_a="", own_b="import half")
    assert result == structs.replace(RESULT, optional=("half",))
    result = after_import(tmp_path, own_a="", own_b="import own_a.nothing")
    assert result.outcome == "broken"
    result = after_import(tmp_path, own_b="import not_there.at_all")
    assert result.error == "own_b: ModuleNotFoundError: No module named 'not_there'"


def test_results_of_another_run_are_not_lost(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    assert results_to_keep(path, RUN, ()) == {}
    Results(RUN, {"thing": RESULT}).write(path, ["thing"])
    assert results_to_keep(path, RUN, ()) == results_to_keep(path, RUN, ["x"]) == {"thing": RESULT}
    other = structs.replace(RUN, alpine="3.23")
    with pytest.raises(SpecError, match=r"of pypy3.11-8.0.0, on Alpine 3.24 .* Alpine 3.23 ") as no:
        results_to_keep(path, other, ["thing"])
    assert "name no package" in no.value.remedy


def test_it_says_that_it_starts_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "results.jsonl"
    Results(RUN, {"thing": RESULT}).write(path, ["thing"])
    configure()
    assert results_to_keep(path, structs.replace(RUN, kit=True), ()) == {}
    assert "it starts again, on pypy3.11-8.0.0, on Alpine 3.24" in capsys.readouterr().err


def run_script(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The script as a user runs it, with an interpreter that it does not get to."""
    return subprocess.run(
        [sys.executable, "-m", "scripts.compatibility", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("python", "words"), [("3.12", "name a PyPy"), ("pypy2.7-8.0.0", "it needs Python 3")]
)
def test_a_python_that_is_not_tried(python: str, words: str) -> None:
    done = run_script("--python", python, "--alpine", "3.24")
    assert done.returncode == 2
    assert words in done.stderr


def test_without_an_engine_it_ends_with_a_message(tmp_path: Path) -> None:
    nowhere = {"DOCKER_HOST": f"unix://{tmp_path}/docker.sock", "ALPYPY_CACHE": str(tmp_path)}
    done = run_script("--python", "pypy3.11-8.0.0", "--alpine", "3.24", **nowhere)
    assert done.returncode == EngineError.exit_code
    assert "alpypy: error: " in done.stderr
    assert "Traceback" not in done.stderr
