"""Run the stages of a plan, and show which one runs and how long the rest should take."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from alpypy.build.estimates import Estimates
from alpypy.build.libraries import Libraries
from alpypy.build.stage import BuildStage
from alpypy.build.translate import Translation
from alpypy.build.verification import Rejected
from alpypy.core.errors import AlpypyError, PackageError, PatchError, TranslationError
from alpypy.core.files import whole_file
from alpypy.core.progress import Agenda, Progress, clock
from alpypy.engine.workspace import Workspace
from alpypy.pipeline.build_page import file_name, page
from alpypy.pipeline.recorder import Recorder


@dataclass(frozen=True)
class StageRunner:
    """Runs stages. ``keep`` leaves the working folder of one that fails."""

    workspace: Workspace
    keep: bool = False

    def run_all(
        self, plan: Sequence[BuildStage], stages: Sequence[BuildStage], folder: str
    ) -> None:
        """Run the stages of a plan that are not finished, in order, and draw them as a page at the
        end, also of a failure. What is shown counts those that come after each.

        Args:
            folder: what is built, which the page is named by.

        Raises:
            AlpypyError: a stage failed; the stages before it stay finished.
        """
        recorder = Recorder(plan, stages)
        try:
            with recorder.running():
                self._run_in_order(stages, recorder)
        except (AlpypyError, Rejected):
            self._draw(recorder, folder)
            raise
        self._draw(recorder, folder)

    def _run_in_order(self, stages: Sequence[BuildStage], recorder: Recorder) -> None:
        estimates = Estimates(self.workspace)
        seconds = {stage.key: stage.expected(estimates) for stage in stages}
        if len(stages) > 1:
            titles = ", ".join(stage.title for stage in stages)
            self.workspace.say(f"{titles}: about {clock(sum(seconds.values()))} in all")
        agenda = Agenda(seconds)
        for stage in stages:
            with (
                agenda.begin(stage.key) as expected,
                self._shown(stage, expected),
                recorder.stage(stage),
            ):
                self.run(stage)

    def _draw(self, recorder: Recorder, folder: str) -> None:
        """Write the build's page, unless nothing was done. The build counts without it too."""
        if not recorder.worth_a_page:
            return
        workspace, build = self.workspace, recorder.build(folder)
        path = workspace.logs / file_name(build)
        try:
            with whole_file(path) as temporary:
                temporary.write_text(page(build), encoding="utf-8")
        except OSError as error:
            workspace.say(f"the page of the build could not be written: {error}")
        else:
            workspace.say(f"the build, drawn as a page: {path}")

    def _shown(self, stage: BuildStage, seconds: float) -> AbstractContextManager[object]:
        if isinstance(stage, (Translation, Libraries)):  # these show their parts by themselves
            return nullcontext()
        return Progress(stage.title, expected=seconds, say=self.workspace.say)

    def run(self, stage: BuildStage) -> Any:
        """Run a stage, and give its result.

        Raises:
            AlpypyError: it failed; the stages before it stay finished.
        """
        store = self.workspace.store
        try:
            return store.run(stage, keep=self.keep)
        except (TranslationError, PackageError, PatchError) as error:
            where = f"its working folder is {store.work_folder(stage.key)}"
            hint = where if self.keep else "--keep leaves its working folder"
            error.remedy += f"; {hint}"
            raise
