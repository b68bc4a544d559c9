"""index.html of a release, where people choose a download; and the text of GitHub's page.

Without JavaScript: a click on a command selects all of it, to be copied.
"""

from __future__ import annotations

import shlex
from functools import partial
from itertools import accumulate
from urllib.parse import quote

from alpypy.core.pages import render
from alpypy.publish import pyenv, uv
from alpypy.publish.index import (
    FILE_NAME,
    SUMS,
    Artifact,
    ReleasedFile,
    ReleasedTarball,
    ReleasedWheel,
    ReleaseIndex,
)
from alpypy.publish.simple import FOLDER
from alpypy.recipes.manifest import Manifest, Origin

TITLE = "PyPy for Alpine Linux"
PAGE = "index.html"
# As docs/restricted-networks.md says: sonames can differ from those of Alpine's own libraries.
_KIT = "made with the kit: for images of the same kit only"
# Characters of a table. GitHub refuses a release's text above 125,000, which its documentation does
# not say: "body is too long (maximum is 125000 characters)".
_ROWS = 120_000
_LEAD = (
    "PyPy for musl, each checked in a clean container of its Alpine before it came here. Take the"
    " line with the version of your Alpine, which is in /etc/alpine-release: a PyPy for one Alpine"
    " is not for another. One for any musl has its libraries inside, and needs no packages."
)


def release_page(index: ReleaseIndex, *, flat: bool) -> str:
    """The page.

    Args:
        flat: the files are on a server without folders, and the page may be read elsewhere: it
            links to whole addresses, and to nothing that is in a folder.
    """
    return render(
        "release.html",
        title=TITLE,
        lead=_LEAD,
        index=index,
        base=_base(index) if flat else "",
        files=(FILE_NAME, SUMS, *uv.pages(index)),
        simple=None if flat else FOLDER,
        kit_note=_KIT,
        size=_size,
        definition=pyenv.page_of if index.url and not flat else None,
        packages=_packages,
        platforms=_platforms,
        facts=_facts,
        unpacking=partial(_unpacking, url=index.url),
        installing=partial(_installing, url=index.url, flat=flat),
    )


def notes(index: ReleaseIndex) -> str:
    """The release as Markdown for GitHub's page, with as many lines as GitHub accepts."""
    base = _base(index)
    head = [_LEAD, "", "| file | size | SHA-256 | verified |", "|---|---|---|---|"]
    rows = [_row(file, artifact, base) for artifact in index.artifacts for file in artifact.files]
    ends = accumulate(len(row) + 1 for row in rows)
    shown = sum(end <= _ROWS for end in ends)
    rest = f"{len(rows) - shown} more are in [{FILE_NAME}]({base}{FILE_NAME}) and in the page"
    more = ["", f"{rest} [{PAGE}]({base}{PAGE})."] if shown < len(rows) else []
    return "\n".join([*head, *rows[:shown], *more]) + "\n"


def _row(file: ReleasedFile, artifact: Artifact, base: str) -> str:
    link, kit = f"[{file.name}]({base}{quote(file.name)})", f"; {_KIT}"
    date = f"{artifact.date[:10]}{kit if artifact.kit else ''}"
    return f"| {link} | {_size(file.size)} | `{file.sha256}` | {date} |"


def _base(index: ReleaseIndex) -> str:
    """The part before the file name in a link to its whole address."""
    return f"{index.url}/" if index.url else ""


def _facts(tarball: ReleasedTarball) -> dict[str, str]:
    build = tarball.build
    errata = [patch.name for patch in build.patches if patch.erratum]
    kept = [f"{topic} (left out)" for topic in build.no_errata]
    return {
        "SHA-256": tarball.sha256,
        "Alpine packages": _packages(tarball),
        "Made from": _source(build.source),
        "Patches": ", ".join(p.name for p in build.patches if not p.erratum) or "none",
        "Errata": ", ".join([*errata, *kept]) or "none",
        "Compiler": build.compiler,
        "Translated by": build.translator.name,
        **({"Libraries inside": _inside(build)} if build.libraries else {}),
    }


def _source(origin: Origin) -> str:
    commit = f"commit {origin.commit}, " if origin.commit else ""
    return origin.url or f"a local source, {commit}SHA-256 {origin.sha256}"


def _unpacking(tarball: ReleasedTarball, url: str | None) -> list[str]:
    """The commands from a bare Alpine to a PyPy that prints its version."""
    fetch = [f"wget {shlex.quote(f'{url}/{quote(tarball.file)}')}"] if url else []
    program = f"/opt/{tarball.target.folder}/{tarball.build.executables[0]}"
    return [
        *([f"apk add {shlex.join(tarball.packages)}"] if tarball.packages else []),
        *fetch,
        f"echo '{tarball.sha256}  {tarball.file}' | sha256sum -c -",
        f"tar -xjf {tarball.file} -C /opt",
        f"{shlex.quote(program)} --version",
    ]


def _installing(wheel: ReleasedWheel, url: str | None, flat: bool) -> list[str]:
    needs = [f"apk add {shlex.join(wheel.packages)}"] if wheel.packages else []
    wanted = f"{wheel.name.project}=={wheel.name.version}"
    if url and not flat:
        return [*needs, f"pip install --extra-index-url {url}/{FOLDER}/ {wanted}"]
    where = f"{url}/{quote(wheel.file)}#sha256={wheel.sha256}" if url else f"./{wheel.file}"
    return [*needs, f"pip install {shlex.quote(where)}"]


def _platforms(wheel: ReleasedWheel) -> str:
    return " ".join(sorted({tag.platform for tag in wheel.name.tags}))


def _inside(build: Manifest) -> str:
    return ", ".join(f"{library.name} {library.version}" for library in build.libraries)


def _packages(artifact: Artifact) -> str:
    return " ".join(artifact.packages) or "none"


def _size(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.1f} kB"
