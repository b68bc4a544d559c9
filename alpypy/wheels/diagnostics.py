"""Diagnoses of failed builds: the first error in the output, and the package that was missing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from alpypy.core.errors import AlpypyError, DigestError, DownloadError, SpecError, WheelError
from alpypy.core.redact import without_passwords
from alpypy.wheels.recipe import WheelData

# Takes queries for an index of packages and returns names of packages.
Search = Callable[[Sequence[str]], Sequence[str]]
# maturin says this before it downloads Rust from Rust's own servers; the traceback follows if it
# cannot reach them.
_NO_RUST = re.compile(
    r"^.*\b(?P<name>Rust) not found, installing into .*$(?=\n\s*Traceback)", re.MULTILINE
)
_MISSING = (
    ("headers", re.compile(r"fatal error: (?P<name>\S+): No such file or directory")),
    ("libraries", re.compile(r"cannot find -l:?(?P<name>[^\s:]+)")),
    ("pkgconfig", re.compile(r"[Pp]ackage '(?P<name>[^\s']+)'[^\n]* not found")),
    ("pkgconfig", re.compile(r"No package '(?P<name>[^\s']+)' found")),
    ("pkgconfig", re.compile(r"Package (?P<name>\S+) was not found in the pkg-config search path")),
    # meson
    ("dependency", re.compile(r"ERROR: Dependency \"(?P<name>[^\"]+)\" not found")),
    # configure: each project words this message itself
    (
        "dependency",
        re.compile(
            r"configure: error: (?P<name>[\w.+-]+) (?:headers?|library|libraries|development files)"
            r"(?: (?:is|are|was|were))? (?:not found|missing)"
        ),
    ),
    # CMake; without "CMake Error" before it, the dependency is optional
    (
        "dependency",
        re.compile(
            r"CMake Error[^\n]*\n\s*(?:Could NOT find |By not providing \"Find)(?P<name>\w+)"
        ),
    ),
    ("programs", re.compile(r"unable to execute '(?P<name>[\w+-]+)'")),
    # Python could not start a program. Without _execute_child before it, the same message is about
    # a file that Python could not open.
    (
        "programs",
        re.compile(
            r"in _execute_child\n(?:.*\n){1,3}?.*Error: .*or directory: '(?P<name>[\w+-]+)'"
        ),
    ),
    ("programs", re.compile(r"cannot execute '?(?P<name>cc1plus)'?")),
    ("programs", re.compile(r"command '(?P<name>[\w+-]+)' failed: No such file")),
    ("programs", re.compile(r"Error: (?P<name>\w+) executable not found")),
    ("programs", re.compile(r"sh: (?:\w+: )*(?P<name>[\w+-]+): not found")),
    ("programs", re.compile(r"can't find (?P<name>Rust) compiler")),
    ("programs", _NO_RUST),
    ("programs", re.compile(r"No (?P<name>CMAKE_CXX_COMPILER) could be found")),
)
_WORDS = {
    "headers": "header",
    "libraries": "library",
    "programs": "program",
    "pkgconfig": "pkg-config file",
    "dependency": "dependency",
}
# distutils prints this for a program that it could not start, but also for a file. So it counts
# only if nothing else is missing, and apk's index then shows whether such a program exists.
_PERHAPS_PROGRAM = re.compile(
    r"^\W*error: \[Errno 2\] No such file or directory: '(?P<name>[\w+-]+)'", re.MULTILINE
)
# The most specific first: a compiler's errors, then a linker's, then all others.
_ERRORS = (
    re.compile(r"^.*?\S+:\d+(?::\d+)?: (?:fatal )?error: .*$", re.MULTILINE),
    re.compile(r"^\s*error\[E\d+\]: .*$", re.MULTILINE),  # Rust
    re.compile(r"^.*meson\.build:\d+:\d+: ERROR: .*$", re.MULTILINE),
    re.compile(r"^.*configure: error: .*$", re.MULTILINE),
    re.compile(r"^.*CMake Error(?: at .*:\n.*\S.*|: .*)$", re.MULTILINE),
    re.compile(r"^.*(?:ld\S*: cannot find|undefined reference|fatal error:).*$", re.MULTILINE),
    _NO_RUST,
    re.compile(r"^\s*(?:\w+\.)*[A-Z]\w*(?:Error|Exception|Exit): .*$", re.MULTILINE),
    # Exceptions with other names: the first line after a traceback that is indented less.
    re.compile(r"(?<=\n)(?P<by>[ \t]*)Traceback .*\n(?:(?P=by)[ \t].*\n)+(?P<line>.+)"),
    re.compile(r"^\s*(?:error|Error): (?!subprocess-exited).*$", re.MULTILINE),
    re.compile(r"^\s*ERROR: .*$", re.MULTILINE),
)
_NO_MATCH = re.compile(r"No matching distribution found for (?P<what>.+)")
_VERSIONS = re.compile(r"\(from versions: (?P<versions>.*)\)")
_UNREACHABLE = re.compile(
    r"Retrying \(Retry|Could not fetch URL|Connection(?:Error| broken| refused)|Temporary failure"
    r"|40[137] (?:Client )?Error"
)
# How pip ends when it did not get a file: its messages, also for a wheel of which the end is
# missing, an exception that it does not catch, and how pip 26 puts it. Indented, it is of a pip
# that installs what a build needs.
_NO_DOWNLOAD = re.compile(
    r"^\s*(?:ERROR: Could not install packages due to an OSError: HTTPS?Connection.*"
    r"|ERROR: Wheel '.*' located at \S*/pip-unpack-\S+ is invalid\."
    r"|ERROR: HTTP error \d+ while getting .*"
    r"|pip\._vendor\.(?:urllib3|requests)\.exceptions\.\w+: .*"
    r"|error: (?:(?:proxy-)?connection-failed|connection-timeout|ssl-verification-failed"
    r"|incomplete-download))$",
    re.MULTILINE,
)
_CONFLICT = re.compile(
    r"ERROR: Cannot install (?P<what>.+) because these package versions have conflicting"
    r" dependencies\.(?:\s*The conflict is caused by:\n(?P<why>(?:[ \t]+\S.*\n)+))?"
)
_HASHES = re.compile(r"DO NOT MATCH THE HASHES[\s\S]*?Got\s+\S+")


@dataclass(frozen=True)
class Missing:
    """Something that a build did not find. ``kind`` is one of those in versions/wheels.toml, or
    ``dependency`` if the name is one that meson, CMake or configure give it."""

    kind: str
    name: str


def first_error(output: str) -> str:
    """The line of a build's output that says why it failed."""
    for pattern in _ERRORS:
        if match := pattern.search(output):
            return " ".join((match.groupdict().get("line") or match[0]).split())
    lines = output.strip().splitlines()
    return lines[-1].strip() if lines else "it printed nothing"


