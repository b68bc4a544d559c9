"""pip's settings of a person, for a container: whole, private, and no more than it needs."""

from __future__ import annotations

import configparser
import stat
from pathlib import Path

import pytest

from alpypy.core.errors import WheelError
from alpypy.wheels.settings import PipSettings, from_host

SECRET = "hunter2"
PIP_VARIABLES = ("INDEX_URL", "EXTRA_INDEX_URL", "FIND_LINKS", "CERT", "DEFAULT_TIMEOUT", "PROXY")
OTHERS = (
    *("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    *(f"{name}_PROXY" for name in ("HTTP", "HTTPS", "FTP", "NO")),
    *(f"{name}_proxy" for name in ("http", "https", "ftp", "no")),
)


@pytest.fixture
def pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """pip.conf of a person who has no other settings."""
    for name in (*(f"PIP_{one}" for one in PIP_VARIABLES), *OTHERS):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "person/pip.conf"
    path.parent.mkdir()
    path.touch()
    monkeypatch.setenv("PIP_CONFIG_FILE", str(path))  # counts more than the system's
    return path


def taken(tmp_path: Path, **bundled: str) -> tuple[PipSettings, configparser.RawConfigParser]:
    """The settings, and the file that the container sees, read as pip does."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    settings = from_host(scratch, {key.replace("_", "-"): value for key, value in bundled.items()})
    parser = configparser.RawConfigParser()
    parser.read(scratch / "pip.conf")
    return settings, parser


def test_the_file_of_a_person(tmp_path: Path, pip: Path) -> None:
    index = f"https://user:{SECRET}@index.example/simple"
    pip.write_text(f"[global]\nindex-url = {index}\nuser = true\n[download]\nno-binary = six\n")
    settings, conf = taken(tmp_path)
    assert conf["global"]["index-url"] == index
    assert conf["download"]["no-binary"] == "six"
    assert "user" not in conf["global"]
    assert settings.environment["PIP_CONFIG_FILE"] == "/tmp/pip.conf"
    assert settings.network == "bridge"


def test_settings_that_pip_cannot_read(tmp_path: Path, pip: Path) -> None:
    pip.write_text(f"index-url = https://user:{SECRET}@index.example/simple\n")
    with pytest.raises(WheelError, match="pip's settings could not be read: ") as caught:
        taken(tmp_path)
    assert "pip.conf" in caught.value.what
    assert SECRET not in str(caught.value)


def test_a_password_is_in_private_files_and_nowhere_else(tmp_path: Path, pip: Path) -> None:
    pip.write_text(f"[global]\nindex-url = https://user:{SECRET}@index.example/simple\n")
    settings, _ = taken(tmp_path)
    with_it = [one.source for one in settings.mounts if SECRET in one.source.read_text()]
    assert {path.name for path in with_it} == {"pip.conf", "pydistutils.cfg"}
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in with_it)
    assert SECRET not in repr(settings)
    assert not any(one.writable for one in settings.mounts)


def test_variables_count_more_than_files(
    tmp_path: Path, pip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pip.write_text("[global]\ntimeout = 5\n[download]\nindex-url = https://old.example/\n")
    monkeypatch.setenv("PIP_INDEX_URL", "https://new.example/")
    _, conf = taken(tmp_path)
    assert conf["global"]["index-url"] == conf["download"]["index-url"] == "https://new.example/"
    assert conf["global"]["timeout"] == "5"


def test_own_lists_are_added_to_a_person_s(tmp_path: Path, pip: Path) -> None:
    pip.write_text("[global]\nfind-links =\n    https://a.example/\n    https://b.example/\n")
    _, conf = taken(tmp_path, find_links="/bundled")
    links = conf["global"]["find-links"].split()
    assert links == ["https://a.example/", "https://b.example/", "/bundled"]


def test_files_and_folders_that_settings_name_are_seen(tmp_path: Path, pip: Path) -> None:
    wheels, index = tmp_path / "wheels", tmp_path / "indexes/mine"
    wheels.mkdir()
    index.mkdir(parents=True)
    pip.write_text(
        f"[global]\ncert =\nfind-links = {wheels}\nextra-index-url = file://{index} https://x.example/\n"
    )
    settings, _ = taken(tmp_path)
    seen = {str(one.source) for one in settings.mounts if one.target == str(one.source)}
    assert seen == {str(wheels), str(index)}  # and nothing beside them


def test_a_mirror_of_files_is_seen_whole_and_a_home_is_not(
    tmp_path: Path, pip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror, home = tmp_path / "mirror", tmp_path / "home"
    for folder in (mirror, home):
        (folder / "simple").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    pip.write_text(
        f"[global]\ncert =\nindex-url = file://{mirror}/simple\n"
        f"extra-index-url = file://{home}/simple/\n"
    )
    settings, _ = taken(tmp_path)
    seen = {str(one.source) for one in settings.mounts if one.target == str(one.source)}
    assert seen == {str(mirror), str(home / "simple")}


def test_paths_from_here_and_from_home(
    tmp_path: Path, pip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, link = tmp_path / "home", tmp_path / "home/link"
    for path in (home / "wheels", home / "more wheels", tmp_path / "near"):
        path.mkdir(parents=True)
    link.symlink_to(home / "more wheels")
    (home / "my company.pem").touch()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PIP_FIND_LINKS", f"near ~/wheels file://{link} none https://x.example/")
    monkeypatch.setenv("PIP_CERT", "~/my company.pem")
    settings, conf = taken(tmp_path)
    more = home / "more wheels"
    assert conf["global"]["find-links"].split() == [
        *(str(tmp_path / "near"), str(home / "wheels"), more.as_uri(), "none"),
        "https://x.example/",
    ]
    assert conf["global"]["cert"] == str(home / "my company.pem")
    seen = {str(one.source) for one in settings.mounts if one.target == str(one.source)}
    assert seen == {
        *(str(tmp_path / "near"), str(home / "wheels"), str(more), str(home / "my company.pem")),
    }


def test_a_certificate_is_where_every_program_looks(tmp_path: Path, pip: Path) -> None:
    bundle = tmp_path / "company.pem"
    bundle.touch()
    pip.write_text(f"[global]\ncert = {bundle}\n")
    settings, _ = taken(tmp_path)
    places = {one.target for one in settings.mounts if one.source == bundle}
    assert places == {str(bundle), "/etc/ssl/certs/ca-certificates.crt"}
    assert settings.environment["SSL_CERT_FILE"] == "/etc/ssl/certs/ca-certificates.crt"


def test_a_certificate_of_the_environment(
    tmp_path: Path, pip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tmp_path / "company.pem"
    bundle.touch()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    settings, _ = taken(tmp_path)
    assert "/etc/ssl/certs/ca-certificates.crt" in {one.target for one in settings.mounts}


def test_without_a_certificate_nothing_is_said_of_one(tmp_path: Path, pip: Path) -> None:
    pip.write_text("[global]\ncert =\n")
    settings, _ = taken(tmp_path)
    assert "SSL_CERT_FILE" not in settings.environment


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("http://127.0.0.1:3141/simple/", "host"),
        ("http://user:pw@localhost/simple/", "host"),
        ("http://[::1]:8080/", "host"),
        ("https://index.example/127.0.0.1/", "bridge"),
        ("https://localhost.example/", "bridge"),
    ],
)
def test_the_host_s_network_is_for_what_is_on_the_host(
    tmp_path: Path, pip: Path, address: str, network: str
) -> None:
    pip.write_text(f"[global]\nindex-url = {address}\n")
    assert taken(tmp_path)[0].network == network


def test_a_proxy_reaches_the_container(
    tmp_path: Path, pip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://localhost:3128")
    settings, _ = taken(tmp_path)
    assert settings.environment["HTTPS_PROXY"] == "http://localhost:3128"
    assert settings.network == "host"


def test_what_needs_no_proxy_does_not_need_the_host_s_network(
    tmp_path: Path, pip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://172.17.0.1:3128")
    monkeypatch.setenv("NO_PROXY", "localhost")
    assert taken(tmp_path)[0].network == "bridge"
