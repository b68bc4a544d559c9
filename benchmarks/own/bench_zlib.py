"""The module zlib."""

import zlib

from own import run, words


def text():
    """700 kB of words."""
    return " ".join(words(20000) * 4).encode("ascii")


def compress():
    """Compress at the level that gzip uses."""
    data = text()[:200000]
    return lambda: len(zlib.compress(data, 6))


def decompress():
    """Decompress."""
    data = zlib.compress(text(), 6)
    return lambda: len(zlib.decompress(data))


def crc32():
    """Two sums over all bytes."""
    data = text()
    return lambda: zlib.crc32(data) ^ zlib.adler32(data)


BENCHMARKS = {"compress": compress, "decompress": decompress, "crc32": crc32}

if __name__ == "__main__":
    run("zlib", BENCHMARKS)
