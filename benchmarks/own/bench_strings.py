"""Strings: what searches, copies and compares their characters."""

from own import run, words


def join():
    """Join 20,000 words."""
    parts = words(20000)
    return lambda: " ".join(parts)


def find():
    """Search 500 kB for a word that is at its end, and for one that is not there."""
    text = " ".join(words(20000) * 3) + " needle in a haystack"

    def search():
        return text.find("needle in"), text.find("needles in"), text.count("qzx"), "zzqq" in text

    return search


def split():
    """Split a text of 20,000 words at its spaces, and at white space."""
    text = " ".join(words(20000))
    return lambda: (len(text.split(" ")), len(text.split()))


def compare():
    """Compare strings of 100 kB that differ at their end, and many short ones."""
    text = "".join(words(15000))
    same, other = text[:-1] + text[-1:], text[:-1] + "!"
    short = words(3000)
    copies = ["".join(list(word)) for word in short]

    def compared():
        long_ones = text == same, text < other, text == other
        return long_ones, sum(word == copy for word, copy in zip(short, copies))

    return compared


def hash_():
    """Hash strings that were made just now, whose hash nobody has kept."""
    text = "".join(words(3000))

    def hashed():
        return sum(hash(text[start : start + 40]) & 1 for start in range(0, 20000, 4))

    return hashed


def encode():
    """Encode and decode a text with letters outside ASCII."""
    text = " ".join(words(10000)).replace("e", "\u00e9").replace("o", "\u20ac")

    def encoded():
        utf8 = text.encode("utf-8")
        return len(utf8.decode("utf-8")), len(text.encode("utf-16"))

    return encoded


def replace():
    """Replace a letter, and a word, in a text."""
    text = " ".join(words(20000))
    return lambda: (text.replace("e", "E"), text.replace("th", "TH"), text.upper())


def format_():
    """Format numbers and words into lines."""
    parts = words(2000)

    def formatted():
        for number, word in enumerate(parts):
            line = "%d %s %.3f" % (number, word, number / 7)  # noqa: UP031 - it is measured
            line = f"{number:>8} {word:<12} {line}"
        return line

    return formatted


BENCHMARKS = {
    "join": join,
    "find": find,
    "split": split,
    "compare": compare,
    "hash": hash_,
    "encode": encode,
    "replace": replace,
    "format": format_,
}

if __name__ == "__main__":
    run("strings", BENCHMARKS)
