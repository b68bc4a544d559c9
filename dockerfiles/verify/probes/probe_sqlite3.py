"""sqlite3: in memory and in a file, with functions of one's own and from two connections."""

import os
import sqlite3
import tempfile

from probing import Probe, equal

probe = Probe("sqlite3")


@probe.check
def in_memory():
    connection = sqlite3.connect(":memory:")
    connection.execute("create table t (number integer, text text, data blob)")
    rows = [(number, u"t\u00e9xt %d" % number, sqlite3.Binary(b"\0\xff")) for number in range(100)]
    connection.executemany("insert into t values (?, ?, ?)", rows)
    found = connection.execute("select count(*), sum(number), max(text) from t").fetchone()
    equal(found, (100, 4950, u"t\u00e9xt 99"), "the row")
    equal(bytes(connection.execute("select data from t").fetchone()[0]), b"\0\xff", "the blob")


@probe.check
def functions():
    connection = sqlite3.connect(":memory:")
    connection.create_function("twice", 1, lambda value: value * 2)
    connection.create_collation("backwards", lambda a, b: (a < b) - (a > b))
    equal(connection.execute("select twice(21)").fetchone(), (42,), "a function in Python")
    query = "select v from (select 'a' v union select 'b') order by v collate backwards"
    equal(connection.execute(query).fetchall(), [("b",), ("a",)], "a collation in Python")


@probe.check
def in_a_file():
    path = os.path.join(tempfile.mkdtemp(), "database")
    writer = sqlite3.connect(path)
    with writer:
        writer.execute("create table t (number integer)")
        writer.execute("insert into t values (7)")
    equal(sqlite3.connect(path).execute("select * from t").fetchall(), [(7,)], "the file's rows")


if __name__ == "__main__":
    probe.run()
