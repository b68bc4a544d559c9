"""The start of processes: of any, of this Python, and of this Python with 30 modules."""

import subprocess
import sys

from own import run

# Of the standard library, and used by many programs.
MODULES = (
    "argparse, ast, asyncio, base64, collections, concurrent.futures, configparser, contextlib,"
    " csv, dataclasses, datetime, decimal, email.message, enum, functools, hashlib, http.client,"
    " inspect, json, logging, multiprocessing, pathlib, random, re, shutil, socket, subprocess,"
    " tempfile, typing, urllib.request"
)


def process():
    """Start /bin/true and wait for it, 10 times."""

    def started():
        for _ in range(10):
            subprocess.run(["/bin/true"], check=True)

    return started


def python():
    """Start this Python, which does nothing."""
    return lambda: subprocess.run([sys.executable, "-c", "pass"], check=True)


def import_30():
    """Start this Python, which imports 30 modules."""
    program = "import " + MODULES
    return lambda: subprocess.run([sys.executable, "-c", program], check=True)


BENCHMARKS = {"process": process, "python": python, "import_30": import_30}

if __name__ == "__main__":
    run("start", BENCHMARKS)
