"""Checks of a tarball without running its programs: the archive, its metadata, its ELF files."""

from __future__ import annotations

import bz2
import errno
import hashlib
import itertools
import os
import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from alpypy.core import elf
from alpypy.core.archive import BROKEN
from alpypy.core.elf import ElfFile, Stack
from alpypy.core.errors import ArchiveError, ResourceError
from alpypy.core.tar import tarfile
from alpypy.recipes.manifest import FILE_NAME, Manifest
from alpypy.verify.findings import Recorder

_CHUNK = 1 << 20
_END = bytes(1024)  # a tar archive ends with two empty blocks of 512 bytes
_NAME_MAX = 255  # bytes of a part of a path (limits.h)
_SET_ID = 0o7000  # set-user-ID, set-group-ID, sticky
# Libraries that only glibc has. musl's loader accepts some of these names itself, so that a program
# that was built for glibc starts, and fails later.
_GLIBC = frozenset(
    (
        "libBrokenLocale.so.1",
        "libanl.so.1",
        "libc.so.6",
        "libcrypt.so.1",
        "libdl.so.2",
        "libm.so.6",
        "libmvec.so.1",
        "libnsl.so.1",
        "libpthread.so.0",
        "libresolv.so.2",
        "librt.so.1",
        "libthread_db.so.1",
        "libutil.so.1",
    )
)


@dataclass(frozen=True)
class Unpacked:
    """A tarball's content: the top folder, its metadata, its ELF files."""

    folder: Path
    manifest: Manifest | None
    elf_files: tuple[ElfFile, ...]

    @property
    def programs(self) -> dict[str, str]:
        """The executables that the metadata names, each with the path of the file it links to."""
        names = self.manifest.executables if self.manifest else ()
        top = os.path.realpath(self.folder)
        return {name: os.path.relpath(os.path.realpath(self.folder / name), top) for name in names}


def check_digest(tarball: Path, recorder: Recorder) -> None:
    """Compare the tarball with the .sha256 beside it (as sha256sum writes it), if there is one."""
    beside = tarball.with_name(f"{tarball.name}.sha256")
    if not beside.is_file():
        return
    with tarball.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    words = beside.read_text(encoding="utf-8", errors="replace").split()
    good = words == [digest, tarball.name]
    message = f"says {' '.join(words)}, but the digest is {digest}"
    recorder.check(good, "archive.digest", beside.name, message)


def unpack(tarball: Path, scratch: Path, recorder: Recorder) -> Unpacked | None:
    """Check the archive, unpack its safe members below ``scratch``, and check the content.

    Returns None, with a finding that says so, if there is no content to check.

    Raises:
        ResourceError: the disk is full.
    """
    scratch.mkdir(parents=True)
    plain = scratch / "archive.tar"
    members = _read_members(tarball, plain, recorder)
    if members is None:
        return None
    safe = _check_members(members, recorder)
    _check_reproducible(members, recorder)
    content = scratch / "content"
    _extract(plain, safe, content, recorder)
    plain.unlink()
    folder = _top_folder(tarball, safe, content, recorder)
    if folder is None:
        return None
    _check_links(folder, recorder)
    manifest = _check_manifest(tarball, folder, recorder)
    unpacked = Unpacked(folder, manifest, _read_elf_files(folder, recorder))
    if manifest is not None:
        _check_packages(manifest, recorder)
        _check_elf_files(unpacked, manifest, recorder)
    return unpacked


def _read_members(tarball: Path, plain: Path, recorder: Recorder) -> list[tarfile.TarInfo] | None:
    """All members of the archive; None, with a finding, if it is damaged. The decompressed archive
    stays at ``plain``."""
    problem, members = "", None
    try:
        with bz2.open(tarball) as stream, plain.open("wb") as output:
            shutil.copyfileobj(stream, output, _CHUNK)
        with tarfile.open(plain, "r:") as archive:
            members = _all_members(archive)
        if members is None:
            problem = "a member has a size below zero (nothing else was checked)"
        elif not _is_ended(plain):
            problem = "it has no end: it was cut off before it was compressed"
    # EOFError: cut short; OSError: not bzip2, or a wrong checksum inside.
    except BROKEN as error:
        members = None
        _raise_if_full(error, plain)
        problem = f"it cannot be read to the end: {error} (nothing else was checked)"
    recorder.check(not problem, "archive.readable", tarball.name, problem)
    return members