def find_missing(output: str) -> Missing | None:
    """The first header, library or program that the output names as not found."""
    found = [
        (match.start(), Missing(kind, match["name"]))
        for kind, pattern in _MISSING
        if (match := pattern.search(output))
    ]
    if not found and (match := _PERHAPS_PROGRAM.search(output)):
        return Missing("programs", match["name"])
    return min(found, key=lambda pair: pair[0])[1] if found else None


def hint(missing: Missing, data: WheelData, search: Search) -> str | None:
    """The package that provides it, by versions/wheels.toml, else by Alpine's index."""
    package = _known_package(missing, data)
    if package is None:
        names = search(tuple(_queries(missing)))
        suitable = (name for name in names if missing.kind == "programs" or name.endswith("-dev"))
        package = next(suitable, None)
    if package is None:
        return None
    return f"the {_WORDS[missing.kind]} {missing.name} is in the package {package}"


def _known_package(missing: Missing, data: WheelData) -> str | None:
    if missing.kind != "dependency":
        return data.package_of(missing.kind, missing.name)
    small = missing.name.lower()  # OpenSSL and CURL are openssl.pc and libcurl.pc
    names = (missing.name, small, f"lib{small}")
    packages = (data.package_of("pkgconfig", name) for name in names)
    return next(filter(None, packages), None)


def _queries(missing: Missing) -> Iterator[str]:
    """Queries for `apk search`, the surest first. The index lists what packages provide, but no
    headers; most -dev packages have the name of their headers' folder, library or .pc file."""
    if missing.kind == "programs":
        yield f"cmd:{missing.name}"
        return
    if missing.kind in ("pkgconfig", "dependency"):
        yield f"pc:{missing.name}"
    path = PurePosixPath(missing.name.lower())
    for name in dict.fromkeys((PurePosixPath(path.parts[0]).stem, path.stem)):
        yield from (f"pc:{name}", f"pc:lib{name}", f"{name}-dev", f"lib{name}-dev")


def build_error(what: str, output: str, help_: str | None, log: str) -> WheelError:
    """The error for a build that failed; ``help_`` is what ``hint`` returned."""
    advice = f"{help_}; add it to a [[modules]] entry in versions/wheels.toml\n  " if help_ else ""
    return WheelError(
        f"{what} could not be built: {without_passwords(first_error(output))}",
        remedy=f"{advice}the whole output: {log}",
    )


def pip_error(what: str, output: str, log: str) -> AlpypyError | None:
    """The error for an output of pip: the index's, or None if the output has another cause."""
    output = without_passwords(output)
    if match := _HASHES.search(output):
        return DigestError(
            f"the index's file for {what} does not have the expected digest:\n{match[0]}",
            remedy="use another index (pip's index-url); alpypy built nothing from this file",
        )
    if match := _CONFLICT.search(output):
        lines = (match["why"] or "").splitlines()
        return SpecError(
            f"the requirements conflict: {match['what']}"
            + "".join(f"\n  {line.strip()}" for line in lines),
            remedy=f"choose other versions, or none, and let pip choose; its output: {log}",
        )
    match = _NO_MATCH.search(output)
    if match and _UNREACHABLE.search(output):
        return DownloadError(
            f"pip could not reach the index for {match['what']}",
            remedy=f"check pip's settings (pip config list) and HTTPS_PROXY; its output: {log}",
        )
    if match is None:
        return _download_error(what, output, log)
    versions = _VERSIONS.search(output)
    available = versions["versions"] if versions else "none"
    if available in ("", "none"):
        reason = "no such module, or no version for this Python"
    else:
        reason = f"it has the versions {', '.join(available.split(', ')[-8:])}"
    return SpecError(
        f"the index has no {match['what']}: {reason}",
        remedy="check the name and the version, and which index pip uses (pip config list)",
    )


def _download_error(what: str, output: str, log: str) -> DownloadError | None:
    match = _NO_DOWNLOAD.search(output)
    if match is None:
        return None
    return DownloadError(
        f"pip could not get a file for {what}: {match[0].strip()}",
        remedy=f"check the network and HTTPS_PROXY, then run it again; pip's output: {log}",
    )
