"""index.json: what is written is what is read, and nothing else is taken for it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpypy.core.errors import DataError, ReleaseError, SpecError
from alpypy.publish.download import offered
from alpypy.publish.index import (
    ReleasedFile,
    ReleasedTarball,
    ReleasedWheel,
    ReleaseIndex,
    check_name,
    load_settings,
    parse,
    public_address,
)
from alpypy.recipes.choice import Wanted
from alpypy.recipes.spec import Target
from tests.manifests import DIGEST, TARGET
from tests.releases import ACCEPTED, DATE, manifest_of, report_of, wheel_record_of

ROOT = Path(__file__).parents[3]
MUSL = "tiny-1.0-pp311-pypy311_pp73-musllinux_1_2_x86_64.whl"


def pypy(target: Target = TARGET) -> ReleasedTarball:
    gzip = ReleasedFile(target.gzip_tarball, 28_000_000, DIGEST)
    python = f"{target.release.partition('-')[0]}.9"
    return ReleasedTarball(26_000_000, report_of(target), manifest_of(target), python, gzip)


def of_before(target: Target) -> ReleasedTarball:
    """A tarball in the index of an older version of alpypy."""
    return replace(pypy(target), python=None, gzip=None)


RECORD = wheel_record_of(DIGEST, ("libffi",))
INDEX = ReleaseIndex.of(
    [
        ReleasedWheel(MUSL, 1000, RECORD, ">=3.9"),
        ReleasedWheel("tiny-1.0-py3-none-any.whl", 0, wheel_record_of(DIGEST, ())),
        pypy(),
        of_before(Target("3.6-7.0.0", "3.9", "aarch64")),
    ],
    "https://pypy.example.org/alpine",
)


def test_round_trip() -> None:
    assert parse(INDEX.to_json(), "x") == INDEX
    assert parse(INDEX.to_json(), "x").to_json() == INDEX.to_json()
    assert parse(ReleaseIndex().to_json(), "x") == ReleaseIndex()


def test_every_artifact_has_all_that_is_known() -> None:
    document = json.loads(INDEX.to_json())
    tarball, before, wheel, pure = document["artifacts"]
    assert tarball["target"] == {
        "release": "3.11-7.3.22",
        "version": "3.11-7.3.22",
        "alpine": "3.23",
        "arch": "x86_64",
    }
    assert (tarball["size"], tarball["digests"]) == (26_000_000, {"sha256": DIGEST})
    assert (tarball["date"], tarball["packages"]) == (DATE, ["libffi"])
    assert tarball["python"] == "3.11.9"
    assert tarball["gzip"] == {
        "file": "pypy-3.11-7.3.22-alpine3.23.tar.gz",
        "size": 28_000_000,
        "digests": {"sha256": DIGEST},
    }
    assert not {"python", "gzip"} & before.keys()
    assert tarball["verify"]["passed"] is True
    assert tarball["verify"]["findings"][0]["allowed"] == ACCEPTED.allowed
    assert tarball["build"] == json.loads(manifest_of(TARGET).to_json())
    assert wheel["target"]["interpreter"] == "pypy3.11-7.3.22"
    assert wheel["target"]["tags"] == ["pp311-pypy311_pp73-musllinux_1_2_x86_64"]
    assert (wheel["packages"], wheel["date"]) == (["libffi"], DATE)
    assert wheel["verify"] == {"passed": True, "date": DATE}
    assert wheel["build"]["tested"]["imported"] == ["one"]
    assert (pure["packages"], pure["requires_python"]) == ([], None)


def test_sums_are_what_sha256sum_reads() -> None:
    assert INDEX.sums().splitlines()[0] == f"{DIGEST}  pypy-3.11-7.3.22-alpine3.23.tar.bz2"
    assert INDEX.sums().splitlines()[1] == f"{DIGEST}  pypy-3.11-7.3.22-alpine3.23.tar.gz"
    assert len(INDEX.sums().splitlines()) == 5


def test_the_newest_comes_first() -> None:
    targets = [
        Target("3.6-7.0.0", "3.9"),
        Target("3.11-7.3.22", "3.9"),
        Target("3.11-7.3.22", "3.23", "aarch64"),
        Target("3.11-7.3.22", "3.23"),
        Target("3.11-7.3.9", "3.23"),
        Target("2.7-7.3.22", "3.23"),
        Target("3.11-7.3.22", "3.23", release_version="3.11-7.3.22.2"),
    ]
    index = ReleaseIndex.of([pypy(target) for target in targets], None)
    assert [tarball.target.folder for tarball in index.tarballs] == [
        "pypy-3.11-7.3.22.2-alpine3.23",
        "pypy-3.11-7.3.22-alpine3.23",
        "pypy-3.11-7.3.22-alpine3.23-aarch64",
        "pypy-3.11-7.3.22-alpine3.9",
        "pypy-3.11-7.3.9-alpine3.23",
        "pypy-3.6-7.0.0-alpine3.9",
        "pypy-2.7-7.3.22-alpine3.23",
    ]


@pytest.mark.parametrize(
    ("wanted", "folder"),
    [
        (Wanted("3.11"), "pypy-3.11-8.0.0-alpine3.23"),
        (Wanted("3.11", "3.24"), "pypy-3.11-7.3.22-alpine3.24"),
        (Wanted("3.11-7.3.22"), "pypy-3.11-7.3.22-alpine3.24"),
        (Wanted("3.11", arch="aarch64"), "pypy-3.11-7.3.22-alpine3.23-aarch64"),
        (Wanted("3.12"), "pypy-3.12-8.0.0-alpha+762c531b493-alpine3.23"),
        (Wanted("3.11-8.1.0-alpha+1"), "pypy-3.11-8.1.0-alpha+1-alpine3.24"),
    ],
)
def test_what_is_left_out_is_the_newest_of_the_release(wanted: Wanted, folder: str) -> None:
    targets = [
        Target("3.11-7.3.22", "3.23"),
        Target("3.11-7.3.22", "3.24"),
        Target("3.11-7.3.22", "3.23", "aarch64"),
        Target("3.11-8.0.0", "3.23"),
        Target.parse("3.11-8.1.0-alpha+1", "3.24"),
        Target.parse("3.12-8.0.0-alpha+762c531b493", "3.23"),
    ]
    index = parse(
        ReleaseIndex.of([pypy(target) for target in targets], None).to_json(), "index.json"
    )
    choice = offered(index, wanted)
    assert choice.target.folder == folder
    assert choice.words == (
        f"PyPy {choice.target.version} for Alpine {choice.target.alpine} (the newest there)"
    )


def test_nothing_that_fits_is_told_with_what_there_is() -> None:
    with pytest.raises(SpecError, match=r"no PyPy 3\.9 for Alpine \(any\), x86_64") as caught:
        offered(INDEX, Wanted("3.9"))
    assert "it has:" in caught.value.remedy


def changed(path: str, value: Any) -> str:
    """The document with one value replaced, or removed where that is ..."""
    document = json.loads(INDEX.to_json())
    place: Any = document
    *parents, last = (int(part) if part.isdigit() else part for part in path.split("/"))
    for part in parents:
        place = place[part]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return json.dumps(document)


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("schema", 2, "schema is 2, not 1"),
        ("url", "javascript:alert(1)", "url is"),
        ("url", "http://user:secret@h/", "url is"),
        ("artifacts", {}, "artifacts is {}, not a list"),
        ("artifacts/0", "x", "artifacts[0] is 'x'"),
        ("artifacts/0/kind", "exe", "artifacts[0].kind is 'exe'"),
        ("artifacts/0/size", -1, "artifacts[0].size is -1"),
        ("artifacts/0/size", True, "artifacts[0].size is True"),
        ("artifacts/0/verify", None, "artifacts[0].verify is None"),
        ("artifacts/0/verify/passed", False, "unknown or contradict"),
        ("artifacts/0/verify/date", "<b>", "date is '<b>', not a date such as"),
        ("artifacts/0/verify/findings/0/allowed", ..., "did not pass verify"),
        ("artifacts/0/verify/tarball", "../x", "cannot be called"),
        ("artifacts/0/verify/tarball", "a.tar.bz2", "is not called a.tar.bz2"),
        ("artifacts/0/verify/sha256", "f" * 64, "unknown or contradict"),
        ("artifacts/0/digests/sha256", "f" * 64, "unknown or contradict"),
        ("artifacts/0/file", "other.tar.bz2", "unknown or contradict"),
        ("artifacts/0/target/alpine", "3.9", "unknown or contradict"),
        ("artifacts/0/packages", ["rm"], "unknown or contradict"),
        ("artifacts/0/more", 1, "unknown or contradict"),
        ("artifacts/0/python", "3.12.1", "has no Python 3.12.1"),
        ("artifacts/0/python", "3.11.9+", "artifacts[0].python is '3.11.9+', not a version"),
        ("artifacts/0/python", None, "unknown or contradict"),
        ("artifacts/0/gzip", None, "unknown or contradict"),
        ("artifacts/0/gzip/size", -1, "artifacts[0].gzip.size is -1"),
        ("artifacts/0/gzip/file", "other.tar.gz", "unknown or contradict"),
        ("artifacts/0/gzip/digests/sha256", "x", "artifacts[0].gzip.digests.sha256 is 'x'"),
        ("artifacts/0/gzip/more", 1, "unknown or contradict"),
        ("artifacts/0/build", None, "artifacts[0].build is None"),
        ("artifacts/0/build/compiler", 5, "compiler is 5"),
        ("artifacts/0/build/executables", ["bin/\x1b[31m"], "a program cannot have the path"),
        ("artifacts/0/build/kind", "rpython", "artifacts[0].build: "),
        ("artifacts/1/verify/sha256", ..., "artifacts[1].verify.sha256 is missing"),
        ("artifacts/2/file", "a.whl", "is not the name of a wheel"),
        ("artifacts/2/file", f"a/{MUSL}", "not the name of a file"),
        ("artifacts/2/file", ..., "artifacts[2].file is missing"),
        ("artifacts/2/digests", [], "unknown or contradict"),
        ("artifacts/2/verify", None, "unknown or contradict"),
        ("artifacts/2/build", None, "artifacts[2].build is None"),
        ("artifacts/2/build/packages", ["; rm"], "is '; rm', not the name of an Alpine package"),
        ("artifacts/2/build/sha256", "f" * 64, "unknown or contradict"),
        ("artifacts/2/requires_python", 3, "requires_python is 3"),
    ],
)
def test_what_is_wrong_is_named(path: str, value: Any, says: str) -> None:
    with pytest.raises(ReleaseError) as caught:
        parse(changed(path, value), "http://here/index.json")
    assert "http://here/index.json is not the index of a release" in caught.value.what
    assert says in caught.value.what


def test_two_files_of_one_name_are_refused() -> None:
    twice = json.loads(INDEX.to_json())["artifacts"][0]
    with pytest.raises(ReleaseError, match="two files have the same name"):
        parse(changed("artifacts/1", twice), "x")


@pytest.mark.parametrize(
    "text", ["", "<html>", b"\xff", "[]", "null", "5", "NaN", "[" * 100_000, '{"schema": 1}']
)
def test_anything_else_is_refused(text: str | bytes) -> None:
    with pytest.raises(ReleaseError, match="is not the index of a release"):
        parse(text, "x")


def paths(value: Any, path: str = "") -> list[str]:
    """The paths of all that is in a document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for name, part in inner:
        found.append(f"{path}{name}")
        if isinstance(part, dict | list):
            found += paths(part, f"{path}{name}/")
    return found


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    max_leaves=5,
)


