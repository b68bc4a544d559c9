"""The making of a kit: packages of Debian's programs, libraries that are compiled, the image."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from alpypy.core import elf
from alpypy.core.errors import KitError
from alpypy.engine.job import Job, Mount
from alpypy.engine.workspace import Workspace
from alpypy.offline import packages as kit_packages
from alpypy.offline.apk import KEY_NAME, ApkPackage, write_index
from alpypy.offline.compiling import GCC, Times, compile_libraries
from alpypy.offline.contents import Contents, Openssl, Tool
from alpypy.offline.packages import ARCH


class Making:
    """The making of one kit, in a scratch folder.

    Its steps raise KitError when a library does not compile or a package of Debian cannot be
    unpacked, and ImageError when the engine cannot build an image.
    """

    def __init__(
        self,
        workspace: Workspace,
        contents: Contents,
        base: str,
        owned: Mapping[str, str],
        scratch: Path,
    ) -> None:
        """``owned`` has the paths of the libraries that the image ``base`` brings, by soname."""
        self._workspace = workspace
        self._dockerfiles = workspace.data / "dockerfiles/kit"
        self._contents = contents
        self._base = base
        self._owned = owned
        self._scratch = scratch
        self._trees = {tool.name: scratch / "tools" / tool.name for tool in contents.kit.tools}
        self._tools: list[ApkPackage] = []

    def toolchain(self, reference: str) -> None:
        """Make the image that compiles the libraries."""
        with ThreadPoolExecutor(self._workspace.engine.usable_processors) as pool:
            self._tools = list(pool.map(self._write_tool, self._contents.kit.tools))
        names = " ".join(self._trees)
        self._image(reference, self._tools, arguments={"PACKAGES": names})

    def _write_tool(self, tool: Tool) -> ApkPackage:
        fetch, overlays = self._workspace.fetcher.fetch, self._dockerfiles / "overlay"
        tree = self._trees[tool.name]
        kit_packages.lay_out_tool(tool, fetch, overlays, tree)
        return kit_packages.write_tool(tool, tree, self._repository)

    def libraries(self, toolchain: str, times: Times) -> Path:
        """Compile the libraries; the folder with their trees."""
        libraries = self._contents.kit.libraries
        return compile_libraries(self._workspace, toolchain, libraries, times, self._scratch)

    def kit(self, built: Path, reference: str, labels: Mapping[str, str]) -> int:
        """Make the kit's image; the number of packages in it."""
        packages = [*self._finished_tools(built), *self._write_libraries(built)]
        self._image(reference, packages, labels=labels)
        return len(packages)

    @property
    def _repository(self) -> Path:
        """Where packages are before they are copied into images."""
        return self._scratch / "packages"

    def _finished_tools(self, built: Path) -> Iterator[ApkPackage]:
        """The tools, gcc with what it has compiled for itself."""
        for tool, package in zip(self._contents.kit.tools, self._tools, strict=True):
            if tool.name == GCC:
                shutil.copytree(built / GCC, self._trees[GCC], dirs_exist_ok=True)
                yield kit_packages.write_tool(tool, self._trees[GCC], self._repository)
            else:
                yield package

    def _image(
        self,
        reference: str,
        packages: Sequence[ApkPackage],
        *,
        labels: Mapping[str, str] | None = None,
        arguments: Mapping[str, str] | None = None,
    ) -> None:
        with tempfile.TemporaryDirectory(dir=self._scratch) as name:
            context = Path(name)
            shutil.copy(self._dockerfiles / "Dockerfile", context)
            folder = context / "repository" / ARCH
            folder.mkdir(parents=True)
            for package in packages:
                os.link(package.path, folder / package.path.name)
            key = write_index(packages, folder.parent, ARCH)
            (context / KEY_NAME).write_bytes(key)
            self._workspace.engine.build(
                context,
                tag=reference,
                arguments={"BASE_IMAGE": self._base, **(arguments or {})},
                labels=labels or {},
                network=False,
            )

    def _write_libraries(self, built: Path) -> list[ApkPackage]:
        fetch, repository, owned = self._workspace.fetcher.fetch, self._repository, self._owned
        packages: list[ApkPackage] = []
        for library in self._contents.kit.libraries:
            tree = built / library.name
            data = self._contents.data_for(library.runtime)
            packages += kit_packages.write_library(library, tree, repository, owned, data)
        for one in self._contents.data:
            place = self._scratch / "data" / one.name
            packages.append(kit_packages.write_data(one, fetch(one.source), place, repository))
        for openssl in self._contents.kit.openssl:
            if openssl.soname in owned:
                packages.append(self._write_openssl(openssl))
        return packages

    def _write_openssl(self, openssl: Openssl) -> ApkPackage:
        crypto = self._owned[openssl.soname.replace("libssl", "libcrypto")]
        library = self._scratch / "libcrypto"
        library.write_bytes(self._read(f"/{crypto}"))
        exported, parts = elf.exported(library, crypto), self._contents.kit.openssl_parts
        return kit_packages.write_openssl(
            openssl,
            self._workspace.fetcher.fetch(openssl.source),
            self._scratch / "openssl",
            self._repository,
            self._owned,
            [part for part, function in parts.items() if function not in exported],
        )

    def _read(self, path: str) -> bytes:
        """A file of the base image."""
        out = self._scratch / "read"
        out.mkdir(exist_ok=True)
        job = Job(self._base, ["cp", "-L", path, "/out/file"], [Mount(out, "/out", writable=True)])
        done = self._workspace.engine.run(job)
        if done.exit_code:
            raise KitError(
                f"{self._base} has no {path}: {done.output.strip()}",
                remedy="pass an Alpine image with --base-image",
            )
        return (out / "file").read_bytes()
