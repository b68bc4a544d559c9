"""From requirements to wheels: take those that the index has, and build the others.

The interpreter's own pip says what is needed and what the index has. alpypy builds each module
that has no wheel there, in a container with that module's build packages.
"""

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
from alpypy.wheels import diagnostics
from alpypy.wheels.checkout import Checkout, find_checkout
from alpypy.wheels.file import Wheel, read_wheel, write_stand_in
from alpypy.wheels.images import INSIDE, Python, inside, with_packages
from alpypy.wheels.kit import ExtraPackages
from alpypy.wheels.recipe import Module, WheelData
from alpypy.wheels.request import Interpreter, Request
from alpypy.wheels.requirements import Copies, copy_files, in_effect
from alpypy.wheels.settings import PipSettings, from_host

_TIMEOUT = 7200.0  # seconds for a build: enough for a large module on a core that others use too
_FOUND, _WHEELS, _SOURCE = "/found", "/wheels", "/source"
_BUNDLED, _CONSTRAINTS, _FILES = "/bundled", "/constraints.txt", "/files"
_COLLECTING = re.compile(r"^\s*Collecting (.+?)(?: \(from .*)?$", re.MULTILINE)
# SOURCE_DATE_EPOCH of every build, so that the same build gives the same wheel.
EPOCH = "315619200"  # 1980-01-02: no time before 1980 in a zip file, in any time zone


@dataclass(frozen=True)
class WheelBuild:
    """Where wheels are built. ``extra_packages`` are those that the kit lacks."""

    workspace: Workspace
    data: WheelData
    python: Python
    interpreter: Interpreter
    extra_packages: ExtraPackages
    tls: str | None
    scratch: Path

    def image(self, modules: Sequence[Module]) -> str:
        """The image with the build packages of some modules.

        Raises:
            SpecError: the kit lacks a package.
        """
        packages = self.data.build_packages(modules, self.interpreter, self.tls)
        names = tuple(dict.fromkeys(module.name for module in modules))
        what = ", ".join(names) or "a module"
        self.extra_packages.refuse_missing(packages, what, self.interpreter.alpine)
        name = "-".join(names)[:60] or "build"
        tag = f"alpypy-wheels:{self.interpreter.short}-alpine{self.interpreter.alpine}-{name}"
        return self.image_with(packages, tag)

    def image_with(self, packages: Sequence[str], tag: str) -> str:
        """The interpreter's image with some packages."""
        repositories = self.extra_packages.repositories(packages)
        return with_packages(self.workspace, self.python.image, packages, repositories, tag)

    def log(self, name: str, output: str) -> Path:
        """Write a container's output to a log file, without passwords."""
        path = self.workspace.logs / f"wheels-{self.interpreter}-{name}.log"
        path.write_text(without_passwords(output), encoding="utf-8")
        return path


@dataclass(frozen=True)
class BuiltWheel:
    """A wheel as pip made it, and the image whose libraries it is linked with.

    ``image`` is None for a wheel from the index.
    """

    wheel: Wheel
    image: str | None
    entry: Module | None


@dataclass(frozen=True)
class CollectedWheels:
    """All wheels, and the names of those that the user requested by name or path."""

    wheels: tuple[BuiltWheel, ...]
    requested: frozenset[str]


@dataclass(frozen=True)
class _PipRequest:
    """What pip gets: requirements, copies of requirements files, and wheels built from sources.

    ``names`` are the modules that the user requested by name and that the interpreter needs.
    """

    requirements: tuple[Requirement, ...]
    copies: Copies
    names: tuple[Requirement, ...]
    from_sources: tuple[BuiltWheel, ...] = ()


