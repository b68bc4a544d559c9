"""The module json, with a document such as a web service sends."""

import json

from own import run, words


def document():
    """1,000 entries with texts, numbers and lists."""
    names = words(2000)
    return [
        {
            "id": number,
            "name": names[number] + " \u00e9\n" + names[number + 1000],
            "tags": names[number : number + 5],
            "price": number / 7,
            "active": number % 2 == 0,
            "parent": None,
        }
        for number in range(1000)
    ]


def dumps():
    """Write the document, with ASCII alone and with all letters."""
    values = document()
    return lambda: len(json.dumps(values)) + len(json.dumps(values, ensure_ascii=False))


def loads():
    """Read the document."""
    text = json.dumps(document())
    return lambda: len(json.loads(text))


BENCHMARKS = {"dumps": dumps, "loads": loads}

if __name__ == "__main__":
    run("json", BENCHMARKS)
