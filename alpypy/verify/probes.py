"""Checks that run a tarball's programs, in a clean Alpine with only its run-time packages.

Each probe has a container of its own, so that no probe hides another's findings. The tarball's
content is mounted read-only, in one of two places. The container has an ordinary user and no
network.
"""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
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
from alpypy.verify.findings import Policy, Recorder
from alpypy.verify.fixtures import SYSTEMS
from alpypy.verify.static import Unpacked

# Two folders of different depth and length; the second has a space in its name.
PLACES = ("/opt/alpypy", "/srv/a longer name/alpypy")
# Every probe runs in the first place. This probe also runs in the second, to show that the
# interpreter can be in any folder.
_INTERPRETER = "interpreter"
_PROBES = (
    _INTERPRETER,
    "modules",
    "names",
    "extensions",
    "system",
    "linux",
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
    "errata",
    "packages",
    "pip",
)
# What a portable PyPy has to do without, with the folders that replace those of the Alpine: by the
# probe, what it is told of them, and the folders of the fixtures.
_NO_TERMINFO = {
    f"{folder}/terminfo": "empty" for folder in ("/etc", "/lib", "/usr/lib", "/usr/share")
}
_PORTABLE = (
    ("sysconfig", "", {}),
    ("zoneinfo", "", {"/usr/share/zoneinfo": "empty"}),
    ("terminfo", "", _NO_TERMINFO),
    *(("certificates", name, {"/etc/ssl": f"ssl/{name}"}) for name in SYSTEMS),
)
CONTEXT = "dockerfiles/verify"  # below the data folder
_PROBES_PLACE = "/probes"
_FIXTURES_PLACE = "/fixtures"
_NOBODY = "65534:65534"
_ENVIRONMENT = {
    "HOME": "/tmp",  # noqa: S108 - the container's, the only folder that it may write to
    "LANG": "C.UTF-8",
    "PYTHONDONTWRITEBYTECODE": "1",
}
_TIMED_OUT = 124
_HEAD, _TAIL = 400, 1000  # characters of an output that a message quotes
_LOOPS = re.compile(r"Total # of loops:\s+[1-9]")


@dataclass(frozen=True)
class CleanAlpine:
    """Where the checks run: an Alpine that has only the packages that the tarball names.

    ``fixtures`` is the folder of the probes' fixtures. ``timeout`` is the time limit of each
    container, in seconds.
    """

    workspace: Workspace
    base_image: str
    fixtures: Path
    timeout: float

    @contextlib.contextmanager
    def image(self, manifest: Manifest, digest: str, recorder: Recorder) -> Iterator[str | None]:
        """Build the image to verify in, and remove it at the end, whatever happens. If Alpine lacks
        a package, record a finding and give None.

        Args:
            digest: the tarball's, for the name of the image.

        Raises:
            ImageError: the image could not be built for another reason.
        """
        # Each run uses its own name: another run may verify the same tarball, in the same image,
        # and an image is removed only with its last name.
        tag = f"alpypy-verify:{digest[:24]}-{secrets.token_hex(4)}"
        try:
            yield self._build_image(manifest, tag, recorder)
        finally:
            self.workspace.engine.remove_image(tag)

    def _build_image(self, manifest: Manifest, tag: str, recorder: Recorder) -> str | None:
        """Leave out build packages that the metadata names: they are a finding already."""
        build = recorder.policy.is_build_package
        packages = [name for name in manifest.runtime_packages if not build(name)]
        try:
            return self.workspace.engine.build(
                self.workspace.data / CONTEXT,
                tag=tag,
                arguments={"BASE": self.base_image, "PACKAGES": " ".join(packages)},
                labels={},
                network=bool(packages),
            )
        except ImageError as error:
            unknown = apkdb.unknown_packages(error.what)
            if not unknown:
                raise
            for name in unknown:
                message = "Alpine has no such package (nothing was run)"
                recorder.check(False, "manifest.runtime_packages", name, message)
            return None


