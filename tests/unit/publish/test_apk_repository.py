"""The Alpine repository of a release: its key, its packages, read back by the format's rules."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import shutil
import signal
import subprocess
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from msgspec import structs

from alpypy.cli.program import Program
from alpypy.core.errors import AlpypyError, ReleaseError, SpecError
from alpypy.publish.apk_files import INDEX, remove_repository, repository_files
from alpypy.publish.apk_format import read_index
from alpypy.publish.apk_key import ApkKey, load_key
from alpypy.publish.apk_layout import default_version, package_version, place
from alpypy.publish.apk_publish import check_repository, publish_repository
from alpypy.publish.apk_repository import write_repository
from alpypy.publish.destination import FolderDestination
from alpypy.publish.index import ReleasedTarball, ReleaseIndex
from alpypy.publish.publish import publish
from alpypy.recipes.manifest import Need
from alpypy.recipes.spec import Target
from alpypy.verify import receipt
from tests.alpine_packages import LONG, made_up, manifest_of, write_key, write_other_key
from tests.releases import DATE

STABLE = Target("3.11-8.0.0", "3.23")
TREE = Target("3.12-8.0.0-alpha", "3.23", release_version="3.12-8.0.0-alpha+762c531b493")
OLD = Target("3.11-7.3.22", "3.9")
DATED = "8.0.0_alpha_git20261121-r0"  # of TREE
OTHER_TREE = f"{TREE.release}+1111111"
PLACE = Path("apk/v3.23/x86_64")


def _tar(name: str, text: str) -> bytes:
    """An archive with one file, as somebody else may write it."""
    buffer, member = io.BytesIO(), tarfile.TarInfo(name)
    member.size = len(text)
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        archive.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


def _with_entries(text: str) -> bytes:
    """An index with these entries below a signature's name, and nothing that is signed."""
    signature = gzip.decompress(_tar(".SIGN.RSA.alpypy-1a2b3c4d.rsa.pub", "x"))[:1024]
    return gzip.compress(signature + gzip.decompress(_tar("APKINDEX", text)))


DAMAGES: Mapping[str, Callable[[bytes], bytes]] = {
    "text": lambda _: b"no index",
    "empty": lambda _: b"",
    "short": lambda content: content[: len(content) - 100],
    "changed": lambda content: content[:-150] + bytes(50) + content[-100:],
    "no version": lambda _: _with_entries("P:pypy3\n\n"),
    "no fields": lambda _: _with_entries("pypy3\n\n"),
    "no entries": lambda _: _tar(".SIGN.RSA.alpypy-1a2b3c4d.rsa.pub", "x"),
    "foreign": lambda _: _tar(".SIGN.RSA.me@example.org.rsa.pub", "x"),
    "unsigned": lambda _: _tar("APKINDEX", "P:x\nV:1\n"),
}


@pytest.fixture(scope="session")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_key(tmp_path_factory.mktemp("key") / "own.rsa")


@pytest.fixture
def key(key_file: Path) -> ApkKey:
    return load_key(key_file)


@pytest.fixture
def openssl() -> str:
    """The program with which maintainers make keys."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("apt-get install openssl")
    return program


@pytest.fixture
def release(tmp_path: Path) -> Path:
    folder = tmp_path / "release"
    folder.mkdir()
    return folder


def write(folder: Path, key: ApkKey, *made: ReleasedTarball) -> Sequence[str]:
    """What is said while a repository is written."""
    said = list[str]()
    index = ReleaseIndex.of(made, None)
    write_repository(index, folder, key, {"3.11-8.0.0", "3.11-7.3.22"}, said.append)
    return said


def segments(path: Path) -> list[bytes]:
    """The gzip members of a file, each still compressed."""
    content, found = path.read_bytes(), []
    while content:
        reader = zlib.decompressobj(wbits=31)
        reader.decompress(content)
        assert reader.eof
        found.append(content[: len(content) - len(reader.unused_data)])
        content = reader.unused_data
    return found


def opened(segment: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(segment))) as tar:
        return {member.name: tar.getmember(member.name) for member in tar}


def text(segment: bytes, name: str) -> str:
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(segment))) as tar:
        content = tar.extractfile(name)
        assert content
        return content.read().decode()


def require_signed(signature: bytes, content: bytes, key: ApkKey) -> None:
    """Fail unless the signature is the key's, over this content."""
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(signature))) as tar:
        (member,) = tar
        signed = tar.extractfile(member)
        assert member.name == f".SIGN.RSA.{key.name}"
        assert signed
        public = serialization.load_pem_public_key(key.public)
        assert isinstance(public, rsa.RSAPublicKey)
        public.verify(signed.read(), content, padding.PKCS1v15(), hashes.SHA1())
    assert not gzip.decompress(signature).endswith(bytes(1024))


