"""Run by CPython 2.7 while its image is built: can it translate?"""
import bz2
import ctypes
import ctypes.util
import hashlib
import os
import subprocess
import sys
import tempfile
import zlib

import pycparser  # of the wheels
import pyexpat

assert sys.version_info[:2] == (2, 7), sys.version
assert ctypes.CDLL("libc.so").getpid() == os.getpid()
assert zlib.decompress(zlib.compress(b"musl")) == bz2.decompress(bz2.compress(b"musl")) == b"musl"
assert pyexpat.ParserCreate().Parse("<a/>", 1) == 1

# RPython compiles probes and loads them into itself.
folder = tempfile.mkdtemp()
source, probe = os.path.join(folder, "probe.c"), os.path.join(folder, "probe.so")
with open(source, "w") as stream:
    stream.write("#include <ffi.h>\n#include <zlib.h>\nint answer(void) { return 42; }\n")
subprocess.check_call(["gcc", "-shared", "-fPIC", "-o", probe, source])
assert ctypes.CDLL(probe).answer() == 42
print("CPython %s can translate" % sys.version.split()[0])
