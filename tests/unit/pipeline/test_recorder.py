"""What is recorded of a build: which stages ran, when, and what translations left."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from alpypy.build import objects
from alpypy.build.estimates import Estimates
from alpypy.build.images import TranslatingStage
from alpypy.build.phases import Phase
from alpypy.build.stage import BuildStage
from alpypy.build.translate import Translation
from alpypy.build.usage import Point, Recording
from alpypy.core.errors import TranslationError
from alpypy.pipeline.recorder import Recorder, StageRun
from alpypy.recipes.local_source import OpenedSource
from alpypy.recipes.manifest import Origin
from alpypy.recipes.recipe import load_catalog
from alpypy.recipes.spec import Target
from tests.workspaces import ROOT, without_engine

RECIPE = load_catalog(ROOT).recipe(Target("3.6-7.0.0", "3.9"))
PHASES = (Phase("start", 10.0, 100, 9.0, 2), Phase("compile", 20.0, 300, 39.0, 2))


@dataclass(frozen=True)
class Step:
    """A stage that does nothing, and is done or not."""

    title: str
    result: object = None
    needs: Sequence[BuildStage] = ()
    interpreter: str = "pypy"

    @property
    def key(self) -> str:
        """As good as any."""
        return f"key of {self.title}"

    def load(self) -> object:
        """What the test says."""
        return self.result

    def make(self, work: Path) -> Mapping[str, Any]:
        """Nothing."""
        return {}

    def expected(self, estimates: Estimates) -> float:
        """No time."""
        return 0.0


IMAGE, PACKAGE, VERIFY = Step("image", result="done"), Step("package"), Step("verify")


@pytest.fixture
def translation(tmp_path: Path) -> Translation:
    """The stage that translates, which is not done."""
    source = OpenedSource("a" * 64, lambda: tmp_path, lambda work: work, Origin("a" * 64, True))
    image = cast(TranslatingStage, IMAGE)  # all that is asked for is its key
    return Translation(without_engine(tmp_path, tmp_path / "cache"), RECIPE, image, source, 2)


def record(translation: Translation, started: float) -> Recording:
    """Leave what a run leaves that began then, and lasted 30 seconds."""
    recording = Recording(started, 2, PHASES, (Point(30.0, 300, 1.6),))
    recording.write(translation.recording)
    return recording


def runs(recorder: Recorder) -> dict[str, StageRun]:
    return {stage.title: stage for stage in recorder.build("x").stages}


def test_a_stage_has_its_start_and_its_end() -> None:
    recorder = Recorder((IMAGE, PACKAGE, VERIFY), (PACKAGE, VERIFY))
    with recorder.running():
        for stage in (PACKAGE, VERIFY):
            with recorder.stage(stage):
                time.sleep(0.01)
    build = recorder.build("pypy-x")
    image, package, verify = build.stages
    assert image == StageRun("image", "from the cache")
    assert (package.state, verify.state) == ("made", "made")
    assert 0 <= package.start < package.end <= verify.start < verify.end <= build.seconds
    assert build.name == "pypy-x"
    assert abs(build.started - time.time()) < 3600
    assert build.samples
    assert recorder.worth_a_page


def test_after_a_failure_no_stage_is_reached() -> None:
    recorder = Recorder((IMAGE, PACKAGE, VERIFY), (PACKAGE, VERIFY))
    with pytest.raises(TranslationError), recorder.running(), recorder.stage(PACKAGE):
        raise TranslationError("it failed", remedy="none")
    states = {title: run.state for title, run in runs(recorder).items()}
    assert states == {"image": "from the cache", "package": "failed", "verify": "not reached"}
    assert not recorder.worth_a_page


def test_a_stage_that_nothing_asks_for_is_not_needed() -> None:
    gone = Step("gone")
    recorder = Recorder((gone, IMAGE, VERIFY), (VERIFY,))
    assert runs(recorder)["gone"].state == "not needed"


def test_where_nothing_has_to_run_there_is_nothing_to_draw() -> None:
    recorder = Recorder((IMAGE,), ())
    with recorder.running():
        pass
    assert not recorder.worth_a_page


def test_a_translation_has_its_recording_even_if_it_failed(translation: Translation) -> None:
    recorder = Recorder((IMAGE, translation, VERIFY), (translation, VERIFY))
    with pytest.raises(TranslationError), recorder.stage(translation):
        recording = record(translation, round(time.time() + 5, 1))
        raise TranslationError("it failed", remedy="none")
    run = runs(recorder)[translation.title]
    assert (run.state, run.phases, run.recording) == ("failed", PHASES, recording)
    assert run.offset == pytest.approx(5, abs=4)
    assert recorder.worth_a_page


def test_what_an_earlier_run_left_does_not_count(translation: Translation) -> None:
    record(translation, time.time() - 4000)
    recorder = Recorder((IMAGE, translation), (translation,))
    with pytest.raises(TranslationError), recorder.stage(translation):
        raise TranslationError("a patch does not apply", remedy="none")
    run = runs(recorder)[translation.title]
    assert (run.state, run.phases, run.recording) == ("failed", (), None)
    assert not recorder.worth_a_page


def test_a_translation_without_a_recording_is_recorded_too(translation: Translation) -> None:
    recorder = Recorder((IMAGE, translation), (translation,))
    with recorder.stage(translation):
        pass
    run = runs(recorder)[translation.title]
    assert (run.state, run.phases, run.recording) == ("made", (), None)


def test_one_from_the_cache_has_the_phases_of_its_record_also_an_old_one(
    translation: Translation,
) -> None:
    folder = translation.workspace.store.folder(translation.key)
    (folder / objects.FOLDER).mkdir(parents=True)
    (folder / objects.SOURCES).touch()
    phases = [{"name": "start", "seconds": 9.5, "peak_memory_mib": 100}]
    (folder / "record.json").write_text(json.dumps({"phases": phases}), encoding="utf-8")
    recorder = Recorder((IMAGE, translation, VERIFY), (VERIFY,))
    [_, run, _] = recorder.build("x").stages
    assert run == StageRun(translation.title, "from the cache", phases=(Phase("start", 9.5, 100),))
    assert run.phases[0].idle is None
