"""Names: what is parsed is what is written, and nothing else is taken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpypy.core.errors import SpecError
from alpypy.recipes.spec import ARCHITECTURES, PypyVersion, Target, alpine_of, arch_of

numbers = st.integers(min_value=0, max_value=99)
pypys = st.builds(
    "{}.{}-{}.{}.{}".format, st.sampled_from((2, 3)), numbers, numbers, numbers, numbers
)
alpines = st.builds("3.{}".format, numbers)


@given(pypys)
def test_pypy_version_round_trip(text: str) -> None:
    assert str(PypyVersion.parse(text)) == text


@given(pypys, st.sampled_from(("alpha", "beta2", "rc1")))
def test_pypy_version_on_the_way_round_trip(text: str, stage: str) -> None:
    version = PypyVersion.parse(f"{text}-{stage}")
    assert str(version) == f"{text}-{stage}"
    assert str(version.without_stage) == text
    assert version.sort_key < version.without_stage.sort_key


@given(st.text(max_size=20))
def test_pypy_version_takes_nothing_it_would_write_differently(text: str) -> None:
    try:
        version = PypyVersion.parse(text)
    except SpecError as error:
        assert repr(text) in error.what
    else:
        assert str(version) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "3.6", "7.0.0", "3.6-7.0", "v3.6-7.0.0", "3.6-7.0.0\n", "pypy3.6-v7.0.0"),
        *("4.0-7.0.0", "3.6-7.0.0-", "3.6-7.0.0-gamma", "3.6-7.0.0-alpha-beta", "3.6-7.0.0alpha"),
    ],
)
def test_other_forms_of_a_pypy_version_are_refused(text: str) -> None:
    with pytest.raises(SpecError, match=r"3\.11-8\.0\.0"):
        PypyVersion.parse(text)


def test_order_is_that_of_numbers() -> None:
    names = ["3.10-7.3.12", "3.9-7.3.9", "2.7-7.3.22", "3.9-7.3.16", "2.7-7.3.9"]
    ordered = sorted(names, key=lambda name: PypyVersion.parse(name).sort_key)
    assert ordered == ["2.7-7.3.9", "2.7-7.3.22", "3.9-7.3.9", "3.9-7.3.16", "3.10-7.3.12"]


@given(pypys, alpines, st.sampled_from(ARCHITECTURES))
def test_folder_names_tell_targets_apart(release: str, alpine: str, arch: str) -> None:
    target = Target(release, alpine, arch)
    rest = target.folder.removeprefix("pypy-").removesuffix("-aarch64")
    version, _, of = rest.rpartition("-alpine")
    assert (version, of) == (release, alpine)
    assert target.folder.endswith("-aarch64") == (arch == "aarch64")
    assert target.tarball == f"{target.folder}.tar.bz2"


def test_names_of_the_design() -> None:
    target = Target("3.6-7.0.0", "3.9")
    assert target.tarball == "pypy-3.6-7.0.0-alpine3.9.tar.bz2"
    assert target.bootstrap_tag() == "alpine-pypy-build:3.6-7.0.0-bootstrap-alpine3.9"
    assert target.build_tag("mine") == "mine:3.6-7.0.0-alpine3.9"
    assert Target("3.6-7.0.0", "3.9", "aarch64").folder == "pypy-3.6-7.0.0-alpine3.9-aarch64"
    assert Target("rpython-0.2.1", "3.23").folder == "rpython-0.2.1-alpine3.23"


def test_release_version_replaces_the_release_in_what_is_packaged() -> None:
    target = Target("3.6-7.0.0", "3.9", release_version="3.6-7.0.0-r1")
    assert target.folder == "pypy-3.6-7.0.0-r1-alpine3.9"
    assert target.build_tag() == Target("3.6-7.0.0", "3.9").build_tag()


def test_a_tree_is_named_for_its_commit_everywhere() -> None:
    target = Target.parse("3.12-8.0.0-alpha+762c531b493", "3.23")
    assert target == Target("3.12-8.0.0-alpha", "3.23", "x86_64", "3.12-8.0.0-alpha+762c531b493")
    assert target.tarball == "pypy-3.12-8.0.0-alpha+762c531b493-alpine3.23.tar.bz2"
    assert (alpine_of(target.tarball), arch_of(target.tarball)) == ("3.23", "x86_64")
    assert target.runtime_tag() == "alpine-pypy:3.12-8.0.0-alpha_762c531b493-alpine3.23"
    assert target.folder_tag == "pypy-3.12-8.0.0-alpha_762c531b493-alpine3.23"
    assert target.build_tag() == "alpine-pypy-build:3.12-8.0.0-alpha-alpine3.23"


def test_a_portable_pypy_is_named_for_every_musl() -> None:
    target = Target("3.11-8.0.0", "3.23", "aarch64", portable=True)
    assert target.tarball == "pypy-3.11-8.0.0-musllinux_1_2_aarch64.tar.bz2"
    assert (alpine_of(target.tarball), arch_of(target.tarball)) == (None, "aarch64")
    assert target.system == "musl 1.2 or later"
    image = target.runtime_tag(variant="dev")
    assert image == "alpine-pypy:3.11-8.0.0-portable-alpine3.23-aarch64-dev"
    assert target.build_tag() == Target("3.11-8.0.0", "3.23", "aarch64").build_tag()


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("3.12-8.0.0", False),
        ("3.12-8.0.0-alpha", True),
        ("3.12-8.0.1+762c531b493", True),
        ("rpython-0.2.1", False),
    ],
)
def test_which_versions_are_those_of_trees(text: str, tree: bool) -> None:
    assert Target.parse(text, "3.23").names_tree == tree


@pytest.mark.parametrize(
    ("version", "commit"),
    [(None, False), ("3.6-7.0.0-r1", False), ("mine+1", False), ("3.6-7.0.0+762c531b493", True)],
)
def test_which_versions_name_a_commit(version: str | None, commit: bool) -> None:
    assert Target("3.6-7.0.0", "3.9", release_version=version).names_commit == commit


def test_two_names_for_one_tarball_are_refused() -> None:
    with pytest.raises(SpecError, match="--release-version mine is not"):
        Target.parse("3.12-8.0.0-alpha+762c531b493", "3.23", release_version="mine")


@pytest.mark.parametrize("alpine", ["", "3", "3.9.6", "v3.9", "edge", "3.9\n"])
def test_other_forms_of_an_alpine_version_are_refused(alpine: str) -> None:
    with pytest.raises(SpecError, match=r"3\.9 or 3\.24"):
        Target("3.6-7.0.0", alpine)


def test_unknown_architecture_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(SpecError, match="x86_64, aarch64"):
        Target("3.6-7.0.0", "3.9", "mips")


@given(st.text(max_size=10))
def test_release_version_cannot_leave_the_folder(text: str) -> None:
    try:
        folder = Target("3.6-7.0.0", "3.9", release_version=text).folder
    except SpecError as error:
        assert repr(text) in error.what
    else:
        assert "/" not in folder
        assert folder.isascii()
        assert folder.isprintable()
        assert folder.startswith("pypy-")
