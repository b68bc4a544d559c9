"""From requirements to wheels: pip of the interpreter itself says what is needed and what the index
has; what it has no wheel of is built, each module in a container with its own packages."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidSdistFilename, canonicalize_name, parse_sdist_filename

from alpypy.core.errors import AlpypyError, SpecError, WheelError
from alpypy.core.redact import without_passwords
from alpypy.core.store import key_of
from alpypy.engine.job import Completed, Job, Mount
from alpypy.engine.workspace import Workspace
from alpypy.wheels import diagnostics as wheel_failure
from alpypy.wheels.file import Wheel, read_wheel, write_stand_in
from alpypy.wheels.images import INSIDE, Python, inside, with_packages
from alpypy.wheels.kit import MorePackages
from alpypy.wheels.recipe import Module, WheelData
from alpypy.wheels.request import Interpreter, Request
from alpypy.wheels.requirements import Copies, copy_files, in_effect
from alpypy.wheels.settings import PipSettings, from_host

_TIME = 7200.0  # seconds that one build may take: a large module on a core that others use too
_FOUND, _WHEELS, _SOURCE = "/found", "/wheels", "/source"
_BUNDLED, _CONSTRAINTS, _FILES = "/bundled", "/constraints.txt", "/files"
_COLLECTING = re.compile(r"^\s*Collecting (.+?)(?: \(from .*)?$", re.MULTILINE)
# The same for all builds: what a wheel's zip says of its files' times.
EPOCH = "315619200"  # 1980-01-02: zip knows no time before 1980, wherever that is


@dataclass(frozen=True)
class WheelBuild:
    """Where wheels are built. ``more`` has the packages that the kit lacks."""

    workspace: Workspace
    data: WheelData
    python: Python
    interpreter: Interpreter
    more: MorePackages
    tls: str | None
    scratch: Path

    def image(self, modules: Sequence[Module]) -> str:
        """The image with the build packages of some modules.

        Raises:
            SpecError: the kit does not have one of them.
        """
        packages = self.data.build_packages(modules, self.interpreter, self.tls)
        names = tuple(dict.fromkeys(one.name for one in modules))
        self.more.refuse_missing(packages, ", ".join(names) or "a module")
        name = "-".join(names)[:60] or "build"
        tag = f"alpypy-wheels:{self.interpreter.short}-alpine{self.interpreter.alpine}-{name}"
        return self.image_with(packages, tag)

    def image_with(self, packages: Sequence[str], tag: str) -> str:
        """The interpreter's image with some packages."""
        more = self.more.repository(packages)
        return with_packages(self.workspace, self.python, packages, more, tag)

    def log(self, name: str, output: str) -> Path:
        """Keep what a container said, without logins."""
        path = self.workspace.logs / f"wheels-{self.interpreter}-{name}.log"
        path.write_text(without_passwords(output), encoding="utf-8")
        return path


@dataclass(frozen=True)
class Built:
    """A wheel as pip made it, and the image whose libraries it is linked with; one that the index
    had is from none."""

    wheel: Wheel
    image: str | None
    entry: Module | None


@dataclass(frozen=True)
class Collected:
    """All wheels, and which of them were asked for by name or path."""

    wheels: tuple[Built, ...]
    asked: frozenset[str]


@dataclass(frozen=True)
class _Asked:
    """What pip is asked for: requirements, copies of files, and wheels built of sources.

    ``names`` are the modules that are asked for by name and needed by the interpreter.
    """

    requirements: tuple[Requirement, ...]
    copies: Copies
    names: tuple[Requirement, ...]
    own: tuple[Built, ...] = ()


