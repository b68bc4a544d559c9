"""The data in versions/, and what a recipe makes of it."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from alpypy.core.errors import DataError, SpecError
from alpypy.recipes.recipe import Catalog, load_catalog
from alpypy.recipes.spec import PypyVersion, Target

ROOT = Path(__file__).parents[3]
CATALOG = load_catalog(ROOT)
NEWEST_MINOR = max(Version(name).minor for name in CATALOG.alpines)
# As it was when 8.0.0 was the newest.
AT_8_0_0 = replace(
    CATALOG,
    pypys={
        name: source
        for name, source in CATALOG.pypys.items()
        if Version(PypyVersion.parse(name).release) <= Version("8.0.0")
    },
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A copy of versions/, to be spoilt."""
    shutil.copytree(ROOT / "versions", tmp_path / "versions")
    (tmp_path / "patches").symlink_to(ROOT / "patches")
    return tmp_path


def edit(root: Path, name: str, old: str, new: str) -> None:
    """Replace the first occurrence in a file of versions/, which must have it."""
    path = root / "versions" / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def line(root: Path, name: str, entry: str, key: str) -> str:
    """The line ``key = ...`` of an entry of a file of versions/."""
    text = (root / "versions" / name).read_text(encoding="utf-8")
    match = re.search(rf"^\[{re.escape(entry)}\]\n(?:.+\n)*?({key} = .+\n)", text, re.MULTILINE)
    assert match is not None
    return match[1]


def test_the_translator_s_patches_are_known_to_fit(root: Path) -> None:
    release = CATALOG.translator
    edit(root, "pypy.toml", f'["{release}"]\n', f'["{release}"]\nchecked = false\n')
    with pytest.raises(DataError, match=rf"tried the patches on the source of {release}"):
        load_catalog(root)


def test_every_alpine_since_3_9_is_there_with_a_root_file_system() -> None:
    assert list(CATALOG.alpines) == [f"3.{minor}" for minor in range(9, NEWEST_MINOR + 1)]
    for name, alpine in CATALOG.alpines.items():
        assert alpine.release.startswith(f"{name}.")
        assert sorted(alpine.rootfs) == ["aarch64", "x86_64"]
        for arch, rootfs in alpine.rootfs.items():
            assert rootfs.url == (
                f"https://dl-cdn.alpinelinux.org/alpine/v{name}/releases/{arch}/"
                f"alpine-minirootfs-{alpine.release}-{arch}.tar.gz"
            )


def test_every_language_is_there_and_sources_are_named_after_their_release() -> None:
    languages = {PypyVersion.parse(name).language for name in CATALOG.pypys}
    assert languages == {"2.7", *(f"3.{minor}" for minor in range(5, 13))}
    for name, source in CATALOG.pypys.items():
        language, release = name.split("-")
        suffix = "bz2" if release.startswith("7.") else "gz"
        assert source.file_name == f"pypy{language}-v{release}-src.tar.{suffix}"


def test_no_two_files_share_a_digest() -> None:
    digests = [source.sha256 for source in CATALOG.pypys.values()]
    digests += [rootfs.digest[1] for a in CATALOG.alpines.values() for rootfs in a.rootfs.values()]
    assert len(set(digests)) == len(digests)


def test_the_community_build_that_alpypy_succeeds() -> None:
    recipe = CATALOG.recipe(Target("3.6-7.0.0", "3.9"))
    assert recipe.source
    assert recipe.source.url.endswith("/pypy3.6-v7.0.0-src.tar.bz2")
    assert recipe.rootfs is not None
    assert recipe.rootfs.file_name == "alpine-minirootfs-3.9.6-x86_64.tar.gz"
    assert recipe.tls == "openssl"
    assert recipe.build_packages[-1] == "openssl-dev"
    assert recipe.translator == "2.7-7.3.23"
    assert recipe.options[0] == "--opt=jit"
    assert recipe.target_options == ()
    assert recipe.environment == {
        "CFLAGS": "-DTHREAD_STACK_SIZE=0x100000",
        "LDFLAGS": "",
        "PYPY_MULTIARCH": "x86_64-linux-musl",
    }
    assert "3.6-7.0.0" in recipe.patches[0].releases


def test_the_other_architecture() -> None:
    recipe = CATALOG.recipe(Target("3.11-7.3.22", "3.20", "aarch64"))
    assert recipe.rootfs is not None
    assert recipe.rootfs.file_name == "alpine-minirootfs-3.20.3-aarch64.tar.gz"
    assert recipe.environment["PYPY_MULTIARCH"] == "aarch64-linux-musl"


