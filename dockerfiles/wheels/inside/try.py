"""Runs in a clean Alpine, as a user of the wheel would: installs it without an index, imports what
it brings and runs its smoke line. Prints what it saw as JSON on the last line.

Python 2 too. The argument is a JSON object: name, version, imports, extensions (compiled modules),
smoke, wheels (a folder).
"""

import json
import os
import subprocess
import sys


def run(command):
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    output = process.communicate()[0].decode("utf-8", "replace")
    return process.returncode, output


def compilers():
    """Programs that a place to try wheels in must not have."""
    found = []
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        for name in ("gcc", "cc", "c++", "g++", "clang"):
            if os.path.exists(os.path.join(folder, name)):
                found.append(os.path.join(folder, name))
    return found


def install(request):
    wanted = "%s==%s" % (request["name"], request["version"])
    command = [sys.executable, "-m", "pip", "install", "--no-index", "--no-cache-dir"]
    command += ["--disable-pip-version-check", "--find-links", request["wheels"]]
    command += ["--only-binary", ":all:", wanted]
    code, output = run(command)
    if code:
        raise RuntimeError("pip cannot install it:\n" + output)
    last = [line for line in output.splitlines() if line.startswith("Successfully installed")]
    return last[-1].split()[2:] if last else []


# A module in Python of the same name is imported where the interpreter does not know the compiled
# one's file for its own.
COMPILED = """
file = getattr(importlib.import_module(%r), "__file__", None)
if file and not file.endswith(".so"):
    raise ImportError("the compiled module is not taken, but " + file)
"""


def use(request):
    """In a process of its own: a crash must not take this one along."""
    lines = ["import importlib"]
    lines += ["importlib.import_module(%r)" % str(name) for name in request["imports"]]
    lines += [COMPILED % str(name) for name in request["extensions"]]
    if request["smoke"]:
        lines.append(request["smoke"])
    code, output = run([sys.executable, "-c", "\n".join(lines)])
    if code:
        raise RuntimeError("it cannot be used (exit code %d):\n%s" % (code, output))


def main():
    request = json.loads(sys.argv[1])
    document = {"compilers": compilers(), "installed": [], "error": None}
    try:
        document["installed"] = install(request)
        use(request)
    except Exception as error:
        document["error"] = error.args[0] if error.args else repr(error)
    print(json.dumps(document))


main()
