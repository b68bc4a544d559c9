"""Names of tarballs: what a target writes is what is read again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpypy.core.errors import SpecError
from alpypy.recipes.spec import ARCHITECTURES, Target, alpine_of, arch_of

numbers = st.integers(min_value=0, max_value=99)
releases = st.builds(
    "{}.{}-{}.{}.{}".format, st.sampled_from((2, 3)), numbers, numbers, numbers, numbers
)
words = st.from_regex(r"[0-9A-Za-z][0-9A-Za-z.+_-]{0,20}", fullmatch=True)


@given(
    st.one_of(releases, st.just("rpython-0.2.1")),
    numbers,
    st.sampled_from(ARCHITECTURES),
    st.one_of(st.none(), words),
)
def test_alpine_and_architecture_of_a_tarball_are_read_from_its_name(
    release: str, minor: int, arch: str, version: str | None
) -> None:
    name = Target(release, f"3.{minor}", arch, version).tarball
    assert (alpine_of(name), arch_of(name)) == (f"3.{minor}", arch)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "pypy-3.6-7.0.0.tar.bz2",
        "pypy3.6-v7.0.0-linux64.tar.bz2",
        "pypy-3.6-7.0.0-alpine3.9.tar.gz",
        "pypy-3.6-7.0.0-alpine3.9.tar.bz2.sha256",
        "pypy-3.6-7.0.0-alpine.tar.bz2",
        "pypy-3.6-7.0.0-alpine3.9-mips.tar.bz2",
        "pypy-3.6-7.0.0-alpine3.9.tar.bz2\n",
    ],
)
def test_other_names_are_refused_with_an_example(name: str) -> None:
    with pytest.raises(SpecError, match=r"-alpine3\.24\.tar\.bz2") as caught:
        alpine_of(name)
    assert repr(name) in caught.value.what


@given(releases, numbers)
def test_image_tags_are_what_docker_takes_and_differ(release: str, minor: int) -> None:
    target = Target(release, f"3.{minor}")
    tags = {target.bootstrap_tag(), target.build_tag()}
    assert len(tags) == 2
    for tag in tags:
        repository, _, name = tag.partition(":")
        assert repository == "alpine-pypy-build"
        assert len(name) <= 128
        assert name.replace(".", "").replace("-", "").isalnum()
