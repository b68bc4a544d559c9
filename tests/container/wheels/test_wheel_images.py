"""Images that wheels are built in: found again by their key, under the name that they were built
with."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from alpypy.engine.docker import Engine
from alpypy.wheels.images import DOCKERFILES, WheelsImage
from tests.workspaces import workspace

pytestmark = pytest.mark.timeout(300)
DOCKERFILE = "ARG BASE\nFROM ${BASE}\nARG WORD\nRUN echo ${WORD} > /word\n"


def test_an_image_gets_its_name_back(
    engine: Engine, cache: Path, base_image: str, tmp_path: Path
) -> None:
    folder = tmp_path / DOCKERFILES / "small"
    folder.mkdir(parents=True)
    (folder / "Dockerfile").write_text(DOCKERFILE)
    project, tag = workspace(tmp_path, engine, cache), f"alpypy-test:{uuid.uuid4().hex}"

    def build(word: str) -> str:
        arguments = {"BASE": base_image, "WORD": word}
        return project.store.run(WheelsImage(project, "small", tag, arguments, {}))

    images = [tag]
    try:
        images += [first := build("first"), second := build("second")]
        assert engine.image_id(tag) == second != first
        assert build("first") == first
        assert engine.image_id(tag) == first
    finally:
        for image in images:
            engine.remove_image(image)
