"""What is said of a tarball that is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from alpypy.core.errors import ArchiveError
from alpypy.recipes.artifacts import require_tarball
from alpypy.recipes.spec import Target


def test_the_command_that_builds_this_very_tarball(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=r"tar\.bz2 does not exist\n") as caught:
        require_tarball(tmp_path, Target("3.11-7.3.22", "3.23", "aarch64", "3.11-7.3.22.post1"))
    assert caught.value.remedy == (
        "build it: invoke bootstrap --pypy 3.11-7.3.22 --alpine 3.23 --arch aarch64"
        " --release-version 3.11-7.3.22.post1"
    )


def test_one_for_another_alpine_is_named(tmp_path: Path) -> None:
    (tmp_path / Target("3.11-7.3.22", "3.22").tarball).touch()
    with pytest.raises(ArchiveError, match=r"there is one for Alpine 3\.22") as caught:
        require_tarball(tmp_path, Target("3.11-7.3.22", "3.23"))
    assert caught.value.remedy.endswith("or choose that Alpine with --alpine")
