"""A portable PyPy's files: each rule is broken once, in small files that gcc makes."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from alpypy.core import elf
from alpypy.recipes.libraries import load_static_libraries
from alpypy.recipes.manifest import LinkedLibrary, Manifest, Need
from alpypy.recipes.musl import Musl
from alpypy.verify import portable
from alpypy.verify.findings import Finding, Recorder, load_policy
from alpypy.verify.static import Unpacked
from tests.manifests import MANIFEST, TARGET

ROOT = Path(__file__).resolve().parents[3]
MUSL = Musl("1.2.0", "x86_64", ("malloc", "free"), (), ())
GOOD = structs.replace(
    MANIFEST,
    target=replace(TARGET, portable=True),
    needed=(),
    runtime_packages=(),
    libraries=(LinkedLibrary("zlib", "1.3.1", "Zlib", "0" * 64),),
)
PROGRAM, LIBRARY, MODULE = "bin/pypy3", "bin/libpypy.so", "lib/pypy3.11/_sample.so"


class Tree:
    """A portable PyPy of three files; without a C library, as the one here is not musl."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest: Manifest = GOOD

    def build(self) -> None:
        """Make all files."""
        self.write("licenses/zlib/LICENSE", "as is")
        self.link(LIBRARY, "void *malloc(long); void *PyFoo(void) { return malloc(1); }")
        self.link(PROGRAM, "void *PyFoo(void); void _start(void) { PyFoo(); }", LIBRARY)
        self.link(MODULE, "void *PyFoo(void); void *PyInit__sample(void) { return PyFoo(); }")

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def link(self, name: str, code: str, *more: str) -> None:
        """Compile a file. ``more`` are options of gcc, and the tree's files that it needs."""
        source = self.write(f"../{name}.c", code)
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        words = [str(self.folder / word) if "/" in word else word for word in more]
        kind = [] if name == PROGRAM else ["-shared", f"-Wl,-soname,{path.name}"]
        options = ["-Wl,--unresolved-symbols=ignore-all", "-Wl,--no-as-needed", *kind]
        command = ["gcc", "-nostdlib", "-fPIC", *options, "-o", str(path), str(source), *words]
        subprocess.run(command, check=True)

    def findings(self) -> list[Finding]:
        files = [
            elf.read(path, str(path.relative_to(self.folder))) for path in elf.find(self.folder)
        ]
        recorder = Recorder(load_policy(ROOT))
        unpacked = Unpacked(self.folder, self.manifest, tuple(files))
        portable.check(unpacked, self.manifest, MUSL, recorder)
        assert recorder.checks > len(files)
        return list(recorder.policy.judge(recorder.findings, self.manifest.target))


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("gcc") is None:
        pytest.skip("apt-get install gcc: this machine does not have it")
    tree = Tree(tmp_path_factory.mktemp("good") / "tree")
    tree.build()
    return tree.folder


@pytest.fixture
def tree(tmp_path: Path, good: Path) -> Tree:
    return Tree(shutil.copytree(good, tmp_path / "tree"))


def only(tree: Tree) -> Finding:
    """The only finding there is."""
    (finding,) = tree.findings()
    return finding


def test_a_good_one_has_no_finding(tree: Tree) -> None:
    assert tree.findings() == []


def test_a_library_of_the_system(tree: Tree) -> None:
    tree.link("bin/libz.so.1", "int zero;")
    tree.link(MODULE, "int one;", "bin/libz.so.1")
    assert tree.findings() == []
    (tree.folder / "bin/libz.so.1").unlink()
    assert only(tree) == Finding("portable.needed", MODULE, "needs libz.so.1")


def test_a_c_library_that_is_named_otherwise(tree: Tree) -> None:
    tree.link("bin/libc.so", "int zero;")
    tree.link(MODULE, "int one;", "bin/libc.so")
    (tree.folder / "bin/libc.so").unlink()
    assert only(tree).message == "needs libc.so"


@pytest.mark.parametrize("name", [LIBRARY, MODULE])
def test_a_function_that_the_oldest_musl_lacks(tree: Tree, name: str) -> None:
    code = "void qsort_r(void); void *PyFoo(void) { qsort_r(); return 0; }"
    tree.link(name, code)
    found = only(tree)
    assert (found.check, found.subject) == ("portable.symbols", name)
    assert found.message == "needs qsort_r, which musl 1.2.0 lacks"


def test_a_weak_symbol_may_stay_undefined(tree: Tree) -> None:
    weak = "void later(void) __attribute__((weak)); void f(void) { if (later) later(); }"
    tree.link(MODULE, weak)
    assert tree.findings() == []


def test_what_another_module_defines_is_not_there(tree: Tree) -> None:
    tree.link("lib/pypy3.11/_other.so", "void *helper(void) { return 0; }")
    tree.link(MODULE, "void *helper(void); void *f(void) { return helper(); }")
    assert only(tree).message == "needs helper, which musl 1.2.0 lacks"
    tree.link(
        MODULE, "void *helper(void); void *f(void) { return helper(); }", "lib/pypy3.11/_other.so"
    )
    assert tree.findings() == []


