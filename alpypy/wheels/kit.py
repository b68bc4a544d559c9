"""Packages that the kit for restricted networks lacks and modules of Python need.

They are a repository of their own, a finished stage in the cache, and not in the kit: its identity
is part of every key, and nothing that is translated depends on them.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from msgspec import to_builtins

from alpypy.core import elf
from alpypy.core.errors import KitError, SpecError
from alpypy.core.fetch import Fetcher
from alpypy.core.store import key_of
from alpypy.core.unpack import unpack
from alpypy.engine.job import Job, Mount
from alpypy.offline import kit
from alpypy.offline import packages as kit_packages
from alpypy.offline.apk import Package, write_index
from alpypy.offline.packages import ARCH, Library
from alpypy.wheels.images import INSIDE, Python, Workshop, with_packages

FILE_NAME = "kit-wheels.toml"
_PLACE = "repository"
_KEY = "alpypy-wheels.rsa.pub"  # beside the kit's own in /etc/apk/keys
_BUILD_PACKAGES = ("gcc", "musl-dev", "make", "linux-headers", "pkgconf", "zlib-dev", "xz-dev")
_TIME = 3600.0  # seconds, on a machine that does other things too


class MorePackages:
    """What an image of the kit gets beside the kit's own packages, made when first asked for."""

    def __init__(self, shop: Workshop, fetcher: Fetcher, root: Path, python: Python) -> None:
        self._shop = shop
        self._fetcher = fetcher
        self._store = shop.store
        self._root = root
        self._python = python
        self._data = root / "versions" / FILE_NAME
        self._libraries = kit_packages.load_libraries(self._data)

    def refuse_missing(self, packages: Sequence[str], what: str) -> None:
        """Raise SpecError for packages to build ``what`` with that the kit has not, if it is used;
        Alpine's own are not known before apk is asked."""
        if self._python.kit is None:
            return
        mine = {name for one in self._libraries for name in _packages(one)}
        missing = sorted(set(packages) - kit.development_packages(self._root) - mine)
        if missing:
            raise SpecError(
                f"{what} is built with {', '.join(missing)}, which the kit does not have",
                remedy="build it on Alpine's own packages, where its mirrors are in reach",
            )

    def repository(self, packages: Sequence[str]) -> Path | None:
        """The folder of those that are wanted, with the key of their index; None where there are
        none, or the interpreter's image is of Alpine's own.

        Raises:
            KitError: a library did not compile.
            DownloadError, DigestError: a source could not be fetched.
        """
        wanted = [one for one in self._libraries if _packages(one) & set(packages)]
        if self._python.kit is None or not wanted:
            return None
        script = (self._shop.dockerfiles / "inside/kit-libraries.sh").read_text(encoding="utf-8")
        kit_, libraries = self._python.kit, [to_builtins(one) for one in wanted]
        key = key_of(step="kit for wheels", kit=kit_, libraries=libraries, script=script)
        if self._store.record(key) is None:
            with self._store.making(key, keep=False) as work:
                if self._store.record(key) is None:  # else by a run that this one waited for
                    self._make(wanted, work / _PLACE)
                    self._store.finish(key, {})
        return self._store.folder(key) / _PLACE

    def _make(self, libraries: Sequence[Library], folder: Path) -> None:
        tag = "alpypy-wheels:kit-libraries"
        image = with_packages(self._shop, self._python, _BUILD_PACKAGES, None, tag)
        with tempfile.TemporaryDirectory(prefix="alpypy-kit-") as name:
            scratch = Path(name)
            for library in libraries:
                top = unpack(self._fetcher.fetch(library.source), scratch / "unpacked")
                (scratch / "sources").mkdir(exist_ok=True)
                shutil.move(top, scratch / "sources" / library.name)
            self._compile(image, [one.name for one in libraries], scratch)
            packages = list[Package]()
            for library in libraries:
                tree = scratch / "out" / library.name
                needs = _needs(tree)
                packages += kit_packages.write_library(library, tree, folder, {}, needs)
            (folder / _KEY).write_bytes(write_index(packages, folder, ARCH, _KEY))

    def _compile(self, image: str, names: Sequence[str], scratch: Path) -> None:
        (scratch / "out").mkdir()
        mounts = [
            Mount(scratch / "sources", "/sources"),
            Mount(scratch / "out", "/out", writable=True),
            self._shop.inside,
        ]
        self._shop.say(f"compiling {', '.join(names)} for the kit, once")
        jobs = {"JOBS": str(len(os.sched_getaffinity(0)))}
        command = ["sh", f"{INSIDE}/kit-libraries.sh", *names]
        done = self._shop.engine.run(Job(image, command, mounts, jobs, timeout=_TIME))
        if done.exit_code:
            raise KitError(
                f"the kit's libraries for wheels did not compile:\n{done.output[-3000:]}",
                remedy="the last lines name the library; see dockerfiles/wheels/inside/"
                "kit-libraries.sh",
            )


def _packages(library: Library) -> set[str]:
    return {library.runtime, f"{library.name}-dev"}


def _needs(tree: Path) -> tuple[str, ...]:
    """What the shared objects of a library need of others, as apk calls it."""
    files = (elf.read(path, path.name) for path in elf.find(tree))
    return tuple(f"so:{soname}" for soname in elf.outside_needs(files))
