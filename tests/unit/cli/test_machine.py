"""What is installed on a machine that lacks something."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from alpypy.cli import machine
from alpypy.core.errors import EngineError
from alpypy.core.fetch import Fetcher
from alpypy.core.folders import ROOT
from alpypy.core.project import Project
from alpypy.offline.kit import wheel_alpine

ROOT_ONLY = pytest.mark.skipif(os.getuid() != 0, reason="only root installs packages: sudo ./test")


@pytest.fixture
def apt_get(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program in place of apt-get, which writes down what it is asked for."""
    program = tmp_path / "bin/apt-get"
    program.parent.mkdir()
    asked = tmp_path / "asked"
    program.write_text(
        f'#!/bin/sh\necho "$DEBIAN_FRONTEND: $*" >>{asked}\n'
        'case "$*" in *broken*) echo "E: broken http://me:hush@mirror/x" >&2; exit 100 ;; esac\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return asked


@ROOT_ONLY
def test_packages_are_installed_by_what_stands_for_apt_get(apt_get: Path) -> None:
    machine.install("docker.io", "iptables")
    assert apt_get.read_text().splitlines() == [
        "noninteractive: -qq update",
        "noninteractive: -qq install -y --no-install-recommends docker.io iptables",
    ]


@ROOT_ONLY
def test_what_stands_for_apt_get_and_fails_is_quoted(apt_get: Path) -> None:
    with pytest.raises(EngineError) as caught:
        machine.install("broken")
    assert caught.value.what == "apt-get install broken failed:\n    E: broken http://mirror/x"


def test_nothing_is_installed_when_nothing_is_missing(apt_get: Path) -> None:
    machine.install()
    assert not apt_get.exists()


def test_other_users_than_root_install_nothing(
    apt_get: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    machine.install("docker.io")
    assert not apt_get.exists()


def test_where_no_mirror_answers_the_alpine_is_one_that_needs_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "_MIRROR", "http://127.0.0.1:1/alpine")  # nothing listens there
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    machine.out_of_reach.cache_clear()
    said = list[str]()
    own = Project(ROOT, tmp_path, tmp_path, Fetcher(tmp_path), said.append)
    try:
        alpine = machine.alpine_in_reach(own)
    finally:
        machine.out_of_reach.cache_clear()
    assert alpine == wheel_alpine(ROOT)
    assert said == [
        f"Alpine's mirrors do not answer, so this builds for Alpine {alpine}, whose kit needs no"
        " mirror"
    ]


@pytest.mark.parametrize("program", ["dockerd", "podman", None])
def test_an_engine_is_missing_when_none_answers_and_none_can_be_started(
    program: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setattr("alpypy.engine.connection.default_sockets", tuple)
    monkeypatch.setenv("PATH", str(tmp_path))
    if program:
        shutil.copy("/bin/true", tmp_path / program)
    assert machine.engine_missing() == (program is None)
