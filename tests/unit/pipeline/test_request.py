"""What is wrong with a request is said before any engine is needed."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from alpypy.build.translate import translation_key
from alpypy.core.archive import write_tarball
from alpypy.core.errors import PatchError, SpecError
from alpypy.core.files import file_digest
from alpypy.pipeline.request import BuildRequest, ResolvedBuild, resolve
from alpypy.recipes.recipe import PYPY_GOAL, load_catalog
from alpypy.recipes.spec import Target
from tests.manifests import MANIFEST, pack
from tests.trees import write_tree
from tests.workspaces import project

ROOT = Path(__file__).parents[3]
TARGET = Target("3.6-7.0.0", "3.9")
TWO = Target("2.7-7.3.22", "3.9")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project of its own, for its artifacts."""
    for name in ("versions", "patches"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


def tarball(root: Path, target: Target) -> Path:
    """A tarball of alpypy, as far as its metadata goes."""
    return pack(structs.replace(MANIFEST, target=target), root / "artifacts")


def ask(root: Path, with_pypy: object) -> ResolvedBuild:
    """A build with a PyPy that is given."""
    request = BuildRequest(TARGET, with_pypy=str(with_pypy))
    return resolve(project(root), request)


def test_a_pypy_2_7_of_the_target_s_alpine_translates(root: Path) -> None:
    path = tarball(root, TWO)
    for way in (path, "2.7-7.3.22", shutil.copy(path, root / "renamed")):
        build = ask(root, way)
        assert build.given is not None
        assert build.given.identity == file_digest(path)
        assert build.small is None


def test_one_that_was_packaged_under_another_version_translates_too(root: Path) -> None:
    assert ask(root, tarball(root, replace(TWO, release_version="mine"))).given


@pytest.mark.parametrize(
    ("target", "part"),
    [
        (replace(TWO, release="3.11-7.3.22"), "it is 3.11-7.3.22, but only a PyPy 2.7"),
        (replace(TWO, alpine="3.23"), "for Alpine 3.23 on x86_64, not for 3.9 on x86_64"),
        (replace(TWO, arch="aarch64"), "for Alpine 3.9 on aarch64, not for 3.9 on x86_64"),
    ],
)
def test_another_pypy_is_refused(target: Target, part: str, root: Path) -> None:
    with pytest.raises(SpecError) as caught:
        ask(root, tarball(root, target))
    assert part in caught.value.what
    assert "such as 2.7-7.3.23" in caught.value.remedy


def test_what_is_no_tarball_of_alpypy_is_refused(root: Path) -> None:
    (root / "top").mkdir()
    (root / "top/README").touch()
    write_tarball(root / "top", root / "x.tar.bz2")
    for path in (ROOT / "README.md", root / "x.tar.bz2"):
        with pytest.raises(SpecError, match=path.name) as caught:
            ask(root, path)
        assert "that alpypy made for Alpine 3.9 and x86_64" in caught.value.remedy


def test_a_tarball_in_artifacts_is_looked_into_too(root: Path) -> None:
    shutil.move(tarball(root, replace(TWO, alpine="3.23")), root / "artifacts" / TWO.tarball)
    with pytest.raises(SpecError, match=r"for Alpine 3\.23"):
        ask(root, "2.7-7.3.22")


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("3.11-7.3.22", "is not a PyPy 2.7, and only that translates"),
        ("none.tar.bz2", "is neither a file nor a PyPy version"),
        ("2.7-7.3.22", "nor artifacts/pypy-2.7-7.3.22-alpine3.9.tar.bz2 exists"),
    ],
)
def test_a_version_without_a_tarball_is_refused(asked: str, part: str, root: Path) -> None:
    with pytest.raises(SpecError) as caught:
        ask(root, asked)
    assert part in caught.value.what
    assert ("invoke bootstrap --pypy 2.7" in caught.value.remedy) == (asked == "2.7-7.3.22")
    assert "bootstrap --pypy 3.11" not in caught.value.remedy


def test_without_errata_the_release_is_built_with_its_faults(root: Path) -> None:
    target = Target("3.11-7.3.23", "3.23")
    build, bare = (
        resolve(project(root), BuildRequest(target, errata=errata)) for errata in (True, False)
    )
    assert {patch.is_erratum for patch in build.recipe.patches} == {True, False}
    assert build.recipe.no_errata == ()
    assert not any(patch.is_erratum for patch in bare.recipe.patches)
    assert "bare-except-finally" in bare.recipe.no_errata
    keys = {translation_key(made.recipe, "image", "source") for made in (build, bare)}
    assert len(keys) == 2


VERSION = "pypy/module/sys/version.py"
ERRATUM = """\
Title: t
Why: w
Kind: erratum
Issue: pypy/pypy#1
Releases: 3.6-7.0.0
Origin: own
Upstream: not fixed
Glibc: not affected

--- a/rpython/__init__.py
+++ b/rpython/__init__.py
@@ -1 +1 @@
-1
+2
"""


