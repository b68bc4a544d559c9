"""Names of extension modules: they say musl everywhere, and no other C library's is imported.

Python 2 has no part in the name for the C library.
"""

import os
import sys
import sysconfig
import tempfile

from probing import Probe, equal, error_of, expect

probe = Probe("extensions")
ARCH = probe.request["arch"]
MULTIARCH = ARCH + "-linux-musl"
SUFFIX_VARIABLE = "SO" if sys.version_info[0] == 2 else "EXT_SUFFIX"


def suffixes():
    """Endings of the file names that this interpreter imports as extension modules."""
    if sys.version_info[0] == 2:
        import imp

        return [suffix for suffix, _, kind in imp.get_suffixes() if kind == imp.C_EXTENSION]
    from importlib.machinery import EXTENSION_SUFFIXES

    return EXTENSION_SUFFIXES


def own_suffix():
    """The one ending; a second could let in what was built for another C library."""
    equal(len(suffixes()), 1, "number of suffixes %s" % suffixes())
    return suffixes()[0]


def foreign_suffixes():
    """Endings that modules for glibc and for other Pythons have."""
    soabi = sysconfig.get_config_var("SOABI")
    glibc = ARCH + "-linux-gnu"
    version = "%d%d" % sys.version_info[:2]
    names = [".%s-%s.so" % (soabi, glibc), ".%s.so" % glibc]
    names += [".cpython-%s-%s.so" % (version, one) for one in (glibc, MULTIARCH)]
    return names + [own_suffix().replace("-linux-musl", "-linux-gnu")]


def put_on_path(suffix):
    """A module ``alpypy_sample`` that is no ELF file, in a new folder at the head of sys.path."""
    folder = tempfile.mkdtemp()
    with open(os.path.join(folder, "alpypy_sample" + suffix), "w") as stream:
        stream.write("not an ELF file")
    sys.path.insert(0, folder)


def load():
    __import__("alpypy_sample")


@probe.check
def no_suffix_says_glibc():
    for suffix in suffixes():
        expect("gnu" not in suffix, "extension modules are named for glibc: %s" % suffix)


@probe.check
def soabi():
    soabi = sysconfig.get_config_var("SOABI")
    expect(soabi and "gnu" not in soabi, "SOABI is %r" % soabi)
    expect(own_suffix().startswith("." + soabi), "SOABI %s, suffix %s" % (soabi, own_suffix()))


@probe.check
def sysconfig_names_the_suffix():
    equal(sysconfig.get_config_var(SUFFIX_VARIABLE), own_suffix(), SUFFIX_VARIABLE)


@probe.check
def distutils_names_the_suffix():
    """It is what builds modules."""
    from distutils.sysconfig import get_config_var

    equal(get_config_var(SUFFIX_VARIABLE), own_suffix(), SUFFIX_VARIABLE)


@probe.check
def own_suffix_is_found():
    """Found, and then refused by the loader: only what it takes for a module gets as far."""
    put_on_path(own_suffix())
    error = error_of(ImportError, load)
    where = sys.path[0]
    expect(where in str(error), "a file with the own suffix was not tried: %s" % error)


if sys.version_info[0] > 2:
    from importlib.util import find_spec

    def not_found(suffix):
        put_on_path(suffix)
        spec = find_spec("alpypy_sample")
        expect(spec is None, "importlib would import a module named ...%s" % suffix)
        error = error_of(ImportError, load)
        expect("No module named" in str(error), "the import says %s" % error)

    for foreign in sorted(set(foreign_suffixes())):
        probe.add("not_found%s" % foreign, not_found, foreign)

    @probe.check
    def own_suffix_says_musl():
        soabi = sysconfig.get_config_var("SOABI")
        equal(own_suffix(), ".%s-%s.so" % (soabi, MULTIARCH), "suffix of extension modules")

    @probe.check
    def multiarch():
        equal(sys.implementation._multiarch, MULTIARCH, "sys.implementation._multiarch")
        # Older releases have no such variable in sysconfig.
        found = sysconfig.get_config_var("MULTIARCH") or MULTIARCH
        equal(found, MULTIARCH, "sysconfig's MULTIARCH")

    @probe.check
    def own_suffix_has_a_spec():
        put_on_path(own_suffix())
        spec = find_spec("alpypy_sample")
        expect(spec, "importlib finds no module named ...%s" % own_suffix())
        equal(spec.origin, os.path.join(sys.path[0], "alpypy_sample" + own_suffix()), "its file")


if __name__ == "__main__":
    probe.run()
