"""Files in the folder for temporary files, which is in memory in a container."""

import os
import tempfile

from own import run, words


def path_with(lines):
    """A file with these lines. The folder goes when the container or the process does."""
    folder = tempfile.TemporaryDirectory()
    KEPT.append(folder)
    path = os.path.join(folder.name, "file")
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(lines)
    return path


def lines():
    """Read 20,000 lines of text."""
    path = path_with(word + " and the rest of the line\n" for word in words(20000))

    def read():
        with open(path, encoding="utf-8") as file:
            return sum(len(line) for line in file)

    return read


def binary_lines():
    """Read 20,000 lines of bytes."""
    path = path_with(word + " and the rest of the line\n" for word in words(20000))

    def read():
        with open(path, "rb") as file:
            return sum(len(line) for line in file)

    return read


def write():
    """Write 20,000 lines of text."""
    path, text = path_with(()), [word + "\n" for word in words(20000)]

    def written():
        with open(path, "w", encoding="utf-8") as file:
            for line in text:
                file.write(line)

    return written


def stat():
    """Ask 2,000 times for a file's size, and for one that does not exist."""
    path = path_with(())

    def asked():
        for _ in range(2000):
            os.stat(path)
            os.path.exists(path + ".gone")

    return asked


KEPT = []
BENCHMARKS = {"lines": lines, "binary_lines": binary_lines, "write": write, "stat": stat}

if __name__ == "__main__":
    run("files", BENCHMARKS)
