"""What the C library and the kernel say of themselves: version, limits, scheduler."""

import errno
import os
import platform
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


if has("sched_getaffinity"):

    @probe.check
    def affinity():
        processors = os.sched_getaffinity(0)
        expect(processors, "os.sched_getaffinity(0) is empty")
        os.sched_setaffinity(0, processors)
        equal(os.sched_getaffinity(0), processors, "os.sched_getaffinity(0)")


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