@pytest.mark.parametrize(
    ("release", "alpine", "package"),
    [
        ("2.7-7.0.0", "3.9", "openssl-dev"),
        ("2.7-7.2.0", "3.16", "openssl-dev"),
        ("2.7-7.1.1", "3.18", "openssl1.1-compat-dev"),
        ("2.7-7.0.0", "3.23", "openssl-dev"),
        ("2.7-7.3.22", "3.9", "openssl-dev"),
        ("2.7-7.3.22", "3.17", "openssl-dev"),
        ("3.6-7.3.3", "3.16", "openssl-dev"),
        ("3.6-7.3.3", "3.17", "openssl1.1-compat-dev"),
        ("3.7-7.3.5", "3.18", "openssl1.1-compat-dev"),
        ("3.6-7.0.0", "3.23", "openssl-dev"),
        ("3.7-7.3.5", "3.19", "openssl-dev"),
        ("3.7-7.3.8", "3.23", "openssl-dev"),
        ("3.11-7.3.22", "3.23", "openssl-dev"),
    ],
)
def test_tls_library(release: str, alpine: str, package: str) -> None:
    recipe = CATALOG.recipe(Target(release, alpine))
    assert recipe.build_packages[-1] == package
    assert sum("ssl" in name for name in recipe.build_packages) == 1
    assert recipe.tls == package.partition("ssl")[0] + "ssl"


@pytest.mark.parametrize("alpine", ["3.9", "3.10"])
def test_a_tls_library_that_is_chosen(alpine: str) -> None:
    target = Target("2.7-7.0.0", alpine)
    recipe, default = CATALOG.recipe(target, "libressl"), CATALOG.recipe(target)
    assert (recipe.tls, recipe.build_packages[-1]) == ("libressl", "libressl-dev")
    assert recipe.build_packages[:-1] == default.build_packages[:-1]
    assert recipe.target.tarball == f"pypy-2.7-7.0.0-libressl-alpine{alpine}.tar.bz2"
    small = CATALOG.translator_recipe(target, "libressl")
    assert (small.tls, small.build_packages) == (recipe.tls, recipe.build_packages)


def test_the_preferred_tls_library_chosen_by_name_changes_nothing() -> None:
    target = Target("2.7-7.0.0", "3.9")
    assert CATALOG.recipe(target, "openssl") == CATALOG.recipe(target)


def test_a_version_that_the_user_chose_stays_with_any_tls_library() -> None:
    target = Target("2.7-7.0.0", "3.9", release_version="2.7-7.0.0-r1")
    assert CATALOG.recipe(target, "libressl").target == target


@pytest.mark.parametrize(
    ("release", "alpine", "tls", "what", "remedy"),
    [
        ("2.7-7.0.0", "3.23", "libressl", "with libressl on Alpine 3.23", "on Alpine 3.10"),
        ("2.7-7.3.22", "3.9", "libressl", "libressl: it takes openssl>=1.1 (", "leave --tls out"),
        (
            "3.6-7.0.0",
            "3.9",
            "libressl",
            "libressl: it takes openssl<3,>=1.1 or",
            "leave --tls out",
        ),
        ("2.7-7.0.0", "3.9", "gnutls", "--tls is 'gnutls'", "choose openssl or libressl"),
        ("rpython-0.2.1", "3.9", "openssl", "uses no TLS library", "leave --tls out"),
    ],
)
def test_a_tls_library_that_cannot_be_chosen(
    release: str, alpine: str, tls: str, what: str, remedy: str
) -> None:
    with pytest.raises(SpecError) as caught:
        CATALOG.recipe(Target(release, alpine), tls)
    assert what in caught.value.what
    assert remedy in caught.value.remedy


def test_impossible_pair(root: Path) -> None:
    takes = 'takes = ["openssl>=1.1,<3", "openssl>=3", "libressl>=2.7,<2.8"]'
    edit(root, "tls.toml", takes, 'takes = ["openssl<3"]')
    catalog = load_catalog(root)
    with pytest.raises(SpecError) as caught:
        catalog.recipe(Target("2.7-7.1.1", "3.19"))
    assert "2.7-7.1.1 cannot be built on Alpine 3.19: it needs openssl<3 (" in caught.value.what
    assert "written for OpenSSL 1.1" in caught.value.what
    assert caught.value.remedy == (
        "these work: 2.7-7.1.1 on Alpine 3.18, or 2.7-7.3.0 on Alpine 3.19"
    )


def test_every_pair_is_a_recipe() -> None:
    for release in CATALOG.buildable:
        for alpine in CATALOG.alpines:
            recipe = CATALOG.recipe(Target(release, alpine))
            assert len(set(recipe.build_packages)) == len(recipe.build_packages)


