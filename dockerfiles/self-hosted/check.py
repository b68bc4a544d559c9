"""Run by PyPy 2.7 while its image is built: can it translate, and has it a JIT?"""
import ctypes
import os
import subprocess
import sys
import tempfile

from cffi import _pycparser  # where RPython looks for it in a PyPy

assert sys.version_info[:2] == (2, 7), sys.version
assert "pypyjit" in sys.builtin_module_names, "this PyPy has no JIT"

# RPython compiles probes and loads them into itself.
folder = tempfile.mkdtemp()
source, probe = os.path.join(folder, "probe.c"), os.path.join(folder, "probe.so")
with open(source, "w") as stream:
    stream.write("#include <ffi.h>\n#include <zlib.h>\nint answer(void) { return 42; }\n")
subprocess.check_call(["gcc", "-shared", "-fPIC", "-o", probe, source])
assert ctypes.CDLL(probe).answer() == 42
print("PyPy %s can translate" % ".".join(map(str, sys.pypy_version_info[:3])))
