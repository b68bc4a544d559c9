"""Installs PyPI's most downloaded packages on an interpreter, imports them, and writes a page.

    python -m scripts.compatibility --python pypy3.11-8.0.0 --alpine 3.24             # what is left
    python -m scripts.compatibility --python pypy3.11-8.0.0 --alpine 3.24 numpy lxml  # these, again
    python -m scripts.compatibility                                                   # the page

pip installs each package in a container of the image that `invoke wheels` builds in, into a fresh
virtual environment, as your pip is set up. Python then imports it in a second container, without a
network. Each result is kept at once: a run that was killed goes on where it was. A run on another
interpreter, Alpine, pip or kit starts again. It takes hours where much has to be compiled.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import tempfile
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import Distribution
from pathlib import Path
from urllib.parse import unquote, urlsplit

from msgspec import structs
from packaging.utils import (
    InvalidSdistFilename,
    NormalizedName,
    canonicalize_name,
    parse_sdist_filename,
)

from alpypy.cli import common
from alpypy.cli.ending import ended_well
from alpypy.cli.wheels import WheelsOptions
from alpypy.core.errors import (
    DataError,
    DigestError,
    DownloadError,
    ImageError,
    ResourceError,
    SpecError,
)
from alpypy.core.folders import ROOT
from alpypy.core.log import configure, say
from alpypy.core.program import typed
from alpypy.core.redact import without_passwords
from alpypy.engine.job import Completed, Job, Mount
from alpypy.wheels.build import WheelBuild
from alpypy.wheels.diagnostics import first_error, pip_error
from alpypy.wheels.file import compiled_modules, importable, read_wheel
from alpypy.wheels.images import INSIDE, inside
from alpypy.wheels.maker import WheelMaker
from alpypy.wheels.recipe import load_wheel_data
from alpypy.wheels.settings import HOME, from_host
from scripts.compatibility_page import (
    LIST,
    PAGE,
    RESULTS,
    Outcome,
    Result,
    Results,
    Run,
    page,
    read_results,
    top_packages,
)

_LIMIT = 7200.0  # seconds for an installation: numpy is compiled, on a core that others use too
_IMPORT_LIMIT = 600.0  # seconds
_ENVIRONMENT, _REPORT = "/environment", "report.json"
_PIP = (f"{_ENVIRONMENT}/bin/python", "-m", "pip", "--disable-pip-version-check")
_LONGEST_ERROR = 240  # characters
_TAKEN = re.compile(r"^\s*(?:Downloading|Using cached|Processing) (\S+)", re.MULTILINE)
_NO_SPACE = re.compile(r"^\S.*\[Errno 28\]", re.MULTILINE)  # pip's own, and not a build's
_NOT_BUILT = re.compile(r"Failed (?:building wheel for|to build) '?([A-Za-z0-9][\w.-]*)")
# Without indentation: what pip looks at itself, and not for a build that it runs.
_LOOKED_AT = re.compile(r"^(?:Collecting ([\w.-]+)|Processing (\S+))", re.MULTILINE)


class Trial:
    """Installs packages on an interpreter and imports them."""

    def __init__(self, build: WheelBuild) -> None:
        self._build = build
        self._settings = from_host(build.scratch, {})
        self._fresh = build.scratch / "fresh"
        bundled = build.python.bundled
        self._bundled = {canonicalize_name(own["name"]): own["version"] for own in bundled}

    @property
    def run(self) -> Run:
        """On what the packages are tried."""
        interpreter, python = self._build.interpreter, self._build.python
        kit = python.kit is not None
        return Run(
            str(interpreter),
            interpreter.alpine,
            interpreter.arch,
            interpreter.portable,
            kit,
            python.pip,
        )

    def of(self, package: str) -> Result:
        """The result of a package.

        Raises:
            DownloadError, DigestError: pip did not get what the index has.
            ResourceError: pip had too little disk or memory.
        """
        if not self._fresh.is_dir():
            self._make_environment(self._fresh)
        with tempfile.TemporaryDirectory(prefix="environment-", dir=self._build.scratch) as name:
            shutil.copytree(self._fresh, name, symlinks=True, dirs_exist_ok=True)
            return self._of(package, Path(name))

    def _make_environment(self, folder: Path) -> None:
        """Make the environment that each package gets a copy of, as making one takes long. Its pip
        is run, so that what pip imports is compiled."""
        folder.mkdir()
        python = self._build.python.executable
        mounts = (Mount(folder, _ENVIRONMENT, writable=True),)
        for command in ([python, "-m", "venv", _ENVIRONMENT], [*_PIP, "debug", "--verbose"]):
            done = self._build.workspace.engine.run(
                Job(self._build.python.image, command, mounts, {"HOME": HOME})
            )
            if done.exit_code:
                shutil.rmtree(folder)
                raise ImageError(
                    f"{self._build.interpreter} makes no virtual environment: {done.output}",
                    remedy=f"check it: {typed('verify')}",
                )

    def _of(self, package: str, folder: Path) -> Result:
        image, apk = self._image(package)
        environment = Mount(folder, _ENVIRONMENT, writable=True)
        done = self._install(image, environment, package)
        log = self._build.log(f"compatibility-{package}", done.output)
        if done.exit_code:
            if problem := other_cause(package, done, str(log)):
                raise problem
            return structs.replace(refused(package, done), apk=apk)
        result = structs.replace(installed(package, folder, self._bundled), apk=apk)
        names = modules(package, folder)
        done = self._import(image, environment, names)
        self._build.log(f"compatibility-{package}-import", done.output)
        return imported(result, names, done)

    def _image(self, package: str) -> tuple[str, tuple[str, ...]]:
        """The image to build in, and the Alpine packages in it that versions/wheels.toml adds for
        this package. Where the kit lacks one of these, pip has to do without."""
        build, data, interpreter = self._build, self._build.data, self._build.interpreter
        entries = data.entries(package, interpreter)
        usual = data.build_packages((), interpreter, None)
        with suppress(SpecError):
            packages = data.build_packages(entries, interpreter, None)
            return build.image(entries), tuple(name for name in packages if name not in usual)
        return build.image(()), ()

    def _install(self, image: str, environment: Mount, package: str) -> Completed:
        """Run pip. It upgrades what a new environment has, but leaves PyPy's own packages."""
        own = canonicalize_name(package) in self._bundled
        options = ["--no-cache-dir", "--report", f"{_ENVIRONMENT}/{_REPORT}"]
        job = Job(
            image,
            [*_PIP, "install", *options, *([] if own else ["--upgrade"]), package],
            mounts=(*self._settings.mounts, environment),
            environment=self._settings.environment,
            workdir="/tmp",  # noqa: S108 - the container's
            timeout=_LIMIT,
            network=self._settings.network,
        )
        return self._build.workspace.engine.run(job)

    def _import(self, image: str, environment: Mount, names: Sequence[str]) -> Completed:
        job = Job(
            image,
            [f"{_ENVIRONMENT}/bin/python", f"{INSIDE}/import.py", *names],
            mounts=(environment, inside(self._build.workspace)),
            environment={"HOME": HOME},
            workdir="/tmp",  # noqa: S108 - the container's
            timeout=_IMPORT_LIMIT,
        )
        return self._build.workspace.engine.run(job)


