"""Large buffers: memory that is copied, filled, compared and grown in pieces of megabytes."""

from array import array

from own import run

MIB = 1 << 20


def copy():
    """Copy 8 MiB."""
    source = bytes(8 * MIB)
    return lambda: len(bytearray(source))


def fill():
    """Make buffers of zeros, and of repeated bytes."""
    return lambda: (len(bytearray(8 * MIB)), len(b"ab" * MIB))


def slices():
    """Move parts of a buffer of 8 MiB to another place in it."""
    buffer = memoryview(bytearray(8 * MIB))

    def moved():
        for start in range(0, 4 * MIB, MIB):
            buffer[start : start + MIB] = buffer[start + 4 * MIB : start + 5 * MIB]

    return moved


def compare():
    """Compare two arrays of 4 MiB."""
    left, right = bytes(4 * MIB), bytes(4 * MIB)
    return lambda: (left == right, left < right)


def grow():
    """Append 4 kB at a time until the buffer has 4 MiB."""
    piece = bytes(4096)

    def grown():
        buffer = bytearray()
        numbers = array("l")
        for _ in range(1024):
            buffer += piece
            numbers.frombytes(piece)
        return len(buffer) + len(numbers)

    return grown


BENCHMARKS = {"copy": copy, "fill": fill, "slices": slices, "compare": compare, "grow": grow}

if __name__ == "__main__":
    run("buffers", BENCHMARKS)
