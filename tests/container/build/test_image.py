"""Images: built from the Dockerfiles, found again by key, failures with what they said."""

from __future__ import annotations

import tarfile
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from alpypy.build.image import KEY_LABEL, Base, build_bootstrap, built, find_base
from alpypy.core.errors import ImageError, KitError, SpecError
from alpypy.core.fetch import Fetcher
from alpypy.core.store import key_of
from alpypy.engine.docker import Engine
from alpypy.recipes.recipe import Recipe, load_catalog
from alpypy.recipes.spec import Target

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
def base(engine: Engine, cache: Path, base_image: str, alpine_version: str) -> Base:
    """The Alpine that images here stand on."""
    alpine = CATALOG.alpine(alpine_version)
    return find_base(engine, Fetcher(cache), alpine, "x86_64", base_image, print)


@pytest.fixture
def root(tmp_path: Path, engine: Engine, recipe: Recipe) -> Iterator[Path]:
    """A project with the small Dockerfile; the image goes after the test."""
    (tmp_path / "dockerfiles/bootstrap").mkdir(parents=True)
    (tmp_path / "dockerfiles/bootstrap/Dockerfile").write_text(SMALL)
    yield tmp_path
    engine.remove_image(recipe.target.bootstrap_tag())


def test_the_base_is_the_chosen_image(base: Base, engine: Engine, base_image: str) -> None:
    assert (base.reference, base.kit) == (base_image, True)
    assert base.id == engine.image_id(base_image)
    assert base.identity != base.id


def test_a_chosen_image_that_is_nowhere_is_an_error(engine: Engine, cache: Path) -> None:
    alpine = CATALOG.alpine("3.23")
    with pytest.raises(ImageError, match="alpypy-test/none:1"):
        find_base(engine, Fetcher(cache), alpine, "x86_64", "localhost:9/alpypy-test/none:1", print)


@pytest.fixture
def tag(engine: Engine) -> Iterator[str]:
    """A name for an image; the image goes after the test."""
    name = f"alpypy-test:{uuid.uuid4().hex}"
    yield name
    engine.remove_image(name)


def test_an_image_made_from_the_kit_s_is_not_taken_for_the_kit(
    engine: Engine, cache: Path, base: Base, tag: str, tmp_path: Path
) -> None:
    (tmp_path / "Dockerfile").write_text(f"FROM {base.reference}\nRUN touch /x\n")
    made = engine.build(tmp_path, tag=tag, arguments={}, labels={}, network=False)
    alpine = CATALOG.alpine("3.23")
    derived = find_base(engine, Fetcher(cache), alpine, "x86_64", tag, print)
    assert (derived.id, derived.identity, derived.kit) == (made, made, True)


def test_a_chosen_image_of_another_alpine_is_an_error(
    engine: Engine, cache: Path, base_image: str
) -> None:
    with pytest.raises(SpecError, match=rf"{base_image} is Alpine 3\.23\.\d+, and Alpine 3\.9 "):
        find_base(engine, Fetcher(cache), CATALOG.alpine("3.9"), "x86_64", base_image, print)


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
        find_base(engine, Fetcher(cache), CATALOG.alpine("3.23"), "x86_64", tag, print)


@pytest.mark.parametrize(
    ("kit", "reference"),
    [(True, "alpypy-kit:alpine3.23"), (False, "alpine:3.23"), (None, "alpypy-kit:alpine3.23")],
)
def test_the_kit_or_alpine_s_own_can_be_asked_for(
    kit: bool | None, reference: str, engine: Engine, cache: Path, base_image: str
) -> None:
    alpine = CATALOG.alpine("3.23")
    found = find_base(engine, Fetcher(cache), alpine, "x86_64", None, print, kit=kit)
    assert (found.reference, found.kit) == (reference, kit is not False)


def test_a_kit_that_is_asked_for_and_not_there_is_an_error(engine: Engine, cache: Path) -> None:
    with pytest.raises(KitError) as caught:
        find_base(engine, Fetcher(cache), NO_KIT, "x86_64", None, print, kit=True)
    assert "invoke kit --alpine 3.12" in caught.value.remedy