def other_cause(
    package: str, done: Completed, log: str
) -> DownloadError | DigestError | ResourceError | None:
    """The error of an installation that failed for a reason that is not the package's: its files
    could not be got, the disk is full, or pip was killed. None for all other reasons.

    Args:
        log: where the output is kept.
    """
    if _NO_SPACE.search(done.output):
        return ResourceError(
            f"pip had no space left on the disk for {package}",
            remedy=f"free some space on it, then run again; pip's output: {log}",
        )
    if done.exit_code == 137:
        return ResourceError(
            f"pip was killed while it installed {package}, probably out of memory",
            remedy=f"free some memory, then run again; pip's output: {log}",
        )
    problem = pip_error(package, done.output, log)
    return problem if isinstance(problem, DownloadError | DigestError) else None


def refused(package: str, done: Completed) -> Result:
    """The result of a package that pip did not install, by pip's output."""
    name = _culprit(done.output)
    other = name and canonicalize_name(name) != canonicalize_name(package)
    error = f"pip needed more than {_LIMIT:.0f} seconds" if done.exit_code == 124 else None
    return Result(
        package,
        "refused",
        _today(),
        _chosen_version(package, done.output),
        failed=name if other else None,
        error=error or _shortened(first_error(done.output)),
    )


def _culprit(output: str) -> str | None:
    """The distribution that pip could not build, or else the last that it looked at."""
    if match := _NOT_BUILT.search(output):
        return match[1]
    names = [name or _identity(path)[0] for name, path in _LOOKED_AT.findall(output)]
    return names[-1] if names else None


