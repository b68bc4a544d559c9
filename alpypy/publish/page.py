"""index.html of a release, from which a person picks a download; and the same for GitHub's page.

Without JavaScript: a click on a command selects all of it, to be copied.
"""

from __future__ import annotations

import html
import shlex
from collections.abc import Iterator, Sequence
from itertools import accumulate
from urllib.parse import quote

from alpypy.core.web_page import page
from alpypy.publish.index import FILE_NAME, SUMS, Artifact, Index, Tarball, Wheel
from alpypy.publish.simple import FOLDER
from alpypy.recipes.spec import PypyVersion

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
    " is not for another."
)


def release_page(index: Index, *, flat: bool) -> str:
    """The page.

    Args:
        flat: the files are on a server without folders, and the page may be read elsewhere: it
            links to whole addresses, and to no simple index.
    """
    base = f"{index.url}/" if flat and index.url else ""
    return page(TITLE, _body(index, base, flat), "release.css")


def notes(index: Index) -> str:
    """The release as Markdown, for the page that GitHub makes of it; as many lines as it takes."""
    base = f"{index.url}/" if index.url else ""
    head = [_LEAD, "", "| file | size | SHA-256 | verified |", "|---|---|---|---|"]
    rows = [_row(one, base) for one in index.artifacts]
    ends = accumulate(len(row) + 1 for row in rows)
    shown = sum(end <= _ROWS for end in ends)
    rest = f"{len(rows) - shown} more are in [{FILE_NAME}]({base}{FILE_NAME}) and in the page"
    more = ["", f"{rest} [{PAGE}]({base}{PAGE})."] if shown < len(rows) else []
    return "\n".join([*head, *rows[:shown], *more]) + "\n"


def _row(one: Artifact, base: str) -> str:
    link, kit = f"[{one.file}]({base}{quote(one.file)})", f"; {_KIT}" if one.kit else ""
    return f"| {link} | {_size(one.size)} | `{one.sha256}` | {_day(one.date)}{kit} |"


def _body(index: Index, base: str, flat: bool) -> Iterator[str]:
    yield f"<main><h1>{TITLE}</h1>"
    yield f'<p class="lead">{_LEAD}</p>'
    yield from _tarballs(index, base)
    if index.wheels:
        yield from _wheels(index, base, flat)
    yield "</main>"
    more = "" if flat else f', <a href="{FOLDER}/">the index for pip</a>'
    yield f'<footer>For programs: <a href="{base}{FILE_NAME}">{FILE_NAME}</a>,'
    yield f'<a href="{base}{SUMS}">{SUMS}</a>{more}.</footer>'


def _tarballs(index: Index, base: str) -> Iterator[str]:
    if not index.tarballs:
        return
    columns = ("PyPy", "Alpine", "Architecture", "Size", "Verified", "")
    yield from _head("Interpreters", columns)
    for one in index.tarballs:
        yield f'<tbody id="{_text(one.target.folder)}"><tr>'
        language = f"Python {PypyVersion.parse(one.target.release).language}"
        yield _cell("PyPy", f'<span class="name">{_text(one.target.version)}</span>', language)
        yield _cell("Alpine", _text(one.target.alpine), _KIT if one.kit else "")
        yield _cell("Architecture", _text(one.target.arch))
        yield _cell("Size", _size(one.size), kind="number")
        yield _cell("Verified", f"{_date(one.date)}{_verdict(one)}", kind="wide")
        yield _get(one, base)
        yield f'</tr><tr class="more"><td colspan="{len(columns)}"><div class="folds">'
        yield from _commands(_unpacking(one, index.url))
        yield from _details(one)
        yield "</div></td></tr></tbody>"
    yield "</table>"


def _wheels(index: Index, base: str, flat: bool) -> Iterator[str]:
    columns = ("Project", "For", "Alpine packages", "Size", "Tested", "")
    yield from _head("Wheels for musl", columns)
    for one in index.wheels:
        yield f'<tbody id="{_text(one.file)}"><tr>'
        name = f'<span class="name">{_text(one.name.project)} {_text(one.name.version)}</span>'
        yield _cell("Project", name)
        yield _cell("For", _text(one.record.interpreter), _platforms(one))
        yield _cell("Alpine packages", _text(_packages(one)), _KIT if one.kit else "")
        yield _cell("Size", _size(one.size), kind="number")
        yield _cell("Tested", _date(one.date))
        yield _get(one, base)
        yield f'</tr><tr class="more"><td colspan="{len(columns)}"><div class="folds">'
        yield from _commands(_installing(one, index.url, flat))
        yield "</div></td></tr></tbody>"
    yield "</table>"


