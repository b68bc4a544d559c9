"""The run-time image before there is an engine: names, what is left out, what may go in."""

from __future__ import annotations

import importlib.util
import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from alpypy.core.errors import ArchiveError, DataError, SpecError, UnverifiedError
from alpypy.core.files import file_digest
from alpypy.images import runtime as runtime_image
from alpypy.images.runtime import ImagePlan, ImageRequest, libraries, load_settings, resolve
from alpypy.recipes.manifest import Manifest, Need
from alpypy.recipes.spec import Target
from alpypy.verify import receipt
from alpypy.verify.run import Report
from tests.manifests import MANIFEST, TARGET, pack
from tests.workspaces import project

ROOT = Path(__file__).resolve().parents[3]


def script() -> ModuleType:
    """dockerfiles/runtime/prepare.py, which PyPy runs while its image is built."""
    path = ROOT / "dockerfiles/runtime/prepare.py"
    spec = importlib.util.spec_from_file_location("prepare", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PREPARE = script()


def write_tarball(root: Path, manifest: Manifest, *, name: str = "", verified: bool = True) -> Path:
    """A tarball in ``root``/artifacts that holds nothing but its metadata."""
    path = pack(manifest, root / "artifacts")
    path = path.rename(path.with_name(name or path.name))
    if verified:
        receipt.keep(
            path, Report(path.name, file_digest(path), (), 12, 3.5, "2026-11-21T14:05:00Z")
        )
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with the real data and no tarball."""
    shutil.copytree(ROOT / "versions", tmp_path / "versions")
    (tmp_path / "patches").symlink_to(ROOT / "patches")
    return tmp_path


def plan(root: Path, *, dev: bool = False, target: Target = TARGET) -> ImagePlan:
    """The plan of an image out of a good tarball."""
    write_tarball(root, structs.replace(MANIFEST, target=target))
    return resolve(project(root), ImageRequest(target, dev=dev))


@pytest.mark.parametrize(
    ("tags", "digests", "name", "digest"),
    [
        (["a:1", "alpine:3.23"], ["alpine@sha256:2"], "alpine:3.23", "sha256:2"),
        (["a:1", "b:1"], [], "a:1", "sha256:1"),
        ([], [], "sha256:1", "sha256:1"),
        (None, None, "sha256:1", "sha256:1"),
    ],
)
def test_what_an_image_stands_on_is_named(
    tags: list[str] | None, digests: list[str] | None, name: str, digest: str
) -> None:
    facts = {"Id": "sha256:1", "RepoTags": tags, "RepoDigests": digests}
    assert runtime_image.name_and_digest(facts, (None, "alpine:3.23")) == (name, digest)


def settings(root: Path, **wanted: Any) -> dict[str, Any]:
    return runtime_image._settings(plan(root, **wanted))


def test_the_names_of_the_design() -> None:
    assert TARGET.runtime_tag() == "alpine-pypy:3.11-7.3.22-alpine3.23"
    assert TARGET.runtime_tag(variant="dev") == "alpine-pypy:3.11-7.3.22-alpine3.23-dev"
    other = replace(TARGET, arch="aarch64", release_version="3.11-7.3.22+mine")
    assert other.runtime_tag("r.example.org:5000/team/pypy") == (
        "r.example.org:5000/team/pypy:3.11-7.3.22_mine-alpine3.23-aarch64"
    )


@pytest.mark.parametrize(
    "name",
    [
        "",
        "A",
        "a b",
        "a;b",
        "$(id)",
        "a:b",
        "a/",
        "/a",
        "a//b",
        "-a",
        "a@b",
        "a\n",
        "b" * 256,
        "a'",
    ],
)
def test_a_repository_that_no_registry_takes_is_refused(name: str) -> None:
    with pytest.raises(SpecError, match="not the name of an image's repository"):
        TARGET.runtime_tag(name)


@given(st.text(max_size=12))
def test_a_name_of_an_image_has_no_character_of_a_shell(name: str) -> None:
    try:
        reference = TARGET.runtime_tag(name)
    except SpecError:
        return
    assert set(reference) <= set(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789./_-:"
    )


def test_a_version_that_is_too_long_for_a_tag_is_refused() -> None:
    with pytest.raises(SpecError, match="at most 128 characters"):
        replace(TARGET, release_version="1" * 120).runtime_tag()


def test_libraries_are_what_the_elf_files_need() -> None:
    needed = (Need("libbz2.so.1", "libbz2"), Need("libffi.so.8", "libffi"))
    assert libraries(structs.replace(MANIFEST, needed=needed)) == (
        "so:libbz2.so.1",
        "so:libffi.so.8",
    )


def test_a_verified_tarball_is_understood(root: Path) -> None:
    made = plan(root)
    assert made.reference == "alpine-pypy:3.11-7.3.22-alpine3.23"
    assert made.sha256 == file_digest(made.tarball)
    assert made.language == "3.11"


def test_what_is_not_there_comes_with_the_command_that_builds_it(root: Path) -> None:
    with pytest.raises(ArchiveError, match="does not exist") as caught:
        resolve(project(root), ImageRequest(TARGET))
    assert caught.value.remedy == "build it: invoke bootstrap --pypy 3.11-7.3.22 --alpine 3.23"


def test_an_unverified_tarball_is_refused(root: Path) -> None:
    path = write_tarball(root, MANIFEST, verified=False)
    with pytest.raises(UnverifiedError, match="has not been verified") as caught:
        resolve(project(root), ImageRequest(TARGET))
    assert caught.value.remedy == f"invoke verify {path}"


def test_other_bytes_than_the_verified_ones_are_refused(root: Path) -> None:
    path = write_tarball(root, MANIFEST)
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(UnverifiedError, match="not the file that was verified"):
        resolve(project(root), ImageRequest(TARGET))


@pytest.mark.parametrize(
    "other",
    [
        replace(TARGET, alpine="3.9"),
        replace(TARGET, arch="aarch64"),
        replace(TARGET, release="3.9-7.3.16"),
        replace(TARGET, release_version="3.11-7.3.22-r1"),
    ],
    ids=lambda other: other.folder,
)
def test_a_tarball_of_something_else_is_refused(root: Path, other: Target) -> None:
    write_tarball(root, structs.replace(MANIFEST, target=other), name=TARGET.tarball)
    with pytest.raises(ArchiveError, match=f"contains {other.folder}"):
        resolve(project(root), ImageRequest(TARGET))


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (ImageRequest(Target("3.11-7.3.99", "3.23")), "no release '3.11-7.3.99'"),
        (ImageRequest(Target("3.11-7.3.22", "3.99")), "no Alpine 3.99"),
        (ImageRequest(Target("rpython-0.2.1", "3.23")), "not a PyPy version"),
        (ImageRequest(TARGET, repository="$(reboot)"), "not the name of an image's repository"),
    ],
)
def test_what_cannot_be_is_said_before_the_tarball_is_looked_for(
    root: Path, wanted: ImageRequest, says: str
) -> None:
    with pytest.raises(SpecError, match=says.replace("$", r"\$").replace("(", r"\(")):
        resolve(project(root), wanted)


def test_settings_for_the_scripts(root: Path) -> None:
    found = settings(root)
    assert found["names"] == ["pypy", "pypy3", "pypy3.11", "python", "python3", "python3.11"]
    assert found["uninstall"] == ["setuptools"]
    assert found["keep"] == []
    json.dumps(found)
    older = settings(root, target=Target("2.7-7.3.22", "3.23"))
    assert older["names"][:3] == ["pypy", "pypy2", "pypy2.7"]
    assert older["uninstall"] == []


def test_the_dev_image_keeps_headers_alone(root: Path) -> None:
    found = settings(root, dev=True)
    assert found["leave_out"] == settings(root)["leave_out"]
    assert "include" in found["keep"]
    assert not {"tests", "*.a", "__pycache__"} & set(found["keep"])


# Paths of real tarballs, and what is said of them.
PATHS = {
    "lib/pypy3.11/test/test_ssl.py": "tests",
    "lib/pypy3.11/unittest/test/test_case.py": "tests",
    "lib/pypy3.11/unittest/case.py": None,
    "lib/pypy3.11/venv/__init__.py": None,
    "lib/pypy3.11/ensurepip/_bundled/pip-24.0-py3-none-any.whl": None,
    "lib/pypy3.11/lib2to3/Grammar.txt": None,
    "lib/pypy3.11/site-packages/setuptools/command/test.py": None,
    "lib/pypy3.11/distutils/command/build.py": None,
    "lib/pypy3.11/_testcapi.pypy311-pp73-x86_64-linux-musl.so": "tests",
    "lib/pypy3.11/_ssl_build.py": "sources of PyPy's own modules",
    "lib/pypy3.11/_cffi_ssl/_stdssl/__init__.py": None,
    "lib/pypy3.11/_cffi_ssl/_cffi_src/openssl/x509.py": "sources of PyPy's own modules",
    "lib/pypy3.11/cffi/_cffi_include.h": "headers",
    "lib/pypy3.11/hpy/devel/src/runtime/argparse.c": "headers",
    "lib/pypy3.11/tkinter/ttk.py": "Tk",
    "lib/pypy3.11/__pycache__/os.pypy311.pyc": "bytecode",
    "include/pypy3.11/Python.h": "headers",
    "bin/libpypy3.11-c.so": None,
    "lib-python/2.7/lib-tk/Tkinter.py": "Tk",
    "lib-python/2.7/plat-linux2/IN.py": None,
    "lib-python/2.7/plat-mac/aetools.py": "modules and programs for other systems",
    "lib-python/2.7/test/__init__.py": "tests",
    "lib_pypy/_sqlite3_build.py": "sources of PyPy's own modules",
    "lib_pypy/_sqlite3.py": None,
    "ALPYPY.json": None,
    "LICENSE": None,
}


@pytest.mark.parametrize("path", PATHS)
def test_what_is_left_out(path: str) -> None:
    rules = load_settings(ROOT).left_out
    kinds = [one.what for one in rules if PREPARE.matches(path, one.patterns)]
    assert kinds[:1] == ([PATHS[path]] if PATHS[path] else [])


@pytest.mark.parametrize(
    ("path", "pattern", "fits"),
    [
        ("a/tests/b.py", "tests", True),
        ("a/tests.py", "tests", False),
        ("a/mytests/b.py", "tests", False),
        ("a/b/c.h", "*.h", True),
        ("a/cffi/c.h", "cffi/*.h", True),
        ("a/cffi/d/c.h", "cffi/*.h", False),
        ("b/c.h", "a/b/*.h", False),
    ],
)
def test_patterns(path: str, pattern: str, fits: bool) -> None:
    assert PREPARE.matches(path, [pattern]) is fits


def test_files_and_the_folders_that_are_empty_then_are_removed(tmp_path: Path) -> None:
    for name in ("lib/os.py", "lib/test/a.py", "lib/test/deep/b.py", "lib/x.h", "include/y.h"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("12345")
    (tmp_path / "lib/tests").symlink_to("test")  # a link to a folder goes as a file does
    leave_out = [
        {"what": "tests", "patterns": ["test", "tests"]},
        {"what": "headers", "patterns": ["*.h"]},
    ]
    removed = PREPARE.remove(str(tmp_path), leave_out, ["include"])
    assert removed == {"tests": 14, "headers": 5}
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}
    assert left == {"lib", "lib/os.py", "include", "include/y.h"}


def test_names_that_are_missing_become_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/pypy3").write_text("")
    (tmp_path / "bin/python3").symlink_to("elsewhere")
    monkeypatch.setattr(PREPARE.sys, "executable", str(tmp_path / "bin/pypy3"))
    PREPARE.link(str(tmp_path), ["pypy", "pypy3", "python3"])
    assert (tmp_path / "bin/pypy").readlink() == Path("pypy3")
    assert not (tmp_path / "bin/pypy3").is_symlink()
    assert (tmp_path / "bin/python3").readlink() == Path("elsewhere")


SETUPTOOLS = '[setuptools]\nlanguage = "<3.10"\n'
GOOD = f'[[left_out]]\nwhat = "tests"\npatterns = ["tests"]\nwhy = "big"\n{SETUPTOOLS}'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (GOOD.replace('why = "big"\n', ""), "why is missing"),
        (GOOD.replace('"tests"]', '"*"]'), r"patterns contains '\*'"),
        (GOOD.replace('"tests"]', '"/etc"]'), "patterns contains '/etc'"),
        (GOOD.replace('"tests"]', '""]'), "patterns contains ''"),
        (GOOD.replace("why", "reason"), "reason is unknown"),
        (GOOD.replace("<3.10", "new"), "language is 'new'"),
        (GOOD.replace(SETUPTOOLS, ""), "setuptools is missing"),
    ],
)
def test_a_file_that_is_not_usable_is_an_error(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "versions").mkdir()
    (tmp_path / "versions/image.toml").write_text(text)
    with pytest.raises(DataError, match=says):
        load_settings(tmp_path)


@pytest.mark.parametrize(
    ("dev", "bytecode", "ending"),
    [
        (False, False, "alpine3.23"),
        (True, False, "alpine3.23-dev"),
        (False, True, "alpine3.23-bytecode"),
        (True, True, "alpine3.23-dev-bytecode"),
    ],
)
def test_the_tag_says_what_an_image_has_besides(dev: bool, bytecode: bool, ending: str) -> None:
    request = ImageRequest(TARGET, dev=dev, bytecode=bytecode)
    assert TARGET.runtime_tag(variant=request.variant).endswith(ending)
