"""Libraries for wheels that the kit lacks, where Debian has replaced the source of one."""

from __future__ import annotations

from pathlib import Path

import pytest

from alpypy.core.fetch import Fetcher
from alpypy.engine.docker import Engine
from alpypy.offline.contents import load_wheel_packages
from alpypy.wheels.kit import FILE_NAME, ExtraPackages
from tests.debian import Repository
from tests.workspaces import ROOT, workspace

pytestmark = pytest.mark.timeout(1200)


@pytest.fixture(scope="module")
def source(cache: Path) -> bytes:
    """The tested source of libyaml, from this machine's own mirrors."""
    libraries = load_wheel_packages(ROOT / "versions" / FILE_NAME).libraries
    yaml = next(library for library in libraries if library.name == "yaml")
    return Fetcher(cache).fetch(yaml.source).read_bytes()


def test_a_source_that_was_replaced_is_compiled_and_found_again(
    engine: Engine, base_image: str, source: bytes, repository: Repository, tmp_path: Path
) -> None:
    repository.source("libyaml", "0.2.5.1-1", source + bytes(512))
    repository.publish()
    said = list[str]()
    own = workspace(ROOT, engine, tmp_path / "cache", said.append)
    made = ExtraPackages(own, base_image, "identity").repositories(["yaml-dev"])
    assert list(made["yaml"].rglob("yaml-dev-*.apk"))
    assert any("alpypy takes 0.2.5.1 of Debian bookworm" in line for line in said)

    repository.site.files.clear()
    said.clear()
    assert ExtraPackages(own, base_image, "identity").repositories(["yaml-dev"]) == made
    assert said == []
