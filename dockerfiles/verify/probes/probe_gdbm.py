"""gdbm: written, closed, read again."""

import os
import sys
import tempfile

from probing import Probe, equal, expect

probe = Probe("gdbm")


def gdbm():
    """The module: its name differs between Python 2 and 3."""
    if sys.version_info[0] == 2:
        import gdbm as module
    else:
        import dbm.gnu as module
    return module


@probe.check
def there_and_back():
    path = os.path.join(tempfile.mkdtemp(), "database")
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
    try:
        gdbm().open(os.path.join(tempfile.mkdtemp(), "nothing"), "r")
    except gdbm().error as error:
        expect(str(error), "the error says nothing")
    else:
        raise AssertionError("a database that does not exist was opened for reading")


if __name__ == "__main__":
    probe.run()
