"""hashlib: known answers of every algorithm that must be there, hmac, key derivation."""

import hashlib
import hmac
import sys

from probing import Probe, equal, expect

probe = Probe("hashlib")
ANSWERS = {  # of the empty message: RFC 1321, FIPS 180-4, FIPS 202, RFC 7693
    "md5": "d41d8cd98f00b204e9800998ecf8427e",
    "sha1": "da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "sha224": "d14a028c2a3a2bc9476102bb288234c415a2b01f828ea62ac5b3e42f",
    "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "sha384": "38b060a751ac96384cd9327eb1b1e36a21fdb71114be0743"
    "4c0cc7bf63f6e1da274edebfe76f65fbd51ad2f14898b95b",
    "sha512": "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
    "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e",
}
ANSWERS_36 = {
    "sha3_256": "a7ffc6f8bf1ed76651c14756a061d662f580ff4de43b49fa82d80a4b80f8434a",
    "blake2s": "69217a3079908094e11121d042354a7c1f55b6482ca1a51e1b250dfd1ed0eef9",
}


def known_answer(name, wanted):
    for make in (hashlib.new, lambda name, data: getattr(hashlib, name)(data)):
        equal(make(name, b"").hexdigest(), wanted, "%s of nothing" % name)


def guaranteed(name):
    digest = hashlib.new(name, b"musl")
    length = 32 if name.startswith("shake_") else 0
    expect(digest.hexdigest(*([length] if length else [])), "%s gives nothing" % name)


for algorithm, answer in ANSWERS.items():
    probe.add(algorithm, known_answer, algorithm, answer)
if sys.version_info >= (3, 6):
    for algorithm, answer in ANSWERS_36.items():
        probe.add(algorithm, known_answer, algorithm, answer)
for algorithm in sorted(hashlib.algorithms_guaranteed):
    probe.add("new %s" % algorithm, guaranteed, algorithm)


@probe.check
def openssl():
    import _hashlib

    equal(_hashlib.new("sha256", b"").hexdigest(), ANSWERS["sha256"], "OpenSSL's sha256")


@probe.check
def keyed():
    wanted = "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8"
    text = b"The quick brown fox jumps over the lazy dog"
    equal(hmac.new(b"key", text, hashlib.sha256).hexdigest(), wanted, "HMAC-SHA-256")


@probe.check
def key_derivation():
    # RFC 7914, section 11.
    derived = hashlib.pbkdf2_hmac("sha256", b"passwd", b"salt", 1, 16)
    equal(derived[:4], b"\x55\xac\x04\x6e", "PBKDF2")


if __name__ == "__main__":
    probe.run()
