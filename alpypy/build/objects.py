"""What RPython's C compiler was given and made, kept to compile and link it again."""

from __future__ import annotations

from pathlib import Path

from alpypy.core.errors import TranslationError
from alpypy.core.tar import tarfile

FOLDER = "link"  # below it: build/ and module_cache/, as RPython's Makefile expects them
SOURCES = "sources.tar.gz"


def keep(work: Path) -> None:
    """Keep the C sources below ``work`` as an archive, and what the last link needs as files.

    Raises:
        TranslationError: RPython left no Makefile, or several.
    """
    makefile = _makefile(work)
    _keep_sources(work / SOURCES, makefile)
    keep_objects(work / FOLDER, makefile.parent, makefile.parents[1] / "module_cache")


def keep_objects(folder: Path, build: Path, cache: Path) -> None:
    """Move what the last link needs into ``folder``: RPython's Makefile, the object files, the
    main program, and the objects that the Makefile takes from the module cache."""
    kept = {
        "build": (build / "Makefile", build / "main.c", *build.glob("*.o")),
        "module_cache": cache.glob("*.o"),
    }
    for name, paths in kept.items():
        (folder / name).mkdir(parents=True)
        for path in paths:
            path.rename(folder / name / path.name)


def _makefile(work: Path) -> Path:
    makefiles = [
        path
        for path in sorted(work.glob("usession/*/*/Makefile"))
        if not path.parents[1].is_symlink()  # RPython's own, to the newest session
    ]
    if len(makefiles) != 1:
        raise TranslationError(
            f"RPython left {len(makefiles)} Makefiles in {work / 'usession'}, not one",
            remedy="please report this: alpypy cannot link what this release translated",
        )
    return makefiles[0]


def _keep_sources(archive: Path, makefile: Path) -> None:
    session = makefile.parents[1]
    folders = {
        FOLDER: (session, ("*.h",)),
        f"{FOLDER}/build": (makefile.parent, ("*.c", "*.h", "*.s", "Makefile")),
        f"{FOLDER}/module_cache": (session / "module_cache", ("*.c", "*.h")),
    }
    # Fast rather than small: they are 500 MB, and stay on this machine.
    with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
        for name, (folder, patterns) in folders.items():
            for pattern in patterns:
                for path in sorted(folder.glob(pattern)):
                    tar.add(path, f"{name}/{path.name}")
