"""What the C library and the kernel say of themselves: version, limits, scheduler."""

import errno
import os
import platform
import signal
import sys
import time

from probing import Probe, equal, error_of, expect, musl_version

probe = Probe("system")


@probe.check
def libc_version():
    equal(platform.libc_ver(), ("musl", musl_version()), "platform.libc_ver()")


@probe.check
def confstr():
    expect("/bin" in os.confstr("CS_PATH"), "confstr('CS_PATH') is %r" % os.confstr("CS_PATH"))
    error_of(ValueError, os.confstr, "CS_NO_SUCH_NAME")


def confstr_name(name):
    """A text, nothing, or the documented error where the C library does not know the name."""
    try:
        value = os.confstr(name)
    except OSError as error:
        equal(error.errno, errno.EINVAL, "error of confstr(%r)" % name)
    else:
        expect(value is None or isinstance(value, str), "confstr(%r) is %r" % (name, value))


for constant in sorted(os.confstr_names):
    probe.add("confstr %s" % constant, confstr_name, constant)


@probe.check
def sysconf():
    expect(os.sysconf("SC_PAGESIZE") >= 4096, "SC_PAGESIZE is %s" % os.sysconf("SC_PAGESIZE"))
    expect(os.sysconf("SC_NPROCESSORS_ONLN") >= 1, "no processor is online")
    expect(os.pathconf("/", "PC_NAME_MAX") >= 255, "names of files are too short")


@probe.check
def load_average():
    equal(len(os.getloadavg()), 3, "length of os.getloadavg()")


def scheduler(function, *arguments):
    """The call's result; None when it is not implemented: musl has it for threads only."""
    try:
        return function(*arguments)
    except OSError as error:
        equal(error.errno, errno.ENOSYS, "error of %s" % function.__name__)


if sys.version_info[0] > 2:

    @probe.check
    def scheduler_priorities():
        least, most = (
            get(os.SCHED_FIFO) for get in (os.sched_get_priority_min, os.sched_get_priority_max)
        )
        expect(1 <= least < most, "priorities of SCHED_FIFO go from %s to %s" % (least, most))
        equal(os.sched_get_priority_max(os.SCHED_OTHER), 0, "the highest of SCHED_OTHER")
        error = error_of(OSError, os.sched_get_priority_max, 99)
        equal(error.errno, errno.EINVAL, "error of an unknown policy")

    @probe.check
    def scheduler_yield():
        os.sched_yield()

    @probe.check
    def processors():
        expect(os.cpu_count() >= 1, "os.cpu_count() is %r" % os.cpu_count())


def has(name):
    return hasattr(os, name)


if has("sched_getscheduler"):

    @probe.check
    def scheduler_policy():
        policies = (None, os.SCHED_OTHER, os.SCHED_BATCH, os.SCHED_FIFO, os.SCHED_RR)
        policy = scheduler(os.sched_getscheduler, 0)
        expect(policy in policies, "os.sched_getscheduler(0) is %r" % policy)
        parameter = scheduler(os.sched_getparam, 0)
        if parameter is not None:
            expect(parameter.sched_priority >= 0, "os.sched_getparam(0) is %r" % (parameter,))

    @probe.check
    def scheduler_policy_set():
        scheduler(os.sched_setscheduler, 0, os.SCHED_OTHER, os.sched_param(0))
        scheduler(os.sched_setparam, 0, os.sched_param(0))

    @probe.check
    def scheduler_interval():
        interval = scheduler(os.sched_rr_get_interval, 0)
        expect(interval is None or interval >= 0, "os.sched_rr_get_interval(0) is %r" % interval)


if sys.version_info[0] > 2:

    @probe.check
    def affinity():
        processors = os.sched_getaffinity(0)
        expect(processors, "os.sched_getaffinity(0) is empty")
        first = min(processors)
        os.sched_setaffinity(0, [first])
        equal(os.sched_getaffinity(os.getpid()), {first}, "os.sched_getaffinity()")
        os.sched_setaffinity(0, processors)
        equal(os.sched_getaffinity(0), processors, "os.sched_getaffinity(0)")

    @probe.check
    def affinity_errors():
        error = error_of(OSError, os.sched_setaffinity, 0, [])
        equal(error.errno, errno.EINVAL, "error of no processor")
        error_of(ValueError, os.sched_setaffinity, 0, [-1])
        error_of(OverflowError, os.sched_setaffinity, 0, [2**31])
        error_of(TypeError, os.sched_setaffinity, 0, ["0"])
        error_of(OSError, os.sched_getaffinity, -1)


