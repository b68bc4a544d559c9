"""Imports every extension module of the release and every module that versions/verify.toml names.

The release's own: what is built in, each shared library below the library folders, each module of
lib_pypy. In the layout of newer releases lib_pypy and the standard library are one folder; there
the modules whose name starts with an underscore are taken.
"""

import importlib
import os
import sys

from probing import Probe

probe = Probe("modules")


def library_folders(prefix):
    """Folders of ``sys.path`` below ``prefix``, without the one for installed packages."""
    inside = [path for path in sys.path if path.startswith(prefix + os.sep)]
    return [path for path in inside if os.path.isdir(path) and "-packages" not in path]


def shared_libraries(folder):
    """Names of the extension modules below ``folder``, dotted when they are in packages."""
    for parent, folders, files in os.walk(folder):
        # Not those of installed packages, and not twice those of a folder inside another.
        folders[:] = [
            name
            for name in folders
            if "-packages" not in name and os.path.join(parent, name) not in sys.path
        ]
        relative = os.path.relpath(parent, folder)
        parts = [] if relative == os.curdir else relative.split(os.sep)
        for name in files:
            if name.endswith(".so"):
                yield ".".join(parts + [name.split(".")[0]])


def python_modules(folder):
    """Names of the modules and packages that stand directly in ``folder``.

    Without the build scripts: they are input of the packaging.
    """
    for name in os.listdir(folder):
        stem, extension = os.path.splitext(name)
        package = os.path.isfile(os.path.join(folder, name, "__init__.py"))
        module = extension == ".py" and "." not in stem and stem != "__init__"
        if (package or module) and not stem.endswith("_build"):
            yield stem


def own_modules(folders):
    """Names of PyPy's own modules in Python."""
    own = [folder for folder in folders if os.path.basename(folder) == "lib_pypy"]
    names = {name for folder in own or folders for name in python_modules(folder)}
    return names if own else {name for name in names if name.startswith("_")}


def all_names(prefix, expected):
    """Sorted names of everything to import."""
    folders = library_folders(prefix)
    names = set(expected) | set(sys.builtin_module_names) | own_modules(folders)
    for folder in folders:
        names.update(shared_libraries(folder))
    return sorted(names)


def load(name):
    """Import one module."""
    importlib.import_module(name)


for module in all_names(os.path.realpath(sys.prefix), probe.request["modules"]):
    probe.add(module, load, module)

if __name__ == "__main__":
    probe.run()
