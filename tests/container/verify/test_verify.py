"""verify on tarballs that are broken in one way each, made from a good one with real musl programs.

The good one has two programs of the base image itself: busybox, which needs only musl, and apk,
which needs libraries that Alpine packages.
"""

from __future__ import annotations

import base64
import bz2
import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from msgspec import structs

from alpypy.core import elf
from alpypy.core.errors import ArchiveError, ImageError, SpecError
from alpypy.core.system import read_system
from alpypy.engine.docker import Engine
from alpypy.engine.job import Job
from alpypy.offline.kit import any_alpine
from alpypy.recipes.manifest import Manifest, Need, ProgramCheck
from alpypy.recipes.spec import Target
from alpypy.verify.findings import Finding, Recorder, load_policy
from alpypy.verify.probes import CleanAlpine
from alpypy.verify.run import Report, own_alpine, verify
from tests import elf_editing
from tests.manifests import MANIFEST
from tests.workspaces import workspace

DIGEST = "0" * 64
MUSL = "libc.musl-x86_64.so.1"
ROOT = Path(__file__).resolve().parents[3]
SYSTEM = ROOT / "dockerfiles/verify/probes/system.sh"
GREETING = ProgramCheck(("bin/busybox", "echo", "hello"), "^hello$")


def shell(script: str, expect: str = "") -> ProgramCheck:
    """A check that runs a line of shell with the tarball's busybox."""
    return ProgramCheck(("bin/busybox", "sh", "-c", script), expect)


