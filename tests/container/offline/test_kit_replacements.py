"""A kit that is really made where Debian has replaced a package and a source of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from alpypy.build.base_image import find_base
from alpypy.core.errors import DigestError
from alpypy.core.fetch import Fetcher
from alpypy.engine.docker import Engine
from alpypy.engine.job import Job
from alpypy.offline import kit
from alpypy.offline.contents import load_contents
from alpypy.offline.pins import Pin
from alpypy.recipes.data import Alpine
from tests.debian import Repository
from tests.workspaces import workspace

pytestmark = pytest.mark.timeout(3600)
ROOT = Path(__file__).parents[3]
ALPINE = Alpine("3.14", "3.14.99", {})  # that no test makes a kit for; in truth it is the usual one
GONE = {"zlib1g": "1:1.2.13.dfsg-1+deb12u9", "libffi": "3.4.4.1-1"}


@dataclass
class Machine:
    """One with an Alpine, a mirror with newer files, and all other files in its cache."""

    engine: Engine
    fetcher: Fetcher
    base: str
    said: list[str] = field(default_factory=list)

    def prepare(self) -> kit.Kit:
        """What ``invoke kit`` does."""
        own = workspace(ROOT, self.engine, self.fetcher.cache, self.said.append)
        return kit.prepare(own, ALPINE.version, self.base)


@pytest.fixture(scope="module")
def tested(cache: Path) -> dict[Pin, Path]:
    """The files that the kit was tested with, from this machine's own mirrors."""
    pins, fetcher = load_contents(ROOT / "versions").pins(("libssl.so.3",)), Fetcher(cache)
    return {pin: fetcher.fetch(pin.source) for pin in pins}


@pytest.fixture
def base(engine: Engine, base_image: str, tmp_path: Path) -> Iterator[str]:
    """An Alpine that says to be another version, so that its kit is no other test's."""
    usual, name = kit.made_on(engine, "3.23"), f"alpine:{ALPINE.version}-alpypy-test"
    steps = f"FROM {usual}\nRUN echo {ALPINE.version}.99 > /etc/alpine-release\n"
    (tmp_path / "Dockerfile").write_text(steps)
    engine.build(tmp_path, tag=name, arguments={}, labels={}, network=False)
    yield name
    engine.remove_image(kit.reference(ALPINE.version))
    engine.remove_image(name)


@pytest.fixture
def machine(
    engine: Engine, base: str, tested: dict[Pin, Path], repository: Repository, tmp_path: Path
) -> Machine:
    fetcher = Fetcher(tmp_path / "cache")
    for pin, path in tested.items():
        if pin.package in GONE:
            replace(repository, pin, path)
        else:
            target = fetcher.cache / "files" / pin.source.sha256[:16] / path.name
            target.parent.mkdir(parents=True)
            shutil.copy(path, target)
            assert fetcher.cached(pin.source)
    repository.publish()
    return Machine(engine, fetcher, base)


def replace(repository: Repository, pin: Pin, path: Path) -> None:
    """Give the mirror the same as another version."""
    if pin.kind == "deb":
        repository.repacked(path, GONE[pin.package], source="zlib")
    else:
        repository.source(pin.package, GONE[pin.package], path.read_bytes() + bytes(512))


def test_a_kit_with_replaced_files(machine: Machine, repository: Repository) -> None:
    made = machine.prepare()
    taken = {one.package: (one.tested, one.taken) for one in made.replacements}
    assert taken == {
        "zlib1g": ("1.2.13.dfsg-1", "1.2.13.dfsg-1+deb12u9"),
        "libffi": ("3.4.4", "3.4.4.1"),
    }
    lines = [line for line in machine.said if "your mirrors no longer have" in line]
    assert [line.partition(":")[0] for line in lines] == ["zlib1g", "libffi"]

    # Its image says so, and it is current for who builds with it.
    engine, own = machine.engine, workspace(ROOT, machine.engine, machine.fetcher.cache)
    assert kit.replacements_in(engine, made.reference) == made.replacements
    found = find_base(own, ALPINE, "x86_64", None, kit=True)
    assert (found.identity, found.replacements) == (made.identity, made.replacements)
    identity = engine.label(kit.reference("3.23"), kit.LABEL)
    assert found.identity != identity

    # apk installs its packages, and the compiler that uses the other zlib1g compiles.
    script = (
        "apk add --no-cache gcc musl-dev libffi-dev >&2 &&"
        " echo 'int main(void) { return 0; }' | gcc -x c - -lffi -o /tmp/a && /tmp/a &&"
        " echo works"
    )
    done = engine.run(Job(made.reference, ["sh", "-c", script], user="0:0"))
    assert done.exit_code == 0, done.output
    assert done.output.rstrip().endswith("works")

    # The next run has nothing to do, even without a mirror.
    repository.site.files.clear()
    before, machine.said = engine.image_id(made.reference), []
    assert machine.prepare() == made
    assert machine.said == []
    assert engine.image_id(made.reference) == before


def test_a_kit_of_a_package_other_than_its_index_says_is_not_made(
    machine: Machine, repository: Repository
) -> None:
    name = next(name for name in repository.site.files if "zlib1g" in name)
    repository.site.files[name] += b"more"
    with pytest.raises(DigestError, match="zlib1g"):
        machine.prepare()
    assert machine.engine.image_id(kit.reference(ALPINE.version)) is None