def spawned(function, *command, **options):
    """What a spawned command writes, and its exit code."""
    reader, writer = os.pipe()
    actions = [(os.POSIX_SPAWN_DUP2, writer, 1), (os.POSIX_SPAWN_CLOSE, writer)]
    actions += options.pop("actions", [])
    environment = {"PATH": "/usr/bin:/bin", "WHO": "musl"}
    pid = function(command[0], command, environment, file_actions=actions, **options)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        output = pipe.read()
    return output, os.WEXITSTATUS(os.waitpid(pid, 0)[1])


if sys.version_info >= (3, 8):

    @probe.check
    def posix_spawn():
        result = spawned(os.posix_spawn, "/bin/sh", "-c", "echo of $WHO; exit 3")
        equal(result, (b"of musl\n", 3), "output and exit code")
        result = spawned(os.posix_spawnp, "echo", "found", resetids=True)
        equal(result, (b"found\n", 0), "output and exit code")
        error = error_of(FileNotFoundError, os.posix_spawn, "/no/such", ["such"], {})
        equal(error.filename, "/no/such", "file name of the error")

    @probe.check
    def posix_spawn_file_actions():
        actions = [(os.POSIX_SPAWN_OPEN, 0, __file__, os.O_RDONLY, 0)]
        with open(__file__, "rb") as file:
            equal(spawned(os.posix_spawnp, "cat", actions=actions), (file.read(), 0), "this file")
        for bad in ((os.POSIX_SPAWN_CLOSE,), (99, 0), (), None):
            error_of(TypeError, os.posix_spawn, "/bin/true", ["true"], {}, file_actions=[bad])

    @probe.check
    def posix_spawn_signals():
        status = ("grep", "-E", "SigBlk|SigIgn", "/proc/self/status")
        output, _ = spawned(os.posix_spawnp, *status, setsigmask=[signal.SIGUSR2])
        masks = dict(line.split(b":") for line in output.splitlines())
        equal(int(masks[b"SigBlk"], 16), 1 << (signal.SIGUSR2 - 1), "signals that it blocks")
        before = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        output, _ = spawned(os.posix_spawnp, *status, setsigdef=[signal.SIGUSR1])
        signal.signal(signal.SIGUSR1, before)
        masks = dict(line.split(b":") for line in output.splitlines())
        ignored = int(masks[b"SigIgn"], 16) & 1 << (signal.SIGUSR1 - 1)
        expect(not ignored, "a signal with its default action is ignored")

    @probe.check
    def posix_spawn_groups():
        stat = ("sh", "-c", "exec cat /proc/self/stat")
        for options, number in (({"setpgroup": 0}, 4), ({"setsid": True}, 5)):
            fields = spawned(os.posix_spawnp, *stat, **options)[0].split()
            equal(fields[number], fields[0], "group or session with %r" % options)

    @probe.check
    def posix_spawn_scheduler():
        """musl sets none, and says so."""
        given = (os.SCHED_OTHER, os.sched_param(0))
        error = error_of(OSError, spawned, os.posix_spawnp, "true", scheduler=given)
        equal(error.errno, errno.ENOSYS, "error of a scheduler")

    @probe.check
    def posix_spawn_is_audited():
        events = []
        sys.addaudithook(lambda name, given: name == "os.posix_spawn" and events.append(given))
        command = ("true",)
        pid = os.posix_spawn("/bin/true", command, {})
        os.waitpid(pid, 0)
        equal(events, [("/bin/true", command, {})], "audit events")


@probe.check
def zone_of_a_tuple():
    now = time.localtime()
    zone = time.tzname[now.tm_isdst > 0]
    equal(time.strftime("%Z", now), zone, "%Z of localtime()")
    equal(time.strftime("%Z", tuple(now)[:9]), zone, "%Z of a tuple")


@probe.check
def year_of_five_digits():
    """musl's asctime() and ctime() end the process for it."""
    text = time.asctime((12345, 1, 1, 0, 0, 0, 0, 1, 0))
    equal(text, "Mon Jan  1 00:00:00 12345", "time.asctime() of the year 12345")
    equal(time.ctime(10**12).split()[-1], "33658", "the year of time.ctime(10**12)")


if __name__ == "__main__":
    probe.run()
