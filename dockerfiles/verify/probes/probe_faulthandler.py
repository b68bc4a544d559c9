"""faulthandler: tracebacks on demand, after a time, and of a process that dies of a signal.

PyPy has it in Python 2 too. The line numbers in its tracebacks are approximate.
"""

import signal
import subprocess
import sys
import tempfile

from probing import Probe, equal, expect, output_of

probe = Probe("faulthandler")
# Each writes into the file that its argument names.
DUMP = """
import faulthandler, sys
def innermost(stream):
    faulthandler.dump_traceback(stream)
with open(sys.argv[1], "w") as stream:
    innermost(stream)
"""
LATER = """
import faulthandler, sys, time
def sleeping():
    time.sleep(2)
with open(sys.argv[1], "w") as stream:
    faulthandler.dump_traceback_later(0.2, file=stream)
    sleeping()
"""
CANCELLED = LATER.replace(
    "    sleeping", "    faulthandler.cancel_dump_traceback_later()\n    sleeping"
)
CRASH = """
import ctypes, threading
def fall():
    ctypes.CDLL(None).strlen(None)
"""
ENABLE = "import faulthandler; faulthandler.enable()\n"
THREAD = "thread = threading.Thread(target=fall); thread.start(); thread.join()\n"


def written_by(code):
    """What a program writes into the file that it is given."""
    with tempfile.NamedTemporaryFile() as stream:
        output_of([sys.executable, "-c", code, stream.name])
        return stream.read().decode()


def dies_with_a_traceback(*options):
    """The program dies of SIGSEGV, and says where."""
    command = [sys.executable] + list(options)
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    said = process.communicate()[1].decode()
    equal(process.returncode, -signal.SIGSEGV, "how it ended (it said %r)" % said)
    expect("Fatal Python error: Segmentation fault" in said, "it said %r" % said)
    expect("in fall" in said, "it does not say where: %r" % said)


@probe.check
def on_demand():
    said = written_by(DUMP)
    expect("in innermost" in said, "the traceback is %r" % said)


@probe.check
def after_a_time():
    said = written_by(LATER)
    expect("Timeout" in said and "in sleeping" in said, "the traceback is %r" % said)


@probe.check
def cancelled():
    equal(written_by(CANCELLED), "", "what a cancelled dump wrote")


probe.add("of_a_crash", dies_with_a_traceback, "-c", ENABLE + CRASH + "fall()")
probe.add("of_a_crash_in_a_thread", dies_with_a_traceback, "-c", ENABLE + CRASH + THREAD)
if sys.version_info[0] > 2:
    probe.add("by_option", dies_with_a_traceback, "-X", "faulthandler", "-c", CRASH + "fall()")

if __name__ == "__main__":
    probe.run()
