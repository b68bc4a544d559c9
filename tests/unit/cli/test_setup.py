"""What brings a machine to where `invoke` works."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "setup.sh"


@pytest.mark.timeout(600)
def test_an_interrupted_environment_is_made_anew_and_a_whole_one_is_kept(tmp_path: Path) -> None:
    shutil.copy(SCRIPT, tmp_path)
    (tmp_path / "empty.lock").write_text("# nothing\n")
    # As far as venv gets before it installs pip.
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / ".venv"], check=True)
    assert "virtual environment in .venv" in set_up(tmp_path)
    python = tmp_path / ".venv/bin/python"
    subprocess.run([python, "-m", "pip", "--version"], check=True, stdout=subprocess.DEVNULL)
    assert set_up(tmp_path) == ""


def set_up(folder: Path) -> str:
    """What setting up Python prints."""
    return subprocess.run(
        ["sh", "-euc", ". ./setup.sh; setup_python empty.lock"],
        cwd=folder,
        env={**os.environ, "PYTHON": sys.executable},
        stderr=subprocess.PIPE,
        text=True,
        check=True,
    ).stderr
