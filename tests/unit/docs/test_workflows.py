"""Workflows for GitHub in the project's pages, which readers copy: actionlint finds no fault."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.pages import PAGES, page_name, tokens

ACTIONLINT = Path(sys.executable).with_name("actionlint")


def workflows(page: Path) -> list[str]:
    fences = (token for token in tokens(page.read_text(encoding="utf-8")) if token.type == "fence")
    return [token.content for token in fences if token.info == "yaml" and "jobs:" in token.content]


WITH_WORKFLOWS = [page for page in PAGES if workflows(page)]


@pytest.mark.parametrize("page", WITH_WORKFLOWS, ids=page_name)
def test_a_workflow_is_one(page: Path) -> None:
    for text in workflows(page):
        done = subprocess.run(
            [ACTIONLINT, "-"], input=text, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout) == (0, "")


def test_there_are_workflows() -> None:
    assert "docs/cibuildwheel.md" in map(page_name, WITH_WORKFLOWS)
