"""auditwheel for real, on a library and a module that the machine's compiler makes."""

from __future__ import annotations

import platform
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from alpypy.core.errors import WheelError
from alpypy.core.system import System
from alpypy.wheels.file import read_wheel
from alpypy.wheels.record import Kind
from alpypy.wheels.repair import _auditwheel, _packages

# With a function of the C library each: by that auditwheel knows which one it is.
DEEP = "#include <stdlib.h>\nint deep(void) { return rand(); }\n"
FAST = "#include <stdlib.h>\nint deep(void);\nint PyInit_fast(void) { return deep() + rand(); }\n"
PLACE = "thing-1.0.dist-info"
SYSTEM = System("3.23", "x86_64", frozenset(), frozenset(), {})
NAMES = ("pkg/fast.so", f"{PLACE}/METADATA", f"{PLACE}/WHEEL", f"{PLACE}/RECORD")


@pytest.fixture
def linked(tmp_path: Path) -> Path:
    """A wheel whose module needs usr/lib/libdeep.so.1 of the test's folder."""
    if shutil.which("cc") is None:
        pytest.skip("needs a C compiler: apt-get install gcc libc6-dev, or apk add gcc musl-dev")
    arch = platform.machine()
    library = tmp_path / "usr/lib/libdeep.so.1"
    library.parent.mkdir(parents=True)
    compiled(tmp_path, DEEP, library, "-Wl,-soname,libdeep.so.1")
    compiled(tmp_path, FAST, tmp_path / "fast.so", str(library))
    tag = f"cp311-cp311-linux_{arch}"
    path = tmp_path / f"thing-1.0-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(tmp_path / "fast.so", "pkg/fast.so")
        archive.writestr(f"{PLACE}/METADATA", "Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n")
        archive.writestr(
            f"{PLACE}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {tag}\n"
        )
        archive.writestr(f"{PLACE}/RECORD", "".join(f"{name},,\n" for name in NAMES))
    return path


def compiled(folder: Path, source: str, out: Path, *options: str) -> None:
    """Compile a shared object."""
    (folder / "source.c").write_text(source)
    command = ["cc", "-shared", "-fPIC", "-o", str(out), str(folder / "source.c"), *options]
    subprocess.run(command, check=True)


def test_the_same_wheel_repaired_twice_is_the_same(tmp_path: Path, linked: Path) -> None:
    first, second = (_auditwheel(linked, tmp_path, tmp_path / name) for name in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as archive:
        assert any(name.startswith("thing.libs/libdeep-") for name in archive.namelist())
        # Equal bytes alone could be of the same two seconds.
        assert {one.date_time for one in archive.infolist()} == {(1980, 1, 2, 0, 0, 0)}


@pytest.mark.parametrize(
    ("kind", "says", "not_said"),
    [
        ("index", "PIP_NO_BINARY=thing", "--no-bundle"),
        ("linux", "leave --no-bundle out", "PIP_NO_BINARY"),
        ("musllinux", "link it with a library that a package provides", "--no-bundle"),
    ],
)
def test_a_library_of_no_package_has_a_remedy_that_helps(
    linked: Path, kind: Kind, says: str, not_said: str
) -> None:
    with pytest.raises(WheelError, match=r"libdeep\.so\.1, which no package of Alpine") as caught:
        _packages(read_wheel(linked), SYSTEM, kind)
    assert says in caught.value.remedy
    assert not_said not in caught.value.remedy
