"""The static libraries: what they are linked with runs on every musl that the C library is of."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from alpypy.build.base_image import find_base
from alpypy.build.libraries import Libraries, LibraryTree
from alpypy.core import elf
from alpypy.core.errors import LibraryError
from alpypy.engine.docker import Engine
from alpypy.engine.job import Job, Mount
from alpypy.engine.workspace import Workspace
from alpypy.recipes.musl import load_musl
from alpypy.recipes.recipe import load_catalog
from tests.workspaces import ROOT, workspace

pytestmark = pytest.mark.timeout(3600)
ARCH = "x86_64"
PROGRAM = ROOT / "tests/container/build/static.c"
LINK = """\
gcc -O2 /work/$1.c -o /work/$1 -I/tree/include -L/tree/lib -Wl,--exclude-libs,ALL,-z,defs \
    -lncursesw -lpanel -lform -lmenu -lssl -lcrypto -lsqlite3 -lgdbm_compat -lgdbm -lexpat -llzma \
    -lbz2 -lz -lffi
"""


@pytest.fixture(scope="module")
def own(engine: Engine, cache: Path) -> Workspace:
    return workspace(ROOT, engine, cache)


@pytest.fixture(scope="module")
def stage(own: Workspace, base_image: str, alpine_version: str) -> Libraries:
    base = find_base(own, load_catalog(ROOT).alpine(alpine_version), ARCH, base_image)
    return Libraries(own, base, ARCH, ROOT / "versions/libraries.toml", True)


@pytest.fixture(scope="module")
def tree(own: Workspace, stage: Libraries) -> LibraryTree:
    """The real folder; compiling it takes minutes where no earlier run did."""
    return own.store.run(stage)


def linked(own: Workspace, stage: Libraries, tree: LibraryTree, folder: Path, name: str) -> str:
    """Link ``name``.c with the libraries; what the compiler says."""
    mounts = [Mount(tree.folder, "/tree"), Mount(folder, "/work", writable=True)]
    image = own.store.run(stage.parts[0].stub.toolchain)
    return own.engine.run(Job(image, ["sh", "-c", LINK, "sh", name], mounts)).output


def test_a_program_with_all_libraries_needs_only_the_c_library(
    own: Workspace, stage: Libraries, tree: LibraryTree, alpine_version: str, tmp_path: Path
) -> None:
    (tmp_path / "static.c").write_text(PROGRAM.read_text())
    assert linked(own, stage, tree, tmp_path, "static") == ""
    program = elf.read(tmp_path / "static", "static")
    assert program.needed == (load_musl(ROOT / "versions", ARCH).soname,)
    plain = f"alpine:{alpine_version}"
    mounts = [Mount(tmp_path, "/work")]
    done = own.engine.run(Job(plain, ["/work/static"], mounts, {"HOME": "/nonexistent"}))
    assert done.exit_code == 0, done.output
    words = [line.rpartition(" ") for line in done.output.splitlines()]
    assert {what for what, _, result in words if result != "works"} == set()
    assert len(words) == 27


@pytest.mark.parametrize("function", ["qsort_r", "preadv2", "gettid", "reallocarray"])
def test_what_newer_musls_have_is_refused(
    own: Workspace, stage: Libraries, tree: LibraryTree, function: str, tmp_path: Path
) -> None:
    text = f"long {function}(); int main(void) {{ return (int){function}(0, 0, 0, 0); }}\n"
    (tmp_path / "newer.c").write_text(text)
    assert f"undefined reference to `{function}'" in linked(own, stage, tree, tmp_path, "newer")


def test_a_variable_is_copied_with_its_size_and_under_all_its_names(
    own: Workspace, stage: Libraries, tree: LibraryTree, tmp_path: Path
) -> None:
    text = "extern char **environ; extern char *optarg; extern void *tzname[2];\n"
    text += "int main(void) { return !environ + !!optarg + !tzname[0]; }\n"
    (tmp_path / "copies.c").write_text(text)
    assert linked(own, stage, tree, tmp_path, "copies") == ""
    sizes = symbols(tmp_path / "copies")
    assert {name: sizes.get(name) for name in ("environ", "__environ", "tzname")} == {
        "environ": 8,
        "__environ": 8,
        "tzname": 16,
    }


def symbols(program: Path) -> Mapping[str, int]:
    """The sizes of the dynamic symbols that a program defines."""
    command = ["readelf", "--wide", "--dyn-syms", str(program)]
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except FileNotFoundError:
        pytest.skip("apt-get install binutils: this machine does not have readelf")
    rows = [line.split() for line in said.splitlines()]
    return {
        row[7]: int(row[2])
        for row in rows
        if len(row) == 8 and row[4] != "LOCAL" and row[6] not in ("UND", "Ndx")
    }


def test_the_folder_has_nothing_but_headers_static_libraries_and_licences(
    tree: LibraryTree, stage: Libraries
) -> None:
    names = {path.name for path in (tree.folder / "lib").iterdir()}
    assert {name for name in names if not name.endswith((".a", ".o"))} == {"libc.so"}
    objects = {name.removesuffix(".o") for name in names if name.endswith(".o")}
    every = {part.library.name for part in stage.parts if part.library.every}
    assert objects == every, "the linker takes them whole"
    assert {"libssl.a", "libcrypto.a", "libncurses.a", "libncursesw.a", "libcurses.a"} <= names
    for library in tree.libraries:
        assert list((tree.folder / "licenses" / library.name).iterdir())
    described = [(one.name, one.license) for one in tree.libraries]
    assert described == [(part.library.name, part.library.license) for part in stage.parts]


def test_no_path_of_the_build_is_in_a_library(tree: LibraryTree) -> None:
    for library in (tree.folder / "lib").glob("*.[ao]"):
        assert b"/tmp/build" not in library.read_bytes(), library.name


def test_a_library_that_does_not_compile_is_named(
    stage: Libraries, engine: Engine, cache: Path, tmp_path: Path
) -> None:
    for name in ("versions", "dockerfiles"):
        shutil.copytree(ROOT / name, tmp_path / name)
    folder = tmp_path / "dockerfiles/libraries"
    (folder / "zlib.sh").write_text("echo 'what the compiler says'; exit 3\n")
    own = workspace(tmp_path, engine, cache)
    broken = Libraries(own, stage.base, ARCH, ROOT / "versions/libraries.toml", True)
    [zlib] = [part for part in broken.parts if part.library.name == "zlib"]
    with pytest.raises(LibraryError) as caught:
        own.store.run(zlib)
    assert "zlib 1.3.2 did not compile:\n    what the compiler says" in caught.value.what
    assert str(folder / "zlib.sh") in caught.value.remedy
