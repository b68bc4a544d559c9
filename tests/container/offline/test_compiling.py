"""How the kit's libraries are compiled when one of them cannot be."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
from msgspec import structs

from alpypy.core.errors import KitError
from alpypy.core.files import file_digest
from alpypy.engine.docker import Engine
from alpypy.offline.compiling import GCC, Times, compile_libraries
from alpypy.offline.contents import load_contents
from alpypy.offline.given import SCRIPTS
from tests.workspaces import workspace

ROOT = Path(__file__).parents[3]
SCRIPT = """\
case "$1" in
broken) echo "what the compiler says"; exit 3 ;;
*) sleep 3000 ;;
esac
"""


def test_a_library_that_does_not_compile_is_named_and_ends_the_others(
    engine: Engine, base_image: str, cache: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "dockerfiles/kit"
    folder.mkdir(parents=True)
    (folder / "build-library.sh").write_text(SCRIPT)
    [library, *_] = load_contents(ROOT / "versions").kit.libraries
    libraries = [structs.replace(library, name=name) for name in ("slow", "broken")]
    times = Times({"broken": 2.0, "slow": 1.0}, 3.0)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with pytest.raises(KitError) as caught:
        compile_libraries(workspace(tmp_path, engine, cache), base_image, libraries, times, scratch)
    assert caught.value.what == "broken of the kit did not compile:\n    what the compiler says"
    assert caught.value.remedy.startswith(f"broken is compiled by {folder / 'build-library.sh'};")
    mounted = [
        mount["Source"]
        for container in engine.client.containers.list(all=True, ignore_removed=True)
        for mount in container.attrs["Mounts"]
    ]
    assert not [source for source in mounted if source.startswith(str(scratch))]


def test_a_library_whose_source_is_given_is_compiled_by_its_own_script(
    engine: Engine, base_image: str, cache: Path, tmp_path: Path
) -> None:
    own = tmp_path / SCRIPTS / "own.sh"
    own.parent.mkdir(parents=True)
    own.write_text('mkdir "/out/$1" && cp /sources/"$1"/hello.c "/out/$1"\n')
    (tmp_path / "dockerfiles/kit").mkdir()
    (tmp_path / "dockerfiles/kit/build-library.sh").write_text('mkdir "/out/$1"\n')
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/hello.c").write_text("int main(void) { return 0; }\n")
    archive = tmp_path / "own-1.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(tmp_path / "tree", "own-1")
    [library, *_] = load_contents(ROOT / "versions").kit.libraries
    library = structs.replace(library, name="own", path=archive.name, sha256=file_digest(archive))
    machine = workspace(tmp_path, engine, tmp_path / "cache")
    machine.fetcher.keep(archive, library.source)
    (tmp_path / "scratch").mkdir()
    built = compile_libraries(machine, base_image, [library], Times({}, 1.0), tmp_path / "scratch")
    assert (built / "own/hello.c").read_bytes() == (tmp_path / "tree/hello.c").read_bytes()
    assert list((built / GCC).iterdir()) == []