def collect(build: WheelBuild, request: Request) -> CollectedWheels:
    """Collect every wheel of a request: from the index, or built here.

    Raises:
        SpecError: the index has no such module, or it cannot be built for this interpreter.
        DownloadError, DigestError: pip cannot reach the index, or the index gave a wrong file.
        WheelError: a build failed.
    """
    pip_request = _pip_request(build, request)
    for requirement in pip_request.names:
        _refuse_bundled(build, requirement.name)
        for entry in _entries_of(build, requirement):
            entry.refuse_unsupported(build.interpreter)
    settings = pip_settings(build)
    from_sources = _build_sources(build, settings, request.wanted.sources)
    pip_request = replace(pip_request, from_sources=from_sources)
    found = _find(build, settings, pip_request, bundle=request.bundle)
    _refuse_tls(build, from_sources, found)
    wheels = {built.wheel.name: built for built in from_sources}
    for path in found:
        if path.suffix == ".whl":
            wheel = read_wheel(path)
            wheels.setdefault(wheel.name, BuiltWheel(wheel, None, _entry(build, wheel)))
        else:
            built = _build(build, settings, path)
            wheels[built.wheel.name] = built
    if not wheels:
        raise SpecError(
            f"{build.interpreter} needs none of the requirements",
            remedy="check their environment markers (after the semicolon)",
        )
    requested = {built.wheel.name for built in from_sources}
    requested |= {str(canonicalize_name(requirement.name)) for requirement in pip_request.names}
    return CollectedWheels(tuple(wheels.values()), frozenset(requested))


def _build_sources(
    build: WheelBuild, settings: PipSettings, sources: Sequence[Path]
) -> tuple[BuiltWheel, ...]:
    source_of = dict[str, Path]()
    wheels = list[BuiltWheel]()
    for source in sources:
        built = _build(build, settings, source)
        name = built.wheel.name
        if name in source_of:
            raise SpecError(
                f"{source_of[name]} and {source} are both {name}",
                remedy="leave one of them out",
            )
        source_of[name] = source
        wheels.append(built)
    return tuple(wheels)


def _refuse_tls(
    build: WheelBuild, from_sources: Sequence[BuiltWheel], found: Sequence[Path]
) -> None:
    """Raise SpecError for --tls if no module to build has a choice of TLS library."""
    if build.tls is None:
        return
    entries = [built.entry for built in from_sources]
    entries += [_source_entry(build, path) for path in found if path.suffix != ".whl"]
    if not any(entry and entry.tls for entry in entries):
        raise SpecError(
            f"--tls {build.tls} has no effect: none of these modules has a choice of TLS library",
            remedy="leave --tls out; in versions/wheels.toml, `tls` lists a module's choices",
        )


def _pip_request(build: WheelBuild, request: Request) -> _PipRequest:
    folder = build.scratch / "files"
    folder.mkdir()
    copies = copy_files(request.wanted.files, folder)
    requirements = (*request.wanted.requirements, *copies.requirements)
    names = in_effect(requirements, copies.constraints, build.python.markers)
    return _PipRequest(request.wanted.requirements, copies, names)


def _refuse_bundled(build: WheelBuild, name: str) -> None:
    bundled = {canonicalize_name(distribution["name"]) for distribution in build.python.bundled}
    if canonicalize_name(name) in bundled:
        raise SpecError(
            f"{name} is part of {build.interpreter}, which would not use a wheel of it",
            remedy="leave it out; modules that depend on it use the interpreter's own",
        )


def _entries_of(build: WheelBuild, requirement: Requirement) -> tuple[Module, ...]:
    """The entries for a requirement: a single entry if the requirement names the version."""
    return build.data.entries(requirement.name, build.interpreter, requirement.specifier)


def _entry(build: WheelBuild, wheel: Wheel) -> Module | None:
    return build.data.entry(wheel.name, wheel.version, build.interpreter)


def pip_settings(build: WheelBuild) -> PipSettings:
    """The user's pip settings, and stand-ins for what the interpreter bundles."""
    folder = build.scratch / "bundled"
    folder.mkdir()
    for distribution in build.python.bundled:
        write_stand_in(distribution, folder)
    settings = from_host(build.scratch, {"find-links": _BUNDLED})
    mounts = (*settings.mounts, Mount(folder, _BUNDLED), inside(build.workspace))
    return PipSettings(mounts, settings.environment, settings.network)