def contents(folder: Path) -> dict[str, str]:
    return {
        str(file): hashlib.sha256((folder / file).read_bytes()).hexdigest()
        for file in repository_files(folder)
    }


class TestTheKey:
    def test_its_name_is_that_of_its_public_half(
        self, key_file: Path, tmp_path: Path, openssl: str
    ) -> None:
        key = load_key(key_file)
        command = [openssl, "rsa", "-in", str(key_file), "-pubout"]
        public = subprocess.run(command, check=True, capture_output=True).stdout
        assert key.public == public
        assert key.name == f"alpypy-{hashlib.sha256(public).hexdigest()[:8]}.rsa.pub"
        (tmp_path / "another name").write_bytes(key_file.read_bytes())
        assert load_key(tmp_path / "another name").name == key.name

    def test_a_missing_one_is_not_made(self, tmp_path: Path) -> None:
        path = tmp_path / "my key.rsa"
        with pytest.raises(SpecError, match="does not exist") as caught:
            load_key(path)
        assert f"openssl genrsa -out '{path}' 4096" in caught.value.remedy
        assert not path.exists()

    def test_openssl_makes_one_as_the_message_says(self, tmp_path: Path, openssl: str) -> None:
        path = tmp_path / "new.rsa"
        with pytest.raises(SpecError) as caught:
            load_key(path)
        said = caught.value.remedy.rpartition("yourself: ")[2].split()
        assert (said[0], said[-1]) == ("openssl", "4096")
        # With fewer bits, which take a fraction of the time.
        subprocess.run([openssl, *said[1:-1], "2048"], check=True, capture_output=True)
        assert load_key(path).public.startswith(b"-----BEGIN PUBLIC KEY-----")

    @pytest.mark.parametrize(
        ("kind", "says"),
        [
            ("text", "is not a private key in PEM"),
            ("public", "is not a private key in PEM"),
            ("ec", "is not an RSA key"),
            ("small", "has 1024 bits"),
            ("encrypted", "is encrypted"),
            ("folder", "cannot be read"),
        ],
    )
    def test_what_is_no_key_for_apk(
        self, kind: str, says: str, key: ApkKey, tmp_path: Path
    ) -> None:
        path = tmp_path / "key"
        match kind:
            case "text":
                path.write_text("no key")
            case "public":
                path.write_bytes(key.public)
            case "ec":
                write_other_key(path)
            case "small":
                write_key(path, 1024)
            case "encrypted":
                write_key(path, password=b"secret")
            case "folder":
                path.mkdir()
        with pytest.raises(SpecError, match=says) as caught:
            load_key(path)
        assert "openssl" in caught.value.remedy