@pytest.mark.parametrize(
    ("release", "near"),
    [
        ("3.6-7.3.4", ["3.6-7.3.2", "3.6-7.3.3", "3.7-7.3.2", "3.7-7.3.3"]),
        ("3.11-7.4.0", ["3.11-7.3.22", "3.11-7.3.23", "3.11-8.0.0", "3.12-8.0.0"]),
        ("2.6-7.0.0", ["2.7-7.0.0", "2.7-7.1.0"]),
        ("3.12-7.3.22", ["3.11-7.3.23", "3.11-8.0.0", "3.12-8.0.0"]),
    ],
)
def test_unknown_release_names_its_neighbours(release: str, near: list[str]) -> None:
    with pytest.raises(SpecError) as caught:
        AT_8_0_0.recipe(Target(release, "3.9"))
    assert release in caught.value.what
    assert caught.value.remedy.removeprefix("choose one of the nearest: ").split(", ") == near


@pytest.mark.parametrize(
    ("text", "near"), [("3.6-7.0", "3.6-7.0.0"), ("rpython-0.2", "rpython-0.2.1")]
)
def test_misspelt_release_names_what_is_spelt_alike(text: str, near: str) -> None:
    with pytest.raises(SpecError) as caught:
        CATALOG.recipe(Target(text, "3.9"))
    assert near in caught.value.remedy


@given(st.text(max_size=15))
def test_any_text_as_release_is_answered_with_releases_that_exist(text: str) -> None:
    if text in CATALOG.buildable:
        return
    with pytest.raises(SpecError) as caught:
        CATALOG.recipe(Target(text, "3.9"))
    near = caught.value.remedy.removeprefix("choose one of the nearest: ").split(", ")
    assert set(near) <= set(CATALOG.buildable)


@pytest.mark.parametrize(
    ("alpine", "near"),
    [
        ("3.8", "3.9, 3.10"),
        (f"3.{NEWEST_MINOR + 1}", f"3.{NEWEST_MINOR - 1}, 3.{NEWEST_MINOR}"),
    ],
)
def test_unknown_alpine_names_its_neighbours(alpine: str, near: str) -> None:
    with pytest.raises(SpecError) as caught:
        CATALOG.recipe(Target("3.11-7.3.22", alpine))
    assert caught.value.remedy == f"choose one of the nearest: {near}"


def test_unknown_pypy_is_reported_for_an_impossible_alpine_as_unknown() -> None:
    with pytest.raises(SpecError, match=r"no Alpine 3\.99"):
        CATALOG.recipe(Target("3.6-9.9.9", "3.99"))


def test_translator_shares_the_image_of_its_target() -> None:
    target = Target("2.7-7.0.0", "3.9", release_version="2.7-7.0.0-r1")
    recipe, small = CATALOG.recipe(target), CATALOG.translator_recipe(target)
    assert small.target == Target(str(recipe.translator), "3.9")
    assert small.target_options == ("--translationmodules",)
    assert small.translator is None
    assert small.build_packages == recipe.build_packages
    assert small.tls == recipe.tls == "openssl"
    assert small.memory_mib <= recipe.memory_mib


def test_a_recipe_without_errata_has_the_other_patches_and_says_what_it_lacks() -> None:
    recipe = CATALOG.recipe(Target("3.11-7.3.23", "3.23"))
    without = recipe.without_errata()
    assert {"bare-except-finally", "match-rest-name"} <= set(without.no_errata)
    assert all(not patch.is_erratum for patch in without.patches)
    assert len(without.patches) + len(without.no_errata) == len(recipe.patches)
    assert without.without_errata().patches == without.patches


STACK = "-DTHREAD_STACK_SIZE=0x100000"
GCC_14 = [
    "-Wno-error=incompatible-pointer-types",
    "-Wno-error=int-conversion",
    "-Wno-error=implicit-function-declaration",
]


@pytest.mark.parametrize(
    ("alpine", "flags"),
    [
        ("3.20", [STACK]),
        ("3.21", [STACK, *GCC_14]),
        ("3.23", [STACK, *GCC_14, "-std=gnu17"]),
    ],
)
def test_compiler_flags_follow_the_compiler_of_the_alpine(alpine: str, flags: list[str]) -> None:
    recipe = CATALOG.recipe(Target("3.11-7.3.22", alpine))
    assert recipe.environment["CFLAGS"].split() == flags


@pytest.mark.parametrize(
    ("alpine", "flag"), [("3.17", ""), ("3.18", "-Wl,-z,pack-relative-relocs")]
)
def test_relocations_are_packed_where_musl_can_read_them(alpine: str, flag: str) -> None:
    assert CATALOG.recipe(Target("3.9-7.3.16", alpine)).environment["LDFLAGS"] == flag