def collect(build: WheelBuild, request: Request) -> Collected:
    """Build or take every wheel of a request.

    Raises:
        SpecError: the index has no such module, or it cannot be built for this interpreter.
        DownloadError, DigestError: the index is out of reach, or gave a wrong file.
        WheelError: a build failed.
    """
    asked = _asked(build, request)
    for requirement in asked.names:
        _refuse_bundled(build, requirement.name)
        for entry in _entries_of(build, requirement):
            entry.refuse_unsupported(build.interpreter)
    settings = _settings(build)
    own = _own(build, settings, request.wanted.sources)
    found = _find(build, settings, replace(asked, own=own), bundle=request.bundle)
    _refuse_tls(build, own, found)
    wheels = {one.wheel.name: one for one in own}
    for path in found:
        if path.suffix == ".whl":
            wheel = read_wheel(path)
            wheels.setdefault(wheel.name, Built(wheel, None, _entry(build, wheel)))
        else:
            one = _build(build, settings, path)
            wheels[one.wheel.name] = one
    if not wheels:
        raise SpecError(
            f"nothing of what is asked for is for {build.interpreter}",
            remedy="see the environment markers (after ;) of the requirements",
        )
    names = {canonicalize_name(one.name) for one in asked.names} | {one.wheel.name for one in own}
    return Collected(tuple(wheels.values()), frozenset(names))


def _own(build: WheelBuild, settings: PipSettings, sources: Sequence[Path]) -> tuple[Built, ...]:
    made = dict[str, Path]()
    found = list[Built]()
    for source in sources:
        one = _build(build, settings, source)
        if one.wheel.name in made:
            raise SpecError(
                f"{made[one.wheel.name]} and {source} are both {one.wheel.name}",
                remedy="leave one of them out",
            )
        made[one.wheel.name] = source
        found.append(one)
    return tuple(found)


def _refuse_tls(build: WheelBuild, own: Sequence[Built], found: Sequence[Path]) -> None:
    """Raise SpecError for --tls where nothing that is built can be built with either library."""
    if build.tls is None:
        return
    entries = [one.entry for one in own]
    entries += [_source_entry(build, path) for path in found if path.suffix != ".whl"]
    if not any(entry and entry.tls for entry in entries):
        raise SpecError(
            f"--tls {build.tls} has no effect: nothing that is built for this has a choice",
            remedy="leave --tls out; `tls` of a module in versions/wheels.toml says what it takes",
        )


def _asked(build: WheelBuild, request: Request) -> _Asked:
    folder = build.scratch / "files"
    folder.mkdir()
    copies = copy_files(request.wanted.files, folder)
    requirements = (*request.wanted.requirements, *copies.requirements)
    names = in_effect(requirements, copies.constraints, build.python.markers)
    return _Asked(request.wanted.requirements, copies, names)


def _refuse_bundled(build: WheelBuild, name: str) -> None:
    bundled = {canonicalize_name(one["name"]) for one in build.python.bundled}
    if canonicalize_name(name) in bundled:
        raise SpecError(
            f"{name} is part of {build.interpreter} itself: no wheel of it could be used",
            remedy="leave it out; what depends on it takes the interpreter's own",
        )


def _entries_of(build: WheelBuild, requirement: Requirement) -> tuple[Module, ...]:
    """The entries that a requirement may be built by: one where it says the version."""
    return build.data.entries(requirement.name, build.interpreter, requirement.specifier)


def _entry(build: WheelBuild, wheel: Wheel) -> Module | None:
    return build.data.entry(wheel.name, wheel.version, build.interpreter)


def _settings(build: WheelBuild) -> PipSettings:
    """The person's settings of pip, and stand-ins for what the interpreter bundles."""
    folder = build.scratch / "bundled"
    folder.mkdir()
    for one in build.python.bundled:
        write_stand_in(one, folder)
    settings = from_host(build.scratch, {"find-links": _BUNDLED})
    mounts = (*settings.mounts, Mount(folder, _BUNDLED), inside(build.workspace))
    return PipSettings(mounts, settings.environment, settings.network)


def _constrained(
    build: WheelBuild, settings: PipSettings, modules: Sequence[Module]
) -> PipSettings:
    """The settings with the versions that the interpreter bundles, and those that some modules
    are built with, held fast; newer pips have another name for the latter. Of a module that has
    several entries still, nothing is held: they may be for versions that pip does not choose."""
    lines = [f"{one['name']}=={one['version']}" for one in build.python.bundled]
    entries = Counter(one.name for one in modules)
    lines += [line for one in modules if entries[one.name] == 1 for line in one.constraints]
    if not lines:
        return settings
    path = build.scratch / f"constraints-{key_of(lines=lines)[:12]}.txt"
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    variables = dict.fromkeys(("PIP_CONSTRAINT", "PIP_BUILD_CONSTRAINT"), _CONSTRAINTS)
    environment = {**settings.environment, **variables}
    return PipSettings((*settings.mounts, Mount(path, _CONSTRAINTS)), environment, settings.network)


