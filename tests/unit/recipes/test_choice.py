"""What --pypy and --alpine mean where they are short or left out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from alpypy.core.errors import SpecError
from alpypy.recipes.choice import Choice, Wanted, choose, newest_alpine
from alpypy.recipes.data import load_pypys
from alpypy.recipes.spec import PypyVersion, Target

ROOT = Path(__file__).parents[3]
PYPYS = load_pypys(ROOT / "versions")
ALPINES = '["3.9"]\nrelease = "3.9.6"\n["3.10"]\nrelease = "3.10.9"\n'
ENTRY = '["{name}"]\nurl = "https://example.org/{name}.tar.gz"\nsha256 = "{digest}"\n{more}\n'


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two Alpines; a language with a beta behind two releases, and one with betas only."""
    (tmp_path / "versions").mkdir()
    (tmp_path / "versions/alpine.toml").write_text(ALPINES)
    entries = [
        ("3.9-7.3.9", ""),
        ("3.9-7.3.10", ""),
        ("3.9-7.3.11", "stable = false"),
        ("3.10-8.0.0", "stable = false"),
    ]
    text = "".join(
        ENTRY.format(name=name, digest=f"{number:064}", more=more)
        for number, (name, more) in enumerate(entries)
    )
    (tmp_path / "versions/pypy.toml").write_text(text)
    return tmp_path


def test_all_of_it_typed_is_no_choice(data: Path) -> None:
    for pypy in ("3.9-7.3.9", "rpython-0.2.1", "9-9"):
        assert choose(data, Wanted(pypy, "3.9")) == Choice(Target(pypy, "3.9"), None)


def test_a_language_is_its_newest_stable_release_and_no_alpine_the_newest(data: Path) -> None:
    choice = choose(data, Wanted("3.9"))
    assert choice.target == Target("3.9-7.3.10", "3.10")
    assert choice.words == "PyPy 3.9-7.3.10 (the newest of 3.9) on Alpine 3.10 (the newest)"


def test_one_of_the_two(data: Path) -> None:
    choice = choose(data, Wanted("3.9", "3.9", "aarch64"))
    assert choice.target == Target("3.9-7.3.10", "3.9", "aarch64")
    assert choice.words == "PyPy 3.9-7.3.10 (the newest of 3.9) on Alpine 3.9"
    choice = choose(data, Wanted("rpython-0.2.1"))
    assert choice.words == "rpython-0.2.1 on Alpine 3.10 (the newest)"


def test_the_alpine_of_a_portable_one_is_where_it_is_built(data: Path) -> None:
    choice = choose(data, Wanted("3.9", portable=True))
    assert choice.target == Target("3.9-7.3.10", "3.10", portable=True)
    assert choice.words == (
        "PyPy 3.9-7.3.10 (the newest of 3.9), portable, on Alpine 3.10 (the newest)"
    )


def test_betas_only_where_there_is_no_more(data: Path) -> None:
    choice = choose(data, Wanted("3.10", "3.9"))
    assert choice.target.release == "3.10-8.0.0"
    assert choice.words == "PyPy 3.10-8.0.0 (the newest of 3.10, no stable one yet) on Alpine 3.9"


def test_a_source_of_the_language_says_which_version_is_meant(data: Path) -> None:
    stated = ["2.7-7.3.23", "3.10-8.1.0-alpha"]
    choice = choose(data, Wanted("3.10", "3.9"), stated)
    assert choice.target.release == "3.10-8.1.0-alpha"
    assert choice.words == "PyPy 3.10-8.1.0-alpha (of your source) on Alpine 3.9"
    assert choose(data, Wanted("3.9", "3.9"), stated).target.release == "3.9-7.3.10"
    assert choose(data, Wanted("3.99", "3.9"), ["3.99-9.0.0"]).target.release == "3.99-9.0.0"


def test_sources_are_not_read_for_a_version(data: Path) -> None:
    def read() -> Iterator[str]:
        raise AssertionError("a source was read")
        yield

    assert choose(data, Wanted("3.9-7.3.9", "3.9"), read()).words is None


def test_a_language_that_no_release_has(data: Path) -> None:
    with pytest.raises(SpecError, match=r"no PyPy of Python 3\.99") as caught:
        choose(data, Wanted("3.99"))
    assert caught.value.remedy.startswith("choose one of 3.9, 3.10, or")


def test_the_newest_alpine_is_not_the_last_by_the_alphabet(data: Path) -> None:
    assert newest_alpine(data) == "3.10"


def test_the_choices_among_ours_are_stable_where_a_stable_one_is_listed() -> None:
    by_language: dict[str, list[str]] = {}
    for name in PYPYS:
        by_language.setdefault(PypyVersion.parse(name).language, []).append(name)
    for language, names in by_language.items():
        choice = choose(ROOT, Wanted(language))
        assert choice.target.release in names
        has_stable = any(PYPYS[name].stable for name in names)
        assert PYPYS[choice.target.release].stable == has_stable
        assert ("no stable one" in (choice.words or "")) != has_stable
