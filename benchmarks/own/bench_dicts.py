"""Dicts whose keys are strings."""

from own import run, words


def build():
    """Build a dict of 20,000 new keys."""
    keys = words(20000)
    return lambda: len({key + "x": number for number, key in enumerate(keys)})


def lookup():
    """Look up keys that are equal to those in the dict, but other objects."""
    keys = words(20000)
    table = dict.fromkeys(keys, 1)
    copies = [("x" + key)[1:] for key in keys]

    def found():
        return sum(table.get(key, 0) for key in copies)

    return found


def count():
    """Count the pairs of letters of a text."""
    text = "".join(words(4000))

    def counted():
        counts = {}
        for place in range(len(text) - 1):
            pair = text[place : place + 2]
            counts[pair] = counts.get(pair, 0) + 1
        return len(counts)

    return counted


BENCHMARKS = {"build": build, "lookup": lookup, "count": count}

if __name__ == "__main__":
    run("dicts", BENCHMARKS)
