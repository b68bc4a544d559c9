"""check for real: a CPython 2.7 on Alpine with a part of its own test suite, and tests that end in
every way, stand in for a PyPy, which takes hours to make."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from msgspec import structs

from alpypy.core.errors import ArchiveError, SpecError
from alpypy.core.fetch import Fetcher
from alpypy.core.tar import tarfile
from alpypy.engine.docker import Engine
from alpypy.engine.workspace import Workspace
from alpypy.recipes.recipe import load_catalog
from alpypy.recipes.spec import Target
from alpypy.suites.checker import CheckedPypy, Checker, Scope
from tests.manifests import MANIFEST, pack
from tests.workspaces import workspace

pytestmark = pytest.mark.timeout(1800)
ROOT = Path(__file__).resolve().parents[3]
FIXTURES = ROOT / "tests/fixtures/check"
RELEASE = "2.7-7.3.22"
VERSION = f"{RELEASE}+of-tests"  # the images of a real one have other names
# Of CPython's own suite: what runs tests, and a few modules that take a second each.
SUITE = ("__init__", "regrtest", "test_support", "script_helper", "fork_wait")
REAL = ("test_bisect", "test_errno", "test_textwrap", "test_wait3")
# Large parts of the library that none of them needs.
UNUSED = ("config", "idlelib", "lib-tk", "lib2to3", "pydoc_data", "site-packages")
# What the fixtures' modules that end badly are expected to say.
LEDGER = "".join(
    f'[[expected]]\ntests = ["{test}"]\ncause = "test"\nwhy = "made to"\nends = "{ends}"\n'
    for test, ends in (
        ("test_bad.Bad.test_[!p]*", "fails"),
        ("test_bad.Broken.*", "fails"),
        ("test_crash.Crash.test_[23]_*", "crashes"),
        ("test_crash.Crash.test_4", "fails"),
    )
)
TIMEOUT = 20.0


@pytest.fixture(scope="module")
def python2(copy_python2: Callable[[str], Path], bootstrap_image: str, cache: Path) -> Path:
    """The CPython of a bootstrap image, with tests."""
    folder = copy_python2(bootstrap_image)
    library = folder / "lib/python2.7"
    for name in UNUSED:
        shutil.rmtree(library / name)
    shutil.copytree(FIXTURES / "test", library / "test")
    recipe = load_catalog(ROOT).recipe(Target("rpython-0.2.1", "3.23"))
    _add_suite(Fetcher(cache).fetch(recipe.cpython), library / "test")
    return folder


def _add_suite(source: Path, folder: Path) -> None:
    """CPython's own modules, in the place of those that the fixtures borrow them by."""
    prefix = "Python-2.7.18/Lib/test/"
    with tarfile.open(source) as archive:
        for member in archive.getmembers():
            name = member.name.removeprefix(prefix)
            if name.startswith("support/") or name.removesuffix(".py") in (*SUITE, *REAL):
                member.name = name
                archive.extract(member, folder, filter="data")


@pytest.fixture(scope="module")
def tarball(python2: Path, alpine_version: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That CPython as a tarball."""
    manifest = structs.replace(
        MANIFEST,
        target=Target(RELEASE, alpine_version, release_version=VERSION),
        executables=("bin/python2.7",),
        runtime_packages=("musl",),
    )
    return pack(manifest, tmp_path_factory.mktemp("artifacts"), python2)


@dataclass
class Project:
    """A copy of the project's data with the tarball, a cache of its own, and what was said."""

    root: Path
    cache: Path
    fetcher: Fetcher
    engine: Engine
    target: Target
    base: str
    said: list[str] = field(default_factory=list)

    @property
    def workspace(self) -> Workspace:
        """Where they are checked."""
        return workspace(self.root, self.engine, self.cache, self.said.append)

    def checker(self, *tests: str, timeout: float = TIMEOUT) -> Checker:
        """A checker of some modules, two at once."""
        scope = Scope(tests, 2, timeout)
        return Checker(self.workspace, scope)

    def check(
        self, *tests: str, source: Path | None = None, timeout: float = TIMEOUT
    ) -> CheckedPypy:
        """Check some modules of the tarball."""
        sources = [source] if source else []
        return self.checker(*tests, timeout=timeout).tarball(
            self.workspace, self.target, sources=sources, base_image=self.base
        )

    def write_ledger(self, text: str) -> None:
        """Replace the release's ledger."""
        (self.root / "ledger").mkdir(exist_ok=True)
        (self.root / f"ledger/{RELEASE}.toml").write_text(text)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is unpacked and compiled once serves all tests."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def project(
    tarball: Path,
    shared: Path,
    cache: Path,
    engine: Engine,
    base_image: str,
    alpine_version: str,
    tmp_path: Path,
) -> Project:
    """A project without a ledger."""
    for name in ("versions", "patches", "dockerfiles"):
        shutil.copytree(ROOT / name, tmp_path / name)
    (tmp_path / "artifacts").mkdir()
    shutil.copy(tarball, tmp_path / "artifacts")
    target = Target(RELEASE, alpine_version, release_version=VERSION)
    return Project(tmp_path, shared, Fetcher(cache), engine, target, base_image)


