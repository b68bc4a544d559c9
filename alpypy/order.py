"""What a build is asked for, understood and checked before any engine is needed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from alpypy.errors import SpecError
from alpypy.local import Opened, identify, open_source, refuse_unused
from alpypy.plan import PypyTwo
from alpypy.recipe import Recipe, load_catalog
from alpypy.sources import Fetcher, file_digest
from alpypy.spec import Target


@dataclass(frozen=True)
class Order:
    """What is asked for. ``with_pypy`` is a tarball's path or a PyPy version; ``jobs`` how many C
    compilers run at once, by default as many as there are processors for them."""

    target: Target
    sources: Sequence[Path] = ()
    mirrors: Sequence[str] = ()
    base_image: str | None = None
    with_pypy: str | None = None
    direct: bool = False
    keep: bool = False
    jobs: int | None = None


@dataclass(frozen=True)
class Build:
    """An order with all that it means: recipes, sources by release, the PyPy 2.7 that is given.

    ``small`` is the recipe of the PyPy that translates the target, None when none has to be made.
    """

    order: Order
    recipe: Recipe
    small: Recipe | None
    given: PypyTwo | None
    sources: Mapping[str, Opened]


def _refuse_with_pypy(order: Order) -> None:
    if order.with_pypy == "":
        raise SpecError(
            "--with-pypy is empty",
            remedy="give the path of a PyPy 2.7 tarball or its version; a shell variable that is"
            " not set leaves nothing",
        )
    if order.direct and order.with_pypy is not None:
        raise SpecError(
            "--direct translates with CPython, and --with-pypy with a PyPy",
            remedy="give one of the two",
        )


def _refuse_twice(sources: Iterable[tuple[str, str]]) -> None:
    """Two sources, given as release and path, for one release: nothing says which is meant."""
    paths: dict[str, str] = {}
    for release, path in sources:
        if release in paths:
            raise SpecError(
                f"{paths[release]} and {path} are both PyPy {release}",
                remedy="give --source one of them",
            )
        paths[release] = path


def understand(root: Path, cache: Path, fetcher: Fetcher, order: Order) -> Build:
    """Work out what an order means.

    Raises:
        SpecError: something it names does not exist, or does not go together.
        ArchiveError: a local source is damaged.
        DataError: a file in versions/ or patches/ is not usable.
    """
    _refuse_with_pypy(order)
    catalog = load_catalog(root)
    recipe = catalog.recipe(order.target)
    given = _given_pypy(root / "artifacts", order)
    staged = recipe.translator is not None and not order.direct and given is None
    small = catalog.translator_recipe(order.target) if staged else None
    found = [identify(path, cache) for path in order.sources]
    _refuse_twice((one.release, one.path) for one in found)
    sources = {
        one.target.release: open_source(one, found, fetcher)
        for one in filter(None, (recipe, small))
    }
    refuse_unused(found, sources)
    return Build(order, recipe, small, given, sources)


def _given_pypy(artifacts: Path, order: Order) -> PypyTwo | None:
    asked, target = order.with_pypy, order.target
    if asked is None:
        return None
    path = Path(asked)
    if not path.is_file():
        path = artifacts / Target(asked, target.alpine, target.arch).tarball
    if not path.is_file():
        raise SpecError(
            f"--with-pypy {asked}: there is no such file, and no {path.name} in artifacts/",
            remedy="give the path of a PyPy 2.7 tarball for this Alpine, or build one:"
            f" invoke bootstrap --pypy {asked} --alpine {target.alpine}",
        )
    return PypyTwo(path, file_digest(path))
