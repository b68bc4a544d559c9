"""Keys of stages: a change redoes the stages that it touches and no others."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from packaging.specifiers import SpecifierSet

from alpypy.build.base_image import BaseImage
from alpypy.build.images import BuiltTarball, GivenPypy
from alpypy.build.plan import Ingredients, pending, plan
from alpypy.build.stage import BuildStage
from alpypy.core.errors import SpecError
from alpypy.core.files import file_digest
from alpypy.core.source import Source
from alpypy.core.store import key_of
from alpypy.recipes.data import Check
from alpypy.recipes.local_source import OpenedSource
from alpypy.recipes.manifest import Origin
from alpypy.recipes.optimize import OptimizationLevel
from alpypy.recipes.patches import Patch
from alpypy.recipes.recipe import Recipe, load_catalog
from alpypy.recipes.spec import Target
from tests.workspaces import without_engine

ROOT = Path(__file__).parents[3]
CATALOG = load_catalog(ROOT)
STAGES = (
    "libraries",
    "bootstrap",
    "small_translation",
    "small_package",
    "self_hosted",
    "translation",
    "package",
    "verify",
)
ALL, NONE = set(STAGES), set[str]()
OF_BOOTSTRAP = ALL - {"libraries"}  # these have a build image of their own
BASE = BaseImage("alpine:3.9", "sha256:1", "sha256:1", False)
LIBRARY = """\
packages = ["gcc"]

[[libraries]]
name = "zlib"
version = "1.3.2"
license = "Zlib"
license_files = ["LICENSE"]
every = true
url = "https://example.org/zlib-1.3.2.tar.gz"
sha256 = "{sha256}"

[libraries.debian]
release = "forky"
path = "{path}"
sha256 = "{sha256}"
"""
APPLICATION, CORE, FROZEN = "lib_pypy/_x.py", "rpython/rlib/x.py", "lib-python/3/importlib/x.py"


@dataclass(frozen=True)
class Parts:
    """All that a plan is made of."""

    root: Path
    recipe: Recipe
    small: Recipe | None
    base: BaseImage
    digests: dict[str, str]
    given: GivenPypy | None = None


def opened(digest: str) -> OpenedSource:
    """A source that no test lays out."""
    return OpenedSource(
        digest, lambda: Path("unused"), lambda work: work, Origin(digest, verified=True)
    )


def make(parts: Parts) -> tuple[BuildStage, ...]:
    """The plan of a build."""
    sources = {release: opened(digest) for release, digest in parts.digests.items()}
    given = Ingredients(
        parts.recipe,
        parts.small,
        parts.given,
        sources,
        parts.base,
        1,
        parts.root / "versions/libraries.toml",
    )
    return plan(without_engine(parts.root, parts.root / "cache"), given)


def keys(stages: tuple[BuildStage, ...]) -> dict[str, str]:
    """The keys of a plan's stages, by the names above."""
    libraries = STAGES[:1] if stages[0].title == "libraries" else ()
    image = "self_hosted" if stages[len(libraries)].title == "self-hosted image" else "bootstrap"
    short = (*libraries, image, *STAGES[-3:])
    names = STAGES if len(stages) == len(STAGES) else short
    return {name: stage.key for name, stage in zip(names, stages, strict=True)}


def patch(*files: str, body: bytes = b"--- a/x\n") -> Patch:
    return Patch(
        path=Path("x.patch"),
        name="x",
        title="t",
        why="w",
        releases=(),
        origin="own",
        kind="musl",
        issues=(),
        upstream="not fixed",
        glibc="not affected",
        alpine=SpecifierSet(),
        body=body,
        files=files,
    )


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    """PyPy 3.6-7.0.0 on Alpine 3.9, with Dockerfiles that a test may change."""
    shutil.copytree(ROOT / "dockerfiles", tmp_path / "dockerfiles")
    (tmp_path / "versions").symlink_to(ROOT / "versions")
    target = Target("3.6-7.0.0", "3.9")
    recipe, small = CATALOG.recipe(target), CATALOG.translator_recipe(target)
    digests = {recipe.target.release: "a" * 64, small.target.release: "b" * 64}
    return Parts(tmp_path, recipe, small, BASE, digests)


