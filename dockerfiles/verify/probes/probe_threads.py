"""Threads: locks and queues, and recursion as deep as the interpreter says it may go.

musl gives a thread far less stack than glibc does; too deep must raise an error and not crash.
"""

import ctypes
import os
import sys
import tempfile
import threading
import time

from probing import Probe, equal, error_of, expect

probe = Probe("threads")


def in_thread(function):
    """Call ``function`` in a thread and give its result or raise its error."""

    def run(body):
        thread = threading.Thread(target=body)
        thread.start()
        thread.join()

    return result_of(function, run)


def result_of(function, run):
    """What ``function`` gives or raises when ``run`` calls it."""
    results, errors = [], []

    def body():
        try:
            results.append(function())
        except BaseException as error:
            errors.append(error)

    run(body)
    if errors:
        raise errors[0]
    return results[0]


BODY = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)


def in_thread_of_c(function):
    """The same in a thread that pthread_create makes, as a library does: with musl's 128 KiB, and
    unknown to the interpreter until it calls back."""
    libc, thread = ctypes.CDLL(None), ctypes.c_ulong()
    attributes = (ctypes.c_long * 16)()  # a pthread_attr_t has 7 of them on 64 bits, 9 on 32

    def run(body):
        callback = BODY(lambda _: body())
        equal(libc.pthread_attr_init(attributes), 0, "pthread_attr_init")
        size = ctypes.c_size_t(128 * 1024)
        equal(libc.pthread_attr_setstacksize(attributes, size), 0, "pthread_attr_setstacksize")
        made = libc.pthread_create(ctypes.byref(thread), attributes, callback, None)
        equal(made, 0, "pthread_create")
        equal(libc.pthread_join(thread, None), 0, "pthread_join")

    return result_of(function, run)


def descend(depth):
    return 0 if depth == 0 else 1 + descend(depth - 1)


class Endless(object):
    """Equal to another when their insides are, and those are Endless too."""

    def __eq__(self, other):
        return [Endless()] == [Endless()]


def raises(function):
    """Whether recursion without end ends with the error that it should."""
    try:
        function()
    except RuntimeError:  # RecursionError is one
        return True
    return False


def descend_for_ever():
    return raises(lambda: descend(-1))


def compare_for_ever():
    """Through the interpreter's own comparison of lists: more stack for each level."""
    return raises(lambda: Endless() == Endless())


def generate():
    for value in generate():
        yield value


def generate_for_ever():
    return raises(lambda: list(generate()))


COMPARISON = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)


def sort_for_ever():
    """Through qsort, which calls back into Python. What ends it is raised in a callback, or comes
    before one has begun: then it can only be printed."""
    libc, errors = ctypes.CDLL(None), []

    def sort():
        libc.qsort((ctypes.c_int * 2)(2, 1), 2, ctypes.sizeof(ctypes.c_int), compare)

    def attempt(*pointers):
        try:
            sort()
        except RuntimeError as error:
            errors.append(error)
        return 0

    compare = COMPARISON(attempt)
    printed = printed_by(sort)
    return bool(errors) or b"uncaught exception in callback" in printed


def printed_by(function):
    """What comes out on stderr meanwhile."""
    with tempfile.TemporaryFile() as stream:
        saved = os.dup(2)
        os.dup2(stream.fileno(), 2)
        try:
            function()
        finally:
            os.dup2(saved, 2)
        stream.seek(0)
        return stream.read()


@probe.check
def recursion_limit_depth():
    depth = sys.getrecursionlimit() - 20  # what already stands on the stack
    equal(in_thread(lambda: descend(depth)), depth, "depth that was reached")


@probe.check
def too_deep_in_a_thread():
    expect(in_thread(descend_for_ever), "no error was raised")


@probe.check
def too_deep_through_c():
    expect(in_thread(compare_for_ever), "no error was raised")


@probe.check
def too_deep_through_generators():
    expect(in_thread(generate_for_ever), "no error was raised")


@probe.check
def too_deep_through_callbacks():
    expect(in_thread(sort_for_ever), "no error was raised or printed")


@probe.check
def too_deep_through_callbacks_in_the_main_thread():
    expect(sort_for_ever(), "no error was raised or printed")


@probe.check
def too_deep_in_200_threads():
    """One after another: each leaves weak references behind, whose finalizers may come where the
    next one's stack ends."""
    equal([in_thread(compare_for_ever) for _ in range(200)], [True] * 200, "errors raised")


