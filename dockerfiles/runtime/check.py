"""Run by the PyPy in its image, as an ordinary user, while that is built: is it fit for use?

Python 2.7 and 3.5 to 3.12. What was left out of the image must not be missed by what is in it.
"""

from __future__ import print_function

import importlib
import json
import os
import platform
import subprocess
import sys

FOLDER = "/opt/pypy"
MODULES = (
    "bz2",
    "ctypes.util",
    "curses",
    "decimal",
    "email.mime.text",
    "ensurepip",
    "hashlib",
    "json",
    "multiprocessing",
    "pdb",
    "pydoc",
    "sqlite3",
    "ssl",
    "unittest",
    "xml.etree.ElementTree",
    "zlib",
)
MODULES_3 = ("asyncio", "concurrent.futures", "http.server", "lzma", "unittest.mock", "venv")
MODULES_BEFORE_3_12 = ("distutils.core",)
MODULES_PYPY = ("cffi", "greenlet", "readline")  # CPython has them elsewhere, or not
SETTINGS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "settings.json")


def output_of(*command):
    output = subprocess.check_output(command, stderr=subprocess.STDOUT)
    return output.decode("utf-8", "replace").strip()


def check_names(names):
    """Every name is found on PATH, and is this interpreter."""
    for name in names:
        path = output_of(name, "-c", "import sys; print(sys.executable)")
        assert path == "%s/bin/%s" % (FOLDER, name), "%s is %s" % (name, path)


def check_version(language):
    found = output_of("python", "--version")
    print("image: check: " + " ".join(found.split()))
    assert found.startswith("Python %s." % language), "it is not Python " + language


def check_pip(names, language):
    for name in names:
        found = output_of(name, "--version")
        print("image: check: " + found)
        assert " from %s/" % FOLDER in found, "%s is another one" % name
        assert "python %s" % language in found, "%s is that of another Python" % name


def check_ssl():
    import ssl

    authorities = ssl.create_default_context().get_ca_certs()
    print("image: check: %s, %d authorities" % (ssl.OPENSSL_VERSION, len(authorities)))


def check_terminal():
    """ncurses brings the descriptions of terminals, which readline and curses look up."""
    import curses

    curses.setupterm("xterm", 1)


def check_modules(language):
    names = MODULES + (MODULES_3 if language[0] == "3" else ())
    if sys.version_info < (3, 12):
        names += MODULES_BEFORE_3_12
    if platform.python_implementation() == "PyPy":
        names += MODULES_PYPY
    for name in names:
        importlib.import_module(name)


def main():
    with open(SETTINGS) as stream:
        settings = json.load(stream)
    language = settings["language"]
    check_version(language)
    check_names(settings["names"])
    check_pip(["pip", "pip" + language[0]], language)
    check_ssl()
    check_terminal()
    check_modules(language)
    assert os.path.isfile(FOLDER + "/ALPYPY.json"), "the build record is missing"
    print("image: check: all is there")


if __name__ == "__main__":
    main()
