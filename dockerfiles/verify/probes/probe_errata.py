"""Faults of some releases, on every system, that PyPy has fixed since.

A check has the name of the patches that mend the fault; a release that never had it passes as well.
"""

import ctypes
import gc
import inspect
import io
import json
import os
import pickle
import sys
import sysconfig
import warnings

from probing import Probe, equal, error_of, expect

probe = Probe("errata")
PYPY = getattr(sys, "pypy_version_info", None)


def defined(source, name):
    """What ``source``, in a syntax that not every Python has, defines as ``name``."""
    names = {}
    exec(source, names)
    return names[name], names


def leave_by_return(log):
    try:
        raise KeyError
    except:  # noqa: E722 - the fault is one of a bare except
        return
    finally:
        log.append("finally")
        raise ValueError


def leave_named_by_return(log):
    try:
        raise KeyError
    except KeyError as error:
        return log.append(type(error).__name__)
    finally:
        log.append("finally")
        raise ValueError


def finally_runs_once():
    for function, wanted in (
        (leave_by_return, ["finally"]),
        (leave_named_by_return, ["KeyError", "finally"]),
    ):
        log = []
        try:
            function(log)
        except ValueError:
            log.append("raised")
        equal(log, wanted + ["raised"], "what %s did" % function.__name__)


def look_up(thing):
    """It needs just this: an "or" of two that the same return follows, and then a failure."""
    try:
        if (getattr(thing, "a", 0) and getattr(thing, "b", 0)) or getattr(thing, "c", 0):
            return "found"
        return {}[thing]
    except KeyError:
        return "caught"


def handler_catches():
    equal(look_up(object()), "caught", "what became of the KeyError")


probe.add("bare-except-finally", finally_runs_once)
probe.add("exception-table-edges", handler_catches)


class Named(int):
    """As the members of an int enumeration, it is written by its name."""

    def __str__(self):
        return "a name"

    __repr__ = __str__


def strings_come_back():
    for text in (u"\x7fa", u"\x7f\u00e9", u"\x7f\U000625eb", u"a\x7f\x7f\u20ac z", u'\x7f"'):
        made = json.dumps([text], ensure_ascii=False)
        equal(json.loads(made), [text], "dumps([%r]), loaded again," % text)


def mapping_rest_is_local():
    function, names = defined(
        "def rest_of(value):\n"
        "    match value:\n"
        "        case {'kind': kind, **others}:\n"
        "            return kind, others\n",
        "rest_of",
    )
    equal(function({"kind": "a", "x": 1}), ("a", {"x": 1}), "what was matched")
    expect("others" not in names, "the rest was stored as a global variable")


probe.add("json-delete-character", strings_come_back)
if sys.version_info >= (3, 10):
    probe.add("match-rest-name", mapping_rest_is_local)


def numbers_are_numbers():
    given = {"key": Named(7), "list": [Named(3), True], Named(9): Named(10**30)}
    wanted = {"key": 7, "list": [3, True], "9": 10**30}
    equal(json.loads(json.dumps(given)), wanted, "dumps(), loaded again,")


def coroutine_is_not_blamed():
    answer, _ = defined("async def answer():\n    return 42\n", "answer")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        coroutine = answer()
        expect(coroutine.cr_frame is not None, "a coroutine has no frame")
        try:
            coroutine.send(None)
        except StopIteration as stop:
            equal(stop.value, 42, "the result")
        del coroutine
        gc.collect()
    equal([str(warning.message) for warning in said], [], "warnings")


def pickler_remembers_by_id():
    shared = ["shared"]
    pickler = pickle._Pickler(io.BytesIO(), 2)
    pickler.dump([shared, shared])
    expect(id(shared) in pickler.memo, "memo has no id(object)")
    expect(pickler.memo[id(shared)][1] is shared, "memo has %r" % (pickler.memo[id(shared)],))


class OwnUnpickler(pickle.Unpickler):
    """It takes what Unpickler does not know."""

    def __init__(self, stream, **more):
        self.more = more
        super(OwnUnpickler, self).__init__(stream)


def pickle_is_extended():
    pickler_remembers_by_id()
    unpickler = OwnUnpickler(io.BytesIO(pickle.dumps([1, 2])), ignore=True)
    equal(unpickler.load(), [1, 2], "what an Unpickler of one's own loads")


class Refusing(pickle.Unpickler):
    """It refuses globals as Python's documentation of pickle shows it."""

    def find_class(self, module, name):
        if name == "system":
            raise pickle.UnpicklingError("refused")
        return super(Refusing, self).find_class(module, name)


