"""The lock files have what pyproject.toml asks for. Installations read only the lock files."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
NEEDED = PROJECT["project"]["dependencies"]
DEV = PROJECT["dependency-groups"]["dev"]


def pins(name: str) -> dict[str, set[Version]]:
    """The versions of a lock file by project; markers may choose between several of one."""
    found: dict[str, set[Version]] = {}
    text = (ROOT / name).read_text(encoding="utf-8")
    for project, version in re.findall(r"^([\w.-]+)==([^ ;\\]+)", text, re.MULTILINE):
        found.setdefault(canonicalize_name(project), set()).add(Version(version))
    return found


@pytest.mark.parametrize(
    ("name", "requirements"),
    [("requirements.lock", NEEDED), ("requirements-dev.lock", [*NEEDED, *DEV])],
)
def test_every_requirement_is_locked(name: str, requirements: list[str]) -> None:
    locked = pins(name)
    for requirement in map(Requirement, requirements):
        versions = locked.get(canonicalize_name(requirement.name), set())
        assert versions, f"{name} lacks {requirement}: nox -s lock"
        assert all(map(requirement.specifier.contains, versions)), f"{requirement}: nox -s lock"


def test_tests_run_with_what_users_get() -> None:
    dev = pins("requirements-dev.lock")
    assert {name: dev.get(name) for name in pins("requirements.lock")} == pins("requirements.lock")
