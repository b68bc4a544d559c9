"""versions/wheels.toml: what it says, and what it must not say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from alpypy.core.errors import DataError, SpecError
from alpypy.wheels.recipe import FILE_NAME, WheelData, load_wheel_data
from alpypy.wheels.request import read_interpreter

ROOT = Path(__file__).parents[3]
DATA = load_wheel_data(ROOT)
PYPY = read_interpreter("pypy3.11-7.3.22", "3.23", "x86_64")
PYPY2 = read_interpreter("pypy2.7-7.3.22", "3.23", "x86_64")
OLD_PYPY = read_interpreter("pypy2.7-7.0.0", "3.9", "x86_64", "2.7-7.0.0-libressl")
MID = "<3.4,>=3.0"  # of cryptography
LAST = "<3.5,>=3.4"
CPYTHON = read_interpreter("3.12", "3.16", "x86_64")
ASKED_FOR = {
    *("cryptography", "cffi", "lxml", "pyzmq", "psycopg2", "pyyaml", "markupsafe", "msgpack"),
    *("brotli", "pynacl"),
}
SMALL = """\
packages = [{ names = ["gcc"] }]
tls = [{ flavour = "openssl", names = ["openssl-dev"] }]
offers = []
[[modules]]
name = "some-thing"
tested = ["with nothing"]
"""


def load(tmp_path: Path, text: str) -> WheelData:
    (tmp_path / "versions").mkdir()
    (tmp_path / "versions" / FILE_NAME).write_text(text)
    return load_wheel_data(tmp_path)


def test_the_modules_that_people_ask_for_are_there() -> None:
    assert {one.name for one in DATA.modules} >= ASKED_FOR


def test_every_entry_says_what_was_tested_or_why_nothing_was() -> None:
    silent = [one.name for one in DATA.modules if not (one.tested or one.untested)]
    assert silent == []


def test_every_smoke_line_is_a_line_of_python() -> None:
    for one in DATA.modules:
        assert one.smoke is not None, one.name
        compile(one.smoke, one.name, "exec")


def test_every_build_package_of_the_kit_s_modules_has_an_offer() -> None:
    offered = {one.package for one in DATA.offers}
    common = {name for one in DATA.packages for name in one.names}
    used = {name for one in DATA.modules for group in one.packages for name in group.names}
    assert {name for name in used - common if name.endswith("-dev")} <= offered | {"postgresql-dev"}


def test_an_entry_is_found_by_version_and_by_any_spelling() -> None:
    old, new = DATA.entry("cryptography", "3.3.2", PYPY), DATA.entry("Cryptography", "46.0.1", PYPY)
    assert old is not None
    assert new is not None
    assert (str(old.versions), str(new.versions)) == ("<3.4,>=3.0", ">=3.5")
    assert DATA.entry("PyYAML", "7.0b1", PYPY) is not None
    assert DATA.entry("nothing-of-this-name", "1.0", PYPY) is None


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("", ["<3.0", MID, LAST, ">=3.5"]),
        ("==3.3.2", [MID]),
        ("===3.3.2", [MID]),
        ("===no-version", []),
        ("==3.3.*", [MID]),
        ("==3.*", [MID, LAST, ">=3.5"]),
        ("==3.4", [LAST]),
        ("<3.4", ["<3.0", MID]),
        ("<=3.4", ["<3.0", MID, LAST]),
        ("<3.4.1", ["<3.0", MID, LAST]),
        ("~=3.3.0", [MID]),
        ("~=3.3", [MID, LAST, ">=3.5"]),  # 3.4 is one of them
        ("~=3.4.1", [LAST]),
        (">3.3", [MID, LAST, ">=3.5"]),
        (">=3.4,!=3.4.*", [">=3.5"]),
        (">=3.3,!=3.3.*", [LAST, ">=3.5"]),
        (">3.3,<3.4,!=3.3.2", [MID]),
        ("!=3.3.2", ["<3.0", MID, LAST, ">=3.5"]),
        ("<3,>=40", []),
    ],
)
def test_entries_whose_versions_cannot_meet_a_requirement_are_left_out(
    wanted: str, found: list[str]
) -> None:
    entries = DATA.entries("cryptography", PYPY, SpecifierSet(wanted))
    assert [str(one.versions) for one in entries] == found


def test_an_entry_behind_another_that_fits_is_not_used(tmp_path: Path) -> None:
    text = SMALL.replace("[[modules]]", '[[modules]]\nversions = "<2"') + SMALL[SMALL.index("[[") :]
    data = load(tmp_path, text)
    assert [str(one.versions) for one in data.entries("some-thing", PYPY)] == ["<2", ""]
    (entry,) = data.entries("some-thing", PYPY, SpecifierSet("==1.0"))
    assert str(entry.versions) == "<2"


def test_packages_are_for_an_implementation_and_an_alpine() -> None:
    entries = DATA.entries("cryptography", PYPY)[:1]
    assert "libffi-dev" not in DATA.build_packages(entries, PYPY, None)
    assert {"libffi-dev", "openssl-dev", "gcc"} <= set(DATA.build_packages(entries, CPYTHON, None))
    entries = DATA.entries("psycopg2", PYPY)
    assert "libpq-dev" in DATA.build_packages(entries, PYPY, None)
    assert "postgresql-dev" in DATA.build_packages(entries, CPYTHON, None)


def test_the_tls_library_is_the_one_that_is_asked_for() -> None:
    entries = DATA.entries("cryptography", OLD_PYPY, SpecifierSet("<3"))
    packages = DATA.build_packages(entries, OLD_PYPY, "libressl")
    assert "libressl-dev" in packages
    assert "openssl-dev" not in packages


def test_a_module_that_cannot_be_built_with_that_tls_library() -> None:
    entries = DATA.entries("cryptography", OLD_PYPY, SpecifierSet(">=3,<3.4"))
    refusal = re.escape("cryptography<3.4,>=3.0 cannot be built with libressl on Alpine 3.9")
    with pytest.raises(SpecError, match=refusal):
        DATA.build_packages(entries, OLD_PYPY, "libressl")


def test_an_alpine_that_does_not_have_the_tls_library() -> None:
    entries = DATA.entries("cryptography", PYPY, SpecifierSet("<3"))
    with pytest.raises(SpecError, match=r"cryptography<3\.0 cannot be built with libressl"):
        DATA.build_packages(entries, PYPY, "libressl")


def test_a_tls_library_that_nobody_knows() -> None:
    assert DATA.require_tls(None) is None
    assert DATA.require_tls("libressl") == "libressl"
    with pytest.raises(SpecError) as caught:
        DATA.require_tls("boringssl")
    assert "openssl or libressl" in caught.value.remedy


def test_a_module_that_is_not_for_pypy() -> None:
    (entry,) = DATA.entries("cffi", PYPY)
    with pytest.raises(SpecError, match=r"cffi cannot be built for pypy3\.11-7\.3\.22: it is part"):
        entry.refuse_unsupported(PYPY)
    entry.refuse_unsupported(CPYTHON)


@pytest.mark.parametrize(
    ("kind", "name", "package"),
    [
        ("headers", "libxml/tree.h", "libxml2-dev"),
        ("headers", "openssl/opensslv.h", "openssl-dev"),
        ("libraries", "ffi", "libffi-dev"),
        ("programs", "pg_config", "libpq-dev"),
        ("pkgconfig", "libsodium", "libsodium-dev"),
        ("programs", "cc1plus", "g++"),
        ("headers", "nobody.h", None),
    ],
)
def test_what_offers_something(kind: str, name: str, package: str | None) -> None:
    assert DATA.package_of(kind, name) == package


def test_a_small_file(tmp_path: Path) -> None:
    data = load(tmp_path, SMALL)
    (entry,) = data.entries("some.thing", PYPY)
    assert (entry.before, entry.build, entry.pip_options, entry.environment) == (None, None, (), {})
    assert data.build_packages([entry], PYPY, None) == ("gcc",)


def test_all_fields_of_an_entry(tmp_path: Path) -> None:
    more = """\
