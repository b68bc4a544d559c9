"""The plan of a portable build: what a change of its parts does again, and what it leaves."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
import tomlkit

from alpypy.build.base_image import BaseImage
from alpypy.build.libraries import Libraries
from alpypy.build.plan import Ingredients, plan
from alpypy.build.stage import BuildStage
from alpypy.core.errors import DataError, SpecError
from alpypy.recipes.libraries import refuse_missing
from alpypy.recipes.local_source import OpenedSource
from alpypy.recipes.manifest import Origin
from alpypy.recipes.recipe import load_catalog
from alpypy.recipes.spec import Target
from tests.workspaces import without_engine

ROOT = Path(__file__).parents[3]
CATALOG = load_catalog(ROOT)
LIBRARIES = ROOT / "versions/libraries.toml"
BASE = BaseImage("alpine:3.23", "sha256:1", "sha256:1", False)
TITLES = (
    "libraries of the translator",
    "bootstrap image",
    "translate 2.7-7.3.23 translationmodules",
    "package 2.7-7.3.23",
    "self-hosted image",
    "libraries",
    "image with the oldest musl",
    "translate 3.11-7.3.22",
    "package 3.11-7.3.22",
    "verify",
)


def opened(digest: str) -> OpenedSource:
    """A source that no test lays out."""
    return OpenedSource(
        digest, lambda: Path("unused"), lambda work: work, Origin(digest, verified=True)
    )


def keys(root: Path, libraries: Path = LIBRARIES, *, portable: bool = True) -> Mapping[str, str]:
    """The keys of the stages of 3.11-7.3.22 on Alpine 3.23, by their titles, in order. The
    libraries in the PyPy that translates are a stage with a title of its own here."""
    target = Target("3.11-7.3.22", "3.23", portable=portable)
    recipe, small = CATALOG.recipe(target), CATALOG.translator_recipe(target)
    sources = {"3.11-7.3.22": opened("a" * 64), small.target.release: opened("b" * 64)}
    parts = Ingredients(recipe, small, None, sources, BASE, 1, libraries)
    stages = plan(without_engine(root, root / "cache"), parts)
    return {title(stage): stage.key for stage in stages}


def title(stage: BuildStage) -> str:
    """What the tests call a stage."""
    of_translator = isinstance(stage, Libraries) and not stage.portable
    return "libraries of the translator" if of_translator else stage.title


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Dockerfiles and versions that a test may change."""
    for name in ("dockerfiles", "versions"):
        shutil.copytree(ROOT / name, tmp_path / name)
    return tmp_path


def changed(before: Mapping[str, str], after: Mapping[str, str]) -> set[str]:
    return {title for title in before if before[title] != after[title]}


def test_what_can_fail_soon_comes_before_the_translation(data: Path) -> None:
    titles = list(keys(data))
    assert sorted(titles) == sorted(TITLES)
    for early in ("libraries", "image with the oldest musl"):
        assert titles.index(early) < titles.index("translate 3.11-7.3.22")


def test_another_openssl_leaves_the_translation(data: Path) -> None:
    document = tomlkit.parse(LIBRARIES.read_text())
    openssl = next(library for library in document["libraries"] if library["name"] == "openssl")
    openssl["sha256"] = "0" * 64
    other = data / "mine.toml"
    other.write_text(tomlkit.dumps(document))
    expected = {"libraries", "package 3.11-7.3.22", "verify"}
    assert changed(keys(data), keys(data, other)) == expected


def test_another_musl_translates_again(data: Path) -> None:
    before = keys(data)
    path = data / "versions/musl.toml"
    path.write_text(path.read_text().replace('"accept4", ', ""))
    again = changed(before, keys(data))
    assert "translate 2.7-7.3.23 translationmodules" not in again
    assert again == {
        "libraries of the translator",
        "package 2.7-7.3.23",
        "libraries",
        "image with the oldest musl",
        "translate 3.11-7.3.22",
        "package 3.11-7.3.22",
        "verify",
    }


def test_the_translator_serves_both_kinds(data: Path) -> None:
    usual, portable = keys(data, portable=False), keys(data)
    same = {title for title in usual if usual[title] == portable[title]}
    assert same == set(TITLES[:5])


def test_the_linker_packs_relocations_only_where_musl_reads_them() -> None:
    flag = "-Wl,-z,pack-relative-relocs"
    usual = CATALOG.recipe(Target("3.11-7.3.22", "3.23"))
    assert flag in usual.environment["LDFLAGS"]
    portable = CATALOG.recipe(Target("3.11-7.3.22", "3.23", portable=True))
    assert flag not in portable.environment["LDFLAGS"]


@pytest.mark.parametrize(
    ("release", "tls", "what"),
    [
        ("2.7-7.2.0", None, r"2\.7-7\.2\.0 cannot be portable"),
        ("rpython-0.2.1", None, "uses none of the libraries"),
        ("3.11-7.3.22", "libressl", "has OpenSSL in it"),
    ],
)
def test_what_cannot_be_portable(release: str, tls: str | None, what: str) -> None:
    with pytest.raises(SpecError, match=what):
        CATALOG.recipe(Target(release, "3.9", portable=True), tls)


def test_a_list_of_libraries_has_each_of_them_once(tmp_path: Path) -> None:
    whole = LIBRARIES.read_text()
    head, _, rest = whole.partition("[[libraries]]")
    path = tmp_path / "mine.toml"
    path.write_text(f"{head}libraries = []\n")
    with pytest.raises(DataError, match="lacks libffi, zlib"):
        refuse_missing(path, LIBRARIES)
    path.write_text(f"{whole}\n[[libraries]]{rest}")
    with pytest.raises(DataError, match=r"lists .*zlib.* twice"):
        refuse_missing(path, LIBRARIES)