class TestTheLayout:
    @pytest.mark.parametrize(
        ("name", "placed"),
        [
            ("bin/pypy3.12", ("", "usr/bin/pypy3.12")),
            ("bin/libpypy3.12-c.so", ("", "usr/lib/libpypy3.12-c.so")),
            ("bin/pypy3", None),
            ("bin/python", None),
            ("lib/pypy3.12/os.py", ("", "usr/lib/pypy3.12/os.py")),
            ("lib/pypy3.12/test/test_os.py", ("-tests", "usr/lib/pypy3.12/test/test_os.py")),
            ("lib/pypy3.12/unittest/test/a.py", ("-tests", "usr/lib/pypy3.12/unittest/test/a.py")),
            ("lib/pypy3.12/lib2to3/tests/a.py", ("-tests", "usr/lib/pypy3.12/lib2to3/tests/a.py")),
            ("lib/pypy3.12/_testcapi.x.so", ("-tests", "usr/lib/pypy3.12/_testcapi.x.so")),
            ("lib/pypy3.12/_ctypes_test.c", ("-tests", "usr/lib/pypy3.12/_ctypes_test.c")),
            ("lib/pypy3.12/doctest.py", ("", "usr/lib/pypy3.12/doctest.py")),
            ("lib/pypy3.12/unittest/test", ("", "usr/lib/pypy3.12/unittest/test")),
            ("lib/pypy3.12/site-packages/test/a", ("", "usr/lib/pypy3.12/site-packages/test/a")),
            ("include/pypy3.12/Python.h", ("-dev", "usr/include/pypy3.12/Python.h")),
            ("LICENSE", ("", "usr/share/licenses/pypy3.12/LICENSE")),
            ("ALPYPY.json", ("", "usr/lib/pypy3.12/ALPYPY.json")),
            ("README.rst", None),
        ],
    )
    def test_places(self, name: str, placed: tuple[str, str] | None) -> None:
        assert place(name, manifest_of(TREE)) == placed

    def test_versions(self) -> None:
        assert package_version(OLD, DATE) == "7.3.22-r0"
        assert package_version(Target("3.12-8.0.0-rc1", "3.23"), DATE) == "8.0.0_rc1-r0"
        assert default_version(Target("3.11-8.0.0-beta2", "3.23"), DATE) == "8.0.0_beta2_p311-r0"

    def test_trees_have_the_day_of_verify_in_their_versions(self) -> None:
        assert package_version(TREE, "2026-11-21T14:05:00Z") == "8.0.0_alpha_git20261121-r0"
        assert default_version(TREE, "2026-12-01T00:00:00Z") == "8.0.0_alpha_git20261201_p312-r0"
        tree = Target("3.11-7.3.22", "3.23", release_version="3.11-7.3.22+762c531b493")
        assert package_version(tree, "2026-11-21T14:05:00Z") == "7.3.22_git20261121-r0"