def _all_members(archive: tarfile.TarFile) -> list[tarfile.TarInfo] | None:
    """The members; None if a size below zero leads back, where tarfile would loop for ever."""
    members: list[tarfile.TarInfo] = []
    for member in archive:
        if member.size < 0 or (members and member.offset < members[-1].offset_data):
            return None
        members.append(member)
    return members


def _check_members(members: Sequence[tarfile.TarInfo], recorder: Recorder) -> list[tarfile.TarInfo]:
    """Check each member by itself, and return those that are safe to unpack."""
    links = {PurePosixPath(member.name).parts for member in members if member.issym()}
    safe = []
    for member in members:
        danger = _danger(member) or _through_link(member, links)
        problem = danger or _wrong_mode(member)
        recorder.check(problem is None, "archive.member", member.name, problem or "")
        if danger is None:
            safe.append(member)
    return safe


def _raise_if_full(error: Exception, place: Path) -> None:
    """Raise ResourceError for a full disk, which is not the tarball's fault."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        raise ResourceError(
            f"the disk is full: alpypy cannot write {place}",
            remedy="make room, or set TMPDIR to a folder on another disk",
        ) from error


def _is_ended(plain: Path) -> bool:
    with plain.open("rb") as stream:
        stream.seek(-len(_END), os.SEEK_END)
        return stream.read() == _END


def _danger(member: tarfile.TarInfo) -> str | None:
    """Why a member must not be unpacked; None if it is safe."""
    path, link = PurePosixPath(member.name), PurePosixPath(member.linkname)
    if "\0" in member.name + member.linkname:
        return "has a NUL in its name or in its link's target"
    if not path.parts and not member.isdir():
        return "has no name"
    if any(
        len(part.encode(errors="surrogateescape")) > _NAME_MAX for part in path.parts + link.parts
    ):
        return "has a name or a link's target that is too long"
    if path.is_absolute() or ".." in path.parts:
        return "would be written outside the folder"
    if member.issym() and _leaves(path.parent, link):
        return f"is a link to {link}, which is outside the folder"
    if member.islnk() and _leaves(PurePosixPath(), link):
        return f"is a hard link to {link}, which is outside the folder"
    if not (member.isfile() or member.isdir() or member.issym() or member.islnk()):
        return "is a device, a pipe or of an unknown type"
    return None


def _through_link(member: tarfile.TarInfo, links: Collection[tuple[str, ...]]) -> str | None:
    """How a member goes through a symbolic link of the archive, if it does. The order of the
    members does not matter.

    tarfile asks the file system where a path ends, and Pythons before 3.11.13 can be misled there
    (CVE-2025-4517). So this looks only at names.
    """
    path = PurePosixPath(member.name)
    if any(parent.parts in links for parent in path.parents):
        return "would be written through a link"
    if not (member.issym() or member.islnk()):
        return None
    place = list(path.parent.parts) if member.issym() else []
    for part in PurePosixPath(member.linkname).parts:
        if tuple(place) in links:
            return f"links to {member.linkname}, through a link"
        if part != "..":
            place.append(part)
        elif place:
            place.pop()
    hard = member.islnk() and tuple(place) in links
    return f"links to {member.linkname}, through a link" if hard else None


def _wrong_mode(member: tarfile.TarInfo) -> str | None:
    """What is wrong with a member's mode; a link has none of its own."""
    if member.issym():
        return None
    if member.mode & _SET_ID:
        return f"has mode {member.mode:o}: set-user-ID, set-group-ID or sticky"
    if member.mode & 0o444 != 0o444:
        return f"has mode {member.mode:o}: other users cannot read it"
    if member.isdir() and member.mode & 0o111 != 0o111:
        return f"has mode {member.mode:o}: other users cannot enter it"
    return None


