"""What a PyPy's metadata may be, and tarballs with such metadata."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from alpypy.core.archive import write_tarball
from alpypy.recipes.manifest import (
    FILE_NAME,
    AppliedPatch,
    BuildImage,
    Manifest,
    Need,
    Origin,
    PhaseCost,
    Translator,
)
from alpypy.recipes.spec import Target

DIGEST = "0123456789abcdef" * 4
TARGET = Target("3.11-7.3.22", "3.23")
MANIFEST = Manifest(
    kind="pypy",
    target=TARGET,
    source=Origin(DIGEST, True, url="https://example.org/pypy3.11-v7.3.22-src.tar.bz2"),
    patches=(AppliedPatch("stdio@3.6-7.0.0", DIGEST),),
    image=BuildImage("sha256:1", "alpine:3.23", "sha256:2", False),
    compiler="gcc 15.2.0",
    musl="1.2.5",
    translator=Translator("2.7-7.3.22", DIGEST),
    options=("--opt=jit",),
    phases=(PhaseCost("annotate", 82.5, 900),),
    executables=("bin/pypy3",),
    jit=True,
    needed=(Need("libffi.so.8", "libffi"),),
    runtime_packages=("libffi",),
)


def pack(manifest: Manifest, folder: Path, tree: Path | None = None) -> Path:
    """A tarball in ``folder`` of a copy of ``tree``, or of nothing, with the manifest in it."""
    path = folder / manifest.target.tarball
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        top = Path(work) / manifest.target.folder
        if tree is None:
            top.mkdir()
        else:
            shutil.copytree(tree, top, symlinks=True)
        (top / FILE_NAME).write_text(manifest.to_json())
        write_tarball(top, path)
    return path
