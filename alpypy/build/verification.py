"""The last stage of a build: check its tarball from outside and in a clean Alpine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from alpypy.build.base_image import BaseImage
from alpypy.build.estimates import Estimates, stage_name
from alpypy.build.package import Package
from alpypy.build.stage import BuildStage
from alpypy.core.store import key_of
from alpypy.verify import run as verify
from alpypy.verify.run import Report


class Rejected(Exception):  # noqa: N818 - not an error: the report is the result
    """The tarball did not pass; the report says why."""

    def __init__(self, report: Report) -> None:
        super().__init__(report.tarball)
        self.report = report


@dataclass(frozen=True)
class Verification:
    """The stage that verifies a tarball. ``make`` raises Rejected if a check fails."""

    package: Package
    base: BaseImage

    title: ClassVar[str] = "verify"

    @property
    def needs(self) -> Sequence[BuildStage]:
        """The stage that makes the tarball."""
        return (self.package,)

    @cached_property
    def key(self) -> str:
        """Covers the package, and everything that decides what is checked."""
        return key_of(
            package=self.package.key, checks=verify.digest_of_checks(self.package.workspace.data)
        )

    def expected(self, estimates: Estimates) -> float:
        """Seconds, as in the last run."""
        return estimates.stage(stage_name("verify", self.package.recipe))

    def load(self) -> Report | None:
        """The report, if this tarball has passed these checks."""
        record, tarball = self.package.workspace.store.record(self.key), self.package.load()
        if record is None or tarball is None:
            return None
        report = Report.from_record(record["report"])
        return report if report.sha256 == tarball.sha256 else None

    def make(self, work: Path) -> Mapping[str, Any]:
        """Run the checks."""
        workspace, tarball = self.package.workspace, self.package.load()
        if tarball is None:
            raise AssertionError("a release must be packaged before it is verified")
        workspace.say(f"verify {tarball.path.name}")
        target = self.package.recipe.target
        clean = None
        if target.portable:  # not in the kit, which has what it must do without
            clean = verify.own_alpine(tarball.path, workspace.engine, target.alpine)
        report = verify.verify(workspace, tarball.path, clean or self.base.reference)
        if report.exit_code:
            raise Rejected(report)
        return {"stage": stage_name("verify", self.package.recipe), "report": report.to_record()}
