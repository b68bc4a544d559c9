"""The page of a release: whole, harmless, and fit for a phone and the dark."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from alpypy.publish.index import (
    Artifact,
    ReleasedFile,
    ReleasedTarball,
    ReleasedWheel,
    ReleaseIndex,
)
from alpypy.publish.page import notes, release_page
from alpypy.publish.release import pages, write_pages
from alpypy.recipes.manifest import AppliedPatch
from alpypy.recipes.spec import Target
from alpypy.verify.findings import Finding
from alpypy.verify.run import Report
from tests.loopback import serve_folder
from tests.manifests import DIGEST, TARGET
from tests.releases import ACCEPTED, DATE, manifest_of, wheel_record_of

URL = "https://pypy.example.org/alpine"
MUSL = "tiny_musl-1.2+x.1-pp311-pypy311_pp73-musllinux_1_2_x86_64.whl"
PURE = "tiny-1.0-py3-none-any.whl"
VOID = {"meta", "br"}


def pypy(target: Target, *findings: Finding) -> ReleasedTarball:
    report = Report(target.tarball, DIGEST, findings, 3581, 3.5, DATE)
    return ReleasedTarball(26_245_997, report, manifest_of(target))


def with_gzip(tarball: ReleasedTarball, python: str) -> ReleasedTarball:
    """The tarball as releases have it now; the others are of older versions of alpypy."""
    gzip = ReleasedFile(tarball.target.gzip_tarball, 29_000_000, "f" * 64)
    return replace(tarball, python=python, gzip=gzip)


def index(url: str | None = None) -> ReleaseIndex:
    record = wheel_record_of(DIGEST, ("libffi", "libxml2"))
    artifacts: list[Artifact] = [
        with_gzip(pypy(TARGET, ACCEPTED), "3.11.15"),
        pypy(Target("3.6-7.0.0", "3.9", "aarch64")),
        ReleasedWheel(MUSL, 26_439, record, ">=3.9"),
        ReleasedWheel(PURE, 892, wheel_record_of(DIGEST, ())),
    ]
    return ReleaseIndex.of(artifacts, url)


class Page(HTMLParser):
    """Checks that what is opened is closed; keeps text, links and commands."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.commands: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "pre":
            self.commands.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if "pre" in self.open:
            self.commands[-1] += data

    @property
    def links(self) -> list[str]:
        return [str(attributes["href"]) for tag, attributes in self.seen if tag == "a"]


def test_a_page_has_what_a_person_chooses_by() -> None:
    page = Page(release_page(index(), flat=False))
    for words in (
        "3.11-7.3.22",
        "Python 3.11.15",
        "Python 3.6",
        "29.0 MB",
        "f" * 64,
        "3.23",
        "aarch64",
        "26.2 MB",
        "2026-11-21",
        "passed 3581 checks, 1 accepted",
        "Tk & X are not here",
        "tiny-musl 1.2+x.1",
        "musllinux_1_2_x86_64",
        "libffi libxml2",
    ):
        assert words in page.text


def test_a_wheel_of_python_2_is_for_musl_by_its_second_tag() -> None:
    both = "tiny-1.0-pp27-pypy_73-musllinux_1_2_x86_64.linux_x86_64.whl"
    made = ReleasedWheel(both, 892, wheel_record_of(DIGEST, ()))
    page = Page(release_page(ReleaseIndex.of([made], None), flat=False))
    assert "linux_x86_64 musllinux_1_2_x86_64" in page.text


def test_what_was_made_with_the_kit_says_so() -> None:
    of_alpine, words = pypy(TARGET), "made with the kit: for images of the same kit only"
    image = structs.replace(of_alpine.build.image, kit=True)
    tarball = replace(of_alpine, build=structs.replace(of_alpine.build, image=image))
    wheel = ReleasedWheel(MUSL, 1, structs.replace(wheel_record_of(DIGEST, ()), kit=True))
    pure = ReleasedWheel(
        PURE, 1, structs.replace(wheel_record_of(DIGEST, ()), kit=True, kind="any")
    )
    for other in (index(), ReleaseIndex.of([pure], URL)):
        assert words not in Page(release_page(other, flat=False)).text + notes(other)
    for artifact in (tarball, wheel):
        made = ReleaseIndex.of([artifact], URL)
        assert Page(release_page(made, flat=False)).text.count(words) == 1
        assert notes(made).splitlines()[-1].endswith(f" 2026-11-21; {words} |")


