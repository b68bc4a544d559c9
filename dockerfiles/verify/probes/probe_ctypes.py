"""ctypes: functions of the C library, callbacks, structures, and how libraries are found."""

import ctypes
import ctypes.util
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


@probe.check
def error_number():
    libc = ctypes.CDLL(None, use_errno=True)
    equal(libc.close(-1), -1, "close(-1)")
    equal(ctypes.get_errno(), 9, "errno")


@probe.check
def find_library():
    for name in ("c", "m", "pthread", "dl"):
        found = ctypes.util.find_library(name)
        expect(found, "ctypes.util.find_library(%r) finds nothing" % name)
        ctypes.CDLL(found)
    equal(ctypes.CDLL(ctypes.util.find_library("c")).strlen(b"musl"), 4, "strlen")


if __name__ == "__main__":
    probe.run()