class TestThePackages:
    def test_files_of_a_repository(self, release: Path, key: ApkKey) -> None:
        write(release, key, made_up(release, STABLE), made_up(release, OLD))
        assert contents(release).keys() == {
            f"keys/{key.name}",
            *(
                f"apk/{alpine}/x86_64/{name}"
                for alpine, pypy, default in (
                    ("v3.23", "8.0.0-r0", "8.0.0_p311-r0"),
                    ("v3.9", "7.3.22-r0", "7.3.22_p311-r0"),
                )
                for name in (
                    INDEX,
                    *(f"pypy3.11{part}-{pypy}.apk" for part in ("", "-dev", "-tests")),
                    *(f"pypy3{part}-{default}.apk" for part in ("", "-dev", "-tests")),
                )
            ),
        }
        assert (release / "keys" / key.name).read_bytes() == key.public
        assert not list(release.glob(".apk-*"))

    def test_a_package(self, release: Path, key: ApkKey) -> None:
        write(release, key, made_up(release, TREE, (Need("libffi.so.8", "libffi"),)))
        signature, control, data = segments(release / PLACE / f"pypy3.12-{DATED}.apk")
        require_signed(signature, control, key)
        assert not gzip.decompress(control).endswith(bytes(1024))
        info = [line.split(" = ", 1) for line in text(control, ".PKGINFO").splitlines()]
        assert info[:9] == [
            ["pkgname", "pypy3.12"],
            ["pkgver", "8.0.0_alpha_git20261121-r0"],
            ["pkgdesc", "Python 3.12 with a JIT compiler: PyPy 8.0.0-alpha+762c531b493"],
            ["url", "https://pypy.org/"],
            ["size", info[4][1]],
            ["arch", "x86_64"],
            ["origin", "pypy3.12"],
            ["license", "MIT"],
            ["depend", "so:libc.musl-x86_64.so.1"],
        ]
        assert info[9:] == [
            ["depend", "so:libffi.so.8"],
            ["provides", "cmd:pypy3.12=8.0.0_alpha_git20261121-r0"],
            ["datahash", hashlib.sha256(data).hexdigest()],
        ]
        files = opened(data)
        assert int(info[4][1]) == sum(member.size for member in files.values())
        assert [*files] == [
            "usr",
            "usr/lib",
            "usr/lib/pypy3.12",
            "usr/lib/pypy3.12/ALPYPY.json",
            "usr/share",
            "usr/share/licenses",
            "usr/share/licenses/pypy3.12",
            "usr/share/licenses/pypy3.12/LICENSE",
            "usr/lib/libpypy3.12-c.so",
            "usr/bin",
            "usr/bin/pypy3.12",
            "usr/lib/pypy3.12/os.py",
            "usr/lib/pypy3.12/site-packages",
            "usr/lib/pypy3.12/site-packages/README",
        ]

    def test_every_file_has_its_checksum_and_belongs_to_root(
        self, release: Path, key: ApkKey
    ) -> None:
        write(release, key, made_up(release, STABLE))
        for path in (release / PLACE).glob("*.apk"):
            for member in opened(segments(path)[2]).values():
                assert (member.uid, member.gid, member.uname, member.gname) == (0, 0, *["root"] * 2)
                checksum = member.pax_headers.get("APK-TOOLS.checksum.SHA1")
                if member.isdir():
                    assert (checksum, member.mode) == (None, 0o755)
                elif member.issym():
                    assert checksum == hashlib.sha1(member.linkname.encode()).hexdigest()
                else:
                    assert len(checksum or "") == 40
        files = opened(segments(release / PLACE / "pypy3.11-8.0.0-r0.apk")[2])
        os_py, program = files["usr/lib/pypy3.11/os.py"], files["usr/bin/pypy3.11"]
        assert os_py.pax_headers["APK-TOOLS.checksum.SHA1"] == hashlib.sha1(b"text\n").hexdigest()
        assert (os_py.mode, program.mode) == (0o644, 0o755)

    def test_headers_and_tests_are_apart(self, release: Path, key: ApkKey) -> None:
        write(release, key, made_up(release, STABLE))
        signature, control, data = segments(release / PLACE / "pypy3.11-dev-8.0.0-r0.apk")
        require_signed(signature, control, key)
        assert "depend = pypy3.11=8.0.0-r0\n" in text(control, ".PKGINFO")
        assert [*opened(control)] == [".PKGINFO"]
        assert "usr/include/pypy3.11/Python.h" in opened(data)
        _, control, data = segments(release / PLACE / "pypy3.11-tests-8.0.0-r0.apk")
        assert [name for name, member in opened(data).items() if member.isfile()] == [
            "usr/lib/pypy3.11/_testcapi.py",
            f"usr/lib/pypy3.11/test/{LONG}/{LONG}.py",
        ]

    def test_what_has_python_files_removes_bytecode(self, release: Path, key: ApkKey) -> None:
        write(release, key, made_up(release, STABLE))
        for part in ("", "-tests"):
            _, control, _ = segments(release / PLACE / f"pypy3.11{part}-8.0.0-r0.apk")
            members = opened(control)
            assert [*members] == [".PKGINFO", ".pre-deinstall", ".pre-upgrade"]
            assert members[".pre-deinstall"].mode == 0o755
            assert " /usr/lib/pypy3.11 -name __pycache__ " in text(control, ".pre-upgrade")

    def test_the_newest_stable_pypy_is_the_default(self, release: Path, key: ApkKey) -> None:
        write(release, key, made_up(release, TREE), made_up(release, STABLE))
        signature, control, data = segments(release / PLACE / "pypy3-8.0.0_p311-r0.apk")
        require_signed(signature, control, key)
        info = text(control, ".PKGINFO")
        assert "\ndepend = pypy3.11=8.0.0-r0\n" in info
        assert "\nprovides = cmd:pypy3=8.0.0_p311-r0\n" in info
        # With 0, apk would unpack nothing.
        assert f"\nsize = {len('pypy3.11')}\n" in info
        assert opened(data)["usr/bin/pypy3"].linkname == "pypy3.11"
        _, control, data = segments(release / PLACE / "pypy3-dev-8.0.0_p311-r0.apk")
        assert "\ndepend = pypy3.11-dev=8.0.0-r0\n" in text(control, ".PKGINFO")
        assert opened(data) == {}

    def test_without_a_stable_one_the_newest_is_the_default(
        self, release: Path, key: ApkKey
    ) -> None:
        write(release, key, made_up(release, TREE))
        assert (release / PLACE / "pypy3-8.0.0_alpha_git20261121_p312-r0.apk").is_file()

    def test_the_index(self, release: Path, key: ApkKey) -> None:
        write(release, key, made_up(release, TREE), made_up(release, STABLE))
        path = release / PLACE / INDEX
        signature, index = segments(path)
        require_signed(signature, index, key)
        with pytest.raises(InvalidSignature):
            require_signed(signature, index + b"\0", key)
        assert {*read_index(path)} == {file.name for file in path.parent.glob("*.apk")}
        entries = text(index, "APKINDEX").strip().split("\n\n")
        for entry in entries:
            fields = dict(line.split(":", 1) for line in entry.splitlines())
            package = path.parent / f"{fields['P']}-{fields['V']}.apk"
            control = segments(package)[1]
            identity = base64.b64encode(hashlib.sha1(control).digest()).decode()
            assert fields["C"] == f"Q1{identity}"
            assert fields["S"] == str(package.stat().st_size)
            assert f"\nsize = {fields['I']}\n" in text(control, ".PKGINFO")
            assert f"\norigin = {fields['o']}\n" in text(control, ".PKGINFO")
            assert fields["D"].split() == [
                line.removeprefix("depend = ")
                for line in text(control, ".PKGINFO").splitlines()
                if line.startswith("depend")
            ]

    def test_the_same_key_and_tarballs_give_the_same_files(
        self, release: Path, key: ApkKey, tmp_path: Path
    ) -> None:
        made = made_up(release, STABLE)
        write(release, key, made)
        first = contents(release)
        write(release, key, made)
        assert contents(release) == first
        other = load_key(write_key(tmp_path / "other.rsa"))
        write(release, other, made)
        second = contents(release)
        assert second.keys() - first.keys() == {f"keys/{other.name}"}
        assert all(second[name] != first[name] for name in second.keys() & first.keys())

    def test_the_private_key_is_nowhere(self, release: Path, key: ApkKey, key_file: Path) -> None:
        write(release, key, made_up(release, STABLE))
        secret = key_file.read_bytes().splitlines()[1]
        for file in repository_files(release):
            assert secret not in (release / file).read_bytes()
            assert b"PRIVATE" not in (release / file).read_bytes()
        assert "PRIVATE" not in repr(key)