def _constrained(
    build: WheelBuild, settings: PipSettings, modules: Sequence[Module]
) -> PipSettings:
    """The settings, with constraints for what the interpreter bundles and for what the modules are
    built with. Newer pips have another variable for the latter.

    If a module still has several entries, their constraints are left out: they may be for versions
    that pip does not choose.
    """
    bundled = build.python.bundled
    lines = [f"{distribution['name']}=={distribution['version']}" for distribution in bundled]
    entries = Counter(module.name for module in modules)
    single = (module for module in modules if entries[module.name] == 1)
    lines += [line for module in single for line in module.constraints]
    if not lines:
        return settings
    path = build.scratch / f"constraints-{key_of(lines=lines)[:12]}.txt"
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    variables = dict.fromkeys(("PIP_CONSTRAINT", "PIP_BUILD_CONSTRAINT"), _CONSTRAINTS)
    environment = {**settings.environment, **variables}
    return PipSettings((*settings.mounts, Mount(path, _CONSTRAINTS)), environment, settings.network)


def _find(
    build: WheelBuild, settings: PipSettings, request: _PipRequest, *, bundle: bool
) -> tuple[Path, ...]:
    """Wheels and sources of all modules that are needed, as the interpreter's pip chooses them.

    For some modules pip has to run the build to learn what they depend on. If that fails, alpypy
    adds the build packages of all modules that pip has collected so far, and tries again.
    """
    seen = dict[str, None]()
    while True:
        modules = _modules(build, request.names, seen)
        done, folder = _download(build, settings, request, modules, bundle=bundle)
        if done.exit_code == 0:
            return tuple(sorted(path for path in folder.iterdir() if not _stands_in(build, path)))
        seen |= dict.fromkeys(_COLLECTING.findall(done.output))
        if _modules(build, request.names, seen) == modules:
            raise _failure(build, settings, modules, done.output)


def _modules(
    build: WheelBuild, requested: Sequence[Requirement], seen: Iterable[str]
) -> tuple[Module, ...]:
    """Entries of the modules that the user requested, and of those that pip collected besides."""
    names = {canonicalize_name(requirement.name) for requirement in requested}
    entries = [entry for requirement in requested for entry in _entries_of(build, requirement)]
    for text in sorted(seen):
        with suppress(InvalidRequirement):  # an address, or a path
            requirement = Requirement(text)
            if canonicalize_name(requirement.name) not in names:
                new = _entries_of(build, requirement)
                entries += [entry for entry in new if entry not in entries]
    implementation = build.interpreter.implementation
    return tuple(entry for entry in entries if entry.supports(implementation))