@dataclass(frozen=True)
class _TarballRunner:
    """The image of a clean Alpine, and the tarball's folder to run in it."""

    alpine: CleanAlpine
    image: str
    folder: Path

    @property
    def timeout(self) -> float:
        """The time limit of each container, in seconds."""
        return self.alpine.timeout

    def run(
        self,
        command: Sequence[str],
        *,
        place: str = PLACES[0],
        environment: Mapping[str, str] | None = None,
        more: Mapping[str, str] | None = None,
    ) -> Completed:
        """Mount the tarball's folder at ``place``, and run a command there.

        Args:
            more: folders of the container, each with the folder of the fixtures that replaces it.
        """
        workspace, given = self.alpine.workspace, self.alpine.fixtures
        mounts = (
            Mount(self.folder, place),
            Mount(workspace.data / CONTEXT / "probes", _PROBES_PLACE),
            Mount(given, _FIXTURES_PLACE),
            *(Mount(given / name, folder) for folder, name in (more or {}).items()),
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


def check(alpine: CleanAlpine, unpacked: Unpacked, digest: str, recorder: Recorder) -> str | None:
    """Run every check for this kind of tarball.

    Args:
        digest: the tarball's SHA-256.

    Returns:
        The release of the Alpine that the programs ran on; None if none could run.
    """
    manifest, recorder.alpine = unpacked.manifest, ()
    if manifest is None:
        return None
    with alpine.image(manifest, digest, recorder) as image:
        if image is None:
            return None
        return _check_in(
            _TarballRunner(alpine, image, unpacked.folder), unpacked, manifest, recorder
        )


def _check_in(
    runner: _TarballRunner, unpacked: Unpacked, manifest: Manifest, recorder: Recorder
) -> str | None:
    system = read_system(runner.run(["sh", f"{_PROBES_PLACE}/system.sh"]).output)
    named = manifest.target.portable and system.release
    recorder.alpine = (system.release,) if named else ()
    _check_system(system, manifest, recorder)
    if system.arch != manifest.target.arch:
        return None
    _check_loading(runner, unpacked, manifest, recorder)
    if manifest.kind == "pypy":
        _check_pypy(runner, manifest, recorder)
    else:
        _check_programs(runner, manifest, recorder)
    return system.release


def _check_system(system: System, manifest: Manifest, recorder: Recorder) -> None:
    target = manifest.target
    release, arch = system.release, system.arch
    good = target.portable or release.startswith(f"{target.alpine}.")
    recorder.check(good, "image.alpine", "base image", f"is Alpine {release}, not {target.alpine}")
    good = arch == target.arch
    recorder.check(good, "image.arch", "base image", f"is for {arch}: nothing was run")
    for name in sorted(filter(recorder.policy.is_build_package, system.packages)):
        recorder.check(False, "image.clean", name, "is installed: the image is not a clean Alpine")
    for need in manifest.needed:
        found = need.soname in system.libraries
        recorder.check(found, "elf.needed", need.soname, "is in none of the run-time packages")
        owner = system.providers.get(need.soname)
        message = f"belongs to the package {owner}, not to {need.package}"
        recorder.check(owner == need.package, "manifest.needed", need.soname, message)


def _check_loading(
    runner: _TarballRunner, unpacked: Unpacked, manifest: Manifest, recorder: Recorder
) -> None:
    """Let musl's own loader load each file. A module may lack symbols, which it gets from the
    interpreter that loads it; a program must not."""
    programs = unpacked.programs.values()
    names = [file.name for file in unpacked.elf_files]
    paths = [f"{PLACES[0]}/{name}" for name in names]
    loader = elf.loader(manifest.target.arch)
    done = runner.run(["sh", f"{_PROBES_PLACE}/load.sh", loader, *paths])
    messages = dict(sections(done.output))
    for name, path in zip(names, paths, strict=True):
        lines = messages.get(path, ["musl's loader did not run"])
        errors = [line for line in lines if name in programs or "Error relocating" not in line]
        recorder.check(not errors, "elf.loads", name, _shown("; ".join(errors)))


def _check_programs(runner: _TarballRunner, manifest: Manifest, recorder: Recorder) -> None:
    for place in PLACES:
        for program in manifest.checks:
            _check_program(runner, place, program, recorder)


def _check_program(
    runner: _TarballRunner, place: str, program: ProgramCheck, recorder: Recorder
) -> None:
    command = [f"{place}/{program.command[0]}", *program.command[1:]]
    log = {"PYPYLOG": "jit-summary:-"} if program.jit else {}
    environment = {**program.environment, **log}
    done = runner.run(command, place=place, environment=environment)
    subject = f"{' '.join(program.command)} (in {place})"
    ended = _failure(done, runner.timeout)
    recorder.check(ended is None, "run.program", subject, f"{ended}: {_shown(done.output)}")
    printed = re.search(program.expect, done.output, re.MULTILINE) is not None
    message = f"printed {_shown(done.output)!r}, expected {program.expect}"
    recorder.check(printed, "run.output", subject, message)
    if program.jit:
        compiled = _LOOPS.search(done.output) is not None
        recorder.check(compiled, "run.jit", subject, "compiled no loop (PYPYLOG=jit-summary:-)")


def _check_pypy(runner: _TarballRunner, manifest: Manifest, recorder: Recorder) -> None:
    for name in _PROBES:
        for place in PLACES if name == _INTERPRETER else PLACES[:1]:
            request = _request(manifest, place, recorder.policy)
            _run_probe(runner, _Probe(name, place, request), recorder)
    for name, system, more in _PORTABLE if manifest.target.portable else ():
        request = _request(manifest, PLACES[1], recorder.policy)
        probe = _Probe(name, PLACES[1], {**request, "system": system}, more)
        _run_probe(runner, probe, recorder)


@dataclass(frozen=True)
class _Probe:
    """A probe's name, where the tarball is, what the probe is asked, and what is mounted."""

    name: str
    place: str
    request: Mapping[str, Any]
    more: Mapping[str, str] = field(default_factory=dict)


def _run_probe(runner: _TarballRunner, probe: _Probe, recorder: Recorder) -> None:
    script = f"{_PROBES_PLACE}/probe_{probe.name}.py"
    command = [probe.request["executable"], script, json.dumps(probe.request)]
    done = runner.run(command, place=probe.place, more=probe.more)
    _take_probe(probe.name, probe.place, done, runner.timeout, recorder)


def _request(manifest: Manifest, place: str, policy: Policy) -> dict[str, Any]:
    """The request for a probe. ``release`` is None if the source was the user's own and states a
    release: it may have been changed."""
    pypy, target = PypyVersion.parse(manifest.target.release), manifest.target
    known = manifest.source.path is None or target.names_tree
    return {
        "language": pypy.language,
        "release": f"{pypy.release} {pypy.level}" if known else None,
        "arch": target.arch,
        "executable": f"{place}/{manifest.executables[0]}",
        "folder": place,
        "jit": manifest.jit,
        "tls": manifest.tls,
        "modules": list(policy.expected_modules(target)),
        "absent": list(policy.absent_names(target, manifest.no_errata)),
        "build_paths": [entry.path for entry in policy.portable.build_paths],
        "materials": _FIXTURES_PLACE,
    }


class _ProbeFailure(Record, frozen=True):
    subject: str
    message: str


class _ProbeResult(Record, frozen=True):
    """The result that a probe prints in its last line."""

    probe: str
    checks: int
    failures: tuple[_ProbeFailure, ...]


def _take_probe(name: str, place: str, done: Completed, timeout: float, recorder: Recorder) -> None:
    """Turn a probe's result into findings. A probe without a result is a finding itself."""
    subject = f"probe {name} (in {place})"
    ended = _failure(done, timeout)
    recorder.check(ended is None, "run.probe", subject, f"{ended}: {_shown(done.output)}")
    *noise, last = done.output.strip().splitlines() or [""]
    result = _read_result(last, name)
    if result is None:
        if ended is None:
            message = f"printed no result but {_shown(done.output)!r}"
            recorder.check(False, "run.probe", subject, message)
        return
    message = f"printed more than the result: {_shown(' | '.join(noise))}"
    recorder.check(not noise, "run.output", subject, message)
    recorder.checks += result.checks - len(result.failures)
    check = "module.import" if name == "modules" else f"run.{name}"
    where = "" if place == PLACES[0] else f" (in {place})"
    for failure in result.failures:
        recorder.check(False, check, failure.subject + where, failure.message)


def _read_result(line: str, name: str) -> _ProbeResult | None:
    """A probe's result; None if the line is not one: the tarball's program may print anything."""
    try:
        result = convert(json.loads(line), _ProbeResult)
    except (ValueError, RecursionError):
        return None
    return result if result.probe == name else None


def _shown(output: str) -> str:
    """The beginning and the end of an output, where the cause of a failure usually is."""
    if len(output) <= _HEAD + _TAIL:
        return output
    return f"{output[:_HEAD]} [...] {output[-_TAIL:]}"


def _failure(done: Completed, timeout: float) -> str | None:
    """How a command failed; None if it did not. An exit code 128 + n stands for signal n."""
    code = done.exit_code
    if code == 0:
        return None
    if code == _TIMED_OUT:
        return f"hung: ended after {timeout:g} seconds"
    if code > 128:
        names = {number.value: number.name for number in signal.Signals}
        return f"crashed: killed by {names.get(code - 128, f'signal {code - 128}')}"
    return f"ended with exit code {code}"