def test_the_quickstart_has_no_jit_to_translate_and_its_variant_has() -> None:
    small = CATALOG.recipe(Target("rpython-0.2.1", "3.23"))
    jit = CATALOG.recipe(Target("rpython-0.2.1-jit", "3.23"))
    assert [program.name for program in small.programs] == ["pystone"]
    assert [program.name for program in jit.programs] == ["tinyframe"]
    assert "--opt=jit" not in small.programs[0].options
    assert "--opt=jit" in jit.programs[0].options
    for part in ("source", "requires", "patches", "build_packages", "environment"):
        assert getattr(small, part) == getattr(jit, part)
    assert small.patches
    assert "rpython-0.2.1-jit" not in CATALOG.releases


@pytest.mark.parametrize("name", CATALOG.quickstarts)
def test_a_quickstart_needs_neither_tls_nor_translator(name: str) -> None:
    recipe = CATALOG.recipe(Target(name, "3.23"))
    assert recipe.tls is None
    assert not any("ssl" in name for name in recipe.build_packages)
    assert recipe.translator is None
    assert [source.pypi for source in recipe.requires] == ["py==1.4.34", "pytest==2.9.2"]
    names = {path.name for program in recipe.programs for path in program.inputs}
    used = {
        argument[1:-1]
        for program in recipe.programs
        for check in program.checks
        for argument in check.arguments
        if argument.startswith("{")
    }
    assert used == names


def test_adding_a_release_is_adding_an_entry(root: Path) -> None:
    path = root / "versions" / "pypy.toml"
    language = PypyVersion.parse(list(CATALOG.pypys)[-1]).language
    release = f"{language}-99.0.0"
    entry = f"""
["{release}"]
url = "https://downloads.python.org/pypy/pypy{language}-v99.0.0-src.tar.gz"
sha256 = "{"0123456789abcdef" * 4}"
"""
    path.write_text(entry + path.read_text(encoding="utf-8"), encoding="utf-8")
    catalog = load_catalog(root)
    assert list(catalog.pypys)[-1] == release
    assert catalog.recipe(Target(release, "3.23")).tls == "openssl"


@pytest.mark.parametrize(
    ("version", "model"),
    [
        ("3.11-7.3.22", "3.11-7.3.22"),
        ("3.12-8.0.0-alpha", "3.12-8.0.0"),
        ("3.12-8.1.0-alpha", "3.12-8.0.0"),
        ("3.99-9.0.0-rc1", "3.12-8.0.0"),
        ("3.11-7.3.19-alpha", "3.11-7.3.19"),
        ("2.7-9.0.0-alpha", "2.7-8.0.0"),
        ("2.7-6.0.0", "2.7-7.0.0"),
    ],
)
def test_the_release_whose_data_serve_a_version(version: str, model: str) -> None:
    assert AT_8_0_0.model(version) == model


@pytest.mark.parametrize("alpine", ["3.9", "3.24"])
@pytest.mark.parametrize("version", ["2.7-8.0.0-alpha+1", "3.13-9.0.0+762c531b493"])
def test_a_tree_has_a_recipe_whose_source_the_user_brings(version: str, alpine: str) -> None:
    target = Target.parse(version, alpine)
    recipe = CATALOG.recipe(target)
    assert (recipe.source, recipe.target) == (None, target)
    assert recipe.tls == "openssl"


def test_an_alpine_without_rootfs_is_a_recipe_without_it(root: Path) -> None:
    path = root / "versions" / "alpine.toml"
    with path.open("a", encoding="utf-8") as file:
        file.write('\n["3.99"]\nrelease = "3.99.0"\n')
    assert load_catalog(root).recipe(Target("3.11-7.3.22", "3.99")).rootfs is None


def test_a_root_file_system_has_one_digest(root: Path) -> None:
    edit(root, "alpine.toml", 'sha512 = "', f'sha256 = "{"0" * 64}"\nsha512 = "')
    with pytest.raises(DataError, match="it has two digests"):
        load_catalog(root)


SPOILT = ["", 'KEY = "0123"\n', 'KEY = ""\n', "KEY = 1\n"]


