"""Tested files, and what a mirror has in place of those that Debian has replaced."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from msgspec.structs import replace

from alpypy.core.errors import DigestError, DownloadError
from alpypy.core.fetch import Fetcher
from alpypy.core.source import Source
from alpypy.offline.contents import load_contents
from alpypy.offline.pins import Pin, Replacement, settle, taken
from tests.debian import Repository

VERSIONS = Path(__file__).parents[3] / "versions"
ZLIB, NEWER = "1.2.13.dfsg-1", "1:1.2.13.dfsg-1+deb12u1"


class Run:
    """One run of alpypy with a cache of its own, and what it said."""

    def __init__(self, folder: Path) -> None:
        self.fetcher = Fetcher(folder / "cache")
        self.said: list[str] = []

    def settle(self, *sources: Source) -> tuple[Replacement, ...]:
        return settle(self.fetcher, [Pin(one, "bookworm") for one in sources], self.said.append)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def replaced(repository: Repository, name: str, *, source: str | None = None) -> tuple[Source, ...]:
    """A package of which the mirror has only a newer version: the file it had, and that one."""
    old = repository.deb(name, ZLIB, source=source)
    new = repository.deb(name, NEWER, source=source)
    repository.remove(old)
    return old, new


def asked(repository: Repository) -> list[str]:
    """Indexes that were asked for."""
    return [path for path, _ in repository.site.asked if "/dists/" in path]


def test_a_file_that_is_still_served_is_used(repository: Repository, run: Run) -> None:
    pin = repository.deb("zlib1g", ZLIB)
    repository.deb("zlib1g", NEWER)
    repository.publish()
    assert run.settle(pin) == ()
    assert run.fetcher.cached(pin)
    assert run.said == asked(repository) == []


def test_a_file_in_the_cache_is_used_when_no_mirror_has_it(
    repository: Repository, run: Run
) -> None:
    pin = repository.deb("zlib1g", ZLIB)
    repository.publish()
    assert run.settle(pin) == ()
    repository.remove(pin)
    repository.deb("zlib1g", NEWER)
    repository.publish()
    assert run.settle(pin) == ()
    assert run.said == asked(repository) == []


def test_a_package_that_was_replaced_is_taken_as_it_is_now(
    repository: Repository, run: Run
) -> None:
    old, new = replaced(repository, "zlib1g", source="zlib")
    kept = repository.deb("make", "4.3-4")
    repository.publish()
    [one] = run.settle(old, kept)
    assert (one.package, one.tested) == ("zlib1g", ZLIB)
    assert one.taken == "1.2.13.dfsg-1+deb12u1"  # as in the name of a file: without the epoch
    assert one.pin == old.sha256
    assert one.source == new
    assert taken([one]) == {old.sha256: new}
    assert run.fetcher.cached(new)
    assert run.fetcher.cached(kept)
    [_, line] = run.said
    assert line == (
        "zlib1g: your mirrors no longer have the tested version 1.2.13.dfsg-1;"
        " alpypy takes 1.2.13.dfsg-1+deb12u1 of Debian bookworm"
    )


def test_packages_of_one_source_are_taken_together(repository: Repository, run: Run) -> None:
    old, new = replaced(repository, "binutils", source="binutils")
    library = repository.deb("libbinutils", "2.40-2", source="binutils")
    newer = repository.deb("libbinutils", "2.40-3", source="binutils")
    same = repository.deb("binutils-common", "2.40-2", source="binutils")
    repository.publish()
    assert {one.source for one in run.settle(old, library, same)} == {new, newer}


def test_a_source_that_was_replaced_is_taken_as_it_is_now(repository: Repository, run: Run) -> None:
    old = repository.source("sqlite3", "3.40.1-2", b"old")
    repository.remove(old)
    new = repository.source("sqlite3", "3.40.2-1", b"new")
    repository.publish()
    [one] = run.settle(old)
    assert (one.package, one.tested, one.taken) == ("sqlite3", "3.40.1", "3.40.2")
    assert one.source == new
    cached = run.fetcher.cached(new)
    assert cached
    assert cached.read_bytes() == b"new"
    assert "the tested version 3.40.1; alpypy takes 3.40.2" in run.said[-1]


def test_the_tested_file_at_another_place_is_no_replacement(
    repository: Repository, run: Run
) -> None:
    pin = repository.source("sqlite3", "3.40.1-2", b"same")
    repository.publish()
    elsewhere = replace(pin, debian=f"pool/old/s/sqlite3/{pin.file_name}")
    assert run.settle(elsewhere) == ()
    assert run.fetcher.cached(elsewhere)
    assert not any("no longer" in line for line in run.said)


def test_an_older_version_is_taken_too(repository: Repository, run: Run) -> None:
    gone = repository.deb("make", "4.3-5")
    repository.remove(gone)
    repository.packages.clear()
    older = repository.deb("make", "4.3-4")
    repository.publish()
    assert [one.source for one in run.settle(gone)] == [older]


def test_a_package_other_than_its_index_says_is_refused(repository: Repository, run: Run) -> None:
    old, new = replaced(repository, "zlib1g")
    repository.publish()
    repository.site.files[f"/debian/{new.debian}"] += b"more"
    with pytest.raises(DigestError, match=re.escape(new.file_name)):
        run.settle(old)
    assert run.fetcher.cached(new) is None


def test_a_tested_file_with_other_bytes_is_refused_and_not_replaced(
    repository: Repository, run: Run
) -> None:
    pin = repository.deb("zlib1g", ZLIB)
    repository.deb("zlib1g", NEWER)
    repository.publish()
    repository.site.files[f"/debian/{pin.debian}"] += b"more"
    with pytest.raises(DigestError, match=re.escape(pin.file_name)):
        run.settle(pin)
    assert asked(repository) == []


def test_an_index_that_was_changed_is_refused(repository: Repository, run: Run) -> None:
    old, _ = replaced(repository, "zlib1g")
    repository.publish()
    name = "/debian/dists/bookworm/InRelease"
    text = repository.site.files[name].replace(b"Suite: bookworm", b"Suite: bookwork")
    repository.site.files[name] = text
    with pytest.raises(DownloadError, match="apt refuses the index of Debian bookworm"):
        run.settle(old)


def test_a_package_that_the_release_has_no_more(repository: Repository, run: Run) -> None:
    gone = repository.deb("zlib1g", ZLIB)
    repository.remove(gone)
    repository.packages.clear()
    repository.publish()
    with pytest.raises(DownloadError) as caught:
        run.settle(gone)
    assert gone.file_name in caught.value.what
    assert caught.value.what.endswith("Debian bookworm has no zlib1g in its place")


def test_without_an_index_the_file_is_what_could_not_be_fetched(
    repository: Repository, run: Run
) -> None:
    old, _ = replaced(repository, "zlib1g")
    with pytest.raises(DownloadError) as caught:
        run.settle(old)
    assert caught.value.what.startswith(f"{old.file_name} could not be fetched:")
    assert f"--mirror with the address of a folder that holds {old.file_name}" in (
        caught.value.remedy
    )


def test_a_mirror_with_the_tested_file_comes_first(repository: Repository, tmp_path: Path) -> None:
    old, _ = replaced(repository, "zlib1g")
    repository.publish()
    content = b"tested"
    pin = Source("", repository.site.source("m/x", content).sha256, debian=old.debian)
    repository.site.files[f"/m/{pin.file_name}"] = content
    fetcher = Fetcher(tmp_path, [f"{repository.site.address}/m"])
    assert settle(fetcher, [Pin(pin, "bookworm")], print) == ()
    assert asked(repository) == []


def test_every_file_of_the_kit_is_a_pin_of_a_known_release() -> None:
    contents = load_contents(VERSIONS)
    pins = contents.pins(("libssl.so.1.1", "libssl.so.3"))
    assert len(pins) > 40
    assert {pin.release for pin in pins} == {"bookworm", "bullseye"}
    assert {pin.package for pin in pins if pin.release == "bullseye"} == {"libssl-dev"}
    assert {"libstdc++6", "linux-libc-dev", "zlib1g", "zlib", "xz-utils"} <= {
        pin.package for pin in pins
    }
    assert [pin.source.sha256 for pin in pins if pin.package == "libssl-dev"] == [
        one.sha256 for one in contents.kit.openssl
    ]
    one = contents.pins(("libssl.so.3",))
    assert len(one) == len(pins) - 1


def test_taking_other_files_changes_those_and_nothing_else() -> None:
    contents, sonames = load_contents(VERSIONS), ("libssl.so.1.1", "libssl.so.3")
    sources = [pin.source for pin in contents.pins(sonames)]
    others = [Source("", f"{n:064x}", debian=f"pool/{n}") for n in range(len(sources))]
    digests = [source.sha256 for source in sources]
    changed = contents.taking(dict(zip(digests, others, strict=True)))
    assert [pin.source for pin in changed.pins(sonames)] == others
    digests = [source.sha256 for source in others]
    assert changed.taking(dict(zip(digests, sources, strict=True))) == contents
