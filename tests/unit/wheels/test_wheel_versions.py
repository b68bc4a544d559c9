"""Whether ranges of versions meet, against versions of every kind."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from alpypy.wheels.versions import probes

SIGNS = ("==", "!=", "<", "<=", ">", ">=", "~=")
RELEASES = ("0.1", "1.0", "1.9", "2.0", "2.0.1", "2.1", "10.0")
bounds = st.builds("{}{}".format, st.sampled_from(SIGNS), st.sampled_from(RELEASES))
prefixes = st.builds("{}{}.*".format, st.sampled_from(("==", "!=")), st.sampled_from(RELEASES))
ranges = st.lists(st.one_of(bounds, prefixes), max_size=3).map(",".join).map(SpecifierSet)
PARTS = (0, 1, 2, 5, 9, 10, 11)
VERSIONS = [f"{one}.{two}.{three}" for one in PARTS for two in PARTS for three in PARTS]


@given(ranges, ranges)
def test_where_a_version_is_in_both_ranges_a_probe_is(one: SpecifierSet, two: SpecifierSet) -> None:
    if any(version in one and version in two for version in VERSIONS):
        assert any(version in one and version in two for version in probes(one, two))


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("<2", ">=1.9999"),
        (">2.0", "<2.0.1"),
        (">2", "<=2.0.0.1"),
        ("<1!2", ">=1!1.9"),
        ("==2.0rc1", "<=2.0rc1"),
        ("==2.0+local", ">=2.0"),
        ("<0.1", "!=0.0"),
    ],
)
def test_ranges_that_hardly_meet(one: str, two: str) -> None:
    both = SpecifierSet(one), SpecifierSet(two)
    found = [each for each in probes(*both) if all(range_.contains(each, True) for range_ in both)]
    assert found
