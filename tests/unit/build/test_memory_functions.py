"""PyPy's own memory functions do what the C library's do, on each processor they are made for."""

from __future__ import annotations

import platform
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.workspaces import ROOT

SOURCE = ROOT / "dockerfiles/link/memory.c"
COMPARE = ROOT / "tests/fixtures/memory/compare.c"
FUNCTIONS = ("memchr", "memcmp", "memcpy", "memmove", "memset")
# Without the last two the compiler makes calls of these functions in these functions.
OPTIONS = ("-O2", "-fPIC", "-fno-builtin", "-fno-tree-loop-distribute-patterns")
WARNINGS = ("-Wall", "-Wextra", "-Wshadow", "-Werror")
OTHER_NAMES = ("-DHIDDEN=", *(f"-D{name}=own_{name}" for name in FUNCTIONS))


def needed(program: str, remedy: str) -> str:
    """Skip the test if this machine does not have a program."""
    if shutil.which(program) is None:
        pytest.skip(f"{remedy}: this machine does not have {program}")
    return program


def run(*command: str | Path) -> str:
    """What a command prints on stdout; the test fails with all that it prints."""
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, (command, result.returncode, result.stdout, result.stderr)
    return result.stdout


def compiler() -> str:
    return needed("cc", "apt-get install gcc libc6-dev, or apk add gcc musl-dev")


def compiled(folder: Path, cc: str, *options: str) -> Path:
    """The functions alone, with names that the C library does not have."""
    made = folder / "own.o"
    run(cc, *OPTIONS, *WARNINGS, *OTHER_NAMES, *options, "-c", "-o", made, SOURCE)
    return made


def comparison(folder: Path, cc: str, *options: str) -> Path:
    """The program that compares the functions with the C library's."""
    own, made = compiled(folder, cc, *options), folder / "compare"
    run(cc, "-O2", "-fno-builtin", *WARNINGS, *options, "-o", made, COMPARE, own)
    return made


def compare(program: Path, *emulator: str, calls: int = 20000) -> None:
    """Run the comparison with a seed that a failed test tells, as it is in the command."""
    seed = str(random.randrange(2**64))
    assert run(*emulator, program, seed, str(calls)) == "as the C library\n"


@pytest.mark.parametrize("options", [(), ("-DHAS_AVX2=0",), ("-O3", "-DHAS_AVX2=0")])
def test_on_this_processor(options: tuple[str, ...], tmp_path: Path) -> None:
    compare(comparison(tmp_path, compiler(), *options))


@pytest.mark.parametrize("level", ["-O2", "-O3"])
def test_with_avx2(level: str, tmp_path: Path) -> None:
    if " avx2 " not in Path("/proc/cpuinfo").read_text():
        pytest.skip("needs a processor with AVX2")
    compare(comparison(tmp_path, compiler(), level, "-DHAS_AVX2=1"))


@pytest.mark.skipif(platform.machine() != "x86_64", reason="needs a compiler for x86_64")
def test_a_processor_without_avx2_gets_no_such_instruction(tmp_path: Path) -> None:
    emulator = needed("qemu-x86_64-static", "apt-get install qemu-user-static")
    program = comparison(tmp_path, compiler(), "-static")
    compare(program, emulator, "-cpu", "Nehalem", calls=200)


def test_on_aarch64(tmp_path: Path) -> None:
    remedy = "apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static"
    cc = needed("aarch64-linux-gnu-gcc", remedy)
    emulator = needed("qemu-aarch64-static", remedy)
    compare(comparison(tmp_path, cc, "-static"), emulator, calls=200)


@pytest.mark.parametrize("level", ["-O2", "-O3"])
def test_the_compiler_makes_no_call_of_the_functions_in_themselves(
    level: str, tmp_path: Path
) -> None:
    made = compiled(tmp_path, compiler(), level)
    needs = {line.split()[-1] for line in run("nm", "--undefined-only", made).splitlines()}
    assert needs <= {"_GLOBAL_OFFSET_TABLE_", "__cpu_indicator_init", "__cpu_model"}


def test_nothing_else_in_a_process_uses_them(tmp_path: Path) -> None:
    library = tmp_path / "own.so"
    run(compiler(), *OPTIONS, "-shared", "-o", library, SOURCE)
    inside, visible = run("nm", library), run("nm", "--dynamic", "--defined-only", library)
    assert all(f" t {name}\n" in inside for name in FUNCTIONS)
    assert not [name for name in FUNCTIONS if name in visible]
