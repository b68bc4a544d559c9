"""The wheels that the measured interpreters import: pyperf, pyperformance and its programs' needs.

benchmarks/requirements.lock pins them with their digests. All are pure Python, so the same folder
serves every interpreter.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from alpypy.core.errors import DigestError, DownloadError
from alpypy.core.fetch import PIP_WRONG_DIGEST, pip_says
from alpypy.core.files import file_digest
from alpypy.core.progress import Progress
from alpypy.core.store import Store, key_of

FOLDER = "benchmarks"  # below the data folder
OLDEST = (3, 9)  # Python; that of the lock file
_LOCK = "requirements.lock"
# Only wheels that run everywhere, and nothing that a setup.py would do.
_PURE = ("--only-binary=:all:", "--platform=any", "--implementation=py", "--abi=none")


@dataclass(frozen=True)
class InstalledWheels:
    """The stage that installs the wheels into a folder to import from."""

    store: Store
    data: Path

    title: ClassVar[str] = "install pyperf and pyperformance"

    @property
    def _lock(self) -> Path:
        return self.data / FOLDER / _LOCK

    @property
    def key(self) -> str:
        """Of the locked versions and their digests."""
        return key_of(step="benchmarks", lock=file_digest(self._lock), pure=_PURE)

    def load(self) -> Path | None:
        """The folder."""
        done = self.store.record(self.key) is not None
        return self.store.folder(self.key) if done else None

    def make(self, work: Path) -> Mapping[str, Any]:
        """Install them with pip, which knows this machine's index and certificates.

        Raises:
            DownloadError: pip could not download a wheel.
            DigestError: a wheel's digest is wrong.
        """
        version = ".".join(map(str, OLDEST))
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-input", "--no-deps"]
        command += ["--disable-pip-version-check", "--require-hashes", "--no-compile", *_PURE]
        command += [
            f"--python-version={version}",
            f"--target={work}",
            f"--requirement={self._lock}",
        ]
        with Progress(self.title):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise _failure(done.stderr)
        return {}


def _failure(stderr: str) -> DigestError | DownloadError:
    what = f"pip could not install {FOLDER}/{_LOCK}: {pip_says(stderr)}"
    if PIP_WRONG_DIGEST in stderr:
        return DigestError(what, remedy="use another index: this one has another file")
    return DownloadError(
        what, remedy="check pip's index (`pip config list`) and the network, then try again"
    )
