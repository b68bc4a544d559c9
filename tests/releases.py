"""Small tarballs and wheels of every form that releases are made of."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from msgspec import structs

from alpypy.core.files import file_digest
from alpypy.publish import release
from alpypy.publish.index import FILE_NAME, ReleaseIndex, parse
from alpypy.recipes.manifest import Manifest, ProgramCheck
from alpypy.recipes.spec import Target
from alpypy.verify import receipt
from alpypy.verify.findings import Finding
from alpypy.verify.run import Report
from alpypy.wheels import record as wheel_record
from alpypy.wheels.record import Bundled, SmokeTest, WheelRecord
from tests.manifests import DIGEST, MANIFEST, pack

DATE = "2026-11-21T14:05:00Z"
ACCEPTED = Finding("module.import", "_tkinter", "ImportError: <no>", allowed="Tk & X are not here")


def manifest_of(target: Target) -> Manifest:
    return structs.replace(MANIFEST, target=target)


def report_of(target: Target, sha256: str = DIGEST) -> Report:
    """What verify says of a target's tarball: all is well, but for what is accepted."""
    return Report(target.tarball, sha256, (ACCEPTED,), 12, 3.5, DATE)


def tarball(
    folder: Path,
    manifest: Manifest = MANIFEST,
    content: str = "#!/bin/sh\n",
    headers: Mapping[str, str] | None = None,
) -> Path:
    """A tarball whose PyPy is a shell script, not verified. Its Python ends in .9, if its
    ``headers`` do not say another one."""
    tree = folder / ".trees" / manifest.target.folder
    shutil.rmtree(tree, ignore_errors=True)
    language = manifest.target.release.partition("-")[0]
    header = {f"include/pypy{language}/patchlevel.h": f'#define PY_VERSION\t\t"{language}.9"\n'}
    files = {manifest.executables[0]: content, **(header if headers is None else headers)}
    for name, text in files.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tree / manifest.executables[0]).chmod(0o755)
    return pack(manifest, folder, tree)


def verified(
    folder: Path,
    manifest: Manifest = MANIFEST,
    content: str = "#!/bin/sh\n",
    headers: Mapping[str, str] | None = None,
) -> Path:
    """The same, with a verdict as verify leaves it."""
    path = tarball(folder, manifest, content, headers)
    receipt.keep(path, report_of(manifest.target, file_digest(path)))
    return path


def as_before(folder: Path) -> ReleaseIndex:
    """Make a release what older versions of alpypy made: without .tar.gz, and the version of
    Python nowhere."""
    index = parse((folder / FILE_NAME).read_bytes(), "x")
    for pypy in index.tarballs:
        (folder / pypy.target.gzip_tarball).unlink()
    less = [replace(pypy, python=None, gzip=None) for pypy in index.tarballs]
    older = ReleaseIndex.of([*less, *index.wheels], index.url)
    release.write_pages(older, folder)
    return older


def rpython(folder: Path) -> Path:
    """A verified program that is no PyPy."""
    manifest = structs.replace(
        MANIFEST,
        kind="rpython",
        target=Target("rpython-0.2.1", "3.23"),
        executables=("bin/tinyframe",),
        checks=(ProgramCheck(("bin/tinyframe",), "x"),),
    )
    return verified(folder, manifest)


def wheel(
    folder: Path,
    project: str = "alpypy_tiny",
    version: str = "1.0",
    tag: str = "py3-none-any",
    requires: str | None = ">=3.6,<4",
    content: str = "ANSWER = 42\n",
) -> Path:
    """A wheel of one module, the same for the same arguments."""
    path = folder / "wheels" / f"{project}-{version}-{tag}.whl"
    path.parent.mkdir(parents=True, exist_ok=True)
    info = f"{project}-{version}.dist-info"
    asks = f"Requires-Python: {requires}\n" if requires else ""
    files = {
        f"{project}.py": content,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {project}\nVersion: {version}\n{asks}",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n",
        f"{info}/RECORD": "",
    }
    with zipfile.ZipFile(path, "w") as made:
        for name, text in files.items():
            made.writestr(zipfile.ZipInfo(name), text)
    return path


def wheel_record_of(
    sha256: str, packages: tuple[str, ...], interpreter: str = "pypy3.11-7.3.22"
) -> WheelRecord:
    """A record of a test that a wheel passed."""
    return WheelRecord(
        sha256=sha256,
        interpreter=interpreter,
        alpine="3.23",
        packages=packages,
        date=DATE,
        kind="musllinux",
        built=True,
        source="pypy-3.11-7.3.22-alpine3.23.tar.bz2",
        kit=False,
        bundled=(Bundled("libz-1.so.1", "zlib"),),
        tested=SmokeTest(("one-1.2",), ("one",), "import one"),
    )


def with_record(path: Path, *packages: str) -> Path:
    """Give a wheel the record of a test that it passed."""
    wheel_record.keep(path, wheel_record_of(file_digest(path), packages))
    return path
