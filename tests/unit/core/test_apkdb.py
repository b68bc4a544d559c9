"""apk's database of what is installed, and what apk says of packages that are nowhere."""

from __future__ import annotations

from alpypy.core import apkdb

# Out of /lib/apk/db/installed of Alpine 3.23: of each package what counts here.
INSTALLED = """\
C:Q1aLuX6lJV53qpdOZUdtZIMq1WKIo=
P:zlib
V:1.3.2-r0
A:x86_64
D:so:libc.musl-x86_64.so.1
p:so:libz.so.1=1.3.2
F:usr
F:usr/lib
R:libz.so.1
a:0:0:777
Z:Q1tB+V0rGZ237TINW/WVwfykixU6w=
R:libz.so.1.3.2
a:0:0:755
Z:Q1WbBYB/VjxCEYKB5G0DnNnR3P7L8=

P:musl
V:1.2.5-r23
p:so:libc.musl-x86_64.so.1=1
F:lib
R:ld-musl-x86_64.so.1
a:0:0:755
R:libc.musl-x86_64.so.1
a:0:0:777

P:busybox-binsh
V:1.37.0-r30
p:/bin/sh cmd:sh=1.37.0-r30
F:bin
R:sh
a:0:0:777

P:libapk
V:3.0.8-r0
p:libapk2=3.0.8-r0 so:libapk.so.3.0.0=3.0.0
F:usr
F:usr/lib
R:libapk.so.3.0.0
"""
APK = "ERROR: unable to select packages:\n  libnope (no such package):\n    required by: world"


def test_every_package_has_its_version() -> None:
    assert apkdb.read(INSTALLED).versions == {
        "zlib": "1.3.2-r0",
        "musl": "1.2.5-r23",
        "busybox-binsh": "1.37.0-r30",
        "libapk": "3.0.8-r0",
    }


def test_libraries_are_those_that_packages_provide_and_where() -> None:
    installed = apkdb.read(INSTALLED)
    assert installed.places == {
        "libz.so.1": "usr/lib/libz.so.1",
        "libc.musl-x86_64.so.1": "lib/libc.musl-x86_64.so.1",
        "libapk.so.3.0.0": "usr/lib/libapk.so.3.0.0",
    }
    assert installed.providers == {
        "libz.so.1": "zlib",
        "libc.musl-x86_64.so.1": "musl",
        "libapk.so.3.0.0": "libapk",
    }


def test_an_empty_database_has_nothing() -> None:
    assert apkdb.read("") == apkdb.read("\n\n") == apkdb.Installed({}, {}, {})


def test_unknown_packages_are_told_from_a_repository_out_of_reach() -> None:
    assert apkdb.unknown_packages(APK) == ("libnope",)
    unreachable = "WARNING: opening https://mirror/APKINDEX.tar.gz: temporary error\n"
    assert apkdb.unknown_packages(unreachable + APK) == ()
