"""What tests with containers share: an engine that answers, and an Alpine to work in."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from alpypy.build.base_image import find_base
from alpypy.build.images import BootstrapImage
from alpypy.core import folders
from alpypy.engine.connection import connect
from alpypy.engine.docker import Engine
from alpypy.engine.job import Job, Mount
from alpypy.offline import kit
from alpypy.recipes.recipe import load_catalog
from alpypy.recipes.spec import Target
from tests.workspaces import workspace

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session", autouse=True)
def ctrl_c() -> None:
    """A test run in a shell's background ignores Ctrl-C, and so would what it starts."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def cache() -> Path:
    """The user's cache: what is downloaded once serves all tests."""
    return folders.cache_folder()


@pytest.fixture(scope="session")
def engine(cache: Path) -> Iterator[Engine]:
    """The engine that alpypy itself would use."""
    with connect(cache) as found:
        yield found


@pytest.fixture(scope="session")
def alpine_version() -> str:
    """The Alpine that tests work in: the one that the kit can make out of nothing."""
    return "3.23"


@pytest.fixture(scope="session")
def base_image(engine: Engine, cache: Path, alpine_version: str) -> str:
    """The kit's image; making it takes a minute or two where the engine has none."""
    return kit.prepare(workspace(ROOT, engine, cache), alpine_version).reference


@pytest.fixture(scope="session")
def bootstrap_image(engine: Engine, base_image: str, cache: Path, alpine_version: str) -> str:
    """An image with CPython 2.7, by ID; it is built where the engine has none."""
    own, catalog = workspace(ROOT, engine, cache), load_catalog(ROOT)
    recipes = [
        catalog.recipe(Target(release, alpine_version))
        for release in ("rpython-0.2.1", "3.11-7.3.22")
    ]
    base = find_base(own, recipes[0].alpine, recipes[0].target.arch, base_image)
    stages = [BootstrapImage(own, recipe, base, engine.processors) for recipe in recipes]
    for image in filter(None, (stage.load() for stage in stages)):
        return image.id
    return own.store.run(stages[0]).id


@pytest.fixture(scope="session")
def copy_python2(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Gives the CPython 2.7 of a bootstrap image, for a test to change and to pack as a PyPy."""

    def copy(bootstrap: str) -> Path:
        folder = tmp_path_factory.mktemp("python2")
        folder.chmod(0o755)
        parts = (f"/opt/python2/{name}" for name in ("bin", "lib", "include"))
        mounts = (Mount(folder, "/out", writable=True),)
        done = engine.run(Job(bootstrap, ["cp", "-R", *parts, "/out"], mounts=mounts))
        assert done.exit_code == 0, done.output
        return folder

    return copy
