"""Databases of keys and values: gdbm is written, closed, read again; dbm falls back as documented.

Alpine's Berkeley DB has no ndbm interface, and its base packages have no Berkeley DB.
"""

import importlib
import os
import sys
import tempfile

from probing import Probe, equal, error_of, expect

probe = Probe("dbm")
PYTHON_2 = sys.version_info[0] == 2


def gdbm():
    """The module: its name differs between Python 2 and 3."""
    return importlib.import_module("gdbm" if PYTHON_2 else "dbm.gnu")


def any_dbm():
    """The module that takes the first of several that can be imported."""
    return importlib.import_module("anydbm" if PYTHON_2 else "dbm")


def new_path():
    return os.path.join(tempfile.mkdtemp(), "database")


@probe.check
def there_and_back():
    path = new_path()
    database = gdbm().open(path, "c")
    for number in range(100):
        database["key %d" % number] = "value %d" % number
    del database["key 7"]
    database.close()
    database = gdbm().open(path, "r")
    equal(len(database.keys()), 99, "number of keys")
    equal(database["key 42"], b"value 42", "value of a key")
    expect("key 7" not in database, "a deleted key is there again")
    database.close()


@probe.check
def missing_file_is_an_error():
    error = error_of(gdbm().error, gdbm().open, new_path(), "r")
    expect(str(error), "the error says nothing")


@probe.check
def ndbm_is_there_or_an_import_error():
    """Whoever looks for a database module goes on at an ImportError, and at no other error."""
    try:
        module = importlib.import_module("dbm" if PYTHON_2 else "dbm.ndbm")
    except ImportError:
        return
    database = module.open(new_path(), "c")
    database["key"] = "value"
    equal(database["key"], b"value", "value of a key")
    database.close()


@probe.check
def any_dbm_takes_gdbm():
    path = new_path()
    database = any_dbm().open(path, "c")
    database["key"] = "value"
    database.close()
    which = importlib.import_module("whichdb" if PYTHON_2 else "dbm").whichdb(path)
    equal(which, "gdbm" if PYTHON_2 else "dbm.gnu", "kind of the new database")
    database = any_dbm().open(path, "r")
    equal(database["key"], b"value", "value of a key")
    database.close()


@probe.check
def dumb_dbm():
    module = importlib.import_module("dumbdbm" if PYTHON_2 else "dbm.dumb")
    database = module.open(new_path(), "c")
    database["key"] = "value"
    equal(database["key"], b"value", "value of a key")
    database.close()


if __name__ == "__main__":
    probe.run()
