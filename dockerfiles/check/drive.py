"""Runs one test module and writes a line of JSON as each of its tests starts and ends.

Every line is on disk before the test goes on, so that a crash or a hang leaves the name of the test
that ran. Works on Python 2.7 and from 3.5 on, PyPy and CPython. Its argument is a JSON object, with
"memory_mib" besides (null where something else limits the process) and "without", names of modules
that cannot be imported:

    {"mode": "describe"}
    {"mode": "stdlib", "record": FILE, "module": "test_os", "resources": "all,-gui", "skip": [ID]}
    {"mode": "pytest", "record": FILE, "file": FILE, "root": FOLDER, "wheels": FOLDER, "skip": [ID]}

Lines are {"start": ID}, then {"test": ID, "outcome": ..., "message": ..., "trace": ...,
"seconds": ...}; a line without a start before it is of a class or a module. The last line is
{"exit": CODE}: without it the process did not come to its end.
"""

from __future__ import print_function

import functools
import json
import os
import platform
import runpy
import shutil
import sys
import tempfile
import time
import traceback
import unittest

MESSAGE, TRACE = 500, 4000  # characters that are kept
NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME of OpenSSL 1.1 and later
HELPERS = ("_testcapi", "_testbuffer", "_testmultiphase", "_ctypes_test")
# The worse of two outcomes of one test is the later one here.
OUTCOMES = (
    "passed",
    "expected failure",
    "skipped",
    "unexpected success",
    "failed",
    "error",
)


class Record(object):
    """The file. It is opened anew for each line: tests count, close and use up descriptors."""

    def __init__(self, path):
        self._path = path
        self._process = os.getpid()

    def write(
        self,
        event,
        # Tests replace these while they run.
        _open=os.open,
        _write=os.write,
        _close=os.close,
        _getpid=os.getpid,
        _dumps=json.dumps,
        _flags=os.O_WRONLY | os.O_APPEND | os.O_CREAT,
    ):
        if _getpid() != self._process:
            return  # a child that a test forked and that came back here
        line = _dumps(event) + "\n"
        descriptor = _open(self._path, _flags, 0o666)
        try:
            _write(descriptor, line.encode("ascii"))
        finally:
            _close(descriptor)


class Watch(object):
    """Follows the outermost test; what the tests of unittest run inside themselves is theirs."""

    def __init__(self, record):
        self._record = record
        self._result = None
        self._worst = None
        self._since = 0.0

    def start(self, result, test):
        if self._result is None:
            self._result, self._worst = result, None
            self._since = clock()
            self._record.write({"start": name_of(test)})

    def note(self, result, test, outcome, detail=None):
        if self._result is None:
            self._record.write(dict(shown(outcome, detail), test=name_of(test)))
        elif result is self._result and (
            self._worst is None or rank(outcome) > rank(self._worst["outcome"])
        ):
            self._worst = shown(outcome, detail)

    def stop(self, result, test):
        if result is self._result:
            # A test whose subtests failed has no outcome of its own before Python 3.11.
            event = dict(self._worst or shown("passed", None), test=name_of(test))
            event["seconds"] = round(clock() - self._since, 3)
            self._result = None
            self._record.write(event)


clock = time.time  # time.monotonic is not in Python 2.7, and tests replace time.time
rank = OUTCOMES.index


def name_of(test):
    identity = getattr(test, "id", None)
    return text(identity() if callable(identity) else test)


def text(value):
    """A value as text that JSON can hold, whatever bytes a test put into it."""
    try:
        words = value if isinstance(value, (bytes, type(u""))) else str(value)
    except Exception:
        words = "(%s that cannot be shown)" % type(value).__name__
    return words.decode("utf-8", "replace") if isinstance(words, bytes) else words


def shown(outcome, detail):
    """The fields of an outcome; ``detail`` is a reason or what sys.exc_info() gives."""
    event = {"outcome": outcome}
    if isinstance(detail, tuple):
        try:
            last = "".join(map(text, traceback.format_exception_only(*detail[:2])))
            trace = "".join(map(text, traceback.format_exception(*detail)))
        except Exception:
            last = trace = text(detail[1])
        event["message"] = last.strip()[:MESSAGE]
        event["trace"] = trace.strip()[-TRACE:]
    elif detail is not None:
        event["message"] = text(detail)[:MESSAGE]
    return event


def watch_unittest(watch):
    """Let the result class that all others come from tell ``watch`` what happens."""
    kind = unittest.TestResult

    def before(name, tell):
        original = kind.__dict__.get(name)
        if original is None:
            return

        @functools.wraps(original)
        def replacement(self, *arguments, **named):
            tell(self, *arguments, **named)
            return original(self, *arguments, **named)

        setattr(kind, name, replacement)

    def noting(outcome):
        return lambda result, test, *rest, **named: watch.note(
            result, test, outcome, (list(rest) + list(named.values()) + [None])[0]
        )

    def subtest(result, test, subtest, err):
        if err is not None:
            failed = issubclass(err[0], test.failureException)
            watch.note(result, test, "failed" if failed else "error", err)

    before("startTest", watch.start)
    before("addSuccess", noting("passed"))
    before("addFailure", noting("failed"))
    before("addError", noting("error"))
    before("addSkip", noting("skipped"))
    before("addExpectedFailure", noting("expected failure"))
    before("addUnexpectedSuccess", noting("unexpected success"))
    before("addSubTest", subtest)
    before("stopTest", watch.stop)


