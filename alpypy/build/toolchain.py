"""The image that compiles the libraries of portable builds."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from msgspec import to_builtins

from alpypy.build.base_image import BaseImage
from alpypy.build.images import KEY_LABEL, built
from alpypy.build.stage import build_steps
from alpypy.core.store import key_of
from alpypy.engine.workspace import Workspace
from alpypy.offline.extra import ExtraTools, write_repository

_KEY_NAME = "alpypy-libraries.rsa.pub"  # beside the kit's own in /etc/apk/keys


def scripts(workspace: Workspace) -> Path:
    """The folder of the Dockerfile and of the scripts that compile."""
    return workspace.data / "dockerfiles/libraries"


@dataclass(frozen=True)
class LibraryToolchain:
    """The stage that builds the image. ``extra`` are programs that the kit lacks, None without it.

    Making it raises ImageError if a step fails, KitError, DownloadError or DigestError if a program
    that the kit lacks cannot be added.
    """

    workspace: Workspace
    base: BaseImage
    packages: tuple[str, ...]
    extra: ExtraTools | None

    title: ClassVar[str] = "image that compiles libraries"

    @cached_property
    def key(self) -> str:
        """Of the base image, the packages and the Dockerfile."""
        return key_of(
            step="library toolchain",
            base=self.base.identity,
            packages=self.packages,
            extra=to_builtins(self.extra),
            dockerfile=(scripts(self.workspace) / "Dockerfile").read_text(encoding="utf-8"),
        )

    def load(self) -> str | None:
        """The image's ID, if the engine has it."""
        return built(self.workspace.engine, self.key)

    def make(self, work: Path) -> Mapping[str, Any]:
        """Build the image."""
        self.workspace.say(f"{self.title}: {' '.join(self.packages)}")
        context = work / "context"
        repository = context / "repository"
        repository.mkdir(parents=True)
        shutil.copy(scripts(self.workspace) / "Dockerfile", context)
        if self.extra:
            with tempfile.TemporaryDirectory(dir=work) as scratch:
                words = (self.workspace, self.extra, Path(scratch), repository, _KEY_NAME)
                write_repository(*words)
        image = self.workspace.engine.build(
            context,
            tag=f"alpypy-libraries:{self.key[:12]}",
            arguments={"BASE_IMAGE": self.base.reference, "PACKAGES": " ".join(self.packages)},
            labels={KEY_LABEL: self.key},
            network=not self.base.kit,
            on_line=build_steps(self.workspace.say),
        )
        shutil.rmtree(context)
        return {"image": image}