def _head(title: str, columns: Sequence[str]) -> Iterator[str]:
    yield f'<h2>{title}</h2><table class="artifacts"><thead><tr>'
    for name in columns:
        kind = ' class="number"' if name == "Size" else ""
        yield f"<th{kind}>{name}</th>"
    yield "</tr></thead>"


def _cell(label: str, shown: str, small: str = "", kind: str = "") -> str:
    """A cell of HTML; its label is shown on a phone, where the table's head is not."""
    more = f"<small>{_text(small)}</small>" if small else ""
    kinds = f' class="{kind}"' if kind else ""
    return f'<td data-label="{label}"{kinds}>{shown}{more}</td>'


def _get(one: Artifact, base: str) -> str:
    address = _text(f"{base}{quote(one.file)}")
    label = f"Download {_text(one.file)}"
    return (
        f'<td class="last"><a class="get" href="{address}" aria-label="{label}">Download</a></td>'
    )


def _commands(lines: Sequence[str]) -> Iterator[str]:
    yield "<details><summary>Commands</summary>"
    chained = " &&\n".join(lines)
    yield f'<pre class="copy">{_text(chained)}</pre>'
    yield "</details>"


def _details(one: Tarball) -> Iterator[str]:
    build = one.build
    facts = {
        "SHA-256": one.sha256,
        "Alpine packages": _packages(one),
        "Made from": build.source.url or f"a local source, SHA-256 {build.source.sha256}",
        "Patches": ", ".join(patch.name for patch in build.patches) or "none",
        "Compiler": build.compiler,
        "Translated by": build.translator.name,
    }
    yield "<details><summary>What it is made of</summary><dl>"
    for name, value in facts.items():
        yield f"<dt>{name}</dt><dd><code>{_text(value)}</code></dd>"
    yield "</dl></details>"
    if one.verify.findings:
        yield f"<details><summary>What verify accepts ({len(one.verify.findings)})</summary><dl>"
        for finding in one.verify.findings:
            yield f"<dt><code>{_text(f'{finding.check} {finding.subject}')}</code></dt>"
            yield f"<dd>{_text(finding.allowed or '')}</dd>"
        yield "</dl></details>"


def _unpacking(one: Tarball, url: str | None) -> list[str]:
    """From a bare Alpine to a PyPy that says its version."""
    fetch = [f"wget {shlex.quote(f'{url}/{quote(one.file)}')}"] if url else []
    program = f"/opt/{one.target.folder}/{one.build.executables[0]}"
    return [
        *([f"apk add {shlex.join(one.packages)}"] if one.packages else []),
        *fetch,
        f"echo '{one.sha256}  {one.file}' | sha256sum -c -",
        f"tar -xjf {one.file} -C /opt",
        f"{shlex.quote(program)} --version",
    ]


def _installing(one: Wheel, url: str | None, flat: bool) -> list[str]:
    needs = [f"apk add {shlex.join(one.packages)}"] if one.packages else []
    wanted = f"{one.name.project}=={one.name.version}"
    if url and not flat:
        return [*needs, f"pip install --extra-index-url {url}/{FOLDER}/ {wanted}"]
    where = f"{url}/{quote(one.file)}#sha256={one.sha256}" if url else f"./{one.file}"
    return [*needs, f"pip install {shlex.quote(where)}"]


def _platforms(one: Wheel) -> str:
    return " ".join(sorted({tag.platform for tag in one.name.tags}))


def _packages(one: Artifact) -> str:
    return " ".join(one.packages) or "none"


def _verdict(one: Tarball) -> str:
    accepted = len(one.verify.findings)
    shown = f"passed {one.verify.checks} checks"
    more = f", {accepted} accepted" if accepted else ""
    return f'<small class="fine">{shown}{more}</small>'


def _date(date: str) -> str:
    return f'<time datetime="{_text(date)}">{_day(date)}</time>'


def _day(date: str) -> str:
    return _text(date[:10])


def _size(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.1f} kB"


def _text(text: str) -> str:
    return html.escape(text)
