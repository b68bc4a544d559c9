"""The comparison of names with CPython's: what counts as a difference, and what is known."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from fnmatch import fnmatchcase
from pathlib import Path
from types import ModuleType

import pytest

from alpypy.verify.findings import load_policy

ROOT = Path(__file__).resolve().parents[3]
PROBES = ROOT / "dockerfiles/verify/probes"
LANGUAGES = ("3.11", "3.12")


@pytest.fixture
def probe(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(PROBES))
    return importlib.import_module("probe_names")


@pytest.mark.parametrize(
    ("ours", "theirs", "problem"),
    [
        ("(a, b=...)", "(a, b=...)", None),
        ("(a, b=..., /)", "(a, b=...)", None),
        ("(self, value)", "(self, value, /)", None),
        ("(a, b, c=...)", "(a, /, b)", None),
        ("(*args, **keywords)", "(a, *, b)", None),
        (None, "(a)", None),
        ("(a)", None, None),
        ("(from, to)", "(source, to)", None),
        ("(a, b)", "(a, b=...)", "needs more"),
        ("(a)", "(a, b)", "takes fewer"),
        ("(a, b)", "(*args)", "takes fewer"),
        ("(fd)", "(path)", "does not take path by name"),
        ("(a)", "(a, *, flag)", "does not take flag by name"),
        ("(a)", "(a, **more)", "does not take all by name"),
    ],
)
def test_calls(probe: ModuleType, ours: str, theirs: str, problem: str | None) -> None:
    found = probe.refused(ours, theirs)
    assert (problem in found) if problem else found is None


def test_a_name_and_a_module_that_are_missing(probe: ModuleType) -> None:
    theirs = {"os": {"getcwd": "()", "readv": "(fd, buffers, /)"}, "nis": {"maps": None}}
    ours = {"os": {"getcwd": "()"}, "nis": None}
    assert dict(probe.differences(theirs, ours)) == {
        "nis": "cannot be imported",
        "os.getcwd": None,
        "os.readv": "is missing; CPython has it",
    }


def test_what_is_known_is_left_out(probe: ModuleType) -> None:
    pairs = [("gc.freeze", "is missing"), ("os.readv", "is missing"), ("gc.collect", None)]
    assert list(probe.unknown(pairs, ["gc.*"])) == [("os.readv", "is missing")]


def test_a_language_without_a_reference_is_not_compared(probe: ModuleType) -> None:
    assert probe.compare("2.7", []) == (0, [])


def test_the_probe_finds_what_this_python_was_robbed_of(tmp_path: Path) -> None:
    script = tmp_path / "robbed.py"
    script.write_text(
        "import os, runpy, shutil, sys\n"
        f"sys.path.insert(0, {str(PROBES)!r})\n"
        "del os.getcwd, os.getpid\n"
        "shutil.move = lambda src: None\n"
        f"runpy.run_path({str(PROBES / 'probe_names.py')!r}, {{}}, '__main__')\n"
    )
    request = json.dumps({"language": "3.11", "absent": ["os.getpid"]})
    done = subprocess.run(
        [sys.executable, script, request], capture_output=True, text=True, check=True
    )
    document = json.loads(done.stdout)
    said = {failure["subject"]: failure["message"] for failure in document["failures"]}
    assert document["checks"] > 10_000
    assert said["os.getcwd"] == "is missing; CPython has it"
    assert said["shutil.move"].startswith("takes fewer arguments than CPython's (src, dst")
    assert "os.getpid" not in said


def test_classes_show_their_own_attributes(probe: ModuleType) -> None:
    names = importlib.import_module("names")
    (found,) = names.collect(["configparser"]).values()
    assert "RawConfigParser.read" in found
    assert "ConfigParser.read" not in found
    assert "itertools" not in found
    (everything,) = names.collect(["configparser"], inherited=True).values()
    assert everything["ConfigParser.read"] == "(self, filenames, encoding=...)"


def test_a_module_that_nobody_can_import_is_a_name(
    probe: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as sys.monitoring; os.path has a listing of its own."""
    names = importlib.import_module("names")
    monkeypatch.setattr(os, "monitoring", ModuleType("os.monitoring"), raising=False)
    monkeypatch.setattr(os, "__all__", [*os.__all__, "monitoring"])
    (listing,) = names.collect(["os"]).values()
    assert "monitoring" in listing
    assert "path" not in listing


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_reference_has_linux_and_no_tests(probe: ModuleType, language: str) -> None:
    modules = probe.reference(language)
    assert modules["os"]["readv"] == "(fd, buffers, /)"
    assert modules["os"]["sched_getaffinity"] == "(pid, /)"
    assert not [name for name in modules if "test" in name.split(".")]


def test_what_is_absent_is_in_a_reference(probe: ModuleType) -> None:
    known = set()
    for language in LANGUAGES:
        for module, names in probe.reference(language).items():
            known |= {module, *(f"{module}.{name}" for name in names)}
    for entry in load_policy(ROOT).absent:
        for pattern in entry.names:
            assert any(fnmatchcase(name, pattern) for name in known), pattern


def test_the_docs_say_what_is_absent() -> None:
    lines = (ROOT / "docs/musl.md").read_text().splitlines()
    for entry in load_policy(ROOT).absent:
        assert f"| {entry.what} | {entry.language} | {entry.why} |" in lines
