"""Check a PyPy with its own test suites: run the tests, explain the failures, write the report."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from alpypy.build.base_image import BaseImage, find_base
from alpypy.core.files import data_files, file_digest, whole_file
from alpypy.core.project import Project
from alpypy.core.store import Store, key_of
from alpypy.engine.workspace import Workspace
from alpypy.recipes.artifacts import require_tarball
from alpypy.recipes.local_source import identify, open_source, refuse_unused
from alpypy.recipes.recipe import Recipe, load_catalog
from alpypy.recipes.spec import PypyVersion, Target
from alpypy.suites import plan, prepare
from alpypy.suites.container import ContainerRunner
from alpypy.suites.host import HostRunner
from alpypy.suites.ledger import Entry, classify, load_ledger, outdated
from alpypy.suites.outcomes import ModuleResult
from alpypy.suites.plan import TestModule
from alpypy.suites.prepare import (
    CONTEXT,
    CompiledLibrary,
    ExtraSuite,
    ExtraTests,
    PreparedPypy,
    UnpackedPypy,
    UnpackedWheels,
)
from alpypy.suites.report import SuiteReport, compare
from alpypy.suites.run import ENVIRONMENT, Runner
from alpypy.suites.suite import ResultInputs, run_all


@dataclass(frozen=True)
class Scope:
    """What to run: names or patterns of modules, how many at once, the time limit of each (in
    seconds), and a report to compare with."""

    tests: tuple[str, ...] = ()
    jobs: int = 1
    timeout: float | None = None
    against: Path | None = None


@dataclass(frozen=True)
class CheckedPypy:
    """The report, and the files that it was written to."""

    report: SuiteReport
    document: Path
    page: Path


@dataclass(frozen=True)
class _SuiteRun:
    """The interpreter's description, the names of all its test modules, and the results of the
    modules that ran."""

    interpreter: Mapping[str, Any]
    modules: tuple[str, ...]
    results: tuple[ModuleResult, ...]


class Checker:
    """Checks PyPys of this project, as a scope says."""

    def __init__(self, project: Project, scope: Scope) -> None:
        self._project = project
        self._scope = scope
        self._store = Store(project.cache / "check")
        self._settings = plan.load_settings(project.data)
        limits = self._settings.limits
        self._limits = replace(limits, timeout=scope.timeout or limits.timeout)

    def tarball(
        self,
        workspace: Workspace,
        target: Target,
        *,
        sources: Sequence[Path] = (),
        base_image: str | None = None,
    ) -> CheckedPypy:
        """Check the tarball of ``target`` in artifacts/ against the expected failures in ledger/.

        Args:
            sources: PyPy's source of this release, to run its extra_tests too.
            base_image: the Alpine to check it in; by default the base image of builds.

        Raises:
            ArchiveError: there is no such tarball, or it is damaged.
            SpecError: it is not a PyPy, or there is no such test module or source.
            DataError: a file in versions/ or ledger/ is not usable.
            ImageError, CheckError: the image could not be built; the PyPy does not run.
        """
        path = require_tarball(self._project.artifacts, target)
        catalog = load_catalog(self._project.data)
        recipe = catalog.recipe(target)
        entries = load_ledger(self._project.data, catalog.model(target.release))
        extra = self._extra(recipe, sources)
        alpine, arch = recipe.alpine, target.arch
        base = find_base(workspace, alpine, arch, base_image)
        tree = prepare.unpacked(self._store, path)
        prepared = self._prepare(workspace, recipe, base, tree, extra)
        common = {"tarball": tree.sha256, "base": base.identity}
        environment = self._environment(recipe)
        runner = ContainerRunner(workspace, prepared, self._limits, environment)
        inputs = ResultInputs(common, extra.digest, recipe.build_packages, environment)
        run = self._run(runner, extra.source, inputs)
        facts = {**run.interpreter, **_tarball_facts(path, tree, base), **self._facts()}
        own = [entry for entry in entries if entry.is_for(target)]
        return self._write(_report(target, facts, own, run), target.folder)

    def reference(self, interpreter: Path) -> CheckedPypy:
        """Run the same tests on an interpreter of this machine, to compare with. Its report has no
        findings, and ledger/ is not used.

        Raises:
            CheckError: the interpreter cannot be run, or has no tests.
            SpecError: there is no such test module.
        """
        runner = HostRunner(interpreter, self._driver, self._limits)
        run = self._run(runner, None, ResultInputs({"interpreter": str(interpreter.resolve())}))
        name = _name(run.interpreter)
        report = SuiteReport(
            title=f"{name} on {_system()}",
            environment={**run.interpreter, "interpreter": str(interpreter), **self._facts()},
            results=run.results,
            classified=classify((), run.results),
            reference=True,
        )
        return self._write(report, f"reference-{name.lower().replace(' ', '-')}")

    @property
    def _driver(self) -> Path:
        return self._project.data / CONTEXT / "drive.py"

    def _extra(self, recipe: Recipe, sources: Sequence[Path]) -> ExtraSuite:
        """What PyPy's own tests need, if the user gave a source."""
        if not sources:
            return ExtraSuite()
        identified = [identify(path, self._project.cache) for path in sources]
        refuse_unused(identified, {recipe.target.release: recipe})
        opened = open_source(recipe, identified, self._project.fetcher)
        language = PypyVersion.parse(recipe.target.release).language
        wheels = self._settings.wheels_for(language)
        return ExtraSuite(
            self._store.run(ExtraTests(self._store, opened)),
            self._store.run(UnpackedWheels(self._store, self._project.fetcher, wheels)),
            key_of(source=opened.digest, wheels=[wheel.sha256 for wheel in wheels]),
        )

    def _prepare(
        self,
        workspace: Workspace,
        recipe: Recipe,
        base: BaseImage,
        tree: UnpackedPypy,
        extra: ExtraSuite,
    ) -> PreparedPypy:
        images = prepare.build_images(workspace, base, recipe, tree.manifest)
        compiled = CompiledLibrary(workspace, self._store, images.clean, tree, extra.wheels)
        self._store.run(compiled)
        return PreparedPypy(tree, images, extra)

    def _environment(self, recipe: Recipe) -> Mapping[str, str]:
        return self._settings.environment(PypyVersion.parse(recipe.target.release).language)

    def _run(self, runner: Runner, source: Path | None, inputs: ResultInputs) -> _SuiteRun:
        """Run the modules that the scope names."""
        description = runner.describe()
        common = {**inputs.common, "found": dict(description)}
        folder_of = self._folder_of(replace(inputs, common=common))
        language = description["language"]
        modules = plan.stdlib_modules(description.pop("modules"), language, self._settings)
        if source:
            modules += plan.extra_modules(source, language, self._settings)
        chosen = plan.choose(modules, self._scope.tests)
        results = run_all(runner, chosen, folder_of, self._scope.jobs, self._project.say)
        return _SuiteRun(description, tuple(module.name for module in modules), results)

    def _folder_of(self, inputs: ResultInputs) -> Callable[[TestModule], Path]:
        """A function that gives a module's folder for results, which all inputs together name."""
        context = self._project.data / CONTEXT
        files = {path.name: file_digest(path) for path in data_files(context)}
        limits = asdict(self._limits)
        own = {"files": files, "limits": limits, "environment": ENVIRONMENT}
        complete = replace(inputs, common={**inputs.common, **own})
        return lambda module: self._project.cache / "check/results" / complete.key(module)

    def _facts(self) -> dict[str, Any]:
        return {
            "kernel": platform.release(),
            "jobs": self._scope.jobs,
            "seconds for a module": self._limits.timeout,
            "MiB for a module": self._limits.memory_mib,
            "resources": self._limits.resources,
        }

    def _write(self, report: SuiteReport, name: str) -> CheckedPypy:
        """Compare the report with another, if the user gave one, and write it into artifacts/."""
        if self._scope.against:
            report = replace(report, comparison=compare(report.results, self._scope.against))
        folder = self._project.artifacts
        folder.mkdir(parents=True, exist_ok=True)
        written = CheckedPypy(report, folder / f"check-{name}.json", folder / f"check-{name}.html")
        for path, text in ((written.document, report.to_json()), (written.page, report.to_html())):
            with whole_file(path) as temporary:
                temporary.write_text(text, encoding="utf-8")
        return written


def _report(
    target: Target, facts: Mapping[str, Any], entries: Sequence[Entry], run: _SuiteRun
) -> SuiteReport:
    return SuiteReport(
        title=_title(target),
        environment=facts,
        results=run.results,
        classified=classify(entries, run.results),
        outdated=outdated(entries, run.results, run.modules),
    )


def _title(target: Target) -> str:
    return f"PyPy {target.version} on Alpine {target.alpine}, {target.arch}"


def _name(description: Mapping[str, Any]) -> str:
    """``PyPy 3.9-7.3.11`` or ``CPython 3.11.7``."""
    implementation, release = description["implementation"], description["release"]
    if release:
        return f"{implementation} {description['language']}-{release}"
    return f"{implementation} {description['version']}"


def _system() -> str:
    """The name of this machine's system."""
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.system()


def _tarball_facts(path: Path, tree: UnpackedPypy, base: BaseImage) -> dict[str, Any]:
    return {
        "tarball": path.name,
        "sha256": tree.sha256,
        "base image": base.reference,
        "kit": base.kit,
        "packages": " ".join(tree.manifest.runtime_packages),
    }
