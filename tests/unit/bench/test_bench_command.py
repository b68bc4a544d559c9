"""The command ``bench`` as it is typed, with this Python against itself."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from alpypy.build.phases import Phase
from alpypy.cli import bench as cli_bench
from alpypy.cli import common
from alpypy.cli.program import Program
from alpypy.core.errors import DownloadError
from alpypy.pipeline import timing
from alpypy.pipeline.request import ResolvedBuild
from alpypy.pipeline.timing import StageTime, Way, WayTime
from alpypy.recipes.spec import Target


def run(*words: str) -> int:
    """The exit code of ``alpypy bench``."""
    with pytest.raises(SystemExit) as caught:
        Program().run(["alpypy", "bench", *words])
    assert isinstance(caught.value.code, int)
    return caught.value.code


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--against", "x"], "bench needs --pypy"),
        (["--pypy", "x"], "bench needs --against"),
        (["--pypy", "/nowhere", "--against", "x"], "/nowhere is not a file"),
        (["--pypy", "a", "--against", "b", "--bound", "mean"], "--bound mean is not a name and a"),
        (
            ["--pypy", "a", "--against", "b", "--bound", "instructions:mean=1"],
            "is for instructions",
        ),
        (["--pypy", "a", "--against", "b", "--only", "x"], "--only x names no benchmark"),
        (["--pypy", "a", "--against", "b", "--cpu", "999"], "--cpu 999 is not a processor"),
        (["--pypy", "a", "--against", "b", "--rounds", "0"], "--rounds is '0'"),
        (["--pypy", "a", "--against", "b", "--jobs", "2"], "--jobs is for --build"),
        (["--build", "3.6-7.0.0", "--pypy", "a"], "--pypy does not go with --build"),
        (["--build", "3.6-7.0.0", "--fast"], "--fast does not go with --build"),
        (["--build", "3.6-7.0.0", "--only", "fast"], "--only fast names no way to build"),
        (["--build", "3.6-7.0.0", "--bound", "mean=1"], "--bound mean=1 names nothing"),
        (["--build", "3.6-9.9.9", "--alpine", "3.9"], "3.6-9.9.9"),
        (
            [
                "--build",
                "3.6-7.0.0",
                "--alpine",
                "3.9",
                "--with-pypy",
                "2.7-7.3.22",
                "--second=3.9",
            ],
            "--second is built with the translator",
        ),
    ],
)
@pytest.mark.usefixtures("sigterm")
def test_what_cannot_be_measured_is_refused_before_anything_starts(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*words) == 2
    assert said in capsys.readouterr().err


@pytest.mark.usefixtures("sigterm")
def test_results_are_printed_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The wheels come from PyPI, or the mirror of it."""
    monkeypatch.setenv("ALPYPY_CACHE", str(tmp_path / "cache"))
    out, python = tmp_path / "out", sys.executable
    words = [f"--pypy=a={python}", f"--against=b={python}", "--only=sort.strings", "--fast"]
    words += ["--rounds=2", f"--out={out}", "--bound=sort=1000", "--bound=mean=0.0001"]
    code = run(*words)
    if code == DownloadError.exit_code:
        pytest.skip("pip config set global.index-url ADDRESS: pip reaches no index of PyPI")
    assert code == 1
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "a against b: a ratio above 1 is slower"
    assert printed[2].startswith("sort.strings ")
    assert printed[-2].startswith("FAIL  a: mean is ")
    assert printed[-1] == str(out / "index.html")
    document = json.loads((out / "results.json").read_text())
    assert document["rounds"] == 2
    assert [found["bound"]["name"] for found in document["exceeded"]] == ["mean"]
    assert {path.name for path in out.iterdir()} == {
        "a.pyperf.json",
        "b.pyperf.json",
        "index.html",
        "results.json",
        "results.md",
    }


class FakeMeasure:
    """Takes the place of timing's: gives a way without building, and keeps what was asked for."""

    def __call__(
        self,
        workspace: object,
        builds: Mapping[Way, ResolvedBuild],
        folder: Path,
        *,
        only: Way | None,
        keep: bool,
    ) -> dict[Way, WayTime]:
        """As the seeds' way takes 100 seconds, and alpypy's 40."""
        self.builds, self.folder, self.only, self.keep = builds, folder, only, keep
        found = {}
        for way, seconds in {Way.SEEDS: 100.0, Way.OURS: 40.0}.items():
            phases = (Phase("annotate", seconds, 100),)
            stages = (StageTime("translate", seconds, phases=phases),)
            found[way] = WayTime("key", way, "pypy", 1, 2, stages)
        return found


@pytest.mark.usefixtures("sigterm")
@pytest.mark.parametrize(("bound", "code"), [("build=0.45", 0), ("build=0.39", 1)])
def test_builds_are_compared_and_the_results_are_kept(
    bound: str,
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fake = FakeMeasure()
    monkeypatch.setattr(timing, "measure", fake)
    monkeypatch.setattr(common, "workspace", contextlib.nullcontext)
    monkeypatch.setattr(cli_bench, "artifacts_folder", lambda: tmp_path)
    words = ["--build=3.6-7.0.0", "--alpine=3.9", "--second=2.7-7.3.23", "--jobs=3"]
    assert run(*words, "--only=ours", "--keep", "--optimize=pgo", f"--bound={bound}") == code
    assert fake.folder == tmp_path / "bench/build-pypy-3.6-7.0.0-pgo-alpine3.9"
    assert (fake.only, fake.keep) == (Way.OURS, True)
    asked = {way: build.request for way, build in fake.builds.items()}
    assert (asked[Way.SEEDS].jobs, asked[Way.SEEDS].direct) == (1, True)
    assert (asked[Way.OURS].jobs, asked[Way.OURS].direct) == (3, False)
    assert asked[Way.SECOND].target == Target("2.7-7.3.23", "3.9")
    printed = capsys.readouterr().out.splitlines()
    assert "build       1:40  100 MiB     -  0:40  100 MiB     -  0.400" in printed
    assert printed[-1] == str(fake.folder / "results.md")
    assert json.loads((fake.folder / "results.json").read_text())["passed"] is not bool(code)
