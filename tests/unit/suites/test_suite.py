"""Where a module's result is kept: what it depends on names the folder, and nothing else does."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256

import pytest

from alpypy.suites.plan import TestModule
from alpypy.suites.suite import ResultInputs

PLAIN = TestModule("test_os", "stdlib")
COMPILES = TestModule("test_capi", "stdlib", compiler=True)
OWN = TestModule("extra_tests.test_os", "pytest")
OWN_COMPILES = TestModule("extra_tests.cffi_tests.test_a", "pytest", compiler=True)
MODULES = (PLAIN, COMPILES, OWN, OWN_COMPILES)
PLACE = ResultInputs({"tarball": "1"}, "2", ("gcc", "musl-dev"))


def changed(place: ResultInputs) -> set[str]:
    """The modules that are run again in another place."""
    return {module.name for module in MODULES if place.key(module) != PLACE.key(module)}


@pytest.mark.parametrize(
    ("place", "again"),
    [
        (replace(PLACE, common={"tarball": "2"}), MODULES),
        (replace(PLACE, extra="3"), (OWN, OWN_COMPILES)),
        (replace(PLACE, build_packages=("gcc",)), (COMPILES, OWN_COMPILES)),
        (replace(PLACE, environment={"OPENSSL_CONF": "weak"}), MODULES),
    ],
)
def test_what_a_result_depends_on(place: ResultInputs, again: tuple[TestModule, ...]) -> None:
    assert changed(place) == {module.name for module in again}


def test_a_module_that_is_given_a_compiler_is_run_again() -> None:
    assert PLACE.key(PLAIN) != PLACE.key(replace(PLAIN, compiler=True))


def test_what_a_module_has_not_is_no_part_of_its_key() -> None:
    """Results that were kept before there were such parts still count."""
    for module, extra in ((PLAIN, None), (OWN, "2")):
        text = json.dumps({"extra": extra, "tarball": "1"})
        assert PLACE.key(module) == sha256(text.encode()).hexdigest()[:24]
