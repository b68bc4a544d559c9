"""What is checked of a tarball by running it: in a clean Alpine with only its run-time packages.

Each probe has a container of its own, so that none hides another. The tarball's content is mounted
read-only, in one of two places; the user is an ordinary one and there is no network.
"""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alpypy.core import apkdb, elf
from alpypy.core.errors import ImageError
from alpypy.core.fields import Record
from alpypy.core.structs import convert
from alpypy.core.system import System, read_system, sections
from alpypy.engine.job import Completed, Job, Mount
from alpypy.engine.workspace import Workspace
from alpypy.recipes.manifest import Manifest, ProgramCheck
from alpypy.recipes.spec import PypyVersion
from alpypy.verify.findings import Ledger
from alpypy.verify.static import Unpacked

# Two folders of different depth and length; the second has a space in its name.
PLACES = ("/opt/alpypy", "/srv/a longer name/alpypy")
# Every probe runs in the first place; this one shows that the interpreter runs in any.
_INTERPRETER = "interpreter"
_PROBES = (
    _INTERPRETER,
    "modules",
    "extensions",
    "system",
    "locale",
    "network",
    "crypt",
    "ssl",
    "hashlib",
    "sqlite3",
    "dbm",
    "compression",
    "expat",
    "curses",
    "readline",
    "ctypes",
    "threads",
    "faulthandler",
    "multiprocessing",
    "packages",
    "pip",
)
CONTEXT = "dockerfiles/verify"  # below the data folder
_PROBES_PLACE = "/probes"
_MATERIALS_PLACE = "/materials"
_NOBODY = "65534:65534"
_ENVIRONMENT = {
    "HOME": "/tmp",  # noqa: S108 - the container's, the one folder there to write to
    "LANG": "C.UTF-8",
    "PYTHONDONTWRITEBYTECODE": "1",
}
_TIMED_OUT = 124
_HEAD, _TAIL = 400, 1000  # characters of an output that a message repeats
_LOOPS = re.compile(r"Total # of loops:\s+[1-9]")


@dataclass(frozen=True)
class CleanAlpine:
    """Where the checks run: an Alpine that has only the packages that the tarball asks for.

    ``materials`` is the folder of what the probes work with. ``timeout`` is in seconds, for each
    container.
    """

    workspace: Workspace
    base_image: str
    materials: Path
    timeout: float

    @contextlib.contextmanager
    def image(self, manifest: Manifest, digest: str, ledger: Ledger) -> Iterator[str | None]:
        """The image to verify in, removed at the end, whatever happens; None, with a finding,
        when Alpine does not have the packages.

        Args:
            digest: the tarball's, which the image is named after.

        Raises:
            ImageError: the image could not be built for another reason.
        """
        # A name of this run's own: another run may verify the same tarball in an image that is the
        # same, and an image is gone with its last name only.
        tag = f"alpypy-verify:{digest[:24]}-{secrets.token_hex(4)}"
        try:
            yield self._build_image(manifest, tag, ledger)
        finally:
            self.workspace.engine.remove_image(tag)

    def _build_image(self, manifest: Manifest, tag: str, ledger: Ledger) -> str | None:
        """Build packages that the metadata names are a finding already, and are left out."""
        build = ledger.policy.is_build_package
        packages = [name for name in manifest.runtime_packages if not build(name)]
        try:
            return self.workspace.engine.build(
                self.workspace.data / CONTEXT,
                tag=tag,
                arguments={"BASE": self.base_image, "PACKAGES": " ".join(packages)},
                labels={},
                network=True,
            )
        except ImageError as error:
            unknown = apkdb.unknown_packages(error.what)
            if not unknown:
                raise
            for name in unknown:
                message = "Alpine has no such package (nothing was run)"
                ledger.check(False, "manifest.runtime_packages", name, message)
            return None


