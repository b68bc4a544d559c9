"""What a failed build says: the compiler's first error, and the package of what it misses."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from alpypy.core.errors import AlpypyError, DigestError, DownloadError, SpecError, WheelError
from alpypy.core.redact import without_passwords
from alpypy.wheels.recipe import WheelData

# What is asked of an index of packages, and its answers: names of packages.
Search = Callable[[Sequence[str]], Sequence[str]]
_MISSING = (
    ("headers", re.compile(r"fatal error: (?P<name>\S+): No such file or directory")),
    ("libraries", re.compile(r"cannot find -l:?(?P<name>[^\s:]+)")),
    ("pkgconfig", re.compile(r"[Pp]ackage '(?P<name>[^\s']+)'[^\n]* not found")),
    ("pkgconfig", re.compile(r"No package '(?P<name>[^\s']+)' found")),
    ("pkgconfig", re.compile(r"Package (?P<name>\S+) was not found in the pkg-config search path")),
    # meson
    ("dependency", re.compile(r"ERROR: Dependency \"(?P<name>[^\"]+)\" not found")),
    # configure, in the words of whoever wrote it
    (
        "dependency",
        re.compile(
            r"configure: error: (?P<name>[\w.+-]+) (?:headers?|library|libraries|development files)"
            r"(?: (?:is|are|was|were))? (?:not found|missing)"
        ),
    ),
    # CMake; without an error before it, it is something that can be left out
    (
        "dependency",
        re.compile(
            r"CMake Error[^\n]*\n\s*(?:Could NOT find |By not providing \"Find)(?P<name>\w+)"
        ),
    ),
    ("programs", re.compile(r"unable to execute '(?P<name>[\w+-]+)'")),
    # Python, where it could not start one: a file that it could not open is told in the same words
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
    ("programs", re.compile(r"No (?P<name>CMAKE_CXX_COMPILER) could be found")),
)
_WORDS = {
    "headers": "header",
    "libraries": "library",
    "programs": "program",
    "pkgconfig": "pkg-config file",
    "dependency": "dependency",
}
# What distutils says of a program that it could not start, and of a file too: it counts only where
# nothing else is known to be missing, and apk's index says whether there is such a program.
_PERHAPS = re.compile(
    r"^\W*error: \[Errno 2\] No such file or directory: '(?P<name>[\w+-]+)'", re.MULTILINE
)
# The most telling first: what a compiler says, then a linker, then all else.
_ERRORS = (
    re.compile(r"^.*?\S+:\d+(?::\d+)?: (?:fatal )?error: .*$", re.MULTILINE),
    re.compile(r"^\s*error\[E\d+\]: .*$", re.MULTILINE),  # Rust
    re.compile(r"^.*meson\.build:\d+:\d+: ERROR: .*$", re.MULTILINE),
    re.compile(r"^.*configure: error: .*$", re.MULTILINE),
    re.compile(r"^.*CMake Error(?: at .*:\n.*\S.*|: .*)$", re.MULTILINE),
    re.compile(r"^.*(?:ld\S*: cannot find|undefined reference|fatal error:).*$", re.MULTILINE),
    re.compile(r"^\s*(?:\w+\.)*[A-Z]\w*(?:Error|Exception|Exit): .*$", re.MULTILINE),
    # Of another name: the line after a traceback, which is less indented than its files are.
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
_CONFLICT = re.compile(
    r"ERROR: Cannot install (?P<what>.+) because these package versions have conflicting"
    r" dependencies\.(?:\s*The conflict is caused by:\n(?P<why>(?:[ \t]+\S.*\n)+))?"
)
_HASHES = re.compile(r"DO NOT MATCH THE HASHES[\s\S]*?Got\s+\S+")


@dataclass(frozen=True)
class Missing:
    """Something that a build looked for; ``kind`` is one of those in versions/wheels.toml, or
    dependency for what meson, CMake or configure call by a name of their own."""

    kind: str
    name: str


def first_error(output: str) -> str:
    """The line of a build's output that says why it failed."""
    for pattern in _ERRORS:
        if match := pattern.search(output):
            return " ".join((match.groupdict().get("line") or match[0]).split())
    lines = output.strip().splitlines()
    return lines[-1].strip() if lines else "it printed nothing"


