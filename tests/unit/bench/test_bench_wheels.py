"""The wheels that measured interpreters import: from an index, with the locked digests."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from alpypy.bench.wheels import InstalledWheels
from alpypy.core.errors import DigestError, DownloadError
from alpypy.core.files import file_digest
from alpypy.core.store import Store

ROOT = Path(__file__).parents[3]
METADATA = "Metadata-Version: 2.1\nName: tiny\nVersion: 1\nRequires-Dist: gone\n"
WHEEL = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {}\n"


@pytest.fixture
def publish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Puts a wheel with a tag into the only place where pip looks."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))

    def publish(tag: str) -> Path:
        path = folder / f"tiny-1-{tag}.whl"
        with zipfile.ZipFile(path, "w") as wheel:
            wheel.writestr("tiny.py", "")
            wheel.writestr("tiny-1.dist-info/METADATA", METADATA)
            wheel.writestr("tiny-1.dist-info/WHEEL", WHEEL.format(tag))
            wheel.writestr("tiny-1.dist-info/RECORD", "")
        return path

    return publish


def install(folder: Path, digest: str) -> Path:
    """Install what a lock file with this digest pins."""
    lock = folder / "data/benchmarks/requirements.lock"
    lock.parent.mkdir(parents=True)
    lock.write_text(f"tiny==1 --hash=sha256:{digest}\n")
    store = Store(folder / "cache")
    return store.run(InstalledWheels(store, folder / "data"))


def test_what_is_locked_is_installed_alone(publish: Callable[[str], Path], tmp_path: Path) -> None:
    found = install(tmp_path, file_digest(publish("py3-none-any")))
    assert (found / "tiny.py").is_file()
    assert not list(found.rglob("*.pyc"))


def test_another_file_is_refused(publish: Callable[[str], Path], tmp_path: Path) -> None:
    publish("py3-none-any")
    with pytest.raises(DigestError, match="Got"):
        install(tmp_path, "0" * 64)


def test_a_wheel_with_compiled_code_is_not_taken(
    publish: Callable[[str], Path], tmp_path: Path
) -> None:
    wheel = publish("cp311-cp311-linux_x86_64")
    with pytest.raises(DownloadError, match="No matching distribution found for tiny==1"):
        install(tmp_path, file_digest(wheel))


def test_all_locked_wheels_have_digests() -> None:
    lines = (ROOT / "benchmarks/requirements.lock").read_text().splitlines()
    pinned = [line for line in lines if "==" in line]
    wanted = (ROOT / "benchmarks/requirements.in").read_text().splitlines()
    names = [line.partition("  #")[0] for line in wanted if "==" in line]
    assert set(names) <= {line.removesuffix(" \\") for line in pinned}
    assert all(line.endswith("\\") for line in pinned)
