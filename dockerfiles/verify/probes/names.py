"""The public names of the standard library, and how each can be called.

``collect`` gives ``{"os": {"name": None, "open": "(path, flags, mode=..., *, dir_fd=...)"}}``: the
signature where Python tells one. A module that cannot be imported has None. Python 3.9 and later.

Run as a program, by a CPython on musl, it writes what probe_names.py compares a PyPy with: a line
of JSON with the interpreter, then one for each module.
"""

import contextlib
import importlib
import inspect
import io
import json
import pkgutil
import platform
import sys
import sysconfig
import types
import warnings

# They open a browser, print, are programs or tests, or have another public name: os, expat.
_LEFT_OUT = (
    *("antigravity", "idlelib", "lib2to3", "nt", "posix", "pydoc_data", "pyexpat"),
    *("test", "this", "turtledemo"),
)
_INNER = ("__main__", "idle_test", "test", "tests")


def public_modules():
    """Names of the public modules, with those inside packages."""
    for name in sorted(sys.stdlib_module_names):
        if not name.startswith("_") and name not in _LEFT_OUT:
            yield name
            yield from _inner_modules(name)


def collect(names, inherited=False):
    """What each module has. With what is ``inherited``: also what a module imports, or does not
    list in ``__all__``, and what a class has from a public one."""
    warnings.simplefilter("ignore")
    return {name: _members(_load(name), inherited) for name in names}


def _inner_modules(name):
    """Public modules of a package."""
    for path in getattr(_load(name), "__path__", ()):
        for _, inner, package in pkgutil.iter_modules([path]):
            if not inner.startswith("_") and inner not in _INNER:
                yield name + "." + inner
                if package:
                    yield from _inner_modules(name + "." + inner)


def _load(name):
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            return importlib.import_module(name)
    except (Exception, SystemExit):
        return None


def _members(module, inherited):
    if module is None:
        return None
    found = {}
    for name in _public_names(module) if not inherited else dir(module):
        try:
            value = getattr(module, name)
        except Exception:  # it is made when it is asked for, and cannot be made here
            continue
        if not inherited and (_is_module(value) or _is_import(value, module)):
            continue
        found[name] = _signature(value)
        if isinstance(value, type) and (inherited or not _is_of_another(value, module)):
            for attribute in _attributes(value, inherited):
                inner = inspect.getattr_static(value, attribute, None)
                found[name + "." + attribute] = _signature(inner)
    return found


def _public_names(module):
    names = getattr(module, "__all__", None)
    if names is None:
        names = [name for name in dir(module) if not name.startswith("_")]
    return sorted(set(names))


def _is_module(value):
    """Whether it has a listing of its own; sys.monitoring cannot be imported."""
    return isinstance(value, types.ModuleType) and value.__name__ in sys.modules


def _is_import(value, module):
    """Whether a module that does not say what is public imported it for its own use."""
    return not hasattr(module, "__all__") and _is_of_another(value, module)


def _is_of_another(value, module):
    home = getattr(value, "__module__", None)
    foreign = isinstance(home, str) and home != module.__name__ and not home.startswith("_")
    return foreign and home in sys.modules and hasattr(module, "__file__")


def _attributes(kind, inherited):
    names = set(dir(kind))
    if inherited:
        names.update(dir(type(kind)))  # PyPy's ctypes has methods there
    else:
        names.difference_update(*(dir(base) for base in kind.__mro__[1:] if _is_public(base)))
    return sorted(name for name in names if not name.startswith("_"))


def _is_public(kind):
    return not kind.__name__.startswith("_") and not kind.__module__.startswith("_")


def _signature(value):
    if isinstance(value, (classmethod, staticmethod)):
        value = value.__func__
    if isinstance(value, type) or not callable(value):
        return None
    try:
        signature = inspect.signature(value)
    except Exception:  # none is told, or a default of it cannot be had
        return None
    parameters = [_plain(parameter) for parameter in signature.parameters.values()]
    return str(signature.replace(parameters=parameters, return_annotation=inspect.Signature.empty))


class _Default:
    """In place of any default: that may be an address, or a constant of the system."""

    def __repr__(self):
        return "..."


def _plain(parameter):
    empty = inspect.Parameter.empty
    default = empty if parameter.default is empty else _Default()
    return parameter.replace(default=default, annotation=empty)


if __name__ == "__main__":
    of = platform.python_version(), sysconfig.get_config_var("SOABI")
    print(json.dumps({"of": " ".join((platform.python_implementation(), *of))}))
    for name, members in collect(public_modules()).items():
        if members is not None:
            print(json.dumps({name: members}))
