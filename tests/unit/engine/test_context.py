"""Docker's contexts, as the `docker` command itself writes them, without an engine."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import trustme

from alpypy.core.errors import EngineError
from alpypy.engine.address import EngineAddress
from alpypy.engine.connection import engine_answers
from alpypy.engine.context import address_of_context

pytestmark = pytest.mark.skipif(
    shutil.which("docker") is None, reason="needs the docker command: apt-get install docker.io"
)


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for Docker's settings, and no engine of this machine."""
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    return tmp_path / "docker"


def docker(*words: str) -> None:
    subprocess.run(["docker", *words], check=True, capture_output=True)


def create(name: str, endpoint: str) -> None:
    docker("context", "create", name, "--docker", endpoint)


def chosen() -> EngineAddress:
    address = address_of_context()
    assert address
    return address


def test_without_settings_there_is_no_context() -> None:
    assert address_of_context() is None


def test_a_context_is_found_without_a_settings_file(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create("mine", "host=unix:///run/mine.sock")
    assert not (config / "config.json").exists()
    assert address_of_context() is None
    monkeypatch.setenv("DOCKER_CONTEXT", "mine")
    assert (chosen().url, chosen().tls) == ("unix:///run/mine.sock", None)


def test_the_variable_comes_before_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    create("mine", "host=unix:///run/mine.sock")
    create("other", "host=unix:///run/other.sock")
    docker("context", "use", "mine")
    assert chosen().url == "unix:///run/mine.sock"
    monkeypatch.setenv("DOCKER_CONTEXT", "other")
    assert chosen().url == "unix:///run/other.sock"
    monkeypatch.setenv("DOCKER_CONTEXT", "default")
    assert address_of_context() is None


def test_docker_host_comes_before_the_context(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONTEXT", "none")
    monkeypatch.setenv("DOCKER_HOST", "unix:///run/none.sock")
    with pytest.raises(EngineError, match=r"DOCKER_HOST=unix:///run/none.sock: No such file"):
        engine_answers()


def test_settings_are_looked_for_in_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DOCKER_CONFIG")
    monkeypatch.setenv("HOME", str(tmp_path))
    create("mine", "host=unix:///run/mine.sock")
    docker("context", "use", "mine")
    assert chosen().url == "unix:///run/mine.sock"


def test_a_context_that_does_not_exist(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONTEXT", "gone")
    with pytest.raises(EngineError, match=r"no Docker context 'gone' \(DOCKER_CONTEXT names it\)"):
        engine_answers()
    monkeypatch.delenv("DOCKER_CONTEXT")
    config.mkdir()
    (config / "config.json").write_text('{"currentContext": "gone"}')
    with pytest.raises(EngineError, match=r"currentContext of \S+/config.json") as caught:
        engine_answers()
    assert "docker context ls" in caught.value.remedy


def test_a_context_whose_engine_does_not_answer() -> None:
    create("mine", "host=unix:///run/none.sock")
    docker("context", "use", "mine")
    with pytest.raises(EngineError, match=r"context 'mine' .*: No such file") as caught:
        engine_answers()
    assert "DOCKER_CONTEXT=default" in caught.value.remedy


@pytest.mark.parametrize(
    "text",
    ['{"Name": "mine"', "[]", '{"Endpoints": {}}', '{"Endpoints": {"docker": {}}}', "\xff", "3"],
)
def test_a_context_that_is_broken(config: Path, text: str) -> None:
    create("mine", "host=unix:///run/mine.sock")
    docker("context", "use", "mine")
    [meta] = config.glob("contexts/meta/*/meta.json")
    meta.write_text(text, encoding="latin-1")
    with pytest.raises(EngineError, match=str(meta)) as caught:
        engine_answers()
    assert "docker context create" in caught.value.remedy


def test_broken_settings_are_left_aside_as_docker_does(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    create("mine", "host=unix:///run/mine.sock")
    docker("context", "use", "mine")
    (config / "config.json").write_text('{"currentContext": "mine"')
    assert address_of_context() is None
    assert f"settings in {config}/config.json are ignored" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["[]", '{"currentContext": 3}'])
def test_settings_of_another_form_are_an_error(config: Path, text: str) -> None:
    config.mkdir()
    (config / "config.json").write_text(text)
    with pytest.raises(EngineError, match=r"config\.json"):
        engine_answers()


def test_an_engine_behind_ssh_needs_a_package() -> None:
    create("far", "host=ssh://me@far.test")
    docker("context", "use", "far")
    with pytest.raises(EngineError, match="ssh only with the Python package paramiko") as caught:
        engine_answers()
    assert "install paramiko" in caught.value.remedy


def test_an_authority_alone_is_enough_for_tls(tmp_path: Path) -> None:
    path = tmp_path / "authority.pem"
    trustme.CA().cert_pem.write_to_path(path)
    create("far", f"host=tcp://far.test:2376,ca={path}")
    docker("context", "use", "far")
    tls = chosen().tls
    assert tls
    assert (tls.cert, tls.verify) == (None, True)
    assert Path(str(tls.ca_cert)).read_bytes() == path.read_bytes()


def test_a_server_that_is_not_to_be_checked_is_still_spoken_tls_to() -> None:
    create("far", "host=tcp://far.test:2376,skip-tls-verify=true")
    docker("context", "use", "far")
    tls = chosen().tls
    assert tls
    assert tls.verify is False


def test_certificates_that_the_environment_asks_for_are_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    monkeypatch.setenv("DOCKER_CERT_PATH", str(tmp_path))
    with pytest.raises(EngineError, match="certificates cannot be read"):
        engine_answers()
