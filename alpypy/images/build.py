"""How alpypy builds the images that users run, and finds them again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from alpypy.engine.workspace import Workspace

_STAGE_LABEL = "org.alpypy.stage"  # on intermediate images, which are removed: the key
_FOR_USER = "image: "  # the start of the lines that the scripts inside print for the user


@dataclass(frozen=True)
class ImageBuild:
    """What an image is called and built with; ``key`` is its stage's.

    Its Dockerfile has an argument KEY, and labels with it what is not part of the image. ``target``
    is the Dockerfile's last stage; ``fresh`` runs every step again.
    """

    reference: str
    key: str
    arguments: Mapping[str, str]
    labels: Mapping[str, str]
    network: bool
    target: str = ""
    fresh: bool = False

    def run(self, workspace: Workspace, context: Path) -> str:
        """Build ``context``/Dockerfile and return the image's ID.

        Raises:
            ImageError: a step failed, or the image's own check did.
        """
        engine = workspace.engine

        def tell(line: str) -> None:
            if line.startswith(_FOR_USER):
                workspace.say(f"  {line.removeprefix(_FOR_USER)}")

        try:
            return engine.build(
                context,
                tag=self.reference,
                arguments={**self.arguments, "KEY": self.key},
                labels=self.labels,
                network=self.network,
                target=self.target,
                fresh=self.fresh,
                on_line=tell,
            )
        finally:
            for stage in engine.dangling(_STAGE_LABEL, self.key):
                engine.remove_image(stage)


def recorded(workspace: Workspace, key: str) -> str | None:
    """The ID of the image that a stage has recorded, if the engine still has it.

    A label would not do: images that users build from it inherit its labels.
    """
    record = workspace.store.record(key)
    return workspace.engine.image_id(record["image"]) if record else None
