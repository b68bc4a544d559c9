"""Threads: locks and queues, and recursion as deep as the interpreter says it may go.

musl gives a thread far less stack than glibc does; too deep must raise an error and not crash.
"""

import sys
import threading
import time

from probing import Probe, equal, expect

probe = Probe("threads")


def in_thread(function):
    """Call ``function`` in a thread and give its result or raise its error."""
    results, errors = [], []

    def body():
        try:
            results.append(function())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


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
def too_deep_in_the_main_thread():
    expect(descend_for_ever(), "no error was raised")


@probe.check
def raised_limit_in_a_thread():
    """A stack that cannot hold what the limit allows ends with an error, a larger one holds it."""
    sys.setrecursionlimit(5000)
    expect(in_thread(descend_for_ever), "no error was raised")
    expect(in_thread(compare_for_ever), "no error was raised")
    threading.stack_size(16 * 1024 * 1024)
    depth = sys.getrecursionlimit() - 20
    equal(in_thread(lambda: descend(depth)), depth, "depth that was reached")


@probe.check
def raised_limit_in_the_main_thread():
    sys.setrecursionlimit(20000)  # more than the usual 8 MiB hold
    expect(descend_for_ever(), "no error was raised")
    expect(compare_for_ever(), "no error was raised")


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


@probe.check
def stack_size():
    threading.stack_size(4 * 1024 * 1024)
    equal(in_thread(lambda: descend(500)), 500, "depth with a stack of 4 MiB")


if __name__ == "__main__":
    probe.run()
