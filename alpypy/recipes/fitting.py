"""The patches for a tree that nobody has tried them on: a branch, a commit, a new release.

The release that a tree is on the way to says which topics it may need, and the tree itself which
patches fit. A topic that the tree has settled already is left out, with the reason.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from alpypy.core.errors import PatchError
from alpypy.recipes.manifest import LeftOutPatch
from alpypy.recipes.patches import Patch, apply, is_applied, relocated, select
from alpypy.recipes.recipe import Catalog
from alpypy.recipes.spec import PypyVersion


@dataclass(frozen=True)
class FittedPatches:
    """The patches that a tree takes, in the order in which they are applied, those that it does
    not need, and those that it should take and that do not fit, each with file and hunk.
    ``no_errata`` are topics of errata that the tree may need and that the user does not want."""

    applied: tuple[Patch, ...]
    left_out: tuple[LeftOutPatch, ...]
    misfits: tuple[str, ...]
    no_errata: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Candidate:
    """Variants of a topic, the likeliest first. ``release`` is what a required topic is listed
    for: the tree's own version, or a release; None if it was settled before that release."""

    variants: tuple[Patch, ...]
    release: str | None

    @property
    def is_erratum(self) -> bool:
        """Whether it mends a fault of the release."""
        return self.variants[0].is_erratum

    @property
    def topic(self) -> str:
        """The topic's name."""
        return self.variants[0].topic


def fitted_patches(
    catalog: Catalog,
    release: str,
    alpine: str | None,
    copy: Callable[[Sequence[str], Path], None],
    *,
    errata: bool = True,
) -> FittedPatches:
    """Match the patches with a tree.

    Args:
        release: the version that the tree states, such as ``3.12-8.0.0-alpha``.
        alpine: the Alpine that it is built for, ``3.23``; None for the patches of all.
        copy: copies those of the named files that the tree has into a folder.
        errata: False leaves errata out, whether they fit or not.

    Raises:
        ArchiveError: the tree's archive is damaged.
        SpecError: ``release`` is not a PyPy version.
    """
    candidates = list(_candidates(catalog, release, alpine))
    if not errata:  # last: the others must fit without them
        candidates.sort(key=lambda candidate: candidate.is_erratum)
    patches = [patch for candidate in candidates for patch in candidate.variants]
    applied, left_out = list[Patch](), list[LeftOutPatch]()
    misfits, no_errata = list[str](), list[str]()
    with tempfile.TemporaryDirectory(prefix="alpypy-patches-") as scratch:
        tree = Path(scratch)
        copy(sorted({file for patch in patches for file in _read(patch)}), tree)
        for candidate in candidates:
            result = _match(candidate, tree, release)
            if isinstance(result, LeftOutPatch):
                left_out.append(result)
            elif candidate.is_erratum and not errata:
                no_errata.append(candidate.topic)
            elif isinstance(result, Patch):
                applied.append(result)
            else:
                misfits.append(result)
    return FittedPatches(tuple(applied), tuple(left_out), tuple(misfits), tuple(no_errata))


def require_fit(fitted: FittedPatches, release: str, path: str) -> None:
    """Raise PatchError if a patch should apply to the tree at ``path``, and does not fit."""
    if fitted.misfits:
        raise PatchError(
            "\n    ".join([f"patches do not fit {path}:", *fitted.misfits]),
            remedy=f"choose an older release, whose patches are known to fit; or write variants for"
            f" this source of {release}; or if upstream has fixed it in another way, add to the"
            " patch's header a line 'Upstream-mark: FILE: TEXT' with a text that FILE has since",
        )


def _candidates(catalog: Catalog, release: str, alpine: str | None) -> Iterator[_Candidate]:
    """The topics listed for the tree's own version, for its release, or for the newest one before
    it, all of which must fit; and those that were settled just before the release that the tree is
    on the way to."""
    model = catalog.model(release)
    own = {patch.topic: patch for patch in _listed(catalog, release, alpine)}
    wanted = {patch.topic: patch for patch in _listed(catalog, model, alpine)}
    before = None
    if model == str(PypyVersion.parse(release).without_stage):
        before = _newest_before(catalog, PypyVersion.parse(model))
    settled = {patch.topic: patch for patch in _settled(catalog, before, model, alpine)}
    for topic in dict.fromkeys(patch.topic for patch in catalog.patches):
        listed = (own.get(topic), wanted.get(topic), settled.get(topic))
        variants = dict.fromkeys(filter(None, listed))
        if variants:
            listed_for = release if topic in own else model if topic in wanted else None
            yield _Candidate(tuple(variants), listed_for)


def _settled(
    catalog: Catalog, before: str | None, model: str, alpine: str | None
) -> Iterator[Patch]:
    """The patches of the release before. If it is of an older language, what that language still
    needs in the model's release was never needed by the model's language."""
    sibling = None
    if before:
        old, new = PypyVersion.parse(before), PypyVersion.parse(model)
        sibling = f"{old.language}-{new.release}" if old.language != new.language else None
    needed = {patch.topic for patch in _listed(catalog, sibling, alpine)}
    return (patch for patch in _listed(catalog, before, alpine) if patch.topic not in needed)


def _listed(catalog: Catalog, release: str | None, alpine: str | None) -> Sequence[Patch]:
    if release is None:
        return ()
    if alpine is None:
        return [patch for patch in catalog.patches if release in patch.releases]
    return select(catalog.patches, release, alpine)


def _newest_before(catalog: Catalog, model: PypyVersion) -> str | None:
    """The newest release with a smaller number, of the same language or the one before it."""
    same = [
        pypy
        for pypy in map(PypyVersion.parse, catalog.pypys)
        if pypy.language[0] == model.language[0]
        and pypy.sort_key[0] <= model.sort_key[0]
        and pypy.sort_key[1] < model.sort_key[1]
    ]
    return str(max(same, key=lambda pypy: pypy.sort_key)) if same else None


def _read(patch: Patch) -> tuple[str, ...]:
    """The files that say whether a tree takes a patch."""
    return (*patch.files, *((patch.mark.file,) if patch.mark else ()))


def _match(candidate: _Candidate, tree: Path, release: str) -> Patch | LeftOutPatch | str:
    """The variant that fits, which is applied; or why none is needed; or why the first misfits."""
    for patch in candidate.variants:
        if patch.mark and patch.mark.is_in(tree):
            return LeftOutPatch(patch.name, f"{patch.mark.file} has upstream's own change")
    misfits = []
    for patch in candidate.variants:
        try:
            apply([patch], tree, release)
        except PatchError as error:
            misfits.append(error.what)
        else:
            return patch
    for patch in candidate.variants:
        if is_applied(patch, tree):
            return LeftOutPatch(patch.name, "the tree has the same change already")
    if candidate.release:
        return _moved(candidate, tree, release) or misfits[0]
    name = candidate.variants[0].name
    return LeftOutPatch(name, "no longer listed for this release, and does not fit the tree")


def _moved(candidate: _Candidate, tree: Path, release: str) -> Patch | None:
    """The first variant that fits the tree at other lines, with those lines; it is applied."""
    for patch in candidate.variants:
        variant = relocated(patch, tree)
        if variant:
            with contextlib.suppress(PatchError):  # a file that is a symbolic link
                apply([variant], tree, release)
                return variant
    return None
