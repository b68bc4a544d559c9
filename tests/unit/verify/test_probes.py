"""What the probes share, run under this Python: how failures, crashes and hangs come out."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from alpypy.recipes.recipe import load_catalog

ROOT = Path(__file__).resolve().parents[3]
PROBES = ROOT / "dockerfiles/verify/probes"
ERRATA = PROBES / "probe_errata.py"
CHECKS = """
import os, signal, sys, time
from probing import Probe, equal, error_of, expect, output_of
probe = Probe("sample")

@probe.check
def good():
    print("not part of the document")
    equal(output_of([sys.executable, "-c", "print(6 * 7)"]).strip(), "42", "the answer")

@probe.check
def failing():
    print("a hint")
    equal(1, 2, "the number")

@probe.check
def raising():
    {}["key"]

@probe.check
def leaving():
    sys.exit(3)

@probe.check
def crashing():
    os.kill(os.getpid(), signal.SIGSEGV)

@probe.check
def hanging():
    time.sleep(60)

@probe.check
def vanishing():
    os._exit(9)

@probe.check
def command():
    output_of([sys.executable, "-c", "print('why'); raise SystemExit(4)"])

@probe.check
def succeeding():
    error_of(ValueError, int, "17")

@probe.check
def other_error():
    error_of(KeyError, int, "seventeen")

@probe.check
def wanted_error():
    equal(error_of(KeyError, {}.pop, "key").args, ("key",), "the error's arguments")

probe.run()
"""


def run(script: Path, request: dict[str, Any]) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, script, json.dumps(request)],
        env={"PYTHONPATH": str(PROBES), "PYTHONDONTWRITEBYTECODE": "1", "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    document: dict[str, Any] = json.loads(done.stdout)
    return document


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    script = tmp_path_factory.mktemp("probe") / "probe_sample.py"
    script.write_text(CHECKS)
    return run(script, {"seconds": 3})


def test_every_check_is_counted_and_only_failures_are_told(document: dict[str, Any]) -> None:
    assert document["probe"] == "sample"
    assert document["checks"] == 11
    subjects = [failure["subject"] for failure in document["failures"]]
    assert subjects == [
        "failing",
        "raising",
        "leaving",
        "crashing",
        "hanging",
        "vanishing",
        "command",
        "succeeding",
        "other_error",
    ]


@pytest.mark.parametrize(
    ("subject", "message"),
    [
        ("failing", "the number: expected 2, got 1\na hint"),
        ("raising", "KeyError: 'key'"),
        ("leaving", "SystemExit: 3"),
        ("crashing", "crashed: killed by SIGSEGV"),
        ("hanging", "hung: ended after 3 seconds"),
        ("vanishing", "ended with exit code 9 and no result"),
        ("command", "ended with 4: why"),
        ("succeeding", "no error was raised, the result is 17"),
        ("other_error", "ValueError: invalid literal"),
    ],
)
def test_failures_say_what_happened(document: dict[str, Any], subject: str, message: str) -> None:
    (failure,) = (one for one in document["failures"] if one["subject"] == subject)
    assert message in failure["message"]


def test_a_module_that_is_not_there_is_told() -> None:
    request = {"modules": ["json", "no_such_module"]}
    document = run(PROBES / "probe_modules.py", request)
    messages = {one["subject"]: one["message"] for one in document["failures"]}
    assert "no_such_module" in messages["no_such_module"]
    assert "json" not in messages
    assert document["checks"] > len(sys.builtin_module_names)


# Which findings CPython has, on any C library: none, or those that match. Only its own limit bounds
# how deep it goes, so that a small stack is overrun.
GOOD_PYTHON = {
    "compression": r"$",
    "errata": r"$",
    "expat": r"$",
    "faulthandler": r"$",
    "linux": r"$",
    "locale": r"$",
    "threads": r"\w+_for_ever \(((32|256) KiB|a thread of C)\)|raised_limit_in_a_thread_of_c",
}


@pytest.mark.parametrize("name", GOOD_PYTHON)
def test_a_probe_finds_nothing_in_a_good_python(name: str) -> None:
    document = run(PROBES / f"probe_{name}.py", {})
    assert document["checks"] > 1
    found = [one for one in document["failures"] if not re.match(GOOD_PYTHON[name], one["subject"])]
    assert found == []


def test_every_erratum_has_a_check() -> None:
    text = (PROBES / "probe_errata.py").read_text()
    named = set(re.findall(r'probe\.add\("([^"]+)"', text))
    topics = {patch.topic for patch in load_catalog(ROOT).patches if patch.is_erratum}
    assert topics <= named


# What a Python does as the releases with the fault do, by the check that must find it.
FAULTS = {
    "json-int-subclass": (
        "json.dumps = lambda value, **options: dumps(value, **options).replace(': 7', ': a name')"
    ),
    "json-delete-character": (
        "json.dumps = lambda value, **options: dumps(value, **options).replace('\\x7f', '\\x7f\"')"
    ),
    "pickle-subclasses": (
        "class Memo(dict):\n"
        "    def __setitem__(self, key, value):\n"
        "        dict.__setitem__(self, value[1] if value[1] != ['shared'] else 'x', value)\n"
        "start = pickle._Pickler.__init__\n"
        "def init(self, *words):\n"
        "    start(self, *words)\n"
        "    self.memo = Memo()\n"
        "pickle._Pickler.__init__ = init"
    ),
    "pickle-unpickler-find-class": (
        "class Deaf(pickle.Unpickler):\n"
        "    load = lambda self: pickle.loads(self.data)\n"
        "    def __init__(self, stream, **more):\n"
        "        self.data = stream.read()\n"
        "pickle.Unpickler = Deaf"
    ),
    "sysconfig-ldcxxshared": "sysconfig.get_config_var = lambda name: None",
    "cpyext-methods": "inspect.ismethoddescriptor = lambda thing: False",
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_a_release_is_found_where_it_is_simulated(name: str, tmp_path: Path) -> None:
    words = "import inspect, json, pickle, sysconfig\ndumps = json.dumps\n"
    probe = (
        f"{words}{FAULTS[name]}\nimport runpy\nrunpy.run_path({str(ERRATA)!r}, {{}}, '__main__')"
    )
    script = tmp_path / "faulty.py"
    script.write_text(probe)
    assert name in [failure["subject"] for failure in run(script, {})["failures"]]
