"""Names of extension modules: new ones say musl, and no module that needs glibc is loaded.

Python 3 also finds modules named for glibc, for wheels on PyPI hold modules for musl under such
names. Python 2 has no part in the name for the C library.
"""

import os
import struct
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
    """The ending of new modules; it is the first that is looked for."""
    return suffixes()[0]


def gnu_suffix():
    return own_suffix().replace("-linux-musl", "-linux-gnu")


def abi():
    """Such as pypy312-pp80: what SOABI begins with. From 3.12 on it names the platform too."""
    return "-".join(sysconfig.get_config_var("SOABI").split("-")[:2])


def soabi_suffix():
    """The ending of what is named by SOABI alone, where that says no platform."""
    return ".%s.so" % abi()


def other_suffixes():
    """Endings that are found after the own one."""
    others = [] if sys.version_info[0] == 2 else [gnu_suffix()]
    return others + [soabi_suffix()] if sys.version_info[:2] == (3, 11) else others


def foreign_suffixes():
    """Endings that modules for glibc and for other Pythons have."""
    glibc = ARCH + "-linux-gnu"
    version = "%d%d" % sys.version_info[:2]
    names = [".%s-%s.so" % (abi(), glibc), ".%s.so" % glibc]
    names += [".cpython-%s-%s.so" % (version, one) for one in (glibc, MULTIARCH)]
    return [name for name in names if name != gnu_suffix()]


def put_on_path(suffix, name="alpypy_sample", content=b"not an ELF file"):
    """A file named as a module, in a new folder at the head of sys.path; returns its path."""
    path = os.path.join(tempfile.mkdtemp(), name + suffix)
    with open(path, "wb") as stream:
        stream.write(content)
    sys.path.insert(0, os.path.dirname(path))
    return path


def load():
    __import__("alpypy_sample")


@probe.check
def first_suffix_is_not_for_glibc():
    expect("gnu" not in own_suffix(), "new modules are named for glibc: %s" % own_suffix())


@probe.check
def no_other_suffix():
    """Another could let in what was built for another C library, or another Python."""
    equal(suffixes(), [own_suffix()] + other_suffixes(), "suffixes")


@probe.check
def soabi():
    soabi = sysconfig.get_config_var("SOABI")
    expect(soabi and "gnu" not in soabi, "SOABI is %r" % soabi)
    expect(own_suffix().startswith("." + soabi), "SOABI %s, suffix %s" % (soabi, own_suffix()))


@probe.check
def sysconfig_names_the_suffix():
    equal(sysconfig.get_config_var(SUFFIX_VARIABLE), own_suffix(), SUFFIX_VARIABLE)


if sys.version_info < (3, 12):

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


def shared_object(needed, version):
    """The bytes of a shared object that needs one library, and one version of a symbol of it.

    It has a program header for all of it and one for the dynamic section, and nothing to run.
    """
    strings = b"\0" + needed + b"\0" + version + b"\0"
    at_dynamic, at_versions = 64 + 2 * 56, 64 + 2 * 56 + 5 * 16
    at_strings = at_versions + 32
    size = at_strings + len(strings)
    tags = [(1, 1), (5, at_strings), (0x6FFFFFFE, at_versions), (0x6FFFFFFF, 1), (0, 0)]
    header = struct.pack("<8sQ", b"\x7fELF\x02\x01\x01", 0)
    header += struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, 64, 0, 0, 64, 56, 2, 64, 0, 0)
    loaded = struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, size, size, 4096)
    dynamic = struct.pack("<IIQQQQQQ", 2, 6, at_dynamic, at_dynamic, 0, 80, 80, 8)
    entries = b"".join(struct.pack("<QQ", *tag) for tag in tags)
    versions = struct.pack("<HHIII", 1, 1, 1, 16, 0)
    versions += struct.pack("<IHHII", 0, 0, 2, 2 + len(needed), 0)
    return header + loaded + dynamic + entries + versions + strings


def content_of_a_module():
    """The bytes of a module that comes with every PyPy 3, and its name."""
    from importlib.util import find_spec

    with open(find_spec("_syslog_cffi").origin, "rb") as stream:
        return stream.read(), "_syslog_cffi"


def refused(suffix, content, name, need):
    """A file that may be for glibc must be refused for what it needs, and not be loaded."""
    path = put_on_path(suffix, name, content)
    error = error_of(ImportError, __import__, name)
    said = "%s was built for glibc (it needs %s), and this PyPy runs on musl" % (path, need)
    expect(str(error).startswith(said), "the import says: %s" % error)
    equal((error.name, error.path), (name, path), "name and path of the error")
    with open("/proc/self/maps") as stream:
        expect(path not in stream.read(), "%s was loaded" % path)


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
        equal(own_suffix(), ".%s-%s.so" % (abi(), MULTIARCH), "suffix of extension modules")

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

    @probe.check
    def own_suffix_comes_first():
        put_on_path(own_suffix())
        folder = sys.path[0]
        os.link(
            os.path.join(folder, "alpypy_sample" + own_suffix()),
            os.path.join(folder, "alpypy_sample" + gnu_suffix()),
        )
        expect(find_spec("alpypy_sample").origin.endswith(own_suffix()), "the other suffix won")

    def module_for_musl_named(suffix):
        content, name = content_of_a_module()
        path = put_on_path(suffix, name, content)
        module = __import__(name)
        equal(module.__spec__.origin, path, "file of the module")
        expect(module.ffi and module.lib, "the module is empty")

    def module_that_needs_the_library_of_glibc(suffix):
        """A real module with its need renamed: musl's loader takes that name for itself."""
        content, name = content_of_a_module()
        old = b"libc.musl-%s.so.1\0" % ARCH.encode()
        expect(old in content, "%s does not need %r" % (name, old))
        new = b"libc.so.6".ljust(len(old), b"\0")
        refused(suffix, content.replace(old, new), name, "libc.so.6")

    for suffix in other_suffixes():
        probe.add("module_for_musl_named %s" % suffix, module_for_musl_named, suffix)
        probe.add("module_for_glibc %s" % suffix, module_that_needs_the_library_of_glibc, suffix)

    def module_that_needs(library, version, need):
        refused(gnu_suffix(), shared_object(library, version), "alpypy_sample", need)

    for library, version, need in (
        (b"libc.so.6", b"GLIBC_2.17", "libc.so.6"),
        (b"ld-linux-x86-64.so.2", b"GLIBC_2.3", "glibc's dynamic linker"),
        (b"ld-linux-aarch64.so.1", b"GLIBC_2.17", "glibc's dynamic linker"),
        (b"libm.so.6", b"GLIBC_2.29", "symbol versions GLIBC_*"),
    ):
        subject = "module_that_needs_%s" % library.decode()
        probe.add(subject, module_that_needs, library, version, need)

    def no_module(length):
        """What is no module is an ImportError of musl's loader, and nothing else."""
        put_on_path(gnu_suffix(), "alpypy_sample", shared_object(b"libc.so.6", b"")[:length])
        error = error_of(ImportError, load)
        expect("glibc" not in str(error), "the import says: %s" % error)

    for length in (0, 4, 63):
        probe.add("file_of_%d_bytes_named_for_glibc" % length, no_module, length)

    @probe.check
    def text_named_for_glibc():
        path = put_on_path(gnu_suffix())
        error = error_of(ImportError, load)
        expect(path in str(error) and "built for" not in str(error), "the import says: %s" % error)


if __name__ == "__main__":
    probe.run()