@dataclass(frozen=True)
class _Inside:
    """The image of a clean Alpine, and the tarball's folder to run in it."""

    place: CleanAlpine
    image: str
    folder: Path

    @property
    def timeout(self) -> float:
        """Seconds for each container."""
        return self.place.timeout

    def run(
        self,
        command: Sequence[str],
        *,
        place: str = PLACES[0],
        environment: Mapping[str, str] | None = None,
    ) -> Completed:
        """Run a command with the tarball's folder at ``place``, and in it."""
        workspace = self.place.workspace
        mounts = (
            Mount(self.folder, place),
            Mount(workspace.data / CONTEXT / "probes", _PROBES_PLACE),
            Mount(self.place.materials, _MATERIALS_PLACE),
        )
        return workspace.engine.run(
            Job(
                self.image,
                command,
                mounts=mounts,
                environment={**_ENVIRONMENT, **(environment or {})},
                user=_NOBODY,
                workdir=place,
                timeout=self.timeout,
            )
        )


def check(place: CleanAlpine, unpacked: Unpacked, digest: str, ledger: Ledger) -> None:
    """Run every check that the kind of the tarball calls for.

    Args:
        digest: the tarball's SHA-256.
    """
    manifest = unpacked.manifest
    if manifest is None:
        return
    with place.image(manifest, digest, ledger) as image:
        if image is not None:
            _check_inside(_Inside(place, image, unpacked.folder), unpacked, manifest, ledger)


def _check_inside(inside: _Inside, unpacked: Unpacked, manifest: Manifest, ledger: Ledger) -> None:
    system = read_system(inside.run(["sh", f"{_PROBES_PLACE}/system.sh"]).output)
    _check_system(system, manifest, ledger)
    if system.arch != manifest.target.arch:
        return
    _check_loading(inside, unpacked, manifest, ledger)
    if manifest.kind == "pypy":
        _check_pypy(inside, manifest, ledger)
    else:
        _check_programs(inside, manifest, ledger)


def _check_system(system: System, manifest: Manifest, ledger: Ledger) -> None:
    target = manifest.target
    release, arch = system.release, system.arch
    good = release.startswith(f"{target.alpine}.")
    ledger.check(good, "image.alpine", "base image", f"is Alpine {release}, not {target.alpine}")
    good = arch == target.arch
    ledger.check(good, "image.arch", "base image", f"is for {arch}: nothing was run")
    for name in sorted(filter(ledger.policy.is_build_package, system.packages)):
        ledger.check(False, "image.clean", name, "is installed: the image is no place to verify in")
    for need in manifest.needed:
        found = need.soname in system.libraries
        ledger.check(found, "elf.needed", need.soname, "is not there with the run-time packages")
        owner = system.providers.get(need.soname)
        message = f"is of package {owner}, not {need.package}"
        ledger.check(owner == need.package, "manifest.needed", need.soname, message)


def _check_loading(inside: _Inside, unpacked: Unpacked, manifest: Manifest, ledger: Ledger) -> None:
    """Ask musl's own loader whether it finds everything. The symbols of a module come partly from
    the interpreter that loads it, those of a program must all be there."""
    programs = unpacked.programs.values()
    names = [file.name for file in unpacked.elf_files]
    paths = [f"{PLACES[0]}/{name}" for name in names]
    loader = elf.loader(manifest.target.arch)
    done = inside.run(["sh", f"{_PROBES_PLACE}/load.sh", loader, *paths])
    said = dict(sections(done.output))
    for name, path in zip(names, paths, strict=True):
        lines = said.get(path, ["musl's loader was not asked"])
        wrong = [line for line in lines if name in programs or "Error relocating" not in line]
        ledger.check(not wrong, "elf.loads", name, _shown("; ".join(wrong)))


def _check_programs(inside: _Inside, manifest: Manifest, ledger: Ledger) -> None:
    for place in PLACES:
        for program in manifest.checks:
            _check_program(inside, place, program, ledger)