def _find(
    build: WheelBuild, settings: PipSettings, asked: _Asked, *, bundle: bool
) -> tuple[Path, ...]:
    """Wheels and sources of all that is needed, as pip of the interpreter chooses them.

    Of some modules pip has to run the build to know what they depend on: when that fails, and they
    or what was collected before have entries with packages of their own, these are added.
    """
    seen = dict[str, None]()
    while True:
        modules = _modules(build, asked.names, seen)
        done, folder = _download(build, settings, asked, modules, bundle=bundle)
        if done.exit_code == 0:
            return tuple(sorted(path for path in folder.iterdir() if not _stands_in(build, path)))
        seen |= dict.fromkeys(_COLLECTING.findall(done.output))
        if _modules(build, asked.names, seen) == modules:
            raise _failure(build, settings, modules, done.output)


def _modules(
    build: WheelBuild, asked: Sequence[Requirement], seen: Iterable[str]
) -> tuple[Module, ...]:
    """Entries of what is asked for, and of what else was seen to be needed."""
    names = {canonicalize_name(one.name) for one in asked}
    found = [entry for one in asked for entry in _entries_of(build, one)]
    for text in sorted(seen):
        with suppress(InvalidRequirement):  # an address, or a path
            one = Requirement(text)
            if canonicalize_name(one.name) not in names:
                found += [entry for entry in _entries_of(build, one) if entry not in found]
    implementation = build.interpreter.implementation
    return tuple(one for one in found if one.supports(implementation))


def _download(
    build: WheelBuild,
    settings: PipSettings,
    asked: _Asked,
    modules: Sequence[Module],
    *,
    bundle: bool,
) -> tuple[Completed, Path]:
    image = build.image(modules)
    settings = _constrained(build, settings, modules)
    number = len(list(build.scratch.glob("found-*")))
    folder = build.scratch / f"found-{number}"
    folder.mkdir()
    command = [build.python.executable, "-m", "pip", "download", "--dest", _FOUND]
    command += ["--no-cache-dir", "--disable-pip-version-check", "--use-pep517"]
    if not bundle:
        # A wheel of the index brings its libraries along, which is not what was asked for.
        for one in asked.names:
            command += ["--no-binary", one.name]
    command += [str(one) for one in asked.requirements]
    for name in asked.copies.names:
        command += ["--requirement", f"{_FILES}/{name}"]
    command += [f"/own/{one.wheel.path.name}" for one in asked.own]
    environment = {key: value for one in modules for key, value in one.environment.items()}
    build.workspace.say("asking the index")
    job = Job(
        image,
        command,
        mounts=[Mount(folder, _FOUND, writable=True), *_mounts(build, settings, asked)],
        environment={**environment, **settings.environment},
        workdir="/tmp",  # noqa: S108 - the container's
        timeout=_TIME,
        network=settings.network,
    )
    return build.workspace.engine.run(job), folder


def _mounts(build: WheelBuild, settings: PipSettings, asked: _Asked) -> tuple[Mount, ...]:
    """What pip sees: copies of requirements files, and not the folders that they are in."""
    found = [*settings.mounts, Mount(build.scratch / "files", _FILES)]
    found += [Mount(path, str(path)) for path in asked.copies.places]
    found += [Mount(one.wheel.path, f"/own/{one.wheel.path.name}") for one in asked.own]
    return tuple({one.target: one for one in found}.values())


def _stands_in(build: WheelBuild, path: Path) -> bool:
    return (build.scratch / "bundled" / path.name).is_file()


def _failure(
    build: WheelBuild, settings: PipSettings, modules: Sequence[Module], output: str
) -> AlpypyError:
    log = build.log("index", output)
    names = re.findall(r"^Collecting (\S+)", output, re.MULTILINE)  # not those of a build itself
    what = names[-1] if names else "what is asked for"
    return wheel_failure.pip_error(what, output, str(log)) or _build_failure(
        build, settings, modules, what, output, log
    )


