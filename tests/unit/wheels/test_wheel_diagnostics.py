"""What is said of a build that failed, from what compilers, linkers and pip really print."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from alpypy.core.errors import DigestError, DownloadError, SpecError
from alpypy.wheels.diagnostics import (
    Missing,
    build_error,
    find_missing,
    first_error,
    hint,
    pip_error,
)
from alpypy.wheels.recipe import load_wheel_data

DATA = load_wheel_data(Path(__file__).parents[3])
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
RUST = """\
     Compiling thing v1.0.0 (/tmp/thing)
  error[E0432]: unresolved import `pyo3::nothing`
   --> src/lib.rs:1:5
  error: could not compile `thing` (lib) due to 1 previous error
  subprocess.CalledProcessError: Command '['cargo', 'build']' returned non-zero exit status 101.
"""
MATURIN = """\
      Computed rustc target triple: x86_64-unknown-linux-musl
      Rust not found, installing into a temporary directory
      Traceback (most recent call last):
        File "httpcore/_exceptions.py", line 14, in map_exceptions
          raise to_exc(exc) from exc
      httpcore.ConnectError: [Errno -2] Name does not resolve
"""
CONFIGURE = """\
  checking for ffi.h... no
  configure: error: libffi headers not found
  subprocess.CalledProcessError: Command '['./configure']' returned non-zero exit status 1.
"""
CMAKE = """\
  -- Could NOT find Doxygen (missing: DOXYGEN_EXECUTABLE)
  CMake Error at /usr/share/cmake/Modules/FindPackageHandleStandardArgs.cmake:230 (message):
    Could NOT find OpenSSL, try to set the path to OpenSSL root folder in the
    system variable OPENSSL_ROOT_DIR (missing: OPENSSL_CRYPTO_LIBRARY)
  Call Stack (most recent call first):
    CMakeLists.txt:4 (find_package)
  RuntimeError: cmake failed
"""
CMAKE_CONFIG = """\
  CMake Error at CMakeLists.txt:4 (find_package):
    By not providing "FindSnappy.cmake" in CMAKE_MODULE_PATH this project has
    asked CMake to find a package configuration file provided by "Snappy",
    but CMake did not find one.
"""
CMAKE_ALONE = "CMake Error: CMAKE_C_COMPILER not set, after EnableLanguage\nRuntimeError: x\n"
MESON = """\
  Run-time dependency cblas found: NO (tried pkg-config and cmake)
  Run-time dependency openblas found: NO (tried pkg-config and cmake)

  ../meson.build:2:0: ERROR: Dependency "openblas" not found (tried pkg-config and cmake)

  A full log can be found at /tmp/thing/build/meson-logs/meson-log.txt
  error: metadata-generation-failed
"""
NO_PROGRAM = """\
    File "/usr/lib/python3.11/subprocess.py", line 1026, in __init__
      self._execute_child(args, executable, preexec_fn, close_fds,
    File "/usr/lib/python3.11/subprocess.py", line 1950, in _execute_child
      raise child_exception_type(errno_num, err_msg, err_filename)
  FileNotFoundError: [Errno 2] No such file or directory: 'swig'
"""
NO_FILE = """\
    File "setup.py", line 3, in <module>
      version = open('VERSION').read()
  FileNotFoundError: [Errno 2] No such file or directory: 'VERSION'
"""
EITHER = "  running build_py\n  error: [Errno 2] No such file or directory: 'cmake'\n"
CONFLICT = """\
ERROR: Cannot install aaa==1 and bbb==2 because these package versions have \
conflicting dependencies.

The conflict is caused by:
    The user requested aaa==1
    bbb 2 depends on aaa==2

Additionally, some packages in these conflicts have no matching distributions available:
    aaa

ERROR: ResolutionImpossible: for help visit https://pip.pypa.io/
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
# pip 24.2 and, at the end, 26.3: of a server that refuses, is late, or does not send all.
NO_FILES = [
    "ERROR: Could not install packages due to an OSError: HTTPConnectionPool(host='127.0.0.1',"
    " port=9): Max retries exceeded with url: /refuse-1.0-py3-none-any.whl (Caused by"
    " NewConnectionError('<pip._vendor.urllib3.connection.HTTPConnection object at 0x7f>: Failed to"
    " establish a new connection: [Errno 111] Connection refused'))",
    "      pip._vendor.urllib3.exceptions.ReadTimeoutError: HTTPConnectionPool(host='127.0.0.1',"
    " port=8765): Read timed out.",
    'pip._vendor.urllib3.exceptions.ProtocolError: ("Connection broken: ConnectionResetError(104,'
    " 'Connection reset by peer')\", ConnectionResetError(104, 'Connection reset by peer'))",
    "ERROR: Wheel 'six' located at /tmp/pip-unpack-fves4_4q/six-1.0-py3-none-any.whl is invalid.",
    "pip._vendor.requests.exceptions.RetryError: HTTPConnectionPool(host='127.0.0.1', port=8765):"
    " Max retries exceeded with url: /f/x.whl (Caused by ResponseError('too many 503 error"
    " responses'))",
    "error: connection-failed",
    "error: incomplete-download",
]
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
        (RUST, "error[E0432]: unresolved import `pyo3::nothing`"),
        (MATURIN, "Rust not found, installing into a temporary directory"),
        (CONFIGURE, "configure: error: libffi headers not found"),
        (
            CMAKE,
            "CMake Error at /usr/share/cmake/Modules/FindPackageHandleStandardArgs.cmake:230"
            " (message): Could NOT find OpenSSL, try to set the path to OpenSSL root folder in the",
        ),
        (CMAKE_ALONE, "CMake Error: CMAKE_C_COMPILER not set, after EnableLanguage"),
        (
            MESON,
            '../meson.build:2:0: ERROR: Dependency "openblas" not found'
            " (tried pkg-config and cmake)",
        ),
        (
            "ERROR: Command errored out with exit status 1:\n"
            "    Traceback (most recent call last):\n"
            '      File "setup.py", line 264, in <module>\n'
            "        setup()\n"
            "    DistributionNotFound: The 'pycparser' distribution was not found\n"
            "    ----------------------------------------\n",
            "DistributionNotFound: The 'pycparser' distribution was not found",
        ),
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
        (MATURIN, "programs", "Rust"),
        (CONFIGURE, "dependency", "libffi"),
        (CMAKE, "dependency", "OpenSSL"),
        (CMAKE_CONFIG, "dependency", "Snappy"),
        (MESON, "dependency", "openblas"),
        (NO_PROGRAM, "programs", "swig"),
        (EITHER, "programs", "cmake"),
        ("  No CMAKE_CXX_COMPILER could be found.", "programs", "CMAKE_CXX_COMPILER"),
    ],
)
def test_what_is_missing(output: str, kind: str, name: str) -> None:
    assert find_missing(output) == Missing(kind, name)


