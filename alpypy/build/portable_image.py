"""The image that translates a portable PyPy: the usual one, with the oldest musl to link with."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

from alpypy.build.estimates import Estimates
from alpypy.build.images import KEY_LABEL, TranslatingImage, TranslatingStage, built, require_image
from alpypy.build.stage import BuildStage, build_steps, texts
from alpypy.build.stub_libc import FILE_NAME, StubLibc
from alpypy.core.files import copy_data
from alpypy.core.store import key_of
from alpypy.engine.workspace import Workspace


@dataclass(frozen=True)
class PortableImage:
    """The stage that builds the image. ``tag`` is its name.

    ``make`` raises ImageError if a step fails, and what making ``stub`` raises.
    """

    workspace: Workspace
    image: TranslatingStage
    stub: StubLibc
    tag: str

    title: ClassVar[str] = "image with the oldest musl"

    @property
    def interpreter(self) -> Literal["cpython", "pypy"]:
        """The interpreter in the image."""
        return self.image.interpreter

    @property
    def needs(self) -> Sequence[BuildStage]:
        """The image that it is made from."""
        return (self.image,)

    @cached_property
    def key(self) -> str:
        """Covers that image, the C library and the Dockerfile."""
        return key_of(files=texts(self._dockerfiles), image=self.image.key, stub=self.stub.key)

    def expected(self, estimates: Estimates) -> float:
        """Seconds, as in the last run, else as listed."""
        return estimates.stage("portable_image")

    def load(self) -> TranslatingImage | None:
        """The image of this key, if the engine has it and the image that it is made from."""
        image, whole = built(self.workspace.engine, self.key), self.image.load()
        return TranslatingImage(image, whole.translator) if image and whole else None

    def make(self, work: Path) -> Mapping[str, Any]:
        """Build the image."""
        workspace = self.workspace
        libc = workspace.store.run(self.stub) / FILE_NAME
        context = copy_data(self._dockerfiles, work / "context")
        shutil.copy(libc, context)
        image = workspace.engine.build(
            context,
            tag=self.tag,
            arguments={"IMAGE": require_image(self.image).id},
            labels={KEY_LABEL: self.key},
            network=False,
            on_line=build_steps(workspace.say),
        )
        shutil.rmtree(context)
        return {"stage": "portable_image", "image": image}

    @property
    def _dockerfiles(self) -> Path:
        return self.workspace.data / "dockerfiles/portable"