@dataclass
class Tarball:
    """A tarball about to be made; a test changes it before that."""

    manifest: Manifest
    files: dict[str, bytes]
    top: str = ""
    name: str = ""
    members: list[tarfile.TarInfo] = field(default_factory=list)
    reverse: bool = False
    alter: Callable[[tarfile.TarInfo], None] = lambda member: None
    document: bytes | None = None

    def change(self, **fields: object) -> None:
        """Replace fields of the metadata."""
        self.manifest = structs.replace(self.manifest, **fields)

    def edit(self, edit: Callable[[bytes], bytes]) -> None:
        """Change the bytes of bin/busybox."""
        self.files["bin/busybox"] = edit(self.files["bin/busybox"])

    def add(self, name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
        """A further member, without content."""
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, link
        self.members.append(member)
        return member

    def write(self, folder: Path) -> Path:
        """Make the file and its .sha256."""
        target = self.manifest.target
        path = folder / (self.name or target.tarball)
        path.write_bytes(bz2.compress(self._archive(self.top or target.folder)))
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        path.with_name(f"{path.name}.sha256").write_text(f"{digest}  {path.name}\n")
        return path

    def _archive(self, top: str) -> bytes:
        document = self.document
        if document is None:
            document = self.manifest.to_json().encode()
        contents = {f"{top}/{name}": data for name, data in self.files.items()}
        if document:
            contents[f"{top}/ALPYPY.json"] = document
        members = [*self.members, *map(tarfile.TarInfo, contents)]
        for folder in (top, f"{top}/bin"):
            member = tarfile.TarInfo(folder)
            member.type = tarfile.DIRTYPE
            members.append(member)
        return _tar(members, contents, self)


def _tar(members: list[tarfile.TarInfo], contents: dict[str, bytes], made: Tarball) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for member in sorted(members, key=lambda one: Path(one.name), reverse=made.reverse):
            data = contents.get(member.name, b"")
            member.size = len(data)
            member.mode = 0o755 if member.mode == 0o644 else member.mode
            made.alter(member)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


@pytest.fixture(scope="session")
def programs(engine: Engine, base_image: str) -> dict[str, bytes]:
    """Programs out of the base image."""
    found = {}
    for name, path in (("bin/busybox", "/bin/busybox"), ("bin/apk", "/sbin/apk")):
        done = engine.run(Job(base_image, ["base64", path]))
        assert done.exit_code == 0, done.output
        found[name] = base64.b64decode(done.output)
    return found


@pytest.fixture(scope="session")
def needs(
    engine: Engine,
    base_image: str,
    programs: dict[str, bytes],
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Need, ...]:
    """What those programs need, and the packages that the base image says it comes from."""
    system = read_system(engine.run(Job(base_image, ["sh", "-c", SYSTEM.read_text()])).output)
    folder, files = tmp_path_factory.mktemp("programs"), []
    for name, data in programs.items():
        (folder / "file").write_bytes(data)
        files.append(elf.read(folder / "file", name))
    found = tuple(Need(name, system.providers[name]) for name in elf.outside_needs(files))
    assert found, "apk needs no library: the tests below would test nothing"
    return found


@pytest.fixture
def tarball(alpine_version: str, programs: dict[str, bytes], needs: tuple[Need, ...]) -> Tarball:
    """A good one."""
    manifest = structs.replace(
        MANIFEST,
        kind="rpython",
        target=Target("rpython-0.2.1", alpine_version),
        executables=("bin/busybox", "bin/apk"),
        needed=needs,
        runtime_packages=tuple(sorted({need.package for need in needs})),
        checks=(GREETING,),
    )
    return Tarball(manifest, dict(programs))


Verify = Callable[[Path], Report]


@pytest.fixture
def check(engine: Engine, base_image: str) -> Verify:
    """verify with the session's engine."""
    return lambda path: verify(workspace(ROOT, engine), path, base_image, timeout=6)


def ids(report: Report) -> set[str]:
    return {finding.check for finding in report.findings}


def test_a_good_tarball_has_no_finding(tarball: Tarball, check: Verify, tmp_path: Path) -> None:
    tarball.change(checks=(GREETING, ProgramCheck(("bin/apk", "--version"), "apk-tools")))
    report = check(tarball.write(tmp_path))
    assert report.findings == ()
    assert report.exit_code == 0
    assert report.checks > 40
    document = json.loads(report.to_json())
    assert document["passed"] is True
    assert document["checks"] == report.checks


def verify_images(engine: Engine, digest: str) -> set[str]:
    """Names of images that the engine holds to verify a tarball in; killed runs leave some."""
    images = engine.client.images.list(name="alpypy-verify")
    return {name for image in images for name in image.tags if digest[:24] in name}


def test_a_version_that_no_image_may_be_called_by(
    tarball: Tarball, check: Verify, tmp_path: Path
) -> None:
    target = replace(tarball.manifest.target, release_version="0.2.1+mine" + "-long" * 30)
    tarball.change(target=target)
    assert check(tarball.write(tmp_path)).findings == ()


def test_the_image_is_removed_and_that_of_another_run_is_not(
    tarball: Tarball, engine: Engine, base_image: str, tmp_path: Path
) -> None:
    tarball.change(checks=(shell("sleep 100"),))
    path = tarball.write(tmp_path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    recorder = Recorder(load_policy(ROOT))
    own_workspace = workspace(ROOT, engine)
    place = CleanAlpine(own_workspace, base_image, tmp_path, timeout=1)
    others = verify_images(engine, digest)
    with place.image(tarball.manifest, digest, recorder) as image:
        own = verify_images(engine, digest) - others
        assert len(own) == 1
        assert verify(own_workspace, path, base_image, timeout=1).exit_code == 1
        assert verify_images(engine, digest) == others | own
        assert image is not None
        assert engine.run(Job(image, ["true"])).exit_code == 0
    assert verify_images(engine, digest) == others


def test_alpine_s_own_image_is_for_what_was_made_without_the_kit(
    tarball: Tarball, engine: Engine, base_image: str, tmp_path: Path
) -> None:
    version = "3.9999"
    engine.client.images.get(base_image).tag("alpine", version)
    try:
        assert own_alpine(tarball.write(tmp_path), engine, version) == f"alpine:{version}"
        tarball.change(image=structs.replace(tarball.manifest.image, kit=True))
        assert own_alpine(tarball.write(tmp_path), engine, version) is None
        tarball.document = b"{"
        assert own_alpine(tarball.write(tmp_path), engine, version) is None
    finally:
        engine.remove_image(f"alpine:{version}")


def test_a_tarball_that_is_not_there_is_an_error(check: Verify, tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="does not exist"):
        check(tmp_path / "none.tar.bz2")


def owner(member: tarfile.TarInfo) -> None:
    member.uid = 1000


def time_of_name(member: tarfile.TarInfo) -> None:
    member.mtime = len(member.name)


def unreadable(member: tarfile.TarInfo) -> None:
    if member.isfile():
        member.mode = 0o700


def not_executable(member: tarfile.TarInfo) -> None:
    if member.isfile():
        member.mode = 0o444


def other_alpine(tarball: Tarball) -> None:
    tarball.change(target=replace(tarball.manifest.target, alpine="3.1"))


def other_architecture(tarball: Tarball) -> None:
    tarball.change(target=replace(tarball.manifest.target, arch="aarch64"))


def inside(tarball: Tarball, name: str) -> str:
    return f"{tarball.manifest.target.folder}/{name}"


def pypy_kind(tarball: Tarball) -> None:
    """Says that it is a PyPy: the probes get a busybox to run on."""
    target = Target("3.11-7.3.22", tarball.manifest.target.alpine)
    tarball.change(kind="pypy", target=target, checks=(), jit=True)


Change = Callable[[Tarball], object]
# What is done to the good tarball, the check that must find it, and a part of what it must say.
BREAKAGES: dict[str, tuple[Change, str, str]] = {
    "other_top_folder": (lambda t: setattr(t, "top", "pypy"), "archive.top", "has pypy at its top"),
    "other_file_name": (
        lambda t: setattr(t, "name", "rpython-0.2.1-alpine3.1.tar.bz2"),
        "manifest.target",
        "is the metadata of",
    ),
    "two_top_folders": (lambda t: t.add("zzz"), "archive.top", "zzz"),
    "absolute_member": (lambda t: t.add("/etc/evil"), "archive.member", "outside"),
    "member_above": (lambda t: t.add("../evil"), "archive.member", "outside"),
    "device": (lambda t: t.add(inside(t, "null"), tarfile.CHRTYPE), "archive.member", "device"),
    "pipe": (lambda t: t.add(inside(t, "pipe"), tarfile.FIFOTYPE), "archive.member", "pipe"),
    "set_user_id": (
        lambda t: setattr(t.add(inside(t, "su")), "mode", 0o4755),
        "archive.member",
        "set-user-ID",
    ),
    "unreadable": (lambda t: setattr(t, "alter", unreadable), "archive.member", "cannot read"),
    "link_outside": (
        lambda t: t.add(inside(t, "l"), tarfile.SYMTYPE, "../../l"),
        "archive.member",
        "outside",
    ),
    "absolute_link": (
        lambda t: t.add(inside(t, "l"), tarfile.SYMTYPE, "/etc/passwd"),
        "archive.member",
        "outside",
    ),
    "dangling_link": (
        lambda t: t.add(inside(t, "l"), tarfile.SYMTYPE, "bin/none"),
        "archive.link",
        "missing file",
    ),
    "order": (lambda t: setattr(t, "reverse", True), "archive.order", "not sorted"),
    "twice": (lambda t: (t.add(inside(t, "x")), t.add(inside(t, "x"))), "archive.order", "twice"),
    "owner": (lambda t: setattr(t, "alter", owner), "archive.owner", "1000:0"),
    "times": (lambda t: setattr(t, "alter", time_of_name), "archive.times", "different times"),
    "no_metadata": (lambda t: setattr(t, "document", b""), "manifest.missing", "is missing"),
    "metadata_not_json": (lambda t: setattr(t, "document", b"{"), "manifest.invalid", "not JSON"),
    "metadata_incomplete": (
        lambda t: setattr(t, "document", b'{"schema": 1}'),
        "manifest.invalid",
        "target is missing",
    ),
    "library_not_declared": (
        lambda t: t.change(needed=t.manifest.needed[1:]),
        "manifest.needed",
        "the ELF files need",
    ),
    "library_declared_in_vain": (
        lambda t: t.change(needed=(*t.manifest.needed, Need("libx.so.1", "zlib"))),
        "elf.needed",
        "in none of the run-time packages",
    ),
    "other_package": (
        lambda t: t.change(needed=(structs.replace(t.manifest.needed[0], package="musl"),)),
        "manifest.needed",
        "not to musl",
    ),
    "package_not_declared": (
        lambda t: t.change(runtime_packages=()),
        "manifest.runtime_packages",
        "not in runtime_packages",
    ),
    "build_package": (
        lambda t: t.change(runtime_packages=(*t.manifest.runtime_packages, "gcc")),
        "manifest.runtime_packages",
        "for building",
    ),
    "program_not_there": (lambda t: t.files.pop("bin/apk"), "manifest.executables", "is missing"),
    "program_not_executable": (
        lambda t: setattr(t, "alter", not_executable),
        "manifest.executables",
        "can execute",
    ),
    "program_is_a_script": (
        lambda t: t.files.update({"bin/apk": b"#!/bin/sh\necho apk-tools\n"}),
        "elf.missing",
        "not an ELF file",
    ),
    "damaged_program": (lambda t: t.edit(lambda d: d[:100]), "elf.damaged", "bin/busybox"),
    "glibc_name": (
        lambda t: t.edit(lambda d: elf_editing.with_needed(d, MUSL, "libc.so.6")),
        "elf.glibc",
        "libc.so.6, which is glibc's",
    ),
    "missing_library": (
        lambda t: t.edit(lambda d: elf_editing.with_needed(d, MUSL, "libnowhere.so.1")),
        "elf.loads",
        "libnowhere.so.1",
    ),
    "executable_stack": (
        lambda t: t.edit(lambda d: elf_editing.with_stack(d, executable=True)),
        "elf.execstack",
        "is executable",
    ),
    "stack_not_said": (
        lambda t: t.edit(lambda d: elf_editing.with_stack(d, executable=False)),
        "elf.execstack",
        "PT_GNU_STACK is missing",
    ),
    "text_relocations": (
        lambda t: t.edit(elf_editing.with_text_relocations),
        "elf.textrel",
        "text relocations",
    ),
    "rpath": (
        lambda t: t.edit(lambda d: elf_editing.with_runpath(d, MUSL)),
        "elf.rpath",
        "looks for libraries in",
    ),
    "interpreter": (
        lambda t: t.edit(lambda d: elf_editing.with_interpreter(d, "/lib/ld-linux.so.2")),
        "elf.interpreter",
        "/lib/ld-linux.so.2",
    ),
    "machine": (
        lambda t: t.edit(lambda d: elf_editing.with_machine(d, elf_editing.AARCH64)),
        "elf.machine",
        "is for aarch64",
    ),
    "other_architecture": (other_architecture, "image.arch", "nothing was run"),
    "other_alpine": (other_alpine, "image.alpine", "not 3.1"),
    "wrong_output": (
        lambda t: t.change(checks=(structs.replace(GREETING, expect="^bye$"),)),
        "run.output",
        "'hello",
    ),
    "exit_code": (lambda t: t.change(checks=(shell("exit 3"),)), "run.program", "exit code 3"),
    "crash": (lambda t: t.change(checks=(shell("kill -SEGV $$"),)), "run.program", "SIGSEGV"),
    "hang": (lambda t: t.change(checks=(shell("sleep 100"),)), "run.program", "hung"),
    "no_jit": (
        lambda t: t.change(checks=(structs.replace(GREETING, jit=True),)),
        "run.jit",
        "compiled no loop",
    ),
    "bound_to_its_folder": (
        lambda t: t.change(checks=(shell("test $PWD = /opt/alpypy"),)),
        "run.program",
        "exit code",
    ),
    "writes_beside_itself": (
        lambda t: t.change(checks=(shell("touch new"),)),
        "run.program",
        "Read-only",
    ),
    "needs_the_compiler": (
        lambda t: t.change(checks=(shell("gcc --version"),)),
        "run.program",
        "exit code 127",
    ),
    "needs_root": (
        lambda t: t.change(checks=(shell("test $(id -u) = 0"),)),
        "run.program",
        "exit code 1",
    ),
    "no_pypy": (pypy_kind, "run.probe", "probe"),
}


@pytest.mark.parametrize("name", BREAKAGES)
def test_a_broken_tarball_is_found(
    name: str, tarball: Tarball, check: Verify, tmp_path: Path
) -> None:
    change, wanted, part = BREAKAGES[name]
    change(tarball)
    report = check(tarball.write(tmp_path))
    found = [finding for finding in report.failures if finding.check == wanted]
    assert found, report.to_text()
    assert any(part in str(finding) for finding in found), report.to_text()
    assert report.exit_code == 1


def test_a_cut_tarball(tarball: Tarball, check: Verify, tmp_path: Path) -> None:
    path = tarball.write(tmp_path)
    path.write_bytes(path.read_bytes()[:-2000])
    assert ids(check(path)) == {"archive.digest", "archive.readable"}


def test_a_tarball_that_was_cut_before_it_was_compressed(
    tarball: Tarball, check: Verify, tmp_path: Path
) -> None:
    path = tarball.write(tmp_path)
    path.write_bytes(bz2.compress(bz2.decompress(path.read_bytes()).rstrip(b"\0")))
    assert "archive.readable" in ids(check(path))


def test_another_digest(tarball: Tarball, check: Verify, tmp_path: Path) -> None:
    path = tarball.write(tmp_path)
    path.with_name(f"{path.name}.sha256").write_text(f"{DIGEST}  {path.name}\n")
    assert ids(check(path)) == {"archive.digest"}


def test_findings_of_several_kinds_are_all_there(
    tarball: Tarball, check: Verify, tmp_path: Path
) -> None:
    tarball.reverse = True
    tarball.edit(elf_editing.with_text_relocations)
    tarball.change(checks=(shell("exit 3"), structs.replace(GREETING, expect="^bye$")))
    found = ids(check(tarball.write(tmp_path)))
    assert found == {"archive.order", "elf.textrel", "run.program", "run.output"}


def test_what_stands_outside_is_never_written(
    tarball: Tarball, check: Verify, tmp_path: Path
) -> None:
    tarball.add(str(tmp_path / "evil"))
    tarball.add("../../evil")
    report = check(tarball.write(tmp_path))
    assert {finding.subject for finding in report.failures} >= {"../../evil"}
    assert not (tmp_path / "evil").exists()


def test_every_probe_without_a_python_is_a_finding(
    tarball: Tarball, check: Verify, tmp_path: Path
) -> None:
    pypy_kind(tarball)
    tarball.change(target=replace(tarball.manifest.target, portable=True))
    findings = [one for one in check(tarball.write(tmp_path)).findings if one.check == "run.probe"]
    named = {finding.subject.split()[1] for finding in findings}
    scripts = {path.stem.removeprefix("probe_") for path in SYSTEM.parent.glob("probe_*.py")}
    assert named == scripts
    assert all(isinstance(finding, Finding) and finding.message for finding in findings)


def changed(engine: Engine, base_image: str, folder: Path, change: str) -> str:
    """The ID of an image that differs from the base by what a line of shell does."""
    (folder / "Dockerfile").write_text(f"FROM {base_image}\nRUN {change}\n")
    tag = f"alpypy-test:{folder.name}"
    return engine.build(folder, tag=tag, arguments={}, labels={}, network=False)


@pytest.fixture
def other_image(
    engine: Engine, base_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """An Alpine that says that it is 3.13.12."""
    folder = tmp_path_factory.mktemp("other")
    image = changed(engine, base_image, folder, "echo 3.13.12 > /etc/alpine-release")
    yield image
    engine.remove_image(f"alpypy-test:{folder.name}")


def of_programs(report: Report) -> list[Finding]:
    """The findings of running programs; the tarball's own files are no portable ones."""
    return [one for one in report.findings if not one.check.startswith(("portable.", "manifest."))]


def test_a_portable_one_runs_on_several_alpines(
    tarball: Tarball, engine: Engine, base_image: str, other_image: str, tmp_path: Path
) -> None:
    release = engine.alpine_release(base_image)
    assert release
    old = shell("test $(cat /etc/alpine-release) != 3.13.12")
    tarball.files.pop("bin/apk")
    target = replace(tarball.manifest.target, portable=True)
    tarball.change(target=target, checks=(GREETING, old, shell("exit 3")))
    tarball.change(needed=(), runtime_packages=(), executables=("bin/busybox",))
    path = tarball.write(tmp_path)
    report = verify(workspace(ROOT, engine), path, base_image, other_image, timeout=6)
    assert report.alpine == (release, "3.13.12")
    found = {one.subject.split(" (")[0]: one.alpine for one in of_programs(report)}
    command = "bin/busybox sh -c"
    assert found == {
        f"{command} exit 3": (release, "3.13.12"),
        f"{command} {old.command[-1]}".split(" (")[0]: ("3.13.12",),
    }
    text = report.to_text()
    assert f"on Alpine {release}, 3.13.12" in text.splitlines()[-1]
    assert json.loads(report.to_json())["alpine"] == [release, "3.13.12"]


def test_any_alpine_will_do_for_a_portable_one(
    engine: Engine, base_image: str, other_image: str, tmp_path: Path
) -> None:
    assert any_alpine(engine, other_image, "x86_64") == other_image
    with pytest.raises(ImageError, match="not aarch64"):
        any_alpine(engine, other_image, "aarch64")
    image = changed(engine, base_image, tmp_path, "rm /etc/alpine-release")
    try:
        with pytest.raises(SpecError, match="is no Alpine"):
            any_alpine(engine, image, "x86_64")
    finally:
        engine.remove_image(f"alpypy-test:{tmp_path.name}")
