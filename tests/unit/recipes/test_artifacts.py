"""What is said of a tarball that is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from alpypy.core.errors import ArchiveError, SpecError
from alpypy.recipes.artifacts import require_tarball, with_commit
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


def test_others_of_the_language_are_named(tmp_path: Path) -> None:
    for release in ("3.11-7.3.22", "3.12-8.0.0"):
        (tmp_path / Target(release, "3.23").tarball).touch()
    with pytest.raises(ArchiveError) as caught:
        require_tarball(tmp_path, Target("3.11-8.0.0", "3.23"))
    assert caught.value.what.endswith(
        "; for Python 3.11 it has pypy-3.11-7.3.22-alpine3.23.tar.bz2"
    )


def test_a_tree_is_built_from_its_source(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError) as caught:
        require_tarball(tmp_path, Target.parse("3.12-8.0.0-alpha+762c531b493", "3.23"))
    assert caught.value.remedy == (
        "build it: invoke bootstrap --pypy 3.12-8.0.0-alpha --alpine 3.23 --source CHECKOUT"
    )


def test_the_commit_of_a_tree_need_not_be_typed_if_there_is_one(tmp_path: Path) -> None:
    asked = Target("3.12-8.0.0-alpha", "3.23")
    assert with_commit(tmp_path, asked) == asked
    one = Target.parse("3.12-8.0.0-alpha+762c531b493", "3.23")
    for target in (one, Target.parse("3.12-8.0.0-alpha+f835b91ea6b", "3.24")):
        (tmp_path / target.tarball).touch()
    (tmp_path / Target(one.release, "3.23", "aarch64", f"{one.release}+1").tarball).touch()
    assert with_commit(tmp_path, asked) == one
    (tmp_path / Target.parse("3.12-8.0.0-alpha+f835b91ea6b", "3.23").tarball).touch()
    with pytest.raises(SpecError, match=r"several builds of .*\+762c531b493, .*\+f835b91ea6b"):
        with_commit(tmp_path, asked)
    assert with_commit(tmp_path, one) == one
    release = Target("3.11-7.3.22", "3.23")
    assert with_commit(tmp_path, release) == release
