"""sysconfig: what it says of compiling fits the machine that PyPy is on, not where it was built.

Nothing is compiled: there is no compiler here. In Python 2, distutils alone has the values.
"""

import os
import sys
import sysconfig

from probing import Probe, equal, expect

probe = Probe("sysconfig")
FOLDER = os.path.realpath(probe.request["folder"])
# Programs by their plain names: whichever the machine has.
PROGRAMS = {"CC": ("cc", "gcc"), "CXX": ("c++", "g++"), "AR": ("ar",)}
PROGRAMS["LDSHARED"], PROGRAMS["LDCXXSHARED"] = PROGRAMS["CC"], PROGRAMS["CXX"]
VARIABLES = sysconfig.get_config_vars()
if sys.version_info[0] == 2:
    from distutils.sysconfig import get_config_vars

    VARIABLES = dict(VARIABLES, **get_config_vars())
PLACES = ("INCLUDEPY", "CONFINCLUDEPY", "LIBDIR", "BINDIR", "LIBDEST", "prefix", "exec_prefix")


def values():
    """All variables that are text."""
    return {name: value for name, value in VARIABLES.items() if isinstance(value, type(""))}


@probe.check
def no_path_of_the_build():
    paths = probe.request["build_paths"]
    found = {k: v for k, v in values().items() for path in paths if path in v}
    equal(found, {}, "variables with a path of the build")


@probe.check
def no_folder_outside_in_options():
    """An option such as -I/usr/include/openssl is for another machine."""
    words = [(name, word) for name, value in values().items() for word in value.split()]
    found = [pair for pair in words if pair[1].startswith(("-I/", "-L/", "-Wl,-rpath"))]
    equal(found, [], "options with a folder")


def plain_program(name, programs):
    value = VARIABLES[name]
    expect(value, "%s is %r" % (name, value))
    expect(value.split()[0] in programs, "%s is %r" % (name, value))


for variable in sorted(PROGRAMS):
    if variable in VARIABLES or variable in ("CC", "LDSHARED", "AR"):
        probe.add(variable, plain_program, variable, PROGRAMS[variable])


@probe.check
def shared_objects():
    words = VARIABLES["LDSHARED"].split()
    expect("-shared" in words, "LDSHARED is %r" % words)
    equal(VARIABLES["CCSHARED"], "-fPIC", "CCSHARED")


def inside(name, place):
    real = os.path.realpath(place)
    expect(real == FOLDER or real.startswith(FOLDER + os.sep), "%s is %s" % (name, place))
    expect(os.path.isdir(real), "%s is %s, which does not exist" % (name, place))


for variable in PLACES:
    if VARIABLES.get(variable):
        probe.add(variable, inside, variable, VARIABLES[variable])
for scheme in ("scripts",) if sys.version_info[0] == 2 else ("stdlib", "platstdlib", "scripts"):
    probe.add("path " + scheme, inside, scheme, sysconfig.get_paths()[scheme])


@probe.check
def header():
    path = os.path.join(sysconfig.get_paths()["include"], "Python.h")
    expect(os.path.isfile(path), "%s does not exist" % path)
    inside("include", os.path.dirname(path))


@probe.check
def library():
    """Programs that embed PyPy link with it."""
    if "LDLIBRARY" in VARIABLES:
        path = os.path.join(VARIABLES["LIBDIR"], VARIABLES["LDLIBRARY"])
        expect(os.path.isfile(path), "%s does not exist" % path)


if __name__ == "__main__":
    probe.run()
