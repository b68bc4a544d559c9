"""curses: terminal descriptions, and a screen on a pseudo-terminal."""

import curses
import curses.panel
import os
import pty
import sys

from probing import Probe, equal, error_of, expect, shown_until

probe = Probe("curses")


@probe.check
def capabilities():
    master, slave = pty.openpty()
    curses.setupterm("vt100", slave)
    equal(curses.tigetnum("cols"), 80, "columns of a vt100")
    equal(curses.tparm(curses.tigetstr("cup"), 4, 9)[:6], b"\033[5;10", "moving to 5, 10")
    os.close(master)


def draw():
    """Runs with a pseudo-terminal as its terminal."""
    screen = curses.initscr()
    curses.start_color()
    window = curses.newwin(5, 30, 2, 2)
    panel = curses.panel.new_panel(window)
    panel.window().addstr(1, 1, "alpypy was here", curses.A_BOLD)
    curses.panel.update_panels()
    screen.noutrefresh()
    curses.doupdate()
    if resize_is_checked():
        error_of(OverflowError, curses.resizeterm, 32768, 80)
        screen.erase()
    curses.endwin()


def resize_is_checked():
    """ncurses crashes after a size that it cannot keep: see the patch curses-resize-size."""
    return sys.version_info >= (3, 11) and getattr(sys, "pypy_version_info", (0,))[0] >= 8


@probe.check
def screen():
    child, master = pty.fork()
    if child == 0:
        os.environ["TERM"] = "xterm"
        try:
            draw()
        except BaseException as error:
            sys.stderr.write("failed: %s" % error)
            os._exit(1)
        os._exit(0)
    shown = shown_until(master)
    equal(os.waitpid(child, 0)[1], 0, "status of a program with a screen (it showed %r)" % shown)
    expect(b"alpypy was here" in shown, "the screen showed %r" % shown)


if __name__ == "__main__":
    probe.run()
