"""Debian's index, read by the real apt from a mirror on loopback."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from alpypy.core.apt import repositories
from alpypy.core.errors import DownloadError
from alpypy.offline.debian import Index, Kind, open_index
from tests.debian import Key, Repository, new_key

INRELEASE = "/debian/dists/bookworm/InRelease"
PACKAGES = "/debian/dists/bookworm/main/binary-amd64/Packages.xz"
FINGERPRINT = "0123456789ABCDEF0123456789ABCDEF01234567"


def opened(folder: Path, kind: Kind = "deb") -> Index:
    index = open_index(folder / "cache", "bookworm", kind)
    assert index is not None
    return index


def refusal(folder: Path) -> str:
    """What is said of an index that is refused."""
    with pytest.raises(DownloadError) as caught:
        open_index(folder / "cache", "bookworm", "deb")
    assert "debian-archive-keyring" in caught.value.remedy
    assert "--mirror" in caught.value.remedy
    assert caught.value.what.startswith("apt refuses the index of Debian bookworm:\n")
    return caught.value.what


def test_a_package_of_the_release_whatever_release_the_machine_has(
    repository: Repository, tmp_path: Path
) -> None:
    pin = repository.deb("libstdc++6", "1:12.2~a+b-3", source="gcc-12")
    repository.publish()
    index = opened(tmp_path)
    assert index.files("libstdc++6") == (pin,)
    assert pin.debian == "pool/main/g/gcc-12/libstdc++6_12.2~a+b-3_amd64.deb"
    assert index.files("libc6") == ()


def test_the_files_of_a_source_package(repository: Repository, tmp_path: Path) -> None:
    pin = repository.source("zlib", "1.2.13.dfsg-1", b"source")
    repository.publish()
    files = opened(tmp_path, "deb-src").files("zlib")
    assert pin in files
    assert len(files) == 3


def test_a_source_that_the_release_does_not_have(repository: Repository, tmp_path: Path) -> None:
    repository.source("zlib", "1.2.13.dfsg-1", b"source")
    repository.publish()
    assert opened(tmp_path, "deb-src").files("gcc-12") == ()


def test_several_packages_at_once(repository: Repository, tmp_path: Path) -> None:
    make, tar = repository.deb("make", "4.3-4"), repository.deb("tar", "1.34-1")
    repository.publish()
    index = opened(tmp_path)
    assert index.all_files(["tar", "make"]) == {"tar": (tar,), "make": (make,)}
    assert index.all_files(["tar", "gone"]) == {"tar": (tar,), "gone": ()}


def test_several_sources_at_once(repository: Repository, tmp_path: Path) -> None:
    zlib = repository.source("zlib", "1.2.13.dfsg-1", b"source")
    expat = repository.source("expat", "2.5.0-1", b"other source")
    repository.publish()
    files = opened(tmp_path, "deb-src").all_files(["zlib", "expat"])
    assert zlib in files["zlib"]
    assert expat in files["expat"]
    assert [len(found) for found in files.values()] == [3, 3]


def test_an_apt_that_fails_is_not_taken_for_one_without_the_package(
    repository: Repository, tmp_path: Path
) -> None:
    repository.publish()
    index = opened(tmp_path)
    [sources] = (tmp_path / "cache").rglob("debian.sources")
    sources.write_text("Types: nonsense\n")
    with pytest.raises(DownloadError, match="apt cannot look up make"):
        index.files("make")


def test_a_mirror_with_a_quoted_address(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"{repository.site.address}/deb%2Bian"
    monkeypatch.setenv("APT_CONFIG", str(repository.settings(address=address)))
    pin = repository.deb("make", "4.3-4")
    repository.publish()
    for path, content in tuple(repository.site.files.items()):
        for folder in ("/deb%2Bian/", "/deb%2bian/", "/deb+ian/"):  # as apt writes it
            repository.site.files[path.replace("/debian/", folder, 1)] = content
    assert opened(tmp_path).files("make") == (pin,)


def test_the_newest_of_the_release_s_suites(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    suites = ("trixie", "trixie-security", "trixie-backports")
    monkeypatch.setenv("APT_CONFIG", str(repository.settings(*suites)))
    repository.deb("openssl", "3.0.20-1")
    pin = repository.deb("openssl", "3.0.22-1", suite="bookworm-security")
    repository.deb("openssl", "3.5.0-1", suite="bookworm-backports")
    repository.publish("bookworm", "bookworm-security", "bookworm-backports")
    assert opened(tmp_path).files("openssl") == (pin,)


def test_what_the_mirror_has_later(repository: Repository, tmp_path: Path) -> None:
    old = repository.deb("make", "4.3-4")
    repository.publish()
    assert opened(tmp_path).files("make") == (old,)
    new = repository.deb("make", "4.3-4+deb12u1")
    repository.publish()
    assert opened(tmp_path).files("make") == (new,)


def test_settings_of_the_machine_neither_run_nor_choose(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark, preferences = tmp_path / "mark", tmp_path / "preferences"
    preferences.write_text("Package: *\nPin: version 1-1\nPin-Priority: 1001\n")
    more = (
        f'APT::Update::Pre-Invoke {{ "touch {mark}"; }};\n'
        f'APT::Update::Post-Invoke {{ "touch {mark}"; }};\n'
        f'Dir::Etc::Preferences "{preferences}";\n'
        'APT::Default-Release "trixie";\nAPT::Architecture "arm64";\n'
    )
    monkeypatch.setenv("APT_CONFIG", str(repository.settings(more=more)))
    repository.deb("make", "1-1")
    new = repository.deb("make", "2-1")
    repository.publish()
    assert opened(tmp_path).files("make") == (new,)
    assert not mark.exists()


def test_an_index_that_was_changed_is_refused(repository: Repository, tmp_path: Path) -> None:
    repository.deb("make", "4.3-4")
    repository.publish()
    files = repository.site.files
    files[INRELEASE] = files[INRELEASE].replace(b"Suite: bookworm", b"Suite: bookwork")
    assert "signature" in refusal(tmp_path)


def test_an_index_that_is_changed_later_is_refused_too(
    repository: Repository, tmp_path: Path
) -> None:
    repository.deb("make", "4.3-4")
    repository.publish()
    opened(tmp_path)
    repository.publish()
    files = repository.site.files
    files[INRELEASE] = files[INRELEASE].replace(b"Suite: bookworm", b"Suite: bookwork")
    assert "signature" in refusal(tmp_path)


@pytest.fixture(scope="module")
def other_key() -> Iterator[Key]:
    with new_key() as made:
        yield made


def test_an_index_with_another_signature_is_refused(
    repository: Repository, other_key: Key, tmp_path: Path
) -> None:
    repository.publish(key=other_key)
    assert "NO_PUBKEY" in refusal(tmp_path)


@pytest.mark.parametrize("entry", ["Trusted: yes\n", "Allow-Insecure: yes\n"])
def test_an_index_without_signature_is_refused_even_where_the_machine_trusts_it(
    entry: str, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = 'Acquire::AllowInsecureRepositories "true";\nAPT::Get::AllowUnauthenticated "true";\n'
    monkeypatch.setenv("APT_CONFIG", str(repository.settings(more=more, entry=entry)))
    repository.deb("make", "4.3-4")
    repository.publish()
    signed = repository.site.files[INRELEASE]
    text = signed.partition(b"\n\n")[2].partition(b"-----BEGIN PGP SIGNATURE")[0]
    repository.site.files[INRELEASE] = b"\n" + text
    assert "is not signed" in refusal(tmp_path)


def test_a_list_of_packages_that_the_index_does_not_name_is_refused(
    repository: Repository, tmp_path: Path
) -> None:
    repository.deb("make", "4.3-4")
    repository.publish()
    listed = repository.site.files[PACKAGES]
    repository.deb("make", "4.3-5")
    repository.publish()
    repository.site.files[PACKAGES] = listed
    assert re.search("unexpected size|Hash Sum mismatch", refusal(tmp_path))


def test_a_repository_that_is_not_debian_s_is_not_asked(
    repository: Repository, tmp_path: Path
) -> None:
    repository.origin = "Somebody"
    repository.publish()
    assert open_index(tmp_path, "bookworm", "deb") is None


def test_a_mirror_without_the_release_has_no_index(repository: Repository, tmp_path: Path) -> None:
    repository.publish("trixie")
    assert open_index(tmp_path, "bookworm", "deb") is None


def test_a_machine_without_apt_has_no_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert repositories() == ()
    assert open_index(tmp_path, "bookworm", "deb") is None


def test_a_password_is_used_and_never_shown(
    repository: Repository,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    address = repository.address.replace("http://", "http://user:hush@")
    monkeypatch.setenv("APT_CONFIG", str(repository.settings(address=address)))
    repository.site.login = "user:hush"
    pin = repository.deb("make", "4.3-4")
    repository.publish()
    assert opened(tmp_path).files("make") == (pin,)
    files = repository.site.files
    files[INRELEASE] = files[INRELEASE].replace(b"Suite: bookworm", b"Suite: bookwork")
    assert "hush" not in refusal(tmp_path)
    assert "hush" not in "".join(capfd.readouterr())
    for path in (tmp_path / "cache").rglob("debian.sources"):
        assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("entry", "signed_by"),
    [
        ("deb {0} sid main", ""),
        ("deb [arch=amd64 signed-by=/a.gpg,{1}] {0} sid main", f"/a.gpg {FINGERPRINT}"),
        ("# signed-by=/b.gpg\ndeb [ signed-by=/a.gpg ] {0} sid main", "/a.gpg"),
    ],
)
def test_the_keys_of_an_entry_in_one_line(
    entry: str, signed_by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sources.list").write_text(entry.format("http://127.0.0.1:9/debian/", FINGERPRINT))
    settings = tmp_path / "apt.conf"
    settings.write_text(
        f'Dir::Etc::SourceList "{tmp_path}/sources.list";\nDir::Etc::SourceParts "/dev/null";\n'
    )
    monkeypatch.setenv("APT_CONFIG", str(settings))
    [found] = repositories()
    assert (found.address, found.suffix) == ("http://127.0.0.1:9/debian", "")
    assert found.signed_by == signed_by