def test_errata_stand_apart_from_patches_for_musl() -> None:
    tarball = pypy(TARGET)
    patches = (AppliedPatch("stdio", DIGEST), AppliedPatch("finally", DIGEST, erratum=True))
    build = structs.replace(tarball.build, patches=patches, no_errata=("json",))
    made = ReleaseIndex.of([replace(tarball, build=build)], URL)
    text = " ".join(Page(release_page(made, flat=False)).text.split())
    assert "Patchesstdio Erratafinally, json (left out) Compiler" in text


def test_links_lead_to_files_beside_the_page() -> None:
    assert Page(release_page(index(URL), flat=False)).links == [
        "pypy-3.11-7.3.22-alpine3.23.tar.bz2",
        "pypy-3.11-7.3.22-alpine3.23.tar.gz",
        "pyenv/pypy3.11-7.3.22-alpine3.23",
        "pypy-3.6-7.0.0-alpine3.9-aarch64.tar.bz2",
        "pyenv/pypy3.6-7.0.0-alpine3.9-aarch64",
        PURE,
        MUSL.replace("+", "%2B"),
        "index.json",
        "SHA256SUMS",
        "uv-downloads.json",
        "simple/",
    ]


def test_a_page_without_an_address_has_nothing_for_uv_and_pyenv() -> None:
    links = Page(release_page(index(), flat=False)).links
    assert "pypy-3.11-7.3.22-alpine3.23.tar.gz" in links
    assert not [link for link in links if "uv" in link or "pyenv" in link]


def test_a_page_without_folders_links_to_whole_addresses() -> None:
    links = Page(release_page(index(URL), flat=True)).links
    assert all(link.startswith(f"{URL}/") for link in links)
    assert not any("simple" in link or "pyenv" in link for link in links)


def test_commands_with_an_address_go_from_nothing_to_a_pypy() -> None:
    pypy, _, pure, musl = Page(release_page(index(URL), flat=False)).commands
    assert pypy == (
        "apk add libffi &&\n"
        f"wget {URL}/pypy-3.11-7.3.22-alpine3.23.tar.bz2 &&\n"
        f"echo '{DIGEST}  pypy-3.11-7.3.22-alpine3.23.tar.bz2' | sha256sum -c - &&\n"
        "tar -xjf pypy-3.11-7.3.22-alpine3.23.tar.bz2 -C /opt &&\n"
        "/opt/pypy-3.11-7.3.22-alpine3.23/bin/pypy3 --version"
    )
    assert pure == f"pip install --extra-index-url {URL}/simple/ tiny==1.0"
    assert musl.startswith("apk add libffi libxml2 &&\npip install --extra-index-url ")


def test_commands_without_an_address_start_with_the_downloaded_file() -> None:
    pypy, _, pure, _ = Page(release_page(index(), flat=False)).commands
    assert "wget" not in pypy
    assert pure == f"pip install ./{PURE}"


def test_commands_for_a_server_without_folders_name_the_wheel() -> None:
    *_, pure, musl = Page(release_page(index(URL), flat=True)).commands
    assert pure == f"pip install '{URL}/{PURE}#sha256={DIGEST}'"
    assert musl.endswith(f"pip install '{URL}/{MUSL.replace('+', '%2B')}#sha256={DIGEST}'")


def test_nothing_on_the_page_runs_or_is_fetched() -> None:
    page = Page(release_page(index(URL), flat=False))
    names = {name for _, attributes in page.seen for name in attributes}
    assert not {tag for tag, _ in page.seen} & {"script", "link", "img", "iframe", "object"}
    assert not [name for name in names if name.startswith("on") or name in ("src", "style")]
    assert "@import" not in page.text
    assert "url(" not in page.text


HOSTILE = st.sampled_from(
    ["<script>alert(1)</script>", "\"'><img src=x onerror=y>", "&lt;", "</pre>"]
)


@given(HOSTILE, st.text(st.characters(exclude_categories=["Cs", "Cc"])))
def test_what_others_wrote_is_text(hostile: str, more: str) -> None:
    words = f"{hostile}{more}"
    build = structs.replace(manifest_of(TARGET), compiler=words, executables=(words,))
    report = Report(TARGET.tarball, DIGEST, (Finding("c", words, "m", words),), 1, 1.0, DATE)
    record = wheel_record_of(DIGEST, (), words)
    found = ReleaseIndex.of(
        [ReleasedTarball(1, report, build), ReleasedWheel(PURE, 1, record, words)], URL
    )
    page = Page(release_page(found, flat=False))
    assert not {tag for tag, _ in page.seen} & {"script", "img"}
    assert page.text.count(words) >= 3