def _build_failure(
    build: WheelBuild,
    settings: PipSettings,
    modules: Sequence[Module],
    what: str,
    output: str,
    log: Path,
) -> WheelError:
    missing = wheel_failure.missing(output)

    def search(queries: Sequence[str]) -> Sequence[str]:
        return _search(build, settings, build.image(modules), queries)

    help_ = wheel_failure.hint(missing, build.data, search) if missing else None
    return wheel_failure.build_error(f"{what} for {build.interpreter}", output, help_, str(log))


def _search(
    build: WheelBuild, settings: PipSettings, image: str, queries: Sequence[str]
) -> tuple[str, ...]:
    """What apk's index has, in the order of the queries."""
    # As root: apk fetches the index of Alpine's mirrors into its cache first.
    script = (
        "apk update >/dev/null 2>&1; own=; r=/var/lib/alpypy-wheels;"
        ' test ! -d "$r/$(apk --print-arch)" || own="-X $r";'
        ' for one; do apk search -q $own -- "$one" 2>/dev/null; done'
    )
    job = Job(
        image,
        ["sh", "-c", script, "sh", *queries],
        environment=settings.environment,
        user="0:0",
        network=settings.network,
    )
    return tuple(build.workspace.engine.run(job).output.split())


def _build(build: WheelBuild, settings: PipSettings, source: Path) -> Built:
    """Build one source into a wheel, as its entry says."""
    name, version = _identity(source)
    entry = _source_entry(build, source)
    if entry:
        entry.refuse_unsupported(build.interpreter)
    modules = (entry,) if entry else ()
    image = build.image(modules)
    what = f"{name} {version}" if version else name
    build.workspace.say(f"building {what}")
    done, folder = _run(build, settings, source, image, entry)
    made = list(folder.glob("*.whl"))
    log = build.log(source.name, done.output)
    if done.exit_code or len(made) != 1:
        raise _build_failure(build, settings, modules, what, done.output, log)
    return Built(read_wheel(made[0]), image, entry)


def _source_entry(build: WheelBuild, source: Path) -> Module | None:
    name, version = _identity(source)
    if version is None:  # a folder, which says its version only when it is built
        return next(iter(build.data.entries(name, build.interpreter)), None)
    return build.data.entry(name, version, build.interpreter)


def _run(
    build: WheelBuild, settings: PipSettings, source: Path, image: str, entry: Module | None
) -> tuple[Completed, Path]:
    settings = _constrained(build, settings, (entry,) if entry else ())
    number = len(list(build.scratch.glob("built-*")))  # folders of sources may be called the same
    folder = build.scratch / f"built-{number}"
    folder.mkdir()
    place = f"{_SOURCE}/{source.name}"
    own = {
        "PYTHON": build.python.executable,
        "WHEELS": _WHEELS,
        "SOURCE_DATE_EPOCH": EPOCH,
        "BEFORE": (entry and entry.before) or "",
        "BUILD": (entry and entry.build) or "",
    }
    job = Job(
        image,
        ["sh", f"{INSIDE}/build.sh", place, *(entry.pip_options if entry else ())],
        mounts=[*settings.mounts, Mount(source, place), Mount(folder, _WHEELS, writable=True)],
        environment={**(entry.environment if entry else {}), **own, **settings.environment},
        timeout=_TIME,
        network=settings.network,
    )
    return build.workspace.engine.run(job), folder


def _identity(source: Path) -> tuple[str, str | None]:
    """Name and version of a source distribution by its file name; a folder's name is the one that
    its pyproject.toml says, or its own."""
    if source.is_dir():
        return _project_name(source), None
    try:
        name, version = parse_sdist_filename(re.sub(r"\.(tar\.\w+|tgz)$", ".tar.gz", source.name))
    except InvalidSdistFilename:
        return source.name, None
    return name, str(version)


def _project_name(folder: Path) -> str:
    try:
        text = (folder / "pyproject.toml").read_text(encoding="utf-8")
        return str(tomllib.loads(text)["project"]["name"])
    except (OSError, ValueError, LookupError, TypeError):  # pip says what is wrong with it
        return folder.name
