"""Run by Python 2.7 in the image that translated: build PyPy's cffi modules and lay out a release.

Calls PyPy's own package.py, with those of the options below that this release has. The folder that
it lays out is what counts; its archive is not reproducible.
"""
from __future__ import print_function

import os
import runpy
import subprocess
import sys
import types

TREE = "/work/tree"
WHEELS = "/work/wheels"
PACKAGE = os.path.join(TREE, "pypy/tool/release/package.py")
# Nothing is fetched and linked in: an Alpine package is updated, a copy inside PyPy is not.
WANTED = [
    "--no-embedded-dependencies",
    "--no-keep-debug",
    "--no-make-portable",
    "--without-_tkinter",
    "--without-tk",
]


def remove_stale(folder):
    """What the translation built was built without the application-level patches."""
    for place, _, names in os.walk(folder):
        for name in names:
            if name.endswith((".so", ".o", "_cffi.c", ".pyc")):
                os.unlink(os.path.join(place, name))


def offer_wheels():
    """Let package.py's `pip install` take the wheels that are here; there is no network.

    From Python 3.12 on it installs setuptools, because there is no distutils any more. The
    translation has installed pip.
    """
    os.environ["PIP_NO_INDEX"] = "1"
    os.environ["PIP_FIND_LINKS"] = WHEELS


def run_package(arguments):
    """Run package.py in this process.

    It imports multiprocessing for cpu_count alone, and a PyPy that only translates has no threads
    to import that with.
    """
    try:
        import multiprocessing
    except ImportError:
        multiprocessing = types.ModuleType("multiprocessing")
        multiprocessing.cpu_count = lambda: 1
        sys.modules["multiprocessing"] = multiprocessing
    sys.argv = [PACKAGE] + arguments
    runpy.run_path(PACKAGE, run_name="__main__")


def main(name, *more):
    remove_stale(os.path.join(TREE, "lib_pypy"))
    package = [sys.executable, os.path.abspath(__file__), "--run"]
    text = subprocess.check_output(package + ["--help"]).decode("utf-8")
    known = set(text.replace("[", " ").replace("]", " ").replace(",", " ").split())
    options = list(more) + [option for option in WANTED if option in known]
    os.makedirs("/work/build")
    if os.listdir(WHEELS):
        offer_wheels()
    options += ["--archive-name=" + name, "--builddir=/work/build"]
    print("package.py", " ".join(options))
    sys.stdout.flush()
    return subprocess.call(package + options)


if __name__ == "__main__":
    if sys.argv[1] == "--run":
        run_package(sys.argv[2:])
    else:
        sys.exit(main(*sys.argv[1:]))
