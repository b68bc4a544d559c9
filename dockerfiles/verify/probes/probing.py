"""What all probes share: each check runs in a process of its own, and one JSON document comes out.

Runs under the PyPy that is being verified: Python 2.7 and 3.5 to 3.12.
"""

from __future__ import print_function

import atexit
import glob
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
import warnings

SECONDS = 120
_SIGNALS = {
    number: name
    for name, number in vars(signal).items()
    if name.startswith("SIG") and "_" not in name
}


class Probe(object):
    """Checks under one name; ``request`` is what the verifier passes as JSON."""

    def __init__(self, name):
        self.name = name
        self.request = json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}
        self._checks = []
        # Of modules that later Pythons drop: what counts is that they work in this one.
        warnings.simplefilter("ignore")

    def check(self, function):
        """Decorator: the function is a check named as it; raising is its failure."""
        self.add(function.__name__, function)
        return function

    def add(self, subject, function, *arguments):
        """A check that calls ``function(*arguments)``."""
        self._checks.append((subject, function, arguments))

    def run(self):
        """Run all checks and print the document."""
        failures = []
        for subject, function, arguments in self._checks:
            message = _in_child(function, arguments, self.request.get("seconds", SECONDS))
            if message is not None:
                failures.append({"subject": subject, "message": message[-2000:]})
        document = {"probe": self.name, "checks": len(self._checks), "failures": failures}
        print(json.dumps(document))


def expect(condition, message):
    """Fail the check with ``message`` unless ``condition``; works under -O too."""
    if not condition:
        raise AssertionError(message)


def equal(got, wanted, what):
    """Fail the check unless both are equal."""
    expect(got == wanted, "%s: expected %r, got %r" % (what, wanted, got))


def error_of(kind, function, *arguments, **options):
    """The error that ``function`` must raise when it is called: one of ``kind``, and no other."""
    try:
        result = function(*arguments, **options)
    except kind as error:
        return error
    raise AssertionError("no error was raised, the result is %r" % (result,))


def completed(command, environment=None):
    """Exit code and output (stdout and stderr) of a command."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=dict(os.environ, **(environment or {})),
    )
    output = process.communicate()[0].decode("utf-8", "replace")
    return process.returncode, output


def output_of(command, environment=None):
    """Output of a command that must succeed."""
    code, output = completed(command, environment)
    expect(code == 0, "%s ended with %s: %s" % (" ".join(command), code, output[-1500:]))
    return output


def shown_until(master, mark=None):
    """What is written to a pseudo-terminal until ``mark`` is there or its program ends."""
    shown = b""
    while mark is None or mark not in shown:
        try:
            piece = os.read(master, 4096)
        except OSError:  # EIO: how Linux says that the other side is closed
            return shown
        if not piece:
            return shown
        shown += piece
    return shown


def musl_version():
    """Version that musl's own loader prints when it is run without a program to load."""
    (loader,) = glob.glob("/lib/ld-musl-*.so.1")
    said = subprocess.Popen([loader], stderr=subprocess.PIPE).communicate()[1].decode()
    found = re.search(r"^Version (\S+)", said, re.MULTILINE)
    expect(found, "%s does not say which version it is: %s" % (loader, said))
    return found.group(1)


def _in_child(function, arguments, seconds):
    """The failure's message, None when there is none.

    The message comes through a file: a pipe would stay open in whatever the check leaves running.
    What the check prints goes to another and is part of the message.
    """
    folder = tempfile.mkdtemp()
    result, printed = os.path.join(folder, "result"), os.path.join(folder, "printed")
    try:
        child = os.fork()
        if child == 0:
            _be_child(function, arguments, seconds, result, printed)
        message = _verdict(os.waitpid(child, 0)[1], _text(result), seconds)
        output = _text(printed).strip()
        return message if message is None or not output else "%s\n%s" % (message, output)
    finally:
        shutil.rmtree(folder)


def _text(path):
    """Content of a file, nothing when it is not there."""
    if not os.path.exists(path):
        return ""
    with io.open(path, encoding="utf-8", errors="replace") as stream:
        return stream.read()


def _be_child(function, arguments, seconds, result, printed):
    try:
        # Ends the process even when the interpreter itself no longer gets a turn.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(seconds)
        handle = os.open(printed, os.O_WRONLY | os.O_CREAT)
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        message = _attempt(function, arguments)
        sys.stdout.flush()
        with open(result, "w") as stream:  # may hang too, on a lock that a thread left behind
            json.dump({"message": message}, stream)
        signal.alarm(0)
    finally:
        os._exit(0)


def _attempt(function, arguments):
    try:
        function(*arguments)
        # The process ends by os._exit: what multiprocessing cleans up at exit is done here.
        atexit._run_exitfuncs()
    except AssertionError as error:
        return str(error) or traceback.format_exc()
    except BaseException:  # a module may raise SystemExit when it is imported
        kind, error = sys.exc_info()[:2]
        place = traceback.extract_tb(sys.exc_info()[2])[-1]
        return "%s: %s (%s:%s)" % (kind.__name__, error, place[0], place[1])
    return None


def _verdict(status, text, seconds):
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number == signal.SIGALRM:
            return "hung: ended after %s seconds" % seconds
        return "crashed: killed by %s" % _SIGNALS.get(number, "signal %s" % number)
    if not text:
        return "ended with exit code %s and no result" % os.WEXITSTATUS(status)
    return json.loads(text)["message"]
