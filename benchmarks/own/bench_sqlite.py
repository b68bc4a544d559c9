"""The module sqlite3, with a database in memory."""

from own import run, words


def database():
    """A table of 3,000 rows."""
    import sqlite3

    connection = sqlite3.connect(":memory:")
    connection.execute("create table word (id integer primary key, text text, size integer)")
    rows = [(word, len(word)) for word in words(3000)]
    connection.executemany("insert into word (text, size) values (?, ?)", rows)
    return connection, rows


def insert():
    """Insert 3,000 rows, and remove them again."""
    connection, rows = database()

    def inserted():
        connection.execute("delete from word")
        connection.executemany("insert into word (text, size) values (?, ?)", rows)
        connection.commit()

    return inserted


def select():
    """Read 1,000 single rows, then all."""
    connection, _ = database()

    def selected():
        for number in range(1, 1001):
            connection.execute("select text from word where id = ?", (number,)).fetchone()
        return len(connection.execute("select * from word order by text").fetchall())

    return selected


def text_search():
    """Search in texts, and group."""
    connection, _ = database()

    def found():
        connection.execute("select count(*) from word where text like '%ab%'").fetchone()
        return connection.execute("select size, count(*) from word group by size").fetchall()

    return found


BENCHMARKS = {"insert": insert, "select": select, "text_search": text_search}

if __name__ == "__main__":
    run("sqlite", BENCHMARKS)