versions = ">=1"
python = "<3"
environment = { A = "1" }
pip_options = ["--global-option=x"]
constraints = ["cython<3"]
before = "true"
build = "make"
smoke = "import x"
"""
    data = load(tmp_path, SMALL + more)
    assert data.entries("some-thing", PYPY) == ()
    (entry,) = data.entries("some-thing", PYPY2)
    assert data.entry("some-thing", "0.9", PYPY2) is None
    assert entry.environment == {"A": "1"}
    assert (entry.pip_options, entry.constraints) == (("--global-option=x",), ("cython<3",))
    assert (entry.before, entry.build, entry.smoke) == ("true", "make", "import x")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('tested = ["with nothing"]', "", "tested is missing"),
        ('tested = ["with', 'untestde = ["with', "untestde"),
        ('tested = ["with nothing"]', 'tested = "yes"', "tested is 'yes'"),
        ('name = "some-thing"', "name = 3", "name is 3"),
        ('name = "some-thing"', 'name = "Some_Thing"', "name is 'Some_Thing'"),
        ("tested =", 'versions = "new"\ntested =', "versions"),
        ("tested =", "environment = { A = 1 }\ntested =", "A is 1"),
        ('["gcc"]', '["gcc"], implementation = "jython"', "implementation is 'jython'"),
        ("offers = []", 'offers = [{ package = "x", header = ["y"] }]', "header is unknown"),
        ('flavour = "openssl", ', "", "flavour is missing"),
    ],
)
def test_a_wrong_entry_is_refused(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in SMALL
    with pytest.raises(DataError, match=r"wheels\.toml") as caught:
        load(tmp_path, SMALL.replace(old, new))
    assert says in caught.value.what
