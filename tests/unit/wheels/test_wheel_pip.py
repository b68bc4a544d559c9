"""versions/pip.toml: which PyPys get another pip than their own, as docs/pip.md lists them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from packaging.version import Version

from alpypy.core.errors import DataError
from alpypy.recipes.recipe import load_catalog
from alpypy.recipes.spec import PypyVersion
from alpypy.wheels.pip import FILE_NAME, newer_pip

ROOT = Path(__file__).parents[3]
ROW = re.compile(
    r"\| (?P<language>\d\.\d+)-(?P<first>[\d.]+)(?: to (?P<last>[\d.]+))? \| (?P<pip>[\d.]+) \|"
)
PEP_517_AND_DEBUG = Version("19.2")


def bundled(version: PypyVersion) -> Version:
    """The pip that a release bundles, by the table of the docs."""
    for row in ROW.finditer((ROOT / "docs/pip.md").read_text(encoding="utf-8")):
        first, last = Version(row["first"]), Version(row["last"] or row["first"])
        if row["language"] == version.language and first <= Version(version.release) <= last:
            return Version(row["pip"])
    raise AssertionError(f"docs/pip.md does not have {version}")


def test_every_pypy_has_a_pip_that_builds_wheels() -> None:
    releases = [one for one in load_catalog(ROOT).releases if not one.startswith("rpython-")]
    versions = [PypyVersion.parse(one) for one in releases]
    assert len(versions) > 50
    for one in versions:
        assert (newer_pip(ROOT, one) is not None) == (bundled(one) < PEP_517_AND_DEBUG), one


@pytest.mark.parametrize(
    ("version", "pip"),
    [
        ("2.7-7.0.0", "pip==20.0.2"),
        ("3.5-7.0.0", "pip==20.0.2"),
        ("3.6-7.2.0", "pip==21.3.1"),
    ],
)
def test_the_pip_for_a_python(version: str, pip: str) -> None:
    source = newer_pip(ROOT, PypyVersion.parse(version))
    assert source is not None
    assert source.pypi == pip
    assert source.file_name.startswith(pip.replace("==", "-"))


def test_a_wrong_entry_is_refused(tmp_path: Path) -> None:
    (tmp_path / "versions").mkdir()
    (tmp_path / "versions" / FILE_NAME).write_text('[[pips]]\npython = "<3"\n')
    with pytest.raises(DataError, match=r"pip\.toml"):
        newer_pip(tmp_path, PypyVersion.parse("2.7-7.0.0"))
