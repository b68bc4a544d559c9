"""Which modules are run, and what versions/check.toml may say."""

from __future__ import annotations

from pathlib import Path

import pytest

from alpypy.core.errors import DataError, SpecError
from alpypy.suites.plan import SuiteSettings, choose, extra_modules, load_settings, stdlib_modules

ROOT = Path(__file__).resolve().parents[3]
NAMES = ["test_os", "test_ssl", "test_ctypes", "test_support"]


@pytest.fixture(scope="module")
def settings() -> SuiteSettings:
    return load_settings(ROOT)


@pytest.mark.parametrize("resource", ["network", "urlfetch", "gui", "largefile"])
def test_no_test_asks_for_a_network_or_a_display(settings: SuiteSettings, resource: str) -> None:
    assert f"-{resource}" in settings.limits.resources.split(",")


def test_helpers_are_no_tests(settings: SuiteSettings) -> None:
    names = [module.name for module in stdlib_modules(NAMES, "2.7", settings)]
    assert names == ["test_ctypes", "test_os", "test_ssl"]


def test_only_what_compiles_gets_a_compiler(settings: SuiteSettings) -> None:
    old = {one.name: one.compiler for one in stdlib_modules(NAMES, "3.6", settings)}
    new = {one.name: one.compiler for one in stdlib_modules(NAMES, "3.11", settings)}
    assert old == {"test_os": False, "test_ssl": False, "test_ctypes": True}
    assert not any(new.values())


def test_pypys_own_tests(settings: SuiteSettings, tmp_path: Path) -> None:
    for name in ("test_os.py", "cffi_tests/cffi0/test_a.py", "support.py", "test_data/x.txt"):
        path = tmp_path / "extra_tests" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    found = extra_modules(tmp_path, "3.11", settings)
    assert [(one.name, one.file, one.compiler) for one in found] == [
        ("extra_tests.cffi_tests.cffi0.test_a", "extra_tests/cffi_tests/cffi0/test_a.py", True),
        ("extra_tests.test_os", "extra_tests/test_os.py", False),
    ]


def test_names_and_patterns(settings: SuiteSettings) -> None:
    modules = stdlib_modules(NAMES, "3.11", settings)
    assert choose(modules, ()) == tuple(modules)
    assert [one.name for one in choose(modules, ["test_[os]s*", "test_os"])] == [
        "test_os",
        "test_ssl",
    ]
    with pytest.raises(SpecError, match="--tests test_sll: there is no such"):
        choose(modules, ["test_os", "test_sll"])


@pytest.mark.parametrize("language", ["2.7", "3.5", "3.6", "3.7", "3.8", "3.9", "3.10", "3.11"])
def test_every_language_has_one_pytest(settings: SuiteSettings, language: str) -> None:
    names = [wheel.file_name.partition("-")[0] for wheel in settings.wheels_for(language)]
    assert len(names) == len(set(names)), "a wheel twice would be two versions in one folder"
    assert {"pytest", "py", "hypothesis", "attrs"} <= set(names)
    assert ("enum34" in names) == (language == "2.7")


def test_what_a_file_may_not_say(tmp_path: Path) -> None:
    text = (ROOT / "versions/check.toml").read_text(encoding="utf-8")
    (tmp_path / "versions").mkdir()
    for old, new, said in (
        ("timeout = 900", "timeouts = 900", "timeouts is unknown"),
        ("memory_mib = 4096", "", "memory_mib is missing"),
        ('language = "<3.9"', 'language = "old"', "language"),
        ("sha256 = ", "sha512 = ", "sha512"),
    ):
        assert old in text
        (tmp_path / "versions/check.toml").write_text(text.replace(old, new, 1))
        with pytest.raises(DataError, match=said):
            load_settings(tmp_path)


@pytest.mark.parametrize(
    ("language", "named"), [("2.7", True), ("3.6", True), ("3.7", False), ("3.11", False)]
)
def test_weak_keys_are_taken_for_the_suites_that_have_them(language: str, named: bool) -> None:
    assert ("OPENSSL_CONF" in load_settings(ROOT).environment(language)) is named


@pytest.mark.parametrize(
    ("language", "named"), [("2.7", False), ("3.5", True), ("3.6", True), ("3.7", False)]
)
def test_no_date_is_looked_at_for_the_suites_whose_certificates_ended(
    language: str, named: bool
) -> None:
    assert ("ALPYPY_ANY_DATE" in load_settings(ROOT).environment(language)) is named