def _download(
    build: WheelBuild,
    settings: PipSettings,
    request: _PipRequest,
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
        # A wheel from the index bundles its libraries, and --no-bundle asks for one that does not.
        for requirement in request.names:
            command += ["--no-binary", requirement.name]
    command += [str(requirement) for requirement in request.requirements]
    for name in request.copies.names:
        command += ["--requirement", f"{_FILES}/{name}"]
    command += [f"/own/{built.wheel.path.name}" for built in request.from_sources]
    environment = {key: value for module in modules for key, value in module.environment.items()}
    build.workspace.say("asking the index")
    job = Job(
        image,
        command,
        mounts=[Mount(folder, _FOUND, writable=True), *_mounts(build, settings, request)],
        environment={**environment, **settings.environment},
        workdir="/tmp",  # noqa: S108 - the container's
        timeout=_TIMEOUT,
        network=settings.network,
    )
    return build.workspace.engine.run(job), folder


def _mounts(build: WheelBuild, settings: PipSettings, request: _PipRequest) -> tuple[Mount, ...]:
    """What pip sees: copies of requirements files, but not the folders that the files are in."""
    mounts = [*settings.mounts, Mount(build.scratch / "files", _FILES)]
    mounts += [Mount(path, str(path)) for path in request.copies.places]
    wheels = [built.wheel.path for built in request.from_sources]
    mounts += [Mount(wheel, f"/own/{wheel.name}") for wheel in wheels]
    return tuple({mount.target: mount for mount in mounts}.values())


def _stands_in(build: WheelBuild, path: Path) -> bool:
    return (build.scratch / "bundled" / path.name).is_file()


def _failure(
    build: WheelBuild, settings: PipSettings, modules: Sequence[Module], output: str
) -> AlpypyError:
    log = build.log("index", output)
    # Without indentation: those of pip itself, and not of a build that it runs.
    names = re.findall(r"^Collecting (\S+)", output, re.MULTILINE)
    what = names[-1] if names else "the requirements"
    return diagnostics.pip_error(what, output, str(log)) or _build_failure(
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
    missing = diagnostics.find_missing(output)

    def search(queries: Sequence[str]) -> Sequence[str]:
        return _search(build, settings, build.image(modules), queries)

    help_ = diagnostics.hint(missing, build.data, search) if missing else None
    return diagnostics.build_error(f"{what} for {build.interpreter}", output, help_, str(log))


def _search(
    build: WheelBuild, settings: PipSettings, image: str, queries: Sequence[str]
) -> tuple[str, ...]:
    """Names of the packages that apk finds in its index, in the order of the queries."""
    # As root: apk first downloads the index of Alpine's mirrors into its cache.
    script = (
        "apk update >/dev/null 2>&1; own=;"
        ' for r in /var/lib/alpypy-wheels/*; do test ! -d "$r" || own="$own -X $r"; done;'
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


def _build(build: WheelBuild, settings: PipSettings, source: Path) -> BuiltWheel:
    """Build a wheel from a source, as the module's entry says."""
    name, version = _identity(source)
    entry = _source_entry(build, source)
    if entry:
        entry.refuse_unsupported(build.interpreter)
    modules = (entry,) if entry else ()
    checkout = find_checkout(source)
    image = build.image(modules)
    what = f"{name} {version}" if version else name
    build.workspace.say(f"building {what}")
    checkout = checkout or Checkout(source, Path())
    done, folder = _run(build, settings, checkout, image, entry)
    wheels = list(folder.glob("*.whl"))
    log = build.log(source.name, done.output)
    if done.exit_code or len(wheels) != 1:
        raise _build_failure(build, settings, modules, what, done.output, log)
    return BuiltWheel(read_wheel(wheels[0]), image, entry)


def _source_entry(build: WheelBuild, source: Path) -> Module | None:
    name, version = _identity(source)
    if version is None:  # a folder: its version is known only after the build
        return next(iter(build.data.entries(name, build.interpreter)), None)
    return build.data.entry(name, version, build.interpreter)


def _run(
    build: WheelBuild, settings: PipSettings, source: Checkout, image: str, entry: Module | None
) -> tuple[Completed, Path]:
    settings = _constrained(build, settings, (entry,) if entry else ())
    number = len(list(build.scratch.glob("built-*")))  # two sources' folders may have one name
    folder = build.scratch / f"built-{number}"
    folder.mkdir()
    place = f"{_SOURCE}/{source.top.name}"
    own = {
        "PYTHON": build.python.executable,
        "WHEELS": _WHEELS,
        "SOURCE_DATE_EPOCH": EPOCH,
        "BEFORE": (entry and entry.before) or "",
        "BUILD": (entry and entry.build) or "",
        "PROJECT": str(source.project),
    }
    job = Job(
        image,
        ["sh", f"{INSIDE}/build.sh", place, *(entry.pip_options if entry else ())],
        mounts=[
            *settings.mounts,
            *source.mounts,
            Mount(source.top, place),
            Mount(folder, _WHEELS, writable=True),
        ],
        environment={**(entry.environment if entry else {}), **own, **settings.environment},
        timeout=_TIMEOUT,
        network=settings.network,
    )
    return build.workspace.engine.run(job), folder


def _identity(source: Path) -> tuple[str, str | None]:
    """Name and version of a source distribution, by its file name. For a folder: the name in its
    pyproject.toml, else the folder's own, and no version."""
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