def missing(output: str) -> Missing | None:
    """The header, library or program that a build did not find; the first that is named."""
    found = [
        (match.start(), Missing(kind, match["name"]))
        for kind, pattern in _MISSING
        if (match := pattern.search(output))
    ]
    if not found and (match := _PERHAPS.search(output)):
        return Missing("programs", match["name"])
    return min(found, key=lambda one: one[0])[1] if found else None


def hint(one: Missing, data: WheelData, search: Search) -> str | None:
    """The package that has something: of versions/wheels.toml, else of Alpine's index."""
    package = _offered(one, data)
    if package is None:
        answers = search(tuple(_queries(one)))
        wanted = (name for name in answers if one.kind == "programs" or name.endswith("-dev"))
        package = next(wanted, None)
    if package is None:
        return None
    return f"the {_WORDS[one.kind]} {one.name} is in the package {package}"


def _offered(one: Missing, data: WheelData) -> str | None:
    if one.kind != "dependency":
        return data.package_of(one.kind, one.name)
    small = one.name.lower()  # OpenSSL and CURL are openssl.pc and libcurl.pc
    packages = (data.package_of("pkgconfig", name) for name in (one.name, small, f"lib{small}"))
    return next(filter(None, packages), None)


def _queries(one: Missing) -> Iterator[str]:
    """What `apk search` is asked, the surest first: the index has what packages provide, and no
    headers, but a -dev package is mostly called as its headers' folder, library or .pc file."""
    if one.kind == "programs":
        yield f"cmd:{one.name}"
        return
    if one.kind in ("pkgconfig", "dependency"):
        yield f"pc:{one.name}"
    path = PurePosixPath(one.name.lower())
    for name in dict.fromkeys((PurePosixPath(path.parts[0]).stem, path.stem)):
        yield from (f"pc:{name}", f"pc:lib{name}", f"{name}-dev", f"lib{name}-dev")


def build_error(what: str, output: str, help_: str | None, log: str) -> WheelError:
    """The error of a build that failed; ``help_`` is what ``hint`` says."""
    module = "a [[modules]] entry of versions/wheels.toml can name it"
    advice = f"{help_}; {module}\n  " if help_ else ""
    return WheelError(
        f"{what} could not be built: {without_passwords(first_error(output))}",
        remedy=f"{advice}the whole output: {log}",
    )


def pip_error(what: str, output: str, log: str) -> AlpypyError | None:
    """The error of a look into the index that failed there; None when it is another one."""
    output = without_passwords(output)
    if match := _HASHES.search(output):
        return DigestError(
            f"the index gives another file than it says for {what}:\n{match[0]}",
            remedy="use another index (pip's index-url); nothing of this one was built",
        )
    if match := _CONFLICT.search(output):
        lines = (match["why"] or "").splitlines()
        return SpecError(
            f"these versions do not go together: {match['what']}"
            + "".join(f"\n  {line.strip()}" for line in lines),
            remedy=f"ask for other versions, or for any: pip chooses then; all it said: {log}",
        )
    match = _NO_MATCH.search(output)
    if match and _UNREACHABLE.search(output):
        return DownloadError(
            f"the index could not be reached for {match['what']}",
            remedy=f"check pip's settings (pip config list) and HTTPS_PROXY; all it said: {log}",
        )
    if match is None:
        return None
    versions = _VERSIONS.search(output)
    there = versions["versions"] if versions else "none"
    if there in ("", "none"):
        reason = "no such module, or no version for this Python"
    else:
        reason = f"of that module there are {', '.join(there.split(', ')[-8:])}"
    return SpecError(
        f"the index has no {match['what']}: {reason}",
        remedy="check the name and the version; pip's settings say which index is asked",
    )