def outcomes(checked: CheckedPypy) -> dict[str, str]:
    """Outcomes by the whole name."""
    return {test.id: test.outcome for result in checked.report.results for test in result.tests}


def test_a_real_suite_passes(project: Project) -> None:
    checked = project.check(*REAL)
    assert checked.report.exit_code == 0, checked.report.to_text()
    assert {result.name for result in checked.report.results} == set(REAL)
    assert checked.report.counts["passed"] > 50
    # It waits for any child: the container itself must not have given it one.
    assert outcomes(checked)["test_wait3.Wait3Test.test_wait"] == "passed"
    document = json.loads(checked.document.read_text(encoding="utf-8"))
    assert document["environment"]["language"] == "2.7"
    assert document["environment"]["packages"] == "musl"
    assert "test_bisect" in checked.page.read_text(encoding="utf-8")


def test_the_place_is_as_it_should_be(project: Project) -> None:
    checked = project.check("test_place")
    assert set(outcomes(checked).values()) == {"passed"}, checked.report.to_text()


def test_every_bad_end_is_a_finding_until_the_ledger_has_it(project: Project) -> None:
    tests = ("test_good", "test_bad", "test_crash", "test_plain", "test_skipped")
    checked = project.check(*tests)
    found = {(finding.check, finding.subject) for finding in checked.report.findings}
    assert {
        ("test.failed", "test_bad.Bad.test_fails"),
        ("test.error", "test_bad.Broken.setUpClass"),
        ("test.crashed", "test_crash.Crash.test_2_signal"),
        ("test.crashed", "test_crash.Crash.test_3_exit"),
        ("test.failed", "test_crash.Crash.test_4"),
    } <= found
    assert checked.report.exit_code == 1
    assert outcomes(checked)["test_skipped"] == "skipped"
    project.write_ledger(LEDGER)
    project.said.clear()
    again = project.check(*tests)
    assert again.report.exit_code == 0, again.report.to_text()
    assert project.said == ["reusing the results of 5 of 5 modules"]
    project.write_ledger(LEDGER + LEDGER.replace("test_bad.Broken.*", "test_good.Good.test_passes"))
    (finding,) = project.check(*tests).report.findings
    assert (finding.check, finding.subject) == ("ledger.passes", "test_good.Good.test_passes")


def test_a_hang_ends_at_the_time_limit(project: Project) -> None:
    checked = project.check("test_hang", timeout=5)
    assert outcomes(checked)["test_hang.Hang.test_2_hangs"] == "hung"
    assert outcomes(checked)["test_hang.Hang.test_3"] == "passed"
    assert checked.report.seconds < 30


def test_the_memory_limit(project: Project) -> None:
    path = project.root / "versions/check.toml"
    text = path.read_text(encoding="utf-8")
    assert "memory_mib = 4096" in text
    path.write_text(text.replace("memory_mib = 4096", "memory_mib = 256"), encoding="utf-8")
    (finding,) = project.check("test_memory").report.findings
    assert finding.check == "test.crashed"
    assert "SIGKILL (out of memory?)" in finding.message


def test_pypys_own_tests(project: Project, tmp_path: Path) -> None:
    source = tmp_path / "source"
    for name, text in (
        ("pypy/goal/targetpypystandalone.py", ""),
        (
            "pypy/module/sys/version.py",
            'CPYTHON_VERSION = (2, 7, 18)\nPYPY_VERSION = (7, 3, 22, "final", 0)\n',
        ),
    ):
        (source / name).parent.mkdir(parents=True)
        (source / name).write_text(text)
    shutil.copytree(FIXTURES / "extra_tests", source / "extra_tests")
    checked = project.check("extra_tests.*", source=source)
    extra = "extra_tests.test_extra"
    assert outcomes(checked) == {
        f"{extra}.test_passes": "passed",
        f"{extra}.test_one_fails[1]": "passed",
        f"{extra}.test_one_fails[2]": "failed",
        f"{extra}.test_skipped": "skipped",
        f"{extra}.test_expected": "expected failure",
        f"{extra}.TestClass.test_crashes": "crashed",
        f"{extra}.TestClass.test_errs": "error",
        "extra_tests.test_import": "error",
    }


def test_a_tarball_that_is_not_there(project: Project) -> None:
    (project.root / "artifacts" / project.target.tarball).unlink()
    with pytest.raises(ArchiveError) as caught:
        project.check()
    assert f"invoke bootstrap --pypy {RELEASE} --alpine" in str(caught.value)


def test_a_module_that_is_not_there(project: Project) -> None:
    with pytest.raises(SpecError, match="test_sll"):
        project.check("test_sll")


@pytest.fixture
def interpreter() -> Path:
    """Debian's PyPy with its tests."""
    path = Path("/usr/bin/pypy3")
    if not path.is_file() or not list(Path("/usr/lib").glob("pypy3*/test/test_bisect.py")):
        pytest.skip("apt-get install pypy3 pypy3-lib-testsuite")
    return path


def test_a_reference(project: Project, interpreter: Path) -> None:
    checked = project.checker("test_bisect", "test_errno", timeout=120).reference(interpreter)
    assert checked.report.exit_code == 0
    assert checked.document.name.startswith("check-reference-pypy-3.")
    assert checked.report.counts["passed"] > 10
