"""Run by the PyPy itself while its image is built: install pip, leave out what nobody runs.

Python 2.7 and 3.5 to 3.12. Its one argument is PyPy's folder.
"""

from __future__ import print_function

import fnmatch
import json
import os
import subprocess
import sys

SETTINGS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "settings.json")


def matches(path, patterns):
    """Whether the end of a path, or of a folder above it, is what a pattern says."""
    parts = path.split("/")
    return any(
        ends_so(parts[:end], pattern.split("/"))
        for end in range(1, len(parts) + 1)
        for pattern in patterns
    )


def ends_so(parts, wanted):
    """Whether the last of these parts are those of a pattern; * stays within one."""
    return len(parts) >= len(wanted) and all(
        fnmatch.fnmatchcase(part, pattern) for part, pattern in zip(parts[-len(wanted) :], wanted)
    )


def remove(folder, leave_out, keep):
    """Remove files that one list names and the other does not, and folders that are empty then.

    Gives the bytes of each kind of files.
    """
    removed = {one["what"]: 0 for one in leave_out}
    for place, folders, files in os.walk(folder, topdown=False):
        links = [name for name in folders if os.path.islink(os.path.join(place, name))]
        for path in (os.path.join(place, name) for name in files + links):
            name = os.path.relpath(path, folder)
            kind = next((one["what"] for one in leave_out if matches(name, one["patterns"])), None)
            if kind and not matches(name, keep):
                removed[kind] += os.lstat(path).st_size
                os.unlink(path)
        if place != folder and not os.listdir(place):
            os.rmdir(place)
    return removed


def link(folder, names):
    """Let bin/ have every name that users call the interpreter by."""
    program = os.path.basename(os.path.realpath(sys.executable))
    for name in names:
        path = os.path.join(folder, "bin", name)
        if not os.path.lexists(path):
            os.symlink(program, path)


def install_pip(unwanted):
    """Out of the wheels that come with the interpreter: no index is asked."""
    subprocess.check_call([sys.executable, "-m", "ensurepip", "--default-pip"])
    if unwanted:
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
        subprocess.check_call(pip + ["uninstall", "--yes"] + unwanted)


def compile_all(folder):
    """Compile the standard library and pip; this process itself writes no bytecode."""
    environment = dict(os.environ, PYTHONDONTWRITEBYTECODE="")
    subprocess.check_call([sys.executable, "-m", "compileall", "-q", folder], env=environment)


def main(folder):
    with open(SETTINGS) as stream:
        settings = json.load(stream)
    link(folder, settings["names"])
    install_pip(settings["uninstall"])
    removed = remove(folder, settings["leave_out"], settings["keep"])
    for kind in sorted(removed, key=removed.get, reverse=True):
        if removed[kind]:
            print("image: left out %s, %.1f MB" % (kind, removed[kind] / 1e6))
    if settings["bytecode"]:
        compile_all(folder)


if __name__ == "__main__":
    main(sys.argv[1])