def test_a_kit_of_another_alpypy_is_an_error(
    engine: Engine, cache: Path, base_image: str, tmp_path: Path
) -> None:
    (tmp_path / "Dockerfile").write_text(f"FROM {base_image}\n")
    old, tag = {"org.alpypy.kit.content": "another"}, "alpypy-kit:alpine3.12"
    engine.build(tmp_path, tag=tag, arguments={}, labels=old, network=False)
    try:
        with pytest.raises(KitError, match=tag) as caught:
            find_base(engine, Fetcher(cache), NO_KIT, "x86_64", None, print)
    finally:
        engine.remove_image(tag)
    assert "invoke kit --alpine 3.12" in caught.value.remedy


def test_an_image_gets_what_the_recipe_says_and_is_found_by_its_key(
    engine: Engine, cache: Path, root: Path, recipe: Recipe, base: Base
) -> None:
    key, lines = key_of(test=recipe.target.release), list[str]()
    assert built(engine, key) is None
    made = build_bootstrap(engine, Fetcher(cache), root, recipe, base, key, lines.append, 3)
    assert built(engine, key) == made == engine.image_id(recipe.target.bootstrap_tag())
    assert built(engine, key[:-1]) is None
    assert engine.label(made, KEY_LABEL) == key
    again = list[str]()
    assert build_bootstrap(engine, Fetcher(cache), root, recipe, base, key, again.append, 3) == made
    assert again == []
    words = f"{' '.join(recipe.build_packages)} / {recipe.environment['CFLAGS']} / 3"
    assert words in lines
    assert any(line.startswith(recipe.cpython.sha256) for line in lines)
    assert {wheel.file_name for wheel in recipe.cpython_wheels} <= set(lines)


@pytest.mark.parametrize("step", ["RUN touch /x", 'CMD ["true"]'])
def test_an_image_that_somebody_made_from_one_is_not_taken_for_it(
    engine: Engine,
    cache: Path,
    root: Path,
    recipe: Recipe,
    base: Base,
    tag: str,
    tmp_path_factory: pytest.TempPathFactory,
    step: str,
) -> None:
    key, context = key_of(test=recipe.target.release), tmp_path_factory.mktemp("theirs")
    made = build_bootstrap(engine, Fetcher(cache), root, recipe, base, key, print, 1)
    (context / "Dockerfile").write_text(f"FROM {made}\n{step}\n")
    theirs = engine.build(context, tag=tag, arguments={}, labels={}, network=False)
    assert engine.label(theirs, KEY_LABEL) == key
    assert built(engine, key) == made != theirs
    engine.remove_image(recipe.target.bootstrap_tag())
    assert built(engine, key) == made


def test_a_step_that_fails_is_an_error_with_its_last_lines(
    engine: Engine, cache: Path, root: Path, recipe: Recipe, base: Base
) -> None:
    failing = 'RUN echo "the reason"; echo "on stderr" >&2; exit 3\n'
    (root / "dockerfiles/bootstrap/Dockerfile").write_text(SMALL + failing)
    key = key_of(test=recipe.target.release)
    with pytest.raises(ImageError) as caught:
        build_bootstrap(engine, Fetcher(cache), root, recipe, base, key, print, 1)
    for words in (recipe.target.bootstrap_tag(), "the reason", "on stderr", "code: 3"):
        assert words in caught.value.what
    assert built(engine, key) is None
    assert engine.image_id(recipe.target.bootstrap_tag()) is None


def test_a_dockerfile_that_is_wrong_is_an_error(
    engine: Engine, cache: Path, root: Path, recipe: Recipe, base: Base
) -> None:
    (root / "dockerfiles/bootstrap/Dockerfile").write_text("NONSENSE\n")
    with pytest.raises(ImageError, match="NONSENSE"):
        build_bootstrap(engine, Fetcher(cache), root, recipe, base, "key", print, 1)