def changed(one: tuple[BuildStage, ...], two: tuple[BuildStage, ...]) -> set[str]:
    """The stages whose keys differ."""
    before, after = keys(one), keys(two)
    return {name for name in STAGES if before.get(name) != after.get(name)}


def of_target(**change: object) -> Callable[[Parts], Parts]:
    return lambda parts: replace(parts, recipe=replace(parts.recipe, **change))  # type: ignore[arg-type]


def of_small(**change: object) -> Callable[[Parts], Parts]:
    def edit(parts: Parts) -> Parts:
        assert parts.small is not None
        return replace(parts, small=replace(parts.small, **change))  # type: ignore[arg-type]

    return edit


def with_patch(which: str, *files: str) -> Callable[[Parts], Parts]:
    def add(parts: Parts) -> Parts:
        recipe = getattr(parts, which)
        more = replace(recipe, patches=(*recipe.patches, patch(*files)))
        return replace(parts, **{which: more})

    return add


def with_source(release: str) -> Callable[[Parts], Parts]:
    return lambda parts: replace(parts, digests={**parts.digests, release: "c" * 64})


def with_edited(name: str) -> Callable[[Parts], Parts]:
    def edit(parts: Parts) -> Parts:
        path = parts.root / "dockerfiles" / name
        path.write_text(path.read_text() + "# changed\n")
        return parts

    return edit