def tree(root: Path, pypy: str, level: str = "alpha", language: str = "3, 6") -> Path:
    """A tree that states a version, and has little else."""
    text = f'CPYTHON_VERSION = ({language}, 1)\nPYPY_VERSION = ({pypy}, "{level}", 0)\n'
    return write_tree(root / "tree", {VERSION: text, PYPY_GOAL: "", "rpython/__init__.py": ""})


def build_of(root: Path, target: Target, source: Path) -> ResolvedBuild:
    return resolve(project(root), BuildRequest(target, sources=[source], direct=True))


class TestTrees:
    """Builds of what is no release."""

    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        """A project without patches: which ones a tree takes is another test's."""
        (tmp_path / "versions").symlink_to(ROOT / "versions")
        (tmp_path / "patches").mkdir()
        return tmp_path

    def test_the_tarball_is_named_for_what_the_tree_is(self, root: Path) -> None:
        source = tree(root, "7, 0, 0")
        build = build_of(root, Target("3.6-7.0.0-alpha", "3.9"), source)
        target, origin = build.recipe.target, build.sources["3.6-7.0.0-alpha"].origin
        assert target.version == f"3.6-7.0.0-alpha+sha256.{origin.sha256[:11]}"
        assert (build.request.target, build.recipe.source) == (target, None)
        assert (origin.verified, origin.path, origin.url) == (False, "tree", None)
        assert all(source.url for source in build.downloads)

    def test_the_recipe_is_that_of_the_release_before(self, root: Path) -> None:
        source = tree(root, "99, 0, 0", language="3, 99")
        build = build_of(root, Target("3.99-99.0.0-alpha", "3.23"), source)
        newest = load_catalog(ROOT).model("3.99-99.0.0")
        listed = load_catalog(ROOT).recipe(Target(newest, "3.23"))
        for part in ("tls", "build_packages", "memory_mib", "disk_mib", "environment", "options"):
            assert getattr(build.recipe, part) == getattr(listed, part)

    def test_a_final_version_that_is_not_listed(self, root: Path) -> None:
        source = tree(root, "99, 0, 0", "final")
        build = build_of(root, Target("3.6-99.0.0", "3.9"), source)
        assert build.recipe.target.version.startswith("3.6-99.0.0+sha256.")
        with pytest.raises(SpecError, match=r"has no release '3\.6-99\.0\.0'"):
            resolve(project(root), BuildRequest(Target("3.6-99.0.0", "3.9")))

    def test_an_alpha_never_passes_for_the_release(self, root: Path) -> None:
        source = tree(root, "7, 0, 0")
        with pytest.raises(SpecError, match=r"is PyPy 3\.6-7\.0\.0-alpha, but") as caught:
            build_of(root, TARGET, source)
        assert caught.value.remedy.endswith("--pypy 3.6-7.0.0-alpha")
        with pytest.raises(SpecError, match=r"would be packaged as 3\.6-7\.0\.0") as caught:
            asked = Target("3.6-7.0.0-alpha", "3.9", release_version="3.6-7.0.0")
            build_of(root, asked, source)
        assert "3.6-7.0.0-alpha+" in caught.value.remedy

    def test_a_tree_is_needed(self, root: Path) -> None:
        asked = BuildRequest(Target("3.6-7.0.0-alpha", "3.9"), direct=True)
        with pytest.raises(SpecError, match="builds it from its source alone"):
            resolve(project(root), asked)

    def test_an_erratum_that_does_not_fit_can_be_left_out(self, root: Path) -> None:
        (root / "patches/fault.patch").write_text(ERRATUM)
        target, source = Target("3.6-7.0.0-alpha", "3.9"), tree(root, "7, 0, 0")
        with pytest.raises(PatchError, match=r"fault\.patch"):
            build_of(root, target, source)
        request = BuildRequest(target, sources=[source], direct=True, errata=False)
        recipe = resolve(project(root), request).recipe
        assert (recipe.patches, recipe.no_errata) == ((), ("fault",))

    def test_its_own_name_may_be_longer_and_not_another_commit_s(self, root: Path) -> None:
        source = tree(root, "7, 0, 0")
        version = build_of(root, Target("3.6-7.0.0-alpha", "3.9"), source).recipe.target.version
        for asked in (version, f"{version}.mine"):
            build = build_of(root, Target.parse(asked, "3.9"), source)
            assert build.recipe.target.version == asked
        with pytest.raises(SpecError, match="would be packaged as"):
            build_of(root, Target.parse("3.6-7.0.0-alpha+762c531b493", "3.9"), source)