@probe.check
def too_deep_in_the_main_thread():
    expect(descend_for_ever(), "no error was raised")


def raised_limit_in_a_thread(limit):
    """A stack that cannot hold what the limit allows ends with an error."""
    sys.setrecursionlimit(limit)
    expect(in_thread(descend_for_ever), "no error was raised")
    expect(in_thread(compare_for_ever), "no error was raised")


def raised_limit_in_a_thread_of_c(limit):
    sys.setrecursionlimit(limit)
    expect(in_thread_of_c(descend_for_ever), "no error was raised")
    expect(in_thread_of_c(compare_for_ever), "no error was raised")


def raised_limit_in_the_main_thread(limit):
    """More than the usual 8 MiB hold."""
    sys.setrecursionlimit(limit)
    expect(descend_for_ever(), "no error was raised")
    expect(compare_for_ever(), "no error was raised")


# setrecursionlimit takes a C int. CPython, which has no other bound, would fill the memory.
HIGHEST = (2**31 - 1,) if "__pypy__" in sys.builtin_module_names else ()
for recursion_limit in (5000, 20000) + HIGHEST:
    subject = "raised_limit_in_a_thread (%d)" % recursion_limit
    probe.add(subject, raised_limit_in_a_thread, recursion_limit)
for recursion_limit in (20000,) + HIGHEST:
    for check in (raised_limit_in_a_thread_of_c, raised_limit_in_the_main_thread):
        probe.add("%s (%d)" % (check.__name__, recursion_limit), check, recursion_limit)


@probe.check
def raised_limit_in_a_larger_thread():
    sys.setrecursionlimit(5000)
    threading.stack_size(16 * 1024 * 1024)
    depth = sys.getrecursionlimit() - 20
    equal(in_thread(lambda: descend(depth)), depth, "depth that was reached")


@probe.check
def many_at_the_limit():
    depth = sys.getrecursionlimit() - 20
    reached = []
    threads = [threading.Thread(target=lambda: reached.append(descend(depth))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    equal(reached, [depth] * 20, "depths that were reached")


@probe.check
def lock_and_condition():
    condition, numbers = threading.Condition(), []

    def produce():
        for number in range(1000):
            with condition:
                numbers.append(number)
                condition.notify()

    thread = threading.Thread(target=produce)
    with condition:
        thread.start()
        while len(numbers) < 1000:
            condition.wait(10)
    thread.join()
    equal(numbers, list(range(1000)), "what the thread produced")


@probe.check
def timeout():
    started = time.time()
    expect(not threading.Event().wait(0.2), "an event was set by nobody")
    expect(0.1 < time.time() - started < 30, "a wait of 0.2 s took another time")


@probe.check
def thread_local():
    local = threading.local()
    local.value = 1
    expect(in_thread(lambda: not hasattr(local, "value")), "a thread saw another one's value")


def stack_size(kib, depth):
    """A stack of the size that was asked for holds a few calls."""
    threading.stack_size(kib * 1024)
    equal(in_thread(lambda: descend(depth)), depth, "depth with a stack of %d KiB" % kib)


def too_deep(function, kib):
    threading.stack_size(kib * 1024)
    expect(in_thread(function), "no error was raised")


def too_deep_in_a_thread_of_c(function):
    expect(in_thread_of_c(function), "no error was raised")


# Not sort_for_ever: 3.6-7.0.0 imports where its stack ends, and the import lock stays with the
# thread.
for endless in (descend_for_ever, compare_for_ever, generate_for_ever):
    subject = "%s (a thread of C)" % endless.__name__
    probe.add(subject, too_deep_in_a_thread_of_c, endless)

for size, levels in ((32, 5), (256, 50), (4096, 500), (16384, 900)):  # the first is the least
    probe.add("stack_size (%d KiB)" % size, stack_size, size, levels)
    for endless in (descend_for_ever, compare_for_ever, generate_for_ever, sort_for_ever):
        probe.add("%s (%d KiB)" % (endless.__name__, size), too_deep, endless, size)


@probe.check
def stack_size_that_is_too_small():
    error_of(ValueError, threading.stack_size, 16 * 1024)
    equal(threading.stack_size(), 0, "the size after the error")


if __name__ == "__main__":
    probe.run()
