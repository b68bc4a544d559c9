"""Runs test modules, several at once. A module that has run before does not run again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alpypy.core.files import whole_file
from alpypy.core.progress import Tally
from alpypy.core.store import key_of
from alpypy.suites.outcomes import ModuleResult, read
from alpypy.suites.plan import TestModule
from alpypy.suites.run import RawRun, Runner, run_module

FolderOf = Callable[[TestModule], Path]


@dataclass(frozen=True)
class ResultInputs:
    """What results depend on besides the module itself.

    ``common`` is for all modules, ``extra`` (the digest of PyPy's own tests) only for those tests,
    ``build_packages`` only for modules that need a compiler. ``environment`` are the variables
    that only some languages' tests have.
    """

    common: Mapping[str, Any]
    extra: str | None = None
    build_packages: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    def key(self, module: TestModule) -> str:
        """The name of the folder for the module's result."""
        parts = {**self.common, "extra": self.extra if module.kind == "pytest" else None}
        if module.compiler:
            parts["compiler"] = self.build_packages
        if self.environment:
            parts["own environment"] = dict(self.environment)
        return key_of(**parts)[:24]


def run_all(
    runner: Runner,
    modules: Sequence[TestModule],
    folder_of: FolderOf,
    jobs: int,
    say: Callable[[str], None],
) -> tuple[ModuleResult, ...]:
    """The results of all modules, in their order.

    ``folder_of`` gives the folder where a module's finished run is kept. An interruption keeps the
    finished runs and ends the others.
    """
    todo = [module for module in modules if not _path(folder_of, module).is_file()]
    if len(todo) < len(modules):
        say(f"reusing the results of {len(modules) - len(todo)} of {len(modules)} modules")
    weights = dict.fromkeys((module.name for module in todo), 1.0)
    with Tally("check", weights, say=say) as tally, ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(_run, runner, module, folder_of, tally) for module in todo]
        try:
            for future in as_completed(futures):
                future.result()
        except BaseException:
            for future in futures:
                future.cancel()
            runner.stop()
            raise
    texts = (_path(folder_of, module).read_text(encoding="utf-8") for module in modules)
    return tuple(read(RawRun.from_json(text)) for text in texts)


def _run(runner: Runner, module: TestModule, folder_of: FolderOf, tally: Tally) -> None:
    if runner.stopped:
        return
    run = run_module(runner, module)
    if runner.stopped:
        return
    _keep(run, _path(folder_of, module))
    result = read(run)
    tally.finish(module.name, f"{module.name} {result.verdict}, {result.seconds:.0f} s")


def _keep(run: RawRun, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as temporary:
        temporary.write_text(run.to_json(), encoding="utf-8")


def _path(folder_of: FolderOf, module: TestModule) -> Path:
    return folder_of(module) / f"{module.name}.json"