LAST = {"package", "verify"}
PACKAGES = {"small_package", *LAST}  # what the last link takes: a tarball does not count for others
LINKED = OptimizationLevel(name="linked", why="a test", link=("-O1",))
LATE = {"self_hosted", "translation", *LAST}
CHANGES: dict[str, tuple[Callable[[Parts], Parts], set[str]]] = {
    "nothing": (lambda parts: parts, NONE),
    "application_level_patch": (with_patch("recipe", APPLICATION), LAST),
    "core_patch": (with_patch("recipe", CORE), {"translation", *LAST}),
    "patch_of_both_levels": (with_patch("recipe", APPLICATION, CORE), {"translation", *LAST}),
    "frozen_module": (with_patch("recipe", FROZEN), {"translation", *LAST}),
    "application_level_patch_of_translator": (
        with_patch("small", APPLICATION),
        {"small_package", *LATE},
    ),
    "core_patch_of_translator": (
        with_patch("small", CORE),
        {"small_translation", "small_package", *LATE},
    ),
    "option": (of_target(options=("--opt=2",)), {"translation", *LAST}),
    "target_option": (of_target(target_options=("--withoutmod-_ssl",)), {"translation", *LAST}),
    "option_of_translator": (
        of_small(target_options=()),
        {"small_translation", "small_package", *LATE},
    ),
    "source": (with_source("3.6-7.0.0"), {"translation", *LAST}),
    "source_of_translator": (
        with_source(CATALOG.translator),
        {"small_translation", "small_package", *LATE},
    ),
    "bootstrap_dockerfile": (with_edited("bootstrap/Dockerfile"), OF_BOOTSTRAP),
    "bootstrap_check": (with_edited("bootstrap/check.py"), OF_BOOTSTRAP),
    "self_hosted_dockerfile": (with_edited("self-hosted/Dockerfile"), LATE),
    "packaging_script": (with_edited("package/build.py"), {"small_package", *LAST}),
    "script_of_every_library": (with_edited("libraries/compile.sh"), {"libraries", *PACKAGES}),
    "memory_functions": (with_edited("link/memory.c"), PACKAGES),
    "link_script": (with_edited("link/link.sh"), PACKAGES),
    "training": (with_edited("optimize/training.py"), NONE),
    "level_of_the_link": (of_target(optimize=LINKED), LAST),
    "verify_dockerfile": (with_edited("verify/Dockerfile"), {"verify"}),
    "base_image": (lambda parts: replace(parts, base=replace(BASE, identity="sha256:2")), ALL),
    "base_image_made_anew": (lambda parts: replace(parts, base=replace(BASE, id="sha256:2")), NONE),
    "build_packages": (of_target(build_packages=("gcc",)), OF_BOOTSTRAP),
    "memory": (of_target(memory_mib=1, disk_mib=1), NONE),
    "release_version": (
        of_target(target=Target("3.6-7.0.0", "3.9", release_version="mine")),
        LAST,
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_redoes_what_it_touches(name: str, parts: Parts) -> None:
    change, expected = CHANGES[name]
    before = make(parts)
    assert changed(before, make(change(parts))) == expected


def test_a_reworded_patch_redoes_nothing(parts: Parts) -> None:
    one, two = (
        replace(parts, recipe=replace(parts.recipe, patches=(replace(patch(CORE), why=why),)))
        for why in ("one", "two")
    )
    assert changed(make(one), make(two)) == NONE


def test_the_order_of_patches_counts(parts: Parts) -> None:
    two = (patch(CORE, body=b"1"), patch(CORE, body=b"2"))
    plans = [
        make(replace(parts, recipe=replace(parts.recipe, patches=order)))
        for order in (two, two[::-1])
    ]
    assert changed(*plans) == {"translation", *LAST}


def known_plan(target: Target) -> tuple[BuildStage, ...]:
    recipe, small = CATALOG.recipe(target), CATALOG.translator_recipe(target)
    base = replace(BASE, identity=target.alpine)
    releases = (one.target.release for one in (recipe, small))
    digests = {release: CATALOG.pypys[release].sha256 for release in releases}
    return make(Parts(ROOT, recipe, small, base, digests))


RECENT = [name for name in CATALOG.pypys if name.endswith(("7.3.9", "7.3.16", "7.3.19", "7.3.22"))]
targets = st.builds(Target, st.sampled_from(RECENT), st.sampled_from(["3.17", "3.19", "3.23"]))


@given(targets, targets)
def test_every_target_has_keys_of_its_own(one: Target, two: Target) -> None:
    different = changed(known_plan(one), known_plan(two))
    if one == two:
        assert different == NONE
    elif one.alpine == two.alpine:
        assert different == {"translation", *LAST}
    else:
        assert different == ALL


@pytest.fixture
def of_kit(tmp_path: Path) -> Path:
    """A project whose libraries are in its cache: a plan on the kit downloads them."""
    for name in ("dockerfiles", "versions"):
        shutil.copytree(ROOT / name, tmp_path / name)
    archive = tmp_path / "zlib_1.3.2.orig.tar.gz"
    archive.write_bytes(b"zlib")
    source = Source("", file_digest(archive), debian=f"pool/main/z/zlib/{archive.name}")
    library = LIBRARY.format(sha256=source.sha256, path=source.debian)
    (tmp_path / "versions/libraries.toml").write_text(library)
    tools = 'release = "bookworm"\ntools = []\ndata = []\n'
    (tmp_path / "versions/kit-libraries.toml").write_text(tools)
    without_engine(tmp_path, tmp_path / "cache").fetcher.keep(archive, source)
    return tmp_path


def test_direct_goes_from_the_bootstrap_image_to_the_target(parts: Parts) -> None:
    direct, staged = keys(make(replace(parts, small=None))), keys(make(parts))
    assert list(direct) == ["libraries", "bootstrap", "translation", "package", "verify"]
    assert direct["bootstrap"] == staged["bootstrap"]
    assert direct["translation"] != staged["translation"]


def test_a_given_pypy_takes_the_place_of_bootstrap_image_and_translator(parts: Parts) -> None:
    plans = [
        make(replace(parts, small=None, given=GivenPypy(BuiltTarball(Path("any"), digest * 64))))
        for digest in "12"
    ]
    assert all(list(keys(one)) == ["libraries", "self_hosted", *STAGES[-3:]] for one in plans)
    assert changed(*plans) == LATE


@pytest.mark.parametrize(
    ("release", "alpine", "package"),
    [
        ("2.7-7.0.0", "3.18", "openssl1.1-compat-dev"),
        ("2.7-7.3.0", "3.18", "openssl1.1-compat-dev"),
    ],
)
def test_what_the_kit_has_no_packages_for_is_refused_at_once(
    release: str, alpine: str, package: str, of_kit: Path
) -> None:
    recipe = CATALOG.recipe(Target(release, alpine))
    kit = BaseImage(f"alpypy-kit:alpine{alpine}", "sha256:1", "1", True)
    with pytest.raises(SpecError, match=f"{package}, which the kit does not have"):
        make(Parts(ROOT, recipe, None, kit, {release: "a" * 64}))
    own = replace(kit, reference="made-from-the-kit")
    assert make(Parts(of_kit, recipe, None, own, {release: "a" * 64}))


@pytest.mark.parametrize(
    "target", [("2.7-7.0.0", "3.9"), ("3.6-7.0.0", "3.9"), ("3.11-7.3.22", "3.23")]
)
def test_what_the_kit_has_packages_for_is_planned(target: tuple[str, str], of_kit: Path) -> None:
    recipe = CATALOG.recipe(Target(*target))
    kit = BaseImage(f"alpypy-kit:alpine{target[1]}", "sha256:1", "1", True)
    assert make(Parts(of_kit, recipe, None, kit, {target[0]: "a" * 64}))


@pytest.fixture
def quickstart(tmp_path: Path) -> Recipe:
    """The quickstart's recipe with a JIT, whose program has an input, which a test may change."""
    recipe = CATALOG.recipe(Target("rpython-0.2.1-jit", "3.23"))
    programs = []
    for program in recipe.programs:
        inputs = tuple(Path(shutil.copy(path, tmp_path)) for path in program.inputs)
        programs.append(structs.replace(program, inputs=inputs))
    return replace(recipe, programs=tuple(programs))


def quickstart_plan(recipe: Recipe) -> tuple[BuildStage, ...]:
    return make(Parts(ROOT, recipe, None, BASE, {recipe.target.release: "a" * 64}))


def test_an_edited_check_redoes_the_package_alone(quickstart: Recipe) -> None:
    before = quickstart_plan(quickstart)
    first, *rest = quickstart.programs
    other = structs.replace(first, checks=(Check((), "other"),))
    after = quickstart_plan(replace(quickstart, programs=(other, *rest)))
    assert changed(before, after) == LAST


def test_an_edited_input_of_a_program_redoes_the_package_alone(quickstart: Recipe) -> None:
    before = quickstart_plan(quickstart)
    path = next(path for program in quickstart.programs for path in program.inputs)
    path.write_text(path.read_text() + "# changed\n")
    assert changed(before, quickstart_plan(quickstart)) == LAST


@dataclass(frozen=True)
class NamedStage:
    """A stage that is finished or not, for the order in which a plan's stages run."""

    title: str
    needs: tuple[NamedStage, ...]
    done: bool

    @property
    def key(self) -> str:
        return key_of(title=self.title)

    def expected(self, estimates: object) -> float:
        return 1.0

    def load(self) -> str | None:
        return self.title if self.done else None

    def make(self, work: Path) -> dict[str, object]:
        raise AssertionError("nothing is made here")


@pytest.mark.parametrize(
    ("done", "left"),
    [
        ("", "image tree tarball"),
        ("image", "tree tarball"),
        ("tree", "image tarball"),  # packaging runs in the image
        ("image tree", "tarball"),
        ("tarball", ""),
        ("image tree tarball", ""),
    ],
)
def test_what_a_finished_stage_was_made_of_does_not_run_again(done: str, left: str) -> None:
    image = NamedStage("image", (), "image" in done)
    tree = NamedStage("tree", (image,), "tree" in done)
    tarball = NamedStage("tarball", (tree, image), "tarball" in done)
    assert [stage.title for stage in pending((image, tree, tarball))] == left.split()
