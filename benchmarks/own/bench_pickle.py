"""The module pickle, which is written in Python in PyPy and in C in CPython."""

import pickle

from own import run, words


def values():
    """Dicts, lists and tuples of texts and numbers."""
    names = words(1000)
    return [
        {"name": name, "pair": (number, number / 3), "text": name.encode("ascii") * 5}
        for number, name in enumerate(names)
    ]


def dumps():
    """Pickle 1,000 dicts."""
    data = values()
    return lambda: len(pickle.dumps(data, protocol=4))


def loads():
    """Read them again."""
    data = pickle.dumps(values(), protocol=4)
    return lambda: len(pickle.loads(data))


BENCHMARKS = {"dumps": dumps, "loads": loads}

if __name__ == "__main__":
    run("pickle", BENCHMARKS)
