"""Images: built from the Dockerfiles, found again by key, failures with what they said."""

from __future__ import annotations

import tarfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from alpypy.build.base_image import BaseImage, find_base
from alpypy.build.images import KEY_LABEL, BootstrapImage
from alpypy.core.errors import ImageError, KitError, SpecError
from alpypy.engine.docker import Engine
from alpypy.recipes.recipe import Recipe, load_catalog
from alpypy.recipes.spec import Target
from tests.workspaces import workspace

pytestmark = pytest.mark.timeout(600)
ROOT = Path(__file__).parents[3]
CATALOG = load_catalog(ROOT)
NO_KIT = CATALOG.alpine("3.12")  # an Alpine that no test makes a kit for
# The bootstrap image's interface, without the compiling.
SMALL = """\
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
ARG PACKAGES
ARG CFLAGS
ARG JOBS
COPY Python-2.7.tgz /tmp/
COPY wheels /tmp/wheels
RUN echo "$PACKAGES / $CFLAGS / $JOBS" && ls /tmp/wheels && sha256sum /tmp/Python-2.7.tgz
"""


@pytest.fixture
def recipe(alpine_version: str) -> Recipe:
    """The quickstart's recipe, under a name that no other image has."""
    recipe = CATALOG.recipe(Target("rpython-0.2.1", alpine_version))
    return replace(recipe, target=Target(f"test-{uuid.uuid4().hex}", alpine_version))


@pytest.fixture
def base(engine: Engine, cache: Path, base_image: str, alpine_version: str) -> BaseImage:
    """The Alpine that images here stand on."""
    alpine = CATALOG.alpine(alpine_version)
    return find_base(workspace(ROOT, engine, cache), alpine, "x86_64", base_image)


@pytest.fixture
def root(tmp_path: Path, engine: Engine, recipe: Recipe) -> Iterator[Path]:
    """A project with the small Dockerfile; the image goes after the test."""
    (tmp_path / "dockerfiles/bootstrap").mkdir(parents=True)
    (tmp_path / "dockerfiles/bootstrap/Dockerfile").write_text(SMALL)
    yield tmp_path
    engine.remove_image(recipe.target.bootstrap_tag())


def test_the_base_is_the_chosen_image(base: BaseImage, engine: Engine, base_image: str) -> None:
    assert (base.reference, base.kit) == (base_image, True)
    assert base.id == engine.image_id(base_image)
    assert base.identity != base.id


def test_a_chosen_image_that_is_nowhere_is_an_error(engine: Engine, cache: Path) -> None:
    alpine = CATALOG.alpine("3.23")
    with pytest.raises(ImageError, match="alpypy-test/none:1"):
        find_base(
            workspace(ROOT, engine, cache), alpine, "x86_64", "localhost:9/alpypy-test/none:1"
        )


@pytest.fixture
def tag(engine: Engine) -> Iterator[str]:
    """A name for an image; the image goes after the test."""
    name = f"alpypy-test:{uuid.uuid4().hex}"
    yield name
    engine.remove_image(name)


def test_an_image_made_from_the_kit_s_is_not_taken_for_the_kit(
    engine: Engine, cache: Path, base: BaseImage, tag: str, tmp_path: Path
) -> None:
    (tmp_path / "Dockerfile").write_text(f"FROM {base.reference}\nRUN touch /x\n")
    made = engine.build(tmp_path, tag=tag, arguments={}, labels={}, network=False)
    alpine = CATALOG.alpine("3.23")
    derived = find_base(workspace(ROOT, engine, cache), alpine, "x86_64", tag)
    assert (derived.id, derived.identity, derived.kit) == (made, made, True)


def test_a_chosen_image_of_another_alpine_is_an_error(
    engine: Engine, cache: Path, base_image: str
) -> None:
    with pytest.raises(SpecError, match=rf"{base_image} is Alpine 3\.23\.\d+, and Alpine 3\.9 "):
        find_base(workspace(ROOT, engine, cache), CATALOG.alpine("3.9"), "x86_64", base_image)


