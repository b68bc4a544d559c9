"""ctypes: functions of the C library, callbacks, structures, and how libraries are found."""

import ctypes
import ctypes.util
import glob
import os
import re
import time

from probing import Probe, equal, expect

probe = Probe("ctypes")


@probe.check
def own_symbols():
    libc = ctypes.CDLL(None)
    equal(libc.strlen(b"musl"), 4, "strlen")
    libc.atof.restype = ctypes.c_double
    equal(libc.atof(b"2.5"), 2.5, "atof")


@probe.check
def callback():
    kind = ctypes.CFUNCTYPE(
        ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int)
    )
    numbers = (ctypes.c_int * 5)(5, 1, 4, 2, 3)
    compare = kind(lambda one, other: one[0] - other[0])
    ctypes.CDLL(None).qsort(numbers, len(numbers), ctypes.sizeof(ctypes.c_int), compare)
    equal(list(numbers), [1, 2, 3, 4, 5], "what qsort left")


@probe.check
def structure():
    class Time(ctypes.Structure):
        _fields_ = [
            ("until_year", ctypes.c_int * 5),  # seconds, minutes, hours, day, month
            ("year", ctypes.c_int),
            ("after_year", ctypes.c_int * 3),  # day of the week and of the year, daylight saving
            ("offset", ctypes.c_long),
            ("zone", ctypes.c_char_p),
        ]

    libc = ctypes.CDLL(None)
    libc.gmtime_r.restype = ctypes.POINTER(Time)
    result = Time()
    libc.gmtime_r(ctypes.byref(ctypes.c_long(86400 * 365)), ctypes.byref(result))
    equal(result.year, time.gmtime(86400 * 365).tm_year - 1900, "year of gmtime_r")


# Each gives memory that free() takes. musl's aligned_alloc gives none beside another allocator.
ALLOCATORS = {
    "malloc": (100,),
    "calloc": (10, 10),
    "realloc": (None, 100),
    "aligned_alloc": (64, 128),
    "memalign": (4096, 100),
    "strdup": (b"musl",),
    "realpath": (b"/", None),
}


@probe.check
def memory():
    libc = ctypes.CDLL(None)
    libc.free.argtypes = [ctypes.c_void_p]
    for name, arguments in ALLOCATORS.items():
        function = getattr(libc, name)
        function.restype = ctypes.c_void_p
        place = function(*arguments)
        expect(place, "%s%r gave no memory" % (name, arguments))
        libc.free(place)


@probe.check
def error_number():
    libc = ctypes.CDLL(None, use_errno=True)
    equal(libc.close(-1), -1, "close(-1)")
    equal(ctypes.get_errno(), 9, "errno")


# The C library's own parts are in musl's loader, the others are files of their own.
PARTS = ("c", "m", "pthread", "dl")
OTHERS = ("ssl", "crypto", "z", "ncursesw", "sqlite3")


def library_folders():
    """Where musl's loader looks: its own default, unless /etc/ld-musl-ARCH.path names others."""
    for path in glob.glob("/etc/ld-musl-*.path"):
        with open(path) as stream:
            return re.split("[:\n]", stream.read().strip())
    return ["/lib", "/usr/local/lib", "/usr/lib"]


def files_of(name):
    """File names of a library that is installed: lib<name>.so, lib<name>.so.1 and so on."""
    pattern = re.compile(r"lib%s\.so(\.[0-9.]+)?$" % re.escape(name))
    folders = [folder for folder in library_folders() if os.path.isdir(folder)]
    return [file for folder in folders for file in os.listdir(folder) if pattern.match(file)]


def find_part(name):
    found = ctypes.util.find_library(name)
    expect(found, "find_library(%r) finds nothing" % name)
    equal(ctypes.CDLL(found).strlen(b"musl"), 4, "strlen of CDLL(%r)" % found)


def find_other(name):
    found, files = ctypes.util.find_library(name), files_of(name)
    if files:
        expect(found in files, "find_library(%r) is %r, installed is %s" % (name, found, files))
        ctypes.CDLL(found)
    else:
        equal(found, None, "find_library(%r), which is not installed," % name)


for library in PARTS:
    probe.add("find_library %s" % library, find_part, library)
for library in OTHERS:
    probe.add("find_library %s" % library, find_other, library)


@probe.check
def find_library_of_nothing():
    equal(ctypes.util.find_library("no-such-library"), None, "find_library('no-such-library')")


@probe.check
def find_library_runs_no_program():
    names = PARTS + OTHERS
    before = [ctypes.util.find_library(name) for name in names]
    os.environ["PATH"] = "/no/such/folder"
    equal([ctypes.util.find_library(name) for name in names], before, "without any program")


if __name__ == "__main__":
    probe.run()
