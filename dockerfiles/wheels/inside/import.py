"""Runs for scripts/compatibility.py, on Python 3 alone: imports the modules that it is told to.

The arguments are their names. Prints which of them fail, and which package each of these lacks, as
JSON on the last line.
"""

import importlib
import json
import os
import sys


def missing(name):
    """The outermost package of a module that is not there."""
    parts = name.split(".")
    for end in range(1, len(parts)):
        try:
            importlib.import_module(".".join(parts[:end]))
        except ImportError:
            return ".".join(parts[:end])
        except BaseException:
            return name
    return name


def main():
    sys.path[0] = ""  # not this folder, whose programs are no packages
    failed, lacks = {}, {}
    for name in sys.argv[1:]:
        try:
            importlib.import_module(name)
        except BaseException as error:
            failed[name] = "%s: %s" % (type(error).__name__, error)
            if isinstance(error, ModuleNotFoundError) and error.name:
                lacks[name] = missing(error.name)
    print()
    print(json.dumps({"failed": failed, "lacks": lacks}), flush=True)
    os._exit(0)  # without what packages print at the end of a process


main()