def _leaves(parent: PurePosixPath, target: PurePosixPath) -> bool:
    """Whether following ``target`` from ``parent`` leads above the top folder."""
    if target.is_absolute():
        return True
    depth = len(parent.parts)
    for part in target.parts:
        depth += -1 if part == ".." else 1
        if depth < 1:
            return True
    return False


def _check_reproducible(members: Sequence[tarfile.TarInfo], recorder: Recorder) -> None:
    """Check order, owner and times: two builds give the same bytes only if these are fixed."""
    # Sorted by their parts, as paths are: a folder's content comes before "folder-2".
    pairs = itertools.pairwise(PurePosixPath(member.name) for member in members)
    wrong = next((str(later) for earlier, later in pairs if later <= earlier), "")
    recorder.check(not wrong, "archive.order", wrong, "comes twice, or is not sorted by name")
    owners = {(member.uid, member.gid, member.uname, member.gname) for member in members}
    message = "belongs to {}:{} ({}:{}), not to 0:0".format(*max(owners, default=(0, 0, "", "")))
    fixed = len(owners) <= 1 and all(owner[:2] == (0, 0) for owner in owners)
    recorder.check(fixed, "archive.owner", "a member", message)
    times = sorted({member.mtime for member in members})
    recorder.check(
        len(times) <= 1, "archive.times", "members", f"have {len(times)} different times"
    )


def _extract(
    plain: Path, members: Sequence[tarfile.TarInfo], content: Path, recorder: Recorder
) -> None:
    modes = {}
    with tarfile.open(plain, "r:") as archive:
        for member in members:
            try:
                archive.extract(member, content, filter="data")
            except BROKEN as error:
                _raise_if_full(error, content)
                recorder.check(False, "archive.member", member.name, f"cannot be unpacked: {error}")
            modes[content / member.name] = member.mode
    for folder in (path for path in content.rglob("*") if path.is_dir() and not path.is_symlink()):
        # Another user reads it in the container, so its mode must not depend on the umask here.
        folder.chmod(modes.get(folder, 0o755) & 0o755 | 0o700)


def _top_folder(
    tarball: Path, members: Sequence[tarfile.TarInfo], content: Path, recorder: Recorder
) -> Path | None:
    """The top folder, even if it has another name than the tarball: then that is a finding.

    ``members`` are those that were unpacked: a name such as / is not a folder of the archive.
    """
    wanted = tarball.name.removesuffix(".tar.bz2")
    paths = (PurePosixPath(member.name) for member in members)
    tops = sorted({path.parts[0] if path.parts else "." for path in paths})
    recorder.check(
        tops == [wanted],
        "archive.top",
        tarball.name,
        f"has {', '.join(tops)} at its top, not {wanted}",
    )
    folders = [content / top for top in (wanted, *tops) if (content / top).is_dir()]
    if not folders:
        recorder.check(False, "archive.top", tarball.name, "has no folder (no content was checked)")
        return None
    return folders[0]


def _check_links(folder: Path, recorder: Recorder) -> None:
    for path in folder.rglob("*"):
        if path.is_symlink():
            name = str(path.relative_to(folder))
            recorder.check(path.exists(), "archive.link", name, "is a link to a missing file")


def _check_manifest(tarball: Path, folder: Path, recorder: Recorder) -> Manifest | None:
    path = folder / FILE_NAME
    if not recorder.check(
        path.is_file(),
        "manifest.missing",
        FILE_NAME,
        "is missing (checks that need it did not run)",
    ):
        return None
    try:
        manifest = Manifest.from_json(path.read_bytes())
    except ArchiveError as error:
        recorder.check(False, "manifest.invalid", FILE_NAME, error.what)
        return None
    says = manifest.target.tarball
    recorder.check(says == tarball.name, "manifest.target", FILE_NAME, f"is the metadata of {says}")
    for name in manifest.executables:
        good = _is_program(folder / name)
        recorder.check(
            good, "manifest.executables", name, "is missing, or not all users can execute it"
        )
    if manifest.kind == "pypy":
        recorder.check(
            manifest.jit, "manifest.jit", FILE_NAME, "says that it was built without JIT"
        )
    return manifest


