"""What a PyPy does while the compiler counts how often each branch of it is taken.

It is run by the instrumented PyPy 3, or 2.7, and reaches the parts that most programs spend their
time in: the compiler, the interpreter before the JIT knows a loop, the JIT itself, the garbage
collector, and the types. No benchmark of the repository is in it. Each part runs for a number of
rounds and not for a time, so that every run counts the same branches.
"""
from __future__ import print_function

import base64
import collections
import datetime
import functools
import hashlib
import io
import itertools
import json
import operator
import os
import pickle
import random
import re
import struct
import subprocess
import sys
import tempfile
import threading
import zlib

PARTS = []
LIBRARY = os.path.dirname(os.__file__)
TEXT = u"the quick br\u00f6wn fox jumps over the lazy dog; 0123456789 \u4e2d\u6587 "
MODULES = ["argparse", "ast", "difflib", "inspect", "tarfile", "typing", "zipfile", "pydoc"]


def part(function):
    """Register a part of the training."""
    PARTS.append(function)
    return function


def library_text(name):
    """The source of a module of the standard library, or of one that every Python has. Some of
    2.7 is in Latin-1, which every byte can be read as."""
    path = os.path.join(LIBRARY, name + ".py")
    if not os.path.exists(path):
        path = os.__file__.rstrip("c")
    with io.open(path, encoding="latin-1") as file:
        return file.read()


@part
def compile_modules():
    """The parser and the compiler."""
    for name in MODULES:
        source = library_text(name).encode("latin-1")
        compile(source, name, "exec", 0, True)  # without this file's own __future__
    for number in range(300):
        text = "[x * %d for x in range(9) if x %% 2] + [%r]" % (number, str(number))
        assert eval(compile(text, "x", "eval"))[-1] == str(number)


@part
def import_modules():
    """Import what many programs import, without what is imported already."""
    for name in ["calendar", "csv", "decimal", "email.message", "fractions", "logging", "shlex",
                 "textwrap", "unittest", "uuid", "xml.dom.minidom", "xml.etree.ElementTree"]:
        __import__(name)


class Node(object):
    """A tree's node."""

    def __init__(self, key, left=None, right=None):
        self.key, self.left, self.right = key, left, right

    def insert(self, key):
        node = self
        while True:
            side = "left" if key < node.key else "right"
            child = getattr(node, side)
            if child is None:
                setattr(node, side, Node(key))
                return
            node = child

    def __iter__(self):
        if self.left:
            for key in self.left:
                yield key
        yield self.key
        if self.right:
            for key in self.right:
                yield key


@part
def trees():
    """Objects, attributes, generators, and a heap that the collector walks."""
    source = random.Random(1)
    for _ in range(6):
        root = Node(0)
        for _ in range(4000):
            root.insert(source.randrange(10 ** 6))
        assert sum(1 for _ in root) == 4001


class Shape(object):
    """Methods, properties and operators."""

    def __init__(self, width, height=2):
        self.width, self.height = width, height

    @property
    def area(self):
        return self.width * self.height

    @classmethod
    def square(cls, side):
        return cls(side, height=side)

    def __add__(self, other):
        return Shape(self.width + other.width, self.height)

    def __eq__(self, other):
        return self.area == other.area

    def __hash__(self):
        return hash((self.width, self.height))


@part
def classes():
    """Calls of all kinds."""
    seen = set()
    for number in range(30000):
        shape = Shape(number % 97) + Shape.square(number % 13)
        if shape == Shape(3, height=number % 7):
            seen.add(shape)
        call = functools.partial(max, number)
        call(*[1, 2], **{"key": abs})
    kinds = [type("Kind%d" % number, (Shape,), {"area": number}) for number in range(200)]
    assert sum(kind(1).area for kind in kinds) == sum(range(200))


@part
def exceptions():
    """Raising, catching, cleaning up."""
    def fail(number):
        try:
            if number % 3:
                raise ValueError(number)
            return {}[number]
        finally:
            number += 1

    caught = 0
    for number in range(20000):
        try:
            fail(number)
        except KeyError:
            caught += 1
        except ValueError as error:
            caught += len(error.args)
    assert caught == 20000


@part
def texts():
    """Unicode and bytes: join, split, find, replace, format, encode, decode."""
    for number in range(400):
        text = TEXT * (1 + number % 40)
        words = text.split(u" ")
        joined = u"-".join(words)
        assert joined.replace(u"-", u" ") == text
        joined.find(u"\u4e2d"), joined.upper(), joined.startswith(u"the"), joined[3:-3].strip()
        encoded = joined.encode("utf-8")
        assert encoded.decode("utf-8") == joined
        encoded.split(b"-"), encoded.find(b"dog"), encoded * 3, encoded == bytes(bytearray(encoded))
        base64.b64decode(base64.b64encode(encoded))
    for number in range(20000):
        "%05d %s %r %.3f" % (number, "text", number, number / 7.0)
        "{0:>10} {1!r} {name}".format(number, "text", name=number)
        int(str(number)), float(repr(number / 3.0))


