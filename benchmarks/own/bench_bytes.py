"""Bytes: what searches, copies and compares them, mostly with functions of the C library."""

from own import run, words


def data(number):
    """So many words, as bytes."""
    return [word.encode("ascii") for word in words(number)]


def join():
    """Join 20,000 pieces."""
    parts = data(20000)
    return lambda: b" ".join(parts)


def find():
    """Search 500 kB for one byte and for a word, each at the end, and for what is not there."""
    text = b" ".join(data(20000) * 3) + b" NEEDLE"

    def search():
        return text.find(b"N"), text.find(b"NEEDLE"), text.rfind(b"#"), text.count(b"qzx")

    return search


def split():
    """Split 20,000 pieces."""
    text = b" ".join(data(20000))
    return lambda: len(text.split(b" "))


def compare():
    """Compare 500 kB that differ at their end."""
    text = b" ".join(data(20000) * 3)
    same, other = text[:-1] + text[-1:], text[:-1] + b"!"
    return lambda: (text == same, text == other, text < other, text.startswith(same))


def hash_():
    """Hash bytes that were made just now."""
    text = b"".join(data(3000))

    def hashed():
        return sum(hash(text[start : start + 40]) & 1 for start in range(0, 20000, 4))

    return hashed


def decode():
    """Decode and encode ASCII."""
    text = b" ".join(data(20000))
    return lambda: len(text.decode("ascii").encode("latin-1"))


def translate():
    """Replace bytes by a table, and write them in hexadecimal."""
    text = b" ".join(data(20000))
    table = bytes(range(255, -1, -1))
    return lambda: (len(text.translate(table)), len(text[:20000].hex()))


BENCHMARKS = {
    "join": join,
    "find": find,
    "split": split,
    "compare": compare,
    "hash": hash_,
    "decode": decode,
    "translate": translate,
}

if __name__ == "__main__":
    run("bytes", BENCHMARKS)