def _chosen_version(package: str, output: str) -> str | None:
    """The version of a package's last file that pip took."""
    named = map(_identity, _TAKEN.findall(output))
    versions = [version for name, version in named if name == canonicalize_name(package)]
    return versions[-1] if versions else None


def _file(address: str) -> Path:
    """The file of an address or path, which says what it is by its name."""
    return Path(unquote(urlsplit(address).path))


def _identity(address: str) -> tuple[str, str]:
    """Name and version of a wheel or of a source distribution, by the name of its file."""
    file = _file(address)
    if file.suffix == ".whl":
        wheel = read_wheel(file)
        return wheel.name, wheel.version
    with suppress(InvalidSdistFilename):
        name, version = parse_sdist_filename(file.name)
        return name, str(version)
    return file.name, ""


def installed(package: str, folder: Path, bundled: Mapping[NormalizedName, str]) -> Result:
    """The result of a package that pip installed.

    Args:
        folder: the environment, with pip's report.
        bundled: versions of what is part of the interpreter, by name.
    """
    report = json.loads((folder / _REPORT).read_text(encoding="utf-8"))
    files = {
        canonicalize_name(entry["metadata"]["name"]): _file(entry["download_info"]["url"])
        for entry in report["install"]
    }
    own = _distribution(package, folder)
    name = canonicalize_name(package)
    if own is None or name not in files:  # pip had nothing to do
        return Result(package, "bundled", _today(), own.version if own else bundled[name])
    compiled = any(file.suffix == ".so" for file in own.files or ())
    built = (other for other, file in files.items() if file.suffix != ".whl" and other != name)
    kind = _kind(files[name])
    return Result(package, kind, _today(), own.version, compiled, tuple(sorted(built)))


def _kind(file: Path) -> Outcome:
    if file.suffix != ".whl":
        return "source"
    return "pure" if read_wheel(file).pure else "binary"


def _site(folder: Path) -> Path:
    return next(folder.glob("lib/*/site-packages"))


def _distribution(package: str, folder: Path) -> Distribution | None:
    """What pip installed of a package into an environment; None if it did not have to."""
    found = Distribution.discover(name=package, path=[str(_site(folder))])
    return next(iter(found), None)


def modules(package: str, folder: Path) -> tuple[str, ...]:
    """The names to import: the package's own, and all compiled modules of its environment."""
    own = _distribution(package, folder)
    if own is None:
        return (package.replace("-", "_"),)
    names = importable([str(file) for file in own.files or ()])
    return tuple(sorted({*names, *compiled_modules(_site(folder))}))


def imported(result: Result, names: Sequence[str], done: Completed) -> Result:
    """The result after the import of these names, whose output this is."""
    said = _said(done.output)
    if done.exit_code or said is None:
        error = f"the import ended with {done.exit_code}: {first_error(done.output)}"
        return structs.replace(result, outcome="broken", error=_shortened(error))
    failed, optional = said["failed"], _optional(names, said["failed"], said["lacks"])
    result = structs.replace(result, optional=tuple(sorted({*optional.values()})))
    errors = [f"{name}: {error}" for name, error in failed.items() if name not in optional]
    if not errors:
        return result
    return structs.replace(result, outcome="broken", error=_shortened("; ".join(errors)))


def _said(output: str) -> Mapping[str, Mapping[str, str]] | None:
    """What inside/import.py said on the last line; None if a package ended it before."""
    lines = output.splitlines() or [""]
    try:
        said = json.loads(lines[-1])
    except ValueError:
        return None
    return said if isinstance(said, dict) and said.keys() == {"failed", "lacks"} else None


