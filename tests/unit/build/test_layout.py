"""Laying out a release: what is linked again, with which flags, and what packaging gets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from alpypy.build.layout import Tree, lay_out
from alpypy.build.libraries import LibraryTree
from alpypy.build.translate import TranslatedTree
from alpypy.core.errors import PackageError
from alpypy.engine.job import Completed, Job
from alpypy.recipes.optimize import OptimizationLevel
from alpypy.recipes.recipe import Recipe, load_catalog
from alpypy.recipes.spec import Target
from tests.engines import EngineThatRecords
from tests.workspaces import ROOT, without_engine

CATALOG = load_catalog(ROOT)
GOAL = "tree/pypy/goal"
MADE = ("pypy3.11-c", "libpypy3.11-c.so")
LEVEL = OptimizationLevel(name="test", why="a test", link=("-O1", "-flto"))


def recipe(*, portable: bool = False, level: OptimizationLevel | None = None) -> Recipe:
    """A recipe whose patches and wheels no test needs."""
    target = Target("3.11-7.3.22", "3.23", portable=portable)
    known = CATALOG.recipe(target)
    return replace(known, patches=(), packaging=(), optimize=level or known.optimize)


@dataclass
class Release:
    """What is laid out in ``root``, and what the jobs do."""

    root: Path
    linked: Sequence[str] = MADE
    fails: bool = False
    jobs: list[Job] = field(default_factory=list)

    def lay_out(self, recipe: Recipe, *, objects: bool = True) -> Path:
        """Lay it out."""
        translated, libraries = self.root / "translated", self.root / "libraries"
        for name in MADE:
            write(translated / GOAL / name, "translated")
        write(translated / "link/build/implement.o", "object")
        write(libraries / "licenses/allocator/LICENSE", "licence")
        engine = EngineThatRecords(self.root, self.run)
        workspace = replace(without_engine(ROOT, self.root / "cache"), engine=engine)
        done = TranslatedTree("a" * 64, translated, ())
        tree = Tree(done, done.objects if objects else None, LibraryTree(libraries, ()))
        work = self.root / "work"
        work.mkdir()
        try:
            return lay_out(workspace, recipe, tree, "sha256:image", work)
        finally:
            self.jobs += engine.jobs

    def run(self, job: Job) -> Completed:
        """The end of the last link, or of package.py."""
        work = job.mounts[0].source
        if "/package.py" in job.command:
            release = work / "build" / job.command[-1]
            for name in MADE:
                write(release / "bin" / name, (work / GOAL / name).read_text())
            return Completed(0, "packaged\n")
        assert (work / "link/build/implement.o").is_file()
        for name in self.linked:
            write(work / "link/build" / name, "linked again")
        return Completed(int(self.fails), "undefined reference to `crypt'\n")


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def flags(job: Job) -> list[str]:
    """What link.sh hands to the linker."""
    assert job.command[:2] == ["sh", "/link/link.sh"]
    return " ".join(job.command[2:]).split()


@pytest.mark.parametrize("portable", [False, True])
def test_every_pypy_is_linked_again_with_the_libraries(portable: bool, tmp_path: Path) -> None:
    release = Release(tmp_path)
    folder = release.lay_out(recipe(portable=portable))
    link, _ = release.jobs
    assert [(mount.target, mount.writable) for mount in link.mounts] == [
        ("/work", True),
        ("/link", False),
        ("/libraries", False),
    ]
    assert (link.image, link.workdir) == ("sha256:image", "/work/link/build")
    assert {(folder / "bin" / name).read_text() for name in MADE} == {"linked again"}
    assert (folder / "licenses/allocator/LICENSE").read_text() == "licence"
    assert not (tmp_path / "work/link").exists()


def test_only_a_portable_pypy_hides_symbols_of_libraries_and_has_gccs_unwinder_inside(
    tmp_path: Path,
) -> None:
    found = {}
    for portable in (False, True):
        release = Release(tmp_path / str(portable))
        release.root.mkdir()
        release.lay_out(recipe(portable=portable))
        found[portable] = flags(release.jobs[0])
    assert found == {
        False: [],
        True: ["-L/libraries/lib", "-Wl,--exclude-libs,ALL", "-static-libgcc"],
    }


def test_flags_of_the_level_go_to_the_linker(tmp_path: Path) -> None:
    release = Release(tmp_path)
    release.lay_out(recipe(level=LEVEL))
    assert flags(release.jobs[0]) == list(LEVEL.link)


def test_modules_of_a_portable_pypy_are_compiled_with_the_libraries(tmp_path: Path) -> None:
    release = Release(tmp_path)
    release.lay_out(recipe(portable=True))
    job = release.jobs[1]
    environment = dict(job.environment or {})
    assert "/libraries" in [mount.target for mount in job.mounts]
    assert environment["CFLAGS"].startswith("-I/libraries/include ")
    assert "-static-libgcc" in environment["LDFLAGS"].split()


def test_modules_of_others_are_compiled_with_alpines(tmp_path: Path) -> None:
    release, usual = Release(tmp_path), recipe()
    release.lay_out(usual)
    job = release.jobs[1]
    environment = dict(job.environment or {})
    assert "/libraries" not in [mount.target for mount in job.mounts]
    assert environment["CFLAGS"] == usual.environment["CFLAGS"]
    assert environment["LDFLAGS"] == usual.environment["LDFLAGS"]


def test_without_objects_what_the_translation_linked_is_taken(tmp_path: Path) -> None:
    release = Release(tmp_path)
    folder = release.lay_out(recipe(), objects=False)
    assert len(release.jobs) == 1
    assert {(folder / "bin" / name).read_text() for name in MADE} == {"translated"}


def test_a_link_that_fails_has_its_last_lines_and_names_the_log(tmp_path: Path) -> None:
    release = Release(tmp_path, fails=True)
    with pytest.raises(PackageError, match="the last link ended with 1") as caught:
        release.lay_out(recipe())
    assert "undefined reference to `crypt'" in caught.value.what
    [log] = (tmp_path / "cache/logs").glob("link-*.log")
    assert caught.value.remedy == f"the log is {log}"


def test_a_link_that_does_not_make_every_file_again_is_an_error(tmp_path: Path) -> None:
    release = Release(tmp_path, linked=MADE[:1])
    with pytest.raises(PackageError, match="did not make what RPython had made") as caught:
        release.lay_out(recipe())
    assert set(MADE) <= set(caught.value.what.replace(",", " ").split())
    assert len(release.jobs) == 1, "nothing is packaged"
