"""Keys of stages: a change redoes the stages that it touches and no others."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from packaging.specifiers import SpecifierSet

from alpypy.build import plan
from alpypy.build.image import Base
from alpypy.build.plan import Plan, PypyTwo
from alpypy.core.errors import SpecError
from alpypy.recipes.data import Check
from alpypy.recipes.patches import Patch
from alpypy.recipes.recipe import Recipe, load_catalog
from alpypy.recipes.spec import Target

ROOT = Path(__file__).parents[3]
CATALOG = load_catalog(ROOT)
STAGES = (
    "bootstrap",
    "small_translation",
    "small_package",
    "self_hosted",
    "translation",
    "package",
)
ALL, NONE = set(STAGES), set[str]()
BASE = Base("alpine:3.9", "sha256:1", "sha256:1", False)
APPLICATION, CORE, FROZEN = "lib_pypy/_x.py", "rpython/rlib/x.py", "lib-python/3/importlib/x.py"


@dataclass(frozen=True)
class Ingredients:
    """All that a staged plan is made of."""

    root: Path
    recipe: Recipe
    small: Recipe
    base: Base
    digests: dict[str, str]


def make(parts: Ingredients) -> Plan:
    return plan.make(parts.root, parts.recipe, parts.small, parts.base, parts.digests, None)


def patch(*files: str, body: bytes = b"--- a/x\n") -> Patch:
    return Patch(
        path=Path("x.patch"),
        name="x",
        title="t",
        why="w",
        releases=(),
        origin="own",
        upstream="not fixed",
        glibc="not affected",
        alpine=SpecifierSet(),
        body=body,
        files=files,
    )


@pytest.fixture
def parts(tmp_path: Path) -> Ingredients:
    """PyPy 3.6-7.0.0 on Alpine 3.9, with Dockerfiles that a test may change."""
    shutil.copytree(ROOT / "dockerfiles", tmp_path / "dockerfiles")
    target = Target("3.6-7.0.0", "3.9")
    recipe, small = CATALOG.recipe(target), CATALOG.translator_recipe(target)
    digests = {recipe.target.release: "a" * 64, small.target.release: "b" * 64}
    return Ingredients(tmp_path, recipe, small, BASE, digests)


def changed(one: Plan, two: Plan) -> set[str]:
    return {name for name in STAGES if getattr(one, name) != getattr(two, name)}


def of_target(**change: object) -> Callable[[Ingredients], Ingredients]:
    return lambda parts: replace(parts, recipe=replace(parts.recipe, **change))  # type: ignore[arg-type]


def of_small(**change: object) -> Callable[[Ingredients], Ingredients]:
    return lambda parts: replace(parts, small=replace(parts.small, **change))  # type: ignore[arg-type]


def with_patch(which: str, *files: str) -> Callable[[Ingredients], Ingredients]:
    def add(parts: Ingredients) -> Ingredients:
        recipe = getattr(parts, which)
        more = replace(recipe, patches=(*recipe.patches, patch(*files)))
        return replace(parts, **{which: more})

    return add


def with_source(release: str) -> Callable[[Ingredients], Ingredients]:
    return lambda parts: replace(parts, digests={**parts.digests, release: "c" * 64})


def with_edited(name: str) -> Callable[[Ingredients], Ingredients]:
    def edit(parts: Ingredients) -> Ingredients:
        path = parts.root / "dockerfiles" / name
        path.write_text(path.read_text() + "# changed\n")
        return parts

    return edit


LATE = {"self_hosted", "translation", "package"}
CHANGES: dict[str, tuple[Callable[[Ingredients], Ingredients], set[str]]] = {
    "nothing": (lambda parts: parts, NONE),
    "application_level_patch": (with_patch("recipe", APPLICATION), {"package"}),
    "core_patch": (with_patch("recipe", CORE), {"translation", "package"}),
    "patch_of_both_levels": (with_patch("recipe", APPLICATION, CORE), {"translation", "package"}),
    "frozen_module": (with_patch("recipe", FROZEN), {"translation", "package"}),
    "application_level_patch_of_translator": (
        with_patch("small", APPLICATION),
        {"small_package", *LATE},
    ),
    "core_patch_of_translator": (
        with_patch("small", CORE),
        {"small_translation", "small_package", *LATE},
    ),
    "option": (of_target(options=("--opt=2",)), {"translation", "package"}),
    "target_option": (of_target(target_options=("--withoutmod-_ssl",)), {"translation", "package"}),
    "option_of_translator": (
        of_small(target_options=()),
        {"small_translation", "small_package", *LATE},
    ),
    "source": (with_source("3.6-7.0.0"), {"translation", "package"}),
    "source_of_translator": (
        with_source("2.7-7.3.22"),
        {"small_translation", "small_package", *LATE},
    ),
    "bootstrap_dockerfile": (with_edited("bootstrap/Dockerfile"), ALL),
    "bootstrap_check": (with_edited("bootstrap/check.py"), ALL),
    "self_hosted_dockerfile": (with_edited("self-hosted/Dockerfile"), LATE),
    "packaging_script": (with_edited("package/build.py"), {"small_package", "package"}),
    "verify_dockerfile": (with_edited("verify/Dockerfile"), NONE),
    "base_image": (lambda parts: replace(parts, base=replace(BASE, identity="sha256:2")), ALL),
    "base_image_made_anew": (lambda parts: replace(parts, base=replace(BASE, id="sha256:2")), NONE),
    "build_packages": (of_target(build_packages=("gcc",)), ALL),
    "memory": (of_target(memory_mib=1, disk_mib=1), NONE),
    "release_version": (
        of_target(target=Target("3.6-7.0.0", "3.9", release_version="mine")),
        {"package"},
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_redoes_what_it_touches(name: str, parts: Ingredients) -> None:
    change, expected = CHANGES[name]
    before = make(parts)
    assert changed(before, make(change(parts))) == expected


def test_a_reworded_patch_redoes_nothing(parts: Ingredients) -> None:
    one, two = (
        replace(parts, recipe=replace(parts.recipe, patches=(replace(patch(CORE), why=why),)))
        for why in ("one", "two")
    )
    assert changed(make(one), make(two)) == NONE


def test_the_order_of_patches_counts(parts: Ingredients) -> None:
    two = (patch(CORE, body=b"1"), patch(CORE, body=b"2"))
    plans = [
        make(replace(parts, recipe=replace(parts.recipe, patches=order)))
        for order in (two, two[::-1])
    ]
    assert changed(*plans) == {"translation", "package"}


def known_plan(target: Target) -> Plan:
    recipe, small = CATALOG.recipe(target), CATALOG.translator_recipe(target)
    base = replace(BASE, identity=target.alpine)
    digests = {one.target.release: one.source.sha256 for one in (recipe, small)}
    return plan.make(ROOT, recipe, small, base, digests, None)


RECENT = [name for name in CATALOG.pypys if name.endswith(("7.3.9", "7.3.16", "7.3.19", "7.3.22"))]
targets = st.builds(Target, st.sampled_from(RECENT), st.sampled_from(["3.17", "3.19", "3.23"]))


@given(targets, targets)
def test_every_target_has_keys_of_its_own(one: Target, two: Target) -> None:
    different = changed(known_plan(one), known_plan(two))
    if one == two:
        assert different == NONE
    elif one.alpine == two.alpine:
        assert different == {"translation", "package"}
    else:
        assert different == ALL


def test_direct_goes_from_the_bootstrap_image_to_the_target(parts: Ingredients) -> None:
    made = plan.make(parts.root, parts.recipe, None, parts.base, parts.digests, None)
    assert made.translator == "cpython"
    assert made.bootstrap == make(parts).bootstrap
    assert (made.small_translation, made.small_package, made.self_hosted) == (None, None, None)
    assert made.translation != make(parts).translation


def test_a_given_pypy_takes_the_place_of_bootstrap_image_and_translator(
    parts: Ingredients,
) -> None:
    plans = [
        plan.make(
            parts.root,
            parts.recipe,
            None,
            parts.base,
            parts.digests,
            PypyTwo(Path("any"), digest * 64),
        )
        for digest in "12"
    ]
    assert all(one.bootstrap is None and one.translator == "pypy" for one in plans)
    assert changed(*plans) == LATE


@pytest.mark.parametrize(
    ("release", "alpine", "package"),
    [
        ("2.7-7.0.0", "3.18", "openssl1.1-compat-dev"),
        ("2.7-7.3.0", "3.18", "openssl1.1-compat-dev"),
    ],
)
def test_what_the_kit_has_no_packages_for_is_refused_at_once(
    release: str, alpine: str, package: str
) -> None:
    recipe = CATALOG.recipe(Target(release, alpine))
    kit = Base(f"alpypy-kit:alpine{alpine}", "sha256:1", "1", True)
    with pytest.raises(SpecError, match=f"{package}, which the kit does not have"):
        plan.make(ROOT, recipe, None, kit, {release: "a" * 64}, None)
    own = replace(kit, reference="made-from-the-kit")
    assert plan.make(ROOT, recipe, None, own, {release: "a" * 64}, None).base == own


@pytest.mark.parametrize(
    "target", [("2.7-7.0.0", "3.9"), ("3.6-7.0.0", "3.9"), ("3.11-7.3.22", "3.23")]
)
def test_what_the_kit_has_packages_for_is_planned(target: tuple[str, str]) -> None:
    recipe = CATALOG.recipe(Target(*target))
    kit = Base(f"alpypy-kit:alpine{target[1]}", "sha256:1", "1", True)
    assert plan.make(ROOT, recipe, None, kit, {target[0]: "a" * 64}, None).base == kit


@pytest.fixture
def quickstart(tmp_path: Path) -> Recipe:
    """The quickstart's recipe with a JIT, whose program has an input, which a test may change."""
    recipe = CATALOG.recipe(Target("rpython-0.2.1-jit", "3.23"))
    programs = []
    for program in recipe.programs:
        inputs = tuple(Path(shutil.copy(path, tmp_path)) for path in program.inputs)
        programs.append(structs.replace(program, inputs=inputs))
    return replace(recipe, programs=tuple(programs))


def quickstart_plan(recipe: Recipe) -> Plan:
    return plan.make(ROOT, recipe, None, BASE, {recipe.target.release: "a" * 64}, None)


def test_an_edited_check_redoes_the_package_alone(quickstart: Recipe) -> None:
    before = quickstart_plan(quickstart)
    first, *rest = quickstart.programs
    other = structs.replace(first, checks=(Check((), "other"),))
    after = quickstart_plan(replace(quickstart, programs=(other, *rest)))
    assert changed(before, after) == {"package"}


def test_an_edited_input_of_a_program_redoes_the_package_alone(quickstart: Recipe) -> None:
    before = quickstart_plan(quickstart)
    path = next(path for program in quickstart.programs for path in program.inputs)
    path.write_text(path.read_text() + "# changed\n")
    assert changed(before, quickstart_plan(quickstart)) == {"package"}


def test_every_key_is_looked_at_above() -> None:
    keys = {field.name for field in fields(Plan)} - {"recipe", "small", "base", "given"}
    assert keys == ALL