def skip_unittest(names):
    """Do not run these tests: each ended the process in an earlier run of the module."""
    run = unittest.TestCase.run

    def replacement(self, result=None):
        if result is None or self.id() not in names:
            return run(self, result)
        result.startTest(self)
        result.addSkip(self, "ended the process before")
        result.stopTest(self)
        return result

    unittest.TestCase.run = replacement


def take_any_date():
    """No context of ssl looks at the dates of a certificate: those of the suite are over."""
    import ssl

    make = ssl.SSLContext.__new__

    def replacement(*arguments, **keywords):
        context = make(*arguments, **keywords)
        context.verify_flags |= NO_CHECK_TIME
        return context

    ssl.SSLContext.__new__ = staticmethod(replacement)


def run_stdlib(request, record):
    """As ``python -m test.regrtest -v MODULE`` does."""
    if os.environ.get("ALPYPY_ANY_DATE"):
        take_any_date()
    watch_unittest(Watch(record))
    if request["skip"]:
        skip_unittest(frozenset(request["skip"]))
    sys.path[0] = os.getcwd()
    sys.argv = ["regrtest", "-v", "-u", request["resources"], request["module"]]
    runpy.run_module("test.regrtest", run_name="__main__", alter_sys=True)
    return 0


class PytestWatch(object):
    """A plugin of pytest that writes the same lines."""

    def __init__(self, record, skip):
        self._record = record
        self._skip = frozenset(skip)
        self._outcome = None
        self._seconds = 0.0

    def pytest_collectreport(self, report):
        if report.outcome != "passed":
            outcome = "skipped" if report.outcome == "skipped" else "error"
            self._record.write(dict(self._shown(report, outcome), test=report.nodeid))

    def pytest_collection_modifyitems(self, items):
        items[:] = [item for item in items if item.nodeid not in self._skip]

    def pytest_runtest_logstart(self, nodeid):
        self._outcome, self._seconds = {"outcome": "passed"}, 0.0
        self._record.write({"start": nodeid})

    def pytest_runtest_logreport(self, report):
        self._seconds += report.duration
        outcome = self._outcome_of(report)
        if rank(outcome) > rank(self._outcome["outcome"]):
            self._outcome = self._shown(report, outcome)
        if report.when == "teardown":
            event = dict(self._outcome, test=report.nodeid, seconds=round(self._seconds, 3))
            self._record.write(event)

    def _outcome_of(self, report):
        expected = hasattr(report, "wasxfail")
        if report.outcome == "skipped":
            return "expected failure" if expected else "skipped"
        if report.outcome == "failed":
            return "failed" if report.when == "call" else "error"
        # A test that passes against expectation is no failure unless it is strict, as in pytest.
        return "passed"

    def _shown(self, report, outcome):
        event = {"outcome": outcome}
        if isinstance(report.longrepr, tuple):  # a skip: file, line, reason
            event["message"] = text(report.longrepr[2])[:MESSAGE]
        elif report.longrepr is not None:
            trace = text(report.longrepr)
            crash = getattr(report.longrepr, "reprcrash", None)
            message = text(crash.message) if crash else trace
            event["message"] = message.strip()[:MESSAGE]
            event["trace"] = trace.strip()[-TRACE:]
        return event


def run_pytest(request, record):
    """pytest, out of unpacked wheels, on one file; plugins of the system are not for it."""
    sys.path[0] = request["wheels"]
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    import pytest

    # In a copy: the tests are mounted read-only, and some write or compile where they are.
    copy = os.path.join(tempfile.mkdtemp(), "source")
    shutil.copytree(request["root"], copy)
    os.chdir(copy)
    arguments = ["-v", "-p", "no:cacheprovider", request["file"]]
    code = int(pytest.main(arguments, plugins=[PytestWatch(record, request["skip"])]))
    return 0 if code == 5 else code  # 5: there was no test, or all were left out


def broken_helpers():
    """Modules for tests whose import fails in another way than by ImportError, and how.

    Some releases compile them when they are imported. Where that cannot work, no test that is
    prepared to do without them would come so far.
    """
    found = {}
    for name in HELPERS:
        try:
            __import__(name)
        except ImportError:
            pass
        except Exception as error:
            found[name] = shown("error", (type(error), error, None))["message"]
    return found


def describe():
    """What interpreter this is, and the test modules that its standard library brings."""
    import test.regrtest  # without it there is nothing to run

    folder = os.path.dirname(os.path.abspath(test.__file__))
    names = [os.path.splitext(name)[0] for name in os.listdir(folder) if is_test(folder, name)]
    release = getattr(sys, "pypy_version_info", None)
    print(
        json.dumps(
            {
                "implementation": platform.python_implementation(),
                "language": "%d.%d" % sys.version_info[:2],
                "version": platform.python_version(),
                "release": "%d.%d.%d" % tuple(release)[:3] if release else None,
                "machine": platform.machine(),
                "modules": sorted(set(names)),
                "broken": broken_helpers(),
            }
        )
    )


def is_test(folder, name):
    if not name.startswith("test_"):
        return False
    return name.endswith(".py") or os.path.isfile(os.path.join(folder, name, "__init__.py"))


def limit(memory_mib):
    """No core files, and no more memory than that; what tests start takes this over."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (memory_mib << 20, memory_mib << 20))


def main():
    request = json.loads(sys.argv[1])
    if request["mode"] == "describe":
        return describe()
    if request["memory_mib"]:
        limit(request["memory_mib"])
    for name in request["without"]:
        sys.modules[name] = None
    record = Record(request["record"])
    run = run_stdlib if request["mode"] == "stdlib" else run_pytest
    code = 1
    try:
        code = run(request, record)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        record.write({"exit": code})
    sys.exit(code)


if __name__ == "__main__":
    main()