class TestWhichPypys:
    def test_what_has_no_packages_is_said(self, release: Path, key: ApkKey) -> None:
        renamed = Target("3.11-8.0.0", "3.23", release_version="3.11-8.0.0-libressl")
        python2 = Target("2.7-7.3.22", "3.23")
        others = [made_up(release, target) for target in (python2, renamed)]
        said = write(release, key, made_up(release, STABLE), *others)
        assert said == [
            "not in apk/: pypy-3.11-8.0.0-libressl-alpine3.23.tar.bz2: 3.11-8.0.0-libressl is a"
            " version that no package can have",
            "not in apk/: pypy-2.7-7.3.22-alpine3.23.tar.bz2: packages are made of PyPys from"
            " Python 3.8 on",
            "apk: packages for Alpine 3.23 on x86_64",
        ]
        with pytest.raises(SpecError, match="can be an Alpine package"):
            write(release, key, *others)

    def test_two_of_one_package_are_refused(self, release: Path, key: ApkKey) -> None:
        other = Target(TREE.release, "3.23", release_version=f"{TREE.release}+1111111")
        with pytest.raises(ReleaseError, match=f"would both be pypy3.12-{DATED}.apk"):
            write(release, key, made_up(release, TREE), made_up(release, other))
        assert repository_files(release) == []