def test_an_image_is_asked_for_its_alpine_once(
    engine: Engine, base_image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = engine.alpine_release(base_image)
    monkeypatch.setattr(engine.client.api, "create_container", None)  # would raise now
    assert first is not None
    assert engine.alpine_release(base_image) == first


def test_a_chosen_image_that_is_no_alpine_is_an_error(
    engine: Engine, cache: Path, tag: str, tmp_path: Path
) -> None:
    (tmp_path / "etc").mkdir()
    with tarfile.open(tmp_path / "rootfs.tar", "w") as archive:
        archive.add(tmp_path / "etc", "etc")
    engine.import_rootfs(tmp_path / "rootfs.tar", tag)
    with pytest.raises(SpecError, match=f"{tag} is no Alpine"):
        find_base(workspace(ROOT, engine, cache), CATALOG.alpine("3.23"), "x86_64", tag)


@pytest.mark.parametrize(
    ("kit", "reference"),
    [(True, "alpypy-kit:alpine3.23"), (False, "alpine:3.23"), (None, "alpypy-kit:alpine3.23")],
)
def test_the_kit_or_alpine_s_own_can_be_asked_for(
    kit: bool | None, reference: str, engine: Engine, cache: Path, base_image: str
) -> None:
    alpine = CATALOG.alpine("3.23")
    found = find_base(workspace(ROOT, engine, cache), alpine, "x86_64", None, kit=kit)
    assert (found.reference, found.kit) == (reference, kit is not False)


def test_a_kit_that_is_asked_for_and_not_there_is_an_error(engine: Engine, cache: Path) -> None:
    with pytest.raises(KitError) as caught:
        find_base(workspace(ROOT, engine, cache), NO_KIT, "x86_64", None, kit=True)
    assert "invoke kit --alpine 3.12" in caught.value.remedy


def test_a_kit_of_another_alpypy_is_an_error(
    engine: Engine, cache: Path, base_image: str, tmp_path: Path
) -> None:
    (tmp_path / "Dockerfile").write_text(f"FROM {base_image}\n")
    old, tag = {"org.alpypy.kit.content": "another"}, "alpypy-kit:alpine3.12"
    engine.build(tmp_path, tag=tag, arguments={}, labels=old, network=False)
    try:
        with pytest.raises(KitError, match=tag) as caught:
            find_base(workspace(ROOT, engine, cache), NO_KIT, "x86_64", None)
    finally:
        engine.remove_image(tag)
    assert "invoke kit --alpine 3.12" in caught.value.remedy


Stages = Callable[..., BootstrapImage]


@pytest.fixture
def stage(engine: Engine, cache: Path, root: Path, recipe: Recipe, base: BaseImage) -> Stages:
    """Makes the stage of a bootstrap image, with a cache of its own for what is finished."""
    (root / "cache").mkdir()
    (cache / "files").mkdir(parents=True, exist_ok=True)
    (root / "cache/files").symlink_to(cache / "files")

    def make(say: Callable[[str], None] = print, jobs: int = 1) -> BootstrapImage:
        return BootstrapImage(workspace(root, engine, say=say), recipe, base, jobs)

    return make


def test_an_image_gets_what_the_recipe_says_and_is_found_by_its_key(
    engine: Engine, recipe: Recipe, stage: Stages
) -> None:
    said = list[str]()
    first = stage(said.append, 3)
    assert first.load() is None
    made = first.workspace.store.run(first)
    assert made.id == engine.image_id(recipe.target.bootstrap_tag())
    assert engine.label(made.id, KEY_LABEL) == first.key
    assert engine.first_labelled(f"{KEY_LABEL}={first.key[:-1]}") is None
    assert any(line.startswith("  Step ") for line in said)
    said.clear()
    again = stage(said.append)
    assert again.workspace.store.run(again) == made
    assert said == []
    history = str(engine.client.images.get(made.id).history())
    assert " ".join(recipe.build_packages) in history
    assert recipe.environment["CFLAGS"] in history
    assert "JOBS=3" in history


def test_an_image_whose_record_is_there_and_that_is_gone_is_built_again(
    engine: Engine, recipe: Recipe, stage: Stages
) -> None:
    first = stage()
    first.workspace.store.run(first)
    engine.remove_image(recipe.target.bootstrap_tag())
    assert first.load() is None
    assert first.workspace.store.run(first) == first.load()


@pytest.mark.parametrize("step", ["RUN touch /x", 'CMD ["true"]'])
def test_an_image_that_somebody_made_from_one_is_not_taken_for_it(
    engine: Engine, recipe: Recipe, stage: Stages, tag: str, tmp_path: Path, step: str
) -> None:
    first, context = stage(), tmp_path / "theirs"
    made = first.workspace.store.run(first).id
    context.mkdir()
    (context / "Dockerfile").write_text(f"FROM {made}\n{step}\n")
    theirs = engine.build(context, tag=tag, arguments={}, labels={}, network=False)
    assert engine.label(theirs, KEY_LABEL) == first.key
    assert theirs != made
    for _ in range(2):
        image = first.load()
        assert image is not None
        assert image.id == made
        engine.remove_image(recipe.target.bootstrap_tag())


def test_a_step_that_fails_is_an_error_with_its_last_lines(
    engine: Engine, root: Path, recipe: Recipe, stage: Stages
) -> None:
    failing = 'RUN echo "the reason"; echo "on stderr" >&2; exit 3\n'
    (root / "dockerfiles/bootstrap/Dockerfile").write_text(SMALL + failing)
    first = stage()
    with pytest.raises(ImageError) as caught:
        first.workspace.store.run(first)
    for words in (recipe.target.bootstrap_tag(), "the reason", "on stderr", "code: 3"):
        assert words in caught.value.what
    assert first.load() is None
    assert engine.image_id(recipe.target.bootstrap_tag()) is None
    assert not list(first.workspace.cache.glob("stages/*.work"))


def test_a_dockerfile_that_is_wrong_is_an_error(root: Path, stage: Stages) -> None:
    (root / "dockerfiles/bootstrap/Dockerfile").write_text("NONSENSE\n")
    first = stage()
    with pytest.raises(ImageError, match="NONSENSE"):
        first.workspace.store.run(first)
