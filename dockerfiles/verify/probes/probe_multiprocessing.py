"""multiprocessing: pools, queues, semaphores and shared memory, forked and (3.x) spawned."""

import errno
import gc
import multiprocessing
import os
import sys
import threading
import time

from probing import Probe, equal, error_of, expect

probe = Probe("multiprocessing")


def square(number):
    return number * number


def add(counter, times):
    for _ in range(times):
        with counter.get_lock():
            counter.value += 1


def answer(questions, answers):
    answers.put(questions.get() * 2)


def release(lock):
    lock.release()


def mark(name):
    """Write a byte into a block of shared memory that another process made."""
    from multiprocessing import shared_memory

    block = shared_memory.SharedMemory(name)
    block.buf[7] = 42
    block.close()


def pool_of(context):
    pool = context.Pool(2)
    try:
        equal(pool.map(square, range(20)), [n * n for n in range(20)], "what the pool gave")
    finally:
        pool.terminate()
        pool.join()


@probe.check
def pool():
    pool_of(multiprocessing)


@probe.check
def queue():
    questions, answers = multiprocessing.Queue(), multiprocessing.Queue()
    process = multiprocessing.Process(target=answer, args=(questions, answers))
    process.start()
    questions.put(21)
    equal(answers.get(timeout=60), 42, "the answer")
    process.join(60)
    equal(process.exitcode, 0, "exit code")


@probe.check
def shared_value():
    counter = multiprocessing.Value("i", 0)
    processes = [multiprocessing.Process(target=add, args=(counter, 200)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    equal(counter.value, 600, "the counter")


@probe.check
def semaphore():
    lock = multiprocessing.Semaphore(2)
    expect(lock.acquire(False) and lock.acquire(False), "a semaphore of two gave less")
    expect(not lock.acquire(False), "a semaphore of two gave three")


class Owner(object):
    """It has a finalizer, so that a semaphore which it holds is collected a round later."""

    def __init__(self, thing):
        self.thing = thing

    def __del__(self):
        pass


def drop_semaphores(make):
    """Make more semaphores, one after the other, than musl keeps open."""
    for _ in range(os.sysconf("SC_SEM_NSEMS_MAX") + 50):
        make()


@probe.check
def semaphores_that_nobody_uses():
    """PyPy closes one only when it is collected, and musl keeps at most 256 open."""
    drop_semaphores(multiprocessing.Lock)
    drop_semaphores(lambda: Owner(Owner(multiprocessing.Lock())))


@probe.check
def semaphores_without_garbage_collection():
    gc.disable()
    try:
        drop_semaphores(multiprocessing.Lock)
    finally:
        gc.enable()


@probe.check
def semaphores_in_use():
    """More than musl keeps open are an error, and no longer one when they are dropped."""
    locks, limit = [], os.sysconf("SC_SEM_NSEMS_MAX")
    try:
        for _ in range(limit + 1):
            locks.append(multiprocessing.Lock())
    except (OSError, IOError) as error:
        equal(error.errno, errno.EMFILE, "error of too many semaphores")
        expect(str(limit) in str(error), "the error does not name the limit: %s" % error)
    else:
        raise AssertionError("%d semaphores are open, musl's limit is %d" % (len(locks), limit))
    locks = []
    expect(multiprocessing.Lock().acquire(False), "a new lock is taken")


def wake_all(threads):
    """Wake that many threads, which wait for one condition, and see that none is left."""
    condition, waiting = multiprocessing.Condition(), multiprocessing.Semaphore(0)

    def wait():
        with condition:
            waiting.release()
            condition.wait()

    running = [threading.Thread(target=wait) for _ in range(threads)]
    for thread in running:
        thread.daemon = True
        thread.start()
    for _ in running:
        waiting.acquire()
    with condition:
        time.sleep(0.1)  # the others want its lock now, so that each release of it has a taker
        condition.notify_all()
    for thread in running:
        thread.join(10)
    equal(sum(thread.is_alive() for thread in running), 0, "number of threads left waiting")


@probe.check
def condition_of_threads():
    for _ in range(5):
        wake_all(6)


@probe.check
def manager():
    running = multiprocessing.Manager()
    shared = running.dict()
    shared["key"] = 1
    equal(shared["key"], 1, "the value")
    running.shutdown()


if sys.version_info[0] > 2:

    @probe.check
    def spawned_pool():
        pool_of(multiprocessing.get_context("spawn"))

    @probe.check
    def semaphores_with_names():
        """Those for a spawned process keep their names, by which that process opens them."""
        context = multiprocessing.get_context("spawn")
        lock = context.Lock()
        drop_semaphores(context.Lock)
        process = context.Process(target=release, args=(lock,))
        lock.acquire()
        process.start()
        expect(lock.acquire(timeout=60), "the spawned process did not release the lock")
        process.join(60)
        equal(process.exitcode, 0, "exit code")

    @probe.check
    def executor():
        from concurrent.futures import ProcessPoolExecutor

        with ProcessPoolExecutor(2) as running:
            equal(list(running.map(square, [1, 2, 3])), [1, 4, 9], "what the executor gave")


if sys.version_info >= (3, 8):

    @probe.check
    def shared_memory():
        from multiprocessing import shared_memory as module

        block = module.SharedMemory(create=True, size=100)
        other = module.SharedMemory(block.name)
        block.buf[0] = 42
        equal(other.buf[0], 42, "the byte seen through the other name")
        other.close()
        block.close()
        block.unlink()
        error_of(FileNotFoundError, module.SharedMemory, block.name)

    @probe.check
    def shared_memory_of_another_process():
        from multiprocessing import shared_memory as module

        block = module.SharedMemory(create=True, size=100)
        process = multiprocessing.Process(target=mark, args=(block.name,))
        process.start()
        process.join(60)
        equal((process.exitcode, block.buf[7]), (0, 42), "exit code and the byte it wrote")
        block.close()
        block.unlink()

    @probe.check
    def shared_memory_by_its_own_functions():
        import _posixshmem

        name, flags = "/alpypy-%d" % os.getpid(), os.O_CREAT | os.O_EXCL | os.O_RDWR
        os.close(_posixshmem.shm_open(name, flags, mode=0o600))
        error_of(FileExistsError, _posixshmem.shm_open, name, flags, mode=0o600)
        _posixshmem.shm_unlink(name)
        error_of(FileNotFoundError, _posixshmem.shm_unlink, name)


if __name__ == "__main__":
    probe.run()