class TestCommands:
    @pytest.fixture(autouse=True)
    def artifacts(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
        """A verified PyPy; what the commands do with signals is undone."""
        before = signal.getsignal(signal.SIGTERM)
        folder = tmp_path / "artifacts"
        folder.mkdir()
        monkeypatch.setattr("alpypy.cli.releases.artifacts_folder", lambda: folder)
        made = made_up(folder, STABLE)
        receipt.keep(folder / made.file, made.verify)
        yield folder
        signal.signal(signal.SIGTERM, before)

    def refuses(self, *words: str, error: type[AlpypyError] = SpecError) -> None:
        with pytest.raises(SystemExit) as caught:
            Program().run(["alpypy", *words])
        assert caught.value.code == error.exit_code

    def test_release_and_publish(
        self,
        artifacts: Path,
        key_file: Path,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        Program().run(["alpypy", "release", "--apk-key", str(key_file)])
        name = load_key(key_file).name
        out = artifacts / "release"
        assert f"{out}/apk: 6 Alpine packages, signed; keys/{name}\n" in capsys.readouterr().out
        Program().run(["alpypy", "publish", "--to", str(tmp_path / "there")])
        assert contents(tmp_path / "there") == contents(out)
        Program().run(["alpypy", "release"])
        assert f"{out}: apk/ and keys/ are removed; --apk-key" in capsys.readouterr().err
        assert repository_files(out) == []

    def test_a_run_that_fails_leaves_no_repository_of_earlier_tarballs(
        self, artifacts: Path, key_file: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        Program().run(["alpypy", "release", "--apk-key", str(key_file)])
        for commit in ("1111111", "2222222"):
            tree = Target(TREE.release, "3.23", release_version=f"{TREE.release}+{commit}")
            made = made_up(artifacts, tree)
            receipt.keep(artifacts / made.file, made.verify)
        self.refuses("release", "--apk-key", str(key_file), error=ReleaseError)
        assert "would both be pypy3.12-8.0.0_alpha_git20261121-r0.apk" in capsys.readouterr().err
        assert repository_files(artifacts / "release") == []

    def test_a_damaged_index_stops_before_anything_is_published(
        self,
        artifacts: Path,
        key_file: Path,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        there = tmp_path / "there"
        Program().run(["alpypy", "release", "--apk-key", str(key_file)])
        Program().run(["alpypy", "publish", "--to", str(there)])
        (there / PLACE / INDEX).write_bytes((there / PLACE / INDEX).read_bytes()[:-100])
        before = {path: path.read_bytes() for path in there.rglob("*") if path.is_file()}
        made = made_up(artifacts, TREE)
        receipt.keep(artifacts / made.file, made.verify)
        Program().run(["alpypy", "release", "--apk-key", str(key_file)])
        self.refuses("publish", "--to", str(there), error=ReleaseError)
        assert f"{there / PLACE / INDEX} is damaged: " in capsys.readouterr().err
        assert {path: path.read_bytes() for path in there.rglob("*") if path.is_file()} == before

    def test_the_repository_is_there_before_the_index_of_the_release(
        self, artifacts: Path, key_file: Path, tmp_path: Path
    ) -> None:
        found = list[dict[str, str]]()

        class Watched(FolderDestination):
            def finish(self, index: ReleaseIndex) -> ReleaseIndex:
                found.append(contents(self.folder))
                return super().finish(index)

        Program().run(["alpypy", "release", "--apk-key", str(key_file)])
        publish(artifacts / "release", Watched(tmp_path / "there"), print)
        assert found == [contents(artifacts / "release")]

    def test_somebody_elses_files_stay(
        self,
        artifacts: Path,
        key_file: Path,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        index = tmp_path / "there" / PLACE / INDEX
        index.parent.mkdir(parents=True)
        index.write_text("not a release")
        self.refuses("release", "--out", str(tmp_path / "there"), "--apk-key", str(key_file))
        assert "exists and is not a release" in capsys.readouterr().err
        Program().run(["alpypy", "release", "--apk-key", str(key_file)])
        self.refuses("publish", "--to", str(tmp_path / "there"))
        assert "but there are other files: apk" in capsys.readouterr().err
        assert index.read_text() == "not a release"
        assert [*(tmp_path / "there").iterdir()] == [tmp_path / "there" / "apk"]

    def test_a_missing_key_stops_before_anything_is_written(
        self, artifacts: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.refuses("release", "--apk-key", "missing.rsa")
        assert "openssl genrsa -out missing.rsa 4096" in capsys.readouterr().err
        assert not (artifacts / "release").exists()

    def test_a_key_in_the_release_is_refused(
        self, artifacts: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = artifacts / "release" / "own.rsa"
        self.refuses("release", "--apk-key", str(path))
        assert "is in the release, which everybody can read" in capsys.readouterr().err


class TestTheRepositoryFolder:
    def test_what_is_no_longer_released_goes_and_other_files_stay(
        self, release: Path, key: ApkKey
    ) -> None:
        made = made_up(release, STABLE)
        write(release, key, made, made_up(release, OLD))
        (release / "keys/mine").write_text("mine")
        write(release, key, made)
        assert {file.parts[1] for file in repository_files(release)} == {"v3.23", key.name}
        assert not (release / "apk/v3.9").exists()
        assert remove_repository(release)
        assert not remove_repository(release)
        assert not (release / "apk").exists()
        assert (release / "keys/mine").read_text() == "mine"

    def test_publishing(self, release: Path, key: ApkKey, tmp_path: Path) -> None:
        there, said = tmp_path / "there", list[str]()
        write(release, key, made_up(release, STABLE))
        publish_repository(release, there, said.append)
        assert contents(there) == contents(release)
        first = contents(there)
        newer = Target("3.11-8.0.1", "3.23")
        write(release, key, made_up(release, newer))
        check_repository(release, there)
        publish_repository(release, there, said.append)
        assert contents(there) == {**first, **contents(release)}
        gone = [file.partition("x86_64/")[2] for file in first if "8.0.0" in file]
        index = PLACE / INDEX
        assert said == [
            f"no longer in {index}: {name}, which is not in this release" for name in sorted(gone)
        ]

    def test_github_has_no_folders(self, release: Path, key: ApkKey) -> None:
        said = list[str]()
        check_repository(release, None)
        publish_repository(release, None, said.append)
        assert said == []
        write(release, key, made_up(release, STABLE))
        publish_repository(release, None, said.append)
        assert said == ["apk/ and keys/ are not published: GitHub Releases has no folders"]

    def test_a_published_package_is_never_replaced(
        self, release: Path, key: ApkKey, tmp_path: Path
    ) -> None:
        there = tmp_path / "there"
        made = made_up(release, STABLE)
        write(release, key, made)
        publish_repository(release, there, print)
        before = contents(there)
        write(release, load_key(write_key(tmp_path / "other.rsa")), made)
        with pytest.raises(ReleaseError, match=f"it is signed with {key.name}, and") as caught:
            check_repository(release, there)
        assert "sign with the key of the published packages" in caught.value.remedy
        rebuilt = tmp_path / "rebuilt"
        write(rebuilt, key, made_up(rebuilt, STABLE, (Need("libffi.so.8", "libffi"),)))
        with pytest.raises(ReleaseError, match="another build of the same version, or another z"):
            check_repository(rebuilt, there)
        write(release, key, made)
        (there / "keys" / key.name).write_text("no key")
        with pytest.raises(ReleaseError, match="it is damaged"):
            check_repository(release, there)
        (there / "keys" / key.name).write_bytes(key.public)
        assert contents(there) == before

    def test_a_tree_of_another_day_is_published_beside_the_earlier_one(
        self, release: Path, key: ApkKey, tmp_path: Path
    ) -> None:
        there, said = tmp_path / "there", list[str]()
        write(release, key, made_up(release, TREE))
        publish_repository(release, there, said.append)
        first = contents(there)
        made = made_up(release, Target(TREE.release, "3.23", release_version=OTHER_TREE))
        report = structs.replace(made.verify, date="2026-11-22T00:00:00Z")
        write(release, key, replace(made, verify=report))
        check_repository(release, there)
        publish_repository(release, there, said.append)
        assert contents(there) == {**first, **contents(release)}
        assert len(contents(there)) == 1 + 2 * 6 + 1

    @pytest.mark.parametrize("damage", DAMAGES)
    def test_an_index_that_cannot_be_read_is_refused(
        self, damage: str, release: Path, key: ApkKey, tmp_path: Path
    ) -> None:
        there = tmp_path / "there"
        write(release, key, made_up(release, STABLE))
        publish_repository(release, there, print)
        path = there / PLACE / INDEX
        content = path.read_bytes()
        path.write_bytes(DAMAGES[damage](content))
        with pytest.raises(ReleaseError, match=f"{INDEX} is ") as caught:
            check_repository(release, there)
        assert "--to another" in caught.value.remedy or "remove it" in caught.value.remedy
        path.write_bytes(content)
        check_repository(release, there)
        (release / PLACE / INDEX).write_bytes(content[:200])
        with pytest.raises(ReleaseError, match=f"{INDEX} is damaged"):
            check_repository(release, there)