def _optional(
    names: Sequence[str], failed: Mapping[str, str], lacks: Mapping[str, str]
) -> Mapping[str, str]:
    """Modules that lack a package which pip did not have to install, where the rest does without:
    that package's names by theirs. A name with a dot is of a package that is there."""
    own = {name.partition(".")[0] for name in names}
    if len(failed) == len(names):
        return {}
    return {name: lack for name, lack in lacks.items() if "." not in lack and lack not in own}


def _shortened(error: str) -> str:
    """The first line of an error without passwords, and not all of a long one."""
    line = without_passwords(error.partition("\n")[0])
    return line if len(line) <= _LONGEST_ERROR else f"{line[:_LONGEST_ERROR]}..."


def _today() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d}"


def try_all(trial: Trial, packages: Sequence[str], wanted: Collection[str], path: Path) -> None:
    """Try the wanted packages; if none is named, those that have no result of this run yet.

    Args:
        path: the file of the results.

    Raises:
        SpecError: packages are named, but the results are of another run.
    """
    results = results_to_keep(path, trial.run, wanted)
    left = [name for name in packages if name in wanted or not (wanted or name in results)]
    for number, package in enumerate(left, 1):
        say(f"{number} of {len(left)}: {package}")
        results[package] = trial.of(package)
        say(f"  {results[package].outcome} {results[package].error or ''}")
        Results(trial.run, results).write(path, packages)


def results_to_keep(path: Path, run: Run, wanted: Collection[str]) -> dict[str, Result]:
    """The results that a run goes on with, by the names of packages; none if those of the file are
    of another run.

    Args:
        path: the file of the results.
        wanted: the packages that the user named.

    Raises:
        SpecError: packages are named, but the results are of another run.
    """
    kept = read_results(path)
    if kept is None or kept.run == run:
        return dict(kept.of) if kept else {}
    if wanted:
        raise SpecError(
            f"{path} has results of {kept.run}, not of {run}",
            remedy="name no package, to start again, or choose that interpreter",
        )
    say(f"{path} has results of {kept.run}; it starts again, on {run}")
    return {}


def write_page(packages: Sequence[str]) -> None:
    """Write the page of the results that are there.

    Raises:
        DataError: there are none.
    """
    results = read_results(ROOT / RESULTS)
    if results is None:
        raise DataError(f"{RESULTS} does not exist", remedy="name an interpreter with --python")
    (ROOT / PAGE).write_text(page(results, packages), encoding="utf-8")


def main() -> None:
    """Try what is left, if an interpreter is named, and write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--python", help="as of `invoke wheels`; without it, write only the page")
    parser.add_argument("--alpine", help="as of `invoke wheels`")
    parser.add_argument("--portable", action="store_true", help="as of `invoke wheels`")
    parser.add_argument("packages", nargs="*", help="try these alone, also if they have a result")
    options = parser.parse_args()
    configure()
    packages = top_packages(ROOT / LIST)
    if unknown := set(options.packages).difference(packages):
        parser.error(f"{LIST} does not have {', '.join(sorted(unknown))}")
    if options.python and not options.python.startswith("pypy"):
        parser.error("name a PyPy")
    if options.python and options.python.startswith("pypy2"):
        parser.error("it needs Python 3")
    with ended_well():
        _run(options, packages)


def _run(options: argparse.Namespace, packages: Sequence[str]) -> None:
    if options.python:
        wanted = WheelsOptions(
            requirements="",
            python=options.python,
            alpine=options.alpine,
            portable=options.portable,
        )
        with (
            common.workspace(common.project()) as workspace,
            tempfile.TemporaryDirectory(prefix="alpypy-compatibility-") as scratch,
        ):
            maker = WheelMaker(workspace, load_wheel_data(ROOT))
            trial = Trial(maker.begin(wanted.interpreter(), Path(scratch)))
            try_all(trial, packages, options.packages, ROOT / RESULTS)
    write_page(packages)


if __name__ == "__main__":
    main()
