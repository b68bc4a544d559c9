"""How the kit's libraries are compiled when one of them cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import structs

from alpypy.core.errors import KitError
from alpypy.engine.docker import Engine
from alpypy.offline.compiling import Times, compile_libraries
from alpypy.offline.contents import load_contents
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