@given(st.sampled_from(paths(json.loads(INDEX.to_json()))), json_values)
def test_a_value_of_any_form_is_kept_or_refused(path: str, value: Any) -> None:
    text = changed(path, value)
    try:
        index = parse(text, "x")
    except ReleaseError as error:
        assert error.what.startswith("x is not the index of a release: ")
    else:
        assert json.loads(index.to_json()) == json.loads(text)


@pytest.mark.parametrize("name", ["a!1.whl", "a b", "", ".hidden", "a/b", "é", "a" * 300])
def test_a_name_that_cannot_be_handed_out(name: str) -> None:
    with pytest.raises(ReleaseError, match="cannot be called"):
        check_name(name)


def test_an_address_that_may_stand_in_a_page() -> None:
    assert public_address("http://127.0.0.1:80/a_b/~c/") == "http://127.0.0.1:80/a_b/~c"


@pytest.mark.parametrize(
    "url", ["", "pypy.example.org", "ftp://h/", "http://a:b@h/", "http://h/?a", "http://h/';rm"]
)
def test_an_address_that_may_not(url: str) -> None:
    with pytest.raises(SpecError, match="cannot be the address of a release"):
        public_address(url)


def test_the_settings_of_this_project() -> None:
    assert load_settings(ROOT).tag == "pypy"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('url = ""', "tag is missing"),
        ('url = "x"\ntag = "a"', "url is 'x'"),
        ('url = ""\ntag = "a b"', "tag is 'a b'"),
        ('url = ""\ntag = "a"\nmore = 1', "more is unknown"),
    ],
)
def test_settings_that_are_not_usable(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "versions").mkdir()
    (tmp_path / "versions/release.toml").write_text(text)
    with pytest.raises(DataError, match=says):
        load_settings(tmp_path)
