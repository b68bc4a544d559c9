"""Threads and locks, most of which are calls of the C library."""

import queue
import threading

from own import run


def start():
    """Start 50 threads, one after another, and wait for each."""

    def started():
        for _ in range(50):
            thread = threading.Thread(target=int)
            thread.start()
            thread.join()

    return started


def lock():
    """Take a free lock 50,000 times, and one that its owner may take again."""
    plain, again = threading.Lock(), threading.RLock()

    def locked():
        for _ in range(25000):
            with plain:
                pass
            with again:
                pass

    return locked


def queued():
    """Send 200 items through a queue to another thread and back."""
    here, there = queue.SimpleQueue(), queue.SimpleQueue()

    def echo():
        while True:
            there.put(here.get())

    threading.Thread(target=echo, daemon=True).start()

    def sent():
        for number in range(200):
            here.put(number)
            there.get()

    return sent


def contention():
    """Two threads that want the same lock."""
    shared = threading.Lock()

    def work():
        for _ in range(3000):
            with shared:
                sum(range(20))

    def contended():
        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return contended


BENCHMARKS = {"start": start, "lock": lock, "queue": queued, "contention": contention}

if __name__ == "__main__":
    run("threads", BENCHMARKS)