def _check_program(inside: _Inside, place: str, program: ProgramCheck, ledger: Ledger) -> None:
    command = [f"{place}/{program.command[0]}", *program.command[1:]]
    log = {"PYPYLOG": "jit-summary:-"} if program.jit else {}
    environment = {**program.environment, **log}
    done = inside.run(command, place=place, environment=environment)
    subject = f"{' '.join(program.command)} (in {place})"
    ended = _ended_badly(done, inside.timeout)
    ledger.check(ended is None, "run.program", subject, f"{ended}: {_shown(done.output)}")
    printed = re.search(program.expect, done.output, re.MULTILINE) is not None
    message = f"printed {_shown(done.output)!r}, expected {program.expect}"
    ledger.check(printed, "run.output", subject, message)
    if program.jit:
        compiled = _LOOPS.search(done.output) is not None
        ledger.check(compiled, "run.jit", subject, "compiled no loop (PYPYLOG=jit-summary:-)")


def _check_pypy(inside: _Inside, manifest: Manifest, ledger: Ledger) -> None:
    modules = ledger.policy.expected_modules(manifest.target)
    for name in _PROBES:
        for place in PLACES if name == _INTERPRETER else PLACES[:1]:
            executable = f"{place}/{manifest.executables[0]}"
            request = _request(manifest, place, modules)
            script = f"{_PROBES_PLACE}/probe_{name}.py"
            done = inside.run([executable, script, json.dumps(request)], place=place)
            _take_probe(name, place, done, inside.timeout, ledger)


def _request(manifest: Manifest, place: str, modules: Sequence[str]) -> dict[str, Any]:
    """What a probe must know; the version is the release's only when the source was."""
    pypy = PypyVersion.parse(manifest.target.release)
    return {
        "language": pypy.language,
        "release": pypy.release if manifest.source.path is None else None,
        "arch": manifest.target.arch,
        "executable": f"{place}/{manifest.executables[0]}",
        "folder": place,
        "jit": manifest.jit,
        "modules": list(modules),
        "materials": _MATERIALS_PLACE,
    }


class _ProbeFailure(Record, frozen=True):
    subject: str
    message: str


class _ProbeResult(Record, frozen=True):
    """What a probe prints in its last line."""

    probe: str
    checks: int
    failures: tuple[_ProbeFailure, ...]


def _take_probe(name: str, place: str, done: Completed, timeout: float, ledger: Ledger) -> None:
    """Turn a probe's document into findings; a probe without one is a finding itself."""
    subject = f"probe {name} (in {place})"
    ended = _ended_badly(done, timeout)
    ledger.check(ended is None, "run.probe", subject, f"{ended}: {_shown(done.output)}")
    *noise, last = done.output.strip().splitlines() or [""]
    document = _document(last, name)
    if document is None:
        if ended is None:
            message = f"printed no result but {_shown(done.output)!r}"
            ledger.check(False, "run.probe", subject, message)
        return
    message = f"something else was printed too: {_shown(' | '.join(noise))}"
    ledger.check(not noise, "run.output", subject, message)
    ledger.checks += document.checks - len(document.failures)
    check = "module.import" if name == "modules" else f"run.{name}"
    where = "" if place == PLACES[0] else f" (in {place})"
    for failure in document.failures:
        ledger.check(False, check, failure.subject + where, failure.message)


def _document(line: str, name: str) -> _ProbeResult | None:
    """A probe's result; None when the line is none, as whatever ran may have printed anything."""
    try:
        document = convert(json.loads(line), _ProbeResult)
    except (ValueError, RecursionError):
        return None
    return document if document.probe == name else None


def _shown(output: str) -> str:
    """The beginning and the end of an output, which is where causes stand."""
    if len(output) <= _HEAD + _TAIL:
        return output
    return f"{output[:_HEAD]} [...] {output[-_TAIL:]}"


def _ended_badly(done: Completed, timeout: float) -> str | None:
    """How a command ended that did not end well. 128 + n is what is left of signal n."""
    code = done.exit_code
    if code == 0:
        return None
    if code == _TIMED_OUT:
        return f"hung: ended after {timeout:g} seconds"
    if code > 128:
        names = {one.value: one.name for one in signal.Signals}
        return f"crashed: killed by {names.get(code - 128, f'signal {code - 128}')}"
    return f"ended with exit code {code}"
