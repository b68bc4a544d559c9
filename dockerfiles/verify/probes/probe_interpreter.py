"""The interpreter itself: what it says it is, where it thinks it is, and that its JIT compiles."""

import os
import platform
import re
import sys
import sysconfig
import tempfile

from probing import Probe, equal, expect, output_of

probe = Probe("interpreter")
request = probe.request
HOT_LOOP = """
total = 0
for number in range(300000):
    total += number % 7
print(total)
"""


@probe.check
def language():
    equal("%d.%d" % sys.version_info[:2], request["language"], "sys.version_info")


@probe.check
def release():
    # None when the source was the user's own: its version is whatever it says.
    if request["release"] is not None:
        numbers, level = sys.pypy_version_info[:3], sys.pypy_version_info[3]
        equal("%d.%d.%d %s" % (numbers + (level,)), request["release"], "sys.pypy_version_info")


@probe.check
def implementation():
    equal(platform.python_implementation(), "PyPy", "platform.python_implementation()")


@probe.check
def machine():
    equal(os.uname()[4], request["arch"], "os.uname()")


@probe.check
def executable():
    equal(os.path.realpath(sys.executable), os.path.realpath(request["executable"]), "executable")


@probe.check
def prefix():
    equal(os.path.realpath(sys.prefix), os.path.realpath(request["folder"]), "sys.prefix")


@probe.check
def library():
    where = os.path.realpath(os.__file__)
    inside = where.startswith(os.path.realpath(request["folder"]) + os.sep)
    expect(inside, "the standard library comes from %s" % where)


@probe.check
def sysconfig_variables():
    expect(sysconfig.get_config_vars(), "sysconfig.get_config_vars() is empty")
    expect(sysconfig.get_paths()["purelib"], "sysconfig names no folder for modules")


@probe.check
def platform_name():
    name = platform.platform()
    expect(name.startswith("Linux-"), "platform.platform(): %s" % name)


@probe.check
def subprocess_and_encoding():
    code = "import sys; sys.stdout.write(u'\\u00e9t\\u00e9'.encode('utf-8').decode('latin-1'))"
    output = output_of([sys.executable, "-c", code], {"PYTHONIOENCODING": "latin-1"})
    equal(output, u"\u00e9t\u00e9", "output of a subprocess")


@probe.check
def jit_translated():
    equal(bool(sys.pypy_translation_info["translation.jit"]), request["jit"], "translation.jit")
    equal("pypyjit" in sys.builtin_module_names, request["jit"], "module pypyjit")


@probe.check
def jit_compiles():
    handle, log = tempfile.mkstemp()
    os.close(handle)
    output_of([sys.executable, "-c", HOT_LOOP], {"PYPYLOG": "jit-summary:" + log})
    with open(log) as stream:
        summary = stream.read()
    loops = re.search(r"Total # of loops:\s+(\d+)", summary)
    expect(loops, "PYPYLOG=jit-summary gave no count of loops: %s" % summary[-500:])
    expect(int(loops.group(1)) > 0, "a hot loop ran and nothing was compiled")


if __name__ == "__main__":
    probe.run()