def test_an_empty_release_has_a_page() -> None:
    page = Page(release_page(ReleaseIndex(), flat=False))
    assert "table" not in {tag for tag, _ in page.seen}


def test_notes_are_a_table_of_links() -> None:
    lines = notes(index(URL)).splitlines()
    assert lines[2:4] == ["| file | size | SHA-256 | verified |", "|---|---|---|---|"]
    assert lines[4] == (
        f"| [pypy-3.11-7.3.22-alpine3.23.tar.bz2]({URL}/pypy-3.11-7.3.22-alpine3.23.tar.bz2)"
        f" | 26.2 MB | `{DIGEST}` | 2026-11-21 |"
    )
    assert lines[5] == (
        f"| [pypy-3.11-7.3.22-alpine3.23.tar.gz]({URL}/pypy-3.11-7.3.22-alpine3.23.tar.gz)"
        f" | 29.0 MB | `{'f' * 64}` | 2026-11-21 |"
    )
    assert len(lines) == 9
    assert not any("more are in" in line for line in lines)


def test_the_index_comes_last() -> None:
    assert list(pages(index(), flat=False))[-1] == "index.json"
    flat = {"SHA256SUMS", "index.html", "index.json"}
    assert set(pages(index(), flat=True)) == flat
    assert set(pages(index(URL), flat=True)) == {*flat, "uv-downloads.json"}


# What a browser makes of the page, read by a page around it: it has no script of its own.
AROUND = """<!doctype html><title>waiting</title><iframe src="index.html"
style="width:{width}px;height:700px;border:0"></iframe><pre id=said></pre><script>
document.querySelector("iframe").onload = event => {{
  const page = event.target.contentDocument, root = page.documentElement
  for (const details of page.querySelectorAll("details")) details.open = true
  const style = event.target.contentWindow.getComputedStyle(page.body)
  const get = page.querySelector(".get").getBoundingClientRect()
  said.textContent = [root.scrollWidth, root.clientWidth, style.backgroundColor, style.color,
    Math.round(get.width), Math.round(get.height)].join(";")
}}</script>"""


@dataclass(frozen=True)
class Seen:
    """Widths in pixels, colours as rgb(...)."""

    needs: int
    has: int
    paper: str
    ink: str
    button: tuple[int, int]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a release whose page is looked at from pages of several widths."""
    folder = tmp_path_factory.mktemp("site")
    write_pages(index(URL), folder)
    for width in (320, 390, 1200):
        (folder / f"{width}.html").write_text(AROUND.format(width=width))
    yield from serve_folder(folder)


def look(address: str, width: int, dark: bool, profile: Path) -> Seen:
    """What Chromium makes of the page."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("there is no Chromium: apt-get install chromium")
    colours = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
    command = [browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-proxy-server"]
    command += [colours, f"--user-data-dir={profile}", "--window-size=1300,900"]
    command += ["--virtual-time-budget=10000", "--dump-dom", f"{address}/{width}.html"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    said = re.search(r"<pre id=\"said\">([^<]+)</pre>", done.stdout)
    assert said, done.stdout
    needs, has, paper, ink, *button = said[1].split(";")
    return Seen(int(needs), int(has), paper, ink, (int(button[0]), int(button[1])))


def light(colour: str) -> int:
    """How light a colour is, 0 to 765."""
    return sum(map(int, re.findall(r"\d+", colour)[:3]))


@pytest.mark.parametrize("width", [320, 390, 1200])
def test_nothing_sticks_out_in_chromium(site: str, width: int, tmp_path: Path) -> None:
    seen = look(site, width, False, tmp_path)
    assert seen.needs <= seen.has <= width
    if width < 500:
        assert seen.button[0] > seen.has * 0.8  # as wide as the phone, and as high as a thumb
        assert seen.button[1] >= 40


def test_the_page_is_dark_in_the_dark_in_chromium(site: str, tmp_path: Path) -> None:
    day, night = look(site, 390, False, tmp_path), look(site, 390, True, tmp_path)
    assert light(day.paper) > 700
    assert light(day.ink) < 100
    assert light(night.paper) < 100
    assert light(night.ink) > 700
