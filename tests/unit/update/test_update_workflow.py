"""The script of the weekly workflow, with a program in the place of `invoke`."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import yaml

from tests.workspaces import ROOT

INVOKE = """\
#!/bin/sh
echo new >>versions/pypy.toml
printf 'For you to decide:\\n\\n- broken\\n  ```\\n  @somebody\\n'
exit 1
"""


def script() -> str:
    text = (ROOT / ".github/workflows/update.yml").read_text("utf-8")
    steps = yaml.safe_load(text)["jobs"]["look"]["steps"]
    [step] = [step for step in steps if step.get("id") == "update"]
    return str(step["run"])


def test_nothing_in_a_report_ends_its_block_of_text(tmp_path: Path) -> None:
    invoke, listed = tmp_path / ".venv/bin/invoke", tmp_path / "versions/pypy.toml"
    for path in (invoke, listed):
        path.parent.mkdir(parents=True)
    invoke.write_text(INVOKE)
    invoke.chmod(0o755)
    listed.write_text("old\n")
    for words in (["init", "--quiet"], ["add", "versions"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    output, summary = tmp_path / "output", tmp_path / "summary"
    environment = {
        "RUNNER_TEMP": str(tmp_path),
        "GITHUB_OUTPUT": str(output),
        "GITHUB_STEP_SUMMARY": str(summary),
    }
    subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script()],
        cwd=tmp_path,
        env={**os.environ, **environment},
        check=True,
    )
    lines = (tmp_path / "report.md").read_text().splitlines()
    assert [line.strip() for line in lines][-2:] == ["```", "@somebody"]
    assert all(line.startswith("    ") for line in lines)
    assert summary.read_text().splitlines() == lines
    assert output.read_text() == "changed=true\ncode=1\n"
    assert "+new" in (tmp_path / "versions.patch").read_text()
