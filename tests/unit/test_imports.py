"""A module of alpypy imports only modules to its left, so that data flows one way."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "alpypy"
ORDER = (
    "__init__",
    "errors",
    "spec",
    "tables",
    "patches",
    "patch_overview",
    "recipe",
    "sources",
    "store",
    "elf",
    "manifest",
    "findings",
    "archive",
    "apk",
    "private_engine",
    "engine",
    "kit_packages",
    "kit",
    "image",
    "progress",
    "translate",
    "layout",
    "package",
    "durations",
    "materials",
    "verify_outside",
    "verify_inside",
    "verify",
    "verdict",
    "wheel_record",
    "runtime_image",
    "image_sizes",
    "registry",
    "plan",
    "local",
    "patch_check",
    "order",
    "bootstrap",
    "check_plan",
    "check_prepare",
    "check_run",
    "check_container",
    "check_host",
    "check_outcomes",
    "check_suite",
    "ledger",
    "web_page",
    "check_report",
    "check",
    "release_index",
    "release_simple",
    "release_page",
    "release",
    "download",
    "github_answers",
    "github",
    "destination",
    "publish",
    "wheel_spec",
    "wheel_requirements",
    "wheel_versions",
    "wheel_recipe",
    "wheel_settings",
    "wheel_file",
    "wheel_pip",
    "wheel_images",
    "wheel_kit",
    "wheel_failure",
    "wheel_build",
    "wheel_finish",
    "wheel_try",
    "wheels",
    "proxy_config",
    "proxy_files",
    "proxy_log",
    "proxy_authority",
    "proxy_squid",
    "proxy",
    "cli",
    "needs",
)


def imported(module: Path) -> Iterator[str]:
    """The modules of alpypy that a module imports, wherever in its code."""
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module.name} has a relative import"
            top, _, name = (node.module or "").partition(".")
            if top == "alpypy":
                yield from [name] if name else [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            yield from (
                alias.name.partition(".")[2]
                for alias in node.names
                if alias.name.partition(".")[0] == "alpypy"
            )


def test_every_module_has_its_place() -> None:
    assert sorted(path.stem for path in PACKAGE.glob("*.py")) == sorted(ORDER)


@pytest.mark.parametrize("name", ORDER)
def test_a_module_imports_only_from_its_left(name: str) -> None:
    left = ORDER[: ORDER.index(name)]
    assert set(imported(PACKAGE / f"{name}.py")) <= set(left)


def test_what_is_imported_is_seen() -> None:
    assert {"errors", "engine", "kit"} <= set(imported(PACKAGE / "image.py"))