def test_packed_relocations(tree: Tree) -> None:
    code = "static int zero; int *table[99] = {[0 ... 98] = &zero};"
    tree.link(MODULE, code, "-Wl,-z,pack-relative-relocs")
    if not elf.read(tree.folder / MODULE, MODULE).packed_relocations:
        pytest.skip("apt-get install binutils, 2.38 or newer: this one makes no DT_RELR")
    assert only(tree).check == "portable.relr"


@pytest.mark.parametrize(
    ("function", "library"),
    [
        ("ffi_call", "libffi"),
        ("deflateInit2_", "zlib"),
        ("gzopen64", "zlib"),
        ("BZ2_bzCompress", "bzip2"),
        ("XML_ParserCreate", "expat"),
        ("initscr", "ncurses"),
        ("_nc_doalloc", "ncurses"),
        ("tigetstr", "ncurses"),
        ("sqlite3_open_v2", "sqlite3"),
        ("SSL_CTX_new", "openssl"),
        ("X509_free", "openssl"),
        ("EVP_DigestInit_ex", "openssl"),
        ("lzma_code", "xz"),
        ("gdbm_open", "gdbm"),
        ("_Unwind_Resume", "libgcc"),
    ],
)
def test_a_function_of_a_library_inside(tree: Tree, function: str, library: str) -> None:
    tree.link(MODULE, f"void {function}(void) {{}}")
    assert only(tree) == Finding("portable.exports", MODULE, f"exports {function} of {library}")
    tree.link(MODULE, f'__attribute__((visibility("hidden"))) void {function}(void) {{}}')
    assert tree.findings() == []


def test_a_null_pointer_of_that_name_is_no_function(tree: Tree) -> None:
    tree.link(MODULE, "void (*EC_POINT_get_affine_coordinates_GF2m)(void);")
    assert tree.findings() == []


def test_a_function_of_pypy_that_sounds_like_a_library_s(tree: Tree) -> None:
    tree.link(
        "lib/pypy3.11/_pypy_openssl.pypy311-pp80-x86_64-linux-musl.so", "void EVP_hash(void) {}"
    )
    assert only(tree).allowed


@pytest.mark.parametrize("path", ["/work/build", "/libraries/lib", "/opt/pypy2", "/usr/src"])
def test_a_path_of_the_build(tree: Tree, path: str) -> None:
    tree.write("lib/pypy3.11/_sysconfigdata.py", f"CFLAGS = '-I{path}/include'\n")
    found = only(tree)
    assert (found.check, found.allowed) == ("portable.build_path", None)
    assert found.message == f"has {path}"


def test_a_link_into_the_build(tree: Tree) -> None:
    (tree.folder / "bin/python").symlink_to("/work/build/bin/pypy3")
    assert only(tree).subject == "bin/python"


def test_the_translators_own_path_is_accepted_in_the_library_alone(tree: Tree) -> None:
    code = 'const char place[] = "/work/tree/lib-python/3"; '
    tree.link(MODULE, code)
    assert only(tree).allowed is None
    tree.link(MODULE, "int one;")
    tree.write("bin/libpypy3.11-c.so", "/work/tree/lib_pypy")
    assert only(tree).allowed
    tree.write("bin/libpypy3.11-c.so", "/work/tree/lib_pypy /work/build/lib")
    assert only(tree).allowed is None


def test_a_library_without_its_licence(tree: Tree) -> None:
    tree.write("licenses/zlib/LICENSE", "")
    assert only(tree) == Finding("portable.license", "zlib", "has no licence in licenses/zlib")


def test_a_library_that_the_policy_does_not_know(tree: Tree) -> None:
    other = LinkedLibrary("libother", "1", "MIT", "0" * 64)
    tree.manifest = structs.replace(GOOD, libraries=(*GOOD.libraries, other))
    tree.write("licenses/libother/COPYING", "as is")
    assert only(tree).check == "portable.library"


def test_metadata_that_asks_for_packages(tree: Tree) -> None:
    needed = (Need("libz.so.1", "zlib"),)
    tree.manifest = structs.replace(GOOD, needed=needed, runtime_packages=("zlib",))
    assert "needs libz.so.1, zlib" in only(tree).message


def test_metadata_without_a_library(tree: Tree) -> None:
    tree.manifest = structs.replace(GOOD, libraries=())
    assert only(tree).message == "names no library that is inside"


def test_the_symbols_of_every_library_are_known() -> None:
    libraries = load_static_libraries(ROOT / "versions/libraries.toml").libraries
    assert libraries
    known = {entry.library for entry in load_policy(ROOT).portable.hidden}
    assert {library.name for library in libraries} <= known


def test_every_pattern_has_a_reason() -> None:
    policy = load_policy(ROOT).portable
    reasons = [entry.why for entry in policy.build_paths] + [entry.why for entry in policy.hidden]
    assert reasons
    assert all(len(why) > 20 for why in reasons)