class TestNamesOfCommits:
    """What has a commit in its name is built from that commit."""

    @pytest.mark.parametrize("version", ["2.7-7.2.0+abc", "3.11-7.3.23+762c531b493"])
    def test_a_release_is_not_built_under_the_name_of_a_commit(
        self, version: str, root: Path
    ) -> None:
        with pytest.raises(SpecError, match="builds it from its source alone") as caught:
            resolve(project(root), BuildRequest(Target.parse(version, "3.23")))
        release = version.partition("+")[0]
        assert caught.value.remedy.endswith(
            f"exactly this version with --source, or ask for the release: --pypy {release}"
        )

    def test_nor_is_another_commit_of_that_release(self, root: Path) -> None:
        source = tree(root, "7, 0, 0", "final")
        with pytest.raises(SpecError, match=r"would be packaged as 3\.6-7\.0\.0\+762c531b493"):
            build_of(root, Target.parse("3.6-7.0.0+762c531b493", "3.9"), source)
        digest = build_of(root, TARGET, source).sources["3.6-7.0.0"].origin.sha256[:11]
        asked = Target.parse(f"3.6-7.0.0+sha256.{digest}", "3.9")
        assert build_of(root, asked, source).recipe.target == asked

    def test_a_release_under_a_version_of_the_user_s_is_no_commit(self, root: Path) -> None:
        asked = replace(TARGET, release_version="3.6-7.0.0-r1")
        assert resolve(project(root), BuildRequest(asked, direct=True)).recipe.target == asked

    def test_rpython_has_no_commits(self, root: Path) -> None:
        with pytest.raises(SpecError, match="builds RPython from its release") as caught:
            resolve(project(root), BuildRequest(Target.parse("rpython-0.2.1+abc", "3.23")))
        assert caught.value.remedy == "ask for --pypy rpython-0.2.1"


class TestUncheckedReleases:
    """A release whose patches nobody has tried on its source: they are matched with it."""

    TARGET = Target("3.6-99.0.0", "3.9")

    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        """A project with one patch, for that release."""
        shutil.copytree(ROOT / "versions", tmp_path / "versions")
        text = ERRATUM.replace("3.6-7.0.0", str(self.TARGET.release))
        (tmp_path / "patches").mkdir()
        (tmp_path / "patches/fault.patch").write_text(text)
        self.publish(tmp_path, "0" * 64)
        return tmp_path

    def publish(self, root: Path, sha256: str) -> None:
        listed = (ROOT / "versions/pypy.toml").read_text()
        url = "https://downloads.python.org/pypy/pypy-src.tar.gz"
        entry = f'["3.6-99.0.0"]\nurl = "{url}"\nsha256 = "{sha256}"\nchecked = false\n'
        (root / "versions/pypy.toml").write_text(f"{listed}\n{entry}")

    def source(self, root: Path, content: str) -> Path:
        """A source whose version is that of the release."""
        text = 'CPYTHON_VERSION = (3, 6, 1)\nPYPY_VERSION = (99, 0, 0, "final", 0)\n'
        files = {VERSION: text, PYPY_GOAL: "", "rpython/__init__.py": content}
        return write_tree(root / "tree", files)

    def test_a_patch_moves_to_its_place(self, root: Path) -> None:
        build = build_of(root, self.TARGET, self.source(root, "# a\n# b\n1\n"))
        assert build.recipe.target.version == "3.6-99.0.0"
        (fault,) = build.recipe.patches
        assert b"@@ -3,1 +3,1 @@" in fault.body

    def test_without_errata(self, root: Path) -> None:
        asked = BuildRequest(
            self.TARGET, sources=[self.source(root, "1\n")], direct=True, errata=False
        )
        recipe = resolve(project(root), asked).recipe
        assert (recipe.patches, recipe.no_errata) == ((), ("fault",))

    def test_another_source_is_refused_before_anything_is_fetched(self, root: Path) -> None:
        with pytest.raises(SpecError, match=r"is PyPy 3\.6-99\.0\.0-alpha, but this build"):
            build_of(root, self.TARGET, tree(root, "99, 0, 0"))

    def test_what_the_release_has_is_left_out(self, root: Path) -> None:
        recipe = build_of(root, self.TARGET, self.source(root, "2\n")).recipe
        assert (recipe.patches, [left.name for left in recipe.left_out]) == ((), ["fault"])

    def test_what_fits_nowhere_ends_the_build(self, root: Path) -> None:
        with pytest.raises(PatchError, match=r"fault\.patch does not fit 3\.6-99\.0\.0"):
            build_of(root, self.TARGET, self.source(root, "3\n"))

    def test_the_published_source_serves_without_one_of_the_user_s(self, root: Path) -> None:
        archive = root / "pypy-src.tar.gz"
        write_tarball(self.source(root, "2\n"), archive)
        self.publish(root, file_digest(archive))
        cached = root / "cache/files" / file_digest(archive)[:16] / archive.name
        cached.parent.mkdir(parents=True)
        archive.rename(cached)
        recipe = resolve(project(root), BuildRequest(self.TARGET, direct=True)).recipe
        assert [left.name for left in recipe.left_out] == ["fault"]


def test_patches_that_should_fit_a_tree_and_do_not(root: Path) -> None:
    with pytest.raises(PatchError, match=r"patches do not fit .*/tree"):
        build_of(root, Target("3.6-7.0.0-alpha", "3.9"), tree(root, "7, 0, 0"))
