"""bench for real: this machine's Python, and a Python in a container, as an image and a tarball."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pyperf
import pytest
from msgspec import structs

from alpypy.bench import run
from alpypy.core import folders
from alpypy.core.errors import BenchError, SpecError
from alpypy.core.tar import tarfile
from alpypy.engine.docker import Engine
from alpypy.engine.job import MeasuredJob
from alpypy.recipes.manifest import Manifest
from tests.manifests import MANIFEST, pack
from tests.tarballs import PROVIDED_BY, of_python_3, tarballs
from tests.workspaces import workspace

pytestmark = pytest.mark.timeout(1800)
ROOT = Path(__file__).resolve().parents[3]
PYPYS = [path for path in tarballs() if of_python_3(path)]


def test_a_folder_in_memory_is_for_every_user(engine: Engine, base_image: str) -> None:
    script = "df -T /tmp | grep -q tmpfs && echo there > /tmp/file && cat /tmp/file"
    command = ["sh", "-c", script]
    job = MeasuredJob(base_image, command, in_memory=["/tmp"], user="4242:4242")
    done = engine.run(job)
    assert (done.exit_code, done.output) == (0, "there\n")


def test_a_container_can_have_one_processor(engine: Engine, base_image: str) -> None:
    chosen = str(max(os.sched_getaffinity(0)))
    command = ["grep", "Cpus_allowed_list", "/proc/self/status"]
    done = engine.run(MeasuredJob(base_image, command, processors=chosen))
    assert done.output.split() == ["Cpus_allowed_list:", chosen]


def test_what_does_not_run_in_its_image_is_told(
    engine: Engine, base_image: str, tmp_path: Path
) -> None:
    own = workspace(ROOT, engine, folders.cache_folder())
    with pytest.raises(BenchError, match="has no pypy3 or python3 or pypy or python on its PATH"):
        run.bench(own, own, run.request(ROOT, [base_image], sys.executable, only=["sort"]))
    manifest = structs.replace(MANIFEST, runtime_packages=("musl",))
    tarball = pack(manifest, tmp_path, tree(tmp_path))
    for named in (f"empty={tarball}@{base_image}", f"empty={tarball}"):
        with pytest.raises(BenchError, match="empty does not run as a Python: no"):
            run.bench(own, own, run.request(ROOT, [named], sys.executable, only=["sort"]))
    assert not [tag for image in engine.client.images.list("alpypy-bench") for tag in image.tags]


def tree(folder: Path) -> Path:
    """A tree whose program is no Python."""
    program = folder / "tree/bin/pypy3"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\necho no\n")
    program.chmod(0o755)
    return folder / "tree"


def test_a_tarball_that_does_not_say_where_it_runs_is_refused(
    engine: Engine, tmp_path: Path
) -> None:
    with tarfile.open(tmp_path / "pypy.tar.gz", "w:gz") as archive:
        archive.add(tree(tmp_path), "pypy")
    own = workspace(ROOT, engine, folders.cache_folder())
    with pytest.raises(SpecError, match=r"has no ALPYPY\.json") as caught:
        tarball = str(tmp_path / "pypy.tar.gz")
        run.bench(own, own, run.request(ROOT, [tarball], sys.executable, only=["sort"]))
    assert "pypy.tar.gz@debian:12" in caught.value.remedy


@pytest.mark.skipif(not PYPYS, reason=f"no PyPy: {PROVIDED_BY}")
@pytest.mark.parametrize("tarball", PYPYS, ids=lambda path: path.name)
def test_a_pypy_of_a_tarball_is_held_against_this_python(
    engine: Engine, tarball: Path, tmp_path: Path
) -> None:
    own = workspace(ROOT, engine, folders.cache_folder())
    only = ["strings.join", "files.stat", "threads.start", "start.import_30"]
    request = run.request(
        ROOT,
        [f"new={tarball}"],
        f"this={sys.executable}",
        only=only,
        rounds=2,
        fast=True,
        bounds=["mean=999", "strings.join=0.0001"],
    )
    report = run.bench(own, own, request)
    assert report.failures == ()
    assert [str(found).partition(" is ")[0] for found in report.exceeded] == ["new: strings.join"]
    assert report.exit_code == 1
    report.write(tmp_path)
    suite = pyperf.BenchmarkSuite.load(str(tmp_path / "new.pyperf.json"))
    assert suite.get_benchmark_names() == only
    assert suite.get_metadata()["python_implementation"] == "pypy"
    assert all(benchmark.get_nrun() == 2 for benchmark in suite)
    document = json.loads((tmp_path / "results.json").read_text())
    facts = document["interpreters"]["new"]
    assert facts["tarball"] == tarball.name
    language = Manifest.of_tarball(tarball).target.release.partition("-")[0]
    assert facts["sys.version"].startswith(language)
