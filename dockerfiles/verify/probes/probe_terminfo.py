"""terminfo on a system without any description of a terminal: those of common ones are inside.

The folders that descriptions are looked for in are empty here.
"""

import curses
import os
import pty
import sys

from probing import Probe, completed, equal, error_of, expect, shown_until

probe = Probe("terminfo")
TERMINALS = ("xterm", "xterm-256color", "linux", "screen", "screen-256color")
TERMINALS += ("tmux", "tmux-256color", "vt100")
FOLDERS = ("/etc/terminfo", "/lib/terminfo", "/usr/lib/terminfo", "/usr/share/terminfo")


@probe.check
def no_description_is_installed():
    """Else nothing below would say anything."""
    equal([one for one in FOLDERS if os.path.isdir(one) and os.listdir(one)], [], "descriptions")


def described(name):
    """What a terminal's keys and screen need: readline and PyPy's own console use these."""
    master, slave = pty.openpty()
    curses.setupterm(name, slave)
    for capability in ("cup", "clear", "el", "kcuu1", "kcud1", "kcub1", "kcuf1"):
        value = curses.tigetstr(capability)
        expect(value and value.startswith(b"\033"), "%s of %s is %r" % (capability, name, value))
    equal(curses.tparm(curses.tigetstr("cup"), 4, 9)[:6], b"\033[5;10", "moving to 5, 10")
    colors = 256 if "256" in name else -1 if name == "vt100" else 8
    equal(curses.tigetnum("colors"), colors, "colours of " + name)
    os.close(master)


for terminal in TERMINALS:
    probe.add(terminal, described, terminal)


@probe.check
def unknown_terminal():
    error = error_of(curses.error, curses.setupterm, "alpypy-no-such-terminal", 1)
    expect(str(error), "the error says nothing")


@probe.check
def description_of_the_user():
    """A description that is asked for by TERMINFO, here one that does not exist, is no crash."""
    code = "import curses; curses.setupterm('xterm', 1); print(curses.tigetnum('lines'))"
    code_of_exit, output = completed([sys.executable, "-c", code], {"TERMINFO": "/nowhere"})
    equal((code_of_exit, output.strip()), (0, "24"), "with a folder that does not exist")


def interactive(name):
    """The interactive interpreter computes on such a terminal what is typed, and ends."""
    child, master = pty.fork()
    if child == 0:
        os.environ["TERM"] = name
        os.execv(sys.executable, [sys.executable])
    shown = shown_until(master, b">>>> ")
    os.write(master, b"print(6 * 7 * 1000001); raise SystemExit\r")
    shown += shown_until(master)
    status = os.waitpid(child, 0)[1]
    expect(b"42000042" in shown, "the interpreter showed %r" % shown)
    expect(b"Traceback" not in shown, "the interpreter showed %r" % shown)
    equal(status, 0, "its exit status (it showed %r)" % shown)


for terminal in ("xterm", "xterm-256color", "linux"):
    probe.add("interpreter on " + terminal, interactive, terminal)


if __name__ == "__main__":
    probe.run()
