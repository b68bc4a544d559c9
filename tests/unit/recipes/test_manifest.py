"""ALPYPY.json: what is written is what is read, and what is wrong is named."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from alpypy.core.errors import ArchiveError
from alpypy.recipes.manifest import (
    AppliedPatch,
    KitReplacement,
    KitSource,
    Manifest,
    Need,
    Origin,
    PhaseCost,
    ProgramCheck,
)
from alpypy.recipes.spec import Target
from tests.manifests import DIGEST, MANIFEST

PYPY = structs.replace(
    MANIFEST,
    target=Target("3.6-7.0.0", "3.9", release_version="3.6-7.0.0+mine"),
    phases=(*MANIFEST.phases, PhaseCost("compile", 861, 5900)),
    needed=(Need("libffi.so.6", "libffi"),),
)
RPYTHON = structs.replace(
    MANIFEST,
    kind="rpython",
    target=Target("rpython-0.2.1", "3.23"),
    source=Origin(DIGEST, False, path="/home/me/rpython"),
    patches=(),
    options=(),
    phases=(),
    executables=("bin/tinyframe",),
    needed=(),
    runtime_packages=(),
    checks=(ProgramCheck(("bin/tinyframe", "loop.tf"), "^Result", {"PYPYLOG": "-"}, jit=True),),
)


@pytest.mark.parametrize("manifest", [PYPY, RPYTHON])
def test_round_trip(manifest: Manifest) -> None:
    text = manifest.to_json()
    assert Manifest.from_json(text) == manifest
    assert Manifest.from_json(text).to_json() == text


def test_the_document_is_the_agreed_one() -> None:
    document = json.loads(PYPY.to_json())
    assert document["schema"] == 1
    assert document["target"] == {
        "release": "3.6-7.0.0",
        "version": "3.6-7.0.0+mine",
        "alpine": "3.9",
        "arch": "x86_64",
    }
    assert document["needed"] == [{"soname": "libffi.so.6", "package": "libffi"}]
    assert "path" not in document["source"]


def test_a_kit_that_is_not_as_tested_is_told_and_others_say_nothing_of_it() -> None:
    assert "kit_replacements" not in PYPY.to_json()
    taken = KitReplacement("zlib1g", "1.2.13.dfsg-1", "1.2.13.dfsg-2", DIGEST)
    image = structs.replace(PYPY.image, kit=True, kit_replacements=(taken,))
    text = structs.replace(PYPY, image=image).to_json()
    assert json.loads(text)["image"]["kit_replacements"] == [
        {
            "package": "zlib1g",
            "tested": "1.2.13.dfsg-1",
            "taken": "1.2.13.dfsg-2",
            "sha256": DIGEST,
        }
    ]
    assert Manifest.from_json(text).image == image


def test_errata_are_marked_and_those_left_out_are_named() -> None:
    assert "erratum" not in PYPY.to_json()
    assert "no_errata" not in PYPY.to_json()
    patches = (*PYPY.patches, AppliedPatch("finally", DIGEST, erratum=True))
    manifest = structs.replace(PYPY, patches=patches, no_errata=("json",))
    document = json.loads(manifest.to_json())
    assert document["patches"][-1] == {"name": "finally", "sha256": DIGEST, "erratum": True}
    assert document["no_errata"] == ["json"]
    assert Manifest.from_json(manifest.to_json()) == manifest


def test_what_the_user_gave_for_a_kit_is_told_and_others_say_nothing_of_it() -> None:
    assert "kit_sources" not in PYPY.to_json()
    source = KitSource("libressl", "2.7.5", "libressl-2.7.5.tar.gz", DIGEST, False)
    image = structs.replace(PYPY.image, kit=True, kit_sources=(source,))
    text = structs.replace(PYPY, image=image).to_json()
    assert json.loads(text)["image"]["kit_sources"] == [
        {
            "library": "libressl",
            "version": "2.7.5",
            "path": "libressl-2.7.5.tar.gz",
            "sha256": DIGEST,
            "verified": False,
        }
    ]
    assert Manifest.from_json(text).image == image


def test_a_document_that_names_no_tls_library_is_read() -> None:
    values = json.loads(PYPY.to_json())
    values.pop("tls", None)
    assert Manifest.from_values(values).tls is None
    assert Manifest.from_values({**values, "tls": "libressl"}).tls == "libressl"


def test_phases_have_their_processor_time_and_older_documents_do_not() -> None:
    assert "processor" not in PYPY.to_json()
    phase = PhaseCost("compile", 861.0, 5900, 1700.5, 2)
    manifest = structs.replace(PYPY, phases=(phase,))
    assert json.loads(manifest.to_json())["phases"] == [
        {
            "name": "compile",
            "seconds": 861.0,
            "peak_memory_mib": 5900,
            "processor_seconds": 1700.5,
            "processors": 2,
        }
    ]
    assert Manifest.from_json(manifest.to_json()) == manifest


def changed(manifest: Manifest, path: str, value: Any) -> str:
    """The document with one field replaced, or removed when the value is ``...``."""
    document = json.loads(manifest.to_json())
    *parents, last = path.split(".")
    place = document
    for name in parents:
        place = place[int(name)] if name.isdigit() else place[name]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return json.dumps(document)


@pytest.mark.parametrize(
    ("path", "value", "complaint"),
    [
        ("schema", 2, "schema is 2, not 1, which this alpypy reads"),
        ("schema", ..., "schema is missing"),
        ("kind", "cpython", "kind is 'cpython', not pypy or rpython"),
        ("kind", ["pypy"], "kind is"),
        ("jit", ..., "jit is missing"),
        ("jit", "yes", "jit is 'yes', not true or false"),
        ("jit", 1, "jit is 1"),
        ("colour", "red", "colour is unknown"),
        ("target.alpine", "edge", "target: 'edge' is not an Alpine version"),
        ("target.arch", "mips", "target: 'mips'"),
        ("target.version", "a/b", "target: 'a/b'"),
        ("target", None, "target is None, not a table of fields"),
        ("target.colour", "red", "target.colour is unknown"),
        ("source.sha256", "abc", "source.sha256 is 'abc', not a SHA-256"),
        ("source.url", ..., "source must have either url or path"),
        ("source.path", "/x", "source must have either url or path"),
        ("patches.0.sha256", DIGEST.upper(), r"patches\[0\].sha256 is"),
        ("patches", ["stdio"], r"patches\[0\] is 'stdio', not a table of fields"),
        ("phases.0.seconds", "82", r"phases\[0\].seconds is '82', not a number"),
        ("phases.0.peak_memory_mib", 1.5, r"phases\[0\].peak_memory_mib is 1.5"),
        ("phases.0.processors", "2", r"phases\[0\].processors is '2'"),
        ("needed", {"libffi.so.6": "libffi"}, "needed is .*, not a list"),
        ("runtime_packages", [1], r"runtime_packages\[0\] is 1, not the name of an Alpine package"),
        ("runtime_packages", ["--repository=http://x"], "'--repository=http://x', not the name"),
        ("runtime_packages", ["zlib -X"], "'zlib -X', not the name of an Alpine package"),
        ("needed.0.package", "zlib\n", r"'zlib\\n', not the name of an Alpine package"),
        ("compiler", "gcc\0", r"compiler is 'gcc\\x00', not text \(without NUL\)"),
        ("source.sha256", f"{DIGEST}\n", "source.sha256 is"),
        ("executables", [], "executables is empty"),
        ("executables", ["../pypy3"], "executables has '../pypy3'"),
        ("executables", ["/usr/bin/pypy3"], "executables has '/usr/bin/pypy3'"),
    ],
)
def test_what_is_wrong_is_named(path: str, value: Any, complaint: str) -> None:
    with pytest.raises(ArchiveError, match=complaint):
        Manifest.from_json(changed(PYPY, path, value))


@pytest.mark.parametrize(
    ("path", "value", "complaint"),
    [
        ("checks", ..., "checks is empty"),
        ("checks.0.command", [], "checks run ''"),
        ("checks.0.command", ["bin/other"], "checks run 'bin/other'"),
        ("checks.0.expect", "(", r"checks expect '\('"),
        ("checks.0.environment", {"A": 1}, r"checks\[0\].environment.A is 1, not text"),
        ("checks.0.environment", ["A"], r"checks\[0\].environment is"),
    ],
)
def test_what_is_wrong_with_checks_is_named(path: str, value: Any, complaint: str) -> None:
    with pytest.raises(ArchiveError, match=complaint):
        Manifest.from_json(changed(RPYTHON, path, value))


@given(st.binary(max_size=50) | st.text(max_size=50))
def test_anything_else_is_refused(text: str | bytes) -> None:
    with pytest.raises(ArchiveError):
        Manifest.from_json(text)


@given(
    st.sampled_from(sorted(json.loads(PYPY.to_json()))),
    st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists),
)
def test_a_field_of_any_form_is_kept_or_named(name: str, value: Any) -> None:
    text = changed(PYPY, name, value)
    try:
        kept = json.loads(Manifest.from_json(text).to_json())[name] == value
    except ArchiveError as error:
        kept = name in error.what
    assert kept