@pytest.mark.parametrize(
    ("name", "entry", "key"),
    [
        ("pypy.toml", '"3.6-7.0.0"', "sha256"),
        ("python2.toml", '"2.7.18"', "sha256"),
        ("rpython.toml", '"rpython-0.2.1"', "sha256"),
        ("rpython.toml", '["rpython-0.2.1".requires]', "sha256"),
        ("alpine.toml", '"3.9".rootfs.x86_64', "sha512"),
    ],
)
@pytest.mark.parametrize("value", SPOILT)
def test_url_without_digest_is_refused(
    root: Path, name: str, entry: str, key: str, value: str
) -> None:
    edit(root, name, line(root, name, entry, key), value.replace("KEY", key))
    with pytest.raises(DataError) as caught:
        load_catalog(root)
    assert f"versions/{name}" in caught.value.what
    assert re.search(r'"(.+?)"', entry)[1] in caught.value.what  # type: ignore[index]
    if name == "alpine.toml" and not value:
        assert caught.value.what.endswith(" (it has neither sha512 nor sha256)")
        assert caught.value.remedy == "correct its fields"
        return
    assert re.search(rf": {key} is (missing|'0123'|''|1)$", caught.value.what)
    assert f"the SHA-{key[3:]} that the file's publisher" in caught.value.remedy


@pytest.mark.parametrize("value", SPOILT)
def test_a_root_file_system_may_have_a_sha256_alone(root: Path, value: str) -> None:
    entry, sha256 = '"3.9".rootfs.x86_64', f'sha256 = "{"0" * 64}"\n'
    edit(root, "alpine.toml", line(root, "alpine.toml", entry, "sha512"), sha256)
    assert load_catalog(root).alpines["3.9"].rootfs["x86_64"].digest == ("sha256", "0" * 64)
    edit(root, "alpine.toml", sha256, value.replace("KEY", "sha256"))
    with pytest.raises(DataError, match="sha256"):
        load_catalog(root)


@pytest.mark.parametrize(
    ("name", "old", "new", "complaint"),
    [
        ("pypy.toml", "url = ", "ulr = ", "[2.7-7.0.0]: ulr is unknown"),
        ("pypy.toml", '["2.7-7.0.0"]', '["pypy-7"]', "pypy-7 is not allowed as a name"),
        ("pypy.toml", 'url = "https://', 'url = "http://', "url is 'http:"),
        ("pypy.toml", 'url = "', "url = 3 # ", "url is 3"),
        ("pypy.toml", '["2.7-7.0.0"]', "[2.7-7.0.0", "versions/pypy.toml: "),
        ("alpine.toml", '["3.9"]', '["edge"]', "edge is not allowed as a name"),
        (
            "alpine.toml",
            "rootfs.x86_64",
            "rootfs.mips",
            "[rootfs]: mips is not allowed",
        ),
        (
            "tls.toml",
            ">=3.9,<3.17",
            ">=3.9;<3.17",
            "1 (openssl): alpine is '>=3.9;<",
        ),
        ("tls.toml", 'version = "1.1.1"', 'version = "one"', "version is 'one'"),
        ("tls.toml", 'takes = ["openssl>=1.1"]', 'takes = [">=1.1"]', "takes contains '>=1.1'"),
        ("tls.toml", 'language = "3.5"', 'language = "3.4"', "covers 3.5-7.0.0"),
        ("translation.toml", 'release = "2.7-7.3.23"', 'release = "2.7-9"', "'2.7-9'"),
        (
            "translation.toml",
            'python2 = "2.7.18"',
            'python2 = "2.7.1"',
            "python2 is '2.7.1', which versions/python2.toml does not have",
        ),
        ("translation.toml", "memory_mib = 5000", "memory_mib = true", "memory_mib is True"),
        ("translation.toml", ">=3.7", ">=3.8", "covers 3.7-7.3.2"),
        ("rpython.toml", "programs/sum.tf", "programs/none.tf", "none.tf does not exist"),
        ("rpython.toml", ".variants.jit]", ".variants.JIT]", "JIT is not allowed as a name"),
        ("rpython.toml", "'Total # of", "'(Total # of", "(tinyframe): expect is '(Total # of"),
        (
            "packages.toml",
            'names = ["gcc"',
            'names = [1, "gcc"',
            "number 1: names contains 1",
        ),
    ],
)
def test_unusable_data_is_refused_with_its_place(
    root: Path, name: str, old: str, new: str, complaint: str
) -> None:
    edit(root, name, old, new)
    with pytest.raises(DataError) as caught:
        load_catalog(root)
    assert re.match(r"versions/\w+\.toml", caught.value.what)
    assert complaint in caught.value.what


def test_missing_file_is_named(root: Path) -> None:
    (root / "versions" / "tls.toml").unlink()
    with pytest.raises(DataError, match=r"tls\.toml does not exist"):
        load_catalog(root)


def test_catalog_is_a_value() -> None:
    assert isinstance(CATALOG, Catalog)
    assert load_catalog(ROOT) == CATALOG
