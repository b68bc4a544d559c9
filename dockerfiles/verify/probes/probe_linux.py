"""Calls of Linux that PyPy lacked: they do what Python's documentation says, errors too.

That they are there is checked by probe_names.py, for the Pythons that it compares.
"""

import errno
import os
import select
import signal
import sys
import tempfile
import threading
import time

from probing import Probe, equal, error_of, expect

probe = Probe("linux")


def child(code):
    """The number of a process that ends at once with this exit code."""
    pid = os.fork()
    if pid == 0:
        os._exit(code)
    return pid


def vectors():
    with tempfile.TemporaryFile() as file:
        fd = file.fileno()
        equal(os.writev(fd, [b"abc", bytearray(b"defg"), memoryview(b"hi")]), 9, "writev()")
        equal(os.pwritev(fd, [b"XY", b"Z"], 1), 3, "pwritev()")
        first, second = bytearray(4), bytearray(10)
        equal(os.preadv(fd, [first, second], 0), 9, "preadv()")
        equal(first + second[:5], b"aXYZefghi", "what was read")
        os.lseek(fd, 2, os.SEEK_SET)
        equal(os.readv(fd, [first]), 4, "readv()")
        equal(first, b"YZef", "what was read from 2 on")
        error_of(TypeError, os.readv, fd, 3)
        # PyPy before 8.0.0 raises TypeError for a buffer that cannot be written, as elsewhere.
        error_of((BufferError, TypeError), os.readv, fd, [b"cannot be written"])
    equal(error_of(OSError, os.readv, 999, [first]).errno, errno.EBADF, "error of a closed file")


def copies():
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as target:
        source.write(b"0123456789")
        source.flush()
        taken = os.copy_file_range(source.fileno(), target.fileno(), 5, offset_src=2)
        equal((taken, os.pread(target.fileno(), 9, 0)), (5, b"23456"), "copy_file_range()")
        end, start = os.pipe()
        equal(os.splice(source.fileno(), start, 4, offset_src=6), 4, "splice()")
        equal(os.read(end, 9), b"6789", "what came through the pipe")
    error_of(ValueError, os.splice, end, start, -1)


def events():
    fd = os.eventfd(3)
    expect(not os.get_inheritable(fd), "an eventfd is inherited")
    os.eventfd_write(fd, 4)
    equal(os.eventfd_read(fd), 7, "eventfd_read()")
    waiting = os.eventfd(0, os.EFD_NONBLOCK)
    equal(error_of(OSError, os.eventfd_read, waiting).errno, errno.EAGAIN, "error of an empty one")
    error_of(TypeError, os.eventfd_read, "no file")


def randomness():
    equal(len(os.getrandom(33, os.GRND_NONBLOCK)), 33, "length of getrandom(33)")
    expect(os.getrandom(16) != os.getrandom(16), "getrandom() gives the same twice")


def waiting_for_a_child():
    pid = child(7)
    for options in (os.WEXITED | os.WNOWAIT, os.WEXITED):
        result = os.waitid(os.P_PID, pid, options)
        said = (result.si_pid, result.si_status, result.si_code, result.si_signo)
        equal(said, (pid, 7, os.CLD_EXITED, signal.SIGCHLD), "waitid()")
    equal(error_of(OSError, os.waitid, os.P_PID, pid, os.WEXITED).errno, errno.ECHILD, "no child")


def process_descriptor():
    pid = os.fork()
    if pid == 0:
        time.sleep(60)
        os._exit(1)
    equal(os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG), None, "waitid() of a child that runs")
    fd = os.pidfd_open(pid)
    signal.pidfd_send_signal(fd, signal.SIGKILL)
    result = os.waitid(os.P_PIDFD, fd, os.WEXITED)
    equal((result.si_code, result.si_status), (os.CLD_KILLED, signal.SIGKILL), "waitid()")


def signals_are_waited_for():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    os.kill(os.getpid(), signal.SIGUSR1)
    info = signal.sigwaitinfo([signal.SIGUSR1])
    equal((info.si_signo, info.si_pid), (signal.SIGUSR1, os.getpid()), "sigwaitinfo()")
    equal(signal.sigtimedwait([signal.SIGUSR1], 0), None, "sigtimedwait() without a signal")
    error_of(ValueError, signal.sigtimedwait, [signal.SIGUSR1], -1)
    error_of(ValueError, signal.sigwaitinfo, [0])


def handler_runs_while_waiting():
    seen = []
    signal.signal(signal.SIGALRM, lambda *_: seen.append("handler"))
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    equal(signal.sigtimedwait([signal.SIGUSR1], 0.5), None, "sigtimedwait()")
    equal(seen, ["handler"], "what ran before the time was over")


def clock_of_a_thread():
    clock = time.pthread_getcpuclockid(threading.get_ident())
    before = time.clock_gettime(clock)
    sum(range(10**6))
    expect(time.clock_gettime(clock) > before, "the clock of this thread stands still")


def terminal_for_a_session():
    master, slave = os.openpty()
    pid = os.fork()
    if pid == 0:
        os.login_tty(slave)
        os.write(1, os.ttyname(0).encode() + b" %d" % (os.getsid(0) == os.getpid()))
        os._exit(0)
    expect(os.read(master, 99).endswith(b" 1"), "the child has no session of its own")
    os.waitpid(pid, 0)


def peer_that_hangs_up():
    end, start = os.pipe()
    poll = select.epoll(flags=select.EPOLL_CLOEXEC)
    poll.register(end, select.EPOLLIN | select.EPOLLRDHUP)
    os.close(start)
    equal(poll.poll(5), [(end, select.EPOLLHUP)], "events of a pipe without a writer")


if sys.version_info >= (3, 11):
    checks = [vectors, copies, events, randomness, waiting_for_a_child, process_descriptor]
    checks += [signals_are_waited_for, handler_runs_while_waiting, clock_of_a_thread]
    checks += [terminal_for_a_session, peer_that_hangs_up]
    for check in checks:
        probe.check(check)


if __name__ == "__main__":
    probe.run()