def test_a_rust_that_was_downloaded_is_not_missing() -> None:
    lines = [line for line in MATURIN.splitlines() if "Traceback" not in line]
    assert find_missing("\n".join(lines)) is None


def test_the_first_of_what_is_missing_counts() -> None:
    assert find_missing(LINKER + GCC) == Missing("libraries", "pq")
    assert find_missing(CPYTHON_ONLY) is None


def test_a_file_that_is_not_there_is_no_program() -> None:
    assert find_missing(NO_FILE) is None
    assert find_missing(EITHER + GCC) == Missing("headers", "libxml/tree.h")


def test_what_cmake_could_do_without_is_not_missing() -> None:
    assert find_missing(CMAKE.splitlines()[0]) is None


@pytest.mark.parametrize(
    ("name", "package"),
    [("OpenSSL", "openssl-dev"), ("libffi", "libffi-dev"), ("CURL", "curl-dev")],
)
def test_the_package_of_what_is_called_in_another_way(name: str, package: str) -> None:
    said = hint(Missing("dependency", name), DATA, nothing)
    assert said == f"the dependency {name} is in the package {package}"


def test_what_is_called_in_another_way_is_looked_for_in_the_index() -> None:
    def search(queries: Sequence[str]) -> Sequence[str]:
        assert queries[:2] == ("pc:openblas", "pc:openblas")
        return ("openblas-dev",)

    said = hint(Missing("dependency", "openblas"), DATA, search)
    assert said == "the dependency openblas is in the package openblas-dev"


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
    assert "the index has no six==99: it has the versions 1.0, 1.1" in error.what


def test_versions_that_do_not_go_together_are_no_build() -> None:
    error = pip_error("bbb", CONFLICT, "/logs/index.log")
    assert isinstance(error, SpecError)
    assert error.what == (
        "the requirements conflict: aaa==1 and bbb==2\n"
        "  The user requested aaa==1\n"
        "  bbb 2 depends on aaa==2"
    )
    assert "/logs/index.log" in error.remedy


def test_an_index_out_of_reach_is_not_a_module_that_is_not_there() -> None:
    assert isinstance(pip_error("x", UNREACHABLE, "log"), DownloadError)


@pytest.mark.parametrize("line", NO_FILES)
def test_a_file_that_does_not_come_is_not_a_build_that_fails(line: str) -> None:
    error = pip_error("six", f"Collecting six\n{line}\n\nhint: or not\n", "/logs/six.log")
    assert isinstance(error, DownloadError)
    assert error.what == f"pip could not get a file for six: {line.strip()}"
    assert "/logs/six.log" in error.remedy


def test_an_index_that_lies_about_a_digest() -> None:
    error = pip_error("six", LIE, "log")
    assert isinstance(error, DigestError)
    assert "Expected sha256 00" in error.what
    assert "secret" not in error.what


def test_a_build_that_fails_is_not_the_index_s() -> None:
    assert pip_error("x", GCC, "log") is None
