"""Run by the PyPy itself while the image for cibuildwheel is built: tools from wheels, and links.

cibuildwheel calls an interpreter by the path that its own table has, /opt/python/<tag>. The tag
here is what the PyPy's own extension modules and wheels have, and no other.
"""

import glob
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
PYPY = "/opt/pypy"
PYTHONS = "/opt/python"
# Apart from PyPy: what a project's build installs there must not change auditwheel.
TOOLS = "/opt/tools"
PROGRAMS = ("auditwheel", "patchelf")
# cibuildwheel asks this one for the environment and for lists of files: any Python will do. Without
# a pip beside it, cibuildwheel refuses to take it for the CPython 3.9 that the path speaks of.
UTILITY = PYTHONS + "/cp39-cp39/bin"
TAG = "import packaging.tags as t; tag = next(t.sys_tags()); print(f'{tag.interpreter}-{tag.abi}')"


def install(python, folder):
    """Install the wheels in a folder, which have all that they need, without an index."""
    command = [sys.executable, "-m", "pip", "--python", python, "install", "--no-index"]
    command += ["--no-deps", "--no-cache-dir", "--root-user-action=ignore"]
    subprocess.check_call(command + sorted(glob.glob(os.path.join(HERE, folder, "*.whl"))))


def link(path, target):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    os.symlink(target, path)


def main():
    install(sys.executable, "interpreter")
    subprocess.check_call([sys.executable, "-m", "venv", "--without-pip", TOOLS])
    install(TOOLS + "/bin/python", "tools")
    for name in PROGRAMS:
        link("/usr/local/bin/" + name, "%s/bin/%s" % (TOOLS, name))
    tag = subprocess.check_output([sys.executable, "-c", TAG]).decode().strip()
    link("%s/%s" % (PYTHONS, tag), PYPY)
    link(UTILITY + "/python", PYPY + "/bin/python")
    print("image: %s/%s is PyPy" % (PYTHONS, tag))


if __name__ == "__main__":
    main()
