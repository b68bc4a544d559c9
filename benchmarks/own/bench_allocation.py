"""Memory: many small objects, strings, a few large objects, a tree for the garbage collector."""

from own import run


class Node:
    """A part of a tree."""

    __slots__ = ("left", "right")

    def __init__(self, left, right):
        self.left = left
        self.right = right


def grown(depth):
    """A tree of 2 ** depth nodes."""
    return Node(grown(depth - 1), grown(depth - 1)) if depth else Node(None, None)


def small():
    """Make 100,000 small objects, and keep one in ten."""

    def made():
        kept = []
        for number in range(100000):
            pair = Node(number, (number, None))
            if number % 10 == 0:
                kept.append(pair)
        return len(kept)

    return made


def strings():
    """Make 50,000 short strings, and keep them."""

    def made():
        return len(["number " + str(number) for number in range(50000)])

    return made


def large():
    """Make 100 objects of 100 kB to 1 MB, and keep the last ten."""

    def made():
        kept = []
        for number in range(100):
            kept.append(bytearray(100000 + number * 9000))
            kept.append([None] * (12000 + number * 100))
            del kept[:-10]
        return len(kept)

    return made


def tree():
    """Keep a tree of 130,000 nodes alive, and make many small ones."""
    kept = grown(16)

    def made():
        for _ in range(20):
            grown(10)
        return kept.left

    return made


BENCHMARKS = {"small": small, "strings": strings, "large": large, "tree": tree}

if __name__ == "__main__":
    run("allocation", BENCHMARKS)