@part
def expressions():
    """Regular expressions."""
    source = library_text("difflib")
    calls, words = r"\bdef\s+(\w+)\(", r"[A-Z][a-z]+"
    for pattern in [calls, words, r"(?m)^\s*#.*$", r"(\w+)\.(\w+)\b", "self|other"]:
        found = re.findall(pattern, source)
        _, replaced = re.subn(pattern, "x", source)
        assert replaced == len(found)
    for line in source.splitlines():
        re.match(r"(?P<space>\s*)(?P<word>\w+)(.*)", line)


@part
def collections_of_all_kinds():
    """Dicts, sets, lists, tuples, deques."""
    words = re.findall(r"\w+", library_text("argparse"))
    for _ in range(6):
        counts, places = collections.Counter(words), collections.defaultdict(list)
        for place, word in enumerate(words):
            places[word].append(place)
            places[place % 1000, word[:1]].append(word)
        assert sum(counts.values()) == len(words)
        ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        assert ordered == sorted(ordered, key=operator.itemgetter(1), reverse=True)
        queue = collections.deque(words, maxlen=1000)
        queue.rotate(7)
        set(words) & set(queue) | {"one"}
        list(itertools.chain(reversed(words), zip(words, words[1:])))
        sorted(words), sorted(range(20000), key=lambda number: -number % 1009)


@part
def numbers():
    """Integers that fit and that do not, floats."""
    total, product = 0, 1
    for number in range(200000):
        total = (total * 31 + number) & 0xFFFFFFFF
        total ^= number >> 3
    assert total == 1167796192
    for number in range(1, 1500):
        product *= number
    while product > 1 << 64:
        product //= 10 ** 9
    str(3 ** 3000), int("9" * 500), pow(3, 10 ** 20, 10 ** 30 + 57), divmod(7 ** 200, 3 ** 90)
    floats = [number * 0.37 for number in range(20000)]
    assert max(floats) == 19999 * 0.37
    assert abs(sum(x * x for x in floats) / (0.37 ** 2 * 2666466670000) - 1) < 1e-9


@part
def formats():
    """json, pickle, struct, zlib, hashlib, datetime."""
    deep = [[{"x": 1.5, "y": None}]] * 50
    document = {"names": [TEXT] * 20, "numbers": list(range(500)), "deep": deep}
    for _ in range(60):
        assert json.loads(json.dumps(document)) == document
        assert pickle.loads(pickle.dumps(document, 2)) == document
        json.dumps(document, indent=1, sort_keys=True)
    rows = [(number, number % 99, number / 3.0, number) for number in range(9000)]
    packed = b"".join(struct.pack("<IhdQ", *row) for row in rows)
    places = range(0, len(packed), struct.calcsize("<IhdQ"))
    assert [struct.unpack_from("<IhdQ", packed, place) for place in places] == rows
    for _ in range(4):
        assert zlib.decompress(zlib.compress(packed)) == packed
        hashlib.sha256(packed).hexdigest(), zlib.crc32(packed)
    start = datetime.datetime(2020, 1, 1)
    for days in range(3000):
        (start + datetime.timedelta(days=days)).isoformat()


@part
def buffers():
    """Large and small memory: bytearrays, slices, lists that grow."""
    buffer = bytearray(1 << 20)
    for place in range(0, 1 << 20, 4096):
        buffer[place:place + 100] = b"x" * 100
    view = memoryview(buffer)
    for place in range(0, 1 << 20, 8192):
        bytes(view[place:place + 4096])
    blocks = collections.deque(maxlen=50)
    for number in range(2000):
        blocks.append(bytearray(50000 + number))
        blocks[0][-1] = 1
    small = []
    for number in range(200000):
        small.append((number, [number], {number: None}))
        if len(small) > 50000:
            del small[:25000]


@part
def files():
    """Write, read, seek, list."""
    folder = tempfile.mkdtemp()
    path = os.path.join(folder, "file")
    for _ in range(4):
        with io.open(path, "w", encoding="utf-8") as file:
            for number in range(8000):
                file.write(u"%d %s\n" % (number, TEXT))
        with io.open(path, encoding="utf-8") as file:
            assert sum(1 for _ in file) == 8000
        with open(path, "rb") as file:
            while file.read(10000):
                file.seek(1000, 1)
    os.stat(path), os.listdir(folder), os.path.exists(folder)
    os.remove(path)
    os.rmdir(folder)


@part
def threads():
    """Threads that change in turn, with locks and conditions."""
    lock, count, ready = threading.Lock(), [0], threading.Event()

    def work():
        ready.wait()
        for _ in range(5000):
            with lock:
                count[0] += 1

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    ready.set()
    for worker in workers:
        worker.join()
    assert count[0] == 20000


@part
def processes():
    """Starts of this interpreter."""
    for command in ["pass", "import json, re, collections", "print(sum(range(1000)))"] * 3:
        subprocess.check_output([sys.executable, "-c", command])


def main():
    """Run each part several times: first the interpreter does, then what its JIT compiled."""
    for _ in range(3):
        for function in PARTS:
            function()


if __name__ == "__main__":
    main()
