"""The module struct."""

import struct

from own import run


def pack():
    """Pack 5,000 records."""
    record = struct.Struct("<IHHdq8s")

    def packed():
        return sum(len(record.pack(n, 1, 2, n / 3, -n, b"eightbyt")) for n in range(5000))

    return packed


def unpack():
    """Unpack 5,000 records from a buffer."""
    record = struct.Struct("<IHHdq8s")
    buffer = b"".join(record.pack(n, 1, 2, n / 3, -n, b"eightbyt") for n in range(5000))

    def unpacked():
        places = range(0, len(buffer), record.size)
        return sum(record.unpack_from(buffer, place)[0] for place in places)

    return unpacked


def iterate():
    """Read 5,000 records with an iterator, and pack numbers in a row."""
    record = struct.Struct(">hhl")
    buffer = bytes(record.size * 5000)

    def iterated():
        total = sum(first + second + third for first, second, third in record.iter_unpack(buffer))
        return total + len(struct.pack("<500i", *range(500)))

    return iterated


BENCHMARKS = {"pack": pack, "unpack": unpack, "iterate": iterate}

if __name__ == "__main__":
    run("struct", BENCHMARKS)
