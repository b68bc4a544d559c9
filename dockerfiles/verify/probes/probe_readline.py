"""readline: history, and a line that is typed on a pseudo-terminal with completion.

PyPy's readline asks the terminal's description for its keys: without one that it knows, every call
fails, on any C library.
"""

import os
import pty
import readline
import sys
import tempfile

from probing import Probe, equal, expect, shown_until

probe = Probe("readline")
os.environ["TERM"] = "xterm"
# Run with a pseudo-terminal: readline looks at the terminal when it is imported.
ASK = """
import readline, sys
def complete(text, state):
    return "alpypy" if state == 0 and "alpypy".startswith(text) else None
readline.set_completer(complete)
readline.parse_and_bind("tab: complete")
answer = (input if sys.version_info[0] > 2 else raw_input)("name? ")
sys.exit(None if answer == "alpypy-1" else "the answer is %r" % answer)
"""


def history():
    """All lines of the history; they are counted from 1."""
    count = readline.get_current_history_length()
    return [readline.get_history_item(number + 1) for number in range(count)]


@probe.check
def lines_are_kept():
    for line in ("first", "second", "third"):
        readline.add_history(line)
    equal(history(), ["first", "second", "third"], "the history")
    readline.remove_history_item(0)
    readline.replace_history_item(0, "2nd")
    equal(history(), ["2nd", "third"], "the history after changes")


@probe.check
def there_and_back():
    path = os.path.join(tempfile.mkdtemp(), "history")
    readline.add_history("first")
    readline.add_history("second")
    readline.write_history_file(path)
    readline.clear_history()
    equal(history(), [], "the history after it was cleared")
    readline.read_history_file(path)
    equal(history(), ["first", "second"], "the history that was read")


@probe.check
def typed_and_completed():
    child, master = pty.fork()
    if child == 0:
        os.execv(sys.executable, [sys.executable, "-c", ASK])
    shown = shown_until(master, b"name? ")
    expect(b"name? " in shown, "no prompt but %r" % shown)
    os.write(master, b"alp\t-1\r")
    shown += shown_until(master)
    equal(os.waitpid(child, 0)[1], 0, "status of a program that asks (it showed %r)" % shown)


if __name__ == "__main__":
    probe.run()
