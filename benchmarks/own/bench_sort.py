"""Sorting."""

import random

from own import run, words


def numbers():
    """Sort 20,000 numbers."""
    chosen = random.Random(1)
    data = [chosen.randrange(10**9) for _ in range(20000)]
    return lambda: sorted(data)[0]


def strings():
    """Sort 10,000 words, forwards and backwards."""
    data = words(10000)
    return lambda: (sorted(data)[0], sorted(data, reverse=True)[0])


def keys():
    """Sort 5,000 words by a key made of a tuple."""
    data = words(5000)
    return lambda: sorted(data, key=lambda word: (len(word), word[::-1]))[0]


BENCHMARKS = {"numbers": numbers, "strings": strings, "keys": keys}

if __name__ == "__main__":
    run("sort", BENCHMARKS)
