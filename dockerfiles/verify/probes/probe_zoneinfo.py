"""zoneinfo: where it looks for time zones, and zones out of a package as PyPI's tzdata is one.

No zones are installed here.
"""

import datetime
import os
import struct
import sys
import tempfile

from probing import Probe, equal, error_of, expect

probe = Probe("zoneinfo")
# Three hours and a quarter ahead of UTC for ever: a header and one type in version 1, the same in
# version 2, and the rule. Source: RFC 9636, sections 3.1 to 3.3.
HEADER = struct.pack(">4s1s15x6l", b"TZif", b"2", 0, 0, 0, 0, 1, 5)
BODY = struct.pack(">lbb", 11700, 0, 0) + b"ALPY\0"
ZONE = HEADER + BODY + HEADER + BODY + b"\n<ALPY>-3:15\n"


def package():
    """A folder with a package tzdata that has one zone: Alpypy/Test."""
    top = tempfile.mkdtemp()
    folder = top
    for name in ("tzdata", "zoneinfo", "Alpypy"):
        folder = os.path.join(folder, name)
        os.mkdir(folder)
        open(os.path.join(folder, "__init__.py"), "w").close()
    with open(os.path.join(folder, "Test"), "wb") as stream:
        stream.write(ZONE)
    with open(os.path.join(top, "tzdata", "zones"), "w") as stream:
        stream.write("Alpypy/Test\n")
    return top


if sys.version_info >= (3, 9):
    import zoneinfo

    @probe.check
    def usual_folders():
        found = set(zoneinfo.TZPATH)
        wanted = {"/usr/share/zoneinfo", "/usr/lib/zoneinfo", "/etc/zoneinfo"}
        expect(wanted <= found, "zoneinfo.TZPATH is %r" % (zoneinfo.TZPATH,))
        expect(all(map(os.path.isabs, found)), "zoneinfo.TZPATH is %r" % (zoneinfo.TZPATH,))

    @probe.check
    def no_zones():
        """Documented, and no other error, where a system has none."""
        error_of(zoneinfo.ZoneInfoNotFoundError, zoneinfo.ZoneInfo, "Europe/Berlin")
        equal(zoneinfo.available_timezones(), set(), "available_timezones()")

    @probe.check
    def package_on_the_path():
        sys.path.insert(0, package())
        zone = zoneinfo.ZoneInfo("Alpypy/Test")
        moment = datetime.datetime(2030, 7, 1, 12, tzinfo=zone)
        ahead = datetime.timedelta(seconds=11700)
        equal((moment.utcoffset(), moment.tzname()), (ahead, "ALPY"), "offset and name")
        equal(zoneinfo.available_timezones(), {"Alpypy/Test"}, "available_timezones()")

    @probe.check
    def folder_of_the_environment():
        folder = os.path.join(package(), "tzdata", "zoneinfo")
        zoneinfo.reset_tzpath([folder])
        equal(str(zoneinfo.ZoneInfo("Alpypy/Test")), "Alpypy/Test", "the zone")


if __name__ == "__main__":
    probe.run()