def _is_program(path: Path) -> bool:
    try:
        return path.is_file() and path.stat().st_mode & 0o111 == 0o111
    except OSError:  # a name that is too long
        return False


def _check_packages(manifest: Manifest, recorder: Recorder) -> None:
    for name in manifest.runtime_packages:
        build = recorder.policy.is_build_package(name)
        recorder.check(not build, "manifest.runtime_packages", name, "is a package for building")
    for need in manifest.needed:
        listed = need.package in manifest.runtime_packages
        message = f"has {need.soname}, but is not in runtime_packages"
        recorder.check(listed, "manifest.runtime_packages", need.package, message)


def _read_elf_files(folder: Path, recorder: Recorder) -> tuple[ElfFile, ...]:
    files = []
    for path in elf.find(folder):
        name = str(path.relative_to(folder))
        try:
            files.append(elf.read(path, name))
        except ArchiveError as error:
            recorder.check(False, "elf.damaged", name, error.what)
    return tuple(files)


def _check_elf_files(unpacked: Unpacked, manifest: Manifest, recorder: Recorder) -> None:
    files, programs = unpacked.elf_files, unpacked.programs
    for file in files:
        _check_elf_file(file, manifest.target.arch, recorder)
        if file.name in programs.values():
            _check_libraries_inside(file, files, recorder)
    names = {file.name for file in files}
    for name, real in programs.items():
        recorder.check(real in names, "elf.missing", name, "is not an ELF file that can be read")
    says = sorted(need.soname for need in manifest.needed)
    needs = sorted(elf.outside_needs(files))
    message = f"says that {says} are needed, but the ELF files need {needs}"
    recorder.check(says == needs, "manifest.needed", FILE_NAME, message)


def _check_elf_file(file: ElfFile, arch: str, recorder: Recorder) -> None:
    name, loader = file.name, elf.loader(arch)
    recorder.check(file.arch == arch, "elf.machine", name, f"is for {file.arch}, not {arch}")
    if file.interpreter is not None:
        good = file.interpreter == loader
        recorder.check(good, "elf.interpreter", name, f"asks for {file.interpreter}, not {loader}")
    for soname in file.needed:
        glibc = soname in _GLIBC or soname.startswith("ld-linux")
        recorder.check(not glibc, "elf.glibc", name, f"needs {soname}, which is glibc's")
    versions = [version for version in file.versions if version.startswith("GLIBC_")]
    recorder.check(not versions, "elf.glibc", name, f"needs symbols of {', '.join(versions)}")
    recorder.check(not file.text_relocations, "elf.textrel", name, "has text relocations")
    stack = f"its stack is {file.stack.value}"
    recorder.check(file.stack is Stack.PLAIN, "elf.execstack", name, stack)
    for entry, below in zip(file.rpath, file.search_folders(), strict=True):
        message = f"looks for libraries in {entry!r}, which is not below the top folder"
        recorder.check(below is not None, "elf.rpath", name, message)


def _check_libraries_inside(program: ElfFile, files: Sequence[ElfFile], recorder: Recorder) -> None:
    """Check that a program finds the tarball's libraries. Modules use those already loaded."""
    places = {PurePosixPath(other.name) for other in files}
    inside = {other.provides for other in files}
    folders = [folder for folder in program.search_folders() if folder is not None]
    for soname in inside.intersection(program.needed):
        found = any(folder / soname in places for folder in folders)
        message = f"needs {soname}, which is in the tarball but not in its rpath {program.rpath}"
        recorder.check(found, "elf.needed", program.name, message)
