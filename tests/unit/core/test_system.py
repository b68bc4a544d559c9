"""What an Alpine says of itself."""

from __future__ import annotations

from alpypy.core.system import read_system

SYSTEM = """\
== release
3.23.6
== arch
x86_64
== libraries
/lib/libc.musl-x86_64.so.1
/usr/lib/libz.so.1
/usr/lib/libz.so.1.3.1
== installed
C:Q1abc=
P:musl
V:1.2.5-r21
p:so:libc.musl-x86_64.so.1=1
F:lib
R:libc.musl-x86_64.so.1

C:Q1def=
P:zlib
V:1.3.1-r2
p:so:libz.so.1=1.3.1 cmd:nothing=1
"""


def test_what_the_image_says_of_itself() -> None:
    system = read_system(SYSTEM)
    assert (system.release, system.arch) == ("3.23.6", "x86_64")
    assert "libz.so.1" in system.libraries
    assert system.packages == {"musl", "zlib"}
    assert system.providers == {"libc.musl-x86_64.so.1": "musl", "libz.so.1": "zlib"}