def unpickler_asks_its_subclass():
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        good, bad = (pickle.dumps(thing, protocol) for thing in (os.getcwd, os.system))
        equal(Refusing(io.BytesIO(good)).load(), os.getcwd, "what is loaded")
        error_of(pickle.UnpicklingError, Refusing(io.BytesIO(bad)).load)


class MethodDef(ctypes.Structure):
    """PyMethodDef."""

    _fields_ = [
        ("name", ctypes.c_char_p),
        ("call", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    ]


class Slot(ctypes.Structure):
    """PyType_Slot."""

    _fields_ = [("slot", ctypes.c_int), ("value", ctypes.c_void_p)]


class Spec(ctypes.Structure):
    """PyType_Spec."""

    _fields_ = [
        ("name", ctypes.c_char_p),
        ("basicsize", ctypes.c_int),
        ("itemsize", ctypes.c_int),
        ("flags", ctypes.c_uint),
        ("slots", ctypes.c_void_p),
    ]


FLAGS = 1 << 9 | 1 << 10 | 1 << 18  # heap type, base type, Py_TPFLAGS_DEFAULT
METHODS, METH_NOARGS = 64, 4  # Py_tp_methods
SIZE = 6 * ctypes.sizeof(ctypes.c_void_p)  # an object's head and some fields
kept = []  # what C structures point to


def c_api(name, *arguments):
    """Call a function of Python's C API, which PyPy exports under names of its own."""
    if PYPY:
        import cpyext  # noqa: F401 - makes it ready

        function = getattr(ctypes.CDLL(None), "PyPy" + name)
    else:
        function = getattr(ctypes.pythonapi, "Py" + name)
    function.restype = ctypes.c_void_p
    function.argtypes = [type(argument) for argument in arguments]
    return ctypes.c_void_p(function(*arguments))


def c_type(name, base, methods=()):
    """A type as an extension module makes it, with the same fields as all of these."""
    table = (MethodDef * (len(methods) + 1))(*methods)
    slots = (Slot * 2)(Slot(METHODS, ctypes.addressof(table)), Slot(0, None))
    label, attribute = ("sample." + name).encode(), name.encode()
    spec = Spec(label, SIZE, 0, FLAGS, ctypes.addressof(slots))
    kept.extend([table, slots, label, spec])
    module = c_api("Import_AddModule", ctypes.c_char_p(b"sample"))
    sys.modules["sample"].bases = (base,)
    bases = c_api("Object_GetAttrString", module, ctypes.c_char_p(b"bases"))
    made = c_api("Type_FromSpecWithBases", ctypes.c_void_p(ctypes.addressof(spec)), bases)
    c_api("Object_SetAttrString", module, ctypes.c_char_p(attribute), made)
    return getattr(sys.modules["sample"], name)


def c_bases_go_together():
    root = c_type("Root", object)
    left, right = c_type("Left", root), c_type("Right", root)
    both = type("Both", (left, right), {})
    equal(both.__mro__[:4], (both, left, right, root), "the order of the bases")


def c_method_is_a_descriptor():
    never_called = ctypes.cast(ctypes.CDLL(None).abort, ctypes.c_void_p)
    greet = MethodDef(b"greet", never_called, METH_NOARGS, b"Say it.")
    method = c_type("Greeter", object, [greet]).greet
    expect(inspect.ismethoddescriptor(method), "ismethoddescriptor() of a C type's method is false")
    # Older ones call it a builtin function too, which doctest does not mind.
    if not PYPY or PYPY[:3] >= (7, 3, 22):
        expect(not inspect.isbuiltin(method), "isbuiltin() of a C type's method is true")


def cxx_is_linked():
    expect(sysconfig.get_config_var("LDCXXSHARED"), "sysconfig has no LDCXXSHARED")


if sys.version_info[0] > 2:
    probe.add("json-int-subclass", numbers_are_numbers)
    probe.add("coroutine-frame", coroutine_is_not_blamed)
    probe.add("pickle-subclasses", pickle_is_extended)
    probe.add("pickle-unpickler-find-class", unpickler_asks_its_subclass)
    probe.add("cpyext-bases", c_bases_go_together)
    probe.add("cpyext-methods", c_method_is_a_descriptor)
if sys.version_info >= (3, 8):
    probe.add("sysconfig-ldcxxshared", cxx_is_linked)


if __name__ == "__main__":
    probe.run()
