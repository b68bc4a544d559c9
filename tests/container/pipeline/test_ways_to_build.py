"""Both ways to build the quickstart's program, which CPython translates in either."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from alpypy.engine.docker import Engine
from alpypy.pipeline.bootstrap import Builder
from alpypy.pipeline.request import BuildRequest
from alpypy.pipeline.timing import Comparison, Way, measure, resolve_all
from alpypy.pipeline.timing_report import TimingReport, read_bounds
from alpypy.recipes.spec import Target
from tests.workspaces import ROOT, workspace

pytestmark = pytest.mark.timeout(1800)
RELEASE = "rpython-0.2.1"


def test_both_ways_are_timed_and_a_finished_way_is_not_repeated(
    tmp_path: Path,
    engine: Engine,
    cache: Path,
    base_image: str,
    alpine_version: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own, out, said = tmp_path / "cache", tmp_path / "out", list[str]()
    own.mkdir()
    (cache / "files").mkdir(parents=True, exist_ok=True)
    (own / "files").symlink_to(cache / "files")
    place = workspace(ROOT, engine, own, said.append)
    request = BuildRequest(Target(RELEASE, alpine_version), base_image=base_image)
    builds = resolve_all(place, Comparison(request))

    assert set(measure(place, builds, out, only=Way.SEEDS)) == {Way.SEEDS}
    before = (out / "seeds.json").read_bytes()
    found = measure(place, builds, out)

    assert (out / "seeds.json").read_bytes() == before
    assert f"bench: seeds is finished, see {out / 'seeds.json'}" in said
    assert {path.name for way in ("seeds", "ours") for path in own.glob(f"timing/out-{way}/*")} == {
        "logs"
    }
    assert found[Way.SEEDS].jobs == 1
    assert found[Way.OURS].jobs == engine.usable_processors
    for way in found.values():
        assert [stage.cached for stage in way.stages] == [True, False, False, False]
        assert all(stage.seconds > 0 for stage in way.stages if not stage.cached)
        assert way.findings == ""
    report = TimingReport(found, read_bounds(["build=9999", "annotate=0.0001"]))
    assert report.exit_code == 1
    assert [found.bound.name for found in report.exceeded] == ["annotate"]
    report.write(out)
    document = json.loads((out / "results.json").read_text())
    assert {"annotate", "rtype", "compile", "translate", "build"} <= {
        row["name"] for row in document["rows"]
    }
    assert all(row["ratio"] > 0 for row in document["rows"] if row["seeds"]["seconds"] > 0.5)

    monkeypatch.setattr(Builder, "run", lambda *words: pytest.fail("a finished way was repeated"))
    assert measure(place, builds, out) == found
