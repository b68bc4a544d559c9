"""crypt: known answers of each method that musl has, and none for an account that is locked.

musl: https://git.musl-libc.org/cgit/musl/tree/src/crypt
"""

import importlib
import sys

from probing import Probe, equal, expect

probe = Probe("crypt")
crypt = importlib.import_module("crypt")  # now that its warning is not printed
# Of "Hello world!". The SHA ones are of https://www.akkadia.org/drepper/SHA-crypt.txt; all are what
# libxcrypt gives too.
ANSWERS = {
    "des": ("ab", "MbH7WsHr7wQ"),
    "extended_des": ("_J9..rasm", "rSnncbbwkX2"),
    "md5": ("$1$saltsalt$", "le8lFSqqnPaRFOlmAZpvH1"),
    "blowfish": ("$2a$05$abcdefghijklmnopqrstuu", "7nFISH/8YdwlXD3lw69A4iBUf6fvWAW"),
    "sha256": ("$5$saltstring$", "5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"),
    "sha512": (
        "$6$saltstring$",
        "svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
    ),
}


def known_answer(salt, wanted):
    hashed = crypt.crypt("Hello world!", salt)
    equal(hashed, salt + wanted, "crypt() with %s" % salt)
    # A password is verified by hashing it again with its hash as the salt.
    equal(crypt.crypt("Hello world!", hashed), hashed, "the same password again")
    expect(crypt.crypt("hello world!", hashed) != hashed, "another password has the same hash")


for method, (salt, answer) in sorted(ANSWERS.items()):
    probe.add(method, known_answer, salt, answer)


@probe.check
def no_password_opens_a_locked_account():
    """What stands in /etc/shadow instead of a hash must not come out of crypt()."""
    for field in ("*", "!", "!!", "x", "*0", "!$6$saltstring$"):
        try:
            hashed = crypt.crypt("Hello world!", field)
        except OSError:
            continue
        expect(hashed != field, "crypt(..., %r) gives the same" % field)


if sys.version_info[0] > 2:

    @probe.check
    def methods():
        names = [method.name for method in crypt.methods]
        wanted = ["SHA512", "SHA256", "BLOWFISH", "MD5", "CRYPT"]
        if sys.version_info < (3, 7):  # it learned Blowfish then
            wanted.remove("BLOWFISH")
        equal(names, wanted, "crypt.methods, the strongest first")

    @probe.check
    def new_salts():
        for method in crypt.methods:
            hashed = crypt.crypt("Hello world!", crypt.mksalt(method))
            equal(len(hashed), method.total_size, "length of a hash by %s" % method.name)
            equal(crypt.crypt("Hello world!", hashed), hashed, "%s again" % method.name)


if __name__ == "__main__":
    probe.run()
