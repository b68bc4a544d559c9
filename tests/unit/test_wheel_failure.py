"""What is said of a build that failed, from what compilers, linkers and pip really print."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from alpypy.errors import DigestError, DownloadError, SpecError
from alpypy.wheel_failure import Missing, build_error, first_error, hint, missing, pip_error
from alpypy.wheel_recipe import load_wheel_data

DATA = load_wheel_data(Path(__file__).parents[2])
GCC = """\
  running build_ext
  gcc -c src/thing.c -o thing.o
  src/thing.c:3:10: fatal error: libxml/tree.h: No such file or directory
      3 | #include <libxml/tree.h>
  compilation terminated.
  error: command 'gcc' failed with exit status 1
  ERROR: Failed building wheel for thing
"""
LINKER = """\
  /usr/bin/x86_64-linux-gnu-ld.bfd: cannot find -lpq: No such file or directory
  collect2: error: ld returned 1 exit status
"""
CPYTHON_ONLY = """\
  src/thing.c: In function 'last':
  src/thing.c:7:14: error: invalid use of undefined type 'struct _frame'
  src/thing.c:9:14: error: too late
  error: command 'gcc' failed
"""
PSYCOPG = """\
  Error: pg_config executable not found.

  pg_config is required to build psycopg2 from source.
  error: subprocess-exited-with-error
"""
NO_VERSION = """\
ERROR: Could not find a version that satisfies the requirement six==99 (from versions: 1.0, 1.1)
ERROR: No matching distribution found for six==99
"""
NOTHING = """\
ERROR: Could not find a version that satisfies the requirement nix-da (from versions: none)
ERROR: No matching distribution found for nix-da
"""
UNREACHABLE = f"""\
WARNING: Retrying (Retry(total=4)) after connection broken by 'NewConnectionError': /simple/six/
{NOTHING}"""
LIE = """\
Collecting six
ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE. If you have updated it:
    six from http://user:secret@127.0.0.1:1/six-1.0.tar.gz#sha256=00:
        Expected sha256 00
             Got        11
"""


def nothing(queries: Sequence[str]) -> Sequence[str]:
    return ()


@pytest.mark.parametrize(
    ("output", "line"),
    [
        (GCC, "src/thing.c:3:10: fatal error: libxml/tree.h: No such file or directory"),
        (LINKER, "/usr/bin/x86_64-linux-gnu-ld.bfd: cannot find -lpq: No such file or directory"),
        (CPYTHON_ONLY, "src/thing.c:7:14: error: invalid use of undefined type 'struct _frame'"),
        (PSYCOPG, "Error: pg_config executable not found."),
        ("  x\n  RuntimeError: not for PyPy\n  y\n", "RuntimeError: not for PyPy"),
        ("error: subprocess-exited-with-error\n  ERROR: no room\n", "ERROR: no room"),
        ("only this\n", "only this"),
        ("", "it printed nothing"),
    ],
)
def test_the_first_error(output: str, line: str) -> None:
    assert first_error(output) == line


@pytest.mark.parametrize(
    ("output", "kind", "name"),
    [
        (GCC, "headers", "libxml/tree.h"),
        (LINKER, "libraries", "pq"),
        (PSYCOPG, "programs", "pg_config"),
        ("No package 'libsodium' found", "pkgconfig", "libsodium"),
        ("Package libffi was not found in the pkg-config search path.", "pkgconfig", "libffi"),
        ("Package 'zlib', required by 'virtual:world', not found", "pkgconfig", "zlib"),
        ("gcc: fatal error: cannot execute 'cc1plus': execvp: No such", "programs", "cc1plus"),
        ("error: command 'g++' failed: No such file or directory", "programs", "g++"),
        ("unable to execute 'swig': No such file or directory", "programs", "swig"),
        ("sh: cmake: not found", "programs", "cmake"),
        ("error: can't find Rust compiler", "programs", "Rust"),
        ("  No CMAKE_CXX_COMPILER could be found.", "programs", "CMAKE_CXX_COMPILER"),
    ],
)
def test_what_is_missing(output: str, kind: str, name: str) -> None:
    assert missing(output) == Missing(kind, name)


def test_the_first_of_what_is_missing_counts() -> None:
    assert missing(LINKER + GCC) == Missing("libraries", "pq")
    assert missing(CPYTHON_ONLY) is None


def test_the_package_of_the_data() -> None:
    said = hint(Missing("headers", "libxml/tree.h"), DATA, nothing)
    assert said == "the header libxml/tree.h is in the package libxml2-dev"


def test_the_package_of_the_index() -> None:
    asked: list[str] = []

    def search(queries: Sequence[str]) -> Sequence[str]:
        asked.extend(queries)
        return ("snappy", "snappy-dev")

    assert hint(Missing("headers", "snappy-c.h"), DATA, search) == (
        "the header snappy-c.h is in the package snappy-dev"
    )
    assert asked == ["pc:snappy-c", "pc:libsnappy-c", "snappy-c-dev", "libsnappy-c-dev"]
    asked.clear()
    hint(Missing("headers", "Snap/y.h"), DATA, search)
    assert asked[:4] == ["pc:snap", "pc:libsnap", "snap-dev", "libsnap-dev"]
    asked.clear()
    assert hint(Missing("programs", "swig"), DATA, lambda queries: ["swig"]) == (
        "the program swig is in the package swig"
    )


def test_no_package_no_hint() -> None:
    assert hint(Missing("headers", "nobody.h"), DATA, nothing) is None


def test_the_error_of_a_build_names_package_and_log() -> None:
    error = build_error("thing 1.0", GCC, "the header x is in the package y", "/logs/thing.log")
    assert error.what.startswith("thing 1.0 could not be built: src/thing.c:3:10: fatal error:")
    assert "in the package y" in error.remedy
    assert "/logs/thing.log" in error.remedy
    assert "None" not in build_error("thing", GCC, None, "log").remedy


def test_no_such_module_and_no_such_version() -> None:
    error = pip_error("x", NOTHING, "log")
    assert isinstance(error, SpecError)
    assert error.what == ("the index has no nix-da: no such module, or no version for this Python")
    error = pip_error("x", NO_VERSION, "log")
    assert isinstance(error, SpecError)
    assert "the index has no six==99: of that module there are 1.0, 1.1" in error.what


def test_an_index_out_of_reach_is_not_a_module_that_is_not_there() -> None:
    assert isinstance(pip_error("x", UNREACHABLE, "log"), DownloadError)


def test_an_index_that_lies_about_a_digest() -> None:
    error = pip_error("six", LIE, "log")
    assert isinstance(error, DigestError)
    assert "Expected sha256 00" in error.what
    assert "secret" not in error.what


def test_a_build_that_fails_is_not_the_index_s() -> None:
    assert pip_error("x", GCC, "log") is None
